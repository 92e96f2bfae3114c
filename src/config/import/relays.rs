//! Each relay's own words in ours.

use serde_json::{Map, Value, json};

use super::Imported;

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value[name].as_str().map(str::trim).filter(|text| !text.is_empty())
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The members of `value` that are something.
fn object(members: &[(&str, Option<Value>)]) -> Value {
    let said = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(said.filter(|(_, value)| !is_nothing(value)).collect())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// `host` and `port` as an address to listen on.
fn listen(host: Option<&str>, port: Option<u64>) -> Option<Value> {
    let port = port?;
    Some(match host {
        None | Some("" | "0.0.0.0") => format!(":{port}").into(),
        Some("localhost") => format!("127.0.0.1:{port}").into(),
        Some(host) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}").into(),
        Some(host) => format!("{host}:{port}").into(),
    })
}

/// `provider|model`, split at the last bar, or a model of `provider`.
fn target(provider: &str, said: &str) -> String {
    match said.rsplit_once('|') {
        Some((other, model)) if !other.is_empty() => format!("{}/{model}", super::plain_name(other)),
        Some(_) | None => format!("{}/{said}", super::plain_name(provider)),
    }
}

pub(super) fn ai_switch(file: &Value, out: &mut Imported) -> Result<(), String> {
    let server = &file["server"];
    if let Some(listen) = listen(text(server, "host"), server["port"].as_u64()) {
        out.set("listen", listen);
    }
    if !texts(&server["allowed_ips"]).is_empty() {
        out.set("allow_ips", json!(texts(&server["allowed_ips"])));
    }
    for (name, provider) in members(&file["providers"]) {
        let mut keys: Vec<String> = text(provider, "api_key").map(str::to_owned).into_iter().collect();
        keys.extend(texts(&provider["fallback_keys"]));
        let base_url = text(provider, "base_url").unwrap_or_default();
        let base_url = text(provider, "path").map_or_else(
            || base_url.to_owned(),
            |path| format!("{}/{}", base_url.trim_end_matches('/'), path.trim_start_matches('/')),
        );
        let proxy = text(server, "proxy_url").filter(|_| provider["enable_proxy"] == true);
        let members = object(&[
            ("protocol", Some(text(provider, "format").unwrap_or("chat").into())),
            ("base_url", Some(base_url.into())),
            ("keys", Some(json!(keys))),
            // Its own order: the first, and the others when that fails.
            ("balance", (keys.len() > 1).then(|| "fill_first".into())),
            ("models", Some(json!(texts(&provider["models"])))),
            ("think_tag", text(provider, "think_tag").map(Value::from)),
            ("headers", Some(provider["custom_headers"].clone())),
            ("proxy", proxy.map(Value::from)),
        ]);
        out.add("providers", name, members);
    }
    for (key, route) in members(&file["routes"]) {
        let Some(provider) = text(route, "provider") else { continue };
        let to =
            text(route, "default_model").map_or_else(|| super::plain_name(provider), |model| target(provider, model));
        let mapped = |map: &Value| -> Map<String, Value> {
            let said = members(map).filter_map(|(name, model)| Some((name.clone(), model.as_str()?)));
            said.map(|(name, model)| (name, target(provider, model).into())).collect()
        };
        let mut scenes = mapped(&route["scene_map"]);
        if let Some(search) = scenes.shift_remove("websearch") {
            scenes.insert("webSearch".to_owned(), search);
        }
        let threshold = route["long_context_threshold"].as_u64().filter(|tokens| *tokens > 0);
        let members = object(&[
            ("to", Some(json!([to]))),
            ("models", Some(mapped(&route["model_map"]).into())),
            ("scenes", Some(scenes.into())),
            ("long_context_tokens", threshold.map(Value::from)),
        ]);
        let name = out.add("routes", key, members);
        // There the name of a route is the key of its callers.
        let disabled = (route["disabled"] == true).then(|| true.into());
        let client =
            object(&[("key", Some(key.as_str().into())), ("route", Some(name.into())), ("disabled", disabled)]);
        out.add("clients", key, client);
    }
    if let Some(route) = text(file, "default_route") {
        out.set("default_route", route.into());
    }
    let defaults: Map<String, Value> = ["anthropic", "responses", "chat"]
        .iter()
        .filter_map(|dialect| Some(((*dialect).to_owned(), text(file, &format!("default_{dialect}_route"))?.into())))
        .collect();
    if !defaults.is_empty() {
        out.set("default_routes", defaults.into());
    }
    out.note("an unknown key was served by the default route there; here it is refused, unless \"access\" is \"open\"");
    Ok(())
}

