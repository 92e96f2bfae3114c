//! What the API changes: a real file, edited, checked, kept, in force, or as it was.

use std::future::poll_fn;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hyper::body::Body as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::tests::World;
use super::*;

const FILE: &str = r#"// Head.
{
  "data_dir": "DATA",
  "admin": { "password": "canary-password" },
  "clients": {
    "alice": { "key": "canary-client" }, // hers
  },
  "providers": {
    // The first.
    "deep": {
      "protocol": "chat", "base_url": "http://127.0.0.1:9/v1", "headers": { "x-extra": "canary-header" },
      "keys": ["canary-first-secret", { "key": "canary-second-secret", "name": "second", "disabled": true }], // two
    },
  },
  "routes": { "main": { "to": ["deep/deepseek-chat"] } }
}
"#;

struct Place {
    world: World,
    folder: PathBuf,
    path: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    fn new(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("weir-edit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("weir.json");
        let text = FILE.replace("DATA", &folder.join("data").display().to_string());
        std::fs::write(&path, &text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        Place { world: World::with(&text, Some(&path), |_| None), folder, path }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("a file")
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask_with(method, path, &[], body).await
    }

    async fn ask_with(&self, method: &str, path: &str, fields: &[(&str, &str)], body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.world.ask("owner", method, path, fields, &body).await;
        let told: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer}"));
        if !status.is_success() {
            assert_eq!((&told["status"], &told["type"]), (&json!(status.as_u16()), &json!("about:blank")), "{told}");
            assert!(told["title"].is_string() && told["detail"].is_string(), "{told}");
        }
        (status, told)
    }

    async fn well(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, told) = self.ask(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {told}");
        told
    }

    async fn refused(&self, method: &str, path: &str, body: Value, expected: u16) -> Value {
        let before = self.text();
        let (status, told) = self.ask(method, path, body).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}: {told}");
        assert_eq!(self.text(), before, "nothing was changed");
        told
    }

    fn provider(&self, name: &str) -> bool {
        self.world.shared.snapshot.load().provider(name.as_bytes()).is_some()
    }
}

#[tokio::test]
async fn the_file_is_read_and_replaced_with_its_secrets_masked() {
    let place = Place::new("config");
    let config = place.world.get("/api/config").await;
    let text = config["text"].as_str().expect("a text");
    assert!(!text.contains("canary") && text.contains("// Head.") && text.contains("// hers"), "{text}");
    assert_eq!(config["problems"], json!([]));
    let etag = format!("\"{}\"", config["etag"].as_str().expect("a mark"));
    let changed = text.replace("\"main\"", "\"first\"").replace("// Head.", "// Another head.");
    let (status, told) = place.ask_with("PUT", "/api/config", &[("if-match", &etag)], json!({ "text": changed })).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let now = place.text();
    assert!(
        now.contains("// Another head.") && now.contains("canary-first-secret") && !now.contains("masked:"),
        "{now}"
    );
    assert_eq!(std::fs::metadata(&place.path).expect("there").mode() & 0o777, 0o640);
    assert_eq!(&*place.world.shared.snapshot.load().routes[0].name, "first");
    assert!(told["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{told}");
    // The mark of the text before is none of this one's.
    let (status, _) = place.ask_with("PUT", "/api/config", &[("if-match", &etag)], json!({ "text": text })).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    let backups = place.world.get("/api/config/backups").await;
    let name = backups["backups"][0]["name"].as_str().expect("one").to_owned();
    let kept = place.world.get(&format!("/api/config/backups/{name}")).await;
    assert!(kept["text"].as_str().is_some_and(|text| text.contains("// Head.") && !text.contains("canary")));
    place.well("POST", &format!("/api/config/backups/{name}/restore"), Value::Null).await;
    assert!(place.text().starts_with("// Head.") && place.text().contains("canary-first-secret"));
    for name in ["none", "..%2F..%2Fweir.json", "%2Fetc%2Fpasswd", "config-.json"] {
        place.refused("GET", &format!("/api/config/backups/{name}"), Value::Null, 404).await;
    }
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_is_told_with_its_line() {
    let place = Place::new("wrong");
    let text = place.text().replace("\"protocol\": \"chat\"", "\"protocol\": \"chta\"");
    let told = place.refused("PUT", "/api/config", json!({ "text": text }), 422).await;
    let problem = &told["problems"][0];
    assert_eq!((&problem["line"], &problem["path"]), (&json!(11), &json!("providers.deep.protocol")), "{told}");
    assert_eq!(told["member"], "providers.deep.protocol");
    let judged = place.well("POST", "/api/config/validate", json!({ "text": "{" })).await;
    assert_eq!(judged["problems"][0]["severity"], "error");
    place.refused("PUT", "/api/config", json!({ "text": "{" }), 422).await;
    place.refused("PUT", "/api/config", json!({ "txet": "{}" }), 422).await;
    place
        .refused(
            "PUT",
            "/api/config",
            json!({ "text": place.text().replace("canary-client", "masked:0011223344556677") }),
            422,
        )
        .await;
    assert_eq!(place.world.get("/api/config/backups").await["backups"], json!([]));
}

#[tokio::test]
async fn what_the_cores_cannot_take_up_is_taken_back() {
    let place = Place::new("refused");
    place.world.refuse_listen.store(true, Ordering::Relaxed);
    let text = place.text().replace("\"clients\"", "\"listen\": \"127.0.0.1:1\",\n  \"clients\"");
    let told = place.refused("PUT", "/api/config", json!({ "text": text }), 422).await;
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("port taken")), "{told}");
}

