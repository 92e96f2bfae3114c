//! Prometheus text exposition, format 0.0.4, from tallies and totals.
//!
//! One idea: a metric is its head once and then its samples, so a writer that is given the samples as a
//! closure cannot tear one apart. Counters never fall while the process lives: totals are not pruned here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

mod by_provider;

pub(crate) use self::by_provider::KeyFacts;
use super::collect::Collector;
use super::usage::Group;
use crate::limits;
use crate::record::tally::Latency;
use crate::record::waits::Waits;
use crate::record::{Numbers, Tally};

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is true of the process, beside its counters.
pub(crate) struct Facts<'a> {
    pub(crate) version: &'a str,
    pub(crate) commit: &'a str,
    pub(crate) driver: &'a str,
    pub(crate) generation: u64,
    pub(crate) uptime_seconds: f64,
    pub(crate) draining: bool,
    pub(crate) stalled: usize,
    /// Whether the store writes.
    pub(crate) stores: bool,
    /// What was given up, by kind: rows of the store, traces, spans.
    pub(crate) given_up: [u64; 3],
    /// How long exchanges took, by provider.
    pub(crate) waits: &'a Waits,
    /// Keys in use.
    pub(crate) keys: Vec<KeyFacts<'a>>,
}

/// The whole text.
pub(crate) fn text(collector: &Collector, facts: &Facts<'_>) -> String {
    let mut out = Text(String::with_capacity(16 * 1024));
    out.metric("weir_build_info", "gauge", "Version of the running program.", |m| {
        m.sample("", &[("version", facts.version), ("commit", facts.commit)], 1);
    });
    out.metric("weir_driver_info", "gauge", "How sockets are driven.", |m| {
        m.sample("", &[("driver", facts.driver)], 1);
    });
    out.metric("weir_uptime_seconds", "gauge", "Seconds since the start.", |m| m.sample("", &[], facts.uptime_seconds));
    out.metric("weir_cores_stalled", "gauge", "Cores that stand still.", |m| m.sample("", &[], facts.stalled as u64));
    out.metric("weir_draining", "gauge", "1 while the process ends.", |m| m.sample("", &[], u8::from(facts.draining)));
    out.metric("weir_config_generation", "gauge", "Snapshots of the configuration since the start.", |m| {
        m.sample("", &[], facts.generation);
    });
    out.metric("weir_store_ok", "gauge", "1 while what is told is written down.", |m| {
        m.sample("", &[], u8::from(facts.stores));
    });
    out.metric("weir_given_up_total", "counter", "Rows, traces and spans that could not be kept.", |m| {
        for (kind, count) in ["row", "trace", "span"].into_iter().zip(facts.given_up) {
            m.sample("", &[("kind", kind)], count);
        }
    });
    out.metric("weir_cores", "gauge", "Threads that serve.", |m| m.sample("", &[], collector.tallies.len()));
    totals(&mut out, collector);
    counters(&mut out, collector);
    out.latency("weir_first_byte_seconds", "To the first byte of the answer.", collector, |tally| &tally.first_byte);
    out.latency("weir_first_token_seconds", "To the first token of a stream.", collector, |tally| &tally.first_token);
    out.latency("weir_exchange_seconds", "Whole exchanges.", collector, |tally| &tally.total);
    by_provider::write(&mut out, collector, facts);
    out.0
}

const BY: [Group; 4] = [Group::Client, Group::Provider, Group::Key, Group::Model];

fn totals(out: &mut Text, collector: &Collector) {
    let groups = collector.usage.groups((0, u32::MAX), &BY);
    out.totals("weir_requests_total", "Exchanges that ended.", &groups, Some("outcome"), |numbers| {
        vec![("ok", numbers.ok as f64), ("error", (numbers.requests - numbers.ok) as f64)]
    });
    out.totals("weir_tokens_total", "Tokens, as upstreams said them.", &groups, Some("kind"), |numbers| {
        let tokens = &numbers.tokens;
        vec![
            ("input", tokens.input as f64),
            ("output", tokens.output as f64),
            ("cache_read", tokens.cache_read as f64),
            ("cache_write", tokens.cache_write as f64),
            ("reasoning", tokens.reasoning as f64),
        ]
    });
    out.totals("weir_cost_dollars_total", "What tokens cost, by the prices known.", &groups, None, |numbers| {
        vec![("", numbers.cost_nanos as f64 / 1e9)]
    });
}

fn counters(out: &mut Text, collector: &Collector) {
    out.metric("weir_responses_total", "counter", "Exchanges by class of status.", |m| {
        for (class, name) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().enumerate() {
            m.sample("", &[("class", name)], collector.sum(|tally| tally.classes[class].get()));
        }
    });
    out.metric("weir_outcomes_total", "counter", "Exchanges by how they ended.", |m| {
        m.sample("", &[("outcome", "ok")], collector.sum(|tally| tally.ok.get()));
        for (place, outcome) in Tally::FAILED.into_iter().enumerate() {
            m.sample("", &[("outcome", outcome.name())], collector.sum(|tally| tally.failed[place].get()));
        }
    });
    out.cores("weir_sessions_open", "gauge", "Connections of clients.", collector, |tally| tally.sessions_open.get());
    out.cores("weir_streams_open", "gauge", "Streamed answers under way.", collector, |tally| tally.streams_open.get());
    for (name, help, count) in COUNTERS {
        out.cores(name, "counter", help, collector, count);
    }
}

