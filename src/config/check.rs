//! File to snapshot: names become indexes, references become secrets, and what does not hold together is said.
//!
//! A part that fails leaves a stand-in behind, so that whatever refers to it is judged too; the snapshot is handed out
//! only if no problem is an error. Providers, routes and warnings about the whole have files of their own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::file::{self, Auto, File, Named, OneOrMany, SecretRef};
use super::listen::{self, IpList, Listen};
use super::pattern::Pattern;
use super::problem::{At, Problems, hint};
use super::routes::Turns;
use super::snapshot::{
    Access, Admin, Client, ClientIx, ClientLimits, Cooldown, Cores, DriverChoice, Limits, Lookup, Probes, Retry,
    RouteIx, Snapshot, Timeouts, Traces, digest,
};
use super::{Outside, Overrides, date, lint, secret_ref};
use crate::base::secret::Secret;
use crate::limits;
use crate::protocol::Dialect;

/// The data folder that the file names, or that of its place.
pub(super) fn data_dir(named: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, String> {
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match named {
        Some(text) => secret_ref::path(text, env),
        None => Ok(absolute("STATE_DIRECTORY")
            .or_else(|| Some(absolute("XDG_DATA_HOME")?.join("weir")))
            .or_else(|| Some(absolute("HOME")?.join(".local/share/weir")))
            .unwrap_or_else(|| PathBuf::from("/var/lib/weir"))),
    }
}

/// What every part of the check needs.
pub(super) struct Check<'a, 'p, 'd> {
    pub(super) file: &'a File,
    pub(super) outside: &'a Outside<'a>,
    /// Whether `file` is all that was written; if not, absence proves nothing.
    pub(super) whole: bool,
    pub(super) problems: &'p mut Problems<'d>,
}

/// The meaning of a file; usable if no error was added to `problems`.
pub(super) fn snapshot(
    file: &File,
    outside: &Outside<'_>,
    overrides: &Overrides,
    whole: bool,
    problems: &mut Problems<'_>,
) -> Option<Snapshot> {
    let mut check = Check { file, outside, whole, problems };
    let mut turns = Turns(0);
    let providers = check.providers(&mut turns);
    let routes = check.routes(&providers, &mut turns);
    let default_route = match &file.default_route {
        Some(name) => check.route_named(&At::ROOT.member("default_route"), name),
        None => (routes.len() == 1).then_some(0),
    };
    let default_routes = check.default_routes();
    let clients = check.clients();
    let prices = check.prices(&providers);
    let probes = check.probes();
    let listen = check.listen(overrides);
    let admin = check.admin(overrides, &listen);
    let access = check.access(&listen);
    let mut lookup = Lookup { catalogue: providers.catalogue, providers: providers.names, ..Lookup::default() };
    (lookup.clients, lookup.hashed_clients) = (hashes(&lookup, &clients, false)?, hashes(&lookup, &clients, true)?);
    let snapshot = Snapshot {
        generation: 0,
        file: outside.path.map(Path::to_owned),
        providers: providers.list.into(),
        keys: providers.keys.into(),
        routes: routes.into(),
        clients: clients.into(),
        listen,
        admin,
        tls: check.identity(),
        cores: check.cores(overrides),
        driver: check.driver(overrides),
        data_dir: check.data_dir(),
        access,
        allow_ips: check.allow_ips(),
        default_route,
        default_routes,
        limits: check.limits(),
        timeouts: timeouts(&file.timeouts),
        prices,
        probes,
        retry: retry(&file.retry),
        cooldown: cooldown(&file.cooldown),
        log: file.log,
        usage_keep_days: file.usage.keep_days,
        traces: check.traces(),
        otlp: check.otlp(),
        watch: file.watch,
        turns: turns.0,
        lookup,
    };
    if whole {
        lint::warn(file, &snapshot, check.problems);
    }
    Some(snapshot)
}

/// The hash of the key of each client that is `hashed` or not, sorted; nothing where there are more clients than indexes.
fn hashes(lookup: &Lookup, clients: &[Client], hashed: bool) -> Option<Box<[(u64, ClientIx)]>> {
    let mut hashes = Vec::with_capacity(clients.len());
    for (place, client) in clients.iter().enumerate().filter(|(_, client)| client.hashed == hashed) {
        hashes.push((lookup.hasher.hash_one(client.key.expose()), u16::try_from(place).ok()?));
    }
    hashes.sort_unstable();
    Some(hashes.into())
}

fn bounds(file: &file::ClientLimits) -> ClientLimits {
    let rates = [
        file.requests_per_minute,
        file.requests_per_hour,
        file.requests_per_day,
        file.tokens_per_minute,
        file.tokens_per_hour,
        file.tokens_per_day,
    ];
    ClientLimits {
        rates: rates.map(Option::unwrap_or_default),
        concurrent: file.concurrent_requests.unwrap_or_default(),
        budgets: [file.cost_per_day, file.cost_per_month]
            .map(|dollars| (dollars.unwrap_or_default() * 1e6).round() as u64),
    }
}

