use proptest::prelude::*;

use super::*;
use crate::sse::{Framing, Splitter};

/// Runs a stream through, and tells per frame with data which of `s`emantic, `e`rror, `u`sage, usage `o`nly and
/// `f`inished were seen.
fn run(dialect: Dialect, framing: Framing, text: &str) -> (Answer, Vec<String>) {
    let mut answer = Answer::stream(dialect);
    let mut told = Vec::new();
    let mut splitter = Splitter::new(framing, 1 << 20);
    let mut each = |frame: Frame<'_>| {
        let seen = answer.frame(&frame);
        let letters = [
            (seen.semantic, 's'),
            (seen.error, 'e'),
            (seen.has_usage, 'u'),
            (seen.usage_only, 'o'),
            (seen.finished, 'f'),
        ];
        told.push(letters.iter().filter(|(is, _)| *is).map(|(_, letter)| letter).collect());
    };
    splitter.push(text.as_bytes(), &mut each).unwrap();
    splitter.finish(&mut each);
    (answer, told)
}

fn events(data: &[&str]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

/// Anthropic and Responses name their events by type.
fn named(data: &[&str]) -> String {
    data.iter()
        .map(|data| {
            let value: serde_json::Value = serde_json::from_str(data).unwrap();
            format!("event: {}\ndata: {data}\n\n", value["type"].as_str().unwrap())
        })
        .collect()
}

fn usage(input: u64, output: u64, cache_read: u64, cache_write: u64, reasoning: u64) -> Usage {
    // Zero stands for not said: no recorded stream here says zero and means it.
    let said = |count| (count > 0).then_some(count);
    Usage {
        input: said(input),
        output: said(output),
        cache_read: said(cache_read),
        cache_write: said(cache_write),
        reasoning: said(reasoning),
    }
}

#[test]
fn a_chat_stream_as_openai_sends_it() {
    let text = events(&[
        r#"{"id":"c","choices":[],"prompt_filter_results":[{"error":{}}],"usage":null}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"hi \"usage\":{"},"finish_reason":null}],"usage":null}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,
            "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}"#
            .replace('\n', "")
            .as_str(),
        "[DONE]",
    ]);
    let (answer, told) = run(Dialect::Chat, Framing::Sse, &format!(": OPENROUTER PROCESSING\n\n{text}"));
    assert_eq!(told, ["", "", "", "s", "f", "uof", "f"]);
    assert_eq!(answer.usage(), usage(9, 5, 4, 0, 2));
    assert_eq!(answer.events(), 6);
}

#[test]
fn chat_streams_of_other_vendors() {
    let cases = [
        // Reasoning before content; usage with the finish reason (DeepSeek).
        (
            r#"{"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":""}}]}|{"choices":[{"delta":{"content":null,"reasoning_content":"h"}}]}|{"choices":[{"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"prompt_cache_hit_tokens":3,"prompt_cache_miss_tokens":6}}"#,
            ["", "s", "uf"],
            usage(9, 5, 3, 0, 0),
        ),
        // Reasoning left out of the completion (xAI).
        (
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}|{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}|{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":354,"completion_tokens_details":{"reasoning_tokens":340}}}"#,
            ["s", "f", "uof"],
            usage(12, 342, 0, 0, 340),
        ),
        // Cumulative usage in every chunk (Perplexity).
        (
            r#"{"usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[{"delta":{"content":"a"}}]}|{"usage":{"prompt_tokens":1,"completion_tokens":2},"choices":[{"delta":{"content":"b"}}]}|{"object":"chat.completion.done","usage":{"prompt_tokens":1,"completion_tokens":3},"choices":[{"finish_reason":"stop"}]}"#,
            ["su", "su", "uf"],
            usage(1, 3, 0, 0, 0),
        ),
        // Usage in a member of its own (Groq).
        (
            r#"{"choices":[{"delta":{"reasoning":"a"}}],"x_groq":{"id":"r"}}|{"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":3}}}|[DONE]"#,
            ["s", "uf", "f"],
            usage(1, 3, 0, 0, 0),
        ),
        // An error beside choices (OpenRouter), and one alone.
        (
            r#"{"choices":[{"delta":{"content":"a"}}],"error":null}|{"choices":[{"delta":{},"finish_reason":"error"}],"error":{"code":502}}|{"error":{"message":"x"}}"#,
            ["s", "e", "e"],
            usage(0, 0, 0, 0, 0),
        ),
    ];
    for (stream, letters, counted) in cases {
        let (answer, told) = run(Dialect::Chat, Framing::Sse, &events(&stream.split('|').collect::<Vec<_>>()));
        assert_eq!(told, letters, "{stream}");
        assert_eq!(answer.usage(), counted, "{stream}");
    }
    let (answer, told) = run(Dialect::Chat, Framing::Sse, "event: error\ndata: {}\n\n");
    assert_eq!((answer.progress(), &*told[0]), (Progress::Failed, "e"));
}

#[test]
fn a_responses_stream() {
    let stream = [
        r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","error":null,"usage":null}}"#,
        r#"{"type":"response.output_item.added","sequence_number":1,"item":{"type":"message","content":[]}}"#,
        r#"{"type":"response.output_text.delta","sequence_number":2,"delta":""}"#,
        r#"{"type":"response.output_text.delta","sequence_number":3,"delta":"hi"}"#,
        r#"{"type":"response.completed","sequence_number":4,"response":{"id":"resp_1","error":null,"usage":{"input_tokens":7,"input_tokens_details":{"cached_tokens":3},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":4}}}}"#,
    ];
    for text in [named(&stream), events(&stream)] {
        let (answer, told) = run(Dialect::Responses, Framing::Sse, &text);
        assert_eq!(told, ["", "", "", "s", "uf"]);
        assert_eq!(answer.usage(), usage(7, 5, 3, 0, 4));
        assert_eq!((answer.response_id(), answer.events()), ("resp_1", 5));
    }
    for (bytes, kept) in [(limits::RESPONSE_ID_BYTES_MAX, true), (limits::RESPONSE_ID_BYTES_MAX + 1, false)] {
        let id = "r".repeat(bytes);
        let created = format!(r#"{{"type":"response.created","response":{{"id":"{id}","status":"in_progress"}}}}"#);
        let (answer, _) = run(Dialect::Responses, Framing::Sse, &events(&[&created]));
        assert_eq!(answer.response_id(), if kept { &*id } else { "" });
    }
    let failed = [
        r#"{"type":"response.output_item.added","item":{"type":"function_call"}}"#,
        r#"{"type":"error","code":"rate_limit_exceeded"}"#,
        r#"{"type":"response.failed","response":{"error":{"code":"x"},"usage":null}}"#,
    ];
    let (answer, told) = run(Dialect::Responses, Framing::Sse, &named(&failed));
    assert_eq!((told.join(" "), answer.progress()), ("s e e".into(), Progress::Failed));
}

#[test]
fn an_anthropic_stream() {
    let stream = [
        r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"error\":1"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":20,"cache_read_input_tokens":0,"output_tokens":15}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let (answer, told) = run(Dialect::Anthropic, Framing::Sse, &named(&stream));
    assert_eq!(told, ["u", "", "", "", "s", "uf", "f"]);
    assert_eq!(answer.usage(), usage(125, 15, 100, 5, 0));

    let stream = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","input":{}}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":null}}"#,
        r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
    ];
    let (answer, told) = run(Dialect::Anthropic, Framing::Sse, &named(&stream));
    assert_eq!((told.join(" "), answer.progress()), ("s s e".into(), Progress::Failed));
}