pub(super) fn cli_proxy_api(file: &Value, out: &mut Imported) -> Result<(), String> {
    if let Some(listen) = listen(text(file, "host"), file["port"].as_u64()) {
        out.set("listen", listen);
    }
    if let Some(proxy) = text(file, "proxy-url") {
        out.set("proxy", proxy.into());
    }
    if let Some(rounds) = file["request-retry"].as_u64() {
        let wait = file["max-retry-interval"].as_u64().map(|seconds| (seconds * 1_000).into());
        out.set("retry", object(&[("rounds_max", Some(rounds.min(10).into())), ("round_wait_ms_max", wait)]));
    }
    for (place, key) in texts(&file["api-keys"]).iter().enumerate() {
        out.add("clients", &format!("client-{}", place + 1), json!({ "key": key }));
    }
    for entry in entries(&file["openai-compatibility"]) {
        let (name, provider) = compatible(entry, file)?;
        out.add("providers", &name, provider);
    }
    for (section, preset) in [
        ("gemini-api-key", "gemini"),
        ("claude-api-key", "anthropic"),
        ("codex-api-key", "openai-responses"),
        ("xai-api-key", "xai"),
    ] {
        for entry in entries(&file[section]) {
            let Some(key) = text(entry, "api-key") else { continue };
            let own = object(&[
                ("api-key", Some(key.into())),
                ("weight", entry.get("weight").cloned()),
                ("proxy-url", entry.get("proxy-url").cloned()),
            ]);
            let mut provider = provider(entry, file, &[own]);
            provider["preset"] = preset.into();
            out.add("providers", preset, provider);
        }
    }
    if entries(&file["vertex-api-key"]).count() > 0 {
        out.note("vertex-api-key has no counterpart");
    }
    for section in ["payload", "oauth-model-alias", "ampcode"] {
        if !is_nothing(&file[section]) {
            out.note(format!("{section} was left out"));
        }
    }
    Ok(())
}

/// An entry of `openai-compatibility` as a provider.
pub(super) fn compatible(entry: &Value, file: &Value) -> Result<(String, Value), String> {
    let name = text(entry, "name").ok_or("an entry of openai-compatibility has no name")?;
    let keys: Vec<Value> = entries(&entry["api-key-entries"]).cloned().collect();
    let old: Vec<Value> = texts(&entry["api-keys"]).iter().map(|key| json!({ "api-key": key })).collect();
    let mut provider = provider(entry, file, &[keys, old].concat());
    provider["protocol"] = "chat".into();
    Ok((name.to_owned(), provider))
}