fn retry(file: &file::Retry) -> Retry {
    Retry {
        attempts_max: file.attempts_max,
        rounds_max: file.rounds_max,
        round_wait_ms_max: file.round_wait_ms_max,
        hedge_ms: file.hedge_ms,
    }
}

fn cooldown(file: &file::Cooldown) -> Cooldown {
    Cooldown {
        rate_limited_ms: file.rate_limited_ms,
        server_error_ms: file.server_error_ms,
        rejected_key_ms: file.rejected_key_ms,
        max_ms: file.max_ms,
        failures: file.failures,
    }
}

fn timeouts(file: &file::Timeouts) -> Timeouts {
    Timeouts {
        head_ms: file.head_ms,
        body_ms: file.body_ms,
        keep_alive_ms: file.keep_alive_ms,
        client_stall_ms: file.client_stall_ms,
        connect_ms: file.connect_ms,
        answer_ms: file.answer_ms,
        first_token_ms: file.first_token_ms,
        first_token_ms_per_mib: file.first_token_ms_per_mib,
        stream_idle_ms: file.stream_idle_ms,
        drain_ms: file.drain_ms,
        ping_ms: file.ping_ms,
    }
}

impl Check<'_, '_, '_> {
    fn traces(&mut self) -> Traces {
        let given = &self.file.traces;
        let at = At::ROOT.member("traces");
        let at_clients = at.member("clients");
        let mut clients = Vec::with_capacity(given.clients.len());
        for (place, name) in given.clients.iter().enumerate() {
            let names = || self.file.clients.names();
            match names().position(|known| known == name).and_then(|place| u16::try_from(place).ok()) {
                Some(client) => clients.push(client),
                None => {
                    let at = at_clients.entry(place);
                    let message = format!("names no client: {}{}", self.problems.quote(&at, name), hint(name, names()));
                    self.problems.error(&at, message);
                }
            }
        }
        let at_routes = at.member("routes");
        let routes = given.routes.iter().enumerate();
        let mut routes: Vec<_> =
            routes.filter_map(|(place, name)| self.route_named(&at_routes.entry(place), name)).collect();
        clients.sort_unstable();
        routes.sort_unstable();
        Traces {
            bodies: given.bodies,
            // A range that the shape of the file has been checked against.
            sample: (given.sample * (1_u64 << 32) as f64) as u64,
            clients: clients.into(),
            routes: routes.into(),
            keep_days: given.keep_days,
            bytes_max: given.bytes_max,
        }
    }

    fn probes(&mut self) -> Probes {
        let given = &self.file.probes;
        let at = At::ROOT.member("probes");
        if (1..limits::PROBES_EVERY_S_LEAST).contains(&given.every_s) {
            let least = limits::PROBES_EVERY_S_LEAST;
            self.problems.error(&at.member("every_s"), format!("is 0 or {least} at least"));
        }
        let at_providers = at.member("providers");
        for (place, name) in given.providers.iter().enumerate() {
            if !self.file.providers.names().any(|known| known == name) {
                let at = at_providers.entry(place);
                let quoted = self.problems.quote(&at, name);
                let near = hint(name, self.file.providers.names());
                self.problems.error(&at, format!("names no provider: {quoted}{near}"));
            }
        }
        if (given.every_s > 0 || given.at_start) && given.providers.is_empty() {
            self.problems.warning(&at, "has no providers, so nothing is probed");
        }
        Probes {
            every_s: given.every_s,
            at_start: given.at_start,
            providers: given.providers.iter().map(|name| name.as_str().into()).collect(),
        }
    }

    /// An error about something that is not there.
    pub(super) fn absent(&mut self, at: &At<'_>, message: impl Into<String>) {
        if self.whole {
            self.problems.error(at, message);
        }
    }

    /// The secret written at `at`; an empty one stands in for what cannot be had.
    pub(super) fn secret(&mut self, at: &At<'_>, written: &SecretRef) -> Secret {
        if self.outside.shared && !written.is_reference() && !self.problems.expanded(at) {
            self.problems
                .warning(at, "is a literal secret in a file that others can read; use env: or file:, or chmod 600");
        }
        self.reference(at, written)
    }

    /// What `env:` or `file:` refer to, or the text itself; it must be fit for a header field.
    pub(super) fn reference(&mut self, at: &At<'_>, written: &SecretRef) -> Secret {
        let resolved = secret_ref::resolve(written, self.outside).and_then(|secret| {
            let text = secret.expose();
            let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
            match text.iter().any(u8::is_ascii_control) || blank(text.first()) || blank(text.last()) {
                true => Err("holds a control character, or a blank at an end".to_owned()),
                false => Ok(secret),
            }
        });
        resolved.unwrap_or_else(|message| {
            // A reference that `${…}` left unresolved has been reported.
            if !written.text().contains("${") {
                self.problems.error(at, message);
            }
            Secret::new("")
        })
    }

    pub(super) fn patterns(&mut self, at: &At<'_>, texts: &[String]) -> Box<[Pattern]> {
        for (index, text) in texts.iter().enumerate() {
            if text.trim() != text || text.is_empty() {
                self.problems.error(&at.entry(index), "is empty or has a blank at an end: it matches no model name");
            }
        }
        texts.iter().map(|text| Pattern::new(text)).collect()
    }

    /// Entries beyond what an index can name.
    pub(super) fn bounded<T>(&mut self, at: &At<'_>, entries: &Named<T>) {
        if entries.0.len() > limits::CONFIG_ENTRIES_MAX {
            self.problems.error(at, format!("has more than {} entries", limits::CONFIG_ENTRIES_MAX));
        }
    }

    pub(super) fn route_named(&mut self, at: &At<'_>, name: &str) -> Option<RouteIx> {
        let names = || self.file.routes.names();
        let place = names().position(|known| known == name);
        match place.or_else(|| names().position(|known| known.eq_ignore_ascii_case(name))) {
            Some(place) => u16::try_from(place).ok(),
            None => {
                let message = format!("names no route: {}{}", self.problems.quote(at, name), hint(name, names()));
                self.problems.error(at, message);
                None
            }
        }
    }

    fn default_routes(&mut self) -> [Option<RouteIx>; 5] {
        let at = At::ROOT.member("default_routes");
        let given = &self.file.default_routes;
        let mut routes = [None; 5];
        for (dialect, member, name) in [
            (Dialect::Chat, "chat", &given.chat),
            (Dialect::Responses, "responses", &given.responses),
            (Dialect::Anthropic, "anthropic", &given.anthropic),
            (Dialect::Gemini, "gemini", &given.gemini),
            (Dialect::Ollama, "ollama", &given.ollama),
        ] {
            routes[dialect as usize] = name.as_deref().and_then(|name| self.route_named(&at.member(member), name));
        }
        routes
    }

    fn clients(&mut self) -> Vec<Client> {
        let at_clients = At::ROOT.member("clients");
        self.bounded(&at_clients, &self.file.clients);
        let mut clients: Vec<Client> = Vec::new();
        let mut seen: HashMap<[u8; 32], &str> = HashMap::new();
        for (name, client) in &self.file.clients {
            let at = at_clients.member(name);
            if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
                self.problems.error(&at, "a client needs a name without control characters");
            }
            let at_key = at.member("key");
            let (key, hashed) =
                client.key.as_ref().map_or_else(|| (Secret::new(""), false), |key| self.client_key(&at_key, key));
            let secret = key.expose();
            let print = if hashed { secret.try_into().ok() } else { (!secret.is_empty()).then(|| digest(secret)) };
            if let Some(other) = print.and_then(|print| seen.insert(print, name)) {
                self.problems.error(&at_key, format!("is the key of client {other:?} too"));
            }
            let expires = client.expires.as_deref().and_then(|text| {
                let ms = date::unix_ms(text);
                if ms.is_none() {
                    self.problems
                        .error(&at.member("expires"), "is no date: expected 2027-01-01 or 2027-01-01T00:00:00Z");
                }
                ms
            });
            let models = self.patterns(&at.member("models"), &client.models);
            clients.push(Client {
                name: name.into(),
                key,
                hashed,
                route: client.route.as_deref().and_then(|route| self.route_named(&at.member("route"), route)),
                models: Some(models).filter(|models| !models.is_empty()),
                limits: bounds(&client.limits),
                disabled: client.disabled,
                expires_unix_ms: expires,
            });
        }
        clients
    }

    /// A client's key, or the digest that is written in its place and whether it is one.
    fn client_key(&mut self, at: &At<'_>, written: &SecretRef) -> (Secret, bool) {
        let Some(hex) = written.text().strip_prefix("sha256:") else { return (self.secret(at, written), false) };
        match secret_ref::bytes_of_hex(hex) {
            Some(digest) => (Secret::of(&digest), true),
            None => {
                self.problems.error(at, "is no digest: expected \"sha256:\" and 64 hexadecimal digits");
                (Secret::new(""), false)
            }
        }
    }

    fn listen(&mut self, overrides: &Overrides) -> Vec<Listen> {
        let at = At::ROOT.member("listen");
        let given = OneOrMany::Many(overrides.listen.clone());
        let (given, source) =
            if overrides.listen.is_empty() { (&self.file.listen, "") } else { (&given, "--listen: ") };
        let mut list: Vec<Listen> = Vec::new();
        each(&at, given, |at, text| match Listen::parse(text) {
            Ok(listen) if list.contains(&listen) => self.problems.error(at, format!("{source}{listen} is given twice")),
            Ok(listen) => list.push(listen),
            Err(message) => self.problems.error(at, format!("{source}{message}")),
        });
        if given.as_slice().is_empty() {
            self.problems.error(&at, "is empty: there is nothing to listen on");
        }
        list
    }

    fn admin(&mut self, overrides: &Overrides, relay: &[Listen]) -> Admin {
        let at = At::ROOT.member("admin");
        let (text, source) = match &overrides.admin_listen {
            Some(text) => (text, "--admin-listen: "),
            None => (&self.file.admin.listen, ""),
        };
        let password = self.file.admin.password.as_ref().map(|written| self.secret(&at.member("password"), written));
        let at_listen = at.member("listen");
        let listen = Listen::parse(text).unwrap_or_else(|message| {
            self.problems.error(&at_listen, format!("{source}{message}"));
            Listen::Unix(PathBuf::new())
        });
        // Port 0 is another port each time.
        if relay.contains(&listen) && !matches!(listen, Listen::Tcp(address) if address.port() == 0) {
            self.problems.error(&at_listen, format!("{source}{listen} is an address of the relay too"));
        }
        if password.is_none() && !listen.is_loopback() {
            self.absent(
                &at_listen,
                format!("{source}{listen} can be reached from other machines: it needs \"password\""),
            );
        }
        Admin { listen, password }
    }

    fn access(&mut self, listen: &[Listen]) -> Access {
        let nobody = self.file.clients.0.is_empty();
        match self.file.access {
            Some(Access::Keys) if nobody => {
                self.absent(&At::ROOT.member("access"), "is \"keys\", but \"clients\" lists nobody: nobody could call");
                Access::Keys
            }
            Some(access) => access,
            None if !nobody => Access::Keys,
            None => {
                if let Some(open) = listen.iter().find(|listen| !listen.is_loopback()) {
                    let message = format!(
                        "{open} can be reached from other machines and no client is listed: \
                         list clients, or say \"access\": \"open\" if everybody may use this relay"
                    );
                    self.absent(&At::ROOT.member("listen"), message);
                }
                Access::Open
            }
        }
    }

    fn cores(&mut self, overrides: &Overrides) -> Cores {
        match (overrides.cores.as_deref(), self.file.cores) {
            (Some("auto"), _) | (None, file::Cores::Word(Auto::Auto)) => Cores::Auto,
            (None, file::Cores::Number(number)) => Cores::Number(number),
            (Some(text), _) => match text.parse() {
                Ok(number @ 1..=1024) => Cores::Number(number),
                _ => {
                    self.problems
                        .error(&At::ROOT.member("cores"), "--cores: expected \"auto\" or a number from 1 to 1024");
                    Cores::Auto
                }
            },
        }
    }

    fn driver(&mut self, overrides: &Overrides) -> DriverChoice {
        match overrides.driver.as_deref() {
            None => self.file.driver,
            Some("auto") => DriverChoice::Auto,
            Some("io_uring") => DriverChoice::IoUring,
            Some("epoll") => DriverChoice::Epoll,
            Some(_) => {
                self.problems.error(&At::ROOT.member("driver"), "--driver: expected auto, io_uring or epoll");
                DriverChoice::Auto
            }
        }
    }

    fn data_dir(&mut self) -> PathBuf {
        data_dir(self.file.data_dir.as_deref(), self.outside.env).unwrap_or_else(|message| {
            self.problems.error(&At::ROOT.member("data_dir"), message);
            PathBuf::new()
        })
    }

    fn allow_ips(&mut self) -> IpList {
        let at = At::ROOT.member("allow_ips");
        let mut nets = Vec::with_capacity(self.file.allow_ips.len());
        for (index, text) in self.file.allow_ips.iter().enumerate() {
            match listen::net(text) {
                Some(net) => nets.push(net),
                None => self.problems.error(&at.entry(index), "is neither an address nor a network (192.168.1.0/24)"),
            }
        }
        IpList::new(nets)
    }

    fn limits(&mut self) -> Limits {
        let usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let given = &self.file.limits;
        Limits {
            body_bytes: usize(given.body_bytes),
            head_bytes: usize(given.head_bytes),
            connections: usize(given.connections),
        }
    }
}

/// Each string of a member that is one or a list, with its place.
pub(super) fn each(at: &At<'_>, list: &OneOrMany, mut look: impl FnMut(&At<'_>, &str)) {
    match list {
        OneOrMany::One(text) => look(at, text),
        OneOrMany::Many(texts) => {
            texts.iter().enumerate().for_each(|(index, text)| look(&at.entry(index), text));
        }
    }
}
