//! Why an attempt failed: who is to blame, what may be tried next, what the caller would be told.

use std::borrow::Cow;

use crate::config::snapshot::ErrorRule;
use crate::plan::retry::{self, Next, Verdict};
use crate::protocol::Dialect;
use crate::protocol::failure::Fault;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    /// Where to go on, and what it says of the key.
    pub(super) verdict: Verdict,
    pub(super) fault: Fault,
    /// The status the caller would get; it differs from the fault's own where the upstream's number is kept.
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    /// The upstream's own error body, where it is one of the caller's dialect. Keys in it are masked.
    pub(super) body: Option<Vec<u8>>,
    /// When to come again: the upstream's `retry-after` as it stood.
    pub(super) retry_after: Option<Box<[u8]>>,
    /// What the upstream calls this request.
    pub(super) upstream_id: Option<Box<[u8]>>,
}

impl Failure {
    /// No connection to the upstream came about.
    pub(super) fn unreachable(message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::of(Fault::BadGateway, Verdict::UNREACHABLE, message)
    }

    /// The upstream broke off before it had answered, or what it sent is no answer.
    pub(super) fn broken(message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::of(Fault::BadGateway, Verdict::FAILING, message)
    }

    /// The upstream did not answer in time.
    pub(super) fn late(message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::of(Fault::Timeout, Verdict::FAILING, message)
    }

    /// The upstream answered 200 and said an error all the same, in these words of the caller's dialect.
    pub(super) fn said(error: &[u8]) -> Failure {
        let status = retry::status_said(error);
        let verdict = retry::of_answer(status, error, None).unwrap_or(Verdict::FAILING);
        let body = (!matches!(status, 401 | 403)).then(|| error.to_vec());
        let message = "its answer was an error".into();
        Failure { verdict, fault: fault_of(status), status, message, body, retry_after: None, upstream_id: None }
    }

    /// The same as the file's rules judge it, where the upstream said something.
    pub(super) fn ruled(mut self, rules: &[ErrorRule]) -> Failure {
        if let Some(body) = &self.body {
            self.verdict = retry::ruled(rules, self.status, body, self.verdict);
        }
        self
    }

    /// Nothing was tried, for everything rests.
    pub(super) fn resting(fault: Fault, message: String, seconds: u64) -> Failure {
        let retry_after = (fault != Fault::UnknownModel).then(|| seconds.to_string().into_bytes().into());
        Failure { retry_after, ..Failure::of(fault, Verdict::UNUSABLE, message) }
    }

    fn of(fault: Fault, verdict: Verdict, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure { verdict, fault, status: 0, message: message.into(), body: None, retry_after: None, upstream_id: None }
    }

    /// Where to go on.
    pub(super) fn next(&self) -> Next {
        self.verdict.next
    }
}

/// The status that a caller of `dialect` is told of a failure whose own is `status` (config.md §5).
pub(super) fn told_status(status: u16, fault: Fault, dialect: Dialect) -> u16 {
    match status {
        0 | 401 | 403 => fault.status(dialect),
        529 if dialect != Dialect::Anthropic => 503,
        status if status < 400 => fault.status(dialect),
        status => status,
    }
}

/// The fault that the caller is told of where an upstream answered with `status`. That a key of ours is refused is not
/// the caller's fault.
pub(super) fn fault_of(status: u16) -> Fault {
    match status {
        0..=399 | 401 | 403 => Fault::BadGateway,
        status => Fault::of_status(status),
    }
}