#[test]
fn a_gemini_stream_as_events_and_as_array() {
    let stream = [
        r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"x"}]}}],"usageMetadata":{"promptTokenCount":8}}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"finishReason":"STOP","error":{"a":1},"usageMetadata":{"promptTokenCount":99}}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"."}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"cachedContentTokenCount":2,"candidatesTokenCount":3,"thoughtsTokenCount":4,"toolUsePromptTokenCount":1},"modelVersion":"g"}"#,
    ];
    let array = format!("[{}\n]", stream.join("\n,\r\n"));
    for (framing, text) in [(Framing::Sse, events(&stream).replace('\n', "\r\n")), (Framing::Array, array)] {
        let (answer, told) = run(Dialect::Gemini, framing, &text);
        assert_eq!(&told[..3], ["u", "s", "uf"]);
        assert_eq!(answer.usage(), usage(9, 7, 2, 0, 4));
    }
    for (data, letters) in [
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, "f"),
        (r#"{"error":{"code":503}}"#, "e"),
        (r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#, ""),
    ] {
        assert_eq!(run(Dialect::Gemini, Framing::Sse, &events(&[data])).1, [letters]);
    }
}

#[test]
fn an_ollama_stream() {
    let text = "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n\
        {\"message\":{\"role\":\"assistant\",\"thinking\":\"h\"},\"done\": false}\n\
        {\"message\":{\"content\":\"\"},\"done\": true,\"done_reason\":\"stop\",\"prompt_eval_count\":7,\"eval_count\":5}\n";
    let (answer, told) = run(Dialect::Ollama, Framing::Lines, text);
    assert_eq!(told, ["", "s", "uf"]);
    assert_eq!(answer.usage(), usage(7, 5, 0, 0, 0));
    assert_eq!(run(Dialect::Ollama, Framing::Lines, "{\"error\":\"x\"}\n").1, ["e"]);
    assert_eq!(run(Dialect::Ollama, Framing::Lines, "{\"response\":\"x\",\"done\":false}").1, ["s"]);
}

