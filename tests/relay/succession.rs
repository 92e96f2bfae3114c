//! A successor on the same sockets, sockets that systemd hands in, what systemd is told, and cores that stand still.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::life::with_open_stream;
use crate::support::*;

on_both_drivers!(
    promise_23_an_upgrade_loses_no_request,
    promise_24_reloads_lose_no_request,
    a_stream_outlives_its_upgrade,
    who_comes_alone_in_an_upgrade_is_served_at_once,
    who_asks_the_admin_address_is_answered_over_an_upgrade,
    a_successor_that_fails_changes_nothing,
    a_request_that_waits_to_be_accepted_is_served,
    sockets_of_systemd_are_listened_on,
    systemd_is_told,
    a_stalled_core_is_found,
);

const CHAT: &str = r#"{"model":"m","messages":[]}"#;
const STOP: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// An upstream that answers every request at once, on any number of connections, until it is dropped.
struct Busy {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Busy {
    fn new() -> Busy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (address, over) = (listener.local_addr().expect("an address"), Arc::new(AtomicBool::new(false)));
        let ended = over.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || answer_all(stream));
            }
        });
        Busy { address, over }
    }

    fn config(&self) -> Value {
        let mut config = config("chat", &Upstream::new());
        config["providers"]["up"]["base_url"] = json!(format!("http://{}/v1", self.address));
        config
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers requests of known length until the connection ends.
fn answer_all(mut stream: TcpStream) {
    let body = chat_answer("busy").to_string();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return,
            Ok(n) => seen.extend_from_slice(&piece[..n]),
        }
        while let Some(head) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let whole = head + 4 + length.map_or(0, |length| length.parse().expect("a length"));
            if seen.len() < whole {
                break;
            }
            seen.drain(..whole);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A client as libraries have them: it keeps its connection, and where a connection that has served before ends
/// without a byte of an answer it tries once more on a new one (RFC 9112 §9.3.1). Every other end is a loss.
struct Keeper {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl Keeper {
    fn new(address: SocketAddr) -> Keeper {
        Keeper { address, stream: None }
    }

    fn ask(&mut self) -> Result<(), String> {
        if let Some(stream) = self.stream.take() {
            match exchange(stream) {
                Ok(kept) => {
                    self.stream = kept;
                    return Ok(());
                }
                Err((0, _stale)) => {}
                Err((bytes, why)) => return Err(format!("cut after {bytes} bytes: {why}")),
            }
        }
        let stream = TcpStream::connect(self.address).map_err(|error| format!("connect: {error}"))?;
        self.stream = exchange(stream).map_err(|(bytes, why)| format!("a new connection, {bytes} bytes: {why}"))?;
        Ok(())
    }
}

/// One exchange; gives the stream back where it can carry another, or how far the answer came.
fn exchange(mut stream: TcpStream) -> Result<Option<TcpStream>, (usize, String)> {
    stream.set_read_timeout(Some(HANG)).expect("a timeout");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-length: {}\r\n\r\n{CHAT}",
        bearer(CLIENT_KEY),
        CHAT.len()
    );
    stream.write_all(request.as_bytes()).map_err(|error| (0, error.to_string()))?;
    answered(stream)
}

/// Reads an answer of 200 and known length; gives the stream back as `exchange` does.
fn answered(mut stream: TcpStream) -> Result<Option<TcpStream>, (usize, String)> {
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Err((seen.len(), "the end".to_owned())),
            Ok(n) => seen.extend_from_slice(&piece[..n]),
            // As in `told`: this is no end of the connection.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err((seen.len(), error.to_string())),
        }
        let text = String::from_utf8_lossy(&seen).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("http/1.1 200 ") {
            return Err((seen.len(), text));
        }
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        if body.len() < length.expect("a length").parse().expect("a number") {
            continue;
        }
        return Ok((!head.contains("connection: close")).then_some(stream));
    }
}

