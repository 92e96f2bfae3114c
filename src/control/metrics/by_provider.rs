//! What differs from provider to provider: how long its answers take, and how its keys are.
//!
//! Labels are names of the configuration, never of clients' requests, so their number is bounded by the file.

use super::{Facts, Samples, Text};
use crate::control::collect::Collector;
use crate::record::tally::Latency;
use crate::record::waits::Wait;

/// What is told of one key.
pub(crate) struct KeyFacts<'a> {
    pub(crate) provider: &'a str,
    pub(crate) key: &'a str,
    /// `ok`, `cooling`, `probing` or `disabled`.
    pub(crate) health: &'a str,
    /// Until it may be asked again.
    pub(crate) rest_ms: u64,
    /// Models for which it rests.
    pub(crate) models: usize,
}

type Histogram = (&'static str, &'static str, fn(&Wait) -> &Latency);

const HISTOGRAMS: [Histogram; 3] = [
    ("weir_provider_first_byte_seconds", "To the first byte of the answer, by the provider asked last.", |wait| {
        &wait.first_byte
    }),
    ("weir_provider_first_token_seconds", "To the first token of a stream, by the provider asked last.", |wait| {
        &wait.first_token
    }),
    ("weir_provider_exchange_seconds", "Whole exchanges, by the provider asked last.", |wait| &wait.total),
];

/// What a key is, one of which is 1.
const HEALTHS: [&str; 4] = ["ok", "cooling", "probing", "disabled"];

pub(super) fn write(out: &mut Text, collector: &Collector, facts: &Facts<'_>) {
    let waits = facts.waits.all();
    for (name, help, of) in HISTOGRAMS {
        out.metric(name, "histogram", help, |m| {
            for (provider, cores) in &waits {
                let cores: Vec<&Latency> = cores.iter().map(|wait| of(wait)).collect();
                m.histogram(&[("provider", provider)], &cores);
            }
        });
    }
    out.metric("weir_key_health", "gauge", "1 for the state that the key is in: a key at rest is not asked.", |m| {
        for key in &facts.keys {
            for health in HEALTHS {
                let labels = [("provider", key.provider), ("key", key.key), ("state", health)];
                m.sample("", &labels, u8::from(key.health == health));
            }
        }
    });
    let keys = &facts.keys;
    each(out, "weir_key_rest_seconds", "gauge", "Until the key is asked again, where it rests.", keys, |key| {
        key.rest_ms as f64 / 1e3
    });
    each(out, "weir_key_resting_models", "gauge", "Models for which the key rests.", keys, |key| key.models as f64);
    each(out, "weir_key_failures_total", "counter", "Attempts with the key that failed.", keys, |key| {
        collector.troubles.of(key.provider, key.key).map_or(0, |trouble| trouble.failures) as f64
    });
}

fn each(
    out: &mut Text,
    name: &'static str,
    kind: &str,
    help: &str,
    keys: &[KeyFacts<'_>],
    value: impl Fn(&KeyFacts<'_>) -> f64,
) {
    out.metric(name, kind, help, |m: &mut Samples<'_>| {
        for key in keys {
            m.sample("", &[("provider", key.provider), ("key", key.key)], value(key));
        }
    });
}