fn provider(entry: &Value, file: &Value, keys: &[Value]) -> Value {
    // There a greater number comes first, here a lesser.
    let priority = entry["priority"].as_i64().map(|priority| (100 - priority).clamp(0, 1_000_000));
    let one = |key: &Value| {
        let weight = key["weight"].as_u64().filter(|weight| *weight != 1).map(Value::from);
        let proxy = text(key, "proxy-url").map(|proxy| if proxy == "none" { "direct" } else { proxy }.into());
        let secret = text(key, "api-key")?;
        let settings = object(&[("weight", weight), ("priority", priority.map(Value::from)), ("proxy", proxy)]);
        Some(match settings.as_object() {
            Some(settings) if !settings.is_empty() => {
                let mut full = json!({ "key": secret });
                settings.iter().for_each(|(name, value)| full[name] = value.clone());
                full
            }
            _ => secret.into(),
        })
    };
    let keys: Vec<Value> = keys.iter().filter_map(one).collect();
    let model = |model: &Value| {
        let name = text(model, "name")?;
        Some(match text(model, "alias") {
            Some(alias) if alias != name => json!({ "name": name, "alias": alias }),
            _ => name.into(),
        })
    };
    let models: Vec<Value> = entries(&entry["models"]).filter_map(model).collect();
    let balance = match file["routing"]["strategy"].as_str() {
        Some("fill-first" | "ff") => Some("fill_first".into()),
        Some("weighted-round-robin") => Some("weighted".into()),
        _ => None,
    };
    object(&[
        ("base_url", text(entry, "base-url").map(Value::from)),
        ("keys", Some(keys.into())),
        ("balance", balance),
        ("models", Some(models.into())),
        ("exclude_models", Some(json!(texts(&entry["excluded-models"])))),
        ("prefix", text(entry, "prefix").map(Value::from)),
        ("force_prefix", (file["force-model-prefix"] == true && text(entry, "prefix").is_some()).then(|| true.into())),
        ("headers", Some(entry["headers"].clone())),
        ("disabled", (entry["disabled"] == true).then(|| true.into())),
    ])
}

pub(super) fn ai_client_2_api(files: &[Value], out: &mut Imported) -> Result<(), String> {
    let is_pools = |file: &&Value| members(file).any(|(_, pool)| pool.is_array() && pool[0].is_object());
    for pools in files.iter().filter(is_pools) {
        for (kind, pool) in members(pools) {
            pooled(kind, pool, out);
        }
    }
    for file in files.iter().filter(|file| !is_pools(file)) {
        if let Some(listen) = listen(text(file, "HOST"), file["SERVER_PORT"].as_u64()) {
            out.set("listen", listen);
        }
        if let Some(key) = text(file, "REQUIRED_API_KEY") {
            out.add("clients", "default", json!({ "key": key }));
        }
        for (name, kind) in [("OPENAI", "openai-custom"), ("CLAUDE", "claude-custom")] {
            if let (Some(key), Some(url)) =
                (text(file, &format!("{name}_API_KEY")), text(file, &format!("{name}_BASE_URL")))
            {
                let node = json!({ format!("{name}_API_KEY"): key, format!("{name}_BASE_URL"): url });
                pooled(kind, &json!([node]), out);
            }
        }
        for (model, to) in members(&file["modelFallbackMapping"]) {
            out.note(format!("the fallback of {model} to {to} was left out: make it an entry of a route's \"models\""));
        }
    }
    Ok(())
}

/// The nodes of one type. Those that log in with an account have no counterpart.
fn pooled(kind: &str, pool: &Value, out: &mut Imported) {
    let (protocol, name) = match kind {
        _ if kind.starts_with("openai-custom") => ("chat", "OPENAI"),
        _ if kind.starts_with("openaiResponses-custom") => ("responses", "OPENAI"),
        _ if kind.starts_with("claude-custom") => ("anthropic", "CLAUDE"),
        _ => return out.note(format!("{kind} was left out: weir takes keys, no accounts")),
    };
    for node in entries(pool) {
        let member = |what: &str| text(node, &format!("{name}_{what}"));
        let Some(key) = member("API_KEY") else { continue };
        let number =
            |member: &str, ours: &str| node[member].as_u64().filter(|n| *n > 0).map(|n| (ours.to_owned(), n.into()));
        let mut full = Map::from_iter([("key".to_owned(), Value::from(key))]);
        full.extend(
            [("concurrencyLimit", "max_concurrent"), ("queueLimit", "queue"), ("priority", "priority")]
                .iter()
                .filter_map(|(a, b)| number(a, b)),
        );
        let models = texts(&node["supportedModels"]);
        let provider = object(&[
            ("protocol", Some(protocol.into())),
            ("base_url", member("BASE_URL").map(Value::from)),
            ("keys", Some(json!([if full.len() == 1 { key.into() } else { Value::Object(full) }]))),
            ("models", Some(json!(models))),
            (
                "exclude_models",
                Some(json!(if models.is_empty() { texts(&node["notSupportedModels"]) } else { Vec::new() })),
            ),
            ("probe_model", text(node, "checkModelName").map(Value::from)),
            ("disabled", (node["isDisabled"] == true).then(|| true.into())),
        ]);
        out.add("providers", text(node, "customName").unwrap_or(kind), provider);
    }
}

