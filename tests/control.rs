//! The control plane as a whole, in a process of its own because it takes the process's signals: it starts,
//! answers on the admin address and on the control socket, applies a changed file by itself, and ends by
//! SIGTERM once the core it is wired to has no session left.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use weir::config::{Outside, Overrides, Reading, Snapshot};
use weir::control::{Command, Cores, DriverReport, Listening, Outcome, Wiring, socket};
use weir::plan::addresses::AddressBook;
use weir::record::{Tally, Teller};

fn read(path: &Path) -> Reading {
    let text = std::fs::read(path).expect("a file");
    let env = |_: &str| None;
    let file = |path: &Path| std::fs::read_to_string(path);
    weir::config::read(
        &text,
        &Outside { env: &env, read: &file, path: Some(path), shared: false },
        &Overrides::default(),
    )
}

fn file(folder: &Path, client: &str) -> String {
    format!(
        r#"{{ "admin": {{ "listen": "127.0.0.1:0", "password": "p" }}, "data_dir": "{}", "clients": {{ "{client}": {{ "key": "k" }} }},
             "providers": {{ "demo": {{ "protocol": "demo" }} }}, "routes": {{ "main": {{ "to": ["demo/demo"] }} }} }}"#,
        folder.display()
    )
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits for what another thread is about to do.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(name: &str) {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().expect("a shell");
    assert!(sent.success());
}

#[test]
fn from_start_to_end() {
    let folder = Folder(std::env::temp_dir().join(format!("weir-control-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let path = folder.0.join("weir.json");
    std::fs::write(&path, file(&folder.0, "alice")).expect("written");

    let snapshot = read(&path).snapshot.expect("a valid file");
    let (teller, ring) = Teller::new(Arc::new(Tally::new()));
    let tally = teller.tally().clone();
    tally.sessions_open.set(1);
    let core = Arc::new(Mutex::new(teller));
    let draining = Arc::new(AtomicBool::new(false));
    let tell = {
        let (core, draining) = (core.clone(), draining.clone());
        move |command| {
            match command {
                Command::Listen(_) => {}
                Command::Drain { .. } => draining.store(true, Ordering::SeqCst),
                Command::Settle(number) => core.lock().expect("no panic while held").settle(number),
            }
            Ok(())
        }
    };
    let admin = Listening::bind(&snapshot, None, false).expect("a port");
    let Listening::Tcp(listener) = &admin else { panic!("a TCP address was asked for") };
    let address = listener.local_addr().expect("an address");
    let current: Arc<ArcSwap<Snapshot>> = Arc::new(ArcSwap::from_pointee(snapshot));
    let wiring = Wiring {
        known: Default::default(),
        snapshot: current.clone(),
        addresses: Arc::new(ArcSwap::from_pointee(AddressBook::default())),
        cores: Cores { tallies: vec![tally.clone()], rings: vec![ring], tell: Box::new(tell) },
        driver: DriverReport { name: "epoll", why: "asked for".to_owned() },
        admin,
        begin: Box::new(|| Ok(())),
        predecessor: None,
        succeed: Box::new(|| Err(std::io::Error::other("nobody follows here"))),
        listening_on: Box::new(Vec::new),
        seen: weir::control::look(&path),
        load: {
            let path = path.clone();
            Box::new(move |_| read(&path))
        },
    };
    let control = std::thread::spawn(move || weir::control::run(wiring));

    let mut stream = TcpStream::connect(address).expect("the admin address");
    write!(stream, "GET /health HTTP/1.0\r\nhost: {address}\r\n\r\n").expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.contains("\"sessions\":1"), "{answer}");

    let socket_path = folder.0.join(socket::CONTROL_SOCKET);
    until("the control socket", || socket::ask(&socket_path, "GET", "/api/status").is_ok());
    let (status, answer) = socket::ask(&socket_path, "POST", "/api/reload").expect("an answer");
    assert_eq!(status, 200, "{answer}");
    let generation = current.load().generation;

    std::fs::write(&path, file(&folder.0, "bob")).expect("written");
    until("the changed file", || &*current.load().clients[0].name == "bob");
    std::fs::write(&path, file(&folder.0, "carol")).expect("written");
    signal("HUP");
    until("the reload by SIGHUP", || &*current.load().clients[0].name == "carol");
    assert!(current.load().generation >= generation + 2);

    signal("TERM");
    until("the drain", || draining.load(Ordering::SeqCst));
    assert!(!control.is_finished(), "a session is still open");
    tally.sessions_open.set(0);
    assert_eq!(control.join().expect("no panic").expect("no error"), Outcome::Drained);
    assert!(!socket_path.exists());
}
