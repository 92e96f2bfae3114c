//! What holds for every protocol: each law is one function, asked of all protocols of the table [`laws`] (design §10).
//!
//! A protocol gives its samples and says what it has no words for ([`Lawful`]). `stream_in`, `answers_in`, `requests_in`:
//! decoders keep the grammar and do not panic, on samples in any pieces, cut anywhere, bent and broken. `stream_out`: an
//! encoder writes whole frames of JSON and its end mark exactly once, and never after a failure. `answers_return`,
//! `streams_return`, `requests_return`: what is written is read as what it was, up to the protocol's own normalisation;
//! once more, with none. `bodies_return`: a sample comes back as it is. `requests_are_said`: whatever another dialect
//! asks for is said in words that the protocol itself understands. `tells_the_same`: a stream and a whole answer are
//! one. `replays`: an answer may be sent back, seals and all.
//!
//! How many cases are tried is `PROPTEST_CASES`, else few enough that nobody waits for them.

pub(in crate::protocol) mod asked;
pub(in crate::protocol) mod bent;
pub(in crate::protocol) mod said;
mod unlike;

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestCaseResult, TestRng, TestRunner};
use serde_json::Value;

use self::said::{Answer, Mix, Order};
use super::assemble::{Assembler, Response, Whole};
use super::grammar::Grammar;
use super::*;
use crate::json;
use crate::sse::{FrameKind, Framing, Splitter};

/// A protocol, and what the laws have to know of it.
pub(in crate::protocol) trait Lawful: Decode + Encode {
    /// Streams of an upstream; whole ones, and such as break off.
    const STREAMS: &'static [&'static str];
    /// Whole answers of an upstream, errors among them.
    const ANSWERS: &'static [&'static str];
    /// Requests of a client.
    const REQUESTS: &'static [&'static str];
    /// Those of them that are said again as they were.
    const BODIES: &'static [&'static str] = Self::REQUESTS;
    /// How a client's stream may be framed.
    const FRAMINGS: &'static [Framing];

    /// Streams and whole answers that say the same.
    fn same() -> Vec<(Cow<'static, str>, &'static str)>;
    /// Whether the frame is the dialect's end mark.
    fn is_end(frame: &Frame<'_>) -> bool;
    /// Takes off what a stream has no words for, and puts together what it does not keep apart.
    fn normal_stream(answer: &mut Answer);
    /// The same of a whole answer.
    fn normal_answer(answer: &mut Answer) {
        Self::normal_stream(answer);
    }
    /// The same of a request.
    fn normal_request(request: &mut Request<'_>);
    /// The same of a body.
    fn normal_body(_: &mut Value) {}
    /// The request that sends an answer's body back.
    fn next(answer: Value) -> Value;
    /// Whether the seal of this part of an answer comes back in it.
    fn keeps(part: &Whole) -> bool;
}

/// What reads the protocol's streams.
type In<P> = <P as Decode>::Stream;

/// Each law for each protocol; one more protocol is a line at the end.
macro_rules! laws {
    ($($name:ident: $protocol:ty;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn streams_are_read_in_any_pieces_and_whatever_they_hold() {
                stream_in::<$protocol>();
            }

            #[test]
            fn answers_are_read_or_are_none() {
                answers_in::<$protocol>();
            }

            #[test]
            fn requests_are_read_or_refused() {
                requests_in::<$protocol>();
            }

            #[test]
            fn conversion_04_13_streams_are_whole_frames_with_one_end() {
                stream_out::<$protocol>();
            }

            #[test]
            fn conversion_58_streams_come_back() {
                streams_return::<$protocol>();
            }

            #[test]
            fn conversion_58_answers_come_back() {
                answers_return::<$protocol>();
            }

            #[test]
            fn conversion_53_58_68_a_stream_and_a_whole_answer_tell_the_same() {
                tells_the_same::<$protocol>();
            }

            #[test]
            fn requests_come_back() {
                requests_return::<$protocol>();
            }

            #[test]
            fn conversion_31_36_bodies_come_back() {
                bodies_return::<$protocol>();
            }

            #[test]
            fn requests_of_all_dialects_are_said() {
                requests_are_said::<$protocol>();
            }

            #[test]
            fn conversion_16_18_64_answers_may_be_sent_back() {
                replays::<$protocol>();
            }
        })*

        #[test]
        fn every_protocol_is_asked() {
            assert_eq!([$(<$protocol as Decode>::DIALECT),*], Dialect::ALL);
        }
    };
}

