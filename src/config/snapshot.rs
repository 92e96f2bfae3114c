//! What a file means: immutable, names resolved to indexes, secrets in place. Cores share one and replace it whole.
//!
//! A disabled provider does not exist here, nor do its keys; disabled keys and clients keep their place, because their
//! names still mean something to whoever reads statistics.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::listen::{IpList, Listen};
use super::name::Names;
use super::pattern::Pattern;
use super::prices::Prices;
use crate::base::secret::Secret;
use crate::limits;
use crate::protocol::ir::Quirks;
use crate::protocol::{Dialect, Protocol};
use crate::tls::{ServerName, party::Identity, roots::Trust};

pub use super::file::{Access, Affinity, Balance, LogFormat, LogLevel, Spread, TraceBodies, UnknownModels};
pub use super::file::{Cool, Then};
pub use super::file::{Driver as DriverChoice, Log};
pub use payload::{Condition, Payload, Shaping};
pub use route::{ModelMap, NO_TURN, Route, Rule, Scene, Scenes, TargetList, TargetRule, TurnIx};

mod payload;
mod route;

/// Index of a provider.
pub type ProviderIx = u16;
/// Index of a key, over all providers.
pub type KeyIx = u16;
/// Index of a route.
pub type RouteIx = u16;
/// Index of a client.
pub type ClientIx = u16;

/// The meaning of a configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts reloads; set by whoever publishes it.
    pub generation: u64,
    /// The file it came from.
    pub file: Option<PathBuf>,
    /// Providers in the order of the file.
    pub providers: Box<[Provider]>,
    /// Keys, those of a provider side by side.
    pub keys: Box<[Key]>,
    /// Routes in the order of the file.
    pub routes: Box<[Route]>,
    /// Clients in the order of the file.
    pub clients: Box<[Client]>,
    /// Addresses of the relay.
    pub listen: Vec<Listen>,
    /// The admin address.
    pub admin: Admin,
    /// What is shown to callers over TCP; in the clear where nothing is.
    pub tls: Option<Identity>,
    /// Threads that serve.
    pub cores: Cores,
    /// How sockets are driven.
    pub driver: DriverChoice,
    /// Folder of everything that is kept.
    pub data_dir: PathBuf,
    /// Who is served.
    pub access: Access,
    /// Who may connect.
    pub allow_ips: IpList,
    /// Route of clients that have none.
    pub default_route: Option<RouteIx>,
    /// The same by dialect (`Dialect as usize`), before `default_route`.
    pub default_routes: [Option<RouteIx>; 5],
    /// Bounds on size and number.
    pub limits: Limits,
    /// Bounds on waiting.
    pub timeouts: Timeouts,
    /// What models cost.
    pub prices: Prices,
    /// Requests of weir's own.
    pub probes: Probes,
    /// How often a request is tried.
    pub retry: Retry,
    /// How long a failing key rests.
    pub cooldown: Cooldown,
    /// The log.
    pub log: Log,
    /// Days that usage is kept.
    pub usage_keep_days: u32,
    /// Recorded bodies.
    pub traces: Traces,
    /// Where exchanges are told as spans.
    pub otlp: Option<Arc<Otlp>>,
    /// Whether a changed file is applied by itself.
    pub watch: bool,
    /// How many lists and pools take turns.
    pub turns: TurnIx,
    pub(super) lookup: Lookup,
}

/// Tables over the rest of the snapshot.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    /// Published names, prefixed ones included, to (provider, place in its `models`), in the order of the file.
    pub(super) catalogue: Names<(ProviderIx, u16)>,
    pub(super) providers: Names<ProviderIx>,
    /// Hash of a client's key to the client, sorted by hash.
    pub(super) clients: Box<[(u64, ClientIx)]>,
    /// The same of clients of whose keys only the digests are known.
    pub(super) hashed_clients: Box<[(u64, ClientIx)]>,
    /// Keyed per snapshot, so that a caller cannot choose where its guess falls.
    pub(super) hasher: ahash::RandomState,
}

impl Snapshot {
    /// The client with this key, whether or not it may call now. A miss costs a comparison too. Where the file holds
    /// digests of keys, what none of its plain keys matches is digested once.
    pub fn client(&self, presented: &[u8]) -> Option<ClientIx> {
        let plain = self.client_of(&self.lookup.clients, presented);
        if self.lookup.hashed_clients.is_empty() {
            return plain;
        }
        // Both are looked for, whichever matches.
        plain.or(self.client_of(&self.lookup.hashed_clients, &digest(presented)))
    }

