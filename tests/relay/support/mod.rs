//! The real binary under test: started with a config of its own on addresses of its own, watched, and ended.
//!
//! Every `Weir` gets a loopback address that no other has (127.P.P.N from the process and a counter), so tests run side
//! by side without choosing ports. When it ends, its whole log is searched for the secrets that it was given.

pub mod tls;
pub mod upstream;
pub mod wire;

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

pub use serde_json::{Value, json};
pub use tls::{Authority, Front, Manner, Shown};
pub use upstream::{Call, Upstream};
pub use wire::{HANG, Length, Message, Wire, text};

pub const CLIENT_KEY: &str = "sk-client-canary-4b1d77";
pub const UPSTREAM_KEY: &str = "sk-upstream-canary-90ce";
pub const SECOND_KEY: &str = "sk-second-canary-1a2b3c";
pub const PROXY_PASSWORD: &str = "proxy-canary-7f4d";
pub const ADMIN_PASSWORD: &str = "admin-canary-e5f6a7";
const CANARIES: [&str; 5] = [CLIENT_KEY, UPSTREAM_KEY, SECOND_KEY, PROXY_PASSWORD, ADMIN_PASSWORD];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    IoUring,
    Epoll,
}

impl Driver {
    pub fn name(self) -> &'static str {
        match self {
            Driver::IoUring => "io_uring",
            Driver::Epoll => "epoll",
        }
    }
}