type Counter = (&'static str, &'static str, fn(&Tally) -> u64);

const COUNTERS: [Counter; 10] = [
    ("weir_exchanges_total", "Exchanges that ended, by core.", |tally| tally.requests.get()),
    ("weir_sessions_total", "Connections of clients since the start.", |tally| tally.sessions_total.get()),
    ("weir_lanes_opened_total", "Connections opened to upstreams.", |tally| tally.lanes_opened.get()),
    ("weir_lanes_reused_total", "Attempts over an open connection.", |tally| tally.lanes_reused.get()),
    ("weir_request_bytes_total", "Bytes of request bodies.", |tally| tally.request_bytes.get()),
    ("weir_response_bytes_total", "Bytes of answers.", |tally| tally.response_bytes.get()),
    ("weir_records_dropped_total", "Log rows lost under pressure; totals are not.", |tally| {
        tally.records_dropped.get()
    }),
    ("weir_key_rests_total", "Times that a key came to rest, for one model or for all.", |tally| tally.rests.get()),
    ("weir_events_skipped_total", "Events of providers' streams that could not be read.", |tally| {
        tally.events_skipped.get()
    }),
    ("weir_panics_total", "Panics that ended one session.", |tally| tally.panics.get()),
];

struct Text(String);

impl Text {
    fn metric(&mut self, name: &'static str, kind: &str, help: &str, samples: impl FnOnce(&mut Samples<'_>)) {
        // Writing to a String does not fail; so for all of this file.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        samples(&mut Samples { out: &mut self.0, name });
    }

    fn totals(
        &mut self,
        name: &'static str,
        help: &str,
        groups: &BTreeMap<Vec<Arc<str>>, Numbers>,
        label: Option<&str>,
        values: impl Fn(&Numbers) -> Vec<(&'static str, f64)>,
    ) {
        self.metric(name, "counter", help, |m| {
            for (names, numbers) in groups {
                let mut labels: Vec<(&str, &str)> =
                    BY.iter().zip(names).map(|(group, name)| (group.name(), &**name)).collect();
                for (kind, value) in values(numbers) {
                    labels.truncate(BY.len());
                    labels.extend(label.map(|label| (label, kind)));
                    m.sample("", &labels, value);
                }
            }
        });
    }

    fn cores(
        &mut self,
        name: &'static str,
        kind: &str,
        help: &str,
        collector: &Collector,
        count: impl Fn(&Tally) -> u64,
    ) {
        self.metric(name, kind, help, |m| {
            for (core, tally) in collector.tallies.iter().enumerate() {
                m.sample("", &[("core", itoa::Buffer::new().format(core))], count(tally));
            }
        });
    }

    fn latency(&mut self, name: &'static str, help: &str, collector: &Collector, of: impl Fn(&Tally) -> &Latency) {
        let cores: Vec<&Latency> = collector.tallies.iter().map(|tally| of(tally)).collect();
        self.metric(name, "histogram", help, |m| m.histogram(&[], &cores));
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

struct Samples<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Samples<'_> {
    /// The sum of what cores have counted, each alone.
    fn histogram(&mut self, labels: &[(&str, &str)], cores: &[&Latency]) {
        let sum = |of: &dyn Fn(&Latency) -> u64| cores.iter().map(|latency| of(latency)).sum::<u64>();
        let mut below = 0;
        for bucket in 0..limits::LATENCY_BUCKETS {
            below += sum(&|latency| latency.count(bucket));
            let bound = Latency::bound_us(bucket).map_or("+Inf".to_owned(), |us| seconds(us).to_string());
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), below);
        }
        self.sample("_sum", labels, seconds(sum(&Latency::sum_us)));
        self.sample("_count", labels, below);
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        for (place, (name, value)) in labels.iter().enumerate() {
            self.out.push_str(if place == 0 { "{" } else { "," });
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, self.out);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

/// Label values escape backslash, quote and line feed. Other controls are legal in the format, but no use to
/// anybody.
fn escape(value: &str, out: &mut String) {
    for char in value.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            _ if char.is_control() => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::collect::tests::{collector, exchange};
    use crate::record::Model;

    static WAITS: Waits = Waits::new();

    fn facts() -> Facts<'static> {
        WAITS.of_core(0, ["deepseek"].into_iter())[0].exchange(&exchange(1));
        Facts {
            version: "1.2.3",
            commit: "abc",
            driver: "epoll",
            generation: 1,
            uptime_seconds: 1.5,
            draining: false,
            stalled: 0,
            stores: true,
            given_up: [1, 2, 3],
            waits: &WAITS,
            keys: vec![
                KeyFacts { provider: "deepseek", key: "first", health: "ok", rest_ms: 0, models: 0 },
                KeyFacts { provider: "deepseek", key: "second", health: "cooling", rest_ms: 1_500, models: 2 },
            ],
        }
    }

    #[test]
    fn the_text_has_totals_counters_and_histograms() {
        let (mut teller, mut collector) = collector();
        teller.tally().sessions_open.set(3);
        teller.tell(&exchange(1));
        let mut odd = exchange(2);
        odd.model_sent = Model::new("a\"b\\c\nd\u{7}");
        teller.tell(&odd);
        collector.drain();
        let text = text(&collector, &facts());
        for line in [
            "# TYPE weir_requests_total counter",
            "weir_requests_total{client=\"alice\",provider=\"deepseek\",key=\"second\",model=\"deepseek-chat\",outcome=\"ok\"} 1",
            "weir_tokens_total{client=\"alice\",provider=\"deepseek\",key=\"second\",model=\"a\\\"b\\\\c\\nd\u{fffd}\",kind=\"output\"} 3",
            "weir_cost_dollars_total{client=\"alice\",provider=\"deepseek\",key=\"second\",model=\"deepseek-chat\"} 0",
            "weir_sessions_open{core=\"0\"} 3",
            "weir_responses_total{class=\"2xx\"} 2",
            "weir_exchange_seconds_bucket{le=\"0.000512\"} 0",
            "weir_exchange_seconds_bucket{le=\"0.001024\"} 2",
            "weir_exchange_seconds_bucket{le=\"+Inf\"} 2",
            "weir_exchange_seconds_sum 0.002",
            "weir_exchange_seconds_count 2",
            "weir_build_info{version=\"1.2.3\",commit=\"abc\"} 1",
            "weir_driver_info{driver=\"epoll\"} 1",
            "weir_uptime_seconds 1.5",
            "weir_provider_exchange_seconds_bucket{provider=\"deepseek\",le=\"0.000512\"} 0",
            "weir_key_health{provider=\"deepseek\",key=\"first\",state=\"ok\"} 1",
            "weir_key_health{provider=\"deepseek\",key=\"second\",state=\"ok\"} 0",
            "weir_key_health{provider=\"deepseek\",key=\"second\",state=\"cooling\"} 1",
            "weir_key_rest_seconds{provider=\"deepseek\",key=\"second\"} 1.5",
            "weir_key_resting_models{provider=\"deepseek\",key=\"second\"} 2",
            "weir_key_failures_total{provider=\"deepseek\",key=\"second\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
    }

    /// A reader of the format, as strict as the exposition rules: every sample belongs to the metric whose
    /// head came last, and every head comes once.
    #[test]
    fn samples_stand_under_their_heads() {
        let (mut teller, mut collector) = collector();
        teller.tell(&exchange(1));
        collector.drain();
        let text = text(&collector, &facts());
        let (mut heads, mut current) = (std::collections::HashSet::new(), "");
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("# TYPE ") {
                current = head.split(' ').next().unwrap_or_default();
                assert!(heads.insert(current), "{current} twice");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(current), "{line} under {current}");
                let value = line.rsplit(' ').next().unwrap_or_default();
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
        assert!(text.ends_with('\n'));
    }

    /// https://prometheus.io/docs/practices/naming: a prefix, base units, `_total` on counters and on nothing else.
    #[test]
    fn names_follow_the_conventions() {
        let (mut teller, mut collector) = collector();
        teller.tell(&exchange(1));
        collector.drain();
        let text = text(&collector, &facts());
        let mut help = "";
        for line in text.lines() {
            if let Some(said) = line.strip_prefix("# HELP ") {
                help = said;
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|head| head.split_once(' ')) {
                assert!(help.strip_prefix(name).is_some_and(|words| words.len() > 8), "{name} has no HELP");
                assert!(name.starts_with("weir_"), "{name}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
                assert!(kind != "histogram" || name.ends_with("_seconds"), "{name} has no unit");
                for scaled in ["_ms", "_us", "_nanos", "_milli", "_kb"] {
                    assert!(!name.contains(scaled), "{name} is not in a base unit");
                }
            }
        }
    }

    /// Each metric that the dashboard asks for is one of the exposition.
    #[test]
    fn the_dashboard_asks_for_metrics_that_exist() {
        let (mut teller, mut collector) = collector();
        teller.tell(&exchange(1));
        collector.drain();
        let text = text(&collector, &facts());
        let samples: std::collections::HashSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(['{', ' ']).next().unwrap_or_default())
            .collect();
        let dashboard = include_str!("../../scripts/grafana-dashboard.json");
        let dashboard: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
        let mut asked = Vec::new();
        expressions(&dashboard, &mut asked);
        assert!(asked.len() > 20, "{} expressions", asked.len());
        for expression in asked {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let mut named = words.filter(|word| word.starts_with("weir_")).peekable();
            assert!(named.peek().is_some(), "{expression} asks for nothing of weir");
            for word in named {
                assert!(samples.contains(word), "{word} of {expression} is not there");
            }
        }
    }

    fn expressions<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(text) if name == "expr" || text.starts_with("label_values(") => found.push(text),
                        _ => expressions(value, found),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
            _ => {}
        }
    }
}
