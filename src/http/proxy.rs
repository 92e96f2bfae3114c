//! What is said to a proxy before it passes bytes on: HTTP CONNECT (RFC 9110 §9.3.6), SOCKS 5 (RFC 1928, RFC 1929).
//!
//! A conversation owns what is to be sent and judges what comes back, byte by byte if need be; it moves nothing itself.
//! A proxy is silent once the way is open, for the other end waits for us to speak: bytes behind its last word are
//! refused, so that none of them is taken for the provider's.

use std::borrow::Cow;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::field::Fields;
use super::head::{self, Asked, HeadLimits};
use crate::limits;

/// Where the proxy is asked to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A host that the proxy resolves, and a port.
    Name(&'a str, u16),
    /// An address that was resolved here.
    Address(SocketAddr),
}

/// A conversation under way.
pub struct Conversation {
    stage: Stage,
    /// What is to be sent next. It may hold credentials.
    out: Zeroizing<Vec<u8>>,
    sent: usize,
    /// What came and is not a whole answer yet.
    came: Vec<u8>,
    /// What follows in SOCKS: the sub-negotiation, where there are credentials, and the request.
    login: Option<Zeroizing<Vec<u8>>>,
    request: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    Method,
    Login,
    Reply,
    Open,
}

/// Why the proxy does not lead there.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub reason: Cow<'static, str>,
    /// Whether another address of the target might do.
    pub address: bool,
}

impl Refused {
    fn new(reason: impl Into<Cow<'static, str>>) -> Refused {
        Refused { reason: reason.into(), address: false }
    }
}