/// Runs each named test once per driver; where the kernel refuses a ring, that half says so and is skipped.
macro_rules! on_both_drivers {
    ($($test:ident),* $(,)?) => {
        mod io_uring {
            $(#[test] fn $test() { crate::support::with_ring(super::$test) })*
        }
        mod epoll {
            $(#[test] fn $test() { super::$test(crate::support::Driver::Epoll) })*
        }
    };
}
pub(crate) use on_both_drivers;

pub fn with_ring(test: fn(Driver)) {
    match ring_refusal() {
        None => test(Driver::IoUring),
        Some(error) => eprintln!("skipped: this machine refuses io_uring: {error}"),
    }
}

/// Why the kernel gives no ring; asked of the kernel, not of weir.
pub fn ring_refusal() -> Option<std::io::Error> {
    let mut params = [0u64; 15]; // struct io_uring_params: 120 bytes
    // SAFETY: the kernel writes the parameters back into a live array of the struct's size.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, params.as_mut_ptr()) };
    if fd < 0 {
        return Some(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made above and is owned here alone.
    unsafe { libc::close(i32::try_from(fd).expect("a descriptor")) };
    None
}

/// A folder that goes when its owner does.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("weir-test-{}-{}", std::process::id(), serial()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn serial() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A loopback address that nothing else uses while this process lives.
pub fn own_address() -> SocketAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let serial = serial();
    let last = u8::try_from(serial % 253 + 2).expect("below 255");
    let port = u16::try_from(7070 + 10 * (serial / 253)).expect("a port");
    SocketAddr::from((Ipv4Addr::new(127, high.max(1), low, last), port))
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

pub struct Weir {
    child: Child,
    log: Arc<Log>,
    reader: Option<std::thread::JoinHandle<()>>,
    folder: Folder,
    config: Value,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Whether the test lets sessions panic.
    pub may_panic: bool,
}

impl Weir {
    /// Starts weir with `config`; addresses, driver, cores and data folder are filled in where it says nothing.
    pub fn start(driver: Driver, config: Value) -> Weir {
        Weir::start_on(driver, config, own_address())
    }

    /// The same where `address` is the relay's.
    pub fn start_on(driver: Driver, config: Value, address: SocketAddr) -> Weir {
        Weir::prepared(driver, config, address, |_| ())
    }

    fn prepared(driver: Driver, mut config: Value, address: SocketAddr, prepare: impl FnOnce(&mut Command)) -> Weir {
        let folder = Folder::new();
        let admin = SocketAddr::new(address.ip(), address.port() + 1);
        let filled = json!({
            "listen": address.to_string(),
            "admin": { "listen": admin.to_string(), "password": ADMIN_PASSWORD },
            "data_dir": folder.path().join("data"),
            "driver": driver.name(),
            "cores": 1,
            "watch": false,
        });
        for (name, value) in filled.as_object().expect("an object") {
            if config.get(name).is_none() {
                config[name] = value.clone();
            }
        }
        write_config(&folder, &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("serve").arg("-c").arg(folder.path().join("weir.json")).env_clear();
        prepare(&mut command);
        Weir::spawn(command, folder, config, address, admin)
    }

    /// Starts weir with `config` as it stands but for addresses and folder, in surroundings that `prepare` makes.
    pub fn start_in(config: Value, prepare: impl FnOnce(&mut Command)) -> Weir {
        Weir::prepared(Driver::Epoll, config, own_address(), prepare)
    }

    /// Starts weir on sockets that are handed to it; `address` is one of them.
    pub fn activated(config: Value, address: SocketAddr, prepare: impl FnOnce(&mut Command)) -> Weir {
        let admin = own_address();
        let mut config = config;
        config["admin"] = json!({ "listen": admin.to_string(), "password": ADMIN_PASSWORD });
        let folder = Folder::new();
        config["data_dir"] = json!(folder.path().join("data"));
        config["watch"] = json!(false);
        write_config(&folder, &config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["serve", "--cores", "1", "-c"]).arg(folder.path().join("weir.json"));
        prepare(&mut command);
        Weir::spawn_unheard(command, folder, config, address, admin)
    }

    /// Starts weir as on an empty machine, with `home` for a home: no file, nothing in the environment.
    pub fn start_bare(driver: Driver, home: &Path) -> Weir {
        let address = own_address();
        let admin = SocketAddr::new(address.ip(), address.port() + 1);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["serve", "--driver", driver.name(), "--cores", "1"]);
        command.args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
        command.env_clear().env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).current_dir(home);
        Weir::spawn(command, Folder::new(), Value::Null, address, admin)
    }

    fn spawn(command: Command, folder: Folder, config: Value, address: SocketAddr, admin: SocketAddr) -> Weir {
        let mut weir = Weir::spawn_unheard(command, folder, config, address, admin);
        weir.await_listening(address);
        weir.await_listening(admin);
        weir
    }

    fn spawn_unheard(
        mut command: Command,
        folder: Folder,
        config: Value,
        address: SocketAddr,
        admin: SocketAddr,
    ) -> Weir {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("weir starts");
        let log = Arc::new(Log::default());
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("stdout")), Box::new(child.stderr.take().expect("stderr"))];
        let sink = log.clone();
        let reader = std::thread::spawn(move || collect(streams, &sink));
        Weir { child, log, reader: Some(reader), folder, config, address, admin, may_panic: false }
    }

    fn await_listening(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + HANG;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait().expect("wait") {
                panic!("weir ended with {status} before it listened:\n{}", self.log());
            }
            assert!(Instant::now() < deadline, "weir does not listen on {address}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A connection to the relay; an upstream key that arrives on it fails the test.
    pub fn client(&self) -> Client {
        Client { wire: Wire::connect(self.address, UPSTREAM_KEY), host: self.address.to_string() }
    }

    /// One request on the admin address, as the administrator.
    pub fn admin(&self, method: &str, target: &str) -> Message {
        self.admin_as(method, target, Some(ADMIN_PASSWORD))
    }

    pub fn admin_as(&self, method: &str, target: &str, password: Option<&str>) -> Message {
        self.admin_asked(method, target, password).answer()
    }

    /// A connection to the admin address.
    pub fn admin_client(&self) -> Client {
        Client { wire: Wire::connect(self.admin, UPSTREAM_KEY), host: self.admin.to_string() }
    }

    fn admin_asked(&self, method: &str, target: &str, password: Option<&str>) -> Client {
        let mut client = self.admin_client();
        let bearer = password.map(|p| format!("authorization: Bearer {p}\r\n")).unwrap_or_default();
        client.ask(method, target, &format!("{bearer}connection: close\r\n"), b"");
        client
    }

    /// One request on the admin address with fields and a body of the test's own.
    pub fn admin_with(&self, method: &str, target: &str, fields: &str, body: &str) -> Message {
        self.admin_begun(method, target, fields, body).answer()
    }

    /// The same before its answer.
    pub fn admin_begun(&self, method: &str, target: &str, fields: &str, body: &str) -> Client {
        let mut client = self.admin_client();
        let (host, length) = (&client.host, body.len());
        // Who is refused may be told before all of the body has been taken (RFC 9112, section 9.6).
        client.wire.send_if_taken(format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\n{fields}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        client
    }

    pub fn status(&self) -> Value {
        let answer = self.admin("GET", "/api/status");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// The totals, once `requests` exchanges have been booked.
    pub fn usage(&self, requests: u64) -> Value {
        eventually(|| {
            let answer = self.admin("GET", "/api/usage?group_by=model");
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let total = answer.json()["total"].clone();
            if total["requests"] == requests { Ok(total) } else { Err(format!("{requests} requests in {total}")) }
        })
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: no memory is involved; the child has not been waited for, so the pid is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "kill");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes the config anew with `change` made to it.
    pub fn rewrite(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.config);
        write_config(&self.folder, &self.config);
    }

    pub fn rewrite_raw(&self, text: &str) {
        std::fs::write(self.folder.path().join("weir.json"), text).expect("write");
    }

    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("weir.json")
    }

    pub fn log(&self) -> String {
        self.log.text.lock().expect("the log").clone()
    }

    /// Waits until the log holds a line for which `wanted` is true.
    pub fn logged(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + HANG;
        let mut log = self.log.text.lock().expect("the log");
        loop {
            if let Some(line) = log.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never logged: {what}; the log:\n{log}");
            log = self.log.grown.wait_timeout(log, left).expect("the log").0;
        }
    }

    /// Waits for the end of the process.
    pub fn exited(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().expect("wait").ok_or("weir still runs".to_owned()))
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // A successor may have the other end of the reader's pipes: not waited for.
            eprintln!("--- the log of weir\n{}", self.log());
            return;
        }
        let _ = self.reader.take().map(std::thread::JoinHandle::join);
        let log = self.log();
        for canary in CANARIES {
            assert!(!log.contains(canary), "the log tells a secret:\n{log}");
        }
        assert!(self.may_panic || !log.contains("panicked"), "a panic in weir:\n{log}");
    }
}

fn write_config(folder: &Folder, config: &Value) {
    let path = folder.path().join("weir.json");
    std::fs::write(&path, serde_json::to_vec_pretty(config).expect("json")).expect("write");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, owner_only).expect("permissions");
}

