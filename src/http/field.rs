//! Field lines of a head: which are known, which are credentials, which end at this hop.
//!
//! A table of spans over the caller's buffer. A name is recognised once, when the head is read; afterwards
//! a field is asked for by `Name`, and a bit mask answers for those that are absent. Values are never
//! interpreted here, except the list of `Connection`.

use std::borrow::Cow;

use super::uri;
use crate::base::ascii;
use crate::base::span::Span;

macro_rules! names {
    ($($name:ident = $text:literal,)*) => {
        /// A field name that some rule of weir asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $name,)*
            /// Any other field.
            Other,
        }

        const NAMES: &[(Name, &str)] = &[$((Name::$name, $text),)*];
    };
}

names! {
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    AnthropicBeta = "anthropic-beta",
    AnthropicVersion = "anthropic-version",
    ApiKey = "api-key",
    Authorization = "authorization",
    Close = "close",
    Connection = "connection",
    ContentEncoding = "content-encoding",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    KeepAlive = "keep-alive",
    Origin = "origin",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    ProxyConnection = "proxy-connection",
    RequestId = "request-id",
    RetryAfter = "retry-after",
    SecWebSocketProtocol = "sec-websocket-protocol",
    Server = "server",
    SetCookie = "set-cookie",
    Te = "te",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    XApiKey = "x-api-key",
    XForwardedFor = "x-forwarded-for",
    XGoogApiKey = "x-goog-api-key",
    XRequestId = "x-request-id",
}

const NAME_BYTES_MAX: usize = 30;
const BUCKET_NAMES_MAX: usize = 5;

/// The known names by length; a bucket ends with its first `Other`. One that is too small does not compile.
const BY_LENGTH: [[Name; BUCKET_NAMES_MAX + 1]; NAME_BYTES_MAX + 1] = {
    let mut buckets = [[Name::Other; BUCKET_NAMES_MAX + 1]; NAME_BYTES_MAX + 1];
    let mut used = [0; NAME_BYTES_MAX + 1];
    let mut at = 0;
    while at < NAMES.len() {
        let length = NAMES[at].1.len();
        assert!(used[length] < BUCKET_NAMES_MAX);
        buckets[length][used[length]] = NAMES[at].0;
        used[length] += 1;
        at += 1;
    }
    buckets
};

const _: () = assert!(NAMES.len() < 64, "`Fields` keeps the names it has in 64 bits");

impl Name {
    /// The known name that the token `bytes` spells in any case.
    pub fn recognise(bytes: &[u8]) -> Name {
        let Some(bucket) = BY_LENGTH.get(bytes.len()) else { return Name::Other };
        for &name in bucket {
            if name == Name::Other || spells(name.text().as_bytes(), bytes) {
                return name;
            }
        }
        Name::Other
    }

    /// The name in lower case; empty for `Other`.
    #[inline]
    pub const fn text(self) -> &'static str {
        match self {
            Name::Other => "",
            known => NAMES[known as usize].1,
        }
    }

    #[inline]
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Whether a token is `text`, of the same length and in letters and hyphens only, but for the case. Eight bytes
/// at a time: bit 5 makes a letter small, leaves a hyphen, and makes either of them from no other `tchar`.
#[inline]
fn spells(text: &[u8], token: &[u8]) -> bool {
    const SMALL: u64 = 0x2020_2020_2020_2020;
    let same = |token: &[u8; 8], text: &[u8; 8]| u64::from_ne_bytes(*token) | SMALL == u64::from_ne_bytes(*text);
    // Of names of one length few end in the same letters: the last eight bytes are looked at first, and the first
    // eight again where the words between them do not fill the name.
    if let (Some(end), Some(text_end)) = (token.last_chunk(), text.last_chunk()) {
        let (words, text_words) = (token.as_chunks().0, text.as_chunks().0);
        // By index: pairs by `zip` are not made inline here and cost ten times as much.
        return same(end, text_end) && words.iter().enumerate().all(|(at, word)| same(word, &text_words[at]));
    }
    let halves = (token.first_chunk::<4>(), token.last_chunk::<4>(), text.first_chunk::<4>(), text.last_chunk::<4>());
    if let (Some(first), Some(last), Some(text_first), Some(text_last)) = halves {
        let same =
            |token: &[u8; 4], text: &[u8; 4]| u32::from_ne_bytes(*token) | SMALL as u32 == u32::from_ne_bytes(*text);
        return same(first, text_first) && same(last, text_last);
    }
    token.iter().enumerate().all(|(at, byte)| byte | 0x20 == text[at])
}

