//! Translation by protocol: requests read and written at three sizes, whole answers at two, streams by the event.
//!
//! A protocol joins by a row at the end. The conversation is an agent's: instructions, tools, and turns of text, calls and
//! results, made and not recorded; every upstream is asked for the same, every answer and every stream says the same.
//! `cargo bench --bench translate` measures time. `WEIR_COUNT=NAME` does one piece of work a few times and no more,
//! for `scripts/instructions` to count; `WEIR_COUNT=list` names them.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use weir::base::span::Span;
use weir::json::Escaped;
use weir::protocol::Dialect;
use weir::protocol::anthropic::Anthropic;
use weir::protocol::chat::Chat;
use weir::protocol::gemini::Gemini;
use weir::protocol::ir::assemble::Assembler;
use weir::protocol::ir::{
    CallKind, Decode, Delta, Destination, Encode, Event, Opening, Outgoing, PartKind, Quirks, Response, Stop,
    StreamDecoder, StreamEncoder,
};
use weir::protocol::ollama::Ollama;
use weir::protocol::responses::Responses;
use weir::sse::{Frame, FrameKind, Splitter};

const SIZES: [(&str, usize); 3] = [("1KB", 1 << 10), ("32KB", 32 << 10), ("256KB", 256 << 10)];
/// Events that one encoder writes: some clients' answers are bounded.
const EVENTS: u32 = 10_000;

/// What is done with each piece of work.
enum Bench {
    Measure(Box<Criterion>),
    /// Does the piece of this name, for instructions to be counted.
    Count(String),
    List,
}

impl Bench {
    fn piece(&mut self, name: &str, size: Throughput, mut work: impl FnMut()) {
        match self {
            Bench::Measure(criterion) => {
                let (group, name) = name.split_once('/').expect("a protocol and a piece");
                let mut group = criterion.benchmark_group(group);
                group.throughput(size);
                group.bench_function(name, |b| b.iter(&mut work));
                group.finish();
            }
            Bench::Count(wanted) if wanted == name => {
                // Buffers grow and tables are made before.
                (0..16).for_each(|_| work());
                counted_by_callgrind(&mut work);
            }
            Bench::Count(_) => {}
            Bench::List => println!("{name}"),
        }
    }
}

/// Callgrind counts within this function only; `scripts/instructions` divides by how often it does the work.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    for _ in 0..64 {
        work();
    }
}

/// A conversation that begins with `begin`, of about `bytes` bytes: as many turns as fit, each with a source in it.
fn conversation(begin: &str, bytes: usize, turn: impl Fn(usize, &str) -> String) -> Vec<u8> {
    let source = "fn main() {\\n    println!(\\\"hello\\\");\\n}\\n".repeat(16);
    let mut text = begin.to_owned();
    for nth in 0.. {
        let turn = turn(nth, &source);
        if text.len() + turn.len() + 2 > bytes {
            break;
        }
        text.push_str(&turn);
    }
    text.push_str("]}");
    text.into_bytes()
}

/// An agent's conversation in Chat, of about `bytes` bytes.
fn chat_conversation(bytes: usize) -> Vec<u8> {
    conversation(
        r#"{"model":"m","stream":true,"temperature":0.7,"max_tokens":1024,"tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file.","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}}],"messages":[{"role":"system","content":"You are a careful assistant."},{"role":"user","content":"Look at the sources."}"#,
        bytes,
        |nth, source| {
            format!(
                r#",{{"role":"assistant","content":"I read \"file {nth}\".\n","tool_calls":[{{"id":"call_{nth}","type":"function","function":{{"name":"read_file","arguments":"{{\"path\":\"src/file_{nth}.rs\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{nth}","content":"{source}"}}"#
            )
        },
    )
}

/// The same in Ollama's words.
fn ollama_conversation(bytes: usize) -> Vec<u8> {
    conversation(
        r#"{"model":"m","stream":true,"options":{"temperature":0.7,"num_predict":1024},"tools":[{"type":"function","function":{"name":"read_file","description":"Reads a file.","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}}],"messages":[{"role":"system","content":"You are a careful assistant."},{"role":"user","content":"Look at the sources."}"#,
        bytes,
        |nth, source| {
            format!(
                r#",{{"role":"assistant","content":"I read \"file {nth}\".\n","tool_calls":[{{"id":"call_{nth}","function":{{"name":"read_file","arguments":{{"path":"src/file_{nth}.rs"}}}}}}]}},{{"role":"tool","tool_name":"read_file","tool_call_id":"call_{nth}","content":"{source}"}}"#
            )
        },
    )
}

