//! Who may use the admin address.
//!
//! A request needs the password or the token, as a bearer or through a session that was opened with it. Two
//! doors of a browser are shut beside: a name that an attacker points at this machine (DNS rebinding) is not
//! in `Host`'s list, and a page of another origin that sends the cookie along is told by `Origin`
//! (`SameSite=Strict` alone does not: two ports of one host are the same site). Failures are slowed for each
//! address, each more than the one before, until it is locked for a while. Time and randomness come in from outside,
//! and so does the slow comparison with the hash of a token, which the door only asks for.

use std::net::{IpAddr, Ipv6Addr};

use ahash::AHashMap;
use axum::http::{HeaderMap, Method, header};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::token::Token;
use crate::base::secret::Secret;
use crate::config::snapshot::digest;
use crate::limits;

/// The session cookie.
const COOKIE: &str = "weir_session";

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Over TCP.
    Ip(IpAddr),
    /// Over the control socket, whose mode lets in its owner only.
    Owner,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// `Host` is none of ours.
    Host,
    /// A page of another origin asks.
    Origin,
    /// No credential, or a wrong one.
    Credential,
    /// Too many wrong ones came from there.
    Slow {
        /// Until the next is looked at.
        wait_ms: u64,
    },
}

/// What a credential has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is the right one.
    Right,
    /// It is to be compared with this hash, off this thread; `settle` is told. It counts as a failure until then.
    Unsure {
        /// As `token::verify` takes it.
        hash: Box<str>,
        /// What was presented.
        presented: Secret,
    },
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

/// The secrets in force and the failures so far.
pub(crate) struct Door {
    /// What opens it where no password is configured; nothing where none has been made.
    pub(crate) token: Option<Token>,
    sessions: Vec<Session>,
    failures: Failures,
}

struct Session {
    /// Of its id and of what it was opened with: a changed password or token ends it.
    print: [u8; 32],
    until_ms: u64,
}

/// A session as it is kept for the next process. Nobody who reads it can open anything: its print is of 256 random bits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    print: [u8; 32],
    until_ms: u64,
}

impl Door {
    /// A door that opens to `token` where no password is configured.
    pub(crate) fn new(token: Option<Token>) -> Door {
        Door { token, sessions: Vec::new(), failures: Failures::default() }
    }

    /// Takes in the sessions of an earlier process: a page that was left open goes on.
    pub(crate) fn recall(&mut self, said: Vec<Said>) {
        let sessions = said.into_iter().map(|Said { print, until_ms }| Session { print, until_ms });
        self.sessions = sessions.take(limits::ADMIN_SESSIONS_MAX).collect();
    }

    /// The sessions, for the next process.
    pub(crate) fn said(&self) -> Vec<Said> {
        self.sessions.iter().map(|&Session { print, until_ms }| Said { print, until_ms }).collect()
    }

    /// Whether a request may be served.
    pub(crate) fn admit(
        &mut self,
        caller: Caller,
        method: &Method,
        headers: &HeaderMap,
        password: Option<&Secret>,
        now_ms: u64,
    ) -> Result<Checked, Denied> {
        let Caller::Ip(ip) = caller else { return Ok(Checked::Right) };
        if let Some(presented) = bearer(headers) {
            return self.check(ip, presented, password, now_ms);
        }
        match (self.session(headers, password, now_ms), same_origin(method, headers)) {
            (Some(_), true) => Ok(Checked::Right),
            (Some(_), false) => Err(Denied::Origin),
            (None, _) => Err(Denied::Credential),
        }
    }

    /// When the session that the cookie names ends, if it is open.
    pub(crate) fn session(&self, headers: &HeaderMap, password: Option<&Secret>, now_ms: u64) -> Option<u64> {
        let print = print_of(cookie(headers)?, self.mark(password)?);
        let open = self.sessions.iter().filter(|session| now_ms < session.until_ms);
        // No early end: each comparison is made, whichever matches.
        let is = |session: &Session| bool::from(session.print.ct_eq(&print));
        open.fold(None, |found, session| if is(session) { Some(session.until_ms) } else { found })
    }