laws! {
    chat: crate::protocol::chat::Chat;
    responses: crate::protocol::responses::Responses;
    anthropic: crate::protocol::anthropic::Anthropic;
    gemini: crate::protocol::gemini::Gemini;
    ollama: crate::protocol::ollama::Ollama;
}

const CASES: u32 = 48;
const BYTES_MAX: usize = 1 << 24;

/// Asks `law` of many values: always the same ones, unless PROPTEST_CASES says how many others.
fn ask<S: Strategy>(values: &S, law: impl Fn(S::Value) -> TestCaseResult) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = |cases| Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = match cases {
        Some(cases) => TestRunner::new(config(cases)),
        None => TestRunner::new_with_rng(config(CASES), TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    if let Err(broken) = runner.run(values, law) {
        panic!("{broken}");
    }
}

/// What a decoder told.
#[derive(Debug, PartialEq)]
struct Told {
    /// The events in words; nothing where they are only counted.
    events: Vec<String>,
    count: usize,
    /// Frames that were no events.
    bad: usize,
    outcome: Option<Result<Response, Failure<'static>>>,
}

/// Follows a decoder.
struct Watch {
    grammar: Grammar,
    assembler: Assembler,
    /// Whether events are put into words, which costs more than all else.
    in_words: bool,
    events: Vec<String>,
    count: usize,
    broken: Option<&'static str>,
}

impl Watch {
    fn new(in_words: bool) -> Watch {
        let (grammar, assembler) = (Grammar::default(), Assembler::new(usize::MAX));
        Watch { grammar, assembler, in_words, events: Vec::new(), count: 0, broken: None }
    }

    fn event(&mut self, event: &Event<'_>) {
        if let Err(super::grammar::Broken(why)) = self.grammar.admit(event) {
            self.broken.get_or_insert(why);
        }
        self.assembler.event(event).expect("it has no bound");
        self.count += 1;
        if self.in_words {
            self.events.push(format!("{event:?}"));
        }
    }

    fn told(self, bad: usize) -> Result<Told, TestCaseError> {
        if let Some(why) = self.broken {
            return Err(TestCaseError::fail(format!("{why}:\n{}", self.events.join("\n"))));
        }
        Ok(Told { events: self.events, count: self.count, bad, outcome: self.assembler.finish() })
    }
}

/// Reads a stream that comes in these pieces.
fn read<'a, S: StreamDecoder>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Told, TestCaseError> {
    told_of::<S>(pieces, true)
}

fn told_of<'a, S: StreamDecoder>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    in_words: bool,
) -> Result<Told, TestCaseError> {
    let (mut decoder, mut watch, mut bad) = (S::default(), Watch::new(in_words), 0);
    let mut splitter = Splitter::new(S::FRAMING, BYTES_MAX);
    for piece in pieces {
        let pushed = splitter.push(piece, |frame| {
            bad += usize::from(decoder.frame(&frame, &mut |event| watch.event(&event)).is_err());
        });
        pushed.expect("the test's frames are short");
    }
    splitter.finish(|frame| bad += usize::from(decoder.frame(&frame, &mut |event| watch.event(&event)).is_err()));
    decoder.finish(&mut |event| watch.event(&event));
    if !watch.grammar.is_ended() {
        watch.broken.get_or_insert("a stream that has ended is whole or has failed");
    }
    watch.told(bad)
}