#[tokio::test]
async fn a_file_that_cannot_be_had_is_named() {
    let place = Place::new("gone");
    std::fs::remove_file(&place.path).expect("gone");
    let (status, told) = place.ask("DELETE", "/api/clients/alice", Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("weir.json")), "{told}");
    let none = World::new(super::tests::FILE);
    let (status, told) = none.ask("owner", "GET", "/api/config", &[], "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(told.contains("without a configuration file"), "{told}");
}

#[tokio::test]
async fn providers_and_their_keys_come_and_go() {
    let place = Place::new("providers");
    place.well("POST", "/api/providers", json!({ "name": "demo", "protocol": "demo" })).await;
    assert!(
        place.provider("demo") && place.text().contains("    \"demo\": { \"protocol\": \"demo\" },\n"),
        "{}",
        place.text()
    );
    place.refused("POST", "/api/providers", json!({ "name": "demo", "protocol": "demo" }), 409).await;
    place.refused("POST", "/api/providers", json!({ "protocol": "demo" }), 422).await;
    let told = place.refused("POST", "/api/providers", json!({ "name": "x", "protocol": "chat" }), 422).await;
    assert!(told["member"].as_str().is_some_and(|member| member.starts_with("providers.x")), "{told}");
    place.well("PATCH", "/api/providers/deep", json!({ "prefix": "ds", "headers": null })).await;
    place.refused("PATCH", "/api/providers/none", json!({ "prefix": "ds" }), 404).await;
    place.well("POST", "/api/providers/deep/keys", json!({ "key": "canary-third-secret" })).await;
    place.well("PATCH", "/api/providers/deep/keys/1", json!({ "weight": 5, "name": "main" })).await;
    place.well("PATCH", "/api/providers/deep/keys/second", json!({ "disabled": null })).await;
    place.refused("PATCH", "/api/providers/deep/keys/nobody", json!({ "weight": 5 }), 404).await;
    let listed = place.world.get("/api/providers").await;
    assert!(!listed.to_string().contains("canary-"), "{listed}");
    let deep = &listed["providers"][0];
    assert_eq!(
        (&deep["name"], &deep["prefix"], &deep["balance"]),
        (&json!("deep"), &json!("ds"), &json!("round_robin"))
    );
    let keys: Vec<_> = deep["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| (&key["name"], &key["weight"], &key["health"]))
        .collect();
    assert_eq!(
        keys,
        [
            (&json!("main"), &json!(5), &json!("ok")),
            (&json!("second"), &json!(1), &json!("ok")),
            (&json!("3"), &json!(1), &json!("ok"))
        ]
    );
    assert_eq!(deep["keys"][0]["key"], "can…cret");
    place.well("POST", "/api/providers/deep/keys/main/reset", Value::Null).await;
    place.well("DELETE", "/api/providers/deep/keys/second", Value::Null).await;
    place.well("DELETE", "/api/providers/demo", Value::Null).await;
    place.refused("DELETE", "/api/providers/deep", Value::Null, 422).await;
    for remark in ["// Head.", "// The first.", "// two", "// hers"] {
        assert!(place.text().contains(remark), "{remark} in {}", place.text());
    }
}

#[tokio::test]
async fn a_clients_key_is_shown_once_and_kept_as_its_digest() {
    let place = Place::new("clients");
    let limits = json!({ "requests_per_minute": 60, "cost_per_day": 1.5 });
    let made = place.well("POST", "/api/clients", json!({ "name": "ci", "route": "main", "limits": limits })).await;
    let key = made["key"].as_str().expect("a key").to_owned();
    assert!(key.starts_with("sk-weir-") && key.len() == 51, "{key}");
    let client = |key: &str| place.world.shared.snapshot.load().client(key.as_bytes());
    assert_eq!((client(&key), client("canary-client")), (Some(1), Some(0)));
    assert!(!place.text().contains(&key) && place.text().contains("\"key\": \"sha256:"), "{}", place.text());
    let listed = place.world.get("/api/clients").await;
    assert!(!listed.to_string().contains(&key) && !listed.to_string().contains("canary-client"), "{listed}");
    let ci = &listed["clients"][1];
    assert_eq!((&ci["hashed"], &ci["limits"], &ci["usage"]["requests"]), (&json!(true), &limits, &json!(0)));
    assert_eq!(ci["used"][0], json!({ "what": "requests", "window": "a minute", "bound": 60, "used": 0 }));
    let anew =
        place.well("POST", "/api/clients/ci/rotate", Value::Null).await["key"].as_str().expect("a key").to_owned();
    assert_eq!((client(&key), client(&anew)), (None, Some(1)));
    place.well("PATCH", "/api/clients/ci", json!({ "disabled": true, "limits": null })).await;
    assert_eq!(place.refused("PATCH", "/api/clients/ci", json!({ "key": "mine" }), 422).await["member"], "key");
    place.refused("POST", "/api/clients", json!({ "name": "alice" }), 409).await;
    place.refused("POST", "/api/clients", json!({ "name": "x", "route": "none" }), 422).await;
    place.refused("POST", "/api/clients/none/rotate", Value::Null, 404).await;
    place.well("DELETE", "/api/clients/ci", Value::Null).await;
    assert_eq!(client(&anew), None);
}

#[tokio::test]
async fn a_member_of_a_text_is_edited_and_nothing_is_written() {
    let place = Place::new("edit");
    let before = place.text();
    let text = "{\n  // Kept.\n  \"usage\": { \"keep_days\": 30 }, // here\n}\n";
    let edit = |path: Value, value: Value| json!({ "text": text, "path": path, "value": value });
    let told = place.well("POST", "/api/config/edit", edit(json!(["usage", "keep_days"]), json!(31))).await;
    assert_eq!(told["text"], text.replace("30", "31"));
    assert_eq!(told["value"], json!({ "usage": { "keep_days": 31 } }));
    let told = place.well("POST", "/api/config/edit", edit(json!(["traces", "clients"]), json!(["a"]))).await;
    assert_eq!(told["value"]["traces"], json!({ "clients": ["a"] }));
    assert!(told["text"].as_str().is_some_and(|text| text.contains("// Kept.") && text.contains("// here")), "{told}");
    let told = place.well("POST", "/api/config/edit", edit(json!(["usage", "keep_days"]), Value::Null)).await;
    assert_eq!(told["value"], json!({ "usage": {} }));
    let told = place.well("POST", "/api/config/edit", edit(json!(["nothing", "there"]), Value::Null)).await;
    assert_eq!(told["text"], text);
    let deep = vec!["a"; crate::limits::EDIT_PATH_STEPS_MAX];
    place.well("POST", "/api/config/edit", edit(json!(deep), json!(1))).await;
    let deeper = [deep, vec!["a"]].concat();
    assert_eq!(place.refused("POST", "/api/config/edit", edit(json!(deeper), json!(1)), 422).await["member"], "path");
    place.refused("POST", "/api/config/edit", edit(json!([]), json!(1)), 422).await;
    place.refused("POST", "/api/config/edit", edit(json!(["usage", 3]), json!(1)), 422).await;
    place.refused("POST", "/api/config/edit", json!({ "text": "{", "path": ["a"], "value": 1 }), 422).await;
    assert_eq!(place.text(), before);
}

/// What everybody could do until now ends with the first client: it is told before, and asked for.
#[tokio::test]
async fn the_first_client_closes_an_open_relay_only_when_that_is_asked_for() {
    let place = Place::new("first-client");
    place.well("DELETE", "/api/clients/alice", Value::Null).await;
    let listed = place.world.get("/api/clients").await;
    assert_eq!((&listed["access"], &listed["access_now"]), (&Value::Null, &json!("open")));
    assert!(listed["first_client"]["detail"].as_str().is_some_and(|told| told.contains("401")), "{listed}");
    let refused = place.refused("POST", "/api/clients", json!({ "name": "ci" }), 409).await;
    assert_eq!(refused["member"], "closes_access");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("401")), "{refused}");
    let made = place.well("POST", "/api/clients", json!({ "name": "ci", "closes_access": true })).await;
    let said = made["changes"].to_string();
    assert!(said.contains("access is \\\"keys\\\" now"), "{said}");
    let listed = place.world.get("/api/clients").await;
    assert_eq!((&listed["access_now"], &listed["first_client"]), (&json!("keys"), &Value::Null));
    place.well("POST", "/api/clients", json!({ "name": "second" })).await;
}