pub(super) fn clash_for_ai(file: &Value, out: &mut Imported) -> Result<(), String> {
    let list = if file.is_array() {
        file
    } else if file["data"].is_array() {
        &file["data"]
    } else {
        &file["providers"]
    };
    for entry in entries(list) {
        let name = text(entry, "name").ok_or("a provider has no name")?;
        let anthropic = matches!(text(entry, "auth_mode"), Some("x-api-key"));
        let models: Vec<&str> =
            entries(&entry["selected_models"]).filter_map(|model| text(model, "model_id")).collect();
        let provider = object(&[
            ("protocol", Some(if anthropic { "anthropic" } else { "chat" }.into())),
            ("base_url", text(entry, "base_url").map(Value::from)),
            ("keys", Some(json!(text(entry, "api_key").into_iter().collect::<Vec<_>>()))),
            ("models", Some(json!(models))),
            ("headers", Some(entry["extra_headers"].clone())),
        ]);
        let name = out.add("providers", name, provider);
        if entry["status"]["is_active"] == true {
            out.add("routes", "default", json!({ "to": [name] }));
        }
    }
    out.note("any key was served there; list clients here, or say \"access\": \"open\"");
    Ok(())
}

pub(super) fn api_switch(files: &[Value], out: &mut Imported) -> Result<(), String> {
    let all = |name: &str| files.iter().flat_map(|file| entries(&file[name])).cloned().collect::<Vec<Value>>();
    let mut names = std::collections::HashMap::new();
    for channel in all("channels") {
        let name = text(&channel, "name").ok_or("a channel has no name")?;
        let protocol = match text(&channel, "api_type") {
            Some("claude") => "anthropic",
            Some("gemini") => "gemini",
            Some("azure") => "azure",
            _ => "chat",
        };
        let selected = texts(&channel["selected_models"]);
        let off = channel["enabled"] == false || channel["enabled"] == 0;
        let provider = object(&[
            ("protocol", Some(protocol.into())),
            ("base_url", text(&channel, "base_url").map(Value::from)),
            ("keys", Some(json!(text(&channel, "api_key").into_iter().collect::<Vec<_>>()))),
            ("models", Some(json!(if selected.is_empty() { texts(&channel["available_models"]) } else { selected }))),
            ("disabled", off.then(|| true.into())),
        ]);
        let ours = out.add("providers", name, provider);
        if let Some(id) = text(&channel, "id") {
            names.insert(id.to_owned(), ours);
        }
    }
    let mut order: Vec<Value> =
        all("api_entries").into_iter().filter(|entry| entry["enabled"] != false && entry["enabled"] != 0).collect();
    order.sort_by_key(|entry| entry["sort_index"].as_i64().unwrap_or(i64::MAX));
    let to: Vec<String> = order
        .iter()
        .filter_map(|entry| Some(format!("{}/{}", names.get(text(entry, "channel_id")?)?, text(entry, "model")?)))
        .collect();
    if !to.is_empty() {
        out.add("routes", "default", json!({ "to": to }));
    }
    for key in all("access_keys") {
        let Some(secret) = text(&key, "key") else { continue };
        let off = (key["enabled"] == false || key["enabled"] == 0).then(|| true.into());
        let client = object(&[("key", Some(secret.into())), ("disabled", off)]);
        out.add("clients", text(&key, "name").unwrap_or("client"), client);
    }
    Ok(())
}
