//! Which models a provider has, and where its address really is: found out by asking for its list in the ways that
//! vendors have for it.
//!
//! First as the address was given, then with the paths that others use, then as if it spoke another protocol. A refused key
//! or an address that cannot be reached ends the search, for every further question would be answered the same. What
//! answers with a list of models says what the address and the protocol are.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::{call, probe};
use crate::config::snapshot::{Key, Provider, Snapshot};
use crate::config::{self, Outside, Overrides};
use crate::limits;
use crate::plan::addresses::{self, AddressBook};
use crate::protocol::Protocol;

/// Where a provider's list of models is.
pub(crate) fn list_path(provider: &Provider) -> String {
    let base = &provider.base;
    let version = if base.versioned { "" } else { "/v1" };
    match provider.protocol {
        Protocol::Gemini if !base.versioned => format!("{}/v1beta/models", base.path),
        Protocol::Ollama => format!("{}/api/tags", base.path),
        Protocol::Azure => format!("{}/openai/models?api-version={}", base.path, provider.api_version),
        Protocol::Chat | Protocol::Responses | Protocol::Anthropic | Protocol::Gemini | Protocol::Demo => {
            format!("{}{version}/models", base.path)
        }
    }
}

/// What is known of a provider before it is asked.
#[derive(Clone, Debug, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// Its address, as it was pasted.
    pub base_url: String,
    /// Its key, if it needs one.
    pub key: String,
    /// What it is said to speak. Default `chat`.
    pub protocol: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it speaks.
    pub protocol: &'static str,
    /// Its address.
    pub base_url: String,
    /// Its models, sorted.
    pub models: Vec<String>,
}

impl Found {
    /// As the API tells it.
    pub(super) fn told(&self) -> Value {
        json!({ "protocol": self.protocol, "base_url": self.base_url, "models": self.models })
    }
}

/// The protocols that are tried after the one that was given.
const PROTOCOLS: [&str; 5] = ["chat", "anthropic", "gemini", "azure", "ollama"];
/// Paths that vendors have for the list, behind the path of the address.
const PATHS: [&str; 5] = ["/models", "/v1/models", "/api/models", "/api/v1/models", "/v2/models"];

/// Asks. Blocks for as long as it takes, each question for ten seconds at most. The error says why nothing was found.
pub fn discover(given: &Given) -> Result<Found, String> {
    let first = given.protocol.as_deref().unwrap_or("chat");
    let mut last = String::new();
    for protocol in [first].into_iter().chain(PROTOCOLS.into_iter().filter(|protocol| *protocol != first)) {
        let snapshot = match snapshot(given, protocol) {
            Ok(snapshot) => snapshot,
            Err(why) if protocol == first => return Err(why),
            // An address that is none for this protocol.
            Err(_) => continue,
        };
        let (provider, key) = (&snapshot.providers[0], &snapshot.keys[0]);
        let book = resolved(&snapshot)?;
        let own = list_path(provider);
        let others = PATHS.iter().map(|path| format!("{}{path}", provider.base.path)).filter(|path| *path != own);
        // The paths of others make sense for those whose lists look alike.
        let others: Vec<String> = others.filter(|_| matches!(protocol, "chat" | "responses")).collect();
        for path in std::iter::once(own.clone()).chain(others) {
            match ask(provider, key, &book, &path) {
                Ok((200..=299, Some(models))) => {
                    return Ok(Found {
                        protocol: provider.protocol.name(),
                        base_url: base_of(provider, &path),
                        models,
                    });
                }
                Ok((status @ (401 | 403), _)) => return Err(format!("{path} refused the key ({status})")),
                Ok((200..=299, None)) => last = format!("{path} answered with something else than a list of models"),
                Ok((status, _)) => last = format!("{path} answered {status}"),
                Err(error) => return Err(format!("{}: {error}", provider.base.authority)),
            }
        }
    }
    Err(format!("no list of models was found; lastly, {last}; models can be written into the file by hand"))
}

/// The models of a provider of the configuration.
pub(super) fn list(provider: &Provider, key: &Key, book: &AddressBook) -> Result<Vec<String>, String> {
    match ask(provider, key, book, &list_path(provider)) {
        Ok((200..=299, Some(models))) => Ok(models),
        Ok((200..=299, None)) => Err("it answered with something else than a list of models".to_owned()),
        Ok((status, _)) => Err(format!("it answered {status}")),
        Err(error) => Err(error.to_string()),
    }
}

fn ask(provider: &Provider, key: &Key, book: &AddressBook, path: &str) -> io::Result<(u16, Option<Vec<String>>)> {
    let request = probe::head(provider, key, provider.protocol, path.as_bytes(), None);
    let reply = call::call(provider, key, book, &request, Duration::from_millis(limits::DOCTOR_MS_MAX))?;
    Ok((reply.head.status, models(&reply.body)))
}