    fn client_of(&self, table: &[(u64, ClientIx)], secret: &[u8]) -> Option<ClientIx> {
        let hash = self.lookup.hasher.hash_one(secret);
        // Hashes are spread evenly, so one stands close to where it would if they were spread exactly.
        let mut place = ((u128::from(hash) * table.len() as u128) >> 64) as usize;
        while place > 0 && table[place - 1].0 >= hash {
            place -= 1;
        }
        while table.get(place).is_some_and(|(known, _)| *known < hash) {
            place += 1;
        }
        let mut matched = None;
        // Equal hashes are next to each other; where none is equal, its neighbour is compared.
        for (known, client) in table[place.min(table.len().saturating_sub(1))..].iter() {
            if self.clients[usize::from(*client)].key.matches(secret) {
                matched = Some(*client);
            }
            if *known != hash {
                break;
            }
        }
        matched
    }

    /// The provider of this name.
    pub fn provider(&self, name: &[u8]) -> Option<ProviderIx> {
        self.lookup.providers.get(std::str::from_utf8(name).ok()?).next().copied()
    }

    /// What publishes this name, bare or prefixed: provider and place in its `models`.
    pub fn published<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (ProviderIx, &'a Published)> {
        self.lookup
            .catalogue
            .get(name)
            .map(|&(provider, model)| (provider, &self.providers[usize::from(provider)].models[usize::from(model)]))
    }

    /// The route of a caller: its client's, else that of its dialect, else the default.
    pub fn route(&self, client: Option<ClientIx>, dialect: Dialect) -> Option<RouteIx> {
        client
            .and_then(|client| self.clients[usize::from(client)].route)
            .or(self.default_routes[dialect as usize])
            .or(self.default_route)
    }

    /// Keys of a provider, with their indexes.
    pub fn keys_of(&self, provider: ProviderIx) -> impl Iterator<Item = (KeyIx, &Key)> {
        self.providers[usize::from(provider)].keys.clone().map(|key| (key, &self.keys[usize::from(key)]))
    }
}

/// What stands for a key in the file if the key itself is not to: SHA-256.
pub fn digest(key: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key).as_ref());
    digest
}

/// The admin address.
#[derive(Debug)]
pub struct Admin {
    /// Where.
    pub listen: Listen,
    /// The password; nothing means that a token is made at start.
    pub password: Option<Secret>,
}

/// Threads that serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// One for each core.
    Auto,
    /// This many.
    Number(u16),
}

/// A provider that is not disabled.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Box<str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Its address; that of `demo` is empty.
    pub base: Base,
    /// Its keys; never empty: a provider without has one with an empty secret.
    pub keys: Range<KeyIx>,
    /// What it publishes.
    pub models: Box<[Published]>,
    /// Upstream names that are never used.
    pub exclude_models: Box<[Pattern]>,
    /// `api-version` of Azure.
    pub api_version: Box<str>,
    /// How a key is chosen.
    pub balance: Balance,
    /// What keeps a conversation on its key.
    pub affinity: Affinity,
    /// The model that probes ask for.
    pub probe_model: Option<Box<str>>,
    /// What its errors call for, in the order in which rules are looked at.
    pub on_error: Box<[ErrorRule]>,
    /// Bounds on waiting for it.
    pub timeouts: UpstreamTimeouts,
    /// How its certificate is verified; nothing where its address is `http://`.
    pub tls: Option<Verify>,
    /// The tag by which its text marks thoughts.
    pub think_tag: Option<Box<str>>,
    /// How bodies of requests are changed.
    pub shaping: Shaping,
    /// What is peculiar about it, for whoever writes requests for it.
    pub quirks: Quirks,
    pub(super) auto: Option<u16>,
    pub(super) published: Names<u16>,
    /// Its own names of what it publishes.
    pub(super) upstream: Names<u16>,
}

impl UpstreamTimeouts {
    /// How long an answer to a request of so many bytes may take to begin: a stream with its first token, another with
    /// its head.
    pub fn begins_ms(&self, streamed: bool, bytes: usize) -> u32 {
        if !streamed {
            return self.answer_ms;
        }
        let slope = bytes as u64 * u64::from(self.first_token_ms_per_mib) / (1024 * 1024);
        self.first_token_ms.saturating_add(u32::try_from(slope).unwrap_or(u32::MAX))
    }
}

impl Provider {
    /// Whether an upstream model name may not be used.
    pub fn excludes(&self, model: &str) -> bool {
        super::pattern::any(&self.exclude_models, model)
    }

    /// What this provider publishes under a name, without prefix; several if the name is a pool.
    pub fn published<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Published> {
        self.published.get(name).map(|&model| &self.models[usize::from(model)])
    }

    /// What it serves where nobody says which model: the one that it publishes as `auto`, else its first.
    pub fn auto(&self) -> Option<&Published> {
        self.auto.map(|model| &self.models[usize::from(model)])
    }

