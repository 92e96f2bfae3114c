//! An event of a stream costs no allocation once the buffers have grown: every decoder into every encoder.
//!
//! A row of the table is a protocol's stream with one event that is repeated. Encoders that repeat all that was said
//! at the end (Responses) keep it, so their buffer may grow by doubling and by nothing else.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use weir::protocol::ir::{Opening, StreamDecoder, StreamEncoder};
use weir::protocol::{anthropic, chat};
use weir::sse::{Frame, FrameKind};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Events before counting: buffers grow in them.
const WARM: usize = 64;
const EVENTS: usize = 10_000;

/// What comes first, and the event that is repeated.
type Row = (&'static [&'static str], &'static str);

const ANTHROPIC: [Row; 3] = [
    (
        &[
            r#"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ],
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a word, \"quoted\"\n"}}"#,
    ),
    (
        &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        ],
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":" a thought"}}"#,
    ),
    (
        &[
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
        ],
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
    ),
];

const CHAT: [Row; 3] = [
    (&[], r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":" a word, \"quoted\"\n"}}]}"#),
    (&[], r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"reasoning_content":" a thought"}}]}"#),
    (
        &[
            r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f"}}]}}]}"#,
        ],
        r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}"#,
    ),
];

fn frame(data: &str) -> Frame<'_> {
    Frame { raw: data.as_bytes(), event: b"", data: data.as_bytes(), kind: FrameKind::Data }
}

/// Allocations of `EVENTS` events of a row.
fn counted<D: StreamDecoder, E: StreamEncoder>((first, repeated): Row) -> u64 {
    let opening = Opening { id: "1".into(), model: "m".into(), ..Opening::default() };
    let (mut decoder, mut encoder, mut out, mut told) = (D::default(), E::new(opening), Vec::new(), 0);
    let mut tell = |data: &str| {
        out.clear();
        decoder.frame(&frame(data), &mut |event| encoder.event(&event, &mut out)).expect("an event");
        told += out.len();
    };
    first.iter().for_each(|data| tell(data));
    (0..WARM).for_each(|_| tell(repeated));
    let before = ALLOCATIONS.get();
    (0..EVENTS).for_each(|_| tell(repeated));
    let allocations = ALLOCATIONS.get() - before;
    assert!(told > EVENTS * 16, "the events are told");
    allocations
}

#[test]
fn events_from_anthropic_allocate_nothing() {
    for row in ANTHROPIC {
        assert_eq!(counted::<anthropic::Stream, anthropic::Encoder>(row), 0, "{}", row.1);
    }
}

#[test]
fn events_from_chat_allocate_nothing() {
    for row in CHAT {
        assert_eq!(counted::<chat::Stream, anthropic::Encoder>(row), 0, "{}", row.1);
    }
}