/// Fields that speak about one connection and so end here (RFC 9110 §7.6.1), or that the next hop gets from
/// us: its framing, its `Host`, its expectation. IANA reserves `Close`, because the option would nominate it.
/// `Cookie` is between a browser and us only.
const ENDS_HERE: u64 = Name::Close.bit()
    | Name::Connection.bit()
    | Name::ContentLength.bit()
    | Name::Cookie.bit()
    | Name::Expect.bit()
    | Name::Host.bit()
    | Name::KeepAlive.bit()
    | Name::Te.bit()
    | Name::Trailer.bit()
    | Name::TransferEncoding.bit()
    | Name::Upgrade.bit();

/// Fields by which a client says who it is to us; never sent upstream.
const CREDENTIALS: u64 = Name::ApiKey.bit()
    | Name::Authorization.bit()
    | Name::Cookie.bit()
    | Name::ProxyAuthorization.bit()
    | Name::SecWebSocketProtocol.bit()
    | Name::XApiKey.bit()
    | Name::XGoogApiKey.bit();

/// Query parameters that carry a client's key; never sent upstream (see `uri::without`).
pub const CREDENTIAL_PARAMETERS: [&[u8]; 2] = [b"key", b"auth_token"];
/// What stands before a key among the protocols that a WebSocket's client offers.
pub const SOCKET_KEY: &[u8] = b"openai-insecure-api-key.";

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as written.
    pub name: Span,
    /// The value without blanks around it.
    pub value: Span,
    /// The name as recognised.
    pub known: Name,
}

/// The field lines of one head in their order; kept by the caller and filled again for the next head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    list: Vec<Field>,
    present: u64,
}

impl Fields {
    /// An empty table; it allocates with the first field.
    pub const fn new() -> Fields {
        Fields { list: Vec::new(), present: 0 }
    }

    /// Forgets the fields and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.present = 0;
    }

    /// Adds a field line at the end.
    #[inline]
    pub fn push(&mut self, field: Field) {
        self.present |= field.known.bit();
        self.list.push(field);
    }

    /// All field lines in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    /// How many field lines there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first field of this name.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&Field> {
        self.all(name).next()
    }

    /// Every field of this name, in order.
    #[inline]
    pub fn all(&self, name: Name) -> impl Iterator<Item = &Field> {
        let list = if self.present & name.bit() == 0 { &[] } else { self.list.as_slice() };
        list.iter().filter(move |field| field.known == name)
    }

    /// The value of the first field of this name.
    #[inline]
    pub fn value<'a>(&self, buf: &'a [u8], name: Name) -> Option<&'a [u8]> {
        Some(self.get(name)?.value.of(buf))
    }

    /// The members of all `Connection` fields: `close`, `keep-alive`, and names of fields that end here.
    #[inline]
    pub fn connection_options<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.members(buf, Name::Connection).filter(|option| !option.is_empty())
    }

    /// The members of all fields of this name, whose values are lists; empty ones too.
    #[inline]
    pub fn members<'b>(&self, buf: &'b [u8], name: Name) -> impl Iterator<Item = &'b [u8]> {
        self.all(name).flat_map(|field| members(field.value.of(buf)))
    }

    /// The fields that go on to the next hop: not those of this hop alone, and not those that `Connection`
    /// nominates (RFC 9110 §7.6.1).
    pub fn onward<'a>(&'a self, buf: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        // Nearly always there are no other options than these two, whose fields end here anyway.
        let usual = |option: &[u8]| [&b"keep-alive"[..], b"close"].iter().any(|name| option.eq_ignore_ascii_case(name));
        let nominates = self.connection_options(buf).any(|option| !usual(option));
        let nominated = move |name: &[u8]| {
            nominates && self.connection_options(buf).any(|option| option.eq_ignore_ascii_case(name))
        };
        self.iter().filter(move |field| !ends_here(buf, field) && !nominated(field.name.of(buf)))
    }
}

/// Whether a field speaks to this hop alone by its name.
#[inline]
fn ends_here(buf: &[u8], field: &Field) -> bool {
    let name = field.name.of(buf);
    ENDS_HERE & field.known.bit() != 0 || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"proxy-"))
}

/// The members of a list value without blanks, empty ones too (RFC 9110 §5.6.1).
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(ascii::trim)
}

/// Whether the field carries what a client uses to be let in; the relay removes all of them.
#[inline]
pub fn is_credential(field: &Field) -> bool {
    CREDENTIALS & field.known.bit() != 0
}

/// Whether a field of this name does.
pub fn names_credential(name: &[u8]) -> bool {
    CREDENTIALS & Name::recognise(name).bit() != 0
}

