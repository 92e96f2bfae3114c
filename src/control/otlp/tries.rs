//! Attempts as spans: each the client's side of an HTTP request, below the span of its exchange.
//!
//! Those of an exchange that needed more than one come one by one, before it; whether the last is among them decides
//! whether the exchange's own entry stands for it. An attempt that serves ends with its exchange, and waits for that.

use ahash::AHashMap;
use serde_json::{Value, json};

use super::{ids, number, text};
use crate::base::id::RequestId;
use crate::control::names::Names;
use crate::limits;
use crate::record::attempt::GIVEN_UP;
use crate::record::entry::NEVER_US;
use crate::record::{Attempt, Entry, Outcome};

/// What has been told of attempts whose exchanges have not ended.
#[derive(Default)]
pub(super) struct Open(AHashMap<RequestId, Known>);

#[derive(Default)]
struct Known {
    /// The one that serves.
    serves: Option<Attempt>,
    /// The number of the last that has ended.
    ended: u8,
}

impl Open {
    /// Takes in what is told of an attempt. True where it is over, and can be shown.
    pub(super) fn is_over(&mut self, attempt: &Attempt) -> bool {
        // Exchanges whose rows were lost in a full ring would stay here.
        if self.0.len() >= limits::OTLP_SPANS_WAITING {
            self.0.clear();
        }
        let known = self.0.entry(attempt.id).or_default();
        if attempt.ended_us == NEVER_US {
            known.serves = Some(*attempt);
            return false;
        }
        known.ended = known.ended.max(attempt.n);
        true
    }

    /// The attempt that ended with the exchange, if there was one.
    pub(super) fn last(&mut self, entry: &Entry) -> Option<Attempt> {
        let known = self.0.remove(&entry.id).unwrap_or_default();
        let attempt = match known.serves {
            Some(attempt) => attempt,
            None if entry.attempts == known.ended || entry.begun_us == NEVER_US => return None,
            None => {
                let (id, unix_ms, n) = (entry.id, entry.unix_ms, entry.attempts);
                let begun = Attempt::begun(id, unix_ms, entry.generation, n, entry.begun_us);
                let status = if entry.first_byte_us == NEVER_US { 0 } else { entry.status };
                Attempt { provider: entry.provider, key: entry.key, model: entry.model_sent, status, ..begun }
            }
        };
        let mut attempt = Attempt { ended_us: u32::try_from(entry.total_us).unwrap_or(NEVER_US), ..attempt };
        if entry.outcome != Outcome::Ok {
            attempt.why = crate::record::Text::new(entry.outcome.name());
        }
        Some(attempt)
    }

    /// Nobody wants to know.
    pub(super) fn forget(&mut self) {
        self.0 = AHashMap::new();
    }
}

