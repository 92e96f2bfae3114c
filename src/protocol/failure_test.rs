use serde_json::{Value, json};

use super::*;

const FAULTS: [Fault; 17] = [
    Fault::InvalidRequest,
    Fault::Authentication,
    Fault::Permission,
    Fault::NotFound,
    Fault::UnknownModel,
    Fault::MethodNotAllowed,
    Fault::RequestTimeout,
    Fault::TooLarge,
    Fault::UnsupportedMedia,
    Fault::UnknownPrevious,
    Fault::RateLimited,
    Fault::Overloaded,
    Fault::Internal,
    Fault::NotImplemented,
    Fault::BadGateway,
    Fault::Unavailable,
    Fault::Timeout,
];

const NASTY: &str = "a \"quoted\"\r\n\r\ndata: [DONE]\n\n\u{0}";

fn body(dialect: Dialect, fault: Fault) -> Value {
    let mut out = Vec::new();
    write(dialect, fault, fault.status(dialect), "why", "req-1", &mut out);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn bodies_have_the_shape_of_their_dialect() {
    let openai =
        json!({"error": {"message": "why", "type": "authentication_error", "param": null, "code": "invalid_api_key"}});
    assert_eq!(body(Dialect::Chat, Fault::Authentication), openai);
    assert_eq!(body(Dialect::Responses, Fault::Authentication), openai);
    assert_eq!(body(Dialect::Chat, Fault::InvalidRequest)["error"]["code"], Value::Null);
    assert_eq!(
        body(Dialect::Anthropic, Fault::Overloaded),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "why"}, "request_id": "req-1"})
    );
    assert_eq!(
        body(Dialect::Gemini, Fault::RateLimited),
        json!({"error": {"code": 429, "message": "why", "status": "RESOURCE_EXHAUSTED"}})
    );
    assert_eq!(body(Dialect::Ollama, Fault::NotFound), json!({"error": "why"}));
}

#[test]
fn statuses_and_faults_agree() {
    for fault in FAULTS {
        let status = fault.status(Dialect::Anthropic);
        let back = Fault::of_status(status);
        assert_eq!(back.status(Dialect::Anthropic), status, "{fault:?}");
        assert_eq!(back.words().anthropic, fault.words().anthropic, "{fault:?}");
    }
    assert_eq!(Fault::Overloaded.status(Dialect::Chat), 503);
    assert_eq!(Fault::of_status(422), Fault::InvalidRequest);
}

#[test]
fn messages_are_escaped_and_events_are_single() {
    let place = Place { framing: sse::Framing::Sse, events: 7, response_id: "resp_1" };
    for dialect in Dialect::ALL {
        for fault in FAULTS {
            let mut out = Vec::new();
            write(dialect, fault, 500, NASTY, "r", &mut out);
            serde_json::from_slice::<Value>(&out).unwrap();

            let mut out = Vec::new();
            if !write_event(dialect, fault, NASTY, "r", &place, &mut out) {
                assert_eq!((dialect, out.len()), (Dialect::Ollama, 0));
                continue;
            }
            let mut splitter = sse::Splitter::new(sse::Framing::Sse, 1 << 16);
            let mut events = Vec::new();
            splitter
                .push(&out, |frame| {
                    let data: Value = serde_json::from_slice(frame.data).unwrap();
                    events.push((String::from_utf8(frame.event.to_vec()).unwrap(), data));
                })
                .unwrap();
            assert_eq!(events.len(), if dialect == Dialect::Responses { 2 } else { 1 });
        }
    }
}

#[test]
fn responses_fail_as_the_vendor_lets_them() {
    let mut out = Vec::new();
    let place = Place { framing: sse::Framing::Sse, events: 7, response_id: "resp_1" };
    write_event(Dialect::Responses, Fault::RateLimited, "why", "r", &place, &mut out);
    let text = String::from_utf8(out).unwrap();
    let data: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert!(text.starts_with("event: error\n") && text.contains("event: response.failed\n"));
    assert_eq!(
        data[0],
        json!({"type": "error", "sequence_number": 7, "code": "rate_limit_exceeded", "message": "why", "param": null})
    );
    assert_eq!(data[1]["sequence_number"], 8);
    assert_eq!(data[1]["response"]["id"], "resp_1");
    assert_eq!(data[1]["response"]["error"]["code"], "rate_limit_exceeded");

    let mut out = Vec::new();
    write_event(Dialect::Responses, Fault::Internal, "why", "r", &Place { response_id: "", ..place }, &mut out);
    assert!(!String::from_utf8(out).unwrap().contains("response.failed"));
}

#[test]
fn where_a_stream_has_no_error_event_nothing_is_written() {
    for (dialect, framing) in [(Dialect::Gemini, sse::Framing::Array), (Dialect::Ollama, sse::Framing::Sse)] {
        let mut out = Vec::new();
        let place = Place { framing, events: 0, response_id: "" };
        assert!(!write_event(dialect, Fault::Timeout, "why", "r", &place, &mut out));
        assert!(out.is_empty());
    }
    let mut out = Vec::new();
    let place = Place { framing: sse::Framing::Lines, events: 0, response_id: "" };
    assert!(write_event(Dialect::Ollama, Fault::Timeout, "why", "r", &place, &mut out));
    assert_eq!(out, b"{\"error\":\"why\"}\n");
}