/// Copies both outputs of the child into the log until they end.
fn collect(streams: [Box<dyn Read + Send>; 2], log: &Log) {
    std::thread::scope(|scope| {
        for mut stream in streams {
            scope.spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut piece) {
                    log.text.lock().expect("the log").push_str(&String::from_utf8_lossy(&piece[..n]));
                    log.grown.notify_all();
                }
            });
        }
    });
}

/// Asks again until the answer is `Ok`; after `HANG` fails with the last reason.
pub fn eventually<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + HANG;
    loop {
        match ask() {
            Ok(value) => return value,
            Err(reason) => assert!(Instant::now() < deadline, "never: {reason}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One client of the relay on one connection.
pub struct Client {
    pub wire: Wire,
    host: String,
}

impl Client {
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes);
    }

    /// A request with the given field lines (each with its CRLF) and a body of known length.
    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: &[u8]) {
        let length = if body.is_empty() && matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let head = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n{fields}{length}\r\n", self.host);
        self.send([head.as_bytes(), body].concat());
    }

    /// A JSON request with the client's key as a bearer token.
    pub fn post(&mut self, target: &str, body: impl AsRef<[u8]>) {
        self.post_with(target, &bearer(CLIENT_KEY), body);
    }

    pub fn post_with(&mut self, target: &str, fields: &str, body: impl AsRef<[u8]>) {
        self.ask("POST", target, &format!("{fields}content-type: application/json\r\n"), body.as_ref());
    }

    pub fn get(&mut self, target: &str) {
        self.ask("GET", target, &bearer(CLIENT_KEY), b"");
    }

    /// The answer to anything but HEAD.
    pub fn answer(&mut self) -> Message {
        let head = self.wire.head();
        let length = head.response_length();
        let (body, whole) = self.wire.body(length);
        Message { head, body, whole }
    }

    pub fn answer_to_head(&mut self) -> Message {
        Message { head: self.wire.head(), body: Vec::new(), whole: true }
    }

    /// Shows that the connection still serves: a request on it is relayed and answered.
    pub fn still_serves(&mut self, upstream: &mut Upstream) {
        self.post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
        upstream.next().json(200, chat_answer("still here"));
        assert_eq!(self.answer().json(), chat_answer("still here"));
    }
}