#[tokio::test]
async fn routes_are_set_whole_and_explained() {
    let place = Place::new("routes");
    let route = json!({ "name": "fast", "to": ["deep/a", "deep/b"], "models": { "gpt-*": "deep/c" } });
    place.well("PUT", "/api/routes/fast", route).await;
    place.well("PUT", "/api/routes/fast", json!({ "to": ["deep/a"], "spread": "round_robin" })).await;
    let listed = place.world.get("/api/routes").await;
    assert_eq!(
        listed["routes"][1],
        json!({ "name": "fast", "to": ["deep/a"], "models": {}, "scenes": {}, "spread": "round_robin" })
    );
    place.refused("PUT", "/api/routes/fast", json!({ "to": ["none/a"] }), 422).await;
    place.well("DELETE", "/api/routes/fast", Value::Null).await;
    place.refused("DELETE", "/api/routes/fast", Value::Null, 404).await;
    let told = place
        .well("POST", "/api/explain", json!({ "client": "alice", "model": "gpt-4o", "body": { "model": "x" } }))
        .await;
    let first = json!({ "rule": "route", "code": "route", "values": { "route": "main" }, "text": "route main" });
    assert_eq!(told["steps"][0], first, "{told}");
    let target = &told["targets"][0];
    assert_eq!((&target["provider"], &target["model"]), (&json!("deep"), &json!("deepseek-chat")));
    assert_eq!((&target["keys"][0]["name"], &target["keys"][0]["health"]), (&json!("1"), &json!("ok")));
    place.refused("POST", "/api/explain", json!({ "client": "nobody" }), 422).await;
    assert_eq!(place.refused("POST", "/api/explain", json!({ "dialect": "klingon" }), 422).await["member"], "dialect");
}

