//! A Gemini request may hold anything: it is read or refused by a member's name, and what is read is said again, as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::Dialect;
use weir::protocol::gemini::Gemini;
use weir::protocol::ir::{Decode, Destination, Encode, Outgoing, Quirks};

fuzz_target!(|input: &[u8]| {
    let [kind, body @ ..] = input else { return };
    if json::value(body).is_err() {
        return;
    }
    let Ok(mut request) = <Gemini as Decode>::request(body, Some("m"), false) else { return };
    let is = |bit: u8| kind & (1 << bit) != 0;
    let quirks = Quirks { json_schema_tools: is(0), ..Quirks::default() };
    // As if it came from another dialect, too.
    if is(1) {
        request.origin = Dialect::Anthropic;
    }
    let model = if is(2) { "gemini-2.5-flash" } else { "gemini-3-pro" };
    let to = Destination { model, stream: is(3), quirks: &quirks };
    let mut out = Outgoing::default();
    if <Gemini as Encode>::request(&request, &to, &mut out).is_ok() {
        json::value(&out.body).expect("what is written is JSON");
        <Gemini as Decode>::request(&out.body, Some("m"), false).expect("and is understood");
    }
});
