//! Images, documents and sound from every client to every provider: in the provider's form, or refused or named.

use crate::protocol::Dialect;
use crate::protocol::Dialect::{Anthropic, Chat, Gemini, Ollama, Responses};
use crate::protocol::ir::{Destination, Outgoing, Quirks};
use crate::protocol::translate;

/// What becomes of a medium at a provider.
enum Becomes {
    /// It is said so.
    Said(&'static str),
    /// The request is refused.
    Refused,
    /// It is left out and named so.
    Named(&'static str),
}
use Becomes::{Named, Refused, Said};

/// A request of `client` that shows one medium, with the words that say it in that dialect.
fn shows(client: Dialect, medium: &str) -> String {
    match client {
        Chat => format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{medium},{{"type":"text","text":"see"}}]}}]}}"#
        ),
        Responses => format!(
            r#"{{"model":"m","input":[{{"role":"user","content":[{medium},{{"type":"input_text","text":"see"}}]}}]}}"#
        ),
        Anthropic => format!(
            r#"{{"model":"m","max_tokens":99,"messages":[{{"role":"user","content":[{medium},{{"type":"text","text":"see"}}]}}]}}"#
        ),
        Gemini => format!(r#"{{"contents":[{{"role":"user","parts":[{medium},{{"text":"see"}}]}}]}}"#),
        Ollama => format!(r#"{{"model":"m","messages":[{{"role":"user","content":"see","images":[{medium}]}}]}}"#),
    }
}

fn check(what: &str, media: &[(Dialect, &str)], becomes: &[(Dialect, Becomes)]) {
    for (client, medium) in media {
        for (upstream, becomes) in becomes {
            let body = shows(*client, medium);
            let request = translate::decode_request(*client, body.as_bytes(), Some("m"), false)
                .unwrap_or_else(|bad| panic!("{what} {client:?}: {bad}"));
            let to = Destination { model: "m", stream: false, quirks: &Quirks::default() };
            let mut out = Outgoing::default();
            let outcome = translate::encode_request(*upstream, &request, &to, &mut out);
            let said = String::from_utf8_lossy(&out.body);
            match becomes {
                Said(form) => {
                    outcome.unwrap_or_else(|bad| panic!("{what} {client:?} {upstream:?}: {bad}"));
                    assert!(said.contains(form) && said.contains("see"), "{what} {client:?} {upstream:?}: {said}");
                    // Gemini takes no names of files.
                    let is_whole = out.dropped.iter().all(|(member, _)| member == "content.filename");
                    assert!(is_whole, "{what} {client:?} {upstream:?}: {:?}", out.dropped);
                }
                Refused => {
                    let bad = outcome.expect_err("it cannot be said");
                    assert!(!bad.member.is_empty(), "{what} {client:?} {upstream:?}: {bad}");
                }
                Named(member) => {
                    outcome.unwrap_or_else(|bad| panic!("{what} {client:?} {upstream:?}: {bad}"));
                    assert!(
                        out.dropped.iter().any(|(named, _)| named == *member),
                        "{client:?} {upstream:?}: {:?}",
                        out.dropped
                    );
                }
            }
        }
    }
}

#[test]
fn an_image_arrives_everywhere() {
    check(
        "an image",
        &[
            (Chat, r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K"}}"#),
            (Responses, r#"{"type":"input_image","image_url":"data:image/png;base64,iVBORw0K"}"#),
            (Anthropic, r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0K"}}"#),
            (Gemini, r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0K"}}"#),
            (Ollama, r#""iVBORw0K""#),
        ],
        &[
            (Chat, Said(r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0K""#)),
            (Responses, Said(r#""image_url":"data:image/png;base64,iVBORw0K""#)),
            (Anthropic, Said(r#""source":{"type":"base64","media_type":"image/png","data":"iVBORw0K"}"#)),
            (Gemini, Said(r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0K"}}"#)),
            (Ollama, Said(r#""images":["iVBORw0K"]"#)),
        ],
    );
}

#[test]
fn an_image_elsewhere_is_named_where_it_is() {
    check(
        "an address",
        &[
            (Chat, r#"{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}"#),
            (Responses, r#"{"type":"input_image","image_url":"https://example.com/a.png"}"#),
            (Anthropic, r#"{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}"#),
            (Gemini, r#"{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}"#),
        ],
        &[
            (Chat, Said(r#""image_url":{"url":"https://example.com/a.png""#)),
            (Responses, Said(r#""image_url":"https://example.com/a.png""#)),
            (Anthropic, Said(r#""source":{"type":"url","url":"https://example.com/a.png"}"#)),
            (Gemini, Said(r#""fileUri":"https://example.com/a.png""#)),
            (Ollama, Refused),
        ],
    );
}

#[test]
fn a_document_arrives_where_it_is_read() {
    check(
        "a document",
        &[
            (Chat, r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0x"}}"#),
            (
                Responses,
                r#"{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0x"}"#,
            ),
            (
                Anthropic,
                r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0x"}}"#,
            ),
            (Gemini, r#"{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0x"}}"#),
        ],
        &[
            (Chat, Said(r#""file_data":"data:application/pdf;base64,JVBERi0x""#)),
            (Responses, Said(r#""file_data":"data:application/pdf;base64,JVBERi0x""#)),
            (Anthropic, Said(r#""source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0x"}"#)),
            (Gemini, Said(r#""inlineData":{"mimeType":"application/pdf","data":"JVBERi0x""#)),
            (Ollama, Refused),
        ],
    );
}

#[test]
fn sound_is_heard_where_it_can_be() {
    check(
        "sound",
        &[
            (Chat, r#"{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}"#),
            (Gemini, r#"{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}"#),
        ],
        &[
            (Chat, Said(r#""input_audio":{"data":"UklGRg==","format":"wav"}"#)),
            (Responses, Said(r#""data":"UklGRg==""#)),
            (Anthropic, Named("messages.audio")),
            (Gemini, Said(r#""inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}"#)),
            (Ollama, Refused),
        ],
    );
}
