//! Secrets made unreadable in what is recorded of an exchange, before anybody can read it.
//!
//! Masked are the fields of a head that carry credentials, the credentials of its query, every key that the
//! configuration knows and the one that the client has presented, wherever they stand, and the text of JSON members
//! whose names say that they hold a credential.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::base::text::replaced;
use crate::config::Snapshot;
use crate::config::snapshot::Key;
use crate::http::field::{CREDENTIAL_PARAMETERS, names_credential};
use crate::http::uri;

/// What stands where a secret was.
const MASK: &[u8] = b"***";

/// Fields whose value is a credential, beside those by which clients say to weir who they are.
const FIELDS: [&str; 3] = ["set-cookie", "x-amz-security-token", "x-auth-token"];

/// Parameters of a query that are credentials, beside those likewise.
const PARAMETERS: [&[u8]; 3] = [b"access_token", b"api_key", b"token"];

/// Members of JSON whose text is a credential.
const MEMBERS: [&str; 14] = [
    "\"api_key\"",
    "\"apikey\"",
    "\"api-key\"",
    "\"x-api-key\"",
    "\"authorization\"",
    "\"access_token\"",
    "\"refresh_token\"",
    "\"id_token\"",
    "\"client_secret\"",
    "\"secret\"",
    "\"password\"",
    "\"private_key\"",
    "\"auth_token\"",
    "\"authorization_token\"",
];

/// What is looked for.
pub struct Mask {
    secrets: Option<AhoCorasick>,
    /// Bytes of the longest of them.
    longest: usize,
    members: AhoCorasick,
}

impl Mask {
    /// A mask over all secrets that a configuration knows as such.
    pub fn of(snapshot: &Snapshot) -> Mask {
        let keys = snapshot.keys.iter().flat_map(Key::secrets);
        let clients = snapshot.clients.iter().filter(|client| !client.hashed).map(|client| client.key.expose());
        let password = snapshot.admin.password.iter().map(|password| password.expose());
        Mask::new(keys.chain(clients).chain(password))
    }

    /// A mask over these secrets. Very short ones are none: they would be found everywhere.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a [u8]>) -> Mask {
        let secrets: Vec<&[u8]> = secrets.filter(|secret| secret.len() >= crate::limits::SECRET_BYTES_LEAST).collect();
        let whole = |patterns: &[&[u8]]| {
            let mut builder = AhoCorasick::builder();
            // Memory before speed: there may be thousands of keys.
            builder.kind(Some(AhoCorasickKind::ContiguousNFA)).match_kind(MatchKind::LeftmostLongest);
            builder.build(patterns).ok()
        };
        let members = AhoCorasick::builder().ascii_case_insensitive(true).build(MEMBERS);
        Mask {
            longest: secrets.iter().map(|secret| secret.len()).max().unwrap_or(0),
            secrets: if secrets.is_empty() { None } else { whole(&secrets) },
            members: members.expect("a few short names make an automaton"),
        }
    }

    /// Bytes at the end of what was cut that may be the beginning of a secret, which nobody would find.
    pub fn divided(&self, presented: Option<&[u8]>) -> usize {
        self.longest.max(presented.map_or(0, <[u8]>::len)).saturating_sub(1)
    }

    /// `body` without secrets; `presented` is the credential of this exchange.
    pub fn body(&self, body: &[u8], presented: Option<&[u8]>) -> Vec<u8> {
        let body = self.known(body, presented);
        let mut out = Vec::with_capacity(body.len());
        let mut from = 0;
        for found in self.members.find_iter(&body) {
            if found.start() < from {
                continue;
            }
            if let Some((start, end)) = text_after(&body, found.end()) {
                out.extend_from_slice(&body[from..start]);
                out.extend_from_slice(MASK);
                from = end;
            }
        }
        out.extend_from_slice(&body[from..]);
        out
    }

    /// The lines of a head without secrets.
    pub fn head(&self, head: &[u8], presented: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(head.len());
        for (nth, line) in head.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let colon = memchr::memchr(b':', line);
            let name = colon.map_or(&b""[..], |colon| &line[..colon]);
            if nth > 0 && is_credential(name) {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                out.extend_from_slice(MASK);
                out.extend_from_slice(b"\r\n");
            } else if nth == 0 {
                self.target(line, &mut out);
            } else {
                out.extend_from_slice(line);
            }
        }
        self.known(&out, presented)
    }

    /// A request line without the credentials of its query.
    fn target(&self, line: &[u8], out: &mut Vec<u8>) {
        let Some(query) = memchr::memchr(b'?', line) else { return out.extend_from_slice(line) };
        out.extend_from_slice(&line[..=query]);
        let end = memchr::memrchr(b' ', line).filter(|&end| end > query).unwrap_or(line.len());
        for (nth, member) in line[query + 1..end].split(|&byte| byte == b'&').enumerate() {
            if nth > 0 {
                out.push(b'&');
            }
            let name = memchr::memchr(b'=', member).map(|equals| &member[..equals]);
            match name.filter(|name| is_parameter(&uri::decode(name))) {
                Some(name) => {
                    out.extend_from_slice(&member[..=name.len()]);
                    out.extend_from_slice(MASK);
                }
                None => out.extend_from_slice(member),
            }
        }
        out.extend_from_slice(&line[end..]);
    }

    /// `bytes` without the secrets that are known.
    fn known(&self, bytes: &[u8], presented: Option<&[u8]>) -> Vec<u8> {
        let out = match &self.secrets {
            Some(secrets) => {
                let mut out = Vec::with_capacity(bytes.len());
                let mut from = 0;
                for found in secrets.find_iter(bytes) {
                    out.extend_from_slice(&bytes[from..found.start()]);
                    out.extend_from_slice(MASK);
                    from = found.end();
                }
                out.extend_from_slice(&bytes[from..]);
                out
            }
            None => bytes.to_vec(),
        };
        match presented.filter(|presented| presented.len() >= crate::limits::SECRET_BYTES_LEAST) {
            Some(presented) => replaced(&out, presented, MASK),
            None => out,
        }
    }
}