/// An attempt as a span. Nothing where nobody was asked over a network.
pub(super) fn span(attempt: &Attempt, names: &Names) -> Option<Value> {
    let (host, port) = names.address(attempt.provider)?;
    let (trace, parent) = ids(attempt.id);
    let at = |us: u32| (u128::from(attempt.unix_ms) * 1_000_000 + u128::from(us) * 1_000).to_string();
    let (status, why) = (u64::from(attempt.status), attempt.why.as_str());
    let is_given_up = why == GIVEN_UP;
    let has_failed = !why.is_empty() && !is_given_up;
    let mut attributes = vec![
        text("http.request.method", "POST"),
        text("server.address", host),
        number("server.port", u64::from(port)),
        number("weir.attempt", u64::from(attempt.n)),
    ];
    let error = if !has_failed {
        String::new()
    } else if status >= 400 {
        status.to_string()
    } else {
        "_OTHER".to_owned()
    };
    let named = [
        ("gen_ai.provider.name", names.provider(attempt.provider)),
        ("gen_ai.request.model", attempt.model.as_str()),
        ("weir.key", names.key(attempt.key)),
        ("error.type", &error),
        ("weir.given_up", if is_given_up { "another attempt was faster" } else { "" }),
    ];
    attributes.extend(named.into_iter().filter(|(_, name)| !name.is_empty()).map(|(key, name)| text(key, name)));
    if status != 0 {
        attributes.push(number("http.response.status_code", status));
    }
    if attempt.n > 1 {
        attributes.push(number("http.request.resend_count", u64::from(attempt.n) - 1));
    }
    // The trace tells exchanges apart, so that within it a number is enough.
    let own = u64::from_str_radix(&parent, 16).unwrap_or(1) ^ u64::from(attempt.n) << 56;
    Some(json!({
        "traceId": trace,
        "spanId": format!("{own:016x}"),
        "parentSpanId": parent,
        "name": "POST",
        "kind": 3,
        "startTimeUnixNano": at(attempt.begun_us),
        "endTimeUnixNano": at(attempt.ended_us),
        "attributes": attributes,
        "status": if has_failed { json!({ "code": 2, "message": why }) } else { json!({}) },
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use crate::record::Text;

    fn names() -> Names {
        let addresses = [("api.example.com".into(), 443), ("".into(), 0)].into();
        Names {
            providers: ["p".into(), "demo".into()].into(),
            addresses,
            keys: ["k".into()].into(),
            ..Names::default()
        }
    }

    fn attempt(n: u8, ended_us: u32, why: &str) -> Attempt {
        let entry = entry();
        let begun = Attempt::begun(entry.id, entry.unix_ms, entry.generation, n, u32::from(n) * 100);
        Attempt { provider: 0, key: 0, ended_us, why: Text::new(why), model: entry.model_sent, ..begun }
    }

    fn has(span: &Value, attribute: &Value) -> bool {
        span["attributes"].as_array().expect("a list").contains(attribute)
    }

    #[test]
    fn an_attempt_is_a_span_below_its_exchange() {
        let failed = span(&Attempt { status: 429, ..attempt(1, 900, "slow down") }, &names()).expect("a span");
        let exchange = super::super::span(&entry(), &names());
        assert_eq!((&failed["traceId"], &failed["parentSpanId"]), (&exchange["traceId"], &exchange["spanId"]));
        assert_ne!(failed["spanId"], exchange["spanId"]);
        assert_eq!((&failed["name"], &failed["kind"]), (&json!("POST"), &json!(3)));
        assert_eq!(failed["startTimeUnixNano"], "1795254816123100000");
        assert_eq!(failed["endTimeUnixNano"], "1795254816123900000");
        assert_eq!(failed["status"], json!({ "code": 2, "message": "slow down" }));
        for attribute in [
            text("server.address", "api.example.com"),
            number("server.port", 443),
            number("http.response.status_code", 429),
            text("error.type", "429"),
            text("gen_ai.provider.name", "p"),
            text("gen_ai.request.model", "m"),
            text("weir.key", "k"),
        ] {
            assert!(has(&failed, &attribute), "{attribute} in {failed}");
        }
        assert!(!failed.to_string().contains("resend_count"));
        let second = span(&attempt(2, 900, GIVEN_UP), &names()).expect("a span");
        assert!(has(&second, &number("http.request.resend_count", 1)) && second["status"] == json!({}), "{second}");
        assert_ne!(second["spanId"], failed["spanId"]);
        let unheard = span(&attempt(1, 900, "connection refused"), &names()).expect("a span");
        assert!(has(&unheard, &text("error.type", "_OTHER")), "{unheard}");
        assert_eq!(span(&Attempt { provider: 1, ..attempt(1, 900, "") }, &names()), None, "the demo is no network");
    }

    #[test]
    fn each_attempt_is_shown_once() {
        let mut open = Open::default();
        let ends = |entry: &Entry, open: &mut Open| open.last(entry).map(|last| (last.n, last.ended_us));
        let one = Entry { attempts: 1, begun_us: 10, ..entry() };
        assert_eq!(ends(&one, &mut open), Some((1, 1_500)), "the exchange says all there is of it");
        assert_eq!(ends(&Entry { attempts: 0, ..entry() }, &mut open), None, "nobody was asked");
        assert!(open.is_over(&attempt(1, 900, "no")));
        assert_eq!(ends(&one, &mut open), None, "its only attempt has been shown");
        assert!(open.is_over(&attempt(1, 900, "no")) && !open.is_over(&attempt(2, NEVER_US, "")));
        let two = Entry { attempts: 2, begun_us: 10, ..entry() };
        assert_eq!(ends(&two, &mut open), Some((2, 1_500)), "the one that serves ends with it");
        assert!(open.is_over(&attempt(2, 900, GIVEN_UP)) && !open.is_over(&attempt(1, NEVER_US, "")));
        assert_eq!(ends(&two, &mut open), Some((1, 1_500)), "the first of two that went beside each other");
        assert!(open.is_over(&attempt(1, 900, "no")));
        let gone = Entry { outcome: Outcome::ClientGone, status: 499, ..two };
        let last = open.last(&gone).expect("an attempt was under way");
        assert_eq!((last.n, last.status, last.why.as_str()), (2, 0, "client_gone"));
        assert!(open.0.is_empty());
    }

    #[test]
    fn what_is_never_ended_does_not_grow() {
        let mut open = Open::default();
        for sequence in 0..limits::OTLP_SPANS_WAITING as u32 + 10 {
            open.is_over(&Attempt { id: RequestId::new(1, 0, 0, sequence), ..attempt(1, 900, "no") });
        }
        assert_eq!(open.0.len(), 10);
    }
}