/// The same conversation in Gemini.
fn gemini_conversation(bytes: usize) -> Vec<u8> {
    conversation(
        r#"{"systemInstruction":{"parts":[{"text":"You are a careful assistant."}]},"tools":[{"functionDeclarations":[{"name":"read_file","description":"Reads a file.","parametersJsonSchema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}]}],"generationConfig":{"temperature":0.7,"maxOutputTokens":1024},"contents":[{"role":"user","parts":[{"text":"Look at the sources."}]}"#,
        bytes,
        |nth, source| {
            format!(
                r#",{{"role":"model","parts":[{{"text":"I read \"file {nth}\".\n"}},{{"functionCall":{{"name":"read_file","args":{{"path":"src/file_{nth}.rs"}}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"name":"read_file","response":{{"output":"{source}"}}}}}}]}}"#
            )
        },
    )
}

/// The same in Messages.
fn anthropic_conversation(bytes: usize) -> Vec<u8> {
    conversation(
        r#"{"model":"m","stream":true,"temperature":0.7,"max_tokens":1024,"tools":[{"name":"read_file","description":"Reads a file.","input_schema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}],"system":[{"type":"text","text":"You are a careful assistant.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"Look at the sources."}"#,
        bytes,
        |nth, source| {
            format!(
                r#",{{"role":"assistant","content":[{{"type":"text","text":"I read \"file {nth}\".\n"}},{{"type":"tool_use","id":"toolu_{nth}","name":"read_file","input":{{"path":"src/file_{nth}.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{nth}","content":"{source}"}}]}}"#
            )
        },
    )
}

/// The same in Responses.
fn responses_conversation(bytes: usize) -> Vec<u8> {
    conversation(
        r#"{"model":"m","stream":true,"temperature":0.7,"max_output_tokens":1024,"tools":[{"type":"function","name":"read_file","description":"Reads a file.","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}],"instructions":"You are a careful assistant.","input":[{"role":"user","content":"Look at the sources."}"#,
        bytes,
        |nth, source| {
            format!(
                r#",{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"I read \"file {nth}\".\n","annotations":[]}}]}},{{"type":"function_call","call_id":"call_{nth}","name":"read_file","arguments":"{{\"path\":\"src/file_{nth}.rs\"}}"}},{{"type":"function_call_output","call_id":"call_{nth}","output":"{source}"}}"#
            )
        },
    )
}

/// `body` read, and written again for an upstream of the same protocol as from one of another.
fn requests<P: Decode + Encode>(bench: &mut Bench, protocol: &str, body: fn(usize) -> Vec<u8>) {
    let quirks = Quirks::default();
    for (size, bytes) in SIZES {
        let body = body(bytes);
        let read = || <P as Decode>::request(black_box(&body), Some("m"), true).expect("the request is valid");
        let mut request = read();
        // What is said again to its own protocol takes short cuts that no pair has.
        request.origin = if request.origin == Dialect::Anthropic { Dialect::Responses } else { Dialect::Anthropic };
        let throughput = Throughput::Bytes(body.len() as u64);
        bench.piece(&format!("{protocol}/request/in/{size}"), throughput.clone(), || drop(black_box(read())));
        bench.piece(&format!("{protocol}/request/out/{size}"), throughput, || {
            let mut out = Outgoing::default();
            let to = Destination { model: "m", stream: true, quirks: &quirks };
            <P as Encode>::request(black_box(&request), &to, &mut out).expect("it can be said");
            black_box(&out.body);
        });
    }
}

fn text(text: &str) -> Escaped<'_> {
    Escaped::at(text.as_bytes(), Span::new(0, text.len()))
}

/// An answer of about `bytes` bytes: a text, and a call.
fn answer(bytes: usize) -> Response {
    let words = "words of an answer, ".repeat(bytes / 20);
    let call = PartKind::ToolCall {
        id: text("call_1"),
        name: text("read_file"),
        namespace: Escaped::EMPTY,
        kind: CallKind::Function,
    };
    let input = Delta::Input(text("{\\\"path\\\":\\\"src/file.rs\\\"}"));
    let mut assembler = Assembler::new(usize::MAX);
    for event in [
        Event::Start { id: text("up"), model: text("m") },
        Event::Open { at: 0, kind: PartKind::Text },
        Event::Fill { at: 0, delta: Delta::Text(text(&words)) },
        Event::Close { at: 0 },
        Event::Open { at: 1, kind: call },
        Event::Fill { at: 1, delta: input },
        Event::Close { at: 1 },
        Event::Stop(Stop::ToolUse),
        Event::End,
    ] {
        assembler.event(&event).expect("it has no bound");
    }
    assembler.finish().expect("it ends").expect("it is whole")
}

/// A whole answer read and written.
fn answers<P: Decode + Encode>(bench: &mut Bench, protocol: &str) {
    let opening = Opening { id: "0123456789abcdef".into(), model: "a-model".into(), ..Opening::default() };
    for (size, bytes) in &SIZES[..2] {
        let response = answer(*bytes);
        let mut body = Vec::new();
        <P as Encode>::response(&response, &opening, &mut body);
        let throughput = Throughput::Bytes(body.len() as u64);
        bench.piece(&format!("{protocol}/response/in/{size}"), throughput.clone(), || {
            let mut told = 0;
            let mut sink = |event: Event<'_>| told += usize::from(matches!(event, Event::Fill { .. }));
            <P as Decode>::response(black_box(&body), &mut sink).expect("it is an answer");
            black_box(told);
        });
        let mut out = Vec::new();
        bench.piece(&format!("{protocol}/response/out/{size}"), throughput, || {
            out.clear();
            <P as Encode>::response(black_box(&response), &opening, &mut out);
            black_box(&out);
        });
    }
}