    /// What tells the credential in force from another.
    fn mark(&self, password: Option<&Secret>) -> Option<[u8; 32]> {
        match (password, &self.token) {
            (Some(password), _) => Some(digest(password.expose())),
            (None, token) => token.as_ref().map(Token::mark),
        }
    }

    /// Compares what was presented, unless too many failures came from there before.
    fn check(
        &mut self,
        ip: IpAddr,
        presented: &[u8],
        password: Option<&Secret>,
        now_ms: u64,
    ) -> Result<Checked, Denied> {
        self.failures.may_try(ip, now_ms).map_err(|wait_ms| Denied::Slow { wait_ms })?;
        // A failure until it is known to be none: of those that come at once not one is free.
        self.failures.count(ip, now_ms);
        let right = match (password, &self.token) {
            _ if presented.is_empty() => false,
            (Some(password), _) => password.matches(presented),
            (None, None) => false,
            (None, Some(token)) => match token.knows(presented) {
                Some(right) => right,
                None => {
                    let (hash, presented) = (token.hash.clone(), Secret::of(presented));
                    return Ok(Checked::Unsure { hash, presented });
                }
            },
        };
        if !right {
            return Err(Denied::Credential);
        }
        self.failures.forgive(ip);
        Ok(Checked::Right)
    }

    /// What the comparison with the hash of the token has come to. The right one is known from now on.
    pub(crate) fn settle(&mut self, caller: Caller, presented: &Secret, hash: &str, right: bool) -> Result<(), Denied> {
        // The token may have been replaced meanwhile.
        let token = self.token.as_mut().filter(|token| right && *token.hash == *hash);
        let Some(token) = token else { return Err(Denied::Credential) };
        token.learn(presented.expose());
        if let Caller::Ip(ip) = caller {
            self.failures.forgive(ip);
        }
        Ok(())
    }

    /// Whether the right password is presented.
    pub(crate) fn present(
        &mut self,
        caller: Caller,
        presented: &str,
        password: Option<&Secret>,
        now_ms: u64,
    ) -> Result<Checked, Denied> {
        match caller {
            Caller::Ip(ip) => self.check(ip, presented.as_bytes(), password, now_ms),
            Caller::Owner => Ok(Checked::Right),
        }
    }

