//! A piped stream event allocates nothing on the core, on either driver; over TLS on both sides it allocates what rustls
//! does for a record that comes and one that goes, and nothing of weir's own.
//!
//! The core runs in this process under a counting allocator. The threads of the scripted client and upstream
//! exempt themselves; whatever else allocates between two readings of the counter is the core's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead as _, IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use weir::boot::Fleet;
use weir::config::{self, Outside, Overrides};
use weir::plan::addresses::AddressBook;
use weir::rt::{self, Choice};

thread_local! {
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

fn count() {
    if !EXEMPT.get() {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Events before counting: buffers and waits are made in them.
const WARM_UP: usize = 50;
const COUNTED: usize = 2_000;

fn event(n: usize) -> Vec<u8> {
    let data = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {n:05}\"}}}}],\"usage\":null}}\n\n"
    );
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// A connection of the scripted client or upstream.
trait Talk: Read + Write {}

impl<T: Read + Write> Talk for T {}

/// A certificate for 127.0.0.1 and who trusts it.
struct Secured {
    folder: std::path::PathBuf,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Secured {
    fn new() -> Secured {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let folder = std::env::temp_dir().join(format!("weir-allocation-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        let chain = vec![made.cert.der().clone()];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(chain[0].clone()).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let server = server.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let client = client.expect("versions").with_root_certificates(roots).with_no_client_auth();
        Secured { folder, server: Arc::new(server), client: Arc::new(client) }
    }

    fn client(&self) -> ClientConnection {
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        ClientConnection::new(Arc::clone(&self.client), name).expect("a session")
    }

    fn server(&self) -> ServerConnection {
        ServerConnection::new(Arc::clone(&self.server)).expect("a session")
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What rustls allocates to take an event from one session and to put it into another, `COUNTED` times.
fn of_rustls(secured: &Secured) -> u64 {
    EXEMPT.set(true);
    let (mut client, mut server) = (secured.client(), secured.server());
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        for (from, to) in [(true, false), (false, true)] {
            wire.clear();
            match from {
                true => client.write_tls(&mut wire).expect("written"),
                false => server.write_tls(&mut wire).expect("written"),
            };
            let mut rest = &wire[..];
            while !rest.is_empty() && to {
                client.read_tls(&mut rest).expect("read");
                client.process_new_packets().expect("agreed");
            }
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("read");
                server.process_new_packets().expect("agreed");
            }
        }
    }
    let mut before = 0;
    for n in 0..WARM_UP + COUNTED {
        if n == WARM_UP {
            before = ALLOCATIONS.load(Ordering::Relaxed);
        }
        let event = event(n);
        wire.clear();
        server.writer().write_all(&event).expect("room");
        server.write_tls(&mut wire).expect("written");
        EXEMPT.set(false);
        client.read_tls(&mut &wire[..]).expect("read");
        client.process_new_packets().expect("a record");
        let taken = client.reader().fill_buf().expect("an event").len();
        client.reader().consume(taken);
        let sealed = client.writer().write_vectored(&[IoSlice::new(&event)]);
        assert_eq!(sealed.expect("room"), event.len());
        let mut sink = std::io::sink();
        client.write_tls(&mut sink).expect("written");
        EXEMPT.set(true);
    }
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// Reads until `mark` has come, however it is cut.
fn read_until(stream: &mut dyn Talk, mark: &[u8]) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.windows(mark.len()).any(|window| window == mark) {
        let got = stream.read(&mut buffer).expect("bytes");
        assert_ne!(got, 0, "the connection ended before {:?}", String::from_utf8_lossy(mark));
        seen.extend_from_slice(&buffer[..got]);
    }
}

/// Allocations of the core while `COUNTED` events pass one by one.
fn allocations(choice: Choice, secured: Option<&Secured>) -> Option<u64> {
    EXEMPT.set(true);
    let driver = rt::probe(choice).ok()?.driver;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (scheme, tls, ca) = match secured {
        None => ("http", String::new(), String::new()),
        Some(Secured { folder, .. }) => {
            let folder = folder.display();
            let own = format!(r#""tls": {{"cert": "{folder}/cert.pem", "key": "{folder}/key.pem"}},"#);
            ("https", own, format!(r#", "tls": {{"ca": "{folder}/cert.pem"}}"#))
        }
    };
    let text = format!(
        r#"{{"listen": "127.0.0.1:0", "cores": 1, "access": "open", {tls}
            "providers": {{"up": {{"protocol": "chat", "base_url": "{scheme}://{}/v1", "keys": ["k"]{ca}}}}},
            "routes": {{"r": {{"to": ["up"]}}}}}}"#,
        listener.local_addr().expect("an address")
    );
    let outside = Outside { env: &|_| None, read: &|path| std::fs::read_to_string(path), path: None, shared: false };
    let snapshot = config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration");
    let (listen, addresses) = (snapshot.listen.clone(), AddressBook::literal(&snapshot));
    let (fleet, _started) =
        Fleet::start(driver, &Arc::new(ArcSwap::from_pointee(snapshot)), &Arc::new(ArcSwap::from_pointee(addresses)))
            .expect("a core");
    fleet.listen(&listen).expect("a port");
    let client = TcpStream::connect(&fleet.addresses()[0]).expect("weir");
    let mut client: Box<dyn Talk> = match secured {
        None => Box::new(client),
        Some(secured) => Box::new(StreamOwned::new(secured.client(), client)),
    };
    let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"go"}]}"#;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).and_then(|()| client.write_all(body)).expect("weir takes it");
    let (upstream, _) = listener.accept().expect("weir connects");
    let mut upstream: Box<dyn Talk> = match secured {
        None => Box::new(upstream),
        Some(secured) => Box::new(StreamOwned::new(secured.server(), upstream)),
    };
    read_until(&mut *upstream, b"\"go\"");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    upstream.write_all(answer).and_then(|()| upstream.flush()).expect("weir reads");
    let mut before = 0;
    for n in 0..WARM_UP + COUNTED {
        if n == WARM_UP {
            before = ALLOCATIONS.load(Ordering::Relaxed);
        }
        upstream.write_all(&event(n)).and_then(|()| upstream.flush()).expect("weir reads");
        read_until(&mut *client, format!("word {n:05}\"").as_bytes());
    }
    Some(ALLOCATIONS.load(Ordering::Relaxed) - before)
}

#[test]
fn a_piped_stream_event_allocates_nothing() {
    let secured = Secured::new();
    let rustls = of_rustls(&secured);
    println!("rustls allocates {rustls} times for {COUNTED} events that come and go");
    for choice in [Choice::IoUring, Choice::Epoll] {
        for (secured, most) in [(None, 0), (Some(&secured), rustls)] {
            let counted = thread::scope(|scope| scope.spawn(|| allocations(choice, secured)).join());
            // The core of this round has seen the end of its connections before the next is counted.
            thread::sleep(std::time::Duration::from_millis(300));
            match counted.expect("the driver of the test") {
                Some(count) => assert!(count <= most, "{count} for {COUNTED} events on {choice:?}, {most} at most"),
                None => eprintln!("skipped for {choice:?}: this machine does not offer it"),
            }
        }
    }
}