/// Samples come in any pieces, cut anywhere, bent and broken; and so does garbage.
fn stream_in<P: Lawful>() {
    for sample in P::STREAMS {
        let bytes = sample.as_bytes();
        let whole = read::<In<P>>([bytes]).expect("it keeps the grammar");
        assert_eq!(read::<In<P>>(bytes.chunks(1)).expect("it keeps the grammar"), whole, "byte by byte: {sample}");
        // Where each piece is one byte all is compared; here what they make together, for there are thousands.
        let whole = told_of::<In<P>>([bytes], false).expect("it keeps the grammar");
        for at in 0..bytes.len() {
            let (one, other) = bytes.split_at(at);
            let parted = told_of::<In<P>>([one, other], false).expect("it keeps the grammar");
            assert_eq!(parted, whole, "parted at {at}: {sample}");
            let cut = told_of::<In<P>>([one], false).expect("it keeps the grammar");
            if let (Some(Ok(cut)), Some(Ok(whole))) = (&cut.outcome, &whole.outcome) {
                assert_eq!(cut.parts, whole.parts, "cut at {at}, it looks whole: {sample}");
            }
        }
    }
    ask(&bent::stream(P::STREAMS, In::<P>::FRAMING), |bytes| {
        let whole = read::<In<P>>([&*bytes])?;
        prop_assert_eq!(read::<In<P>>(bytes.chunks(7))?, whole);
        unlike::told_alike::<In<P>>(&bytes)
    });
}

/// Whole answers, bent and broken, are told in the grammar or are none.
fn answers_in<P: Lawful>() {
    for sample in P::ANSWERS {
        let answer = whole::<P>(sample.as_bytes()).expect("it keeps the grammar");
        assert!(answer.is_some_and(|told| told.outcome.is_some()), "it is an answer: {sample}");
    }
    ask(&bent::body(P::ANSWERS), |body| {
        whole::<P>(&body)?;
        for status in [200, 400, 429, 503] {
            let failure = P::failure(status, &body);
            let said = (failure.message.len(), failure.code.len());
            prop_assert!(said.0 + said.1 <= 6 * body.len() + 200, "an error says more than was said");
        }
        Ok(())
    });
}

/// What a whole answer tells; nothing if it is none.
fn whole<P: Decode>(body: &[u8]) -> Result<Option<Told>, TestCaseError> {
    let mut watch = Watch::new(true);
    let read = P::response(body, &mut |event| watch.event(&event));
    let ended = watch.grammar.is_ended();
    let told = watch.told(0)?;
    match read {
        Ok(()) if !ended => Err(TestCaseError::fail(format!("it has no end:\n{}", told.events.join("\n")))),
        Ok(()) => Ok(Some(told)),
        Err(_) => Ok(None),
    }
}

/// A stream and a whole answer that say the same are told the same, whatever their ids.
fn tells_the_same<P: Lawful>() {
    let pairs = P::same();
    assert!(!pairs.is_empty());
    for (stream, body) in pairs {
        let one = read::<In<P>>([stream.as_bytes()]).expect("it keeps the grammar");
        let other = whole::<P>(body.as_bytes()).expect("it keeps the grammar").expect("it is an answer");
        let answer = |told: Told| {
            let mut answer = Answer::of(&told.outcome.expect("it ends").expect("it is whole"));
            canonical(&mut answer.parts);
            answer.id = Text::default();
            answer
        };
        assert_eq!(answer(one), answer(other));
    }
}

/// Requests, bent and broken, are read or refused by a member's name; what is read can be said again or is refused.
fn requests_in<P: Lawful>() {
    ask(&bent::body(P::REQUESTS), |body| {
        if json::value(&body).is_err() {
            return Ok(());
        }
        match asked::<P>(&body, true) {
            Err(bad) => prop_assert!(!bad.message.is_empty(), "it says nothing: {bad:?}"),
            Ok(request) => _ = written::<P>(&request)?,
        }
        Ok(())
    });
}

/// The body that says `request`, a valid object; nothing if it is refused.
fn written<P: Encode>(request: &Request<'_>) -> Result<Option<Outgoing>, TestCaseError> {
    let model = request.model.decode();
    let to = Destination { model: &model, stream: request.stream, quirks: &Quirks::default() };
    let mut out = Outgoing::default();
    if P::request(request, &to, &mut out).is_err() {
        return Ok(None);
    }
    let object = json::Raw::parse(&out.body).is_ok_and(json::Raw::is_object);
    prop_assert!(object, "it is no object: {}", String::from_utf8_lossy(&out.body));
    Ok(Some(out))
}