impl Conversation {
    /// Over HTTP. `credentials` are `user:password`.
    pub fn http(target: Target<'_>, credentials: Option<&[u8]>) -> Conversation {
        let authority = match target {
            Target::Name(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Target::Name(host, port) => format!("{host}:{port}"),
            Target::Address(address) => address.to_string(),
        };
        let mut out = Zeroizing::new(Vec::with_capacity(512));
        for part in ["CONNECT ", &authority, " HTTP/1.1\r\nhost: ", &authority, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        if let Some(credentials) = credentials {
            out.extend_from_slice(b"proxy-authorization: Basic ");
            out.extend_from_slice(Zeroizing::new(STANDARD.encode(credentials)).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        Conversation::begun(Stage::Connect, out)
    }

    /// Over SOCKS 5. `credentials` are `user:password`, each of 255 bytes at most; so is the name of a host.
    pub fn socks(target: Target<'_>, credentials: Option<&[u8]>) -> Result<Conversation, Refused> {
        let mut request = vec![5, 1, 0];
        match target {
            Target::Name(host, port) => {
                request.push(3);
                counted(host.as_bytes(), &mut request)?;
                request.extend_from_slice(&port.to_be_bytes());
            }
            Target::Address(SocketAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.ip().octets());
                request.extend_from_slice(&address.port().to_be_bytes());
            }
            Target::Address(SocketAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.ip().octets());
                request.extend_from_slice(&address.port().to_be_bytes());
            }
        }
        let login = match credentials {
            None => None,
            Some(credentials) => {
                let colon = credentials.iter().position(|&byte| byte == b':').unwrap_or(credentials.len());
                // Of one size from the start: a vector that grows leaves copies behind.
                let mut login = Zeroizing::new(Vec::with_capacity(credentials.len() + 3));
                login.push(1);
                counted(&credentials[..colon], &mut login)?;
                counted(credentials.get(colon + 1..).unwrap_or_default(), &mut login)?;
                Some(login)
            }
        };
        let methods: &[u8] = if login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        let begun = Conversation::begun(Stage::Method, Zeroizing::new(methods.to_vec()));
        Ok(Conversation { login, request, ..begun })
    }

    fn begun(stage: Stage, out: Zeroizing<Vec<u8>>) -> Conversation {
        Conversation { stage, out, sent: 0, came: Vec::new(), login: None, request: Vec::new() }
    }

    /// What is to be sent before anything more is read.
    pub fn to_send(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// Says that so many bytes of it have been sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = (self.sent + bytes).min(self.out.len());
    }

    /// Whether the way is open.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Takes what the proxy says.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.came.extend_from_slice(bytes);
        loop {
            let taken = match self.stage {
                Stage::Connect => self.connected()?,
                Stage::Method => self.method()?,
                Stage::Login => self.logged_in()?,
                Stage::Reply => self.reply()?,
                Stage::Open if self.came.is_empty() => return Ok(()),
                Stage::Open => return Err(Refused::new("it says more than was asked")),
            };
            if taken == 0 {
                return Ok(());
            }
            self.came.drain(..taken);
        }
    }

    /// Each stage returns how many bytes of `came` it has used up; none while its answer is not whole.
    fn connected(&mut self) -> Result<usize, Refused> {
        let bounds =
            HeadLimits { head_bytes: limits::PROXY_HEAD_BYTES_MAX, fields: limits::FIELDS_MAX, target_bytes: 0 };
        let head = head::response(&self.came, &mut 0, &mut Fields::new(), Asked::Other, &bounds);
        let Some(head) =
            head.map_err(|malformed| Refused::new(format!("its answer is not valid HTTP: {malformed}")))?
        else {
            return Ok(0);
        };
        match head.status {
            100..=199 => {}
            200..=299 => self.stage = Stage::Open,
            407 => return Err(Refused::new("it refuses the credentials, or lack of them (407)")),
            status => return Err(Refused::new(format!("it answered {status}"))),
        }
        Ok(head.len)
    }

    fn method(&mut self) -> Result<usize, Refused> {
        let &[version, method, ..] = &self.came[..] else { return Ok(0) };
        match (version, method, self.login.take()) {
            (5, 0, _) => self.say_next(Stage::Reply, None),
            (5, 2, Some(login)) => self.say_next(Stage::Login, Some(login)),
            (5, 255, Some(_)) => return Err(Refused::new("it takes neither a user and password nor none")),
            (5, 255, None) => return Err(Refused::new("it asks for credentials")),
            _ => return Err(Refused::new("it does not speak SOCKS 5")),
        }
        Ok(2)
    }

    fn logged_in(&mut self) -> Result<usize, Refused> {
        let &[_version, status, ..] = &self.came[..] else { return Ok(0) };
        if status != 0 {
            return Err(Refused::new("it refuses the credentials"));
        }
        self.say_next(Stage::Reply, None);
        Ok(2)
    }

    fn say_next(&mut self, stage: Stage, login: Option<Zeroizing<Vec<u8>>>) {
        self.stage = stage;
        self.out = login.unwrap_or_else(|| Zeroizing::new(std::mem::take(&mut self.request)));
        self.sent = 0;
    }

    fn reply(&mut self) -> Result<usize, Refused> {
        let &[version, reply, _, kind, first, ..] = &self.came[..] else { return Ok(0) };
        if version != 5 {
            return Err(Refused::new("it does not speak SOCKS 5"));
        }
        if reply != 0 {
            let reason = match reply {
                2 => "its rules forbid this host",
                3 => "the network is unreachable from it",
                4 => "the host is unreachable from it",
                5 => "the host refuses its connection",
                6 => "the host did not answer it in time",
                8 => "it cannot use this kind of address",
                _ => "it could not connect",
            };
            return Err(Refused { reason: reason.into(), address: matches!(reply, 3..=6 | 8) });
        }
        let address = match kind {
            1 => 4,
            3 => 1 + usize::from(first),
            4 => 16,
            _ => return Err(Refused::new("its answer is not valid SOCKS 5")),
        };
        let len = 4 + address + 2;
        if self.came.len() < len {
            return Ok(0);
        }
        self.stage = Stage::Open;
        Ok(len)
    }
}

/// Appends `bytes` behind a byte that counts them.
fn counted(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
    let len = u8::try_from(bytes.len()).map_err(|_| Refused::new("SOCKS 5 has names of 255 bytes at most"))?;
    out.push(len);
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
#[path = "proxy_test.rs"]
mod tests;
