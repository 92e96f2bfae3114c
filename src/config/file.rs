//! The configuration file as a person writes it: serde types, one member each of `config.md`.
//!
//! The doc comments here are the descriptions in the JSON Schema that `weir schema` prints. A member that may be
//! left out has its default in the `Default` of its type, which the schema shows too. What names mean, and whether they
//! exist, is `check`'s business.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::limits;

/// Configuration of weir.
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
            retry: Retry::default(),
            cooldown: Cooldown::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            usage: Usage::default(),
            traces: Traces::default(),
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
    /// Password; without one a token is printed at start, and the address must be loopback. Default: none.
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
    /// The key it presents: a literal, `env:NAME` or `file:/path`.
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

/// Bounds on a client's use.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientLimits {
    /// Requests a minute; that many may come at once. Default: no bound.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<u32>,
}

/// A provider: one address and the keys for it.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    /// A known vendor, which fills `protocol`, `base_url` and `api_version` where they are not given.
    pub preset: Option<String>,
    /// What it speaks. Default: the preset's.
    pub protocol: Option<Protocol>,
    /// Its address, with or without the version segment; a pasted endpoint loses its suffix. Default: the preset's.
    pub base_url: Option<String>,
    /// `api-version` of Azure. Default `2024-10-21`.
    pub api_version: Option<String>,
    /// Credentials: a secret, or an object with a secret and its settings.
    pub keys: Vec<KeyEntry>,
    /// How a key is chosen among those of the best priority. Default `round_robin`.
    pub balance: Balance,
    /// What keeps a conversation on its key, for the provider's prompt cache. Default `ids`.
    pub affinity: Affinity,
    /// Names it publishes. The same alias twice is a pool.
    pub models: Vec<ModelEntry>,
    /// Upstream model names that are never used, `*` matches any run of characters.
    pub exclude_models: Vec<String>,
    /// Published names are reachable as `PREFIX/NAME` too. Default: none.
    pub prefix: Option<String>,
    /// Whether published names are reachable with the prefix only. Default false.
    pub force_prefix: bool,
    /// Header fields sent to it, in place of the client's.
    pub headers: Named<SecretRef>,
    /// Outbound proxy, or `direct`. Default: the global one.
    pub proxy: Option<SecretRef>,
    /// Name of the tag whose content in text is reasoning (`think`). Default: none.
    pub think_tag: Option<String>,
    /// Text added to the system prompt of every request.
    pub system_prompt: Option<SystemPrompt>,
    /// Bounds on waiting for it, milliseconds. Default: the global ones.
    pub timeouts: UpstreamTimeouts,
    /// How its certificate is verified.
    pub tls: Option<ClientTls>,
    /// Whether it is as if it were not there. Default false.
    pub disabled: bool,
}

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI Chat Completions, and the other OpenAI paths.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Anthropic,
    /// Google Gemini.
    Gemini,
    /// Azure OpenAI: deployments.
    Azure,
    /// Ollama's own.
    Ollama,
    /// Answers from inside the process.
    Demo,
}

/// How a key is chosen inside one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// In proportion to `weight`.
    Weighted,
    /// The first that is free.
    FillFirst,
    /// The one with the fewest requests in flight.
    LeastBusy,
    /// The one with the shortest time to first token.
    Fastest,
}

/// What keeps a conversation on its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// Nothing.
    None,
    /// Explicit conversation ids.
    #[default]
    Ids,
    /// Those, else a hash of system text and first user message.
    Conversation,
}

/// A key: the secret alone, or with its settings.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum KeyEntry {
    /// The secret: a literal, `env:NAME` or `file:/path`.
    Secret(SecretRef),
    /// The secret and its settings.
    Full(Box<Key>),
}

/// A credential of a provider.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["key"]))]
pub struct Key {
    /// The secret: a literal, `env:NAME` or `file:/path`.
    pub key: Option<SecretRef>,
    /// Name in logs and statistics. Default: its number, from 1.
    pub name: Option<String>,
    /// Share under `balance: weighted`; 0 is used only when nothing else is left. Default 1.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// Lower is used first. Default 100.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: u32,
    /// Requests in flight at most; 0 is no bound. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_concurrent: u32,
    /// Requests that may wait when it is full. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queue: u32,
    /// How long one may wait, milliseconds. Default 30000.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub queue_ms: u32,
    /// Outbound proxy, or `direct`. Default: the provider's.
    pub proxy: Option<SecretRef>,
    /// Upstream model names it may serve, with `*`. Default and empty: all.
    pub models: Vec<String>,
    /// Upstream model names it may not serve, with `*`.
    pub exclude_models: Vec<String>,
    /// Header fields sent with it, over the provider's.
    pub headers: Named<SecretRef>,
    /// Whether it is not used. Default false.
    pub disabled: bool,
}

impl Default for Key {
    fn default() -> Key {
        Key {
            key: None,
            name: None,
            weight: 1,
            priority: 100,
            max_concurrent: 0,
            queue: 0,
            queue_ms: 30_000,
            proxy: None,
            models: Vec::new(),
            exclude_models: Vec::new(),
            headers: Named::default(),
            disabled: false,
        }
    }
}

/// A published model: its name alone, or with its settings.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelEntry {
    /// The provider's name of it.
    Name(String),
    /// The name and its settings.
    Full(Model),
}

