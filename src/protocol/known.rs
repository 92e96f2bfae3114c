//! What is known of models by their names: what they cost and how much they take.
//!
//! A small table that is shipped, `known.json`, which names its source and its date. Names are found as written, without
//! what stands before a slash, and without the date or the `latest` at their end; upper and lower case are one. What
//! vendors charge by the length of a prompt, by the hour or for tools is not in it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a token costs, in millionths of a millionth of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Of a prompt.
    pub input: u64,
    /// Of an answer.
    pub output: u64,
    /// Of a prompt, read from the cache.
    pub cache_read: u64,
    /// Of a prompt, written to the cache.
    pub cache_write: u64,
}

impl Price {
    /// A price of dollars for a million tokens; prompts cost the same with and without cache where nothing else is said.
    pub fn per_million(input: f64, output: f64, cache_read: Option<f64>, cache_write: Option<f64>) -> Price {
        let pico = |dollars: f64| (dollars * 1e6).round() as u64;
        Price {
            input: pico(input),
            output: pico(output),
            cache_read: pico(cache_read.unwrap_or(input)),
            cache_write: pico(cache_write.unwrap_or(input)),
        }
    }
}

/// What is known of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What it costs.
    pub price: Price,
    /// Tokens of a prompt.
    pub window_tokens: Option<u32>,
    /// Tokens of an answer.
    pub output_tokens: Option<u32>,
    /// Whether it takes images.
    pub sees: bool,
    /// Whether it reasons.
    pub reasons: bool,
    /// Whether it calls tools.
    pub calls: bool,
}

#[derive(serde::Deserialize)]
struct File {
    source: String,
    date: String,
    models: HashMap<String, Row>,
}

type Row = (f64, f64, Option<f64>, Option<f64>, Option<u32>, Option<u32>, String);

struct Table {
    origin: String,
    models: HashMap<Box<[u8]>, Known, ahash::RandomState>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // A test reads it; a table that cannot be read knows nothing.
    let file: Option<File> = serde_json::from_str(include_str!("known.json")).ok();
    let Some(file) = file else { return Table { origin: String::new(), models: HashMap::default() } };
    let known = |(name, row): (String, Row)| {
        let (input, output, cache_read, cache_write, window_tokens, output_tokens, features) = row;
        let has = |feature| features.contains(feature);
        let price = Price::per_million(input, output, cache_read, cache_write);
        let known = Known { price, window_tokens, output_tokens, sees: has('v'), reasons: has('r'), calls: has('t') };
        (name.to_ascii_lowercase().into_bytes().into(), known)
    };
    Table { origin: format!("{}, {}", file.source, file.date), models: file.models.into_iter().map(known).collect() }
});

/// Reads the table, if nobody has.
pub fn load() {
    LazyLock::force(&TABLE);
}

/// Where the table comes from and when.
pub fn origin() -> &'static str {
    &TABLE.origin
}

/// What is known of a model of this name.
pub fn find(name: &str) -> Option<&'static Known> {
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let mut lower = [0; 128];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let get = |name: &[u8]| TABLE.models.get(name);
    get(lower).or_else(|| get(without_date(lower)?))
}

/// The name without `-2026-01-31`, `-20260131`, `@20260131`, `-0131` or `-latest` at its end.
fn without_date(name: &[u8]) -> Option<&[u8]> {
    if let Some(name) = name.strip_suffix(b"-latest") {
        return Some(name);
    }
    let is_date = |date: &[u8]| match date.len() {
        4 | 8 => date.iter().all(u8::is_ascii_digit),
        10 => date
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() }),
        _ => false,
    };
    // The longest first: the end of a date with dashes looks like no shorter one.
    [10, 8, 4].into_iter().find_map(|len| {
        let (rest, date) = name.split_at_checked(name.len().checked_sub(len)?)?;
        let (name, dash) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
        (matches!(dash, b"-" | b"@") && is_date(date)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_says_where_it_comes_from() {
        assert!(TABLE.models.len() > 200 && origin().contains("2026-"));
        for (name, known) in &TABLE.models {
            let name = String::from_utf8_lossy(name);
            assert!(known.price.cache_read <= known.price.input.max(known.price.cache_read), "{name}");
            assert!(known.price.input < 1_000_000_000 && known.price.output < 2_000_000_000, "{name}: dollars a token");
            assert!(known.window_tokens.is_none_or(|tokens| tokens >= 2_000), "{name}");
        }
    }

    #[test]
    fn names_are_found_without_vendor_date_and_case() {
        let price = |name: &str| find(name).map(|known| known.price.input);
        let plain = price("claude-sonnet-4-5");
        assert!(plain.is_some());
        for name in [
            "claude-sonnet-4-5-20250929",
            "Claude-Sonnet-4-5",
            "anthropic/claude-sonnet-4-5",
            "claude-sonnet-4-5@20250929",
            "claude-sonnet-4-5-2025-09-29",
            "claude-sonnet-4-5-latest",
            "claude-sonnet-4-5-0929",
        ] {
            assert_eq!(price(name), plain, "{name}");
        }
        for name in ["", "/", "nobody", "claude-sonnet-4-5-2025", "-20250101", "claude-sonnet-4-5:free"] {
            let dated = name == "claude-sonnet-4-5-2025";
            assert_eq!(price(name).is_some(), dated, "{name}");
        }
        assert_eq!(find(&"x".repeat(600)), None);
    }
}
