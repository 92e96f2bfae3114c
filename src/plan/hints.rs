//! How long an upstream says to wait, in the ways vendors say it.
//!
//! `retry-after-ms`, `retry-after` (seconds or a date), Google's `retryDelay` in the body, then the times at which
//! limits are full again: `x-ratelimit-reset*` (OpenAI's `6m0s`, seconds, moments) and `anthropic-ratelimit-*-reset`
//! (dates). Of several limits that are used up the last one counts; where none says that it is, the first. What
//! cannot be read counts as not said.

use memchr::memmem;

use crate::config::date;
use crate::http::field::{Fields, Name};

/// Seconds since 1970 are larger than any wait, milliseconds larger still.
const EPOCH_S_LEAST: f64 = 1e9;
const EPOCH_MS_LEAST: f64 = 1e12;
const EPOCH_MS_GREATEST: f64 = 1e14;

/// Milliseconds to wait that an answer with `status` asks for; nothing, too, where it asks for no wait at all.
pub fn wait_ms(status: u16, head: &[u8], fields: &Fields, body: &[u8], unix_ms: u64) -> Option<u64> {
    if !matches!(status, 429 | 503 | 529) {
        return None;
    }
    let other = |name: &str| {
        let named = |field: &&crate::http::field::Field| field.name.of(head).eq_ignore_ascii_case(name.as_bytes());
        fields.iter().find(named).and_then(|field| text(field.value.of(head)))
    };
    let plain_ms = other("retry-after-ms").and_then(|value| whole(value.parse::<f64>().ok()?));
    let after = || {
        let value = text(fields.value(head, Name::RetryAfter)?)?;
        moment_or_seconds(value, unix_ms).or_else(|| http_date(value)?.checked_sub(unix_ms))
    };
    let asked = plain_ms.or_else(after).or_else(|| retry_delay(body)).or_else(|| resets(head, fields, unix_ms));
    asked.filter(|ms| *ms > 0)
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.trim_ascii()).ok().filter(|value| !value.is_empty())
}

/// Milliseconds from a number that may have a fraction.
fn whole(ms: f64) -> Option<u64> {
    (ms.is_finite() && ms >= 0.0).then(|| ms.ceil().min(u32::MAX.into()) as u64)
}

/// Seconds, or a moment in seconds or milliseconds since 1970.
fn moment_or_seconds(value: &str, unix_ms: u64) -> Option<u64> {
    let number: f64 = value.parse().ok()?;
    match number {
        _ if number >= EPOCH_MS_GREATEST => None,
        _ if number >= EPOCH_MS_LEAST => Some((number as u64).saturating_sub(unix_ms)),
        _ if number >= EPOCH_S_LEAST => Some(((number * 1_000.0) as u64).saturating_sub(unix_ms)),
        _ => whole(number * 1_000.0),
    }
}

/// `6m0s`, `1h2m3.5s`, `120ms`, `2d`.
fn duration(value: &str) -> Option<u64> {
    let (mut rest, mut ms) = (value, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        ms += number
            * match &unit[..end] {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                "us" | "µs" => 0.001,
                _ => return None,
            };
        rest = &unit[end..];
    }
    whole(ms).filter(|_| !value.is_empty())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), in milliseconds since 1970.
fn http_date(value: &str) -> Option<u64> {
    let mut parts = value.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    (parts.next()? == "GMT" && parts.next().is_none())
        .then(|| date::unix_ms(&format!("{year}-{month:02}-{day:0>2}T{time}Z")))?
}

/// `"retryDelay": "34.07s"` of google.rpc.RetryInfo.
fn retry_delay(body: &[u8]) -> Option<u64> {
    let at = memmem::find(body, b"\"retryDelay\"")?;
    let rest = body[at + b"\"retryDelay\"".len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let value = rest.strip_prefix(b"\"")?;
    duration(text(&value[..memchr::memchr(b'"', value)?])?)
}

/// When limits are full again.
fn resets(head: &[u8], fields: &Fields, unix_ms: u64) -> Option<u64> {
    let (mut used_up, mut first) = (None, None);
    for field in fields.iter() {
        let name = field.name.of(head);
        let Some(limit) = limit_of(name) else { continue };
        let Some(value) = text(field.value.of(head)) else { continue };
        let date = || date::unix_ms(value).map(|at| at.saturating_sub(unix_ms));
        let Some(ms) = moment_or_seconds(value, unix_ms).or_else(|| duration(value)).or_else(date) else { continue };
        let remaining = fields.iter().find(|other| {
            let name = other.name.of(head);
            remaining_of(name).is_some_and(|other| other.eq_ignore_ascii_case(limit))
        });
        let is_used_up = remaining.is_some_and(|field| matches!(field.value.of(head).trim_ascii(), b"0" | b"0.0"));
        if is_used_up {
            used_up = used_up.max(Some(ms));
        } else if ms > 0 {
            first = Some(first.map_or(ms, |first: u64| first.min(ms)));
        }
    }
    used_up.filter(|ms| *ms > 0).or(first)
}

const OPENAI: &[u8] = b"x-ratelimit-reset";
const OPENAI_LEFT: &[u8] = b"x-ratelimit-remaining";
const ANTHROPIC: &[u8] = b"anthropic-ratelimit-";

/// What a field says the reset of: `-tokens`, `tokens`, or nothing where there is one limit only.
fn limit_of(name: &[u8]) -> Option<&[u8]> {
    of_openai(name, OPENAI).or_else(|| of_anthropic(name, b"-reset"))
}

fn remaining_of(name: &[u8]) -> Option<&[u8]> {
    of_openai(name, OPENAI_LEFT).or_else(|| of_anthropic(name, b"-remaining"))
}

fn of_openai<'a>(name: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = name.split_at_checked(start.len())?;
    (found.eq_ignore_ascii_case(start) && (rest.is_empty() || rest[0] == b'-')).then_some(rest)
}

