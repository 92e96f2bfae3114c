//! What follows a failed attempt, as long as nothing has gone to the client (design §4, config.md §5).
//!
//! A failure is data: whose fault it is, what it says of the health of the key, and where to go on. The table of
//! statuses stands here once, with the texts by which vendors tell an empty account or an unknown model under
//! another status.

use super::breaker::{Cause, Outcome};
use crate::config::snapshot::{Cool, ErrorRule, Retry, Then};
use crate::json::Raw;

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another key of the same target, then another target.
    OtherKey,
    /// Another target: keys make no difference.
    OtherTarget,
    /// Nowhere: the request itself is at fault.
    Stop,
}

/// What a failed attempt calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Where to go on.
    pub next: Next,
    /// What it says of the key.
    pub outcome: Outcome,
}

impl Verdict {
    const fn new(next: Next, outcome: Outcome) -> Verdict {
        Verdict { next, outcome }
    }

    /// No connection to the upstream came about.
    pub const UNREACHABLE: Verdict = Verdict::new(Next::OtherKey, Outcome::Failed(Cause::Unreachable, None));
    /// The upstream broke off, took too long, or sent what is no answer.
    pub const FAILING: Verdict = Verdict::new(Next::OtherKey, Outcome::Failed(Cause::Failing, None));
    /// The target cannot be used at all, with whatever key, and no key is to blame.
    pub const UNUSABLE: Verdict = Verdict::new(Next::OtherTarget, Outcome::Open);
}

/// By these a vendor says that the account behind a key has nothing left, under whatever status it does: as a code, or
/// as the beginning of a sentence, with or without `YOUR`. Elsewhere in an error may stand what the client has sent, and
/// nobody may lay a key to rest by that.
const EMPTY_ACCOUNT: &[&str] = &[
    "insufficient_quota",
    "credit balance is too low",
    "insufficient balance",
    "insufficient_balance",
    "insufficient credits",
    "exceeded your current quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
    "payment required",
];

/// By this Google tells of any limit, in words with which others tell that nothing is left ("exceeded your current quota").
const RATE_LIMIT: &[&str] = &["RESOURCE_EXHAUSTED"];

/// By these a 400 tells that the key is no good (Gemini and some others answer so).
const BAD_KEY: &[&str] = &["API_KEY_INVALID", "API key not valid", "invalid_api_key"];

/// What sentences of vendors begin with before they come to the point.
const YOUR: &[&str] = &["", "your ", "you ", "error: "];

/// By these a 404, or a 400, tells that it is the model that is not there, and not the path.
const NO_MODEL: &[&str] = &[
    "model_not_found",
    "model not found",
    "not_found_error",
    "does not exist",
    "is not found for API version",
    "DeploymentNotFound",
    "no such model",
    "unknown model",
    "is not a valid model",
    "model_not_supported",
];

/// The verdict on an answer of an upstream; nothing where it is one to pass on. `hint_ms` is the wait that it asks for.
pub fn of_answer(status: u16, body: &[u8], hint_ms: Option<u64>) -> Option<Verdict> {
    let failed = |cause| Outcome::Failed(cause, hint_ms);
    let rejected = Verdict::new(Next::OtherKey, Outcome::Failed(Cause::Rejected, None));
    Some(match status {
        200..=299 => return None,
        401..=403 => rejected,
        429 if says(body, RATE_LIMIT) => Verdict::new(Next::OtherKey, failed(Cause::RateLimited)),
        429 if says(body, EMPTY_ACCOUNT) => rejected,
        400 if tells(body, EMPTY_ACCOUNT) || tells(body, BAD_KEY) => rejected,
        429 | 529 => Verdict::new(Next::OtherKey, failed(Cause::RateLimited)),
        // Ollama says `model "x" not found, try pulling it first`.
        404 if says(body, NO_MODEL) || (says(body, &["model"]) && says(body, &["not found"])) => {
            Verdict::new(Next::OtherTarget, failed(Cause::NoModel))
        }
        404 => Verdict::UNUSABLE,
        408 | 500..=599 => Verdict::new(Next::OtherKey, failed(Cause::Failing)),
        // A redirect is not followed: the destination would be the upstream's choice.
        0..=399 => Verdict::UNUSABLE,
        _ => Verdict::new(Next::Stop, Outcome::Open),
    })
}

