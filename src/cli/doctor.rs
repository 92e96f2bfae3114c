//! `weir doctor`: what this machine offers, and whether each provider can be reached.
//!
//! Every finding is one line that begins with `ok`, `warn` or `fail`. Keys are tried only if asked, with a
//! request that costs nothing (the list of models), and are told by name.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use super::{Done, Machine, Probe, env, read, written};
use crate::config::Overrides;
use crate::config::snapshot::{DriverChoice, Key, Provider};
use crate::control::discover::list_path;
use crate::limits;
use crate::protocol::Protocol;
use crate::tls;

/// How a finding is to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Ok,
    Warn,
    Fail,
}

struct Findings<'a> {
    out: &'a mut dyn Write,
    worst: u8,
}

impl Findings<'_> {
    fn say(&mut self, mark: Mark, what: &str) -> Result<(), String> {
        let (word, code) = match mark {
            Mark::Ok => ("ok  ", 0),
            Mark::Warn => ("warn", 2),
            Mark::Fail => ("fail", 1),
        };
        // A failure (1) outweighs a warning (2), as in `weir check`.
        self.worst = match (self.worst, code) {
            (1, _) | (_, 1) => 1,
            (worst, code) => worst.max(code),
        };
        written(writeln!(self.out, "{word} {what}"))
    }
}

/// Looks at everything. Exits with 0 if all is well, 1 if anything fails, 2 if there are only warnings.
pub(super) fn doctor(path: &Path, probe_keys: bool, probe: Probe, out: &mut dyn Write) -> Done {
    let mut findings = Findings { out, worst: 0 };
    let reading = read(path, &Overrides::default(), env, |path| std::fs::read_to_string(path));
    let choice = reading.snapshot.as_ref().map_or(DriverChoice::Auto, |snapshot| snapshot.driver);
    machine(&probe(choice), &mut findings)?;
    let Some(snapshot) = reading.snapshot else {
        findings.say(Mark::Fail, &format!("{} has errors; `weir check` says which", path.display()))?;
        return Ok(findings.worst);
    };
    findings.say(Mark::Ok, &format!("{} is valid", path.display()))?;
    if snapshot.providers.iter().any(|provider| provider.base.tls) {
        findings.say(Mark::Ok, &format!("TLS: {}", tls::roots::system()))?;
    }
    for (provider, index) in snapshot.providers.iter().zip(0_u16..) {
        let addresses = reach(provider, &mut findings)?;
        for (_, key) in snapshot.keys_of(index).filter(|(_, key)| probe_keys && !key.disabled) {
            let name = format!("provider {} key {}", provider.name, key.name);
            let Some(address) = addresses.first() else { continue };
            match request(provider, key, *address) {
                Ok(status @ 200..=299) => findings.say(Mark::Ok, &format!("{name}: accepted ({status})"))?,
                Ok(status @ (401 | 403)) => findings.say(Mark::Fail, &format!("{name}: refused ({status})"))?,
                Ok(status) => findings.say(Mark::Warn, &format!("{name}: the provider answers {status}"))?,
                Err(error) => findings.say(Mark::Fail, &format!("{name}: {error}"))?,
            }
        }
    }
    Ok(findings.worst)
}

fn machine(machine: &Machine, findings: &mut Findings<'_>) -> Result<(), String> {
    match &machine.driver {
        Ok(report) if report.name == "io_uring" => {
            findings.say(Mark::Ok, &format!("driver io_uring ({})", report.why))?
        }
        Ok(report) => findings.say(Mark::Warn, &format!("driver {} ({})", report.name, report.why))?,
        Err(why) => findings.say(Mark::Fail, &format!("driver: {why}"))?,
    }
    if let Some((soft, hard)) = machine.descriptors {
        // Each connection of a client may need one to its upstream.
        let enough = 2 * limits::CONNECTIONS_MAX as u64;
        let told = format!("open files: {soft}, may be raised to {hard}");
        match hard < enough {
            true => findings.say(
                Mark::Warn,
                &format!("{told}; {enough} serve as many connections as limits.connections allows by default: raise LimitNOFILE= of the unit, or `ulimit -Hn`"),
            )?,
            false => findings.say(Mark::Ok, &told)?,
        }
    }
    if let Some((soft, hard)) = machine.locked_memory {
        let show = |bytes| if bytes == u64::MAX { "unlimited".to_owned() } else { format!("{} KiB", bytes / 1024) };
        findings.say(Mark::Ok, &format!("locked memory: {}, may be raised to {}", show(soft), show(hard)))?;
    }
    Ok(())
}

fn reach(provider: &Provider, findings: &mut Findings<'_>) -> Result<Vec<SocketAddr>, String> {
    let (name, host, port) = (&provider.name, &*provider.base.host, provider.base.port);
    if host.is_empty() {
        findings.say(Mark::Ok, &format!("provider {name}: inside weir"))?;
        return Ok(Vec::new());
    }
    let addresses: Vec<SocketAddr> = match (host, port).to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => {
            findings.say(Mark::Fail, &format!("provider {name}: {host} cannot be resolved: {error}"))?;
            return Ok(Vec::new());
        }
    };
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    let mut last = None;
    for address in &addresses {
        match link(provider, *address) {
            Ok(_link) => {
                let how = if provider.base.tls { "connects, and its certificate holds" } else { "connects" };
                findings.say(Mark::Ok, &format!("provider {name}: {shown} {how}"))?;
                return Ok(addresses);
            }
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or("no address".to_owned(), |error| error.to_string());
    findings.say(Mark::Fail, &format!("provider {name}: {shown} does not connect: {why}"))?;
    Ok(Vec::new())
}

/// A connection to a provider.
trait Link: Read + Write {}

impl<T: Read + Write> Link for T {}

/// Connects as the relay would without a proxy: over TLS where the provider is reached over https.
fn link(provider: &Provider, address: SocketAddr) -> io::Result<Box<dyn Link>> {
    let bound = Duration::from_millis(limits::DOCTOR_MS_MAX);
    let mut stream = TcpStream::connect_timeout(&address, bound)?;
    stream.set_read_timeout(Some(bound))?;
    stream.set_write_timeout(Some(bound))?;
    let Some(verify) = &provider.tls else { return Ok(Box::new(stream)) };
    let config = tls::party::client(&verify.trust);
    let mut session = rustls::ClientConnection::new(config, verify.name.clone()).map_err(refused)?;
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(error) => refused(error),
            Err(error) => error,
        })?;
    }
    Ok(Box::new(rustls::StreamOwned::new(session, stream)))
}