fn of_anthropic<'a>(name: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = name.split_at_checked(ANTHROPIC.len())?;
    let (limit, last) = rest.split_at_checked(rest.len().checked_sub(end.len())?)?;
    (found.eq_ignore_ascii_case(ANTHROPIC) && last.eq_ignore_ascii_case(end)).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{self, Asked, HeadLimits};
    use crate::limits;

    const NOW: u64 = 1_795_254_816_000; // 2026-11-21T09:53:36Z

    fn hint(status: u16, lines: &str, body: &str) -> Option<u64> {
        let text = format!("HTTP/1.1 {status} No\r\n{lines}\r\n");
        let bounds = HeadLimits {
            head_bytes: limits::HEAD_BYTES_MAX,
            fields: limits::FIELDS_MAX,
            target_bytes: limits::TARGET_BYTES_MAX,
        };
        let mut fields = Fields::default();
        head::response(text.as_bytes(), &mut 0, &mut fields, Asked::Other, &bounds).unwrap().unwrap();
        wait_ms(status, text.as_bytes(), &fields, body.as_bytes(), NOW)
    }

    #[test]
    fn waits_in_all_the_ways_that_vendors_say_them() {
        for (lines, body, ms) in [
            ("retry-after: 7\r\n", "", Some(7_000)),
            ("Retry-After: 0.5\r\n", "", Some(500)),
            ("retry-after: Sat, 21 Nov 2026 09:54:36 GMT\r\n", "", Some(60_000)),
            ("retry-after: Sat, 21 Nov 2026 09:50:36 GMT\r\n", "", None),
            ("retry-after-ms: 1500\r\nretry-after: 2\r\n", "", Some(1_500)),
            ("x-ratelimit-reset-requests: 6m0s\r\n", "", Some(360_000)),
            ("x-ratelimit-reset-tokens: 120ms\r\n", "", Some(120)),
            ("x-ratelimit-reset-tokens: 1h2m3.5s\r\n", "", Some(3_723_500)),
            ("x-ratelimit-reset: 1795254826\r\n", "", Some(10_000)),
            ("X-RateLimit-Reset: 1795254826000\r\n", "", Some(10_000)),
            ("x-ratelimit-reset: 12\r\n", "", Some(12_000)),
            ("anthropic-ratelimit-tokens-reset: 2026-11-21T09:53:56Z\r\n", "", Some(20_000)),
            ("", r#"{"error":{"details":[{"@type":"x","retryDelay": "34.07s"}]}}"#, Some(34_070)),
            ("retry-after: 3\r\n", r#"{"retryDelay":"34s"}"#, Some(3_000)),
        ] {
            assert_eq!(hint(429, lines, body), ms, "{lines}{body}");
        }
    }

    #[test]
    fn the_limit_that_is_used_up_counts() {
        let both = "x-ratelimit-reset-requests: 1s\r\nx-ratelimit-reset-tokens: 30s\r\n";
        assert_eq!(hint(429, both, ""), Some(1_000), "none says so: the first");
        let tokens = format!("{both}x-ratelimit-remaining-requests: 9\r\nx-ratelimit-remaining-tokens: 0\r\n");
        assert_eq!(hint(429, &tokens, ""), Some(30_000));
        let anthropic = "anthropic-ratelimit-requests-remaining: 0\r\n\
            anthropic-ratelimit-requests-reset: 2026-11-21T09:53:46Z\r\n\
            anthropic-ratelimit-tokens-remaining: 10\r\nanthropic-ratelimit-tokens-reset: 2026-11-21T09:53:37Z\r\n";
        assert_eq!(hint(429, anthropic, ""), Some(10_000));
    }

    #[test]
    fn junk_is_not_said() {
        for junk in ["soon", "-5", "", "0", "NaN", "inf", "1 2", "Sat, 99 Foo 2026 09:54:36 GMT", "9e999", "\u{fe}"] {
            for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "anthropic-ratelimit-x-reset"] {
                assert_eq!(hint(429, &format!("{name}: {junk}\r\n"), ""), None, "{name}: {junk}");
            }
        }
        for body in [r#"{"retryDelay":34}"#, r#"{"retryDelay":"s"}"#, r#"{"retryDelay":""#, r#""retryDelay""#] {
            assert_eq!(hint(429, "", body), None, "{body}");
        }
    }

    #[test]
    fn only_some_statuses_ask_to_wait() {
        for (status, ms) in [(429, Some(7_000)), (503, Some(7_000)), (529, Some(7_000)), (500, None), (401, None)] {
            assert_eq!(hint(status, "retry-after: 7\r\n", ""), ms, "{status}");
        }
    }
}