/// The verdict by the first rule that matches; without one as it is.
pub fn ruled(rules: &[ErrorRule], status: u16, body: &[u8], verdict: Verdict) -> Verdict {
    let matches = |rule: &&ErrorRule| {
        (rule.statuses.is_empty() || rule.statuses.contains(&status))
            && (rule.texts.is_empty() || rule.texts.iter().any(|text| says(body, &[text])))
    };
    let Some(rule) = rules.iter().find(matches) else { return verdict };
    let next = match rule.then {
        None => verdict.next,
        Some(Then::Stop) => Next::Stop,
        Some(Then::NextKey) => Next::OtherKey,
        Some(Then::NextTarget) => Next::OtherTarget,
    };
    let outcome = match rule.cool {
        None => verdict.outcome,
        Some((_, 0)) => Outcome::Open,
        Some((Cool::Key, ms)) => Outcome::Failed(Cause::Rejected, Some(u64::from(ms))),
        Some((Cool::Model, ms)) => {
            let cause = if matches!(status, 429 | 529) { Cause::RateLimited } else { Cause::Failing };
            Outcome::Failed(cause, Some(u64::from(ms)))
        }
    };
    Verdict { next, outcome }
}

/// The status that an error in the clothes of an answer stands for, by its words.
pub fn status_said(error: &[u8]) -> u16 {
    let types = [
        ("insufficient_quota", 402),
        ("rate_limit", 429),
        ("RESOURCE_EXHAUSTED", 429),
        ("overloaded", 529),
        ("authentication_error", 401),
        ("UNAUTHENTICATED", 401),
        ("permission_error", 403),
        ("PERMISSION_DENIED", 403),
        ("billing_error", 402),
        ("not_found_error", 404),
        ("model_not_found", 404),
        ("invalid_request_error", 400),
        ("INVALID_ARGUMENT", 400),
    ];
    let status = types.into_iter().find(|(word, _)| says(error, &[word])).map_or(502, |(_, status)| status);
    if tells(error, EMPTY_ACCOUNT) && !says(error, RATE_LIMIT) { 402 } else { status }
}

/// The rounds of one request over its keys and targets, and the waits between them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rounds {
    begun: bool,
    extra: u8,
    waited_ms: u64,
}

impl Rounds {
    /// After a round: how long to wait for the next one, if there is one. `attempted` says whether the round made an
    /// attempt; `rest_ms` is the time until the first rest ends. A look at somebody else's probe is no round.
    pub fn wait_ms(&mut self, attempted: bool, rest_ms: u64, policy: &Retry) -> Option<u64> {
        if attempted || !self.begun {
            self.begun = true;
            self.extra = self.extra.saturating_add(1);
            self.waited_ms = 0;
        }
        self.waited_ms = self.waited_ms.saturating_add(rest_ms);
        (self.extra <= policy.rounds_max && self.waited_ms <= u64::from(policy.round_wait_ms_max)).then_some(rest_ms)
    }
}

/// Whether an error is one of `words` by its code, or begins with one by its sentence.
fn tells(body: &[u8], words: &[&str]) -> bool {
    let Ok(whole) = Raw::parse(body.trim_ascii()) else { return false };
    // Gemini answers a stream's request with a list of one.
    let whole = if whole.is_array() { whole.elements().next().unwrap_or(whole) } else { whole };
    let error = whole.find("error").unwrap_or(whole);
    let is = |value: Raw<'_>| value.as_str().is_some_and(|value| words.iter().any(|word| value.eq_str(word)));
    let begins = |value: Raw<'_>| {
        value.as_str().is_some_and(|value| {
            let said = value.decode();
            words.iter().flat_map(|word| YOUR.iter().map(move |your| (your, word))).any(|(your, word)| {
                let rest = said
                    .get(..your.len())
                    .filter(|start| start.eq_ignore_ascii_case(your))
                    .map(|_| &said[your.len()..]);
                rest.and_then(|rest| rest.get(..word.len())).is_some_and(|start| start.eq_ignore_ascii_case(word))
            })
        })
    };
    if !error.is_object() {
        return begins(error);
    }
    ["type", "code", "status", "reason"].iter().filter_map(|name| error.find(name)).any(is)
        || error.find("message").is_some_and(begins)
        || error
            .find("details")
            .is_some_and(|details| details.elements().filter_map(|detail| detail.find("reason")).any(is))
}

