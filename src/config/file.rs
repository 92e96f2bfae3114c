//! The configuration file as a person writes it: serde types, one member each of `config.md`.
//!
//! The doc comments here are the descriptions in the JSON Schema that `weir schema` prints. A member that may be
//! left out has its default in the `Default` of its type, which the schema shows too. What names mean, and whether they
//! exist, is `check`'s business.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

mod error_rule;
mod form;
mod payload;
mod provider;
mod quirks;
mod route;

pub use error_rule::{Cool, ErrorRule, Then};
pub use form::{Anything, Named, OneOrMany, SecretRef};
pub use payload::{PayloadConditions, PayloadRule};
pub use provider::{
    Affinity, Balance, ClientTls, Key, KeyEntry, Model, ModelEntry, PromptMode, Protocol, Provider, Replacement,
    SystemPrompt, UpstreamTimeouts,
};
pub use quirks::{OutputTokensName, Quirks};
pub use route::{Conditions, Route, RouteRule, Scenes, Spread, UnknownModels};

/// Configuration of weir. JSON with comments and trailing commas; `${NAME}` inside any string is that environment variable, `$${` a literal `${`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Address of the JSON Schema, for editors.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// Addresses of the relay: `ADDRESS:PORT`, `[::1]:PORT`, `:PORT` for every address, `unix:/path`. One or a list. Default `127.0.0.1:7070`.
    pub listen: OneOrMany,
    /// Certificate of the relay address; read again on reload. Default: no TLS.
    pub tls: Option<ServerTls>,
    /// The admin address: web UI, API, metrics.
    pub admin: Admin,
    /// Threads that serve, each on a core of its own: `auto` (one for each core) or a number. Default `auto`.
    pub cores: Cores,
    /// How sockets are driven: `io_uring`, `epoll`, or `auto`, which says at start which one and why. Default `auto`.
    pub driver: Driver,
    /// Folder of statistics, traces, credentials and the control socket. Default `~/.local/share/weir`, under systemd its state directory.
    pub data_dir: Option<String>,
    /// Outbound proxy: `http://`, `https://`, `socks5://`, `socks5h://`, or `direct`. The environment's proxies are not used. Default `direct`.
    #[schemars(extend("x-secret" = "url"))]
    pub proxy: Option<SecretRef>,
    /// Who may call, by the name that statistics show.
    pub clients: Named<Client>,
    /// `keys`: only listed clients. `open`: any key, or none, is served by the default routes. Default: `keys` if a client is listed, else `open`, on loopback only.
    pub access: Option<Access>,
    /// Networks and addresses that may connect; loopback always may. Default: everybody.
    pub allow_ips: Vec<String>,
    /// Who is called, by name; the order is the order of preference where several publish a model.
    pub providers: Named<Provider>,
    /// How model names become targets, by name.
    pub routes: Named<Route>,
    /// Route of clients that have none. Default: the only route, if there is one only.
    pub default_route: Option<String>,
    /// Routes by the protocol of the caller, before `default_route`.
    pub default_routes: DefaultRoutes,
    /// What models cost, by the provider's name of them (`*` matches any run of characters), `PROVIDER/NAME` for one
    /// provider's. Before the prices that are shipped.
    pub prices: Named<Price>,
    /// Requests of weir's own that find out whether keys serve; they count in no usage.
    pub probes: Probes,
    /// How often a request is tried.
    pub retry: Retry,
    /// How long a failing key rests.
    pub cooldown: Cooldown,
    /// Bounds on waiting, milliseconds. No timeout bounds a whole stream.
    pub timeouts: Timeouts,
    /// Bounds on size and number.
    pub limits: Limits,
    /// Usage statistics.
    pub usage: Usage,
    /// Recorded requests and answers.
    pub traces: Traces,
    /// Where exchanges are told as spans of OpenTelemetry.
    pub otlp: Option<Otlp>,
    /// What is logged to stderr, and how.
    pub log: Log,
    /// Whether a changed file is applied by itself. Default true.
    pub watch: bool,
}

impl Default for File {
    fn default() -> File {
        File {
            schema: None,
            listen: OneOrMany::One("127.0.0.1:7070".to_owned()),
            tls: None,
            admin: Admin::default(),
            cores: Cores::Word(Auto::Auto),
            driver: Driver::Auto,
            data_dir: None,
            proxy: None,
            clients: Named::default(),
            access: None,
            allow_ips: Vec::new(),
            providers: Named::default(),
            routes: Named::default(),
            default_route: None,
            default_routes: DefaultRoutes::default(),
            prices: Named::default(),
            probes: Probes::default(),
            retry: Retry::default(),
            cooldown: Cooldown::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            usage: Usage::default(),
            traces: Traces::default(),
            otlp: None,
            log: Log::default(),
            watch: true,
        }
    }
}

/// A certificate and its key, PEM files.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["cert", "key"]))]
pub struct ServerTls {
    /// File of the certificate chain.
    pub cert: Option<String>,
    /// File of the private key.
    pub key: Option<String>,
}