fn is_credential(name: &[u8]) -> bool {
    names_credential(name) || FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// Whether a parameter of this name, decoded as it is where a client's key is looked for, carries one.
fn is_parameter(name: &[u8]) -> bool {
    CREDENTIAL_PARAMETERS.iter().chain(&PARAMETERS).any(|known| name.eq_ignore_ascii_case(known))
}

/// Where the inside of the JSON text lies that is the value of the member whose name ends at `at`; it may be cut.
fn text_after(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let blank = |at: usize| at + bytes[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let colon = blank(at);
    if bytes.get(colon) != Some(&b':') {
        return None;
    }
    let quote = blank(colon + 1);
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let start = quote + 1;
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    Some((start, end.min(bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SECRET_BYTES_LEAST;

    fn mask() -> Mask {
        Mask::new([&b"sk-upstream-1"[..], b"sk-client-22", b"abc"].into_iter())
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn heads_lose_their_credentials() {
        let head = "POST /v1beta/models/m:generateContent?key=AIza-1&alt=sse HTTP/1.1\r\nhost: a\r\n\
                    Authorization: Bearer x\r\nX-API-Key:y\r\ncookie: a=b\r\nx-note: sk-upstream-1!\r\n\r\n";
        let masked = text(mask().head(head.as_bytes(), None));
        let expected = "POST /v1beta/models/m:generateContent?key=***&alt=sse HTTP/1.1\r\nhost: a\r\n\
                        Authorization: ***\r\nX-API-Key: ***\r\ncookie: ***\r\nx-note: ***!\r\n\r\n";
        assert_eq!(masked, expected);
        assert_eq!(mask().head(b"", None), b"");
        assert_eq!(text(mask().head(b"GET /?KEY=a&key=b", None)), "GET /?KEY=***&key=***");
        assert_eq!(text(mask().head(b"GET /?k%65y=a%2Fb&x=key", None)), "GET /?k%65y=***&x=key");
    }

    #[test]
    fn bodies_lose_keys_and_members_that_hold_some() {
        for (body, expected) in [
            (r#"{"a":"sk-client-22","b":"sk-upstream-12"}"#, r#"{"a":"***","b":"***2"}"#),
            (r#"{"api_key" : "se\"cret","x":1}"#, r#"{"api_key" : "***","x":1}"#),
            (r#"{"API_KEY":"s","password":"t","api_key":7}"#, r#"{"API_KEY":"***","password":"***","api_key":7}"#),
            (r#"{"password":"cut sho"#, r#"{"password":"***"#),
            (r#"{"password":"cut\"#, r#"{"password":"***"#),
            (r#"{"password":{"secret":"x"}}"#, r#"{"password":{"secret":"***"}}"#),
            ("abc presented-1 presented-1", "abc *** ***"),
            ("", ""),
        ] {
            assert_eq!(text(mask().body(body.as_bytes(), Some(b"presented-1"))), expected);
        }
        assert_eq!(Mask::new(std::iter::empty()).body(b"sk", None), b"sk");
        let (least, short) = ("k".repeat(SECRET_BYTES_LEAST), "s".repeat(SECRET_BYTES_LEAST - 1));
        let mask = Mask::new([least.as_bytes(), short.as_bytes()].into_iter());
        assert_eq!(text(mask.body(format!("{least} {short}").as_bytes(), None)), format!("*** {short}"));
        for (presented, masked) in [(&least, true), (&short, false)] {
            let told = Mask::new(std::iter::empty()).body(presented.as_bytes(), Some(presented.as_bytes()));
            assert_eq!(text(told), if masked { "***" } else { presented });
        }
    }
}
