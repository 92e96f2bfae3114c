//! A Responses request may hold anything: it is read or refused by a member's name, and what is read is said again, as
//! JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir::json;
use weir::protocol::Dialect;
use weir::protocol::ir::{Decode, Destination, Encode, Outgoing, Quirks};
use weir::protocol::responses::Responses;

fuzz_target!(|input: &[u8]| {
    let [kind, body @ ..] = input else { return };
    if json::value(body).is_err() {
        return;
    }
    let Ok(mut request) = <Responses as Decode>::request(body, Some("m"), false) else { return };
    let is = |bit: u8| kind & (1 << bit) != 0;
    let quirks = Quirks {
        replays_reasoning: is(1),
        leading_system_only: is(3),
        no_system_role: is(4),
        tool_choice_auto_only: is(5),
        ..Quirks::default()
    };
    // As if it came from another dialect, too.
    if is(6) {
        request.origin = Dialect::Anthropic;
    }
    let model = if is(0) { "gpt-5" } else { "m" };
    let to = Destination { model, stream: is(7), quirks: &quirks };
    let mut out = Outgoing::default();
    if <Responses as Encode>::request(&request, &to, &mut out).is_ok() {
        json::value(&out.body).expect("what is written is JSON");
        <Responses as Decode>::request(&out.body, None, false).expect("and is understood");
    }
});
