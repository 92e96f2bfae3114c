use super::*;
use crate::protocol::ir::assemble::{Assembler, Whole};
use crate::protocol::ir::{Input, Response};
use crate::sse::Splitter;

/// Reads `stream`; the outcome and how many lines were bad.
fn read(stream: &str) -> (Result<Response, Failure<'static>>, usize) {
    let (mut decoder, mut assembler, mut bad) = (Stream::default(), Assembler::new(1 << 20), 0);
    let mut sink = |event: Event<'_>| assembler.event(&event).expect("it is small");
    let mut splitter = Splitter::new(Framing::Lines, 1 << 20);
    splitter
        .push(stream.as_bytes(), |frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err()))
        .expect("no line is too long");
    splitter.finish(|frame| bad += usize::from(decoder.frame(&frame, &mut sink).is_err()));
    decoder.finish(&mut sink);
    (assembler.finish().expect("it ends"), bad)
}

fn whole_of(body: &str) -> Result<Response, Failure<'static>> {
    let mut assembler = Assembler::new(1 << 20);
    whole(body.as_bytes(), &mut |event| assembler.event(&event).expect("it is small")).expect("it is an answer");
    assembler.finish().expect("it ends")
}

/// The answer in short: parts by their first letter and what they say.
fn shown(response: &Response) -> Vec<String> {
    let part = |part: &Whole| match part {
        Whole::Text { text, .. } => format!("t:{}", text.decode()),
        Whole::Reasoning { text, .. } => format!("r:{}", text.decode()),
        Whole::ToolCall(call) => match &call.input {
            Input::Json(json) => format!("c:{}:{}:{json:?}", call.id.decode(), call.name.decode()),
            other => format!("c:{}:{}:{other:?}", call.id.decode(), call.name.decode()),
        },
        Whole::Media { media_type, base64 } => format!("m:{}:{}", media_type.decode(), base64.decode()),
        other => format!("{other:?}"),
    };
    response.parts.iter().map(part).collect()
}

#[test]
fn conversion_9_12_thoughts_texts_and_every_call_are_told() {
    let (response, bad) = read(include_str!("../../../tests/golden/ollama/stream_tools.ndjson"));
    let response = response.expect("it is whole");
    let calls = [r#"c::get_weather:{"city":"Toronto","days":1.50}"#, "c:call_x:now:{}"];
    assert_eq!(shown(&response), ["r:Two calls.", "t:Let me see.", calls[0], calls[1]]);
    assert_eq!((response.stop(), bad), (Stop::ToolUse, 0), "conversion 11: Ollama says stop");
}

#[test]
fn conversion_59_counts_of_the_last_line_include_what_a_cache_had() {
    let (response, _) = read(include_str!("../../../tests/golden/ollama/stream_tools.ndjson"));
    let usage = response.expect("it is whole").usage;
    assert_eq!((usage.input, usage.cache_read, usage.output), (Some(169), Some(100), Some(15)));
}

#[test]
fn generate_is_read_too() {
    let (response, _) = read(include_str!("../../../tests/golden/ollama/stream_generate.ndjson"));
    let response = response.expect("it is whole");
    assert_eq!(
        (shown(&response), response.stop()),
        (vec!["r:I see.".into(), "t:A happy cartoon.".into()], Stop::Length)
    );
    let (image, _) = read(include_str!("../../../tests/golden/ollama/stream_image.ndjson"));
    assert_eq!(shown(&image.expect("it is whole")), ["m:image/png:iVBORw0KGgo="]);
}

#[test]
fn conversion_44_errors_in_a_stream_or_in_its_place_are_failures() {
    let (failure, _) = read(include_str!("../../../tests/golden/ollama/stream_error.ndjson"));
    let failure = failure.expect_err("it failed");
    assert_eq!(failure.message, "an error was encountered while running the model: CUDA error");
    assert_eq!(whole_of(r#"{"error":"busy","status":503}"#).expect_err("it failed").fault, Fault::Unavailable);
}

#[test]
fn conversion_50_a_stream_that_is_cut_fails() {
    let (cut, bad) = read(include_str!("../../../tests/golden/ollama/stream_cut.ndjson"));
    assert_eq!((cut.expect_err("it is cut").fault, bad), (Fault::BadGateway, 1));
    assert_eq!(read("").0.expect_err("nothing came").fault, Fault::BadGateway);
    let cut = r#"{"message":{"role":"assistant","content":"a"},"done":false}"#;
    assert_eq!(whole_of(cut).expect_err("it is cut").fault, Fault::BadGateway);
}

#[test]
fn conversion_51_a_broken_line_is_skipped_and_counted() {
    let stream = concat!(
        "{\"model\":\"m\",\"message\":{\"content\":\"a\"},\"done\":false}\n",
        "{\"model\":\"m\",\"message\":{\n",
        "{}\n",
        "{\"message\":{\"content\":\"b\"},\"done\":false}\r\n\n",
        "{\"message\":{\"content\":\"c\"},\"done\":true}"
    );
    let (response, bad) = read(stream);
    assert_eq!((shown(&response.expect("it is whole")), bad), (vec!["t:abc".into()], 2));
}

#[test]
fn what_is_behind_the_end_says_nothing() {
    let done = "{\"message\":{\"content\":\"a\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let (response, bad) = read(&format!("{done}{done}{{"));
    assert_eq!((shown(&response.expect("it is whole")), bad), (vec!["t:a".into()], 0));
}

#[test]
fn arguments_may_be_text_or_missing_and_calls_without_a_name_are_none() {
    let body = r#"{"message":{"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"g"}},{"function":{}},1]},"done":true}"#;
    let response = whole_of(body).expect("it is whole");
    assert_eq!(shown(&response), ["c::f:Text(\"{\\\\\\\"a\\\\\\\":1}\")", "c::g:Text(\"\")"]);
}
