//! An exchange as questions see it, from memory or from the file, and which exchanges a question wants.

use serde_json::{Value, json};
use std::sync::Arc;

use crate::control::names::Names;
use crate::control::stamp;
use crate::record::entry::came;
use crate::record::{Entry, Outcome, Tokens};

/// One exchange, by name.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) unix_ms: u64,
    pub(crate) client: Arc<str>,
    pub(crate) route: Arc<str>,
    pub(crate) dialect: Arc<str>,
    pub(crate) endpoint: Arc<str>,
    pub(crate) model_asked: Arc<str>,
    pub(crate) model_sent: Arc<str>,
    pub(crate) provider: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) scene: Arc<str>,
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) attempts: u8,
    pub(crate) streamed: bool,
    pub(crate) reused: bool,
    pub(crate) traced: bool,
    pub(crate) tokens: Tokens,
    pub(crate) cost_nanos: u64,
    pub(crate) begun_us: Option<u32>,
    pub(crate) first_byte_us: Option<u32>,
    pub(crate) first_token_us: Option<u32>,
    pub(crate) total_us: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// As in `x-weir-dropped`.
    pub(crate) dropped: Arc<str>,
}

impl Exchange {
    /// As a core told it.
    pub(crate) fn of(entry: &Entry, names: &Names) -> Exchange {
        Exchange {
            id: entry.id.as_str().to_owned(),
            unix_ms: entry.unix_ms,
            client: names.client(entry.client).into(),
            route: names.route(entry.route).into(),
            dialect: entry.dialect.name().into(),
            endpoint: entry.endpoint.name().into(),
            model_asked: entry.model_asked.as_str().into(),
            model_sent: entry.model_sent.as_str().into(),
            provider: names.provider(entry.provider).into(),
            key: names.key(entry.key).into(),
            scene: entry.scene.map_or("", |scene| scene.name()).into(),
            status: entry.status,
            outcome: entry.outcome,
            attempts: entry.attempts,
            streamed: entry.streamed,
            reused: entry.reused,
            traced: entry.traced,
            tokens: entry.tokens,
            cost_nanos: entry.cost_nanos,
            begun_us: came(entry.begun_us),
            first_byte_us: came(entry.first_byte_us),
            first_token_us: came(entry.first_token_us),
            total_us: entry.total_us,
            request_bytes: entry.request_bytes,
            response_bytes: entry.response_bytes,
            dropped: "".into(),
        }
    }

    /// The row of answers and events.
    pub(crate) fn told(&self) -> Value {
        let named = |name: &str| if name.is_empty() { Value::Null } else { name.into() };
        let said = |tokens: u64| if self.tokens.said { tokens.into() } else { Value::Null };
        let dropped: Vec<&str> = self.dropped.split(", ").filter(|member| !member.is_empty()).collect();
        json!({
            "id": self.id,
            "time": stamp::moment(self.unix_ms),
            "unix_ms": self.unix_ms,
            "client": named(&self.client),
            "route": named(&self.route),
            "dialect": named(&self.dialect),
            "endpoint": named(&self.endpoint),
            "provider": named(&self.provider),
            "key": named(&self.key),
            "model": named(&self.model_sent),
            "model_sent": named(&self.model_sent),
            "model_asked": named(&self.model_asked),
            "status": self.status,
            "outcome": self.outcome.name(),
            "attempts": self.attempts,
            "streamed": self.streamed,
            "reused": self.reused,
            "traced": self.traced,
            "scene": named(&self.scene),
            "dropped": dropped,
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "input_tokens": said(self.tokens.input),
            "output_tokens": said(self.tokens.output),
            "cache_read_tokens": said(self.tokens.cache_read),
            "cache_write_tokens": said(self.tokens.cache_write),
            "reasoning_tokens": said(self.tokens.reasoning),
            "cost": self.cost_nanos as f64 / 1e9,
            "first_byte_us": self.first_byte_us,
            "first_token_us": self.first_token_us,
            "total_us": self.total_us,
        })
    }

