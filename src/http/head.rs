//! Request and response heads, read into spans over the caller's buffer.
//!
//! A head that is there as a whole is parsed, once, by httparse. One that comes in pieces is searched line by line for
//! its end: the search goes on where it stopped, and refuses a bare LF as soon as it sees one. httparse knows tokens;
//! it is lenient about line ends, empty lines, targets and lengths, so those rules are kept here and in `body`. The
//! verdict on some bytes does not depend on the pieces in which they come.

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::body::{self, Framing};
use super::field::members;
use crate::base::ascii;
use crate::base::span::Span;
use crate::limits;

pub use super::field::{Field, Fields, Name};

/// The protocol version of a message; no other is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// A request method; methods are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Trace,
    Connect,
    /// Any other token.
    Other(Span),
}

impl Method {
    /// The token as it stands in a request line; `buf` is the buffer it was read from.
    pub fn text<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Patch => b"PATCH",
            Method::Delete => b"DELETE",
            Method::Options => b"OPTIONS",
            Method::Trace => b"TRACE",
            Method::Connect => b"CONNECT",
            Method::Other(span) => span.of(buf),
        }
    }
}

/// A request line and what the fields say about the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The path as sent: begins with `/`, or is `*`.
    pub path: Span,
    /// The query without its `?`.
    pub query: Option<Span>,
    /// The version.
    pub version: Version,
    /// Bytes of the head with its empty line: the body begins here.
    pub len: usize,
    /// How the end of the body is found.
    pub framing: Framing,
    /// Whether the client wants the connection to stay.
    pub keep_alive: bool,
    /// Whether the client waits for `100 (Continue)` before it sends the body.
    pub expect_continue: bool,
}

/// A status line and what the fields say about the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status, 100 to 599.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The reason phrase, often empty.
    pub reason: Span,
    /// Bytes of the head with its empty line.
    pub len: usize,
    /// How the end of the body is found.
    pub framing: Framing,
    /// Whether the connection can carry another request after the body.
    pub keep_alive: bool,
}

/// What was asked of the server whose response is read: the answer to HEAD has no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD.
    Head,
    /// Any other method.
    Other,
}

/// A request that is not served. The connection closes after the answer: where its message ends is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// What is wrong, for the client.
    pub reason: &'static str,
}

impl Refusal {
    pub(super) const fn bad(reason: &'static str) -> Refusal {
        Refusal { status: 400, reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Refusal {}

/// A response that cannot be read: the upstream is to blame, and its connection is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Malformed {}

/// The grammar of both directions is the same; here the blame moves to the upstream.
impl From<Refusal> for Malformed {
    fn from(refusal: Refusal) -> Malformed {
        Malformed { reason: refusal.reason }
    }
}

/// Bounds of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head; more is 431.
    pub head_bytes: usize,
    /// Field lines, at most `limits::FIELDS_MAX`; more is 431.
    pub fields: usize,
    /// Bytes of a request target; more is 414.
    pub target_bytes: usize,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            head_bytes: limits::HEAD_BYTES_MAX,
            fields: limits::FIELDS_MAX,
            target_bytes: limits::TARGET_BYTES_MAX,
        }
    }
}

/// Reads a request head from the start of `buf`; nothing means that more bytes are needed.
///
/// `searched` belongs to the buffer: zero for a new head, kept between calls while bytes are appended, zero
/// again when a head was found. `fields` is filled anew.
pub fn request(
    buf: &[u8],
    searched: &mut usize,
    fields: &mut Fields,
    limits: &HeadLimits,
) -> Result<Option<RequestHead>, Refusal> {
    fields.clear();
    let start = leading_lines(buf)?;
    let Some(len) = end(buf, start, searched, limits)? else { return Ok(None) };
    let mut slots = [const { MaybeUninit::uninit() }; limits::FIELDS_MAX];
    let slots = &mut slots[..limits.fields.min(limits::FIELDS_MAX)];
    let mut line = httparse::Request::new(&mut []);
    let parsed = line.parse_with_uninit_headers(&buf[start..len], slots);
    if line.path.is_some_and(|target| target.len() > limits.target_bytes) {
        return Err(Refusal { status: 414, reason: "request target too long" });
    }
    match parsed {
        Ok(httparse::Status::Complete(read))
            if start + read == len && are_lines(&buf[start..len], line.headers.len()) => {}
        refused => {
            by_lines(buf, start, &mut 0, limits)?;
            return Err(match refused {
                Ok(_) => Refusal::bad("malformed head"),
                Err(httparse::Error::Version) => version_refusal(&buf[start..len]),
                Err(error) => refusal(error),
            });
        }
    }
    let (Some(method), Some(target), Some(minor)) = (line.method, line.path, line.version) else {
        return Err(Refusal::bad("malformed request line"));
    };
    for header in line.headers.iter() {
        fields.push(field(buf, header));
    }
    let version = version(minor);
    let method = self::method(buf, method)?;
    let target = self::target(buf, method, span(buf, target.as_bytes()))?;
    host(buf, fields, version, target.authority)?;
    let framing = body::of_request(buf, fields, version)?;
    let keep_alive = keep_alive(buf, fields, version)?;
    let expects = expectation(buf, fields)?;
    // Only a 1.1 client waits, and only when it has something to send (RFC 9110 §10.1.1).
    let has_body = !matches!(framing, Framing::Empty | Framing::Sized(0));
    let expect_continue = expects && has_body && version == Version::Http11;
    let (path, query) = (target.path, target.query);
    Ok(Some(RequestHead { method, path, query, version, len, framing, keep_alive, expect_continue }))
}

