//! Moments as text: `2026-11-21T09:53:36.123Z` and back (RFC 3339, UTC only, years 1970 to 9999).
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

/// Reads a day `2026-11-21`, a moment `2026-11-21T09:53:36Z` (with or without a fraction or an offset), or
/// milliseconds since 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    if let Ok(unix_ms) = text.parse::<u64>() {
        return Some(unix_ms);
    }
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut parts = date.splitn(3, '-').map(|part| number(part, part.len()));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let days = days(year, month, day)?;
    let (clock, offset_minutes) = offset(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if hour > 23 || minute > 59 || second > 59 || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms = number(&format!("{fraction:0<3}")[..3], 3)?;
    let unix_ms = (days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000 + ms;
    unix_ms.checked_add_signed(-offset_minutes * 60_000)
}

/// Splits `09:53:36+01:00` into the clock and the minutes it is ahead of UTC.
fn offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let minutes = (number(hours, 2)? * 60 + number(minutes, 2)?) as i64;
    Some((&time[..at], if time.as_bytes()[at] == b'-' { -minutes } else { minutes }))
}

fn number(digits: &str, len: usize) -> Option<u64> {
    (digits.len() == len && len <= 4 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
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

/// The inverse of `civil`; nothing for a date that is none.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (cycle, year_of_cycle) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + of_year;
    let days = cycle * 146_097 + of_cycle - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
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
            assert_eq!(parse(text), Some(unix_ms.min(LAST_MS)));
        }
    }

    #[test]
    fn forms_people_write() {
        assert_eq!(parse("2000-02-29"), Some(951_782_400_000));
        assert_eq!(parse("2000-02-29T01:00:00+01:00"), Some(951_782_400_000));
        assert_eq!(parse("2000-02-28T19:00:00.0-05:00"), Some(951_782_400_000));
        assert_eq!(parse("951782400000"), Some(951_782_400_000));
        for bad in [
            "",
            "x",
            "2001-02-29",
            "2000-13-01",
            "2000-02-29T24:00:00Z",
            "2000-02-29T00:00:00",
            "2000-02",
            "1969-12-31",
            "2000-02-29T00:00:00.Z",
            "2000-02-29T1:00:00Z",
            "-1",
            "1970-01-01T00:00:00+01:00",
            "2000-02-29T00:00:00.é0Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(unix_ms in 0..=LAST_MS, next in 0..5_000_u64) {
            let mut stamp = Stamp::new();
            for unix_ms in [unix_ms, (unix_ms + next).min(LAST_MS)] {
                let text = String::from_utf8_lossy(stamp.of(unix_ms)).into_owned();
                prop_assert_eq!(parse(&text), Some(unix_ms));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