/// The request that `body` is. Where a path names the model, it does so here.
fn asked<P: Decode>(body: &[u8], stream: bool) -> Result<Request<'_>, BadRequest> {
    P::request(body, (P::DIALECT == Dialect::Gemini).then_some("a-model"), stream)
}

/// The request that `body` is, which the protocol's own encoder wrote for `request`.
fn again<'a, P: Decode>(body: &'a [u8], request: &Request<'_>) -> Result<Request<'a>, TestCaseError> {
    asked::<P>(body, request.stream)
        .map_err(|bad| TestCaseError::fail(format!("{bad:?}: {}", String::from_utf8_lossy(body))))
}

/// The body that says `answer`.
fn answered<P: Encode>(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    P::response(&answer.response(), &opening(Framing::Sse), &mut body);
    body
}

/// What is asked in the protocol's own words is read as it was, but for what normalising does to both; and nothing is
/// dropped the second time.
fn requests_return<P: Lawful>() {
    ask(&asked::request(<P as Encode>::DIALECT), |request| {
        let Some(out) = written::<P>(&request)? else { return Ok(()) };
        let read = again::<P>(&out.body, &request)?;
        let (mut one, mut other) = (request.clone(), read.clone());
        for request in [&mut one, &mut other] {
            canonical_request(request);
            P::normal_request(request);
        }
        prop_assert_eq!(other, one, "{}", String::from_utf8_lossy(&out.body));
        let once_more = written::<P>(&read)?.expect("what was said can be said");
        prop_assert!(once_more.dropped.is_empty(), "{:?} of {}", once_more.dropped, String::from_utf8_lossy(&out.body));
        prop_assert_eq!(again::<P>(&once_more.body, &request)?, read);
        Ok(())
    });
}

/// A body that is read and said again to the same protocol says the same, but for what normalising does to both.
fn bodies_return<P: Lawful>() {
    for sample in P::BODIES {
        let request = asked::<P>(sample.as_bytes(), false).unwrap_or_else(|bad| panic!("{bad:?}: {sample}"));
        let out = written::<P>(&request).expect("an object").expect("what was said can be said");
        assert!(out.dropped.is_empty(), "{:?} of {sample}", out.dropped);
        let value = |body: &[u8]| {
            let mut value: Value = serde_json::from_slice(body).expect("JSON");
            P::normal_body(&mut value);
            value
        };
        let (said, expected) = (value(&out.body), value(sample.as_bytes()));
        assert_eq!(said, expected, "\n{}\n{sample}", String::from_utf8_lossy(&out.body));
    }
}

/// Requests of all dialects are said in a way that the protocol itself understands.
fn requests_are_said<P: Lawful>() {
    for origin in Dialect::ALL {
        ask(&asked::request(origin), |request| {
            if let Some(out) = written::<P>(&request)? {
                again::<P>(&out.body, &request)?;
            }
            Ok(())
        });
    }
}

/// What the answers of the laws begin with.
fn opening(framing: Framing) -> Opening {
    Opening { id: "1".into(), created_unix_s: 7, include_usage: true, framing: Some(framing), ..Opening::default() }
}

/// Whatever is told is written as whole frames of JSON. The dialect's end mark comes once, at the end, and never with a
/// failure, which may come at any time.
fn stream_out<P: Lawful>() {
    for framing in P::FRAMINGS {
        stream_framed::<P>(*framing);
    }
}

