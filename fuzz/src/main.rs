//! All that is fuzzed, in one program: `WEIR_FUZZ` names the target that runs, and `WEIR_FUZZ=list` names them all.
//!
//! A target is a function of bytes that panics where something does not hold; its seeds are `corpus/NAME`. What
//! translation has to keep to is asked of every protocol by the same functions ([`request`], [`stream`]).

#![no_main]

mod chunked;
mod config_file;
mod http_body_framing;
mod http_request_head;
mod http_response;
mod http_response_head;
mod inflate;
mod json_edit;
mod json_scan;
mod path;
mod proxy_reply;
mod request;
mod sniff_answer;
mod sniff_request;
mod sse_split;
mod stream;
mod tls_records;
mod translate;
mod web_socket;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use weir::protocol::anthropic::Anthropic;
use weir::protocol::chat::Chat;
use weir::protocol::gemini::Gemini;
use weir::protocol::ollama::Ollama;
use weir::protocol::responses::Responses;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 27] = [
    ("json_scan", json_scan::run),
    ("json_edit", json_edit::run),
    ("http_request_head", http_request_head::run),
    ("http_response_head", http_response_head::run),
    ("http_body_framing", http_body_framing::run),
    ("http_response", http_response::run),
    ("chunked", chunked::run),
    ("inflate", inflate::run),
    ("proxy_reply", proxy_reply::run),
    ("tls_records", tls_records::run),
    ("sse_split", sse_split::run),
    ("sniff_request", sniff_request::run),
    ("sniff_answer", sniff_answer::run),
    ("path", path::run),
    ("config_file", config_file::run),
    ("chat_request", request::run::<Chat>),
    ("chat_stream", stream::run::<Chat>),
    ("responses_request", request::run::<Responses>),
    ("responses_stream", stream::run::<Responses>),
    ("anthropic_request", request::run::<Anthropic>),
    ("anthropic_stream", stream::run::<Anthropic>),
    ("gemini_request", request::run::<Gemini>),
    ("gemini_stream", stream::run::<Gemini>),
    ("ollama_request", request::run::<Ollama>),
    ("ollama_stream", stream::run::<Ollama>),
    ("translate", translate::run),
    ("web_socket", web_socket::run),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let name = std::env::var("WEIR_FUZZ").unwrap_or_default();
    if name == "list" {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    }
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let Some((_, target)) = found else {
        eprintln!("WEIR_FUZZ has to name a target; WEIR_FUZZ=list names them");
        std::process::exit(2);
    };
    CHOSEN.get_or_init(|| *target);
}

fuzz_target!(init: choose(), |input: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        target(input);
    }
});