/// A published model.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["name"]))]
pub struct Model {
    /// The provider's name of it.
    pub name: Option<String>,
    /// The name clients see; the provider's is then not listed. Default: none.
    pub alias: Option<String>,
    /// Date of its release, `YYYY-MM-DD`. Default: not known.
    pub released: Option<String>,
    /// What the provider speaks for this model. Default: the provider's protocol.
    pub protocol: Option<Protocol>,
}

/// Text added to the system prompt.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SystemPrompt {
    /// Where it goes. Default `append`.
    pub mode: PromptMode,
    /// The text. Either this or `file`.
    pub text: Option<String>,
    /// File with the text.
    pub file: Option<String>,
}

/// Where a system prompt goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// After the client's.
    #[default]
    Append,
    /// Before the client's.
    Prepend,
    /// In place of the client's.
    Replace,
}

/// How a provider's certificate is verified.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTls {
    /// PEM file of a private CA, beside the system's roots. Default: none.
    pub ca: Option<String>,
    /// Name to ask for and to verify. Default: the host of `base_url`.
    pub server_name: Option<String>,
}

/// A route: how model names become targets.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Default targets in order, each `provider/model`, or `provider` to keep the name asked for.
    pub to: Vec<String>,
    /// Name asked for (`*` matches any run of characters) to a target or a list of targets. Exact wins over case-insensitive, that over the longest wildcard.
    pub models: Named<OneOrMany>,
    /// Targets of special requests.
    pub scenes: Scenes,
    /// Tokens above which a request is of the scene `longContext`. Default 60000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub long_context_tokens: u32,
    /// Model names of the scene `background`, with `*`, beside those that contain `haiku`.
    pub background_models: Vec<String>,
    /// Order in which the targets of one list are tried. Default `ordered`.
    pub spread: Spread,
    /// What becomes of a name nobody knows: `default` uses `to`, `catalog` refuses it. Default `default`.
    pub unknown_models: UnknownModels,
    /// Text added to the system prompt of every request.
    pub system_prompt: Option<SystemPrompt>,
}

impl Default for Route {
    fn default() -> Route {
        Route {
            to: Vec::new(),
            models: Named::default(),
            scenes: Scenes::default(),
            long_context_tokens: 60_000,
            background_models: Vec::new(),
            spread: Spread::Ordered,
            unknown_models: UnknownModels::Default,
            system_prompt: None,
        }
    }
}

/// Targets of special requests; the first that matches counts, in this order.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenes {
    /// More than `long_context_tokens` tokens.
    pub long_context: Option<OneOrMany>,
    /// A model name that contains `haiku` or matches `background_models`.
    pub background: Option<OneOrMany>,
    /// A web search tool.
    pub web_search: Option<OneOrMany>,
    /// Reasoning asked for.
    pub think: Option<OneOrMany>,
    /// An image in a user turn.
    pub image: Option<OneOrMany>,
    /// None of these; wins over `to`.
    pub default: Option<OneOrMany>,
}

/// Order of the targets of one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// As written.
    #[default]
    Ordered,
    /// In turn.
    RoundRobin,
    /// Shortest time to first token first.
    Fastest,
    /// Latest release first.
    Latest,
}

/// What becomes of a name nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownModels {
    /// The route's `to`.
    #[default]
    Default,
    /// 404.
    Catalog,
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
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { attempts_max: 4, rounds_max: 1, round_wait_ms_max: 30_000 }
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
    #[schemars(range(min = 1, max = 1000))]
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
            stream_idle_ms: 300_000,
            drain_ms: 30_000,
            ping_ms: 15_000,
        }
    }
}

/// Bounds on waiting for one provider, milliseconds; the global ones where they are not given.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTimeouts {
    /// Connecting.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub connect_ms: Option<u32>,
    /// The head of an answer that is not streamed.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub answer_ms: Option<u32>,
    /// The first semantic event of a stream.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_token_ms: Option<u32>,
    /// Any later silence.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub stream_idle_ms: Option<u32>,
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
    /// Days they are kept. Default 7.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_days: u32,
    /// Bytes they may take on disk. Default 1073741824.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
}

impl Default for Traces {
    fn default() -> Traces {
        Traces { bodies: TraceBodies::Off, keep_days: 7, bytes_max: 1 << 30 }
    }
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

/// One string or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// As a list.
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// A secret as written: a literal, `env:NAME` or `file:/path`.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SecretRef(String);

impl SecretRef {
    /// What was written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether it refers to something outside of the file.
    pub fn is_reference(&self) -> bool {
        self.0.starts_with("env:") || self.0.starts_with("file:")
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_reference() { &self.0 } else { "***" })
    }
}

/// An object of entries by name, in the order of the file.
pub struct Named<T>(pub Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named(Vec::new())
    }
}

impl<'a, T> IntoIterator for &'a Named<T> {
    type Item = (&'a str, &'a T);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (String, T)>, fn(&'a (String, T)) -> (&'a str, &'a T)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl<T> Named<T> {
    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named<T>, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Named(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        <std::collections::BTreeMap<String, T>>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <std::collections::BTreeMap<String, T>>::json_schema(generator)
    }
}
