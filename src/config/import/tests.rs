//! Each relay's file, and links good and bad; what comes out is a configuration that the check accepts.

use serde_json::{Value, json};

use super::*;

/// The check's errors for what was imported.
fn errors(imported: &Imported) -> Vec<String> {
    let mut file = Value::Object(imported.adds.clone());
    if file["clients"].is_null() && !file["listen"].is_null() {
        file["access"] = "open".into();
    }
    let outside = crate::config::Outside {
        env: &|_| Some("x".to_owned()),
        read: &|_| Err(std::io::ErrorKind::NotFound.into()),
        path: None,
        shared: false,
    };
    let reading = crate::config::read(file.to_string().as_bytes(), &outside, &Default::default());
    let errors = reading.problems.iter().filter(|problem| problem.severity == crate::config::Severity::Error);
    errors.map(ToString::to_string).collect()
}

fn sound(kind: Kind, texts: &[&str]) -> Value {
    let imported = files(kind, texts).unwrap_or_else(|why| panic!("{kind:?}: {why}"));
    assert_eq!(errors(&imported), [""; 0], "{kind:?}: {:?}", imported.adds);
    assert_eq!(recognise(texts[0]), Some(kind));
    Value::Object(imported.adds)
}

#[test]
fn ai_switch_routes_become_clients_with_routes() {
    let file = sound(Kind::AiSwitch, &["
server: { host: 127.0.0.1, port: 8080, proxy_url: 'http://127.0.0.1:7890', allowed_ips: [10.0.0.0/8] }
default_route: gw-1
default_anthropic_route: gw-1
providers:
  deepseek: { name: DeepSeek, base_url: 'https://api.deepseek.com/', api_key: '${DEEPSEEK}', fallback_keys: [sk-2], enable_proxy: true }
  zhipu: { base_url: 'https://open.bigmodel.cn/api/anthropic', api_key: sk-z, format: anthropic, models: [glm-4.6] }
routes:
  gw-1:
    provider: deepseek
    default_model: deepseek-chat
    scene_map: { websearch: 'zhipu|glm-4.6', think: deepseek-reasoner }
    model_map: { gpt-4o: 'zhipu|glm-4.6' }
    long_context_threshold: 60000
"]);
    assert_eq!(file["listen"], "127.0.0.1:8080");
    assert_eq!(file["providers"]["deepseek"]["keys"], json!(["${DEEPSEEK}", "sk-2"]));
    assert_eq!(file["providers"]["deepseek"]["balance"], "fill_first");
    assert_eq!(file["providers"]["zhipu"]["protocol"], "anthropic");
    let route = &file["routes"]["gw-1"];
    assert_eq!(route["to"], json!(["deepseek/deepseek-chat"]));
    assert_eq!(route["scenes"], json!({ "think": "deepseek/deepseek-reasoner", "webSearch": "zhipu/glm-4.6" }));
    assert_eq!(file["clients"]["gw-1"], json!({ "key": "gw-1", "route": "gw-1" }));
    assert_eq!(file["default_routes"], json!({ "anthropic": "gw-1" }));
}

#[test]
fn cli_proxy_api_sections_become_providers() {
    let file = sound(
        Kind::CliProxyApi,
        &["
port: 8317
api-keys: [k1, k2]
proxy-url: socks5://127.0.0.1:1080
request-retry: 3
force-model-prefix: true
routing: { strategy: fill-first }
openai-compatibility:
  - name: Open Router
    prefix: or
    priority: 10
    base-url: https://openrouter.ai/api/v1
    headers: { X-Title: weir }
    api-key-entries: [{ api-key: a, proxy-url: none }, { api-key: b, weight: 3 }]
    models: [{ name: moonshotai/kimi-k2:free, alias: kimi }, { name: x }]
    excluded-models: ['*-mini']
claude-api-key: [{ api-key: c, base-url: 'https://claude.example/v1' }]
"],
    );
    let provider = &file["providers"]["open-router"];
    assert_eq!(provider["keys"][0], json!({ "key": "a", "priority": 90, "proxy": "direct" }));
    assert_eq!(provider["keys"][1], json!({ "key": "b", "weight": 3, "priority": 90 }));
    assert_eq!(provider["models"], json!([{ "name": "moonshotai/kimi-k2:free", "alias": "kimi" }, "x"]));
    assert_eq!((&provider["force_prefix"], &provider["balance"]), (&json!(true), &json!("fill_first")));
    assert_eq!(file["providers"]["anthropic"]["base_url"], "https://claude.example/v1");
    assert_eq!(file["clients"].as_object().map(Map::len), Some(2));
    assert_eq!(file["retry"], json!({ "rounds_max": 3 }));
}

#[test]
fn ai_client_2_api_pools_become_providers_and_accounts_are_told() {
    let pools = r#"{"openai-custom": [{"uuid": "1", "customName": "Node A", "OPENAI_API_KEY": "sk-a", "OPENAI_BASE_URL": "https://a.example/v1",
        "priority": 1, "concurrencyLimit": 4, "notSupportedModels": ["x"], "isDisabled": true}],
        "gemini-cli-oauth": [{"uuid": "2"}]}"#;
    let config = r#"{"REQUIRED_API_KEY": "123456", "SERVER_PORT": 3000, "HOST": "127.0.0.1", "MODEL_PROVIDER": "openai-custom"}"#;
    let file = sound(Kind::AiClient2Api, &[config, pools]);
    let provider = &file["providers"]["node-a"];
    assert_eq!(provider["keys"], json!([{ "key": "sk-a", "max_concurrent": 4, "priority": 1 }]));
    assert_eq!((&provider["exclude_models"], &provider["disabled"]), (&json!(["x"]), &json!(true)));
    assert_eq!(file["listen"], "127.0.0.1:3000");
    let notes = files(Kind::AiClient2Api, &[pools]).unwrap().notes;
    assert!(notes[0].contains("gemini-cli-oauth"), "{notes:?}");
    assert_eq!(recognise(pools), Some(Kind::AiClient2Api));
}

