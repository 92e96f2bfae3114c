//! A request as its client's dialect says it, within what a translation can keep apart.
//!
//! A tool goes by a name that is free among the others, and a result is put behind the call that it belongs to: what is
//! looked for grows with their number, so that is bounded. A request that goes on as it came is not counted.

use super::super::Dialect;
use super::super::ir::{BadRequest, Part, Request, Role};
use super::any;
use crate::limits;

/// Reads a request of a client.
pub fn decode_request<'a>(
    dialect: Dialect,
    body: &'a [u8],
    path_model: Option<&'a str>,
    stream: bool,
) -> Result<Request<'a>, BadRequest> {
    let request = any::decode_request(dialect, body, path_model, stream)?;
    if request.tools.len() > limits::REQUEST_TOOLS_MAX {
        let message = format!("more than {} tools", limits::REQUEST_TOOLS_MAX);
        return Err(BadRequest { member: "tools".into(), message: message.into() });
    }
    let mut waiting = 0;
    for turn in &request.turns {
        let calls = turn.parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
        waiting = if turn.role == Role::Assistant { waiting + calls } else { 0 };
        if waiting > limits::CALLS_WAITING_MAX {
            let message = format!("more than {} calls of tools wait for a result at once", limits::CALLS_WAITING_MAX);
            return Err(BadRequest { member: "".into(), message: message.into() });
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Result<(), String> {
        decode_request(Dialect::Chat, body.as_bytes(), None, false).map(drop).map_err(|bad| bad.to_string())
    }

    fn list(entry: impl Fn(usize) -> String, entries: usize) -> String {
        (0..entries).map(entry).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn tools_are_counted() {
        let tool = |nth| format!(r#"{{"type":"function","function":{{"name":"f{nth}"}}}}"#);
        let body = |tools| format!(r#"{{"model":"m","messages":[],"tools":[{}]}}"#, list(tool, tools));
        assert_eq!(told(&body(limits::REQUEST_TOOLS_MAX)), Ok(()));
        assert!(told(&body(limits::REQUEST_TOOLS_MAX + 1)).unwrap_err().starts_with("tools: more than"));
    }

    #[test]
    fn calls_that_wait_are_counted() {
        let call = |nth| format!(r#"{{"id":"c{nth}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#);
        let says = |calls| format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, list(call, calls));
        let body = |turns: &[String]| format!(r#"{{"model":"m","messages":[{}]}}"#, turns.join(","));
        let (most, one) = (says(limits::CALLS_WAITING_MAX), says(1));
        let heard = r#"{"role":"user","content":"go on"}"#.to_owned();
        assert_eq!(told(&body(&[most.clone(), heard, one.clone()])), Ok(()), "what nobody answers waits no longer");
        assert!(told(&body(&[most, one])).unwrap_err().contains("wait for a result at once"));
    }
}
