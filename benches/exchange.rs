//! A whole exchange over loopback: client, weir on one core, upstream, each on a thread of its own.
//! Wall time, so it includes three scheduler hand-overs; CPU beside nginx is what `README.md` here measures.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir::boot::Fleet;
use weir::config::{self, Outside, Overrides};
use weir::plan::addresses::AddressBook;
use weir::rt::{self, Choice};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 91\r\n\r\n\
{\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\r\n";

/// Answers every request on every connection with `ANSWER`.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    while let Some(length) = head(&mut reader) {
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}

/// Reads a head and says how long its body is; nothing at the end of the connection.
fn head(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            None if line == "\r\n" => return Some(length),
            Some(_) | None => {}
        }
    }
}

/// weir on one core of this process, without control. Nothing when the driver cannot be had.
fn weir(upstream: SocketAddr, choice: Choice) -> Option<String> {
    let text = format!(
        r#"{{"listen": "127.0.0.1:0", "cores": 1, "access": "open",
            "providers": {{"up": {{"protocol": "chat", "base_url": "http://{upstream}/v1", "keys": ["k"]}}}},
            "routes": {{"r": {{"to": ["up"]}}}}}}"#
    );
    let outside =
        Outside { env: &|_| None, read: &|_| Err(std::io::ErrorKind::NotFound.into()), path: None, shared: false };
    let snapshot = config::read(text.as_bytes(), &outside, &Overrides::default()).snapshot.expect("a configuration");
    let driver = rt::probe(choice).ok()?.driver;
    let (listen, addresses) = (snapshot.listen.clone(), AddressBook::literal(&snapshot));
    let (fleet, started) =
        Fleet::start(driver, &Arc::new(ArcSwap::from_pointee(snapshot)), &Arc::new(ArcSwap::from_pointee(addresses)))
            .expect("a core");
    fleet.listen(&listen).expect("a port");
    // Nobody reads the rows: the ring fills, and the core sums on its own from then on.
    std::mem::forget(started);
    fleet.addresses().pop()
}

fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange");
    for choice in [Choice::IoUring, Choice::Epoll] {
        let Some(address) = weir(upstream(), choice) else { continue };
        for kib in [1, 32, 256] {
            let body = format!(
                r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
                "x".repeat(kib * 1024 - 60)
            );
            let request = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: weir\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut client = TcpStream::connect(&address).expect("weir");
            client.set_nodelay(true).expect("an option");
            let mut reader = BufReader::new(client.try_clone().expect("a copy"));
            group.throughput(Throughput::Bytes(request.len() as u64));
            group.bench_function(format!("{choice:?}/{kib}KiB"), |b| {
                b.iter(|| {
                    client.write_all(request.as_bytes()).expect("weir takes it");
                    let length = head(&mut reader).expect("an answer");
                    let mut answer = vec![0; length];
                    reader.read_exact(&mut answer).expect("its body");
                    black_box(answer)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