/// Eight clients ask without a pause while `disturb` runs, and on until each has asked 125 times. Half of them
/// open a connection for each request.
fn none_lost(address: SocketAddr, disturb: impl FnOnce()) {
    let (disturbed, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (disturbed, asked) = (&disturbed, &asked);
            scope.spawn(move || {
                let mut keeper = Keeper::new(address);
                for round in 1.. {
                    keeper.ask().unwrap_or_else(|why| panic!("request {round} of client {number} is lost: {why}"));
                    asked.fetch_add(1, Ordering::Relaxed);
                    if number % 2 == 0 {
                        keeper.stream = None;
                    }
                    if round >= 125 && disturbed.load(Ordering::Relaxed) {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        // Set also where `disturb` fails: the clients must not wait for it then.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _over = Over(&disturbed);
        disturb();
    });
    assert!(asked.load(Ordering::Relaxed) >= 1_000);
}

/// The process that answers on the admin address, once it is another one than `before`.
pub fn successor_of(weir: &Weir, before: u64) -> u64 {
    successor_of_all(weir, &[before])
}

/// The same after several: each of them may have let in who asks now.
fn successor_of_all(weir: &Weir, before: &[u64]) -> u64 {
    eventually(|| match weir.status()["pid"].as_u64() {
        Some(pid) if !before.contains(&pid) => Ok(pid),
        _ => Err("the predecessor still answers".to_owned()),
    })
}

/// Ends a successor when its test is over, however it ends.
pub struct Heir(pub u64);

impl Heir {
    pub fn signal(&self, signal: i32) {
        // SAFETY: no memory is involved; the process is one that this test has brought about.
        unsafe { libc::kill(i32::try_from(self.0).expect("a pid"), signal) };
    }

    pub fn is_gone(&self) -> Result<(), String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0));
        match stat {
            Ok(stat) if !stat.contains(") Z") => Err(stat),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

fn promise_23_an_upgrade_loses_no_request(driver: Driver) {
    let busy = Busy::new();
    let mut config = busy.config();
    config["cores"] = json!(2);
    let mut weir = Weir::start(driver, config);
    let mut heirs = Vec::new();
    none_lost(weir.address, || {
        let first = u64::from(weir.pid());
        weir.signal(libc::SIGUSR2);
        let second = Heir(successor_of(&weir, first));
        second.signal(libc::SIGUSR2);
        let third = Heir(successor_of_all(&weir, &[first, second.0]));
        for _ in 0..5 {
            let answer = weir.admin("POST", "/api/reload");
            assert_eq!(answer.status(), 200, "{}", answer.text());
        }
        heirs.extend([second, third]);
    });
    assert_eq!(weir.exited().code(), Some(0));
    eventually(|| heirs[0].is_gone());
    let connections = std::fs::read_dir(format!("/proc/{}/fd", heirs[1].0)).expect("procfs").count();
    assert!(connections < 100, "{connections} descriptors: connections of the predecessor live on");
    none_lost(weir.address, || heirs[1].signal(libc::SIGHUP));
    heirs[1].signal(libc::SIGTERM);
    eventually(|| heirs[1].is_gone());
}

/// One connection after another, and no other client: if nobody is woken for one, no later one brings it to light. With
/// `WEIR_UPGRADES` as many times as it says.
fn who_comes_alone_in_an_upgrade_is_served_at_once(driver: Driver) {
    let busy = Busy::new();
    let mut config = busy.config();
    config["cores"] = json!(2);
    let weir = Weir::start(driver, config);
    let upgrades = std::env::var("WEIR_UPGRADES").ok().and_then(|times| times.parse().ok()).unwrap_or(4);
    let (mut pids, mut heirs, mut longest) = (vec![u64::from(weir.pid())], Vec::new(), Duration::ZERO);
    for upgrade in 0..upgrades {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut longest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    Keeper::new(weir.address).ask().unwrap_or_else(|why| panic!("upgrade {upgrade}: {why}"));
                    longest = longest.max(start.elapsed());
                }
                longest
            });
            let pid = i32::try_from(pids[pids.len() - 1]).expect("a pid");
            // SAFETY: no memory is involved; the process is weir or a successor of it.
            unsafe { libc::kill(pid, libc::SIGUSR2) };
            let heir = Heir(successor_of_all(&weir, &pids));
            std::thread::sleep(Duration::from_millis(100));
            over.store(true, Ordering::Relaxed);
            longest = longest.max(asking.join().expect("all are served"));
            pids.push(heir.0);
            heirs.push(heir);
        });
    }
    println!("{upgrades} upgrades, the longest exchange in {longest:?}");
    // Half of what a wait for the next connection would be seen as, far more than a busy machine needs.
    assert!(longest < HANG / 2, "{longest:?}");
}

