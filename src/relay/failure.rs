//! Why an attempt failed: who is to blame, what may be tried next, what the caller would be told.

use std::borrow::Cow;

use crate::protocol::failure::Fault;

/// What may follow a failed attempt, as long as nothing has gone to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Another key of the same target, then another target.
    OtherKey,
    /// Another target: keys make no difference.
    OtherTarget,
    /// Nothing: the request itself is at fault.
    Never,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) retry: Retry,
    pub(super) fault: Fault,
    /// The status the caller would get; it differs from the fault's own where the upstream's number is kept.
    pub(super) status: u16,
    pub(super) message: Cow<'static, str>,
    /// The upstream's own error body, where it is one of the caller's dialect. Keys in it are masked.
    pub(super) body: Option<Vec<u8>>,
    /// The upstream's `retry-after`, where it was seconds or a date.
    pub(super) retry_after: Option<Vec<u8>>,
}

impl Failure {
    /// The upstream could not be reached, or broke off before it had answered.
    pub(super) fn unreachable(message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::of(Fault::BadGateway, Retry::OtherKey, message)
    }

    /// The upstream did not answer in time.
    pub(super) fn late(message: impl Into<Cow<'static, str>>) -> Failure {
        Failure::of(Fault::Timeout, Retry::OtherKey, message)
    }

    /// The upstream answered 200 and said an error all the same, in these words of the caller's dialect.
    pub(super) fn said(status: u16, error: &[u8]) -> Failure {
        let (retry, fault) = judge(status).unwrap_or((Retry::OtherKey, Fault::BadGateway));
        let body = (!matches!(status, 401 | 403)).then(|| error.to_vec());
        let message = "its answer was an error".into();
        Failure { retry, fault, status, message, body, retry_after: None }
    }

    fn of(fault: Fault, retry: Retry, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure { retry, fault, status: 0, message: message.into(), body: None, retry_after: None }
    }
}

/// What a status of an upstream means for the attempt; nothing where it is an answer to pass on.
///
/// 401 to 403 and 429 are about the key; 408, 5xx and 529 about the upstream; 404 may be about the model, which
/// another target names otherwise; the rest is the client's own (design §4). A redirect is never followed: the
/// destination would be the upstream's choice.
pub(super) fn judge(status: u16) -> Option<(Retry, Fault)> {
    Some(match status {
        200..=299 => return None,
        100..=199 | 300..=399 => (Retry::OtherTarget, Fault::BadGateway),
        401 | 403 => (Retry::OtherKey, Fault::BadGateway),
        402 => (Retry::OtherKey, Fault::of_status(402)),
        404 => (Retry::OtherTarget, Fault::NotFound),
        408 | 429 | 500..=599 => (Retry::OtherKey, Fault::of_status(status)),
        _ => (Retry::Never, Fault::of_status(status)),
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn verdicts_follow_the_table_of_the_design() {
        for (status, retry) in [
            (401, Retry::OtherKey),
            (402, Retry::OtherKey),
            (403, Retry::OtherKey),
            (408, Retry::OtherKey),
            (429, Retry::OtherKey),
            (500, Retry::OtherKey),
            (503, Retry::OtherKey),
            (529, Retry::OtherKey),
            (404, Retry::OtherTarget),
            (302, Retry::OtherTarget),
            (400, Retry::Never),
            (413, Retry::Never),
            (422, Retry::Never),
        ] {
            assert_eq!(judge(status).map(|(retry, _)| retry), Some(retry), "{status}");
        }
        assert!(judge(200).is_none() && judge(204).is_none());
    }
}
