//! A client's request may hold anything: it is read or refused by a member's name, and what is read is said again, as
//! JSON that the protocol itself understands. The first byte chooses what the provider is like.

use weir::json;
use weir::protocol::Dialect;
use weir::protocol::ir::{Decode, Destination, Encode, Outgoing, OutputTokensName, Quirks};

/// Names of models on which requests depend, among them one that is nobody's.
fn models(dialect: Dialect) -> [&'static str; 4] {
    match dialect {
        Dialect::Anthropic => ["claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-7", "glm-4.6"],
        Dialect::Gemini => ["gemini-2.5-flash", "gemini-3-pro", "gemini-3-flash", "m"],
        Dialect::Chat | Dialect::Responses | Dialect::Ollama => ["gpt-5", "gpt-4o", "deepseek-reasoner", "m"],
    }
}

pub fn run<P: Decode + Encode>(input: &[u8]) {
    let [kind, body @ ..] = input else { return };
    if json::value(body).is_err() {
        return;
    }
    let Ok(mut request) = <P as Decode>::request(body, Some("m"), false) else { return };
    let is = |bit: u8| kind & (1 << bit) != 0;
    let quirks = Quirks {
        output_tokens_name: if is(0) { OutputTokensName::MaxTokens } else { OutputTokensName::Auto },
        json_schema_tools: is(0),
        replays_reasoning: is(1),
        developer_role: is(2),
        leading_system_only: is(3),
        no_system_role: is(4),
        tool_choice_auto_only: is(5),
        no_stream_options: is(5),
    };
    let dialect = <P as Decode>::DIALECT;
    // As if it came from another dialect, too: then nothing is said as it was.
    if is(6) {
        request.origin = if dialect == Dialect::Anthropic { Dialect::Chat } else { Dialect::Anthropic };
    }
    let to = Destination { model: models(dialect)[usize::from(kind % 4)], stream: is(7), quirks: &quirks };
    let mut out = Outgoing::default();
    if <P as Encode>::request(&request, &to, &mut out).is_ok() {
        json::value(&out.body).expect("what is written is JSON");
        <P as Decode>::request(&out.body, Some("m"), false).expect("and is understood");
    }
}