/// Nobody that was let in is left without an answer, by whichever process, and nobody is turned away: on connections of
/// one request, on connections that are kept, and on the control socket.
fn who_asks_the_admin_address_is_answered_over_an_upgrade(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    let (admin, over, asked) = (weir.admin, AtomicBool::new(false), AtomicUsize::new(0));
    let control = weir.config_path().with_file_name("data").join("control.sock");
    let mut heirs = Vec::new();
    std::thread::scope(|scope| {
        let (over, asked) = (&over, &asked);
        let mut askers = Vec::new();
        for (number, target) in ["/api/status", "/health", "/api/status", "/health"].into_iter().enumerate() {
            askers.push(scope.spawn(move || {
                let mut kept: Option<TcpStream> = None;
                while !over.load(Ordering::Relaxed) {
                    let fresh = kept.is_none();
                    let stream = kept.take().unwrap_or_else(|| TcpStream::connect(admin).expect("connect"));
                    match ask_admin(stream, target, number >= 2) {
                        Ok(stream) => kept = stream,
                        // Closed between two requests: as in `Keeper`.
                        Err((0, _)) if !fresh => {}
                        Err((bytes, why)) => panic!("{target} by {number}, {bytes} bytes of an answer: {why}"),
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        askers.push(scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut stream = std::os::unix::net::UnixStream::connect(&control).expect("connect");
                stream.write_all(b"GET /api/status HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("sent");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert!(answer.starts_with("HTTP/1.0 200 "), "{answer:?}");
            }
        }));
        let mut pids = vec![u64::from(weir.pid())];
        for _ in 0..3 {
            let pid = i32::try_from(pids[pids.len() - 1]).expect("a pid");
            // SAFETY: no memory is involved; the process is weir or a successor of it.
            unsafe { libc::kill(pid, libc::SIGUSR2) };
            let heir = Heir(successor_of_all(&weir, &pids));
            pids.push(heir.0);
            heirs.push(heir);
            std::thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
        assert!(asked.load(Ordering::Relaxed) > 100, "{asked:?} requests");
    });
    assert_eq!(weir.exited().code(), Some(0));
    weir.client().still_serves(&mut upstream);
}

/// One request on the admin address; gives the connection back where it carries another.
fn ask_admin(mut stream: TcpStream, target: &str, keep: bool) -> Result<Option<TcpStream>, (usize, String)> {
    stream.set_read_timeout(Some(HANG)).expect("a timeout");
    let (key, end) = (bearer(ADMIN_PASSWORD), if keep { "" } else { "connection: close\r\n" });
    let host = stream.peer_addr().map_err(|error| (0, error.to_string()))?;
    let asked = stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n{key}{end}\r\n").as_bytes());
    asked.map_err(|error| (0, error.to_string()))?;
    answered(stream)
}

fn promise_24_reloads_lose_no_request(driver: Driver) {
    let busy = Busy::new();
    let mut weir = Weir::start(driver, busy.config());
    let address = weir.address;
    let more = SocketAddr::new(address.ip(), address.port() + 2);
    none_lost(address, || {
        for round in 0..6 {
            weir.rewrite(|config| {
                config["listen"] = match round % 2 {
                    0 => json!([address.to_string(), more.to_string()]),
                    _ => json!([address.to_string()]),
                };
            });
            assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
            if round % 2 == 0 {
                Keeper::new(more).ask().expect("the new address serves");
            }
        }
    });
}

fn a_stream_outlives_its_upgrade(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    // A process that has been succeeded is in nobody's way: this bounds it only once it is asked to end.
    config["timeouts"] = json!({ "drain_ms": 100 });
    let mut weir = Weir::start(driver, config);
    let (mut client, mut call) = with_open_stream(&weir, &mut upstream);
    weir.signal(libc::SIGUSR2);
    let heir = Heir(successor_of(&weir, u64::from(weir.pid())));
    weir.client().still_serves(&mut upstream);
    std::thread::sleep(Duration::from_millis(1_500));
    call.chunk(STOP);
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), (STOP.as_bytes().to_vec(), true));
    assert_eq!(weir.exited().code(), Some(0));
    weir.client().still_serves(&mut upstream);
    let control = weir.config_path().with_file_name("data").join("control.sock");
    assert!(std::os::unix::net::UnixStream::connect(control).is_ok(), "the control socket is the successor's");
    heir.signal(libc::SIGTERM);
    eventually(|| heir.is_gone());
}

fn a_successor_that_fails_changes_nothing(driver: Driver) {
    let (mut weir, mut upstream) = relay(driver, "chat");
    let mut kept = weir.client();
    kept.still_serves(&mut upstream);
    weir.rewrite_raw("{ \"providers\": 7 }");
    weir.signal(libc::SIGUSR2);
    weir.logged("the failure", |line| line.contains("no successor"));
    kept.still_serves(&mut upstream);
    weir.client().still_serves(&mut upstream);
    assert_eq!(weir.status()["pid"], weir.pid());
    // It can still be asked again, and the next one is a good one.
    weir.rewrite(|_| ());
    weir.signal(libc::SIGUSR2);
    let heir = Heir(successor_of(&weir, u64::from(weir.pid())));
    weir.client().still_serves(&mut upstream);
    drop(kept);
    assert_eq!(weir.exited().code(), Some(0));
    drop(heir);
}

/// A connection that the kernel has taken in while weir could not look is served, also by a process that ends.
fn a_request_that_waits_to_be_accepted_is_served(driver: Driver) {
    let busy = Busy::new();
    let mut weir = Weir::start(driver, busy.config());
    weir.signal(libc::SIGSTOP);
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(weir.address).expect("the kernel connects");
            let key = bearer(CLIENT_KEY);
            let length = CHAT.len();
            write!(
                stream,
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{key}content-length: {length}\r\n\r\n{CHAT}"
            )
            .expect("the kernel takes it");
            stream
        })
        .collect();
    weir.signal(libc::SIGTERM);
    weir.signal(libc::SIGCONT);
    for mut stream in waiting {
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer and the end");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    }
    assert_eq!(weir.exited().code(), Some(0));
}

/// Starts weir as systemd would: `sockets` from descriptor 3 on, `LISTEN_PID` its own.
fn activated(config: Value, sockets: &[&TcpListener], names: &str, more: &[(&str, String)]) -> Weir {
    let fds: Vec<i32> = sockets.iter().map(|socket| socket.as_raw_fd()).collect();
    let address = sockets[0].local_addr().expect("an address");
    Weir::activated(config, address, |command| {
        // The pid of the process is not known before it is there: a shell writes it and becomes weir.
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"]).arg(program).args(arguments).env_clear();
        shell.env("LISTEN_FDS", fds.len().to_string()).env("LISTEN_FDNAMES", names);
        shell.envs(more.iter().map(|(name, value)| (name, value)));
        // SAFETY: between fork and exec the closure makes system calls only; numbers below 100 are its own.
        unsafe {
            shell.pre_exec(move || {
                for (fd, at) in fds.iter().zip(100..) {
                    libc::dup2(*fd, at);
                }
                for at in 0..fds.len() as i32 {
                    libc::dup2(100 + at, 3 + at);
                    libc::close(100 + at);
                }
                Ok(())
            });
        }
        *command = shell;
    })
}

fn sockets_of_systemd_are_listened_on(driver: Driver) {
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["driver"] = json!(driver.name());
    let relay = TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = TcpListener::bind("127.0.0.1:0").expect("a port");
    // The file says other addresses; who handed the sockets in has said where to listen.
    config["listen"] = json!(own_address().to_string());
    let mut weir = activated(config, &[&relay, &admin], "relay:admin", &[]);
    weir.admin = admin.local_addr().expect("an address");
    weir.client().still_serves(&mut upstream);
    let said = weir.status()["listen"].clone();
    assert_eq!(said, json!([relay.local_addr().expect("an address").to_string()]));
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    weir.client().still_serves(&mut upstream);
    // They go on to a successor.
    weir.signal(libc::SIGUSR2);
    let heir = Heir(successor_of(&weir, u64::from(weir.pid())));
    weir.client().still_serves(&mut upstream);
    assert_eq!(weir.status()["listen"], said);
    assert_eq!(weir.exited().code(), Some(0));
    heir.signal(libc::SIGTERM);
    eventually(|| heir.is_gone());
}

/// What came to the notify socket until `wanted` was among it.
fn told(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    socket.set_read_timeout(Some(HANG)).expect("a timeout");
    let (mut all, start) = (Vec::new(), Instant::now());
    loop {
        assert!(start.elapsed() < HANG, "never told: {wanted}; but {all:?}");
        let mut piece = [0; 4096];
        let n = match socket.recv(&mut piece) {
            // The ring that `ring_refusal` tried interrupts system calls of its thread while it is taken down.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            outcome => outcome.unwrap_or_else(|error| panic!("{error} before {wanted}: {all:?}")),
        };
        all.push(String::from_utf8_lossy(&piece[..n]).into_owned());
        if all.last().is_some_and(|last| last.lines().any(|line| line.starts_with(wanted))) {
            return all;
        }
    }
}

fn systemd_is_told(driver: Driver) {
    let folder = Folder::new();
    let path = folder.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["driver"] = json!(driver.name());
    let relay = TcpListener::bind("127.0.0.1:0").expect("a port");
    let more = [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", "1000000".to_owned())];
    let mut weir = activated(config, &[&relay], "relay", &more);
    assert!(told(&socket, "READY=1").concat().contains("STATUS=serves"));
    told(&socket, "WATCHDOG=1");
    weir.signal(libc::SIGHUP);
    assert!(told(&socket, "RELOADING=1").concat().contains("MONOTONIC_USEC="));
    told(&socket, "READY=1");
    weir.signal(libc::SIGUSR2);
    told(&socket, "RELOADING=1");
    let all = told(&socket, "MAINPID=");
    let pid = all.concat().split("MAINPID=").nth(1).and_then(|rest| rest.lines().next().map(str::to_owned));
    let heir = Heir(pid.expect("a pid").parse().expect("a number"));
    assert!(all.last().expect("a datagram").contains("READY=1"), "{all:?}");
    assert_eq!(weir.exited().code(), Some(0));
    heir.signal(libc::SIGTERM);
    told(&socket, "STOPPING=1");
    eventually(|| heir.is_gone());
}

/// Stops one thread of another process for as long as it lives: what a core that stands still looks like.
struct Stopped(i32);

impl Stopped {
    fn core_of(weir: &Weir) -> Stopped {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", weir.pid())).expect("procfs").flatten();
        let core = tasks
            .into_iter()
            .find(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("core-")));
        let tid: i32 = core.expect("a core").file_name().to_string_lossy().parse().expect("a number");
        // SAFETY: the calls take integers and null pointers; the thread is one of our own child.
        unsafe {
            assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, tid, 0, 0), 0, "{}", std::io::Error::last_os_error());
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0), 0);
            libc::waitpid(tid, std::ptr::null_mut(), libc::__WALL);
        }
        Stopped(tid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, 0, 0) };
    }
}

fn a_stalled_core_is_found(driver: Driver) {
    let (weir, mut upstream) = relay(driver, "chat");
    assert_eq!(weir.status()["cores_stalled"], 0);
    let stopped = Stopped::core_of(&weir);
    let start = Instant::now();
    weir.logged("the stall", |line| line.contains("stands still"));
    assert!(start.elapsed() > Duration::from_millis(weir::limits::CORE_STALL_MS / 2), "found before its time");
    let health = weir.admin("GET", "/health");
    assert_eq!((health.status(), &health.json()["status"]), (503, &json!("stalled")));
    drop(stopped);
    weir.logged("the recovery", |line| line.contains("turns again"));
    eventually(|| match weir.admin("GET", "/health").status() {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    weir.client().still_serves(&mut upstream);
}