/// A configuration of this provider alone.
fn snapshot(given: &Given, protocol: &str) -> Result<Snapshot, String> {
    let keys = if given.key.is_empty() { json!([]) } else { json!([given.key]) };
    let provider = json!({ "protocol": protocol, "base_url": given.base_url, "keys": keys });
    let text = json!({ "listen": "127.0.0.1:0", "providers": { "asked": provider } }).to_string();
    let outside = Outside { env: &|_| None, read: &|_| Err(io::ErrorKind::NotFound.into()), path: None, shared: false };
    let reading = config::read(text.as_bytes(), &outside, &Overrides::default());
    let why = || {
        let errors = reading.problems.iter().filter(|problem| problem.severity == config::Severity::Error);
        errors.map(|problem| problem.message.clone()).next().unwrap_or_default()
    };
    let why = why();
    reading.snapshot.ok_or(why)
}

fn resolved(snapshot: &Snapshot) -> Result<AddressBook, String> {
    use std::net::ToSocketAddrs as _;
    let mut book = Vec::new();
    for (host, port) in addresses::hosts(snapshot) {
        let found = (host, port).to_socket_addrs().map_err(|error| format!("{host} cannot be resolved: {error}"))?;
        book.push((host.into(), port, found.take(limits::ADDRESSES_PER_HOST_MAX).collect()));
    }
    Ok(AddressBook::new(book))
}

/// The address under which a list was found at `path`.
fn base_of(provider: &Provider, path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let ends = ["/openai/models", "/api/tags", "/models"];
    let path = ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path);
    let scheme = if provider.base.tls { "https" } else { "http" };
    format!("{scheme}://{}{path}", provider.base.authority)
}

/// The names in a list of models, in each of the shapes that there are; nothing if it is none of them, or empty.
fn models(body: &[u8]) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = value.as_array().or_else(|| value["data"].as_array()).or_else(|| value["models"].as_array())?;
    let name = |entry: &Value| {
        let name = entry.as_str().or_else(|| entry["id"].as_str()).or_else(|| entry["name"].as_str())?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    let mut names: Vec<String> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn lists_are_read_in_every_shape() {
        for (text, expected) in [
            (r#"{"object":"list","data":[{"id":"b","object":"model"},{"id":"a"}]}"#, Some(vec!["a", "b"])),
            (r#"["a","b","a"]"#, Some(vec!["a", "b"])),
            (r#"{"data":["x"]}"#, Some(vec!["x"])),
            (r#"{"models":[{"name":"models/gemini-x"}]}"#, Some(vec!["gemini-x"])),
            (r#"{"models":[{"name":"qwen3:8b","model":"qwen3:8b"}]}"#, Some(vec!["qwen3:8b"])),
            (r#"{"data":[]}"#, None),
            ("<html>", None),
            (r#"{"error":{}}"#, None),
        ] {
            let expected: Option<Vec<String>> = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(models(text.as_bytes()), expected, "{text}");
        }
    }

    /// A server that has a list at one path, and 404 or another status everywhere else.
    fn server(path: &'static str, header: &'static str, list: &'static str, otherwise: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
                let is_it = head.starts_with(&format!("get {path} ")) && head.contains(header);
                let (status, body) = if is_it { (200, list) } else { (otherwise, "{}") };
                let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        });
        port
    }

    fn found(port: u16, path: &str, protocol: Option<&str>) -> Result<Found, String> {
        let base_url = format!("http://127.0.0.1:{port}{path}");
        discover(&Given { base_url, key: "canary-key".to_owned(), protocol: protocol.map(str::to_owned) })
    }

    #[test]
    fn a_wrong_address_and_a_wrong_protocol_are_corrected() {
        let list = r#"{"data":[{"id":"m"}]}"#;
        let expected = |protocol, base_url: String| Ok(Found { protocol, base_url, models: vec!["m".to_owned()] });
        let at = |port, path: &str| format!("http://127.0.0.1:{port}{path}");
        let port = server("/v1/models", "authorization: bearer canary-key", list, 404);
        assert_eq!(found(port, "", None), expected("chat", at(port, "/v1")));
        assert_eq!(found(port, "/v1/chat/completions", None), expected("chat", at(port, "/v1")));
        let port = server("/api/v1/models", "authorization: bearer canary-key", list, 404);
        assert_eq!(found(port, "", None), expected("chat", at(port, "/api/v1")));
        let port = server("/v1/models", "x-api-key: canary-key", list, 404);
        assert_eq!(found(port, "", Some("chat")), expected("anthropic", at(port, "/v1")));
        let port = server("/v1beta/models", "x-goog-api-key: canary-key", r#"{"models":[{"name":"models/m"}]}"#, 404);
        assert_eq!(found(port, "", None), expected("gemini", at(port, "/v1beta")));
        let port = server("/api/tags", "authorization", r#"{"models":[{"name":"m"}]}"#, 404);
        assert_eq!(found(port, "", None), expected("ollama", at(port, "")));
    }

    #[test]
    fn a_refused_key_and_a_dead_address_end_the_search() {
        let why = found(server("/nowhere", "", "", 401), "", None).unwrap_err();
        assert!(why.contains("refused the key (401)") && !why.contains("canary"), "{why}");
        let why = found(server("/nowhere", "", "", 404), "", None).unwrap_err();
        assert!(why.contains("no list of models was found"), "{why}");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        assert!(found(port, "", None).unwrap_err().contains("127.0.0.1"));
        assert!(found(1, "no address", Some("chat")).is_err());
    }
}