#[tokio::test]
async fn a_secret_is_shown_on_demand_and_nowhere_else() {
    let place = Place::new("secret");
    for (path, secret) in [
        ("providers.deep.keys.0", "canary-first-secret"),
        ("providers.deep.keys.1", "canary-second-secret"),
        ("/providers/deep/keys/1/key", "canary-second-secret"),
        ("clients.alice.key", "canary-client"),
        ("providers.deep.headers.x-extra", "canary-header"),
    ] {
        assert_eq!(
            place.well("POST", "/api/secret", json!({ "path": path })).await,
            json!({ "secret": secret }),
            "{path}"
        );
    }
    for path in ["providers", "providers.deep.keys", "data_dir", ""] {
        place.refused("POST", "/api/secret", json!({ "path": path }), 404).await;
    }
    for path in
        ["/api/config", "/api/providers", "/api/clients", "/api/routes", "/api/status", "/api/openapi.json", "/api/log"]
    {
        assert!(!place.world.get(path).await.to_string().contains("canary"), "{path}");
    }
}

#[tokio::test]
async fn the_facade_takes_both_forms_of_every_body() {
    let place = Place::new("facade");
    let at = "/v0/management/openai-compatibility";
    let listed = place.world.get(at).await;
    let deep = listed["openai-compatibility"][0].clone();
    assert_eq!((&deep["name"], &deep["base-url"]), (&json!("deep"), &json!("http://127.0.0.1:9/v1")), "{listed}");
    assert!(!listed.to_string().contains("canary"), "{listed}");
    let other = json!({ "name": "openrouter", "base-url": "http://127.0.0.1:8/v1", "prefix": "or",
        "api-key-entries": [{ "api-key": "k1" }, { "api-key": "k2", "weight": 3 }], "models": [{ "name": "a", "alias": "b" }] });
    let none = json!({ "name": "none", "base-url": "" });
    for body in [
        json!([deep, other, none]),
        json!({ "items": [deep, other] }),
        json!({ "openai-compatibility": [deep, other] }),
    ] {
        assert_eq!(place.well("PUT", at, body).await, json!({ "status": "ok" }));
        assert!(place.provider("openrouter") && place.provider("deep") && !place.provider("none"));
        let text = place.text();
        assert!(text.contains("canary-first-secret") && text.contains("// The first."), "{text}");
    }
    for body in [
        json!({ "name": "openrouter", "value": { "prefix": "x" } }),
        json!({ "name": "openrouter", "prefix": "y" }),
        json!({ "index": 1, "value": { "prefix": "z" } }),
    ] {
        place.well("PATCH", at, body).await;
    }
    assert!(place.text().contains("\"prefix\": \"z\""), "{}", place.text());
    let told = place.refused("PATCH", at, json!({ "name": "nobody", "value": { "prefix": "x" } }), 404).await;
    assert!(told["error"].is_string());
    for (method, body, status) in [
        ("PATCH", json!({ "name": "openrouter" }), 400),
        ("PATCH", json!({ "prefix": "x" }), 400),
        ("PATCH", json!({ "name": "nobody", "value": {} }), 404),
        ("PUT", json!({ "x": 1 }), 400),
        ("DELETE", json!({}), 400),
        ("DELETE", json!({ "name": "nobody" }), 404),
    ] {
        place.refused(method, at, body, status).await;
    }
    place.well("PATCH", at, json!({ "name": "openrouter", "value": { "base-url": "" } })).await;
    assert!(!place.provider("openrouter"));
    place.well("PUT", at, json!([deep, other])).await;
    place.well("DELETE", &format!("{at}?name=openrouter"), Value::Null).await;
    place.well("PUT", at, json!([deep, other])).await;
    place.well("DELETE", at, json!({ "name": "openrouter" })).await;
    assert!(!place.provider("openrouter"));
}