fn stream_framed<P: Lawful>(framing: Framing) {
    let values = (said::answer(), said::order(Mix::Everything), any::<bool>(), any::<prop::sample::Index>());
    ask(&values, |(answer, order, fails, place)| {
        let (mut encoder, mut out, mut events) = (<P as Encode>::Stream::new(opening(framing)), Vec::new(), 0);
        said::tell(&answer, &order, &mut |_| events += 1);
        let (mut nth, failing) = (0, place.index(events));
        said::tell(&answer, &order, &mut |event| {
            match fails && nth >= failing {
                true if nth == failing => encoder.event(&Event::Fail(failure()), &mut out),
                true => {}
                false => encoder.event(event, &mut out),
            }
            assert!(framing == Framing::Array || out.is_empty() || out.ends_with(b"\n"), "a frame is cut: {event:?}");
            nth += 1;
        });
        let written = out.len();
        for late in [Event::Ping, Event::End, Event::Fail(failure()), Event::Close { at: 0 }] {
            encoder.event(&late, &mut out);
        }
        prop_assert_eq!(out.len(), written, "something follows the end");
        let (mut splitter, mut marks, mut last) = (Splitter::new(framing, BYTES_MAX), 0, false);
        let mut bad = None;
        let mut frame = |frame: Frame<'_>| {
            if frame.kind == FrameKind::Data {
                last = P::is_end(&frame);
                marks += usize::from(last);
                if frame.data != b"[DONE]" && json::value(frame.data).is_err() {
                    bad = Some(String::from_utf8_lossy(frame.data).into_owned());
                }
            }
        };
        splitter.push(&out, &mut frame).expect("no frame is too long");
        splitter.finish(&mut frame);
        prop_assert_eq!(bad, None, "it is not JSON");
        prop_assert_eq!((marks, last), (usize::from(!fails), !fails), "{}", String::from_utf8_lossy(&out));
        Ok(())
    });
}

fn failure() -> Failure<'static> {
    Failure { fault: crate::protocol::failure::Fault::Overloaded, message: "no \"room\"".into(), code: "x".into() }
}

/// A whole answer is read as it was written, but for what normalising does to both; and once more, as it is.
fn answers_return<P: Lawful>() {
    returns(&said::answer().prop_map(|answer| (answer, Order::default())), P::normal_answer, |answer, _| {
        let body = answered::<P>(answer);
        let told = whole::<P>(&body)?;
        let told = told.ok_or_else(|| TestCaseError::fail(String::from_utf8_lossy(&body).into_owned()))?;
        Ok((told, body))
    });
}

/// A stream is read as it was written, but for what normalising does to both; and once more, as it is.
fn streams_return<P: Lawful>() {
    let framing = In::<P>::FRAMING;
    returns(&(said::answer(), said::order(Mix::Calls)), P::normal_stream, |answer, order| {
        let (mut encoder, mut out) = (<P as Encode>::Stream::new(opening(framing)), Vec::new());
        said::tell(answer, order, &mut |event| encoder.event(event, &mut out));
        let told = read::<In<P>>([&*out])?;
        prop_assert_eq!(told.bad, 0, "{}", String::from_utf8_lossy(&out));
        Ok((told, out))
    });
}

fn returns(
    answers: &impl Strategy<Value = (Answer, Order)>,
    normalise: impl Fn(&mut Answer),
    pass: impl Fn(&Answer, &Order) -> Result<(Told, Vec<u8>), TestCaseError>,
) {
    ask(answers, |(answer, order)| {
        let read = |answer: &Answer| -> Result<(Answer, String), TestCaseError> {
            let (told, bytes) = pass(answer, &order)?;
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            match told.outcome {
                Some(Ok(response)) => Ok((Answer::of(&response), shown)),
                other => Err(TestCaseError::fail(format!("{other:?}: {shown}"))),
            }
        };
        let (once, shown) = read(&answer)?;
        let (mut one, mut other) = (answer, once.clone());
        for answer in [&mut one, &mut other] {
            canonical(&mut answer.parts);
            normalise(answer);
        }
        prop_assert_eq!(other, one, "{}", shown);
        let (twice, shown) = read(&once)?;
        prop_assert_eq!(twice, once, "once more: {}", shown);
        Ok(())
    });
}