#[test]
fn whole_answers() {
    for (dialect, body, counted, is_error) in [
        (
            Dialect::Chat,
            r#"{"choices":[{"message":{}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"input_tokens":0}}"#,
            usage(1, 2, 0, 0, 0),
            false,
        ),
        (
            Dialect::Chat,
            r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":1,"total_tokens":1}}"#,
            usage(1, 0, 0, 0, 0),
            false,
        ),
        (Dialect::Chat, r#"{"error":{"message":"x","code":429},"user_id":"u"}"#, usage(0, 0, 0, 0, 0), true),
        (
            Dialect::Responses,
            r#"{"error":null,"output":[],"usage":{"input_tokens":1,"output_tokens":2}}"#,
            usage(1, 2, 0, 0, 0),
            false,
        ),
        (
            Dialect::Responses,
            r#"{"status":"failed","error":{"code":"x"},"output":[],"usage":null}"#,
            usage(0, 0, 0, 0, 0),
            true,
        ),
        (
            Dialect::Anthropic,
            r#"{"content":[{"type":"tool_use","input":{"error":"x","usage":{"input_tokens":9}}}],"usage":{"input_tokens":1,"cache_read_input_tokens":4,"output_tokens":2}}"#,
            usage(5, 2, 4, 0, 0),
            false,
        ),
        (Dialect::Anthropic, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, usage(0, 0, 0, 0, 0), true),
        (
            Dialect::Gemini,
            r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}"#,
            usage(1, 2, 0, 0, 0),
            false,
        ),
        (Dialect::Gemini, r#"{"error":{"code":400}}"#, usage(0, 0, 0, 0, 0), true),
        (
            Dialect::Ollama,
            r#"{"message":{"content":"x"},"prompt_eval_count":1,"eval_count":2}"#,
            usage(1, 2, 0, 0, 0),
            false,
        ),
        (Dialect::Ollama, r#"{"error":"x"}"#, usage(0, 0, 0, 0, 0), true),
    ] {
        let mut answer = Answer::stream(dialect);
        answer.body(body.as_bytes());
        assert_eq!((answer.usage(), error_in_ok(dialect, body.as_bytes())), (counted, is_error), "{body}");
    }
}

#[test]
fn usage_can_be_hidden() {
    for (data, expected) in [
        (r#"{"choices":[{}],"usage":{"a":1}}"#, r#"{"choices":[{}]}"#),
        (r#" {"usage":{"a":1},"choices":[{"usage":1}]}"#, r#" {"choices":[{"usage":1}]}"#),
        (r#"{"usage":null}"#, "{}"),
        ("[DONE]", "[DONE]"),
        ("", ""),
    ] {
        let mut out = Vec::new();
        hide_usage(data.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

proptest! {
    /// Garbage is no reason to stop reading, and never looks like an answer that failed and finished at once.
    #[test]
    fn any_bytes_are_taken(
        data in "(\"(usage|error|delta|choices|response|message|type|done|finish_reason|usageMetadata)\"|[\\{\\}\\[\\]:,\"0n\\\\ ]|null|true){0,30}",
        event in "(error|response\\.completed|message_delta|response\\.created)?",
    ) {
        for dialect in Dialect::ALL {
            let mut answer = Answer::stream(dialect);
            let (raw, data, event) = (&b""[..], data.as_bytes(), event.as_bytes());
            let seen = answer.frame(&Frame { raw, event, data, kind: FrameKind::Data });
            prop_assert!(!(seen.error && seen.finished));
            answer.body(data);
            hide_usage(data, &mut Vec::new());
        }
    }
}

/// An event too long to be read in one go tells by its name and its end what a short one tells.
#[test]
fn long_events_tell_what_short_ones_do() {
    let usage = r#"{"input_tokens":7,"output_tokens":5,"prompt_tokens":7,"completion_tokens":5}"#;
    let gemini = r#"{"promptTokenCount":7,"candidatesTokenCount":5}"#;
    let events: [(Dialect, &str, String); 6] = [
        (
            Dialect::Chat,
            "",
            format!(r#"{{"choices":[{{"delta":{{"content":"X"}},"finish_reason":"stop"}}],"usage":{usage}}}"#),
        ),
        (
            Dialect::Responses,
            "response.completed",
            format!(r#"{{"type":"response.completed","response":{{"output":"X","usage":{usage},"user":null}}}}"#),
        ),
        (
            Dialect::Responses,
            "",
            format!(r#"{{"type":"response.failed","response":{{"output":"X","usage":{usage},"user":null}}}}"#),
        ),
        (Dialect::Anthropic, "error", r#"{"type":"error","error":{"message":"X"}}"#.to_owned()),
        (
            Dialect::Gemini,
            "",
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"X"}}]}},"finishReason":"STOP"}}],"usageMetadata":{gemini}}}"#
            ),
        ),
        (Dialect::Ollama, "", r#"{"response":"X","done":true}"#.to_owned()),
    ];
    for (dialect, event, text) in events {
        let told = |fill: usize| {
            let data = text.replace('X', &"x".repeat(fill));
            let mut answer = Answer::stream(dialect);
            let frame = Frame { raw: b"", event: event.as_bytes(), data: data.as_bytes(), kind: FrameKind::Data };
            let seen = answer.frame(&frame);
            (seen.error, seen.finished, answer.progress(), answer.usage())
        };
        let short = told(limits::FRAME_LOOK_BYTES - text.len() + 1);
        assert_eq!(told(limits::FRAME_LOOK_BYTES), short, "{dialect:?} {event}");
        assert!(short.0 || short.1, "{dialect:?}");
    }
}

proptest! {
    /// A chunk that is not read, for it is like the last, would have said what it is taken to say.
    #[test]
    fn chunks_say_the_same_whether_they_are_read_or_not(
        chunks in prop::collection::vec((prop::sample::select(CHUNKS), prop::sample::select(PIECES), 0..9_u8), 0..40),
    ) {
        let (mut alike, mut unlike) = (Answer::stream(Dialect::Chat), Answer::stream(Dialect::Chat));
        unlike.alike = Alike::never();
        for (read, (chunk, piece, stamp)) in chunks.into_iter().enumerate() {
            let chunk = chunk.replace('$', piece).replace('#', &stamp.to_string());
            let frame = Frame { raw: chunk.as_bytes(), event: b"", data: chunk.as_bytes(), kind: crate::sse::FrameKind::Data };
            prop_assert_eq!(alike.frame(&frame), unlike.frame(&frame), "chunk {} `{}`", read, chunk);
        }
        prop_assert_eq!((alike.progress, alike.usage, alike.events), (unlike.progress, unlike.usage, unlike.events));
    }
}

/// `$` is a piece of text, `#` a number that differs.
const CHUNKS: &[&str] = &[
    r#"{"choices":[{"index":0,"delta":{"content":"$"},"finish_reason":null}],"usage":null}"#,
    r#"{"id":"c#","choices":[{"index":0,"delta":{"content":"$"}}],"created":#,"obfuscation":"$"}"#,
    r#"{"choices":[{"index":0,"delta":{"reasoning_content":"$"}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"$"}}]}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"$"},"finish_reason":"stop"}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":#,"completion_tokens":2}}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"$"},"finish_reason":null}],"usage":{"prompt_tokens":#}}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"$"},"finish_reason":null}],"error":{"message":"$"}}"#,
    "[DONE]",
    r#"{"choices":[{"index":0,"delta":{"content":"$"#,
];

const PIECES: &[&str] = &[
    "",
    "a",
    "word ",
    "\\u00e9\\n",
    "ü",
    r#"\"usage\":{\"prompt_tokens\":9}"#,
    "x\",\"error\":\"y",
    "\"}}],\"error\":{\"a\":\"",
];
