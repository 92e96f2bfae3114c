//! Addresses of providers and proxies.
//!
//! People paste what a vendor's page shows them: with or without a version, often a whole endpoint. A known endpoint
//! at the end is taken off; `versioned` then says whether a version segment may still be added.

use super::snapshot::{Base, Proxy, ProxyScheme, Verify};
use crate::base::ascii::{decimal, hex_digit};
use crate::base::secret::Secret;
use crate::protocol::Protocol;
use crate::tls::{ServerName, roots::Trust};

/// Endpoints without their version segment, as vendors' pages show them. Where one ends with another, the longer comes first.
const ENDPOINTS: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses/compact",
    "/responses/input_tokens",
    "/responses",
    "/messages/count_tokens",
    "/messages",
    "/images/generations",
    "/images/edits",
    "/images/variations",
    "/audio/transcriptions",
    "/audio/translations",
    "/audio/speech",
    "/moderations",
    "/rerank",
];

/// Ollama's own endpoints; `/api` belongs to them.
const OLLAMA_ENDPOINTS: &[&str] =
    &["/api/chat", "/api/generate", "/api/embeddings", "/api/embed", "/api/show", "/api/tags", "/api/version", "/api"];

/// A base address and what else the text said.
#[derive(Debug)]
pub struct Parsed {
    /// The address.
    pub base: Base,
    /// `api-version` of a pasted Azure endpoint.
    pub api_version: Option<String>,
}

/// Reads a `base_url`.
pub fn base(text: &str, protocol: Protocol) -> Result<Parsed, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("expected http://… or https://…")?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err("expected http://… or https://…"),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.contains('@') {
        return Err("a credential stands in \"keys\", not in the address");
    }
    let (host, port) = host_port(authority)?;
    let standard = if tls { 443 } else { 80 };
    let port = port.unwrap_or(standard);
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = if port == standard { shown } else { format!("{shown}:{port}") };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    if path.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'"' | b'<' | b'>' | b'\\')) {
        return Err("the path holds a character that an address cannot have");
    }
    let (path, pasted) = strip(path.trim_end_matches('/'), protocol);
    if query.is_some() && !pasted {
        return Err("a query is no part of a base address");
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("the path holds a dot segment");
    }
    let versioned = pasted || path.split('/').any(is_version);
    let api_version = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("api-version=")));
    let base = Base { tls, host: host.into(), port, authority: authority.into(), path: path.into(), versioned };
    Ok(Parsed { base, api_version: api_version.map(str::to_owned) })
}

/// The path without a pasted endpoint, and whether there was one.
fn strip(path: &str, protocol: Protocol) -> (&str, bool) {
    let endpoints = match protocol {
        Protocol::Ollama => OLLAMA_ENDPOINTS,
        Protocol::Azure => {
            // A deployment is chosen by the model of each request.
            let start = path.find("/openai/deployments").or_else(|| Some(path.strip_suffix("/openai")?.len()));
            return start.map_or((path, false), |start| (&path[..start], true));
        }
        Protocol::Chat | Protocol::Responses | Protocol::Anthropic | Protocol::Gemini | Protocol::Demo => ENDPOINTS,
    };
    if let Some(rest) = endpoints.iter().find_map(|endpoint| path.strip_suffix(endpoint)) {
        return (rest.trim_end_matches('/'), true);
    }
    let Some((rest, last)) = path.rsplit_once('/') else { return (path, false) };
    // `…/v1beta/models/NAME:generateContent`; a bare `/models` is some vendors' base, so it must follow a version.
    let list = if last.contains(':') { rest.strip_suffix("/models") } else { Some(rest).filter(|_| last == "models") };
    match list {
        Some(list) if list.rsplit('/').next().is_some_and(is_version) => (list, true),
        _ => (path, false),
    }
}

/// Whether a path segment is a version: `v1`, `v4`, `v1beta`, `v1beta2`, `v1alpha`.
fn is_version(segment: &str) -> bool {
    let Some(rest) = segment.strip_prefix('v') else { return false };
    let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let stage = after.trim_end_matches(|letter: char| letter.is_ascii_digit());
    after.len() < rest.len() && matches!(stage, "" | "alpha" | "beta")
}

/// Host (lower case, IPv6 without brackets) and port of an authority.
fn host_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (v6, after) = rest.split_once(']').ok_or("the host lacks its \"]\"")?;
            v6.parse::<std::net::Ipv6Addr>().map_err(|_| "the host is no IPv6 address")?;
            let port =
                if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or("the port is no port")?) };
            (v6, port)
        }
        None => {
            let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(letter) {
                return Err("the host is no host name (ASCII letters, digits, \"-\" and \".\")");
            }
            (host, port)
        }
    };
    let port = match port.map(|port| decimal(port.as_bytes()).and_then(|port| u16::try_from(port).ok())) {
        None => None,
        Some(Some(port)) if port > 0 => Some(port),
        Some(_) => return Err("the port is no number from 1 to 65535"),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Reads a `proxy`.
pub fn proxy(text: &str) -> Result<Proxy, &'static str> {
    if matches!(text, "direct" | "none") {
        return Ok(Proxy::Direct);
    }
    let form = "expected http://, https://, socks5:// or socks5h:// and an address, or \"direct\"";
    let (scheme, rest) = text.split_once("://").ok_or(form)?;
    let (scheme, standard) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (ProxyScheme::Http, 80),
        "https" => (ProxyScheme::Https, 443),
        "socks5" => (ProxyScheme::Socks5, 1080),
        "socks5h" => (ProxyScheme::Socks5h, 1080),
        _ => return Err(form),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err("a proxy has no path");
    }
    let (user, authority) = rest.rsplit_once('@').map_or((None, rest), |(user, authority)| (Some(user), authority));
    let credentials = match user {
        None => None,
        Some(user) => {
            Some(Secret::new(&percent_decode(user).ok_or("the proxy's credential is not percent-encoded text")?))
        }
    };
    let (host, port) = host_port(authority)?;
    let is_socks = matches!(scheme, ProxyScheme::Socks5 | ProxyScheme::Socks5h);
    if is_socks && credentials.as_ref().is_some_and(|secret: &Secret| !fits_socks(secret.expose())) {
        return Err("a user and a password of SOCKS have 255 bytes at most");
    }
    let verify = match scheme {
        ProxyScheme::Https => {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| "the host is no name that a certificate can be for")?;
            Some(Verify { trust: Trust::system(), name })
        }
        ProxyScheme::Http | ProxyScheme::Socks5 | ProxyScheme::Socks5h => None,
    };
    Ok(Proxy::Via { scheme, host: host.into(), port: port.unwrap_or(standard), credentials, verify })
}