/// The admin address.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// `ADDRESS:PORT` or `unix:/path`. A change needs a restart. Default `127.0.0.1:7071`.
    pub listen: String,
    /// Password; without one a token that is made and shown at the first start opens it, and the address must be loopback. Default: none.
    pub password: Option<SecretRef>,
}

impl Default for Admin {
    fn default() -> Admin {
        Admin { listen: "127.0.0.1:7071".to_owned(), password: None }
    }
}

/// `auto` or a number of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Cores {
    /// One for each core.
    Word(Auto),
    /// This many.
    Number(#[schemars(range(min = 1, max = 1024))] u16),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    /// Chosen by the program.
    Auto,
}

/// How sockets are driven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// io_uring if it can be had, else epoll.
    #[default]
    Auto,
    /// io_uring or a start error.
    IoUring,
    /// epoll.
    Epoll,
}

/// Who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Listed clients.
    Keys,
    /// Everybody, by the default routes.
    Open,
}

/// A client: a program or a person with a key of its own.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["key"]))]
pub struct Client {
    /// The key it presents: a literal, `env:NAME` or `file:/path`, or its digest, `sha256:` and 64 hexadecimal digits.
    pub key: Option<SecretRef>,
    /// Its route. Default: the default routes.
    pub route: Option<String>,
    /// Model names it may ask for, `*` matches any run of characters. Default and empty: all.
    pub models: Vec<String>,
    /// Bounds on its use.
    pub limits: ClientLimits,
    /// When its key ends, RFC 3339 (`2027-01-01T00:00:00Z`). Default: never.
    pub expires: Option<String>,
    /// Whether it is refused. Default false.
    pub disabled: bool,
}

/// Bounds on a client's use. What a bound allows may come at once; it is regained evenly over the time. Default of each: no bound.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientLimits {
    /// Requests a minute.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<u32>,
    /// Requests an hour.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests_per_hour: Option<u32>,
    /// Requests a day.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests_per_day: Option<u32>,
    /// Tokens a minute, of prompts and answers. A request is let in by an estimate of its prompt and settled when it ends.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub tokens_per_minute: Option<u32>,
    /// Tokens an hour.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub tokens_per_hour: Option<u32>,
    /// Tokens a day.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub tokens_per_day: Option<u32>,
    /// Requests under way at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<u32>,
    /// Dollars a day of the calendar (UTC), by the prices of `prices` and those that are shipped.
    #[schemars(range(min = 0.000_001, max = 1_000_000.0))]
    pub cost_per_day: Option<f64>,
    /// Dollars a month of the calendar (UTC).
    #[schemars(range(min = 0.000_001, max = 1_000_000.0))]
    pub cost_per_month: Option<f64>,
}

/// Requests of weir's own that find out whether keys serve.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probes {
    /// Between two rounds, seconds; 0 is never, else 60 at least. Default 0.
    #[schemars(range(min = 0, max = 86_400))]
    pub every_s: u32,
    /// Whether a round is made when the program starts. Default false.
    pub at_start: bool,
    /// Providers whose keys are probed. Default: none.
    pub providers: Vec<String>,
}

/// What the tokens of a model cost, in dollars.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["per", "input", "output"]))]
pub struct Price {
    /// For how many tokens: `1M` or `1K`.
    pub per: Option<PricePer>,
    /// Of prompts.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub input: Option<f64>,
    /// Of answers.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub output: Option<f64>,
    /// Of prompts read from the cache. Default: `input`.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub cache_read: Option<f64>,
    /// Of prompts written to the cache. Default: `input`.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub cache_write: Option<f64>,
}

/// For how many tokens a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum PricePer {
    /// A million.
    #[serde(rename = "1M")]
    Million,
    /// A thousand.
    #[serde(rename = "1K")]
    Thousand,
}

/// Routes by the protocol of the caller.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultRoutes {
    /// Route of Anthropic Messages callers.
    pub anthropic: Option<String>,
    /// Route of OpenAI Responses callers.
    pub responses: Option<String>,
    /// Route of OpenAI Chat callers.
    pub chat: Option<String>,
    /// Route of Gemini callers.
    pub gemini: Option<String>,
    /// Route of Ollama callers.
    pub ollama: Option<String>,
}

/// How often a request is tried.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts over all keys and targets. Default 4.
    #[schemars(range(min = 1, max = 100))]
    pub attempts_max: u8,
    /// Extra rounds over all keys and targets. Default 1.
    #[schemars(range(min = 0, max = 10))]
    pub rounds_max: u8,
    /// Longest wait for the earliest end of a cooldown between rounds, milliseconds. Default 30000.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub round_wait_ms_max: u32,
    /// How long an attempt may take until a second one is made beside it, with another key or target; the first to answer serves,
    /// and the other is given up. It may be paid for all the same. 0 is never. Default 0.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub hedge_ms: u32,
    /// What errors of upstreams call for; the first rule that matches counts, those of the provider before these.
    pub on_error: Vec<ErrorRule>,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts_max: 4, rounds_max: 1, round_wait_ms_max: 30_000, hedge_ms: 0, on_error: Vec::new() }
    }
}