    /// What it speaks for a name of its own.
    pub fn speaks(&self, name: &str) -> Protocol {
        self.upstream(name).map_or(self.protocol, |published| published.protocol)
    }

    /// The published model that this provider calls `name`.
    pub fn upstream(&self, name: &str) -> Option<&Published> {
        let place = self.upstream.get(name).next().copied()?;
        Some(&self.models[usize::from(place)]).filter(|model| *model.name == *name)
    }
}

/// What an error of an upstream calls for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorRule {
    /// Statuses; none is any.
    pub statuses: Box<[u16]>,
    /// Texts, one of which its body contains; none is any body.
    pub texts: Box<[Box<str>]>,
    /// Where to go on.
    pub then: Option<Then>,
    /// What rests for how many milliseconds.
    pub cool: Option<(Cool, u32)>,
}

/// How a certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Who is believed.
    pub trust: Trust,
    /// The name that is asked for and that the certificate must be for.
    pub name: ServerName<'static>,
}

/// A published model.
#[derive(Clone, Debug)]
pub struct Published {
    /// The provider's name of it.
    pub name: Box<str>,
    /// The name clients see, if another.
    pub alias: Option<Box<str>>,
    /// `PREFIX/NAME`, if the provider has a prefix.
    pub prefixed: Option<Box<str>>,
    /// Whether the name without prefix is reachable.
    pub bare: bool,
    /// When it was released, milliseconds since 1970.
    pub released_unix_ms: Option<u64>,
    /// What the provider speaks for it.
    pub protocol: Protocol,
    /// The turn of the pool it belongs to, if other models have the same alias.
    pub pool: TurnIx,
}

impl Published {
    /// The name clients see, without prefix.
    pub fn id(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

/// An address of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// `https://`.
    pub tls: bool,
    /// Host, lower case; IPv6 without brackets.
    pub host: Box<str>,
    /// Port.
    pub port: u16,
    /// For `Host`: with the port unless it is the scheme's, IPv6 in brackets.
    pub authority: Box<str>,
    /// Path without trailing slash; may be empty.
    pub path: Box<str>,
    /// Whether the path is complete: no version segment is to be added to it.
    pub versioned: bool,
}

/// A credential of a provider.
#[derive(Debug)]
pub struct Key {
    /// Its name, given or its number.
    pub name: Box<str>,
    /// Whose it is.
    pub provider: ProviderIx,
    /// The secret; empty for a provider that needs none.
    pub secret: Secret,
    /// The complete header line with CRLF that carries it; empty without secret.
    pub auth: Secret,
    /// The same for models whose protocol is another one than the provider's.
    pub(super) other_auth: Box<[(Protocol, Secret)]>,
    /// Share among its equals.
    pub weight: u32,
    /// Lower is used first.
    pub priority: u32,
    /// Requests in flight at most; 0 is no bound.
    pub max_concurrent: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// How long one may wait.
    pub queue_ms: u32,
    /// Upstream names it may serve; empty is all.
    pub models: Box<[Pattern]>,
    /// Upstream names it may not serve.
    pub exclude_models: Box<[Pattern]>,
    /// Header fields to send: the provider's, with its own over them.
    pub headers: Box<[(Box<str>, Secret)]>,
    /// How the provider is reached.
    pub proxy: Proxy,
    /// Whether it is not used.
    pub disabled: bool,
}

impl Key {
    /// The header line that carries it to a model that speaks `protocol`.
    pub fn auth_for(&self, protocol: Protocol) -> &Secret {
        self.other_auth.iter().find(|(other, _)| *other == protocol).map_or(&self.auth, |(_, auth)| auth)
    }

    /// All that is sent with it and is nobody else's business: the key itself, and the values of its fields.
    pub fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let fields = self.headers.iter().map(|(_, value)| value.expose());
        fields.filter(|value| value.len() >= limits::SECRET_BYTES_LEAST).chain(Some(self.secret.expose()))
    }

    /// Whether it may serve an upstream model name.
    pub fn serves(&self, model: &str) -> bool {
        !self.disabled
            && (self.models.is_empty() || super::pattern::any(&self.models, model))
            && !super::pattern::any(&self.exclude_models, model)
    }
}

