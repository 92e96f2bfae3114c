//! A piped stream event allocates nothing on the core, on either driver, with and without usage to hide.
//!
//! The core runs in this process under a counting allocator. The threads of the scripted client and upstream
//! exempt themselves; whatever else allocates between two readings of the counter is the core's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use arc_swap::ArcSwap;
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

/// Reads until `mark` has come, however it is cut.
fn read_until(stream: &mut TcpStream, mark: &[u8]) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.windows(mark.len()).any(|window| window == mark) {
        let got = stream.read(&mut buffer).expect("bytes");
        assert_ne!(got, 0, "the connection ended before {:?}", String::from_utf8_lossy(mark));
        seen.extend_from_slice(&buffer[..got]);
    }
}

/// Allocations of the core while `COUNTED` events pass one by one.
fn allocations(choice: Choice) -> Option<u64> {
    EXEMPT.set(true);
    let driver = rt::probe(choice).ok()?.driver;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let text = format!(
        r#"{{"listen": "127.0.0.1:0", "cores": 1, "access": "open",
            "providers": {{"up": {{"protocol": "chat", "base_url": "http://{}/v1", "keys": ["k"]}}}},
            "routes": {{"r": {{"to": ["up"]}}}}}}"#,
        listener.local_addr().expect("an address")
    );
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    let snapshot = config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration");
    let (listen, addresses) = (snapshot.listen.clone(), AddressBook::literal(&snapshot));
    let (fleet, _started) =
        Fleet::start(driver, &Arc::new(ArcSwap::from_pointee(snapshot)), &Arc::new(ArcSwap::from_pointee(addresses)))
            .expect("a core");
    fleet.listen(&listen).expect("a port");
    let mut client = TcpStream::connect(&fleet.addresses()[0]).expect("weir");
    let body = br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"go"}]}"#;
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).and_then(|()| client.write_all(body)).expect("weir takes it");
    let (mut upstream, _) = listener.accept().expect("weir connects");
    read_until(&mut upstream, b"\"go\"");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    upstream.write_all(answer).expect("weir reads");
    let mut before = 0;
    for n in 0..WARM_UP + COUNTED {
        if n == WARM_UP {
            before = ALLOCATIONS.load(Ordering::Relaxed);
        }
        upstream.write_all(&event(n)).expect("weir reads");
        read_until(&mut client, format!("word {n:05}\"").as_bytes());
    }
    Some(ALLOCATIONS.load(Ordering::Relaxed) - before)
}

#[test]
fn a_piped_stream_event_allocates_nothing() {
    for choice in [Choice::IoUring, Choice::Epoll] {
        let counted = thread::spawn(move || allocations(choice)).join().expect("the driver of the test");
        match counted {
            Some(count) => assert_eq!(count, 0, "{COUNTED} events on {choice:?}"),
            None => eprintln!("skipped for {choice:?}: this machine does not offer it"),
        }
    }
}