#[tokio::test]
async fn an_import_is_shown_before_it_is_made() {
    let place = Place::new("import");
    let text = r#"{"providers": {"more": {"protocol": "chat", "base_url": "http://127.0.0.1:7/v1", "keys": ["canary-imported"]}}}"#;
    let shown = place.well("POST", "/api/import", json!({ "text": text })).await;
    assert_eq!((&shown["kind"], &shown["adds"]), (&json!("weir"), &json!({ "providers": ["more"] })));
    assert!(!place.provider("more") && !shown.to_string().contains("canary"), "{shown}");
    place.well("POST", "/api/import", json!({ "text": text, "apply": true })).await;
    assert!(place.provider("more") && place.text().contains("// The first."));
    place.refused("POST", "/api/import", json!({ "text": text, "apply": true }), 409).await;
    for body in
        [json!({}), json!({ "text": "hello" }), json!({ "link": "https://x/" }), json!({ "text": text, "kind": "x" })]
    {
        place.refused("POST", "/api/import", body, 422).await;
    }
}

#[tokio::test]
async fn one_is_read_and_changed_only_where_it_is_as_it_was_seen() {
    let place = Place::new("seen");
    for (list, name) in [("providers", "deep"), ("clients", "alice"), ("routes", "main")] {
        let all = place.well("GET", &format!("/api/{list}"), Value::Null).await;
        let one = place.well("GET", &format!("/api/{list}/{name}"), Value::Null).await;
        assert_eq!((&one["name"], &all[list][0]), (&json!(name), &one));
        place.refused("GET", &format!("/api/{list}/nobody"), Value::Null, 404).await;
    }
    let request = Request::get("/api/providers/deep").header("host", "localhost").extension(Caller::Owner);
    let request = request.body(Body::empty()).expect("a request");
    let answer = api::router(place.world.shared.clone()).oneshot(request).await.expect("infallible");
    let seen = answer.headers()["etag"].to_str().expect("a mark").to_owned();
    let patch = |weight: u32| json!({ "weight": weight });
    let key = "/api/providers/deep/keys/second";
    let (status, told) = place.ask_with("PATCH", key, &[("if-match", &seen)], patch(2)).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let before = place.text();
    for (method, path, body) in [
        ("PATCH", key, patch(3)),
        ("DELETE", key, Value::Null),
        ("POST", "/api/providers/deep/keys", json!({ "key": "canary-third-secret" })),
        ("POST", "/api/providers", json!({ "name": "other", "protocol": "demo" })),
        ("PATCH", "/api/clients/alice", json!({ "disabled": true })),
        ("POST", "/api/clients/alice/rotate", Value::Null),
        ("PUT", "/api/routes/main", json!({ "to": [] })),
        ("DELETE", "/api/routes/main", Value::Null),
    ] {
        let (status, told) = place.ask_with(method, path, &[("if-match", &seen)], body).await;
        assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{method} {path}: {told}");
    }
    assert_eq!(place.text(), before);
    let now = format!("\"{}\"", told["etag"].as_str().expect("a mark"));
    for seen in [&now, "*"] {
        let (status, told) = place.ask_with("PATCH", key, &[("if-match", seen)], patch(2)).await;
        assert_eq!((status, &told["changes"]), (StatusCode::OK, &json!([])), "{told}");
    }
}