/// Reads a response head from the start of `buf`; the arguments are those of `request`. A 1xx comes back like
/// any other and the caller reads on behind it, but 101 is refused: nothing here asks for an upgrade.
pub fn response(
    buf: &[u8],
    searched: &mut usize,
    fields: &mut Fields,
    asked: Asked,
    limits: &HeadLimits,
) -> Result<Option<ResponseHead>, Malformed> {
    fields.clear();
    if buf.first().is_some_and(|&first| first != b'H') {
        return Err(Malformed { reason: "malformed status line" });
    }
    let Some(len) = end(buf, 0, searched, limits)? else { return Ok(None) };
    let mut slots = [const { MaybeUninit::uninit() }; limits::FIELDS_MAX];
    let slots = &mut slots[..limits.fields.min(limits::FIELDS_MAX)];
    let mut line = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut line, &buf[..len], slots) {
        Ok(httparse::Status::Complete(read)) if read == len && are_lines(&buf[..len], line.headers.len()) => {}
        refused => {
            by_lines(buf, 0, &mut 0, limits)?;
            return Err(refused.map_or_else(|error| refusal(error).into(), |_| Malformed { reason: "malformed head" }));
        }
    }
    let (Some(status @ 100..=599), Some(minor)) = (line.code, line.version) else {
        return Err(Malformed { reason: "status out of range" });
    };
    if status == 101 {
        return Err(Malformed { reason: "101 unasked" });
    }
    for header in line.headers.iter() {
        fields.push(field(buf, header));
    }
    let version = version(minor);
    let bodiless = asked == Asked::Head || status < 200 || status == 204 || status == 304;
    let framing = body::of_response(buf, fields, version, bodiless)?;
    let keep_alive = keep_alive(buf, fields, version)? && framing != Framing::ToClose;
    Ok(Some(ResponseHead { status, version, reason: reason(&buf[..len]), len, framing, keep_alive }))
}

/// Bytes of the empty lines before a request line, which RFC 9112 §2.2 asks a server to ignore; a few.
fn leading_lines(buf: &[u8]) -> Result<usize, Refusal> {
    let lines = buf.chunks(2).take_while(|&pair| pair == b"\r\n").take(limits::LEADING_LINES_MAX + 1).count();
    match (lines, buf.get(2 * lines..)) {
        (0..=limits::LEADING_LINES_MAX, None | Some([] | [b'\r'])) => Ok(2 * lines),
        (0..=limits::LEADING_LINES_MAX, Some([first, ..])) if ascii::is_tchar(*first) => Ok(2 * lines),
        // Refused at the first byte: a TLS hello to a plain port, a body that nobody announced.
        _ => Err(Refusal::bad("malformed request line")),
    }
}

/// The end of the head that begins at `start`: behind its first empty line.
fn end(buf: &[u8], start: usize, searched: &mut usize, limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
    if *searched == 0
        && let Some(len) = whole(&buf[..buf.len().min(limits.head_bytes)], start)
    {
        return Ok(Some(len));
    }
    by_lines(buf, start, searched, limits)
}

