//! An Ollama request may hold anything: it is read or refused by a member's name, and what is read is said again, as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::Dialect;
use weir::protocol::ir::{Decode, Destination, Encode, Outgoing, Quirks};
use weir::protocol::ollama::Ollama;

fuzz_target!(|input: &[u8]| {
    let [kind, body @ ..] = input else { return };
    if json::value(body).is_err() {
        return;
    }
    let Ok(mut request) = <Ollama as Decode>::request(body, None, false) else { return };
    let is = |bit: u8| kind & (1 << bit) != 0;
    let quirks =
        Quirks { developer_role: is(2), leading_system_only: is(3), no_system_role: is(4), ..Quirks::default() };
    // As if it came from another dialect, too.
    if is(6) {
        request.origin = Dialect::Anthropic;
    }
    let to = Destination { model: "m", stream: is(7), quirks: &quirks };
    let mut out = Outgoing::default();
    if <Ollama as Encode>::request(&request, &to, &mut out).is_ok() {
        json::value(&out.body).expect("what is written is JSON");
        <Ollama as Decode>::request(&out.body, None, false).expect("and is understood");
    }
});
