//! A client's request may hold anything: it is read or refused, and what is read is said again as valid JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::anthropic::Anthropic;
use weir::protocol::ir::{Decode, Destination, Encode, Outgoing, Quirks};

fuzz_target!(|input: &[u8]| {
    let [kind, body @ ..] = input else { return };
    if json::value(body).is_err() {
        return;
    }
    let model = ["claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-7", "glm-4.6"][usize::from(kind % 4)];
    let Ok(mut request) = <Anthropic as Decode>::request(body, None, false) else { return };
    // Said by another's client it is arranged anew.
    if kind & 4 != 0 {
        request.origin = weir::protocol::Dialect::Chat;
    }
    let quirks = Quirks { leading_system_only: kind & 8 != 0, ..Quirks::default() };
    let mut out = Outgoing::default();
    let to = Destination { model, stream: request.stream, quirks: &quirks };
    if <Anthropic as Encode>::request(&request, &to, &mut out).is_ok() {
        json::value(&out.body).expect("it writes JSON");
        <Anthropic as Decode>::request(&out.body, None, false).expect("it reads what it writes");
    }
});
