//! Edits of an object against the same edits of a list of its members.
//!
//! Input: steps of one byte each up to a zero byte, then the text. A step's low bits say what is done, its
//! high bits to which member.

use weir::base::span::Span;
use weir::json::edit::{Edits, Patch};
use weir::json::{Escaped, scan};

pub fn run(input: &[u8]) {
    let split = input.iter().position(|&byte| byte == 0).unwrap_or(0);
    let (steps, text) = (&input[..split], input.get(split + 1..).unwrap_or_default());
    let mut spans = Vec::new();
    if scan::object(text, |_, name, value| spans.push((name, value))).is_err() {
        return;
    }
    let start = text.len() - text.trim_ascii_start().len();
    let object = Span::new(start, text.trim_ascii_end().len());
    let said = |name: Span| Escaped::at(text, name).decode().into_owned();
    let mut expected: Vec<_> = spans.iter().map(|&(name, value)| Some((said(name), value.of(text).to_vec()))).collect();
    let mut inserted = Vec::new();
    let mut edits = Edits::new(text);
    for &step in steps {
        let target = spans.get(usize::from(step >> 2)).copied();
        match (step & 3, target) {
            (0, Some((name, _))) => {
                let name = said(name);
                // A replaced member cannot go, nor then any other of its name.
                if edits.remove_member(object, &name).is_err() {
                    continue;
                }
                expected
                    .iter_mut()
                    .filter(|member| member.as_ref().is_some_and(|(n, _)| *n == name))
                    .for_each(|member| *member = None);
            }
            (1, _) => {
                let name = format!("new{}", step >> 2);
                edits.insert_member(object, &name, b"{\"a\":[]}").expect("an insertion overlaps nothing");
                inserted.push((name, b"{\"a\":[]}".to_vec()));
            }
            (2, Some((_, value))) => {
                if edits.replace(value, Patch::quoted("x\"y")).is_ok() {
                    let member = expected[usize::from(step >> 2)].as_mut().expect("what is removed cannot be replaced");
                    member.1 = b"\"x\\\"y\"".to_vec();
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    edits.write_to(&mut out);
    assert_eq!(out.len(), edits.total_len());
    let mut found = Vec::new();
    scan::object(&out, |text, name, value| {
        found.push((Escaped::at(text, name).decode().into_owned(), value.of(text).to_vec()));
    })
    .expect("an edited object is one still");
    assert!(found.into_iter().eq(inserted.into_iter().chain(expected.into_iter().flatten())));
    assert!(!edits.is_empty() || out == text);
}
