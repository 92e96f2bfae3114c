use super::*;
use crate::protocol::failure::Fault;
use crate::protocol::ir::assemble::{Assembler, Response, Whole};
use crate::protocol::ir::grammar::Grammar;
use crate::protocol::ir::{Failure, Input};

fn read(body: &str) -> Result<Result<Response, Failure<'static>>, BadUpstream> {
    let (mut grammar, mut assembler) = (Grammar::default(), Assembler::new(1 << 20));
    response(body.as_bytes(), &mut |event| {
        grammar.admit(&event).expect("it keeps the grammar");
        assembler.event(&event).expect("it is small");
    })?;
    assert!(grammar.is_ended());
    Ok(assembler.finish().expect("it ended"))
}

fn whole(message: &str, reason: &str) -> Response {
    let body = format!(
        r#"{{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":{reason}}}],"usage":{{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}}}"#
    );
    read(&body).expect("it is an answer").expect("it did not fail")
}

#[test]
fn a_text_is_read() {
    let answer = whole(r#"{"role":"assistant","content":"a\n","refusal":null}"#, "\"stop\"");
    assert!(matches!(&answer.parts[..], [Whole::Text { text, .. }] if text.eq_str("a\n")));
    assert_eq!((answer.usage.input, answer.usage.output, answer.stop()), (Some(9), Some(3), Stop::EndTurn));
    assert_eq!((&*answer.id.decode(), &*answer.model.decode()), ("c1", "m"));
}

#[test]
fn thoughts_calls_and_citations_are_read() {
    let message = r#"{"content":"t","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"sig"}}},{"id":"b","type":"custom","custom":{"name":"g","input":"x"}}],"reasoning_content":"hm","annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}"#;
    let answer = whole(message, "\"tool_calls\"");
    let [Whole::Reasoning { text, .. }, Whole::Text { citations, .. }, Whole::ToolCall(f), Whole::ToolCall(g)] =
        &answer.parts[..]
    else {
        panic!("{:?}", answer.parts)
    };
    assert!(text.eq_str("hm") && citations.len() == 1);
    assert_eq!(f.seal.as_ref().map(|seal| seal.data.decode().into_owned()).as_deref(), Some("sig"));
    assert!(matches!(&g.input, Input::Free(input) if input.eq_str("x")), "{:?}", g.input);
    assert_eq!(answer.stop(), Stop::ToolUse);
}

#[test]
fn a_whole_answer_needs_no_reason() {
    assert_eq!(whole(r#"{"content":"a"}"#, "null").stop(), Stop::EndTurn);
}

#[test]
fn members_that_only_chat_knows_are_one_part() {
    let answer = whole(r#"{"content":"a","provider_specific_fields":{"x":1},"name":null}"#, "\"stop\"");
    let [_, Whole::Foreign { origin: crate::protocol::Dialect::Chat, raw, .. }] = &answer.parts[..] else {
        panic!("{:?}", answer.parts)
    };
    assert_eq!(raw.bytes(), br#"{"provider_specific_fields":{"x":1}}"#);
}

#[test]
fn sound_is_what_it_says_and_its_bytes() {
    let answer = whole(
        r#"{"content":null,"audio":{"id":"audio_1","expires_at":7,"data":"AAAA","transcript":"hello"}}"#,
        "\"stop\"",
    );
    let [Whole::Text { text, .. }, Whole::Foreign { raw, .. }, Whole::Media { base64, .. }] = &answer.parts[..] else {
        panic!("{:?}", answer.parts)
    };
    assert!(text.eq_str("hello") && base64.eq_str("AAAA"));
    assert_eq!(raw.bytes(), br#"{"audio":{"id":"audio_1","expires_at":7}}"#);
}

#[test]
fn conversion_44_an_error_inside_an_ok_is_a_failure() {
    let failure = read(r#"{"error":{"message":"m","code":429}}"#).unwrap().unwrap_err();
    assert_eq!(failure.fault, Fault::RateLimited);
    let failure = read(r#"[{"error":{"message":"m","code":503}}]"#).unwrap().unwrap_err();
    assert_eq!(failure.fault, Fault::Unavailable);
}

#[test]
fn conversion_54_what_says_nothing_is_no_answer() {
    for body in
        ["", "{", "[]", "{}", r#"{"choices":[]}"#, r#"{"choices":[{"index":1,"message":{"content":"a"}}]}"#, "<html>"]
    {
        assert!(read(body).is_err(), "{body}");
    }
}

#[test]
fn only_the_first_choice_is_told() {
    let body = r#"{"choices":[{"index":1,"message":{"content":"b"},"finish_reason":"stop"},{"index":0,"message":{"content":"a"},"finish_reason":"length"}]}"#;
    let answer = read(body).unwrap().unwrap();
    assert!(matches!(&answer.parts[..], [Whole::Text { text, .. }] if text.eq_str("a")));
    assert_eq!(answer.stop(), Stop::Length);
}

/// Some local servers give each call the name of its function for an id, or the same one.
#[test]
fn calls_of_one_id_are_calls_of_their_own() {
    let call = |input: &str| format!(r#"{{"id":"x","type":"function","function":{{"name":"f","arguments":{input}}}}}"#);
    let calls = [call(r#""{\"a\":1}""#), call("null"), call(r#"{"o":1}"#)].join(",");
    let answer = whole(&format!(r#"{{"content":null,"tool_calls":[{calls}]}}"#), "\"tool_calls\"");
    let ids = answer.parts.iter().map(|part| match part {
        Whole::ToolCall(call) => call.id.decode().into_owned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["x", "", ""]);
}
