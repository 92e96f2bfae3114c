//! Which conversation a request belongs to, as a number.
//!
//! Clients name it in many places; the first that is there counts, in an order that puts names of sessions before names
//! of users. Where a provider's affinity is `conversation` and no place names one, the conversation is what it begins
//! with. Pure over the request's header fields and the outline of its body; no text is copied.

use memchr::memmem;

use crate::base::hash;
use crate::config::snapshot::Affinity;
use crate::json::{Escaped, Raw};
use crate::limits::BEGINNING_BYTES;
use crate::protocol::sniff::Outline;

/// Header fields that name a conversation, by the rank of each; what bodies name has the ranks between.
const FIELDS: [(&str, u8); 7] = [
    ("x-claude-code-session-id", 1),
    ("session-id", 3),
    ("session_id", 3),
    ("x-session-id", 4),
    ("x-session-affinity", 5),
    ("x-client-request-id", 6),
    ("conversation_id", 9),
];

/// The conversation of a request with these header fields, each a name and a value, and this body, if it is JSON.
pub fn of<'a>(
    affinity: Affinity,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: Option<(&[u8], &Outline)>,
) -> Option<u64> {
    if affinity == Affinity::None {
        return None;
    }
    let ranked = fields.filter(|(_, value)| !value.is_empty()).filter_map(|(name, value)| Some((rank(name)?, value)));
    let field = ranked.min_by_key(|(rank, _)| *rank);
    let above = |rank: u8| field.is_none_or(|(of_field, _)| rank < of_field);
    let named = body.and_then(|(body, outline)| in_body(body, outline, above));
    named.or(field.map(|(_, value)| hash::of(0, value))).or_else(|| {
        let (body, outline) = body.filter(|_| affinity == Affinity::Conversation)?;
        beginning(body, outline)
    })
}

fn rank(name: &[u8]) -> Option<u8> {
    // Of the names of a request nearly none has such a length and such a first letter.
    if !matches!(name.len(), 10 | 12 | 15 | 18 | 19 | 24) || !matches!(name[0] | 0x20, b'x' | b's' | b'c') {
        return None;
    }
    FIELDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, rank)| *rank)
}

/// What the body names, if it stands above what a field names.
fn in_body(body: &[u8], outline: &Outline, above: impl Fn(u8) -> bool) -> Option<u64> {
    let string = |value: Raw<'_>| value.as_str().map(Escaped::bytes).filter(|text| !text.is_empty()).map(id);
    let member = |name: &str| outline.find(body, name).and_then(string);
    if !above(2) {
        return None;
    }
    let user = outline.find(body, "metadata").and_then(|metadata| metadata.find("user_id"));
    if let Some(session) = user.and_then(Raw::as_str).and_then(|user| session(user.bytes())) {
        return Some(id(session));
    }
    if !above(7) {
        return None;
    }
    member("session_id")
        .or_else(|| member("sessionId"))
        .or_else(|| member("prompt_cache_key"))
        .or_else(|| {
            let conversation = outline.find(body, "conversation")?;
            string(conversation).or_else(|| conversation.find("id").and_then(string))
        })
        .or_else(|| user.and_then(string).filter(|_| above(9)))
        .or_else(|| member("conversation_id").filter(|_| above(9)))
}

fn id(text: &[u8]) -> u64 {
    hash::of(0, text)
}

/// The session in the name that Claude Code gives its user: `…_session_UUID`, or an object with a `session_id`, which
/// stands escaped in its string.
fn session(user: &[u8]) -> Option<&[u8]> {
    let is_free = |byte: &u8| !matches!(byte, b'\\' | b'"' | b':' | b' ');
    let found = match user.starts_with(b"{") {
        true => {
            let behind = &user[memmem::find(user, b"session_id")? + b"session_id".len()..];
            let start = behind.iter().position(is_free)?;
            let end = behind[start..].iter().position(|byte| !is_free(byte)).unwrap_or(behind.len() - start);
            &behind[start..start + end]
        }
        false => &user[memmem::rfind(user, b"_session_")? + b"_session_".len()..],
    };
    (!found.is_empty()).then_some(found)
}

