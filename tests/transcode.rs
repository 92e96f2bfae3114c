//! An event that is translated allocates nothing, whichever protocols meet.
//!
//! A Responses answer repeats at its end all that it has said, and keeps it so long: there the buffer of it grows, by
//! doubling, and nothing else.

mod counting;

use counting::allocations;
use weir::base::secret::Secret;
use weir::protocol::ir::{Names, Opening};
use weir::protocol::path::Endpoint;
use weir::protocol::translate::{self, Answering, Stream};
use weir::protocol::{Dialect, Protocol};
use weir::sse::Framing;

const WARM_UP: usize = 50;
const COUNTED: usize = 2_000;

const PROVIDERS: [(Dialect, Protocol); 5] = [
    (Dialect::Chat, Protocol::Chat),
    (Dialect::Responses, Protocol::Responses),
    (Dialect::Anthropic, Protocol::Anthropic),
    (Dialect::Gemini, Protocol::Gemini),
    (Dialect::Ollama, Protocol::Ollama),
];

fn endpoint(client: Dialect) -> Endpoint {
    match client {
        Dialect::Chat => Endpoint::ChatCompletions,
        Dialect::Responses => Endpoint::Responses,
        Dialect::Anthropic => Endpoint::Messages,
        Dialect::Gemini => Endpoint::GeminiStream,
        Dialect::Ollama => Endpoint::OllamaChat,
    }
}

/// What a provider's stream begins with, up to its first piece of text.
fn begin(upstream: Dialect) -> &'static str {
    match upstream {
        Dialect::Responses => concat!(
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\"}}\n\n",
            "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n",
            "event: response.content_part.added\ndata: {\"type\":\"response.content_part.added\",\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}}\n\n",
        ),
        Dialect::Anthropic => concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        ),
        Dialect::Chat | Dialect::Gemini | Dialect::Ollama => "",
    }
}

fn piece(upstream: Dialect, n: usize) -> String {
    match upstream {
        Dialect::Chat => format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {n:05}\"}},\"finish_reason\":null}}],\"usage\":null}}\n\n"
        ),
        Dialect::Responses => format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{n},\"item_id\":\"i\",\"output_index\":0,\"content_index\":0,\"delta\":\"word {n:05}\"}}\n\n"
        ),
        Dialect::Anthropic => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"word {n:05}\"}}}}\n\n"
        ),
        Dialect::Gemini => format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"word {n:05}\"}}]}},\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":1,\"totalTokenCount\":1}},\"modelVersion\":\"m\",\"responseId\":\"g\"}}\n\n"
        ),
        Dialect::Ollama => format!(
            "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":\"assistant\",\"content\":\"word {n:05}\"}},\"done\":false}}\n"
        ),
    }
}

fn allocated(client: Dialect, upstream: Dialect, think_tag: Option<&str>) -> u64 {
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
            ..Opening::default()
        },
    };
    let framing = if upstream == Dialect::Ollama { Framing::Lines } else { Framing::Sse };
    let mut stream = Stream::new(answering, framing);
    let mut out = Vec::with_capacity(64 * 1024);
    stream.push(begin(upstream).as_bytes(), &mut out);
    let pieces: Vec<String> = (0..WARM_UP + COUNTED).map(|n| piece(upstream, n)).collect();
    let mut counted = 0;
    for (n, piece) in pieces.iter().enumerate() {
        // Cut inside, so that the beginning of a frame is carried.
        let (first, second) = piece.as_bytes().split_at(piece.len() / 2);
        out.clear();
        let before = allocations();
        stream.push(first, &mut out);
        stream.push(second, &mut out);
        if n >= WARM_UP {
            counted += allocations() - before;
        }
        let said = format!("word {n:05}");
        let told = String::from_utf8_lossy(&out);
        assert!(told.contains(&said), "{client:?} before {upstream:?}: {said} is told at once, not {told:?}");
    }
    counted
}

#[test]
fn events_of_all_pairs_allocate_nothing() {
    let mut pairs = 0;
    for (upstream, protocol) in PROVIDERS {
        for client in Dialect::ALL {
            assert_eq!(translate::bridge(endpoint(client), protocol), Some(upstream));
            pairs += 1;
            let most = if client == Dialect::Responses { 16 } else { 0 };
            for think_tag in [None, Some("think")] {
                let counted = allocated(client, upstream, think_tag);
                assert!(counted <= most, "{client:?} before {upstream:?}, {think_tag:?}: {counted} allocations");
            }
        }
    }
    assert_eq!(pairs, 25);
}