#[tokio::test]
async fn what_axum_refuses_is_told_in_the_same_form() {
    let place = Place::new("forms");
    for (path, most) in
        [("/api/secret", limits::ADMIN_BODY_BYTES_MAX), ("/api/config/validate", limits::CONFIG_BODY_BYTES_MAX)]
    {
        // A member that nobody knows: within its bound a body is read, and then refused for what it says.
        let body = |bytes: usize| json!({ "x": "x".repeat(bytes - r#"{"x":""}"#.len()) });
        assert_eq!(body(most).to_string().len(), most);
        let told = place.ask("POST", path, body(most)).await;
        assert_ne!(told.0, StatusCode::PAYLOAD_TOO_LARGE, "{path}: {}", told.1);
        place.refused("POST", path, body(most + 1), 413).await;
    }
    place.refused("POST", "/api/secret", json!(7), 422).await;
    place.refused("DELETE", "/api/config", Value::Null, 405).await;
    place.refused("GET", "/api/config/backups/%FF", Value::Null, 400).await;
    for (path, member) in [
        ("/api/usage?from=x", "from"),
        ("/api/usage?group_by=colour", "group_by"),
        ("/api/usage?format=xml", "format"),
        ("/api/requests?status=odd", "status"),
        ("/api/requests?limit=-1", "limit"),
        ("/api/requests?to=never", "to"),
        ("/api/requests?limit=0", "limit"),
        ("/api/requests?before=zzz", "before"),
        ("/api/requests?status=6xx", "status"),
        ("/api/requests?dialect=klingon", "dialect"),
        ("/api/usage?dialect=klingon", "dialect"),
        ("/api/traces?nope=1", "nope"),
    ] {
        let told = place.refused("GET", path, Value::Null, 400).await;
        assert_eq!(told["member"], member, "{path}: {told}");
    }
    let gone =
        place.refused("PATCH", "/v0/management/openai-compatibility", json!({ "name": "no", "prefix": "x" }), 404);
    assert_eq!(gone.await["error"], "item not found");
    for body in ["{", ""] {
        let (status, told) = place.world.ask("owner", "POST", "/api/secret", &[], body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    }
    for (method, path, body, member) in [
        ("POST", "/api/secret", json!({}), "path"),
        ("PUT", "/api/log", json!({ "level": 5 }), "level"),
        ("POST", "/api/explain", json!({ "model": "m", "client": "nobody" }), "client"),
    ] {
        let told = place.refused(method, path, body, 422).await;
        assert_eq!(told["member"], member, "{path}: {told}");
    }
    let (zoned, escaped) = ("2026-11-30T00:00:00+08:00", "2026-11-30T00:00:00%2B08:00");
    for time in [zoned, escaped] {
        place.well("GET", &format!("/api/requests?from={time}"), Value::Null).await;
    }
    assert_eq!(place.refused("PUT", "/api/log", json!({ "level": "loud" }), 422).await["member"], "level");
    assert_eq!(
        place
            .refused("POST", "/api/playground", json!({ "dialect": "chat", "path": "http://x/", "body": {} }), 422)
            .await["member"],
        "path"
    );
    for path in ["//evil.example/v1", "/v1/x y", "v1", "/v1/\u{e9}", "/v1#x"] {
        let body = json!({ "dialect": "chat", "path": path, "body": {} });
        let (status, _) = place.ask("POST", "/api/playground", body).await;
        // The first is a path like any other: it goes to the relay, and here there is none.
        assert!(matches!(status.as_u16(), 409 | 422), "{path}: {status}");
    }
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let place = Place::new("events");
    tokio::spawn(events::keep(place.world.shared.clone()));
    let request = Request::get("/api/events").header("host", "localhost").extension(Caller::Owner);
    let request = request.body(Body::empty()).expect("a request");
    let answer = api::router(place.world.shared.clone()).oneshot(request).await.expect("infallible");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let mut heard = String::new();
    let mut until = async |what: &str| {
        while !heard.contains(what) {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.expect("a frame").expect("no error");
            heard.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
        }
        assert!(!heard.contains("canary"), "{heard}");
    };
    until("event: hello\ndata: {\"pid\":").await;
    let id = place.world.tell(|_| {});
    place.world.shared.collector().drain();
    until(&format!("event: exchange\ndata: {{\"id\":\"{}\"", id.as_str())).await;
    place.well("PUT", "/api/routes/more", json!({ "to": ["deep/x"] })).await;
    until("event: config\n").await;
    until("event: second\n").await;
    until("\"requests\":1").await;
}

#[tokio::test]
async fn a_token_is_made_where_no_password_is_and_asked_for_by_its_owner() {
    let place = Place::new("token");
    place.world.shared.door().token = None;
    let text = place.text().replace("  \"admin\": { \"password\": \"canary-password\" },\n", "");
    place.well("PUT", "/api/config", json!({ "text": text })).await;
    let kept = std::fs::read_to_string(place.folder.join("data/admin-token")).expect("a hash");
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    let token = place.well("POST", "/api/token", Value::Null).await["token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    for (presented, expected) in [(bearer.as_str(), 200), ("Bearer wrong", 401), (bearer.as_str(), 200)] {
        let (status, _) = place.world.ask("127.0.0.1", "GET", "/api/log", &[("authorization", presented)], "").await;
        assert_eq!(status.as_u16(), expected, "{presented}");
    }
    let (status, _) = place.world.ask("127.0.0.1", "POST", "/api/token", &[("authorization", &bearer)], "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let login = json!({ "password": token }).to_string();
    let (status, answer) = place.world.ask("127.0.0.1", "POST", "/api/login", &[], &login).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let cookie = answer.split(';').next().expect("a cookie").to_owned();
    let session = async |cookie: &str| {
        let (_, told) = place.world.ask("127.0.0.1", "GET", "/api/session", &[("cookie", cookie)], "").await;
        serde_json::from_str::<Value>(&told).expect("JSON")
    };
    let told = session(&cookie).await;
    assert!(told["authenticated"] == true && told["expires_unix_ms"].is_u64(), "{told}");
    assert_eq!(session("weir_session=x").await, json!({ "authenticated": false, "expires_unix_ms": null }));
}
