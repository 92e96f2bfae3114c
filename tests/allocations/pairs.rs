//! An event that is translated allocates nothing, whichever protocols meet, and an open stream holds little.
//!
//! A call that comes whole may ask for memory for itself. Some clients are told more than what has just come, and what they will be told is kept: Responses repeats at its end
//! all that was said, Gemini and Ollama tell a call whole. There a buffer grows, by doubling, and nothing else.

use crate::counting::{allocations, held};
use weir::base::secret::Secret;
use weir::protocol::ir::{Names, Opening};
use weir::protocol::path::Endpoint;
use weir::protocol::translate::{self, Answering, Stream};
use weir::protocol::{Dialect, Protocol};
use weir::sse::Framing;

const WARM_UP: usize = 50;
const COUNTED: usize = 2_000;
/// Bytes that a stream may hold between two events: a beginning of one, and where the answer stands.
const HELD_BYTES_MAX: i64 = 10 * 1024;

const PROVIDERS: [(Dialect, Protocol); 5] = [
    (Dialect::Chat, Protocol::Chat),
    (Dialect::Responses, Protocol::Responses),
    (Dialect::Anthropic, Protocol::Anthropic),
    (Dialect::Gemini, Protocol::Gemini),
    (Dialect::Ollama, Protocol::Ollama),
];

/// What the pieces of a stream are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Text,
    Thoughts,
    /// The input of a call; where a provider tells calls whole, calls.
    Call,
}

fn endpoint(client: Dialect) -> Endpoint {
    match client {
        Dialect::Chat => Endpoint::ChatCompletions,
        Dialect::Responses => Endpoint::Responses,
        Dialect::Anthropic => Endpoint::Messages,
        Dialect::Gemini => Endpoint::GeminiStream,
        Dialect::Ollama => Endpoint::OllamaChat,
    }
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn chat(delta: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}],\"usage\":null}}\n\n"
    )
}

/// What a provider's stream begins with, up to its first piece.
fn begin(upstream: Dialect, of: Of) -> String {
    match (upstream, of) {
        (Dialect::Chat, Of::Call) => chat(
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":\""}}]}"#,
        ),
        (Dialect::Responses, _) => {
            let item = match of {
                Of::Text => r#"{"id":"i","type":"message","role":"assistant","content":[]}"#,
                Of::Thoughts => r#"{"id":"i","type":"reasoning","summary":[]}"#,
                Of::Call => r#"{"id":"i","type":"function_call","call_id":"a","name":"f","arguments":""}"#,
            };
            let created = r#"{"type":"response.created","response":{"id":"r","model":"m"}}"#;
            let added = format!(r#"{{"type":"response.output_item.added","output_index":0,"item":{item}}}"#);
            event("response.created", created) + &event("response.output_item.added", &added)
        }
        (Dialect::Anthropic, _) => {
            let block = match of {
                Of::Text => r#"{"type":"text","text":""}"#,
                Of::Thoughts => r#"{"type":"thinking","thinking":"","signature":""}"#,
                Of::Call => r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#,
            };
            let message = r#"{"type":"message_start","message":{"id":"a","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#;
            let block = format!(r#"{{"type":"content_block_start","index":0,"content_block":{block}}}"#);
            event("message_start", message) + &event("content_block_start", &block)
        }
        (Dialect::Chat | Dialect::Gemini | Dialect::Ollama, _) => String::new(),
    }
}