/// How long a failing key rests, milliseconds; doubled when it fails again.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cooldown {
    /// After 429 and 529. Default 30000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub rate_limited_ms: u32,
    /// After `failures` server errors. Default 10000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub server_error_ms: u32,
    /// After 401, 402 and 403. Default 1800000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub rejected_key_ms: u32,
    /// Longest rest. Default 1800000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub max_ms: u32,
    /// Consecutive server errors, timeouts and failed connections until a key rests. Default 3.
    #[schemars(range(min = 1, max = limits::COOLDOWN_FAILURES_GREATEST))]
    pub failures: u32,
}

impl Default for Cooldown {
    fn default() -> Cooldown {
        Cooldown {
            rate_limited_ms: 30_000,
            server_error_ms: 10_000,
            rejected_key_ms: 1_800_000,
            max_ms: 1_800_000,
            failures: 3,
        }
    }
}

/// Bounds on waiting, milliseconds.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Arrival of a whole request head. Default 15000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub head_ms: u32,
    /// A silence inside a request body. Default 60000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub body_ms: u32,
    /// An idle connection of a client. Default 75000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub keep_alive_ms: u32,
    /// One stalled write to a client. Default 60000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub client_stall_ms: u32,
    /// Connecting to a provider. Default 10000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub connect_ms: u32,
    /// The head of an answer that is not streamed. Default 600000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub answer_ms: u32,
    /// The first semantic event of a stream; comments, pings and empty deltas do not count. Default 120000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_token_ms: u32,
    /// Added to `first_token_ms` for each MiB of the request, milliseconds: long prompts take longer. Default 0.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub first_token_ms_per_mib: u32,
    /// Any later silence of a provider. Default 300000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub stream_idle_ms: u32,
    /// Exchanges under way when the program is told to end. Default 30000.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub drain_ms: u32,
    /// A quiet stream is kept alive by a ping to the client this often; 0 is never. Default 15000.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub ping_ms: u32,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head_ms: 15_000,
            body_ms: 60_000,
            keep_alive_ms: 75_000,
            client_stall_ms: 60_000,
            connect_ms: 10_000,
            answer_ms: 600_000,
            first_token_ms: 120_000,
            first_token_ms_per_mib: 0,
            stream_idle_ms: 300_000,
            drain_ms: 30_000,
            ping_ms: 15_000,
        }
    }
}

/// Bounds on size and number.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request body, decoded; more is 413. Default 67108864.
    #[schemars(range(min = limits::BODY_BYTES_LEAST, max = limits::BODY_BYTES_CORE_MAX))]
    pub body_bytes: u64,
    /// Bytes of a request head; more is 431. Default 65536.
    #[schemars(range(min = limits::HEAD_BYTES_LEAST, max = limits::HEAD_BYTES_GREATEST))]
    pub head_bytes: u64,
    /// Connections of clients. Default 65536.
    #[schemars(range(min = 1, max = limits::CONNECTIONS_GREATEST))]
    pub connections: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: limits::BODY_BYTES_MAX as u64,
            head_bytes: limits::HEAD_BYTES_MAX as u64,
            connections: limits::CONNECTIONS_MAX as u64,
        }
    }
}

/// Usage statistics.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Days they are kept. Default 365.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: u32,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { keep_days: 365 }
    }
}

/// Recorded requests and answers.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// Whose bodies are recorded. Default `off`.
    pub bodies: TraceBodies,
    /// Share of exchanges that are recorded however they end, from 0 to 1. Default 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
    /// Clients whose exchanges are all recorded. Default: none.
    pub clients: Vec<String>,
    /// Routes on which all exchanges are recorded. Default: none.
    pub routes: Vec<String>,
    /// Days they are kept. Default 7.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: u32,
    /// Bytes they may take on disk. Default 1073741824.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
}

impl Default for Traces {
    fn default() -> Traces {
        Traces {
            bodies: TraceBodies::Off,
            sample: 0.0,
            clients: Vec::new(),
            routes: Vec::new(),
            keep_days: 7,
            bytes_max: 1 << 30,
        }
    }
}

/// A collector of OpenTelemetry that takes OTLP over HTTP.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Its address, such as `http://127.0.0.1:4318`; `/v1/traces` is added where it does not end so.
    pub endpoint: String,
    /// Header fields that are sent along. Values may be references.
    #[serde(default)]
    pub headers: Named<SecretRef>,
}

/// Whose bodies are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceBodies {
    /// Nobody's.
    #[default]
    Off,
    /// Those of failed exchanges.
    Errors,
    /// All.
    All,
}

/// The log on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// The least important that is still said. Default `info`.
    pub level: LogLevel,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What may fail.
    Warn,
    /// One line for each exchange.
    #[default]
    Info,
    /// Attempts and connections.
    Debug,
    /// Everything.
    Trace,
}