/// Whether one of `words` stands in `body`, in upper or lower case.
fn says(body: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let (first, rest) = word.as_bytes().split_at(1);
        let (lower, upper) = (first[0].to_ascii_lowercase(), first[0].to_ascii_uppercase());
        memchr::memchr2_iter(lower, upper, body)
            .any(|at| body[at + 1..].get(..rest.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, body: &str) -> (Next, Option<Cause>) {
        let verdict = of_answer(status, body.as_bytes(), None).expect("a failure");
        let cause = if let Outcome::Failed(cause, _) = verdict.outcome { Some(cause) } else { None };
        (verdict.next, cause)
    }

    #[test]
    fn statuses_follow_the_table_of_the_design() {
        for (status, next, cause) in [
            (401, Next::OtherKey, Some(Cause::Rejected)),
            (402, Next::OtherKey, Some(Cause::Rejected)),
            (403, Next::OtherKey, Some(Cause::Rejected)),
            (429, Next::OtherKey, Some(Cause::RateLimited)),
            (529, Next::OtherKey, Some(Cause::RateLimited)),
            (408, Next::OtherKey, Some(Cause::Failing)),
            (500, Next::OtherKey, Some(Cause::Failing)),
            (503, Next::OtherKey, Some(Cause::Failing)),
            (504, Next::OtherKey, Some(Cause::Failing)),
            (404, Next::OtherTarget, None),
            (302, Next::OtherTarget, None),
            (400, Next::Stop, None),
            (413, Next::Stop, None),
            (422, Next::Stop, None),
            (418, Next::Stop, None),
        ] {
            assert_eq!(verdict(status, ""), (next, cause), "{status}");
        }
        assert!(of_answer(200, b"", None).is_none() && of_answer(204, b"", None).is_none());
    }

    #[test]
    fn an_empty_account_is_the_keys_failure_under_any_status() {
        for (status, body) in [
            (429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#),
            (400, r#"{"type":"error","error":{"message":"Your credit balance is too low to access the API"}}"#),
            (402, "{}"),
            (403, r#"{"error":{"message":"Insufficient Balance"}}"#),
            (400, r#"{"error":{"message":"Insufficient Balance"}}"#),
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#,
            ),
            (400, r#"[{"error":{"code":400,"message":"?","details":[{"reason":"API_KEY_INVALID"}]}}]"#),
            (400, r#"{"error":{"type":"invalid_request_error","code":"billing_not_active"}}"#),
            (400, r#"{"error":"insufficient credits"}"#),
        ] {
            assert_eq!(verdict(status, body), (Next::OtherKey, Some(Cause::Rejected)), "{status} {body}");
        }
    }

    /// Vendors quote what the client has sent.
    #[test]
    fn what_a_client_has_written_rests_no_key() {
        for (status, body, next) in [
            (
                404,
                r#"{"error":{"message":"The model `insufficient balance` does not exist","code":"model_not_found"}}"#,
                Next::OtherTarget,
            ),
            (
                400,
                r#"{"error":{"message":"Invalid value: 'payment required'","type":"invalid_request_error"}}"#,
                Next::Stop,
            ),
            (
                400,
                r#"{"error":{"message":"unknown model","param":"insufficient_quota","code":"x API_KEY_INVALID"}}"#,
                Next::Stop,
            ),
            (400, r#"{"error":"model 'insufficient balance' is not known"}"#, Next::Stop),
            (422, r#"{"detail":[{"input":"insufficient_quota","msg":"insufficient balance"}]}"#, Next::Stop),
            (413, r#"{"error":{"code":"insufficient_quota"}}"#, Next::Stop),
        ] {
            let (went, cause) = verdict(status, body);
            assert!(went == next && cause != Some(Cause::Rejected), "{status} {body}: {went:?} {cause:?}");
        }
        assert_eq!(status_said(br#"{"message":"The tool 'insufficient balance' failed"}"#), 502);
    }

    #[test]
    fn a_limit_of_google_is_none_of_the_account() {
        let body = r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. Please retry in 34s.","status":"RESOURCE_EXHAUSTED"}}"#;
        let verdict = of_answer(429, body.as_bytes(), Some(34_000)).expect("a failure");
        assert_eq!(verdict.outcome, Outcome::Failed(Cause::RateLimited, Some(34_000)));
        assert_eq!(status_said(body.as_bytes()), 429);
    }

    #[test]
    fn an_unknown_model_is_told_from_an_unknown_path() {
        for body in [
            r#"{"error":{"code":"model_not_found"}}"#,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#,
            r#"{"error":"model \"x\" not found, try pulling it first"}"#,
            r#"{"error":{"code":404,"message":"models/x is not found for API version v1beta"}}"#,
            r#"{"error":{"code":"DeploymentNotFound"}}"#,
        ] {
            assert_eq!(verdict(404, body), (Next::OtherTarget, Some(Cause::NoModel)), "{body}");
        }
        assert_eq!(verdict(404, "<html>nginx"), (Next::OtherTarget, None));
    }

    #[test]
    fn rules_of_the_file_come_before_the_table() {
        let rule = |statuses: &[u16], texts: &[&str], then, cool| ErrorRule {
            statuses: statuses.into(),
            texts: texts.iter().map(|text| (*text).into()).collect(),
            then,
            cool,
        };
        let rules = [
            rule(&[400], &["Content Policy", "blocked"], Some(Then::NextTarget), Some((Cool::Model, 0))),
            rule(&[503], &[], None, Some((Cool::Model, 7_000))),
            rule(&[], &["revoked"], Some(Then::Stop), Some((Cool::Key, 60_000))),
            rule(&[429], &[], Some(Then::NextKey), Some((Cool::Model, 5))),
        ];
        let judge = |status, body: &str| {
            let verdict = of_answer(status, body.as_bytes(), None).expect("a failure");
            let ruled = ruled(&rules, status, body.as_bytes(), verdict);
            (ruled.next, ruled.outcome)
        };
        assert_eq!(judge(400, "your CONTENT policy"), (Next::OtherTarget, Outcome::Open));
        assert_eq!(judge(400, "else"), (Next::Stop, Outcome::Open), "no rule matches");
        assert_eq!(judge(503, ""), (Next::OtherKey, Outcome::Failed(Cause::Failing, Some(7_000))));
        assert_eq!(judge(418, "key Revoked"), (Next::Stop, Outcome::Failed(Cause::Rejected, Some(60_000))));
        assert_eq!(judge(429, ""), (Next::OtherKey, Outcome::Failed(Cause::RateLimited, Some(5))));
    }

    #[test]
    fn rounds_and_their_waits_are_bounded() {
        let policy = Retry { attempts_max: 9, rounds_max: 2, round_wait_ms_max: 1_000, hedge_ms: 0 };
        let mut rounds = Rounds::default();
        assert_eq!(rounds.wait_ms(true, 1_000, &policy), Some(1_000));
        assert_eq!(rounds.wait_ms(true, 10, &policy), Some(10), "each round has a wait of its own");
        assert_eq!(rounds.wait_ms(false, 990, &policy), Some(990), "somebody else's probe is waited for");
        assert_eq!(rounds.wait_ms(false, 1, &policy), None);
        assert_eq!(Rounds::default().wait_ms(true, 1_001, &policy), None);
        let mut rounds = Rounds::default();
        let waits = (0..10).map_while(|_| rounds.wait_ms(true, 0, &policy)).count();
        assert_eq!(waits, 2);
        let none = Retry { rounds_max: 0, ..policy };
        assert_eq!(Rounds::default().wait_ms(false, 0, &none), None);
    }

    #[test]
    fn errors_under_200_stand_for_a_status() {
        for (error, status) in [
            (r#"{"type":"rate_limit_error"}"#, 429),
            (r#"{"type":"overloaded_error"}"#, 529),
            (r#"{"message":"You exceeded your current quota"}"#, 402),
            (r#"{"status":"PERMISSION_DENIED"}"#, 403),
            (r#"{"message":"?"}"#, 502),
        ] {
            assert_eq!(status_said(error.as_bytes()), status, "{error}");
        }
    }
}