fn piece(upstream: Dialect, of: Of, n: usize) -> String {
    let said = format!("word {n:05}");
    match upstream {
        Dialect::Chat => chat(&match of {
            Of::Text => format!(r#"{{"content":"{said}"}}"#),
            Of::Thoughts => format!(r#"{{"reasoning_content":"{said}"}}"#),
            Of::Call => format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{said}"}}}}]}}"#),
        }),
        Dialect::Responses => {
            let (name, place) = match of {
                Of::Text => ("response.output_text.delta", r#""content_index":0"#),
                Of::Thoughts => ("response.reasoning_summary_text.delta", r#""summary_index":0"#),
                Of::Call => ("response.function_call_arguments.delta", r#""logprobs":[]"#),
            };
            let data = format!(
                r#"{{"type":"{name}","sequence_number":{n},"item_id":"i","output_index":0,{place},"delta":"{said}"}}"#
            );
            event(name, &data)
        }
        Dialect::Anthropic => {
            let delta = match of {
                Of::Text => format!(r#"{{"type":"text_delta","text":"{said}"}}"#),
                Of::Thoughts => format!(r#"{{"type":"thinking_delta","thinking":"{said}"}}"#),
                Of::Call => format!(r#"{{"type":"input_json_delta","partial_json":"{said}"}}"#),
            };
            let data = format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#);
            event("content_block_delta", &data)
        }
        Dialect::Gemini => {
            let part = match of {
                Of::Text => format!(r#"{{"text":"{said}"}}"#),
                Of::Thoughts => format!(r#"{{"text":"{said}","thought":true}}"#),
                Of::Call => format!(r#"{{"functionCall":{{"name":"f","args":{{"a":"{said}"}}}}}}"#),
            };
            format!(
                "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{part}]}},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":1,\"totalTokenCount\":1}},\"modelVersion\":\"m\",\"responseId\":\"g\"}}\n\n"
            )
        }
        Dialect::Ollama => {
            let members = match of {
                Of::Text => format!(r#""content":"{said}""#),
                Of::Thoughts => format!(r#""content":"","thinking":"{said}""#),
                Of::Call => {
                    format!(r#""content":"","tool_calls":[{{"function":{{"name":"f","arguments":{{"a":"{said}"}}}}}}]"#)
                }
            };
            format!(
                "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":\"assistant\",{members}}},\"done\":false}}\n"
            )
        }
    }
}

/// A stream that has begun.
fn open(client: Dialect, upstream: Dialect, think_tag: Option<&str>) -> Box<Stream> {
    let answering = Answering {
        client,
        upstream,
        names: Names::default(),
        think_tag: think_tag.map(Box::from),
        model: "m".to_owned(),
        secret: Secret::new("sk"),
        opening: Opening {
            id: "1".to_owned(),
            model: "alias".to_owned(),
            framing: Some(translate::framing(client, b"alt=sse")),
            has_tools: true,
            ..Opening::default()
        },
    };
    Stream::new(answering, if upstream == Dialect::Ollama { Framing::Lines } else { Framing::Sse })
}

/// Whether the provider tells a call in one event.
fn tells_calls_whole(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Gemini | Dialect::Ollama)
}

/// Whether what was said is kept for the client, to be told again or later. A call carries the thoughts before it to a
/// client of Gemini that has tools.
fn is_kept(client: Dialect, upstream: Dialect, of: Of) -> bool {
    let carried = client == Dialect::Gemini && of == Of::Thoughts;
    let whole = of == Of::Call && tells_calls_whole(client) && !tells_calls_whole(upstream);
    client == Dialect::Responses || carried || whole
}

/// Allocations of a call that begins and ends in one event: Responses keeps an item of each until its end, and Ollama's
/// calls get ids.
fn of_a_call(client: Dialect) -> u64 {
    match client {
        Dialect::Responses => 6,
        Dialect::Ollama => 1,
        Dialect::Chat | Dialect::Anthropic | Dialect::Gemini => 0,
    }
}

/// How often memory is asked for while so many events pass, and the most that is held meanwhile.
fn passed(client: Dialect, upstream: Dialect, of: Of, think_tag: Option<&str>) -> (u64, i64) {
    let pieces: Vec<String> = (0..WARM_UP + COUNTED).map(|n| piece(upstream, of, n)).collect();
    let begin = begin(upstream, of);
    let mut out = Vec::with_capacity(64 * 1024);
    let before = held();
    let mut stream = open(client, upstream, think_tag);
    stream.push(begin.as_bytes(), &mut out);
    let (mut counted, mut most) = (0, 0);
    for (n, piece) in pieces.iter().enumerate() {
        // Cut inside, so that the beginning of a frame is carried.
        let (first, second) = piece.as_bytes().split_at(piece.len() / 2);
        out.clear();
        let asked = allocations();
        stream.push(first, &mut out);
        most = most.max(held() - before);
        stream.push(second, &mut out);
        if n >= WARM_UP {
            counted += allocations() - asked;
        }
        most = most.max(held() - before);
        if of != Of::Call || !is_kept(client, upstream, of) || client == Dialect::Responses {
            let said = format!("word {n:05}");
            let told = memchr::memmem::find(&out, said.as_bytes());
            assert!(told.is_some(), "{client:?} before {upstream:?}: {said} of {of:?} is told at once");
        }
    }
    (counted, most)
}

fn all(mut each: impl FnMut(Dialect, Dialect, Of, Option<&str>)) {
    let mut pairs = 0;
    for (upstream, protocol) in PROVIDERS {
        for client in Dialect::ALL {
            assert_eq!(translate::bridge(endpoint(client), protocol), Some(upstream));
            pairs += 1;
            for of in [Of::Text, Of::Thoughts, Of::Call] {
                for think_tag in [None, Some("think")] {
                    each(client, upstream, of, think_tag);
                }
            }
        }
    }
    assert_eq!(pairs, 25);
}

#[test]
fn events_of_all_pairs_allocate_nothing() {
    let mut found = String::new();
    all(|client, upstream, of, think_tag| {
        let (counted, _) = passed(client, upstream, of, think_tag);
        // From the warm-up on, what is kept grows forty times.
        let grown = if is_kept(client, upstream, of) { 16 } else { 0 };
        let begun = if of == Of::Call && tells_calls_whole(upstream) { of_a_call(client) } else { 0 };
        let most = grown + begun * COUNTED as u64;
        if counted > most {
            found += &format!("{client:?} before {upstream:?}, {of:?}, {think_tag:?}: {counted} allocations\n");
        }
    });
    assert!(found.is_empty(), "{found}");
}

#[test]
fn an_open_stream_holds_little() {
    all(|client, upstream, of, think_tag| {
        let (_, most) = passed(client, upstream, of, think_tag);
        let said = ((WARM_UP + COUNTED) * piece(upstream, of, 0).len()) as i64;
        let kept = if is_kept(client, upstream, of) { 2 * said } else { 0 };
        assert!(most <= HELD_BYTES_MAX + kept, "{client:?} before {upstream:?}, {of:?}, {think_tag:?}: {most} bytes");
    });
}
