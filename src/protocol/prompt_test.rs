//! Each dialect, each place.

use super::*;

fn apply(dialect: Dialect, place: Place, body: &str) -> String {
    let prompt = Prompt::new(place, "T\"", Vec::new());
    let out = prompt.apply(dialect, body.as_bytes()).map(|out| {
        json::value(&out).unwrap();
        String::from_utf8(out).unwrap()
    });
    out.unwrap_or_else(|| "-".to_owned())
}

#[test]
fn texts_are_placed_as_each_dialect_has_them() {
    use Dialect::*;
    use Place::*;
    let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}"#;
    let two = r#"{"messages":[{"role":"system","content":"a"}, {"role":"developer","content":[{"type":"text","text":"b"}]}, {"role":"user"}]}"#;
    for (dialect, place, body, expected) in [
        (Chat, Append, chat, r#"{"messages":[{"role":"system","content":"s\nT\""},{"role":"user","content":"u"}]}"#),
        (Chat, Prepend, chat, r#"{"messages":[{"role":"system","content":"T\"\ns"},{"role":"user","content":"u"}]}"#),
        (Chat, Replace, chat, r#"{"messages":[{"role":"system","content":"T\""},{"role":"user","content":"u"}]}"#),
        (
            Chat,
            Append,
            two,
            r#"{"messages":[{"role":"system","content":"a"}, {"role":"developer","content":[{"type":"text","text":"b"},{"type":"text","text":"T\""}]}, {"role":"user"}]}"#,
        ),
        (Chat, Replace, two, r#"{"messages":[{"role":"system","content":"T\""}, {"role":"user"}]}"#),
        (Chat, Append, r#"{"messages":[]}"#, r#"{"messages":[{"role":"system","content":"T\""}]}"#),
        (
            Chat,
            Prepend,
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"messages":[{"role":"system","content":"T\""},{"role":"user"}]}"#,
        ),
        (Chat, Append, r#"{"messages":"x"}"#, "-"),
        (Responses, Append, r#"{"input":"x"}"#, r#"{"instructions":"T\"","input":"x"}"#),
        (Responses, Append, r#"{"instructions":"i"}"#, r#"{"instructions":"i\nT\""}"#),
        (Responses, Append, r#"{"instructions":null}"#, r#"{"instructions":"T\""}"#),
        (
            Responses,
            Replace,
            r#"{"instructions":"i","input":[{"role":"developer","content":"d"},{"role":"user"}]}"#,
            r#"{"instructions":"T\"","input":[{"role":"user"}]}"#,
        ),
        (Responses, Replace, r#"{"input":[{"role":"system"}]}"#, r#"{"instructions":"T\"","input":[]}"#),
        (Anthropic, Append, "{}", r#"{"system":"T\""}"#),
        (Anthropic, Append, r#"{"system":"s"}"#, r#"{"system":"s\nT\""}"#),
        (
            Anthropic,
            Append,
            r#"{"system":[{"type":"text","text":"s"}]}"#,
            r#"{"system":[{"type":"text","text":"s"},{"type":"text","text":"T\""}]}"#,
        ),
        (
            Anthropic,
            Prepend,
            r#"{"system":[{"type":"text","text":"s"}]}"#,
            r#"{"system":[{"type":"text","text":"T\""},{"type":"text","text":"s"}]}"#,
        ),
        (Anthropic, Append, r#"{"system":[]}"#, r#"{"system":[{"type":"text","text":"T\""}]}"#),
        (Anthropic, Replace, r#"{"system":[{"type":"text","text":"s"}]}"#, r#"{"system":"T\""}"#),
        (Gemini, Append, "{}", r#"{"systemInstruction":{"parts":[{"text":"T\""}]}}"#),
        (
            Gemini,
            Append,
            r#"{"system_instruction":{"parts":[{"text":"s"}]}}"#,
            r#"{"system_instruction":{"parts":[{"text":"s"},{"text":"T\""}]}}"#,
        ),
        (
            Gemini,
            Prepend,
            r#"{"systemInstruction":{"parts":{"text":"s"}}}"#,
            r#"{"systemInstruction":{"parts":[{"text":"T\""},{"text":"s"}]}}"#,
        ),
        (
            Gemini,
            Replace,
            r#"{"systemInstruction":{"role":"user","parts":[]}}"#,
            r#"{"systemInstruction":{"parts":[{"text":"T\""}]}}"#,
        ),
        (
            Ollama,
            Append,
            r#"{"messages":[{"role":"system","content":"s"}]}"#,
            r#"{"messages":[{"role":"system","content":"s\nT\""}]}"#,
        ),
        (Ollama, Append, r#"{"prompt":"p"}"#, r#"{"system":"T\"","prompt":"p"}"#),
    ] {
        assert_eq!(apply(dialect, place, body), expected, "{dialect:?} {place:?} {body}");
    }
}

#[test]
fn words_are_replaced_in_the_whole_of_it_and_nowhere_else() {
    let prompt = |text| Prompt::new(Place::Append, text, vec![("Claude".into(), "the \"agent\"".into())]);
    let out = |prompt: &Prompt, dialect, body: &str| {
        prompt.apply(dialect, body.as_bytes()).map(|out| String::from_utf8(out).unwrap())
    };
    let with_text = prompt("of Claude");
    assert_eq!(
        out(&with_text, Dialect::Anthropic, r#"{"system":[{"type":"text","text":"I am Cl\u0061ude"}],"x":"Claude"}"#)
            .unwrap(),
        r#"{"system":[{"type":"text","text":"I am the \"agent\""},{"type":"text","text":"of the \"agent\""}],"x":"Claude"}"#
    );
    let alone = prompt("");
    assert_eq!(
        out(
            &alone,
            Dialect::Chat,
            r#"{"messages":[{"role":"system","content":"Claude"},{"role":"user","content":"Claude"}]}"#
        )
        .unwrap(),
        r#"{"messages":[{"role":"system","content":"the \"agent\""},{"role":"user","content":"Claude"}]}"#
    );
    assert_eq!(out(&alone, Dialect::Gemini, r#"{"contents":[]}"#), None);
}