/// `begin`, which opens a text, and then `event`, one delta of it, read one by one; and the same delta written.
fn streams<P: Decode + Encode>(bench: &mut Bench, protocol: &str, begin: &str, event: &str) {
    let mut decoder = <P as Decode>::Stream::default();
    let framing = <P as Decode>::Stream::FRAMING;
    let mut splitter = Splitter::new(framing, 1 << 20);
    let whole = |frame: Frame<'_>| _ = decoder.frame(&frame, &mut |_| ());
    splitter.push(begin.as_bytes(), whole).expect("it is short");
    let mut data = (Vec::new(), Vec::new());
    let keep = |frame: Frame<'_>| data = (frame.event.to_vec(), frame.data.to_vec());
    Splitter::new(framing, 1 << 20).push(event.as_bytes(), keep).expect("it is short");
    bench.piece(&format!("{protocol}/stream/in/event"), Throughput::Elements(1), || {
        let (name, data) = black_box((&data.0, &data.1));
        let frame = Frame { raw: data, event: name, data, kind: FrameKind::Data };
        let mut told = 0;
        let mut sink = |event: Event<'_>| told += usize::from(matches!(event, Event::Fill { .. }));
        decoder.frame(&frame, &mut sink).expect("it is an event");
        black_box(told);
    });
    let opening = Opening { id: "0123456789abcdef".into(), model: "a-model".into(), ..Opening::default() };
    let (mut out, mut written) = (Vec::with_capacity(4096), EVENTS);
    let mut encoder = <P as Encode>::Stream::new(opening.clone());
    bench.piece(&format!("{protocol}/stream/out/event"), Throughput::Elements(1), || {
        if written == EVENTS {
            written = 0;
            encoder = <P as Encode>::Stream::new(opening.clone());
            encoder.event(&Event::Start { id: text("up"), model: text("m") }, &mut out);
            encoder.event(&Event::Open { at: 0, kind: PartKind::Text }, &mut out);
        }
        written += 1;
        out.clear();
        let delta = Event::Fill { at: 0, delta: Delta::Text(text("words of an answer, ")) };
        encoder.event(black_box(&delta), &mut out);
        black_box(&out);
    });
}

fn all(bench: &mut Bench) {
    requests::<Anthropic>(bench, "anthropic", anthropic_conversation);
    answers::<Anthropic>(bench, "anthropic");
    let begin = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"words of an answer, \"}}\n\n";
    streams::<Anthropic>(bench, "anthropic", begin, delta);
    requests::<Chat>(bench, "chat", chat_conversation);
    answers::<Chat>(bench, "chat");
    let chunk = r#"data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1,"model":"a-model","choices":[{"index":0,"delta":{"content":"words of an answer, "},"finish_reason":null}]}"#;
    let chunk = format!("{chunk}\n\n");
    streams::<Chat>(bench, "chat", &chunk, &chunk);
    requests::<Ollama>(bench, "ollama", ollama_conversation);
    answers::<Ollama>(bench, "ollama");
    let line = r#"{"model":"a-model","created_at":"2026-01-02T03:04:05.123456789Z","message":{"role":"assistant","content":"words of an answer, "},"done":false}"#;
    let line = format!("{line}\n");
    streams::<Ollama>(bench, "ollama", &line, &line);
    requests::<Gemini>(bench, "gemini", gemini_conversation);
    answers::<Gemini>(bench, "gemini");
    let chunk = r#"data: {"candidates":[{"content":{"parts":[{"text":"words of an answer, "}],"role":"model"},"index":0}],"modelVersion":"a-model","responseId":"0123456789"}"#;
    let chunk = format!("{chunk}\r\n\r\n");
    streams::<Gemini>(bench, "gemini", &chunk, &chunk);
    requests::<Responses>(bench, "responses", responses_conversation);
    answers::<Responses>(bench, "responses");
    let delta = r#"data: {"type":"response.output_text.delta","sequence_number":5,"output_index":0,"item_id":"msg_0","content_index":0,"delta":"words of an answer, ","logprobs":[]}"#;
    let delta = format!("{delta}\n\n");
    streams::<Responses>(bench, "responses", &delta, &delta);
}

fn main() {
    let mut bench = match std::env::var("WEIR_COUNT") {
        Err(_) => Bench::Measure(Box::new(Criterion::default().configure_from_args())),
        Ok(name) if name == "list" => Bench::List,
        Ok(name) => Bench::Count(name),
    };
    all(&mut bench);
    if let Bench::Measure(criterion) = bench {
        criterion.final_summary();
    }
}