    /// Opens a session. The answer is the value of `Set-Cookie`; `random` names it.
    pub(crate) fn open(&mut self, password: Option<&Secret>, random: &str, now_ms: u64) -> Result<String, Denied> {
        let mark = self.mark(password).ok_or(Denied::Credential)?;
        self.sessions.retain(|session| now_ms < session.until_ms);
        if self.sessions.len() >= limits::ADMIN_SESSIONS_MAX {
            self.sessions.remove(0);
        }
        let print = print_of(random.as_bytes(), mark);
        self.sessions.push(Session { print, until_ms: now_ms + limits::ADMIN_SESSION_MS });
        let seconds = limits::ADMIN_SESSION_MS / 1_000;
        Ok(format!("{COOKIE}={random}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
    }

    /// Ends the session that the cookie names. The answer is the value of `Set-Cookie`.
    pub(crate) fn logout(&mut self, headers: &HeaderMap, password: Option<&Secret>) -> String {
        if let (Some(id), Some(mark)) = (cookie(headers), self.mark(password)) {
            let print = print_of(id, mark);
            self.sessions.retain(|session| !bool::from(session.print.ct_eq(&print)));
        }
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }
}

/// What a session is known by, of its id and of what tells the credential in force from another.
fn print_of(id: &[u8], mark: [u8; 32]) -> [u8; 32] {
    digest(&zeroize::Zeroizing::new([&mark[..], id].concat()))
}

/// Whether `Host` names this machine's admin address: a loopback name, or the address that is listened on.
/// An attacker's page reaches us under the attacker's name only, so where every address is listened on any
/// literal address is ours.
pub(crate) fn host_is_ours(headers: &HeaderMap, listening: Option<IpAddr>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    let name = match (host.strip_prefix('['), host.rsplit_once(':')) {
        (Some(literal), _) => match literal.split_once(']') {
            Some((name, "")) => name,
            Some((name, port)) if port.starts_with(':') => name,
            Some(_) | None => return false,
        },
        (None, Some((name, _port))) => name,
        (None, None) => host,
    };
    match name.parse::<IpAddr>() {
        Ok(ip) => {
            let ip = ip.to_canonical();
            ip.is_loopback()
                || listening.is_some_and(|listening| listening.is_unspecified() || listening.to_canonical() == ip)
        }
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a request that changes something comes from our own page, or from no page at all.
fn same_origin(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return true;
    }
    let site_is_ours = match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => false,
    };
    let origin_is_ours = match (headers.get(header::ORIGIN), headers.get(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let origin = origin.as_bytes();
            let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
        }
        (Some(_), None) => false,
    };
    site_is_ours && origin_is_ours
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    // What CLIProxyAPI's scripts send instead.
    if let Some(key) = headers.get("x-management-key") {
        return Some(key.as_bytes());
    }
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut pairs = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    pairs.find_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}

/// Wrong credentials by address: some are free, then each has to wait twice as long as the one before, to a bound that
/// is a lock. While an address waits, what it presents is not even compared. A right one makes all good.
#[derive(Default)]
struct Failures {
    of: AHashMap<IpAddr, Failed>,
}

#[derive(Clone, Copy)]
struct Failed {
    times: u32,
    /// When the next may come.
    next_ms: u64,
}

impl Failures {
    /// Whether an address may try now; else how long it has to wait.
    fn may_try(&self, ip: IpAddr, now_ms: u64) -> Result<(), u64> {
        let next_ms = self.of.get(&self.place(ip)).map_or(0, |failed| failed.next_ms);
        next_ms.checked_sub(now_ms).filter(|wait_ms| *wait_ms > 0).map_or(Ok(()), Err)
    }

    fn count(&mut self, ip: IpAddr, now_ms: u64) {
        if self.of.len() >= limits::LOGIN_ADDRESSES_MAX {
            self.of.retain(|_, failed| !failed.is_forgotten(now_ms));
        }
        let place = self.place(ip);
        let failed = self.of.entry(place).or_insert(Failed { times: 0, next_ms: now_ms });
        if failed.is_forgotten(now_ms) {
            failed.times = 0;
        }
        failed.times = failed.times.saturating_add(1);
        failed.next_ms = now_ms + pause_ms(failed.times);
    }

    fn forgive(&mut self, ip: IpAddr) {
        self.of.remove(&self.place(ip));
    }

    /// The address itself, its network for IPv6 (a host has a whole /64), and one place for all that is new
    /// once the table is full.
    fn place(&self, ip: IpAddr) -> IpAddr {
        let place = match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        };
        let full = self.of.len() >= limits::LOGIN_ADDRESSES_MAX;
        if full && !self.of.contains_key(&place) { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { place }
    }
}

impl Failed {
    /// An address that has been quiet for as long as the longest lock begins anew.
    fn is_forgotten(&self, now_ms: u64) -> bool {
        self.next_ms + limits::LOGIN_LOCK_MS < now_ms
    }
}

/// How long an address waits after so many failures.
fn pause_ms(times: u32) -> u64 {
    match times.checked_sub(limits::LOGIN_FAILURES_FREE) {
        None => 0,
        Some(more) => limits::LOGIN_PAUSE_MS.saturating_mul(1 << more.min(32)).min(limits::LOGIN_LOCK_MS),
    }
}

#[cfg(test)]
#[path = "auth_test.rs"]
mod tests;