    /// The one attempt of an exchange that needs no more words, as `attempts_list` shows it.
    pub(crate) fn only_attempt(&self) -> Vec<Value> {
        match self.attempts {
            0 => Vec::new(),
            n => vec![json!({
                "n": n,
                "provider": &*self.provider,
                "key": &*self.key,
                "model": &*self.model_sent,
                "status": self.status,
                "why": "",
                "begun_us": self.begun_us.unwrap_or(0),
                "first_byte_us": self.first_byte_us,
                "first_token_us": self.first_token_us,
                "ended_us": self.total_us,
                "reused": self.reused,
            })],
        }
    }
}

/// Which exchanges are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) status: Status,
    pub(crate) client: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) key: Option<String>,
    /// As it was asked for or as it was sent.
    pub(crate) model: Option<String>,
    pub(crate) dialect: Option<String>,
    pub(crate) traced: bool,
    /// From this millisecond on.
    pub(crate) from_ms: u64,
    /// Up to this one, which is not in it.
    pub(crate) to_ms: Option<u64>,
    /// A part of the id or of any name, in any case.
    pub(crate) words: Option<String>,
}

/// Which ends are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Any,
    Ok,
    Error,
    Class(u16),
    Number(u16),
}

impl Status {
    /// `ok`, `error`, `4xx` or `404`.
    pub(crate) fn read(text: &str) -> Option<Status> {
        match text {
            "ok" => Some(Status::Ok),
            "error" => Some(Status::Error),
            text => match text.strip_suffix("xx") {
                Some(class) => class.parse().ok().filter(|class| (1..=5).contains(class)).map(Status::Class),
                None => text.parse().ok().filter(|status| *status < 600).map(Status::Number),
            },
        }
    }

    pub(crate) fn admits(self, status: u16, outcome: Outcome) -> bool {
        match self {
            Status::Any => true,
            Status::Ok => outcome == Outcome::Ok,
            Status::Error => outcome != Outcome::Ok,
            Status::Class(class) => status / 100 == class,
            Status::Number(number) => status == number,
        }
    }
}

impl Filter {
    /// Whether the exchange is asked for.
    pub(crate) fn wants(&self, exchange: &Exchange) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        self.status.admits(exchange.status, exchange.outcome)
            && (is(&self.model, &exchange.model_sent) || is(&self.model, &exchange.model_asked))
            && is(&self.client, &exchange.client)
            && is(&self.provider, &exchange.provider)
            && is(&self.key, &exchange.key)
            && is(&self.dialect, &exchange.dialect)
            && (!self.traced || exchange.traced)
            && exchange.unix_ms >= self.from_ms
            && self.to_ms.is_none_or(|to| exchange.unix_ms < to)
            && self.says(exchange)
    }

    /// Whether the words that are looked for are in it.
    pub(crate) fn says(&self, exchange: &Exchange) -> bool {
        let Some(words) = self.words.as_deref().filter(|words| !words.is_empty()) else { return true };
        let words = words.to_lowercase();
        let texts: [&str; 10] = [
            &exchange.id,
            &exchange.client,
            &exchange.route,
            &exchange.model_asked,
            &exchange.model_sent,
            &exchange.provider,
            &exchange.key,
            &exchange.endpoint,
            &exchange.dropped,
            exchange.outcome.name(),
        ];
        texts.iter().any(|text| text.to_lowercase().contains(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_they_are_spelled() {
        for (text, status) in [
            ("ok", Some(Status::Ok)),
            ("error", Some(Status::Error)),
            ("4xx", Some(Status::Class(4))),
            ("404", Some(Status::Number(404))),
            ("xx", None),
            ("44xx", None),
            ("", None),
        ] {
            assert_eq!(Status::read(text), status, "{text}");
        }
        assert!(Status::Error.admits(200, Outcome::Cut) && !Status::Ok.admits(200, Outcome::Cut));
        assert!(Status::Class(4).admits(429, Outcome::UpstreamError));
    }
}