/// The key that the client presents. Several may be there, as Claude Code sends a bearer token and an
/// `x-api-key` at once: the first in this order counts. One that is empty counts as absent.
pub fn credentials<'a>(buf: &'a [u8], fields: &Fields, query: Option<&'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let bearer = fields.all(Name::Authorization).filter_map(|field| bearer(field.value.of(buf)));
    let named = [Name::XApiKey, Name::ApiKey, Name::XGoogApiKey];
    let named = named.into_iter().flat_map(|name| fields.all(name)).map(|field| field.value.of(buf));
    // A page can set no other field of a WebSocket's handshake.
    let offered = fields.members(buf, Name::SecWebSocketProtocol);
    let offered = offered.filter_map(|protocol| protocol.strip_prefix(SOCKET_KEY));
    if let Some(key) = bearer.chain(named).chain(offered).find(|key| !key.is_empty()) {
        return Some(Cow::Borrowed(key));
    }
    let query = query?;
    CREDENTIAL_PARAMETERS.iter().find_map(|wanted| {
        let found = uri::query(query).find(|(name, value)| *uri::decode(name) == **wanted && !value.is_empty());
        found.map(|(_, value)| uri::decode(value))
    })
}

/// The token of `Bearer token`; the scheme in any case (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| ascii::trim(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Fields {
        let mut fields = Fields::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let (name, value) = line.trim_end().split_once(": ").unwrap_or((line.trim_end(), ""));
            let start = (at + name.len() + 2).min(at + line.len() - 1);
            fields.push(Field {
                name: Span::new(at, at + name.len()),
                value: Span::new(start, start + value.len()),
                known: Name::recognise(name.as_bytes()),
            });
            at += line.len();
        }
        fields
    }

    #[test]
    fn every_known_name_is_recognised_in_any_case() {
        for &(name, text) in NAMES {
            assert_eq!(Name::recognise(text.as_bytes()), name);
            assert_eq!(Name::recognise(text.to_ascii_uppercase().as_bytes()), name);
            assert_eq!(Name::recognise(&text.as_bytes()[1..]), Name::Other);
            assert_eq!(name.text(), text);
        }
        // Every token of one changed byte, so that no other character folds into a letter or the hyphen.
        for &(name, text) in NAMES {
            for (at, byte) in (0..text.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut near = text.as_bytes().to_vec();
                near[at] = byte;
                if ascii::is_tchar(byte) && !byte.eq_ignore_ascii_case(&text.as_bytes()[at]) {
                    assert_ne!(Name::recognise(&near), name, "{}", near.escape_ascii());
                }
            }
        }
        for other in ["", "x", "hosts", "x-stainless-lang", "content_length", &"a".repeat(300)] {
            assert_eq!(Name::recognise(other.as_bytes()), Name::Other);
        }
    }

    #[test]
    fn a_key_is_found_in_the_order_of_the_contract() {
        let all = "authorization: bEaReR  sk-1 \nx-api-key: sk-2\napi-key: sk-3\nx-goog-api-key: sk-4\n";
        for (skip, expected) in ["sk-1", "sk-2", "sk-3", "sk-4", "a+b/c", "t"].into_iter().enumerate() {
            let text: String = all.split_inclusive('\n').skip(skip).collect();
            let query = if skip < 5 { &b"alt=sse&auth_token=t&%6bey=a%2Bb/c"[..] } else { b"key=&auth_token=t" };
            let found = credentials(text.as_bytes(), &table(&text), Some(query));
            assert_eq!(found.as_deref(), Some(expected.as_bytes()), "{text}");
        }
        for none in
            ["", "authorization: Basic YTpi\n", "authorization: Bearer \n", "authorization: Bearer\n", "cookie: a=b\n"]
        {
            assert_eq!(credentials(none.as_bytes(), &table(none), Some(b"keys=1&x")), None, "{none}");
        }
    }

    #[test]
    fn nominated_and_proxy_fields_end_here() {
        let text = "connection: close, X-Hop ,,te\nx-hop: 1\nproxy-status: 1\ncookie: a\nx-stay: 1\nhost: a\nCONNECTION: x-two\nX-TWO: 1\n";
        let fields = table(text);
        let names = |text: &'static str, fields: &Fields| -> Vec<&str> {
            fields.onward(text.as_bytes()).map(|field| &text[field.name.range()]).collect()
        };
        assert_eq!(names(text, &fields), ["x-stay"]);
        let usual = "connection: Keep-Alive, close\nkeep-alive: 5\nclose: 1\nproxy-\nproxy: 1\nx: 1\n";
        assert_eq!(names(usual, &table(usual)), ["proxy", "x"]);
    }

    #[test]
    fn every_form_of_credential_is_stripped() {
        let text = "authorization: a\nx-api-key: a\napi-key: a\nx-goog-api-key: a\ncookie: a\nproxy-authorization: a\n";
        assert!(table(text).iter().all(is_credential));
        assert!(!table("content-type: a\nx-stainless-os: b\n").iter().any(is_credential));
    }
}