#[test]
fn the_two_desktop_relays_are_read_from_json() {
    let file = sound(
        Kind::ClashForAi,
        &[r#"[{"id": "1", "name": "Claude", "base_url": "https://a.example", "api_key": "k", "auth_mode": "x-api-key",
        "status": {"is_active": true}, "selected_models": [{"model_id": "m", "position": 0}]}]"#],
    );
    assert_eq!(file["providers"]["claude"]["protocol"], "anthropic");
    assert_eq!(file["routes"]["default"]["to"], json!(["claude"]));
    let file = sound(
        Kind::ApiSwitch,
        &[
            r#"{"channels": [{"id": "c1", "name": "One", "api_type": "openai", "base_url": "https://a.example/v1", "api_key": "k", "enabled": 1, "selected_models": ["m"]}],
        "api_entries": [{"channel_id": "c1", "model": "m", "sort_index": 1, "enabled": 1}], "access_keys": [{"name": "me", "key": "sk-1", "enabled": 0}]}"#,
        ],
    );
    assert_eq!(file["routes"]["default"]["to"], json!(["one/m"]));
    assert_eq!(file["clients"]["me"]["disabled"], true);
}

fn of(scheme: &str, resource: &str, payload: &Value) -> String {
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload.to_string());
    format!("{scheme}://v1/import?resource={resource}&payload={payload}")
}

#[test]
fn links_are_read_as_they_are_written_down() {
    let whole =
        json!({ "name": "Näme ?>", "baseUrl": "https://a.example/v1", "apiKey": "sk-1", "modelIds": ["m1", "m2"] });
    for scheme in ["clash-for-ai", "weir"] {
        let imported = link(&of(scheme, "provider", &whole)).unwrap();
        assert_eq!(errors(&imported), [""; 0]);
        assert_eq!(
            imported.adds["providers"]["n-me"],
            json!({ "protocol": "chat", "base_url": "https://a.example/v1", "keys": ["sk-1"] })
        );
        let mut anthropic = whole.clone();
        anthropic["providerType"] = "anthropic-compatible".into();
        let imported = link(&of(scheme, "model", &anthropic)).unwrap();
        assert_eq!(imported.adds["providers"]["n-me"]["models"], json!(["m1", "m2"]));
        assert_eq!(imported.adds["providers"]["n-me"]["protocol"], "anthropic");
    }
    let config = json!({ "providers": { "p": { "protocol": "demo" } }, "routes": { "r": { "to": ["p"] } } });
    assert_eq!(errors(&link(&of("weir", "config", &config)).unwrap()), [""; 0]);
    assert!(link(&of("clash-for-ai", "config", &config)).is_err());
    for (what, bad) in [
        ("a member is missing", of("weir", "provider", &json!({ "name": "x", "baseUrl": "y" }))),
        ("it is empty", of("weir", "provider", &json!({ "name": "x", "baseUrl": "y", "apiKey": " " }))),
        ("no models", of("weir", "model", &json!({ "name": "x", "baseUrl": "y", "apiKey": "z", "modelIds": [] }))),
        (
            "another type",
            of(
                "weir",
                "model",
                &json!({ "name": "x", "baseUrl": "y", "apiKey": "z", "modelIds": ["m"], "providerType": "q" }),
            ),
        ),
        ("no object", of("weir", "provider", &json!([1]))),
        ("another resource", of("weir", "plugin", &whole)),
        ("another scheme", of("https", "provider", &whole)),
        ("another route", of("weir", "provider", &whole).replace("v1/import", "v2/import")),
        ("no base64", "weir://v1/import?resource=provider&payload=%%%".to_owned()),
        ("no JSON", "weir://v1/import?resource=provider&payload=eA".to_owned()),
        ("no payload", "weir://v1/import?resource=provider".to_owned()),
        ("no query", "weir://v1/import".to_owned()),
        ("no link", "hello".to_owned()),
    ] {
        assert!(link(&bad).is_err(), "{what}");
    }
}

#[test]
fn what_is_nobodys_is_refused() {
    for text in ["", "{}", "[]", "a: b", "{\"a\": 1}", "\"x\"", ": :", "- x"] {
        assert_eq!(recognise(text), None, "{text}");
    }
    for kind in Kind::FILES {
        assert!(files(kind, &["{}"]).is_err(), "{kind:?}");
        assert!(files(kind, &["\0"]).is_err(), "{kind:?}");
    }
}
