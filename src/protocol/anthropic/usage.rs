//! Anthropic's arithmetic of tokens: what a cache had and what was put into one are no part of `input_tokens`.

use crate::json::Writer;
use crate::protocol::sniff::Usage;

/// Appends the members of a `usage` object, without braces around them. Where the prompt was not counted it is left
/// out, so that what a client was told before stands; unless there is a `guess` to tell.
pub(super) fn write(usage: &Usage, guess: Option<u64>, out: &mut Vec<u8>) {
    let (read, written) = (usage.cache_read.unwrap_or(0), usage.cache_write.unwrap_or(0));
    let fresh = usage.input.map(|input| input.saturating_sub(read).saturating_sub(written));
    let mut json = Writer::new(out);
    json.begin_object();
    if let Some(input) = fresh.or(guess) {
        json.key("input_tokens").u64(input);
        json.key("cache_creation_input_tokens").u64(written);
        json.key("cache_read_input_tokens").u64(read);
    }
    json.key("output_tokens").u64(usage.output.unwrap_or(0));
    if let Some(reasoning) = usage.reasoning {
        json.key("output_tokens_details").begin_object().key("thinking_tokens").u64(reasoning).end();
    }
    json.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(usage: Usage, guess: Option<u64>) -> String {
        let mut out = Vec::new();
        write(&usage, guess, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn conversion_03_and_57_cached_tokens_are_taken_out_and_never_below_zero() {
        let usage = Usage {
            input: Some(100),
            output: Some(7),
            cache_read: Some(60),
            cache_write: Some(30),
            reasoning: Some(5),
        };
        assert_eq!(
            written(usage, Some(1)),
            r#"{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":60,"output_tokens":7,"output_tokens_details":{"thinking_tokens":5}}"#
        );
        let odd = Usage { input: Some(10), cache_read: Some(60), ..Usage::default() };
        assert!(written(odd, None).starts_with(r#"{"input_tokens":0,"#));
    }

    #[test]
    fn conversion_01_a_prompt_that_nobody_counted_leaves_the_guess_standing() {
        let usage = Usage { output: Some(7), ..Usage::default() };
        assert_eq!(written(usage, None), r#"{"output_tokens":7}"#);
        assert!(written(usage, Some(12)).starts_with(r#"{"input_tokens":12,"#));
    }
}