/// Of what it begins with; nothing if that is nothing.
fn beginning(body: &[u8], outline: &Outline) -> Option<u64> {
    let mut hashed = 0;
    outline.opening(body, |text| {
        let text = text.bytes();
        let beginning = &text[..text.len().min(BEGINNING_BYTES)];
        hashed = hash::of(hash::mix(hashed, text.len() as u64), beginning);
    });
    (hashed != 0).then_some(hashed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::path::Endpoint;
    use crate::protocol::sniff;

    fn of_request(affinity: Affinity, fields: &[(&str, &str)], body: &str) -> Option<u64> {
        let (_, outline) = sniff::request_outlined(Endpoint::Messages, body.as_bytes()).unwrap();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        of(affinity, fields, Some((body.as_bytes(), &outline)))
    }

    fn named(id: &str) -> Option<u64> {
        Some(hash::of(0, id.as_bytes()))
    }

    #[test]
    fn of_long_beginnings_a_part_and_the_length_tell_them_apart() {
        let of_text = |text: &str| {
            of_request(
                Affinity::Conversation,
                &[],
                &format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#),
            )
        };
        let (same, bytes) = ("a".repeat(BEGINNING_BYTES), BEGINNING_BYTES);
        assert_ne!(of_text(&same), of_text(&(same.clone() + "a")));
        assert_ne!(of_text(&same), of_text(&(same[..bytes - 1].to_owned() + "b")), "at the bound every byte counts");
        assert_eq!(of_text(&(same.clone() + "a")), of_text(&(same.clone() + "b")), "past it only how many there are");
    }

    #[test]
    fn the_first_name_in_the_order_of_the_contract_counts() {
        let fields = [
            ("CONVERSATION_ID", "i9"),
            ("x-client-request-id", "i6"),
            ("X-Session-Affinity", "i5"),
            ("x-session-id", "i4"),
            ("Session_id", "i3"),
            ("X-Claude-Code-Session-Id", "i1"),
        ];
        let body = r#"{"metadata":{"user_id":"user_x_account__session_i2"},"session_id":"i7","prompt_cache_key":"i8","conversation":{"id":"i8b"}}"#;
        for (left, expected) in [(6, "i1"), (5, "i2")] {
            assert_eq!(of_request(Affinity::Ids, &fields[..left], body), named(expected));
        }
        let body = r#"{"metadata":{"user_id":"somebody"},"prompt_cache_key":"i8","conversation":{"id":"i8b"}}"#;
        for (left, expected) in [(5, "i3"), (4, "i4"), (3, "i5"), (2, "i6"), (1, "i8"), (0, "i8")] {
            assert_eq!(of_request(Affinity::Ids, &fields[..left], body), named(expected), "{left}");
        }
        for (body, expected) in [
            (r#"{"sessionId":"s","prompt_cache_key":"p"}"#, "s"),
            (r#"{"conversation":"c"}"#, "c"),
            (r#"{"conversation":{"id":"d"},"metadata":{"user_id":"u"}}"#, "d"),
            (r#"{"metadata":{"user_id":"u"},"conversation_id":"e"}"#, "u"),
            (r#"{"conversation_id":"e"}"#, "e"),
            (r#"{"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"abc-1\"}"}}"#, "abc-1"),
        ] {
            assert_eq!(of_request(Affinity::Ids, &[], body), named(expected), "{body}");
        }
        assert_eq!(of_request(Affinity::None, &fields, body), None);
        assert_eq!(of_request(Affinity::Ids, &[("session-id", "")], "{}"), None);
    }

    #[test]
    fn without_a_name_a_conversation_is_what_it_begins_with() {
        let body = |system: &str, first: &str| {
            format!(
                r#"{{"system":"{system}","messages":[{{"role":"user","content":[{{"type":"text","text":"{first}"}}]}},
                   {{"role":"assistant","content":"ok"}}]}}"#
            )
        };
        let one = of_request(Affinity::Conversation, &[], &body("s", "hello"));
        assert!(one.is_some());
        assert_eq!(of_request(Affinity::Conversation, &[], &body("s", "hello")), one);
        assert_ne!(of_request(Affinity::Conversation, &[], &body("t", "hello")), one);
        assert_ne!(of_request(Affinity::Conversation, &[], &body("s", "bye")), one);
        assert_eq!(of_request(Affinity::Ids, &[], &body("s", "hello")), None);
        // Marks of the prompt cache move from turn to turn; what follows the first user turn is of no account.
        let marked = r#"{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"hello","cache_control":{"type":"ephemeral"}}]},
            {"role":"user","content":"more"}]}"#;
        assert_eq!(of_request(Affinity::Conversation, &[], marked), one);
        let chat = r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":"a"},{"role":"user","content":"b"}]}"#;
        let other = r#"{"messages":[{"role":"developer","content":"s"},{"role":"user","content":"c"}]}"#;
        assert_ne!(of_request(Affinity::Conversation, &[], chat), of_request(Affinity::Conversation, &[], other));
        assert!(of_request(Affinity::Conversation, &[], r#"{"input":"hi"}"#).is_some());
        assert_eq!(of_request(Affinity::Conversation, &[], "{}"), None);
    }
}
