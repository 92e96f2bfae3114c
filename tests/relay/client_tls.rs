//! Clients over TLS: what is said is the same, certificates follow a reload, and whoever does not speak it is told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::support::*;

on_both_drivers!(
    answers_and_streams_go_over_tls,
    requests_follow_one_another_and_large_bodies_pass,
    a_certificate_is_read_again_at_a_reload,
    a_pair_that_does_not_fit_refuses_the_reload,
    http_in_the_clear_is_told,
    a_handshake_that_stands_still_is_closed,
    the_playground_reaches_a_relay_of_tls_alone,
);

/// A caller that has agreed with weir on a session.
pub struct Caller {
    stream: StreamOwned<ClientConnection, TcpStream>,
    pending: Vec<u8>,
}

impl Caller {
    pub fn new(weir: &Weir, authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Caller {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file()).expect("PEM")).expect("a CA");
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let socket = TcpStream::connect(weir.address).expect("connect");
        socket.set_read_timeout(Some(HANG)).expect("a timeout");
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        Caller { stream, pending: Vec::new() }
    }

    pub fn post(&mut self, body: &str) {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            bearer(CLIENT_KEY),
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("sent");
    }

    /// What came up to and including `needle`.
    pub fn until(&mut self, needle: &str) -> String {
        let mut piece = [0; 16 * 1024];
        loop {
            let found = self.pending.windows(needle.len()).position(|window| window == needle.as_bytes());
            if let Some(at) = found {
                let taken = self.pending.drain(..at + needle.len()).collect();
                return String::from_utf8(taken).expect("text");
            }
            let read = self.stream.read(&mut piece).expect("read");
            assert!(read > 0, "ended before {needle:?}");
            self.pending.extend_from_slice(&piece[..read]);
        }
    }

    fn is_served(&mut self, upstream: &mut Upstream, said: &str) {
        self.post(r#"{"model":"m","messages":[]}"#);
        upstream.next().json(200, chat_answer(said));
        assert!(self.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
        self.until(&chat_answer(said).to_string());
    }

    fn certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().expect("a chain")[0].to_vec()
    }
}

/// weir that shows a certificate of `authority`, which lies in `folder`.
pub fn secured(driver: Driver, authority: &Authority, folder: &Folder) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    show(folder, &authority.sign("127.0.0.1", |_| ()));
    let mut config = config("chat", &upstream);
    config["tls"] = json!({ "cert": folder.path().join("cert.pem"), "key": folder.path().join("key.pem") });
    (Weir::start(driver, config), upstream)
}

fn show(folder: &Folder, shown: &Shown) {
    std::fs::write(folder.path().join("cert.pem"), &shown.chain).expect("write");
    std::fs::write(folder.path().join("key.pem"), &shown.key).expect("write");
}

fn answers_and_streams_go_over_tls(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    // A client of TLS 1.2 is silent until it has the last words of the handshake.
    for version in [&version::TLS12, &version::TLS13] {
        let mut caller = Caller::new(&weir, &authority, &[version]);
        caller.is_served(&mut upstream, "over TLS");
        caller.post(r#"{"model":"m","stream":true,"messages":[]}"#);
        let mut call = upstream.next();
        call.open("text/event-stream");
        for word in ["one", "two", "three"] {
            call.chunk(data(json!({ "choices": [{ "delta": { "content": word } }] })));
            assert!(caller.until("\n\n").contains(word), "each event when it comes");
        }
        call.chunk("data: [DONE]\n\n");
        call.last_chunk();
        caller.until("0\r\n\r\n");
    }
}

fn the_playground_reaches_a_relay_of_tls_alone(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let mut asked_is_served = |said: &str| {
        let body =
            json!({ "dialect": "chat", "key": CLIENT_KEY, "body": { "model": "m", "messages": [] } }).to_string();
        let mut asked = weir.admin_begun("POST", "/api/playground", &bearer(ADMIN_PASSWORD), &body);
        upstream.next().json(200, chat_answer(said));
        let answer = asked.answer();
        assert_eq!((answer.status(), answer.head.field("x-weir-status")), (200, Some("200")), "{}", answer.text());
        assert!(answer.text().contains(said), "{}", answer.text());
    };
    asked_is_served("over its own TLS");
    // Another certificate, of names that are not this machine's.
    show(&folder, &authority.sign("relay.example", |_| ()));
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    asked_is_served("after a reload");
}

fn requests_follow_one_another_and_large_bodies_pass(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let mut caller = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS);
    for _ in 0..3 {
        caller.is_served(&mut upstream, "again");
    }
    let question =
        json!({ "model": "m", "messages": [{ "role": "user", "content": "x".repeat(2_000_000) }] }).to_string();
    let asking = std::thread::spawn(move || {
        caller.post(&question);
        caller
    });
    let mut call = upstream.next();
    assert!(call.request.body.len() > 2_000_000);
    let long = "y".repeat(2_000_000);
    let wanted = chat_answer(&long).to_string();
    let answering = std::thread::spawn(move || call.json(200, chat_answer(&long)));
    let mut caller = asking.join().expect("asked");
    caller.until("\r\n\r\n");
    let mut answer = vec![0; wanted.len() - caller.pending.len()];
    caller.stream.read_exact(&mut answer).expect("all of it");
    assert!([caller.pending, answer].concat() == wanted.as_bytes(), "the same bytes");
    answering.join().expect("answered");
}

fn a_certificate_is_read_again_at_a_reload(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let mut old = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS);
    show(&folder, &authority.sign("127.0.0.1", |_| ()));
    weir.signal(libc::SIGHUP);
    weir.logged("a reload", |line| line.contains("configuration reloaded"));
    let mut new = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS);
    assert_ne!(old.certificate(), new.certificate());
    old.is_served(&mut upstream, "a session outlives its certificate");
    new.is_served(&mut upstream, "new");
}

fn a_pair_that_does_not_fit_refuses_the_reload(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let before = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS).certificate();
    let (one, other) = (authority.sign("127.0.0.1", |_| ()), authority.sign("127.0.0.1", |_| ()));
    show(&folder, &Shown { chain: one.chain, key: other.key });
    weir.signal(libc::SIGHUP);
    weir.logged("why", |line| line.contains("tls.key") && line.contains("is not the key of the certificate"));
    let mut caller = Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS);
    assert_eq!(caller.certificate(), before);
    caller.is_served(&mut upstream, "the last good one");
}

fn http_in_the_clear_is_told(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (weir, mut upstream) = secured(driver, &authority, &folder);
    let mut client = weir.client();
    client.post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
    let message = refused(&client.answer(), Dialect::OpenAi, 400);
    assert!(message.contains("TLS"), "{message}");
    client.wire.ended();
    upstream.untouched();
    Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS).is_served(&mut upstream, "others");
}

fn a_handshake_that_stands_still_is_closed(driver: Driver) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (mut weir, mut upstream) = secured(driver, &authority, &folder);
    weir.rewrite(|config| config["timeouts"] = json!({ "head_ms": 300 }));
    weir.signal(libc::SIGHUP);
    weir.logged("a reload", |line| line.contains("configuration reloaded"));
    // One says nothing, the other the beginning of a record.
    let (mut silent, mut half) = (weir.client(), weir.client());
    half.send([0x16, 3, 1, 2, 0, 1]);
    Caller::new(&weir, &authority, rustls::DEFAULT_VERSIONS).is_served(&mut upstream, "meanwhile");
    silent.wire.ended();
    half.wire.ended();
}