/// How a provider is reached.
#[derive(Clone, Debug)]
pub enum Proxy {
    /// By itself.
    Direct,
    /// Through a proxy.
    Via {
        /// What the proxy speaks.
        scheme: ProxyScheme,
        /// Its host.
        host: Box<str>,
        /// Its port.
        port: u16,
        /// `user:password`.
        credentials: Option<Secret>,
        /// How its own certificate is verified, where it is spoken to over TLS.
        verify: Option<Verify>,
    },
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT over TLS.
    Https,
    /// SOCKS 5, addresses resolved here.
    Socks5,
    /// SOCKS 5, names resolved there.
    Socks5h,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Its name.
    pub name: Box<str>,
    /// Its key; the digest of it if `hashed`.
    pub key: Secret,
    /// Whether the file holds the digest of its key only.
    pub hashed: bool,
    /// Its route.
    pub route: Option<RouteIx>,
    /// Names it may ask for; nothing is all.
    pub models: Option<Box<[Pattern]>>,
    /// Bounds on its use.
    pub limits: ClientLimits,
    /// Whether it is refused.
    pub disabled: bool,
    /// When its key ends.
    pub expires_unix_ms: Option<u64>,
}

/// Bounds on a client's use; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Requests a minute, an hour, a day, then tokens likewise.
    pub rates: [u32; 6],
    /// Requests under way at once.
    pub concurrent: u32,
    /// Millionths of a dollar a day, a month.
    pub budgets: [u64; 2],
}

impl Client {
    /// Whether it may call at this time.
    pub fn may_call(&self, unix_ms: u64) -> bool {
        !self.disabled && self.expires_unix_ms.is_none_or(|end| unix_ms < end)
    }

    /// Whether it may ask for a model name.
    pub fn may_ask(&self, model: &str) -> bool {
        self.models.as_deref().is_none_or(|patterns| super::pattern::any(patterns, model))
    }
}

/// Bounds on size and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a decoded request body.
    pub body_bytes: usize,
    /// Bytes of a request head.
    pub head_bytes: usize,
    /// Connections of clients.
    pub connections: usize,
}

/// Bounds on waiting, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A whole request head.
    pub head_ms: u32,
    /// A silence inside a request body.
    pub body_ms: u32,
    /// An idle connection of a client.
    pub keep_alive_ms: u32,
    /// One stalled write to a client.
    pub client_stall_ms: u32,
    /// Connecting to a provider that has no bound of its own; so the next three.
    pub connect_ms: u32,
    /// The head of an answer that is not streamed.
    pub answer_ms: u32,
    /// The first semantic event of a stream.
    pub first_token_ms: u32,
    /// Added to that for each MiB of the request.
    pub first_token_ms_per_mib: u32,
    /// Any later silence of a provider.
    pub stream_idle_ms: u32,
    /// Exchanges under way at the end.
    pub drain_ms: u32,
    /// Between pings; 0 is never.
    pub ping_ms: u32,
}

/// Bounds on waiting for a provider, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Connecting.
    pub connect_ms: u32,
    /// The head of an answer that is not streamed.
    pub answer_ms: u32,
    /// The first semantic event of a stream.
    pub first_token_ms: u32,
    /// Added to that for each MiB of the request.
    pub first_token_ms_per_mib: u32,
    /// Any later silence.
    pub stream_idle_ms: u32,
}

/// How often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts over everything.
    pub attempts_max: u8,
    /// Extra rounds.
    pub rounds_max: u8,
    /// Longest wait between rounds.
    pub round_wait_ms_max: u32,
    /// After how long a second attempt is made beside one; 0 is never.
    pub hedge_ms: u32,
}

/// How long a failing key rests, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// After 429 and 529.
    pub rate_limited_ms: u32,
    /// After `failures` server errors.
    pub server_error_ms: u32,
    /// After 401, 402 and 403.
    pub rejected_key_ms: u32,
    /// Longest rest.
    pub max_ms: u32,
    /// Consecutive failures until a rest.
    pub failures: u32,
}

/// Requests of weir's own that find out whether keys serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Between two rounds, seconds; 0 is never.
    pub every_s: u32,
    /// Whether a round is made at the start.
    pub at_start: bool,
    /// Whose keys are probed.
    pub providers: Box<[Box<str>]>,
}

/// A collector of OpenTelemetry.
#[derive(Debug)]
pub struct Otlp {
    /// Its address.
    pub base: Base,
    /// How its certificate is verified; nothing where it is reached in the clear.
    pub verify: Option<Verify>,
    /// Header fields that are sent along.
    pub headers: Box<[(Box<str>, Secret)]>,
}

/// Recorded bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Whose.
    pub bodies: TraceBodies,
    /// So many of 2^32 exchanges, however they end.
    pub sample: u64,
    /// Clients, sorted.
    pub clients: Box<[ClientIx]>,
    /// Routes, sorted.
    pub routes: Box<[RouteIx]>,
    /// Days they are kept.
    pub keep_days: u32,
    /// Bytes on disk.
    pub bytes_max: u64,
}