pub fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

/// One provider `up` of `protocol` at `upstream`, one client, one route to it.
pub fn config(protocol: &str, upstream: &Upstream) -> Value {
    config_at(protocol, &upstream.url(if protocol == "chat" || protocol == "responses" { "/v1" } else { "" }))
}

pub fn config_at(protocol: &str, base_url: &str) -> Value {
    json!({
        "clients": { "tester": { "key": CLIENT_KEY } },
        "providers": { "up": { "protocol": protocol, "base_url": base_url, "keys": [UPSTREAM_KEY] } },
        "routes": { "all": { "to": ["up"] } },
    })
}

/// Starts weir before an upstream of `protocol`.
pub fn relay(driver: Driver, protocol: &str) -> (Weir, Upstream) {
    let upstream = Upstream::new();
    (Weir::start(driver, config(protocol, &upstream)), upstream)
}

pub fn chat_answer(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
    })
}

/// One event without a name.
pub fn data(value: Value) -> String {
    format!("data: {value}\n\n")
}

/// One event that is named by its `type`.
pub fn named(value: Value) -> String {
    format!("event: {}\n{}", value["type"].as_str().expect("a type").to_owned(), data(value))
}

/// What a dialect's caller expects of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
    Ollama,
}

/// Asserts an error answer of `dialect` with `status`, and gives its message.
pub fn refused(answer: &Message, dialect: Dialect, status: u16) -> String {
    assert_eq!(answer.status(), status, "{:?} {}", answer.head, answer.text());
    assert!(answer.head.field("x-request-id").is_some_and(|id| !id.is_empty()), "{:?}", answer.head);
    let kind = answer.head.field("content-type").expect("a content type");
    assert!(kind.starts_with("application/json"), "{kind}");
    error_message(&answer.json(), dialect, status)
}

/// Asserts the shape of an error body, and gives its message.
pub fn error_message(body: &Value, dialect: Dialect, status: u16) -> String {
    let error = &body["error"];
    let message = match dialect {
        Dialect::OpenAi => {
            assert!(error["type"].is_string(), "{body}");
            assert!(error.get("param").is_some() && error.get("code").is_some(), "{body}");
            &error["message"]
        }
        Dialect::Anthropic => {
            assert_eq!(body["type"], "error", "{body}");
            let named = |t: &str| t.ends_with("_error") || (t == "request_too_large" && status == 413);
            assert!(error["type"].as_str().is_some_and(named), "{body}");
            assert!(body["request_id"].is_string(), "{body}");
            &error["message"]
        }
        Dialect::Gemini => {
            assert_eq!(error["code"], status, "{body}");
            assert!(error["status"].as_str().is_some_and(|s| s == s.to_ascii_uppercase()), "{body}");
            &error["message"]
        }
        Dialect::Ollama => error,
    };
    let message = message.as_str().unwrap_or_else(|| panic!("no message in {body}"));
    assert!(!message.is_empty(), "{body}");
    message.to_owned()
}

/// The binary run to its end with `arguments`.
pub fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("weir runs")
}

/// What `weir version` says, asked once.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| String::from_utf8(run(&["version"]).stdout).expect("text"))
}
