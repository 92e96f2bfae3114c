//! Budgets of clients in a day and a month of the calendar (UTC).
//!
//! What has been spent, in millionths of a dollar, is one word, which says the day or the month too: a new one begins at
//! nothing, and a word means the same in every core and process. Pure.

/// A time that a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Span {
    /// Both, in the order of `ClientLimits::budgets`.
    pub const ALL: [Span; 2] = [Span::Day, Span::Month];

    /// Which one it is at `unix_ms`, and when the next begins, seconds since 1970.
    fn at(self, unix_ms: u64) -> (u64, u64) {
        let days = unix_ms / 86_400_000;
        match self {
            Span::Day => (days, (days + 1) * 86_400),
            Span::Month => {
                let (year, month, _) = crate::protocol::models::date(days);
                let (mut next, first) = (days + 28, |days| crate::protocol::models::date(days));
                while first(next).1 == month {
                    next += 1;
                }
                // The first day of the next month, for `next` may be some days into it.
                let (_, _, day) = first(next);
                (year * 12 + month, (next + 1 - day) * 86_400)
            }
        }
    }
}

const SPENT_BITS: u32 = 46;
const SPENT_MAX: u64 = (1 << SPENT_BITS) - 1;

/// What has been spent of a word at `unix_ms`, in millionths of a dollar.
pub fn spent(word: u64, span: Span, unix_ms: u64) -> u64 {
    let (now, _) = span.at(unix_ms);
    if word >> SPENT_BITS == now { word & SPENT_MAX } else { 0 }
}

/// The word after more has been spent. What was begun in a time that is over counts for the new one.
pub fn spend(word: u64, span: Span, unix_ms: u64, micros: u64) -> u64 {
    let (now, _) = span.at(unix_ms);
    now << SPENT_BITS | spent(word, span, unix_ms).saturating_add(micros).min(SPENT_MAX)
}

/// Seconds until the next time begins.
pub fn until_next_s(span: Span, unix_ms: u64) -> u64 {
    let (_, next) = span.at(unix_ms);
    next.saturating_sub(unix_ms / 1_000).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_and_months_begin_at_nothing() {
        // 2026-02-28T23:59:59Z.
        let last = 1_772_323_199_000;
        for span in Span::ALL {
            let word = spend(spend(0, span, last, 5), span, last, 7);
            assert_eq!(spent(word, span, last), 12);
            assert_eq!(until_next_s(span, last), 1);
            assert_eq!(spent(word, span, last + 1_000), 0, "{span:?}");
            assert_eq!(spent(spend(word, span, last + 1_000, 3), span, last + 1_000), 3);
        }
        let noon = last - 43_199_000 - 86_400_000;
        let word = spend(0, Span::Month, noon, 9);
        assert_eq!(spent(word, Span::Month, last), 9, "a day is not a month");
        assert_eq!(until_next_s(Span::Month, noon), 86_400 + 43_200);
        // The 31st of a month.
        assert_eq!(until_next_s(Span::Month, 1_769_817_600_000), 86_400);
    }

    proptest! {
        #[test]
        fn the_next_month_is_another_and_the_second_before_it_is_not(unix_s in 0_u64..4_000_000_000) {
            for span in Span::ALL {
                let word = spend(0, span, unix_s * 1_000, 1);
                let next = unix_s + until_next_s(span, unix_s * 1_000);
                prop_assert_eq!(spent(word, span, (next - 1) * 1_000), 1);
                prop_assert_eq!(spent(word, span, next * 1_000), 0);
            }
        }
    }
}