/// The same, line by line.
fn by_lines(buf: &[u8], start: usize, searched: &mut usize, limits: &HeadLimits) -> Result<Option<usize>, Refusal> {
    let window = &buf[..buf.len().min(limits.head_bytes)];
    let from = start.max(*searched).min(window.len());
    for at in memchr::memchr_iter(b'\n', &window[from..]) {
        let lf = from + at;
        if lf == 0 || window[lf - 1] != b'\r' {
            return Err(Refusal::bad("bare LF in the head"));
        }
        // No line at `start` is empty, so the LF two before is that of a line of this head.
        if lf >= start + 2 && window[lf - 2] == b'\n' {
            *searched = 0;
            return Ok(Some(lf + 1));
        }
    }
    *searched = window.len();
    if window.len() < limits.head_bytes {
        return Ok(None);
    }
    match memchr::memchr(b'\n', &window[start.min(window.len())..]) {
        Some(_) => Err(Refusal { status: 431, reason: "head too large" }),
        None => Err(Refusal { status: 414, reason: "request line too long" }),
    }
}

/// The end of a head that came in one piece, as nearly all do. Of its lines nothing is known yet.
fn whole(window: &[u8], start: usize) -> Option<usize> {
    static EMPTY_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    EMPTY_LINE.find(window.get(start..)?).map(|at| start + at + 4)
}

/// Whether each line of a head that httparse took has its CR: the first one, those of the fields and the empty one.
/// httparse takes a CR in front of an LF only. A head that fails here or there is looked at by lines again, for the
/// reason that its pieces would have given.
fn are_lines(head: &[u8], fields: usize) -> bool {
    memchr::memchr_iter(b'\r', head).count() == fields + 2
}

fn refusal(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal { status: 431, reason: "too many fields" },
        httparse::Error::HeaderName => Refusal::bad("malformed field name"),
        httparse::Error::HeaderValue => Refusal::bad("malformed field value"),
        httparse::Error::Status => Refusal::bad("malformed status line"),
        httparse::Error::Version => Refusal::bad("malformed or unknown version"),
        httparse::Error::Token => Refusal::bad("malformed request line"),
        httparse::Error::NewLine => Refusal::bad("malformed line end"),
    }
}

/// A well-formed version that is not ours is 505, such as the preface `PRI * HTTP/2.0`; else 400.
fn version_refusal(head: &[u8]) -> Refusal {
    let line = &head[..memchr::memchr(b'\r', head).unwrap_or(head.len())];
    let mut parts = line.split(|&byte| byte == b' ').skip(2);
    match (parts.next(), parts.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Refusal { status: 505, reason: "only HTTP/1.1 and HTTP/1.0 are spoken" }
        }
        _ => Refusal::bad("malformed request line"),
    }
}

fn version(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

fn method(buf: &[u8], method: &str) -> Result<Method, Refusal> {
    Ok(match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        // TRACE would echo credentials (RFC 9110 §9.3.8); CONNECT asks for a tunnel, which this server never is.
        "TRACE" => return Err(Refusal { status: 405, reason: "TRACE is refused" }),
        "CONNECT" => return Err(Refusal { status: 501, reason: "no tunnels" }),
        other => Method::Other(span(buf, other.as_bytes())),
    })
}

/// A request target (RFC 9112 §3.2) in its parts.
struct Target {
    authority: Option<Span>,
    path: Span,
    query: Option<Span>,
}

fn target(buf: &[u8], method: Method, whole: Span) -> Result<Target, Refusal> {
    let text = whole.of(buf);
    if !text.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::bad("malformed request target"));
    }
    match text {
        b"*" if method == Method::Options => Ok(Target { authority: None, path: whole, query: None }),
        [b'/', ..] => Ok(origin_form(buf, whole.range().start, whole)),
        _ if text.len() > 7 && text[..7].eq_ignore_ascii_case(b"http://") => {
            let start = whole.range().start + 7;
            let authority = text[7..].iter().position(|&byte| matches!(byte, b'/' | b'?'));
            let end = authority.map_or(whole.range().end, |at| start + at);
            let parts = origin_form(buf, end, whole);
            // Without a path the target means `/` (RFC 9110 §4.2.3): the second slash of `//` stands for it.
            let path = if parts.path.is_empty() { Span::new(start - 1, start) } else { parts.path };
            Ok(Target { authority: Some(Span::new(start, end)), path, query: parts.query })
        }
        _ => Err(Refusal::bad("malformed request target")),
    }
}

