//! Samples that are bent and broken: bytes, frames and JSON values exchanged, doubled, left out.
//!
//! Broken JSON finds what reads before it looks; the wrong value in the right place finds what trusts.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::json::{Raw, text};
use crate::sse::{Framing, Splitter};

/// One thing that is done to a sample.
#[derive(Clone, Debug)]
enum Bend {
    /// A byte becomes another.
    Set(Index, u8),
    /// Bytes go.
    Cut(Index, Index),
    /// The frame goes, comes twice, or changes places with the next.
    Frame(Index, u8),
    /// A value inside a frame becomes another.
    Value(Index, Index, String),
}

/// Values that stand where nobody expects them.
fn odd() -> impl Strategy<Value = String> {
    let values = vec![
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e400",
        "18446744073709551616",
        "\"\"",
        "\"x\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[null]",
        "[[]]",
        "[{}]",
        "[\"x\"]",
        "{\"a\":1}",
        "{\"type\":\"text\"}",
        "{\"text\":1}",
        "\"{\\\"a\\\":1}\"",
    ];
    select(values).prop_map(str::to_owned)
}

fn bend() -> impl Strategy<Value = Bend> {
    prop_oneof![
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Bend::Set(at, byte)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, len)| Bend::Cut(at, len)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, how)| Bend::Frame(at, how)),
        6 => (any::<Index>(), any::<Index>(), odd()).prop_map(|(frame, at, value)| Bend::Value(frame, at, value)),
    ]
}

/// A stream that came of one of the samples, or garbage.
pub(super) fn stream(samples: &'static [&'static str], framing: Framing) -> impl Strategy<Value = Vec<u8>> {
    let bent = (select(samples), vec(bend(), 1..5)).prop_map(move |(sample, bends)| {
        let mut frames = frames(sample.as_bytes(), framing);
        let mut bytes: Vec<Bend> = Vec::new();
        for bend in bends {
            match bend {
                Bend::Frame(at, how) if !frames.is_empty() => {
                    let at = at.index(frames.len());
                    match how % 3 {
                        0 => _ = frames.remove(at),
                        1 => frames.insert(at, frames[at].clone()),
                        _ => frames.swap(at, 0),
                    }
                }
                Bend::Value(frame, at, value) if !frames.is_empty() => {
                    let frame = frame.index(frames.len());
                    if let Some(data) = exchanged(&frames[frame].1, at, &value) {
                        frames[frame].1 = data;
                    }
                }
                bend => bytes.push(bend),
            }
        }
        let mut out = joined(&frames, framing);
        bytes.iter().for_each(|bend| bent_bytes(&mut out, bend));
        out
    });
    prop_oneof![9 => bent, 1 => vec(any::<u8>(), 0..64)]
}

/// A body that came of one of the samples, or garbage.
pub(super) fn body(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let bent = (select(samples), vec(bend(), 1..5)).prop_map(|(sample, bends)| {
        let mut out = sample.as_bytes().to_vec();
        for bend in &bends {
            match bend {
                Bend::Value(_, at, value) => out = exchanged(&out, *at, value).unwrap_or(out),
                bend => bent_bytes(&mut out, bend),
            }
        }
        out
    });
    prop_oneof![9 => bent, 1 => vec(any::<u8>(), 0..64), 1 => odd().prop_map(String::into_bytes)]
}

fn bent_bytes(out: &mut Vec<u8>, bend: &Bend) {
    match bend {
        Bend::Set(at, byte) if !out.is_empty() => {
            let at = at.index(out.len());
            out[at] = *byte;
        }
        Bend::Cut(at, len) if !out.is_empty() => {
            let at = at.index(out.len());
            let end = at + len.index(out.len() - at + 1).min(40);
            out.drain(at..end);
        }
        _ => {}
    }
}

/// The events of a stream, name and data.
fn frames(bytes: &[u8], framing: Framing) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut all, mut splitter) = (Vec::new(), Splitter::new(framing, 1 << 24));
    let mut keep = |frame: crate::sse::Frame<'_>| all.push((frame.event.to_vec(), frame.data.to_vec()));
    splitter.push(bytes, &mut keep).expect("the test's frames are short");
    splitter.finish(&mut keep);
    all
}

fn joined(frames: &[(Vec<u8>, Vec<u8>)], framing: Framing) -> Vec<u8> {
    let mut out = Vec::new();
    for (nth, (event, data)) in frames.iter().enumerate() {
        match framing {
            Framing::Sse => crate::sse::write::event(&String::from_utf8_lossy(event), data, &mut out),
            Framing::Lines => out.extend_from_slice(&[data, &b"\n"[..]].concat()),
            Framing::Array => {
                out.extend_from_slice(if nth == 0 { b"[" } else { b"," });
                out.extend_from_slice(data);
            }
        }
    }
    if framing == Framing::Array {
        out.push(b']');
    }
    out
}

/// `json` with one of the values in it exchanged; nothing if it is no JSON.
fn exchanged(json: &[u8], at: Index, value: &str) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(json).ok()?;
    let mut places = Vec::new();
    collect(&root, String::new(), &mut places);
    let place = &places[at.index(places.len())];
    // What serde_json cannot hold stands as a text first.
    *root.pointer_mut(place)? = Value::String("\u{1}".to_owned());
    let text = serde_json::to_string(&root).ok()?;
    Some(text.replacen("\"\\u0001\"", value, 1).into_bytes())
}

fn collect(value: &Value, path: String, places: &mut Vec<String>) {
    let step = |name: &str| format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| collect(value, step(name), places)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(nth, value)| collect(value, step(&nth.to_string()), places));
        }
        _ => {}
    }
    places.push(path);
}

/// `raw` without blanks, its strings with the fewest escapes; its numbers keep their digits.
pub(super) fn canonical_value(raw: Raw<'_>, out: &mut Vec<u8>) {
    if let Some(string) = raw.as_str() {
        return text::quote(&string.decode(), out);
    }
    if raw.is_object() {
        out.push(b'{');
        for (nth, (name, value)) in raw.members().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            text::quote(&name.decode(), out);
            out.push(b':');
            canonical_value(value, out);
        }
        return out.push(b'}');
    }
    if raw.is_array() {
        out.push(b'[');
        for (nth, value) in raw.elements().enumerate() {
            if nth > 0 {
                out.push(b',');
            }
            canonical_value(value, out);
        }
        return out.push(b']');
    }
    out.extend_from_slice(raw.bytes());
}
