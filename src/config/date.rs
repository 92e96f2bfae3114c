//! Dates as the file writes them: `2027-01-01`, `2027-01-01T00:00:00Z`, `2027-01-01T01:00:00.5+01:00` (RFC 3339).

use crate::base::ascii::decimal;

/// Milliseconds since 1970 of a date, or of a date with a time and a zone. Nothing for anything else, and for
/// times before 1970.
pub fn unix_ms(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let days = days(number(bytes, 0..4)?, number(bytes, 5..7)?, number(bytes, 8..10)?)?;
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let midnight = days.checked_mul(86_400_000)?;
    match bytes.get(10) {
        None => u64::try_from(midnight).ok(),
        Some(b'T' | b't' | b' ') => u64::try_from(midnight + time_ms(&bytes[11..])?).ok(),
        Some(_) => None,
    }
}

/// Milliseconds since midnight UTC of `HH:MM:SS[.fraction](Z|±HH:MM)`.
fn time_ms(bytes: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (number(bytes, 0..2)?, number(bytes, 3..5)?, number(bytes, 6..8)?);
    // A leap second is taken as the one after it.
    if bytes[2] != b':' || bytes[5] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = &bytes[8..];
    let mut fraction_ms = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let weights = [100, 10, 1];
        fraction_ms = fraction[..digits].iter().zip(weights).map(|(&digit, ms)| i64::from(digit - b'0') * ms).sum();
        rest = &fraction[digits..];
    }
    let zone_minutes = match rest {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), zone @ ..] if zone.len() == 5 && zone[2] == b':' => {
            let (hours, minutes) = (number(zone, 0..2)?, number(zone, 3..5)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some(((hour * 60 + minute - zone_minutes) * 60 + second) * 1000 + fraction_ms)
}

fn number(bytes: &[u8], digits: std::ops::Range<usize>) -> Option<i64> {
    i64::try_from(decimal(bytes.get(digits)?)?).ok()
}

/// Days since 1970-01-01 in the Gregorian calendar; years are counted from March so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        let cases = [
            ("1970-01-01", Some(0)),
            ("2027-01-01T00:00:00Z", Some(1_798_761_600_000)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2027-01-01T01:00:00.25+01:00", Some(1_798_761_600_250)),
            ("2026-12-31 23:30:00-00:30", Some(1_798_761_600_000)),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-1-01", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026/01/01", None),
            ("1969-12-31", None),
            ("", None),
            ("2026-01-0é", None),
        ];
        for (text, ms) in cases {
            assert_eq!(unix_ms(text), ms, "{text}");
        }
    }
}