/// Whether `user:password` can be told to a SOCKS proxy (RFC 1929).
fn fits_socks(credentials: &[u8]) -> bool {
    let colon = credentials.iter().position(|&byte| byte == b':').unwrap_or(credentials.len());
    colon <= 255 && credentials.len().saturating_sub(colon + 1) <= 255
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_lose_what_was_pasted_too_much() {
        use Protocol::{Anthropic, Azure, Chat, Gemini, Ollama, Responses};
        let cases = [
            (Chat, "https://api.deepseek.com", "", false),
            (Chat, "https://api.deepseek.com/v1/", "/v1", true),
            (Chat, "https://api.deepseek.com/v1/chat/completions", "/v1", true),
            (Chat, "https://api.perplexity.ai/chat/completions", "", true),
            (Chat, "https://open.bigmodel.cn/api/paas/v4", "/api/paas/v4", true),
            (Chat, "https://g.example/v1beta/openai/", "/v1beta/openai", true),
            (Chat, "https://x.example/models", "/models", false),
            (Chat, "https://x.example/v1/models", "/v1", true),
            (Responses, "https://api.openai.com/v1/responses", "/v1", true),
            (Anthropic, "https://api.anthropic.com/v1/messages", "/v1", true),
            (Anthropic, "https://api.deepseek.com/anthropic", "/anthropic", false),
            (Gemini, "https://g.example/v1beta/models/gemini-2.5-pro:generateContent?key=x", "/v1beta", true),
            (Ollama, "http://127.0.0.1:11434/api/chat", "", true),
            (Ollama, "http://127.0.0.1:11434", "", false),
            (
                Azure,
                "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-06-01",
                "",
                true,
            ),
            (Azure, "https://x.openai.azure.com/openai/", "", true),
        ];
        for (protocol, text, path, versioned) in cases {
            let base = base(text, protocol).unwrap_or_else(|error| panic!("{text}: {error}")).base;
            assert_eq!((&*base.path, base.versioned), (path, versioned), "{text}");
        }
        let azure = base("https://x.example/openai/deployments/d/responses?api-version=2024-06-01", Azure).unwrap();
        assert_eq!(azure.api_version.as_deref(), Some("2024-06-01"));
    }

    #[test]
    fn authorities_are_taken_apart() {
        let cases = [
            ("http://Host.Example", "host.example", 80, "host.example"),
            ("HTTPS://host:443/v1", "host", 443, "host"),
            ("http://host:8080", "host", 8080, "host:8080"),
            ("http://[::1]:8080/v1", "::1", 8080, "[::1]:8080"),
            ("http://[::1]", "::1", 80, "[::1]"),
        ];
        for (text, host, port, authority) in cases {
            let base = base(text, Protocol::Chat).unwrap().base;
            assert_eq!((&*base.host, base.port, &*base.authority), (host, port, authority));
        }
        let bad = [
            "",
            "host",
            "ftp://h",
            "http://",
            "http://h:0",
            "http://h:99999",
            "http://h:",
            "http://u:p@h",
            "http://h/?q",
            "http://h/a b",
            "http://h/../x",
            "http://[::1",
            "http://[x]",
            "http://[::1]x",
            "http://hö.de",
            "http://h/#f",
        ];
        for text in bad {
            assert!(base(text, Protocol::Chat).is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_recognised() {
        for yes in ["v1", "v4", "v10", "v1beta", "v1beta2", "v1alpha"] {
            assert!(is_version(yes), "{yes}");
        }
        for no in ["", "v", "1", "vx", "v1x", "version1", "v1.0", "vbeta"] {
            assert!(!is_version(no), "{no}");
        }
    }

    #[test]
    fn proxies_are_read() {
        let Proxy::Via { scheme, host, port, credentials, verify: None } =
            proxy("socks5h://u:p%40ss@127.0.0.1:1080/").unwrap()
        else {
            panic!("no proxy")
        };
        assert_eq!((scheme, &*host, port), (ProxyScheme::Socks5h, "127.0.0.1", 1080));
        assert!(credentials.unwrap().matches(b"u:p@ss"));
        assert!(matches!(proxy("direct"), Ok(Proxy::Direct)));
        for bad in ["", "127.0.0.1:1", "ftp://h", "http://h/x", "http://", "http://%zz@h"] {
            assert!(proxy(bad).is_err(), "{bad}");
        }
    }
}