fn refused(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, tls::reason(&error))
}

/// Asks for the list of models with a key, and says the status of the answer.
fn request(provider: &Provider, key: &Key, address: SocketAddr) -> io::Result<u16> {
    let mut stream = link(provider, address)?;
    let (target, base) = (list_path(provider), &provider.base);
    let mut head = format!("GET {target} HTTP/1.0\r\nhost: {}\r\n", base.authority).into_bytes();
    if provider.protocol == Protocol::Anthropic {
        head.extend_from_slice(b"anthropic-version: 2023-06-01\r\n");
    }
    head.extend_from_slice(key.auth.expose());
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head)?;
    let mut answer = Vec::new();
    // The status line is enough, however the connection ends behind it.
    let read = stream.take(1_024).read_to_end(&mut answer);
    if answer.is_empty() {
        read?;
    }
    let line = answer.split(|&byte| byte == b' ').nth(1);
    let status = line.and_then(crate::base::ascii::decimal).and_then(|status| u16::try_from(status).ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::DriverReport;

    fn ring(_: DriverChoice) -> Machine {
        let driver = Ok(DriverReport { name: "io_uring", why: "auto".to_owned() });
        Machine { driver, descriptors: Some((1_024, 1 << 20)), locked_memory: Some((8 << 20, u64::MAX)) }
    }

    /// A provider that answers one probe and says what it was sent.
    fn provider(status: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = std::thread::spawn(move || {
            // The first connection only shows that there is somebody.
            drop(listener.accept().expect("a look"));
            let (mut stream, _) = listener.accept().expect("a probe");
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a head") == 1 {
                head.push(byte[0]);
            }
            write!(stream, "HTTP/1.1 {status}\r\n\r\n").expect("an answer");
            String::from_utf8(head).expect("text")
        });
        (port, serving)
    }

    fn seen(text: &str, probe_keys: bool) -> (u8, String) {
        let path = std::env::temp_dir().join(format!(
            "weir-doctor-{}-{:?}.json",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, text).expect("written");
        let mut out = Vec::new();
        let code = doctor(&path, probe_keys, ring, &mut out);
        let _ = std::fs::remove_file(&path);
        (code.expect("written"), String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_key_is_tried_at_its_provider_and_never_shown() {
        for (status, code, said) in
            [("200 OK", 0, "key first: accepted (200)"), ("401 No", 1, "key first: refused (401)")]
        {
            let (port, serving) = provider(status);
            let text = format!(
                r#"{{ "clients": {{ "a": {{ "key": "env:PATH" }} }}, "providers": {{ "p": {{ "protocol": "chat", "base_url": "http://127.0.0.1:{port}/v1",
                     "keys": [{{ "name": "first", "key": "canary-key" }}] }} }}, "routes": {{ "r": {{ "to": ["p/m"] }} }} }}"#
            );
            let (found, text) = seen(&text, true);
            assert!(text.contains(said), "{text}");
            assert_eq!(found, code, "{text}");
            assert!(!text.contains("canary"), "{text}");
            let head = serving.join().expect("no panic");
            assert!(head.starts_with("GET /v1/models HTTP/1.0\r\n"), "{head}");
            assert!(head.contains("canary-key"), "{head}");
        }
    }

    #[test]
    fn a_provider_that_is_not_there_and_a_broken_file_fail() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let (code, text) = seen(
            &format!(
                r#"{{ "providers": {{ "p": {{ "protocol": "ollama", "base_url": "http://127.0.0.1:{port}" }} }} }}"#
            ),
            false,
        );
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("fail provider p: ") && text.contains("ok   driver io_uring"), "{text}");
        let (code, text) = seen("{", false);
        assert_eq!(code, 1, "{text}");
    }

    #[test]
    fn a_certificate_is_looked_at() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (chain, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = tls::party::Identity::new(chain.as_bytes(), secret.as_bytes()).expect("they fit");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let serving = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().expect("a look");
                let mut session = rustls::ServerConnection::new(Arc::clone(&identity.0)).expect("a session");
                while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
            }
        });
        let ca = std::env::temp_dir().join(format!("weir-doctor-{}.pem", std::process::id()));
        std::fs::write(&ca, &chain).expect("a file");
        let at = format!("\"protocol\": \"chat\", \"base_url\": \"https://localhost:{port}\"");
        let (code, text) =
            seen(&format!(r#"{{ "providers": {{ "p": {{ {at}, "tls": {{ "ca": "{}" }} }} }} }}"#, ca.display()), false);
        assert!(text.contains("connects, and its certificate holds"), "{text}");
        assert_ne!(code, 1, "{text}");
        let (code, text) = seen(&format!(r#"{{ "providers": {{ "p": {{ {at} }} }} }}"#), false);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("fail provider p: "), "{text}");
        serving.join().expect("no panic");
        std::fs::remove_file(&ca).expect("it was there");
    }
}
