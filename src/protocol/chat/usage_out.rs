//! Writes what an answer cost, in Chat's arithmetic: the prompt holds its cached part, the completion its reasoning.

use crate::json::Writer;
use crate::protocol::sniff::Usage;

/// Appends the value of `usage`.
pub(super) fn write(usage: &Usage, out: &mut Vec<u8>) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    let mut json = Writer::new(out);
    json.begin_object().key("prompt_tokens").u64(input).key("completion_tokens").u64(output);
    json.key("total_tokens").u64(input.saturating_add(output));
    if usage.cache_read.is_some() || usage.cache_write.is_some() {
        json.key("prompt_tokens_details").begin_object();
        json.key("cached_tokens").u64(usage.cache_read.unwrap_or(0));
        if let Some(written) = usage.cache_write {
            json.key("cache_write_tokens").u64(written);
        }
        json.end();
    }
    if let Some(reasoning) = usage.reasoning {
        json.key("completion_tokens_details").begin_object().key("reasoning_tokens").u64(reasoning).end();
    }
    json.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_03_57_what_is_written_is_read_as_the_same() {
        let all = Usage {
            input: Some(90),
            output: Some(40),
            cache_read: Some(60),
            cache_write: Some(10),
            reasoning: Some(30),
        };
        for usage in [
            all,
            Usage { cache_write: None, ..all },
            Usage { cache_read: None, cache_write: None, reasoning: None, ..all },
        ] {
            let mut out = Vec::new();
            write(&usage, &mut out);
            assert_eq!(Usage::openai(&out), usage, "{}", String::from_utf8_lossy(&out));
        }
    }
}
