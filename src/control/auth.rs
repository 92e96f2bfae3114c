//! Who may use the admin address.
//!
//! A request needs the password or the token, as a bearer or through a session that was opened with it. Two
//! doors of a browser are shut beside: a name that an attacker points at this machine (DNS rebinding) is not
//! in `Host`'s list, and a page of another origin that sends the cookie along is told by `Origin`
//! (`SameSite=Strict` alone does not: two ports of one host are the same site). Failures are slowed for each
//! address. Time and randomness come in from outside.

use std::net::{IpAddr, Ipv6Addr};

use ahash::AHashMap;
use axum::http::{HeaderMap, Method, header};

use crate::base::secret::Secret;
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
    Slow,
}

/// The secrets in force and the failures so far.
pub(crate) struct Door {
    token: Secret,
    sessions: Vec<Session>,
    failures: Failures,
}

struct Session {
    id: Secret,
    /// What it was opened with: a changed password ends it.
    credential: Secret,
    until_ms: u64,
}

impl Door {
    /// A door that opens to `token` where no password is configured.
    pub(crate) fn new(token: &str) -> Door {
        Door { token: Secret::new(token), sessions: Vec::new(), failures: Failures::default() }
    }

    /// Whether a request may be served.
    pub(crate) fn admit(
        &mut self,
        caller: Caller,
        method: &Method,
        headers: &HeaderMap,
        password: Option<&Secret>,
        now_ms: u64,
    ) -> Result<(), Denied> {
        let Caller::Ip(ip) = caller else { return Ok(()) };
        if let Some(presented) = bearer(headers) {
            return self.check(ip, presented, password, now_ms);
        }
        let credential = password.unwrap_or(&self.token);
        let opened = cookie(headers).is_some_and(|id| {
            let found = self.sessions.iter().filter(|session| now_ms < session.until_ms);
            // No early end: each comparison is made, whichever matches.
            found.fold(false, |found, session| {
                found | (session.id.matches(id) & session.credential.matches(credential.expose()))
            })
        });
        match (opened, same_origin(method, headers)) {
            (true, true) => Ok(()),
            (true, false) => Err(Denied::Origin),
            (false, _) => Err(Denied::Credential),
        }
    }

    /// Compares what was presented, unless too many failures came from there before.
    fn check(&mut self, ip: IpAddr, presented: &[u8], password: Option<&Secret>, now_ms: u64) -> Result<(), Denied> {
        if !self.failures.may_try(ip, now_ms) {
            return Err(Denied::Slow);
        }
        if !presented.is_empty() && password.unwrap_or(&self.token).matches(presented) {
            return Ok(());
        }
        self.failures.count(ip, now_ms);
        Err(Denied::Credential)
    }

    /// Opens a session for the right password. The answer is the value of `Set-Cookie`; `random` names it.
    pub(crate) fn login(
        &mut self,
        caller: Caller,
        presented: &str,
        password: Option<&Secret>,
        random: &str,
        now_ms: u64,
    ) -> Result<String, Denied> {
        if let Caller::Ip(ip) = caller {
            self.check(ip, presented.as_bytes(), password, now_ms)?;
        }
        self.sessions.retain(|session| now_ms < session.until_ms);
        if self.sessions.len() >= limits::ADMIN_SESSIONS_MAX {
            self.sessions.remove(0);
        }
        self.sessions.push(Session {
            id: Secret::new(random),
            credential: password.unwrap_or(&self.token).clone(),
            until_ms: now_ms + limits::ADMIN_SESSION_MS,
        });
        let seconds = limits::ADMIN_SESSION_MS / 1_000;
        Ok(format!("{COOKIE}={random}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
    }

    /// Ends the session that the cookie names. The answer is the value of `Set-Cookie`.
    pub(crate) fn logout(&mut self, headers: &HeaderMap) -> String {
        if let Some(id) = cookie(headers) {
            self.sessions.retain(|session| !session.id.matches(id));
        }
        format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")
    }
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
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut pairs = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    pairs.find_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))
}

/// Wrong credentials by address: some in a row are free, then one in `LOGIN_PAUSE_MS`. While an address
/// rests, what it presents is not even compared.
#[derive(Default)]
struct Failures {
    /// The moment at which an address has paid for all its failures.
    paid_ms: AHashMap<IpAddr, u64>,
}

impl Failures {
    const FREE_MS: u64 = limits::LOGIN_PAUSE_MS * limits::LOGIN_FAILURES_FREE;

    fn may_try(&self, ip: IpAddr, now_ms: u64) -> bool {
        self.paid_ms
            .get(&self.place(ip))
            .is_none_or(|&paid_ms| paid_ms + limits::LOGIN_PAUSE_MS <= now_ms + Failures::FREE_MS)
    }

    fn count(&mut self, ip: IpAddr, now_ms: u64) {
        if self.paid_ms.len() >= limits::LOGIN_ADDRESSES_MAX {
            self.paid_ms.retain(|_, paid_ms| *paid_ms > now_ms);
        }
        let place = self.place(ip);
        let paid_ms = self.paid_ms.entry(place).or_insert(now_ms);
        *paid_ms = (*paid_ms).max(now_ms) + limits::LOGIN_PAUSE_MS;
    }

    /// The address itself, its network for IPv6 (a host has a whole /64), and one place for all that is new
    /// once the table is full.
    fn place(&self, ip: IpAddr) -> IpAddr {
        let place = match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        };
        let full = self.paid_ms.len() >= limits::LOGIN_ADDRESSES_MAX;
        if full && !self.paid_ms.contains_key(&place) { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { place }
    }
}

#[cfg(test)]
#[path = "auth_test.rs"]
mod tests;
