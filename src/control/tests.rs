//! The control plane over a core that is played: a teller behind a lock, which obeys as a core would.

use std::io::Write;
use std::sync::atomic::AtomicUsize;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::base::id::RequestId;
use crate::config::{Outside, Overrides, Reading};
use crate::record::{Attempt, Entry, Model, Outcome as Ended, Teller, Tokens};

/// Planted wherever the configuration takes a secret.
const CANARY: &str = "canary-5ec7e7";

pub(super) const FILE: &str = r#"{
  "admin": { "password": "canary-5ec7e7-password" },
  "clients": { "alice": { "key": "canary-5ec7e7-client" } },
  "providers": {
    "deep": {
      "protocol": "chat", "base_url": "http://127.0.0.1:9/v1", "headers": { "x-extra": "canary-5ec7e7-header" },
      "keys": [{ "key": "canary-5ec7e7-first", "name": "first" }, { "key": "canary-5ec7e7-second", "disabled": true }]
    }
  },
  "routes": { "main": { "to": ["deep/deepseek-chat"] } }
}"#;

fn read(text: &str) -> Reading {
    read_as(text, None)
}

fn read_as(text: &str, path: Option<&std::path::Path>) -> Reading {
    let env = |_: &str| None;
    let read = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
    crate::config::read(
        text.as_bytes(),
        &Outside { env: &env, read: &read, path, shared: false },
        &Overrides::default(),
    )
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while held").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A control plane, the core it talks to, and what each has seen.
pub(super) struct World {
    pub(super) shared: Arc<Shared>,
    pub(super) core: Arc<Mutex<Teller>>,
    file: Arc<Mutex<String>>,
    lines: Lines,
    listened: Arc<AtomicUsize>,
    pub(super) refuse_listen: Arc<AtomicBool>,
}

impl World {
    pub(super) fn new(text: &str) -> World {
        World::with(text, None, |_| None)
    }

    pub(super) fn with_store(
        text: &str,
        store: impl FnOnce(&Arc<ArcSwap<Snapshot>>) -> Option<(Store, store::Feed)>,
    ) -> World {
        World::with(text, None, store)
    }

    /// One whose file is a real one, if it has a path.
    pub(super) fn with(
        text: &str,
        path: Option<&std::path::Path>,
        store: impl FnOnce(&Arc<ArcSwap<Snapshot>>) -> Option<(Store, store::Feed)>,
    ) -> World {
        let reading = read_as(text, path);
        let snapshot = reading.snapshot.unwrap_or_else(|| panic!("{:?}", reading.problems));
        let (teller, ring) = Teller::new(Arc::new(Tally::new()));
        let tally = teller.tally().clone();
        let core = Arc::new(Mutex::new(teller));
        let file = Arc::new(Mutex::new(text.to_owned()));
        let (listened, refuse_listen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let tell: Tell = {
            let (core, listened, refuse) = (core.clone(), listened.clone(), refuse_listen.clone());
            Box::new(move |command| {
                let mut core = core.lock().expect("no panic while held");
                match command {
                    Command::Listen(_) if refuse.load(Ordering::Relaxed) => return Err("port taken".to_owned()),
                    Command::Listen(_) => drop(listened.fetch_add(1, Ordering::Relaxed)),
                    Command::Drain { .. } => core.tally().sessions_open.set(0),
                    Command::Settle(number) => core.settle(number),
                }
                Ok(())
            })
        };
        let load: Load = {
            let (file, path) = (file.clone(), path.map(std::path::Path::to_owned));
            Box::new(move |text| match (text, &path) {
                (Some(text), path) => read_as(text, path.as_deref()),
                (None, Some(path)) => read_as(&std::fs::read_to_string(path).expect("a file"), Some(path)),
                (None, None) => read(&file.lock().expect("no panic while held")),
            })
        };
        let wiring = Wiring {
            addresses: Arc::new(ArcSwap::from_pointee(AddressBook::literal(&snapshot))),
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            known: Default::default(),
            cores: Cores { tallies: vec![tally], rings: vec![ring], tell },
            driver: DriverReport { name: "epoll", why: "asked for".to_owned() },
            admin: Listening::Tcp(std::net::TcpListener::bind("127.0.0.1:0").expect("a port")),
            load,
            seen: None,
            listening_on: Box::new(Vec::new),
            begin: Box::new(|| Ok(())),
            predecessor: None,
            succeed: Box::new(|| Err(io::Error::other("nobody follows here"))),
        };
        let lines = Lines::default();
        let store = store(&wiring.snapshot);
        let log = Log::new(wiring.snapshot.load().log.format, Box::new(lines.clone()));
        let (shared, _listening) = Shared::new(wiring, log, Some(Token::of("the-token")), store).expect("random bytes");
        World { shared, core, file, lines, listened, refuse_listen }
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut Entry)) -> RequestId {
        static SEQUENCE: AtomicUsize = AtomicUsize::new(0);
        let id = RequestId::new(1_795_254_816_123, 0, 0, SEQUENCE.fetch_add(1, Ordering::Relaxed) as u32);
        let generation = self.shared.snapshot.load().generation;
        let mut entry = Entry {
            client: 0,
            route: 0,
            provider: 0,
            key: 0,
            status: 200,
            attempts: 1,
            model_asked: Model::new("gpt-4o"),
            model_sent: Model::new("deepseek-chat"),
            tokens: Tokens { input: 10, output: 5, cache_read: 4, said: true, ..Tokens::default() },
            ..Entry::begun(id, 1_795_254_816_123, generation)
        };
        change(&mut entry);
        self.core.lock().expect("no panic while held").tell(&entry);
        id
    }

    pub(super) async fn ask(
        &self,
        caller: &str,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, String) {
        let caller = if caller == "owner" { Caller::Owner } else { Caller::Ip(caller.parse().expect("an address")) };
        let mut request = Request::builder().method(method).uri(path).extension(caller);
        if !fields.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:7071");
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let answer = api::router(self.shared.clone()).oneshot(request).await.expect("infallible");
        let status = answer.status();
        let head: String = answer
            .headers()
            .iter()
            .filter(|(name, _)| *name == "set-cookie")
            .map(|(_, value)| format!("{}\n", value.to_str().expect("text")))
            .collect();
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        (status, head + &String::from_utf8_lossy(&body))
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("owner", "GET", path, &[], "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }
}

const PASSWORD: (&str, &str) = ("authorization", "Bearer canary-5ec7e7-password");

#[tokio::test]
async fn everything_is_authenticated_but_the_page_login_and_local_probes() {
    let world = World::new(FILE);
    let paths =
        ["/metrics", "/api/status", "/api/usage", "/api/requests", "/api/requests/x", "/api/nothing", "/nothing"];
    for path in paths {
        let (status, body) = world.ask("127.0.0.1", "GET", path, &[], "").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(serde_json::from_str::<Value>(&body).expect("JSON")["detail"].is_string());
        assert_ne!(world.ask("127.0.0.1", "GET", path, &[PASSWORD], "").await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(world.ask("127.0.0.1", "POST", "/api/reload", &[], "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask("127.0.0.1", "GET", "/", &[], "").await.0, StatusCode::OK);
    assert_eq!(world.ask("127.0.0.1", "GET", "/health", &[], "").await.0, StatusCode::OK);
    assert_eq!(world.ask("10.0.0.7", "GET", "/health", &[], "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask("10.0.0.7", "GET", "/health", &[PASSWORD], "").await.0, StatusCode::OK);
    let token = ("authorization", "Bearer the-token");
    assert_eq!(world.ask("127.0.0.1", "GET", "/api/status", &[token], "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_host_is_refused_everywhere() {
    let world = World::new(FILE);
    for path in ["/", "/health", "/api/status", "/api/login"] {
        let (status, _) = world.ask("127.0.0.1", "GET", path, &[("host", "evil.example"), PASSWORD], "").await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_login_opens_a_session_and_a_logout_ends_it() {
    let world = World::new(FILE);
    let login = |password: &str| json!({ "password": password }).to_string();
    let (status, _) = world.ask("127.0.0.1", "POST", "/api/login", &[], &login("wrong")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask("127.0.0.1", "POST", "/api/login", &[], "{").await.0, StatusCode::BAD_REQUEST);
    let (status, answer) = world.ask("127.0.0.1", "POST", "/api/login", &[], &login("canary-5ec7e7-password")).await;
    assert_eq!(status, StatusCode::OK);
    let cookie = ("cookie", answer.split(';').next().expect("a cookie"));
    assert_eq!(world.ask("127.0.0.1", "GET", "/api/status", &[cookie], "").await.0, StatusCode::OK);
    let foreign = [cookie, ("origin", "http://localhost:3000")];
    assert_eq!(world.ask("127.0.0.1", "POST", "/api/reload", &foreign, "").await.0, StatusCode::FORBIDDEN);
    assert_eq!(world.ask("127.0.0.1", "POST", "/api/logout", &[cookie], "").await.0, StatusCode::OK);
    assert_eq!(world.ask("127.0.0.1", "GET", "/api/status", &[cookie], "").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn wrong_methods_and_queries_are_told_in_json() {
    let world = World::new(FILE);
    for (method, path, expected) in [
        ("DELETE", "/api/usage", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/api/nothing", StatusCode::NOT_FOUND),
        ("GET", "/api/requests/none", StatusCode::NOT_FOUND),
        ("GET", "/api/usage?group_by=colour", StatusCode::BAD_REQUEST),
        ("GET", "/api/usage?from=yesterday", StatusCode::BAD_REQUEST),
        ("GET", "/api/usage?form=2026-01-01", StatusCode::BAD_REQUEST),
        ("GET", "/api/usage?format=xml", StatusCode::BAD_REQUEST),
        ("GET", "/api/requests?status=red", StatusCode::BAD_REQUEST),
        ("GET", "/api/requests?limit=many", StatusCode::BAD_REQUEST),
        ("GET", "/api/models", StatusCode::BAD_REQUEST),
    ] {
        let (status, body) = world.ask("owner", method, path, &[], "").await;
        assert_eq!(status, expected, "{path}");
        let told = serde_json::from_str::<Value>(&body).expect(path);
        assert!(told["detail"].is_string(), "{path}");
        assert_eq!(told["member"].is_string(), status == StatusCode::BAD_REQUEST, "{path}: {told}");
    }
}

#[tokio::test]
async fn usage_is_exact_beyond_a_full_ring() {
    let world = World::new(FILE);
    let told = limits::RECORD_SLOTS as u64 + 700;
    for exchange in 0..told {
        world.tell(|entry| {
            entry.client = if exchange % 4 == 0 { crate::record::NONE } else { 0 };
            entry.outcome = if exchange % 2 == 0 { Ended::Ok } else { Ended::UpstreamError };
        });
    }
    let usage = world.get("/api/usage?group_by=client,model").await;
    let total = &usage["total"];
    assert_eq!((total["requests"].as_u64(), total["ok"].as_u64()), (Some(told), Some(told / 2)));
    assert_eq!(total["errors"].as_u64(), Some(told - told / 2));
    assert_eq!(total["input_tokens"].as_u64(), Some(told * 10));
    assert_eq!(total["cache_read_tokens"].as_u64(), Some(told * 4));
    let groups: Vec<_> = usage["groups"].as_array().expect("a list").iter().map(|row| row["client"].as_str()).collect();
    assert_eq!(groups, [Some(""), Some("alice")]);
    let metrics = world.ask("owner", "GET", "/metrics", &[], "").await.1;
    assert!(metrics.contains("weir_records_dropped_total{core=\"0\"} 700"), "{metrics}");
}

#[tokio::test]
async fn usage_is_bounded_by_days_and_grouped_by_them() {
    let world = World::new(FILE);
    world.tell(|_| {});
    for (query, requests) in [
        ("", 1),
        ("?from=2026-11-21&to=2026-11-21", 1),
        ("?from=2026-11-22", 0),
        ("?to=2026-11-20T23:59:59Z", 0),
        ("?from=1795254816123", 1),
    ] {
        assert_eq!(world.get(&format!("/api/usage{query}")).await["total"]["requests"], requests, "{query}");
    }
    let usage = world.get("/api/usage?group_by=day,provider,key").await;
    let row = &usage["groups"][0];
    assert_eq!((&row["day"], &row["provider"], &row["key"]), (&json!("2026-11-21"), &json!("deep"), &json!("first")));
    assert_eq!(world.get("/api/usage").await["groups"], json!([]));
}

#[tokio::test]
async fn requests_are_listed_newest_first_page_by_page() {
    let world = World::new(FILE);
    let ids: Vec<RequestId> =
        (0..5).map(|place| world.tell(|entry| entry.status = if place == 2 { 503 } else { 200 })).collect();
    let listed = |answer: Value| -> Vec<String> {
        let requests = answer["requests"].as_array().expect("a list").clone();
        requests.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    let id = |place: usize| ids[place].as_str().to_owned();
    assert_eq!(listed(world.get("/api/requests?limit=2").await), [id(4), id(3)]);
    assert_eq!(listed(world.get(&format!("/api/requests?limit=2&before={}", id(3))).await), [id(2), id(1)]);
    assert_eq!(listed(world.get(&format!("/api/requests?before={}", id(0))).await), [""; 0]);
    assert_eq!(listed(world.get("/api/requests?status=5xx").await), [id(2)]);
    assert_eq!(listed(world.get("/api/requests?status=503&client=alice&provider=deep&model=gpt-4o").await), [id(2)]);
    assert_eq!(listed(world.get("/api/requests?client=bob").await), [""; 0]);
    let one = world.get(&format!("/api/requests/{}", id(2))).await;
    assert_eq!(
        (&one["status"], &one["key"], &one["time"]),
        (&json!(503), &json!("first"), &json!("2026-11-21T09:53:36.123Z"))
    );
    assert_eq!(one["first_byte_us"], Value::Null);
}

#[tokio::test]
async fn status_says_what_the_contract_names() {
    let world = World::new(FILE);
    world.core.lock().expect("no panic while held").tally().sessions_open.set(3);
    let status = world.get("/api/status").await;
    for member in ["pid", "version", "driver", "cores", "uptime_ms", "sessions", "streams", "draining", "providers"] {
        assert!(!status[member].is_null(), "{member}");
    }
    assert_eq!((&status["sessions"], &status["driver"]), (&json!(3), &json!("epoll")));
    let provider = &status["providers"][0];
    assert_eq!((&provider["name"], &provider["addresses"]), (&json!("deep"), &json!(["127.0.0.1:9"])));
    let well = json!({ "name": "first", "health": "ok", "cooling_until": null, "cause": null, "models": [],
        "failures": 0, "last_error": null,
        "disabled": false, "weight": 1, "priority": 100, "in_flight": 0, "waiting": 0 });
    assert_eq!(provider["keys"][0], well);
    assert_eq!(provider["keys"][1]["health"], "disabled");
    let begun = Attempt::begun(RequestId::new(1, 0, 0, 0), 77, 1, 1, 0);
    let why = crate::record::Text::new("it answered 429: slow down");
    let failed = Attempt { provider: 0, key: 0, status: 429, model: Model::new("m"), why, ..begun };
    let generation = world.shared.snapshot.load().generation as u32;
    world.core.lock().expect("no panic while held").attempt(&Attempt { generation, ..failed });
    let status = world.get("/api/status").await;
    let key = &status["providers"][0]["keys"][0];
    let last = json!({ "unix_ms": 77, "status": 429, "model": "m", "message": "it answered 429: slow down" });
    assert_eq!((&key["failures"], &key["last_error"]), (&json!(1), &last));
    let metrics = world.ask("owner", "GET", "/metrics", &[], "").await.1.to_string();
    assert!(metrics.contains("weir_key_failures_total{provider=\"deep\",key=\"first\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_reload_publishes_and_old_entries_keep_their_names() {
    let world = World::new(FILE);
    let before = world.tell(|_| {});
    let old = world.shared.snapshot.load().generation;
    *world.file.lock().expect("no panic while held") =
        FILE.replace("alice", "bob").replace("127.0.0.1:9/", "localhost:9/");
    let (status, answer) = world.ask("owner", "POST", "/api/reload", &[], "").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(world.shared.snapshot.load().generation, old + 1);
    assert_eq!(world.listened.load(Ordering::Relaxed), 1);
    assert!(!world.shared.addresses.load().get("localhost", 9).is_empty());
    let after = world.tell(|_| {});
    for (id, client) in [(before, "alice"), (after, "bob")] {
        assert_eq!(world.get(&format!("/api/requests/{}", id.as_str())).await["client"], client);
    }
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_every_problem_is_told() {
    let world = World::new(FILE);
    let old = world.shared.snapshot.load_full();
    *world.file.lock().expect("no panic while held") = r#"{ "lisetn": ":1", "cores": "many" }"#.to_owned();
    let (status, answer) = world.ask("owner", "POST", "/api/reload", &[], "").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let paths: Vec<_> = answer["problems"].as_array().expect("a list").iter().map(|p| p["path"].as_str()).collect();
    assert!(paths.contains(&Some("lisetn")) && paths.contains(&Some("cores")), "{answer}");
    assert!(Arc::ptr_eq(&old, &world.shared.snapshot.load_full()));
    assert_eq!(world.listened.load(Ordering::Relaxed), 0);

    *world.file.lock().expect("no panic while held") = FILE.to_owned();
    world.refuse_listen.store(true, Ordering::Relaxed);
    let (status, answer) = world.ask("owner", "POST", "/api/reload", &[], "").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.contains("port taken"), "{answer}");
    assert!(Arc::ptr_eq(&old, &world.shared.snapshot.load_full()), "what cannot be listened on changes nothing");
}

#[tokio::test]
async fn reloads_at_the_same_time_take_turns() {
    let world = World::new(FILE);
    let old = world.shared.snapshot.load().generation;
    let reloads: Vec<_> = (0..8)
        .map(|_| {
            let shared = world.shared.clone();
            tokio::spawn(async move { reload::reload(&shared, "test").await.map(|done| done.generation) })
        })
        .collect();
    let mut generations = Vec::new();
    for done in reloads {
        generations.push(done.await.expect("no panic").expect("a good file"));
    }
    generations.sort_unstable();
    assert_eq!(generations, (old + 1..=old + 8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_core_that_does_not_answer_is_not_waited_for() {
    let world = World::new(FILE);
    *world.shared.tell.lock().expect("no panic while held") = Box::new(|_| Ok(()));
    world.tell(|_| {});
    assert_eq!(world.get("/api/usage").await["total"]["requests"], 1, "what is in the ring is counted all the same");
}

#[tokio::test]
async fn no_secret_is_ever_said() {
    let world = World::new(FILE);
    let id = world.tell(|entry| entry.outcome = Ended::UpstreamError);
    let path = format!("/api/requests/{}", id.as_str());
    let mut said = String::new();
    for path in
        ["/health", "/metrics", "/api/status", "/api/usage?group_by=client,key", "/api/requests", &path, "/", "/no"]
    {
        said += &world.ask("owner", "GET", path, &[], "").await.1;
        said += &world.ask("127.0.0.1", "GET", path, &[("authorization", "Bearer canary-5ec7e7-guess")], "").await.1;
    }
    said += &world.ask("owner", "POST", "/api/reload", &[], "").await.1;
    *world.file.lock().expect("no panic while held") = FILE.replace("\"keys\"", "\"kyes\"");
    said += &world.ask("owner", "POST", "/api/reload", &[], "").await.1;
    said += &world.ask("127.0.0.1", "POST", "/api/login", &[], "{\"password\":\"canary-5ec7e7-login\"}").await.1;
    said += &world.ask("127.0.0.1", "POST", "/api/login", &[], "{\"password\":canary-5ec7e7-login}").await.1;
    said += &format!("{:?}{:?}", world.shared.snapshot.load(), world.shared.driver);
    said += &String::from_utf8_lossy(&world.lines.0.lock().expect("no panic while held"));
    assert!(said.contains("key=first") && said.contains("deep"), "the test has seen the log and the answers");
    assert!(!said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn a_request_over_the_control_socket_needs_no_password() {
    let world = World::new(FILE);
    let folder = socket::tests::Folder::new("control");
    let path = folder.0.join(socket::CONTROL_SOCKET);
    let bound = socket::bind(&path, false).and_then(socket::Fresh::place).expect("a socket");
    let doors = serve::Doors::new();
    let door = serve::unix(bound, api::router(world.shared.clone()), Caller::Owner, doors.leave()).expect("a socket");
    let serving = tokio::spawn(door);
    let asked = path.clone();
    let ask = tokio::task::spawn_blocking(move || socket::ask(&asked, "GET", "/api/status"));
    let (status, answer) = ask.await.expect("no panic").expect("an answer");
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&answer).expect("JSON")["pid"].is_number());
    doors.close(|| ()).await;
    assert!(serving.await.is_ok(), "it has ended by itself");
    assert!(!path.exists(), "the socket's file goes with its server");
}
