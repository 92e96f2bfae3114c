//! Moments as text: `2026-11-21T09:53:36.123Z` (RFC 3339, UTC only, years 1970 to 9999). `config::date` reads
//! them back.
//!
//! One idea: lines of a log mostly share their second, so the text of the last second is kept and only the
//! milliseconds are written anew.

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// The last moment that the form can show.
const LAST_MS: u64 = 253_402_300_799_999;

/// Writes moments, remembering the last second.
pub(crate) struct Stamp {
    second: u64,
    text: [u8; 24],
}

impl Stamp {
    /// A stamp that remembers 1970.
    pub(crate) fn new() -> Stamp {
        Stamp { second: 0, text: *b"1970-01-01T00:00:00.000Z" }
    }

    /// The text of a moment in milliseconds since 1970.
    pub(crate) fn of(&mut self, unix_ms: u64) -> &[u8; 24] {
        let unix_ms = unix_ms.min(LAST_MS);
        let (second, ms) = (unix_ms / 1_000, unix_ms % 1_000);
        if second != self.second {
            self.second = second;
            let (year, month, day) = civil(second / 86_400);
            let of_day = second % 86_400;
            digits(&mut self.text[0..4], year);
            digits(&mut self.text[5..7], month);
            digits(&mut self.text[8..10], day);
            digits(&mut self.text[11..13], of_day / 3_600);
            digits(&mut self.text[14..16], of_day / 60 % 60);
            digits(&mut self.text[17..19], of_day % 60);
        }
        digits(&mut self.text[20..23], ms);
        &self.text
    }
}

/// A moment as text.
pub(crate) fn moment(unix_ms: u64) -> String {
    String::from_utf8_lossy(Stamp::new().of(unix_ms)).into_owned()
}

/// A day (days since 1970) as `2026-11-21`.
pub(crate) fn day(day: u32) -> String {
    moment(u64::from(day).saturating_mul(DAY_MS))[..10].to_owned()
}

/// A minute (minutes since 1970) as `2026-11-21T09:53:00Z`.
pub(crate) fn minute(minute: u32) -> String {
    moment(u64::from(minute) * 60_000)[..19].to_owned() + "Z"
}

/// Year, month and day of a day since 1970, by the 400-year cycle of the Gregorian calendar counted from
/// 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let since_march_of_0 = days + 719_468;
    let (cycle, of_cycle) = (since_march_of_0 / 146_097, since_march_of_0 % 146_097);
    let year_of_cycle = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (cycle * 400 + year_of_cycle + u64::from(month <= 2), month, day)
}

fn digits(text: &mut [u8], mut value: u64) {
    for place in text.iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::date;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_254_816_123, "2026-11-21T09:53:36.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(moment(unix_ms), text);
            assert_eq!(date::unix_ms(text), Some(unix_ms.min(LAST_MS)));
        }
    }

    proptest! {
        #[test]
        fn text_and_back(unix_ms in 0..=LAST_MS, next in 0..5_000_u64) {
            let mut stamp = Stamp::new();
            for unix_ms in [unix_ms, (unix_ms + next).min(LAST_MS)] {
                let text = String::from_utf8_lossy(stamp.of(unix_ms)).into_owned();
                prop_assert_eq!(date::unix_ms(&text), Some(unix_ms));
            }
        }
    }
}