/// An answer goes into the next request and is accepted there with all its calls, and with all seals that the dialect
/// keeps.
fn replays<P: Lawful>() {
    ask(&said::answer(), |answer| {
        let body: Value = serde_json::from_slice(&answered::<P>(&answer)).expect("an answer is JSON");
        let body = serde_json::to_vec(&P::next(body)).expect("it is JSON");
        let request = asked::<P>(&body, false)
            .map_err(|bad| TestCaseError::fail(format!("{bad:?}: {}", String::from_utf8_lossy(&body))))?;
        let parts = || request.turns.iter().flat_map(|turn| &turn.parts);
        let calls =
            parts().filter_map(|part| if let Part::ToolCall(call) = part { Some(call.name.decode()) } else { None });
        let called = answer
            .parts
            .iter()
            .filter_map(|part| if let Whole::ToolCall(call) = part { Some(call.name.decode()) } else { None });
        prop_assert_eq!(calls.collect::<Vec<_>>(), called.collect::<Vec<_>>());
        let kept = parts().filter_map(|part| match part {
            Part::Reasoning { seal, .. } => seal.clone(),
            Part::ToolCall(call) => call.seal.clone(),
            _ => None,
        });
        let sealed = answer.parts.iter().filter(|part| P::keeps(part)).filter_map(|part| match part {
            Whole::Reasoning { seal, .. } => seal.clone(),
            Whole::ToolCall(call) => call.seal.clone(),
            _ => None,
        });
        // A dialect may keep those of calls apart from those of thoughts.
        let (mut kept, mut sealed): (Vec<_>, Vec<_>) = (kept.map(Seal::into_owned).collect(), sealed.collect());
        [&mut kept, &mut sealed].into_iter().for_each(|seals| seals.sort_by_key(|seal| format!("{seal:?}")));
        prop_assert_eq!(kept, sealed, "{}", String::from_utf8_lossy(&body));
        Ok(())
    });
}

/// The same text with the same escapes: the fewest.
pub(in crate::protocol) fn canonical_text(text: &mut Text<'_>) {
    *text = Text::plain(&text.decode());
}

/// A call's input as JSON where it is JSON, and `{}` where nothing is said; strings with the fewest escapes.
pub(in crate::protocol) fn canonical_input(input: &mut Input<'_>) {
    let json = match input {
        Input::Free(text) => return canonical_text(text),
        Input::Json(json) => String::from_utf8_lossy(json.bytes()).into_owned(),
        Input::Text(text) if text.is_empty() => "{}".to_owned(),
        Input::Text(text) => text.decode().into_owned(),
    };
    *input = match json::Raw::parse(json.as_bytes()) {
        Ok(raw) => {
            let mut out = Vec::new();
            bent::canonical_value(raw, &mut out);
            Input::Json(Json::written(out))
        }
        Err(_) => Input::Text(Text::plain(&json)),
    };
}

fn canonical(parts: &mut [Whole]) {
    for part in parts {
        match part {
            Whole::Text { text, .. } | Whole::Refusal(text) | Whole::Reasoning { text, .. } => canonical_text(text),
            Whole::ToolCall(call) => canonical_input(&mut call.input),
            Whole::Media { .. } | Whole::Foreign { .. } => {}
        }
    }
}

fn canonical_request(request: &mut Request<'_>) {
    let turns = request.turns.iter_mut().map(|turn| &mut turn.parts);
    let all = request.instructions.iter_mut().map(|instruction| &mut instruction.parts).chain(turns);
    all.flatten().for_each(canonical_part);
}

fn canonical_part(part: &mut Part<'_>) {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) | Part::Reasoning { text, .. } => canonical_text(text),
        Part::ToolCall(call) => canonical_input(&mut call.input),
        Part::ToolResult(result) => result.content.iter_mut().for_each(canonical_part),
        Part::Media(_) | Part::Foreign { .. } => {}
    }
}

/// Neighbours of one kind that nothing keeps apart become one, and what says nothing goes: for protocols whose members
/// hold one text each.
pub(in crate::protocol) fn joined(parts: &mut Vec<Whole>) {
    let mut all: Vec<Whole> = Vec::new();
    for part in parts.drain(..) {
        match (all.last_mut(), part) {
            (Some(Whole::Text { text, .. }), Whole::Text { text: more, .. })
            | (Some(Whole::Refusal(text)), Whole::Refusal(more))
            | (Some(Whole::Reasoning { text, seal: None, .. }), Whole::Reasoning { text: more, seal: None, .. }) => {
                text.push(more.escaped());
            }
            (_, Whole::Text { text, .. } | Whole::Refusal(text) | Whole::Reasoning { text, seal: None, .. })
                if text.is_empty() => {}
            (_, part) => all.push(part),
        }
    }
    *parts = all;
}