/// Path and query from `start` to the end of the target.
fn origin_form(buf: &[u8], start: usize, whole: Span) -> Target {
    let end = whole.range().end;
    match memchr::memchr(b'?', &buf[start..end]) {
        Some(at) => {
            let query = Some(Span::new(start + at + 1, end));
            Target { authority: None, path: Span::new(start, start + at), query }
        }
        None => Target { authority: None, path: Span::new(start, end), query: None },
    }
}

/// Host rules of RFC 9112 §3.2: one in HTTP/1.1, well-formed, and not another one than the target names.
fn host(buf: &[u8], fields: &Fields, version: Version, authority: Option<Span>) -> Result<(), Refusal> {
    let mut hosts = fields.all(Name::Host).map(|field| field.value.of(buf));
    let host = match (hosts.next(), hosts.next(), version) {
        (_, Some(_), _) => return Err(Refusal::bad("several Host")),
        (None, _, Version::Http11) => return Err(Refusal::bad("no Host")),
        (host, None, _) => host,
    };
    let authority = authority.map(|authority| authority.of(buf));
    let mut named = host.into_iter().chain(authority);
    if !named.all(is_authority) {
        return Err(Refusal::bad("malformed Host"));
    }
    match (host, authority) {
        (Some(host), Some(authority)) if !without_port_80(host).eq_ignore_ascii_case(without_port_80(authority)) => {
            Err(Refusal::bad("Host differs from the request target"))
        }
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2) with a host that is not empty, as `http` demands (§4.2.1), and no
/// user information.
fn is_authority(text: &[u8]) -> bool {
    let (host_ok, rest) = match text {
        [b'[', inner @ ..] => {
            let Some(close) = memchr::memchr(b']', inner) else { return false };
            let address = std::str::from_utf8(&inner[..close]).ok();
            let valid = address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
            (valid, &inner[close + 1..])
        }
        _ => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            (is_name(&text[..end]), &text[end..])
        }
    };
    let port_ok = match rest {
        [] | [b':'] => true,
        [b':', port @ ..] => ascii::decimal(port).is_some_and(|port| port <= u64::from(u16::MAX)),
        _ => false,
    };
    host_ok && port_ok
}

/// A non-empty `reg-name` or IPv4 address (RFC 3986 §3.2.2).
fn is_name(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => tail,
            (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~', _) => tail,
            (b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=', _) => tail,
            _ => return false,
        };
    }
    !text.is_empty()
}

fn without_port_80(authority: &[u8]) -> &[u8] {
    let authority = authority.strip_suffix(b":80").unwrap_or(authority);
    authority.strip_suffix(b":").unwrap_or(authority)
}

/// Whether the connection stays (RFC 9112 §9.3): `close` wins over `keep-alive`.
fn keep_alive(buf: &[u8], fields: &Fields, version: Version) -> Result<bool, Refusal> {
    let (mut close, mut keep) = (false, false);
    for (at, option) in fields.connection_options(buf).enumerate() {
        if at == limits::CONNECTION_OPTIONS_MAX {
            return Err(Refusal::bad("too many connection options"));
        }
        close |= option.eq_ignore_ascii_case(b"close");
        keep |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    Ok(!close && (keep || version == Version::Http11))
}

/// Whether `100-continue` is expected; there is no other expectation (RFC 9110 §10.1.1).
fn expectation(buf: &[u8], fields: &Fields) -> Result<bool, Refusal> {
    let mut expected = false;
    for value in fields.all(Name::Expect).flat_map(|field| members(field.value.of(buf))) {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal { status: 417, reason: "unknown expectation" });
        }
        expected = true;
    }
    Ok(expected)
}

/// What stands behind the status in the first line, which httparse has checked but returns empty for obs-text.
fn reason(head: &[u8]) -> Span {
    let end = memchr::memchr(b'\r', head).unwrap_or(head.len());
    Span::new("HTTP/1.1 200 ".len().min(end), end)
}

#[inline]
fn field(buf: &[u8], header: &httparse::Header<'_>) -> Field {
    let name = header.name.as_bytes();
    Field { name: span(buf, name), value: span(buf, header.value), known: Name::recognise(name) }
}

/// Where `part`, a piece of `buf`, lies in it.
#[inline]
fn span(buf: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr() as usize - buf.as_ptr() as usize;
    debug_assert!(start + part.len() <= buf.len());
    Span::new(start, start + part.len())
}

#[cfg(test)]
#[path = "head_test.rs"]
mod tests;
