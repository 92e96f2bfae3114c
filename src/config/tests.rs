//! Whole files: the contract's own sample, the example, and one small file for each rule.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::{Outside, Overrides, Problem, Reading, Severity, Snapshot};
use crate::limits;

fn env(name: &str) -> Option<String> {
    match name {
        "UNSET" => None,
        "HOME" => Some("/home/u".to_owned()),
        "STATE_DIRECTORY" | "XDG_DATA_HOME" => None,
        other => Some(format!("value-of-{other}")),
    }
}

fn file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/key") => Ok("sk-from-file\r\nsecond line\n".to_owned()),
        Some("/run/empty") => Ok("\n".to_owned()),
        Some("/etc/ssl/private-ca.pem" | "/etc/weir/cert.pem") => Ok(identity().0.clone()),
        Some("/etc/weir/key.pem") => Ok(identity().1.clone()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// A certificate and its key, in PEM.
fn identity() -> &'static (String, String) {
    static IDENTITY: OnceLock<(String, String)> = OnceLock::new();
    IDENTITY.get_or_init(pair)
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn read_with(text: &str, shared: bool, overrides: &Overrides) -> Reading {
    super::read(text.as_bytes(), &Outside { env: &env, read: &file, path: None, shared }, overrides)
}

fn read(text: &str) -> Reading {
    read_with(text, false, &Overrides::default())
}

/// What is made of a file.
pub(super) fn reading(text: &str) -> Reading {
    read(text)
}

/// The snapshot of a file without errors.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let reading = read(text);
    reading.snapshot.unwrap_or_else(|| panic!("{:#?}", reading.problems))
}

/// Each problem as `line path: message`, errors only.
fn errors(reading: &Reading) -> Vec<String> {
    said(&reading.problems, Severity::Error)
}

fn warnings(reading: &Reading) -> Vec<String> {
    said(&reading.problems, Severity::Warning)
}

fn said(problems: &[Problem], severity: Severity) -> Vec<String> {
    let of = problems.iter().filter(|problem| problem.severity == severity);
    of.map(|problem| format!("{} {}: {}", problem.line, problem.path, problem.message)).collect()
}

const CONTRACT: &str = include_str!("testdata/contract.jsonc");
const EXAMPLE: &str = include_str!("../../config.example.json");

/// The sample names providers that it does not show, and leaves some places open with "…".
#[test]
fn every_member_of_the_contract_is_accepted() {
    let reading = read(CONTRACT);
    let paths: Vec<&str> =
        reading.problems.iter().filter(|p| p.severity == Severity::Error).map(|p| p.path.as_str()).collect();
    let open = ["background", "webSearch", "think", "image", "default"].map(|s| format!("routes.coding.scenes.{s}"));
    let mut expected = vec![
        "providers.deepseek.tls.server_name",
        "routes.coding.models[\"claude-haiku-*\"]",
        "routes.coding.scenes.longContext",
    ];
    expected.extend(open.iter().map(String::as_str));
    assert_eq!(paths, expected, "{:#?}", errors(&reading));
    assert!(errors(&reading)[1..].iter().all(|error| error.contains("names no provider")));
}

#[test]
fn the_contract_means_what_it_says() {
    let text = CONTRACT.replace("\"…\", \"background\"", "\"demo/x\", \"background\"");
    let text = text.replace(r#""server_name": "…""#, r#""server_name": "inside.example""#);
    let text = text.replace("\"…\"", "\"demo/x\"").replace("zhipu/", "demo/").replace("gemini/gemini", "demo/gemini");
    let s = snapshot(&text);
    assert_eq!(s.providers.iter().map(|p| &*p.name).collect::<Vec<_>>(), ["deepseek", "azure-eu", "demo"]);
    assert_eq!(s.keys.len(), 4);
    assert_eq!(s.keys[0].auth.expose(), b"authorization: Bearer value-of-DEEPSEEK_API_KEY\r\n");
    assert_eq!((&*s.keys[1].name, s.keys[1].priority), ("second", 200));
    assert_eq!(s.keys[1].headers[0].1.expose(), b"https://myapp.com");
    assert_eq!(s.keys[2].auth.expose(), b"api-key: value-of-AZURE_KEY\r\n");
    assert_eq!(s.providers[0].timeouts.first_token_ms, 120_000);
    assert_eq!(&*s.providers[1].api_version, "2024-10-21");
    assert_eq!(s.client(b"value-of-ALICE_KEY"), Some(0));
    assert_eq!(s.client("sk-weir-…".as_bytes()), Some(1));
    for stranger in [&b""[..], b"value-of-ALICE_KE", b"value-of-ALICE_KEYS", b"sk"] {
        assert_eq!(s.client(stranger), None);
    }
    assert!(s.clients[0].may_call(1_798_761_599_999) && !s.clients[0].may_call(1_798_761_600_000));
    assert!(!s.clients[1].may_call(0));
    assert_eq!(s.data_dir, Path::new("/home/u/.local/share/weir"));
    assert_eq!((s.default_route, s.default_routes), (Some(0), [Some(0); 5]));
    assert_eq!((s.limits.body_bytes, s.timeouts.head_ms, s.retry.attempts_max), (67_108_864, 15_000, 4));
}

#[test]
fn a_key_may_be_known_by_its_digest_alone() {
    // SHA-256 of "sk-weir-1".
    let hex: String = super::snapshot::digest(b"sk-weir-1").iter().map(|byte| format!("{byte:02X}")).collect();
    let file = format!(r#"{{"clients": {{"a": {{"key": "plain"}}, "b": {{"key": "sha256:{hex}"}}}}}}"#);
    let s = snapshot(&file);
    assert_eq!((s.client(b"plain"), s.client(b"sk-weir-1")), (Some(0), Some(1)));
    for wrong in [&b"sk-weir-2"[..], b"", hex.as_bytes(), format!("sha256:{hex}").as_bytes(), s.clients[1].key.expose()]
    {
        assert_eq!(s.client(wrong), None);
    }
    let shared = read_with(&file, true, &Overrides::default());
    assert!(warnings(&shared).iter().any(|w| w.contains("clients.a.key")), "{:?}", warnings(&shared));
    assert!(!warnings(&shared).iter().any(|w| w.contains("clients.b.key")), "a digest is no secret");
    let twice = file.replace("plain", "sk-weir-1");
    assert!(errors(&read(&twice))[0].contains("is the key of client \"a\" too"));
    for wrong in ["", "00", &hex[1..], &format!("{hex}0"), &hex.replace(&hex[..1], "g")] {
        let reading = read(&format!(r#"{{"clients": {{"b": {{"key": "sha256:{wrong}"}}}}}}"#));
        assert!(errors(&reading)[0].contains("is no digest"), "{wrong}: {:?}", errors(&reading));
    }
}

#[test]
fn the_example_is_valid() {
    let reading = read(EXAMPLE);
    assert_eq!(errors(&reading), [""; 0]);
    assert_eq!(warnings(&reading), [""; 0]);
}

#[test]
fn the_empty_file_is_the_defaults() {
    let s = snapshot("{}");
    assert_eq!(
        (s.listen[0].to_string(), s.admin.listen.to_string()),
        ("127.0.0.1:7070".into(), "127.0.0.1:7071".into())
    );
    assert_eq!(s.access, super::snapshot::Access::Open);
    assert_eq!(s.default_route, None);
    assert_eq!(s.client(b"any"), None);
    assert!(s.watch);
    let bounds = [s.limits.body_bytes, s.limits.head_bytes, s.limits.connections];
    assert_eq!(bounds, [limits::BODY_BYTES_MAX, limits::HEAD_BYTES_MAX, limits::CONNECTIONS_MAX]);
}

/// Each number that has a bound of its own: taken at its bounds, told with both of them one past.
#[test]
fn numbers_are_taken_up_to_their_bounds() {
    for (object, member, least, greatest) in [
        ("limits", "body_bytes", limits::BODY_BYTES_LEAST, limits::BODY_BYTES_CORE_MAX),
        ("limits", "head_bytes", limits::HEAD_BYTES_LEAST, limits::HEAD_BYTES_GREATEST),
        ("limits", "connections", 1, limits::CONNECTIONS_GREATEST),
        ("cooldown", "failures", 1, limits::COOLDOWN_FAILURES_GREATEST as usize),
    ] {
        let said = |value: usize| errors(&read(&format!(r#"{{"{object}": {{"{member}": {value}}}}}"#)));
        for good in [least, greatest] {
            assert_eq!(said(good), [""; 0], "{member} {good}");
        }
        for bad in [least - 1, greatest + 1] {
            let expected = format!("1 {object}.{member}: {bad} is out of range: from {least} to {greatest}");
            assert_eq!(said(bad), [expected]);
        }
    }
    let every_s = |value: u32| {
        let file = format!(r#"{{"providers": {{"d": {{"protocol": "demo"}}}}, "probes": {{"every_s": {value}}}}}"#);
        errors(&read(&file))
    };
    let least = limits::PROBES_EVERY_S_LEAST;
    assert_eq!([every_s(0), every_s(least)], [[""; 0]; 2], "0 is never");
    for bad in [1, least - 1] {
        assert_eq!(every_s(bad), [format!("1 probes.every_s: is 0 or {least} at least")]);
    }
}

/// An index of 16 bits can name so many; its last value means "none".
#[test]
fn entries_are_counted() {
    let list = |entry: &dyn Fn(usize) -> String, entries: usize| (0..entries).map(entry).collect::<Vec<_>>().join(",");
    let names = |entries| list(&|nth| format!(r#""{nth}""#), entries);
    let most = limits::CONFIG_ENTRIES_MAX;
    let provider = |members: String| {
        format!(r#"{{"providers": {{"p": {{"protocol": "chat", "base_url": "http://[::1]:1", {members}}}}}}}"#)
    };
    let clients = |entries| list(&|nth| format!(r#""c{nth}": {{"key": "k{nth}"}}"#), entries);
    for (path, file) in [
        ("providers", &(|entries| provider(format!(r#""keys": [{}]"#, names(entries)))) as &dyn Fn(usize) -> String),
        ("providers.p.models", &|entries| provider(format!(r#""models": [{}]"#, names(entries)))),
        ("clients", &|entries| format!(r#"{{"clients": {{{}}}}}"#, clients(entries))),
    ] {
        assert_eq!(errors(&read(&file(most))), [""; 0], "{path}");
        let told = errors(&read(&file(most + 1)));
        assert!(told.len() == 1 && told[0].starts_with(&format!("1 {path}: ha")), "{told:?}");
        assert!(told[0].contains(&format!("more than {most} ")), "{told:?}");
    }
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let reading = read(
        r#"{
  "listne": "127.0.0.1:1", // 2
  "driver": "iouring", "cores": "many",
  "retry": { "attempts_max": 0, "rounds_max": 1.5 },
  "providers": {
    "a": { "protocol": "chat", "base_url": "http://127.0.0.1:1", "keys": [
      { "key": "env:UNSET", "wieght": 2 },
      "file:/none", { "name": "x" } ] },
    "b": { "protocol": "chta", "base_url": 5, "keys": "k" },
    "a": {},
    "c": "chat"
  },
  "routes": { "r": { "to": ["aa/x", "b/y", "c"] } },
  "default_route": "s",
  "log": { "level": "loud" }, "watch": null,
}"#,
    );
    let expected = [
        r#"2 listne: unknown member, did you mean "listen"?"#,
        r#"3 driver: "iouring" is none of auto, io_uring, epoll, did you mean "io_uring"?"#,
        r#"3 cores: "many" is neither auto nor a number"#,
        "4 retry.attempts_max: 0 is out of range: from 1 to 100",
        "4 retry.rounds_max: expected a whole number, found a number that is not whole",
        "7 providers.a.keys[0].key: the environment variable UNSET is not set",
        r#"7 providers.a.keys[0].wieght: unknown member, did you mean "weight"?"#,
        "8 providers.a.keys[1]: /none: entity not found",
        r#"8 providers.a.keys[2]: "key" is missing"#,
        r#"9 providers.b.protocol: "chta" is none of chat, responses, anthropic, gemini, azure, ollama, demo, did you mean "chat"?"#,
        "9 providers.b.base_url: expected a string, found a number",
        "9 providers.b.keys: expected a list, found a string",
        "10 providers.a: is given twice in one object",
        "11 providers.c: expected an object, found a string",
        r#"13 routes.r.to[0]: names no provider: "aa", did you mean "a"?"#,
        r#"14 default_route: names no route: "s""#,
        r#"15 log.level: "loud" is none of off, error, warn, info, debug, trace"#,
        "15 watch: expected true or false, found null",
    ];
    let errors = errors(&reading);
    assert_eq!(errors, expected, "{errors:#?}");
    assert!(reading.snapshot.is_none());
}

/// One small file and what it is told: the first word of each expectation is the path.
#[test]
fn every_rule_is_told_apart() {
    let p = |members: &str| format!(r#"{{"providers": {{"p": {{"protocol": "chat", {members}}}}}}}"#);
    let url = |url: &str| p(&format!(r#""models": ["m"], "base_url": "{url}""#));
    let with = |members: &str| p(&format!(r#""models": ["m"], "base_url": "http://[::1]:1", {members}"#));
    let cases: Vec<(String, &[&str])> = vec![
        // Access and addresses.
        (r#"{"listen": "0.0.0.0:1"}"#.into(), &["error listen no client is listed"]),
        (r#"{"listen": "0.0.0.0:1", "access": "open"}"#.into(), &[]),
        (r#"{"listen": ":1", "clients": {"a": {"key": "k"}}}"#.into(), &[]),
        (r#"{"listen": ["[::1]:1", "unix:/r"]}"#.into(), &[]),
        (r#"{"listen": []}"#.into(), &["error listen is empty"]),
        (r#"{"listen": ["[::1]:1", "[::1]:1"]}"#.into(), &["error listen[1] given twice"]),
        (r#"{"listen": "7070"}"#.into(), &["error listen expected ADDRESS:PORT"]),
        (r#"{"access": "keys"}"#.into(), &["error access lists nobody"]),
        (r#"{"admin": {"listen": "0.0.0.0:1"}}"#.into(), &["error admin.listen password"]),
        (r#"{"admin": {"listen": "0.0.0.0:1", "password": "env:P"}}"#.into(), &[]),
        (r#"{"admin": {"listen": "127.0.0.1:7070"}}"#.into(), &["error admin.listen relay too"]),
        (r#"{"allow_ips": ["10.0.0.0/8", "10.0.0"]}"#.into(), &["error allow_ips[1] neither"]),
        // Clients.
        (r#"{"clients": {"a": {"key": "k"}, "b": {"key": "k"}}}"#.into(), &["error clients.b.key client \"a\""]),
        (r#"{"clients": {"a": {}}}"#.into(), &["error clients.a missing"]),
        (r#"{"clients": {"a": {"key": "file:/run/empty"}}}"#.into(), &["error clients.a.key first line is empty"]),
        (r#"{"clients": {"a": {"key": "k", "expires": "soon"}}}"#.into(), &["error clients.a.expires no date"]),
        (r#"{"clients": {"a": {"key": "k", "route": "r"}}}"#.into(), &["error clients.a.route names no route"]),
        (r#"{"clients": {"a": {"key": "${UNSET}"}}}"#.into(), &["error clients.a.key UNSET is not set"]),
        (r#"{"clients": {"a": {"key": "k\r\n"}}}"#.into(), &["error clients.a.key control character"]),
        (r#"{"clients": {"a": {"key": "k", "models": [""]}}}"#.into(), &["error clients.a.models[0] matches no"]),
        // Providers.
        (r#"{"providers": {"p": {}}}"#.into(), &["error providers.p protocol", "error providers.p base_url", "warning providers.p nobody"]),
        (r#"{"providers": {"p": {"preset": "opena"}}}"#.into(), &["error providers.p.preset \"openai\"", "warning providers.p nobody"]),
        (r#"{"providers": {"v1": {"protocol": "demo"}, "a/b": {"protocol": "demo"}}}"#.into(), &["error providers.v1 begins", "error providers[\"a/b\"] letters"]),
        (r#"{"providers": {"p": {"protocol": "demo"}, "P": {"protocol": "demo"}}}"#.into(), &["error providers.p case only", "error providers.P case only"]),
        (url("http://h"), &["warning providers.p.base_url in the clear"]),
        (url("http://LOCALHOST:1/v1"), &[]),
        (url("https://h"), &[]),
        (url("h"), &["error providers.p.base_url expected http"]),
        (url("http://u@h"), &["error providers.p.base_url credential"]),
        (p(r#""base_url": "http://[::1]:1""#), &["warning providers.p nobody uses it"]),
        (with(r#""keys": ["a", "a"]"#), &["warning providers.p.keys[1] same key as keys[0]"]),
        (with(r#""keys": ["a", {"key": "b", "name": "1"}]"#), &["error providers.p.keys[1] only one"]),
        (with(r#""keys": [{"key": "a", "models": ["x-1", "m"], "exclude_models": ["x-*"]}]"#), &["warning providers.p.keys[0].models[0] can never match"]),
        (with(r#""headers": {"Host": "x", "a@b": "y", "X-Ok": "env:Z"}"#), &["error providers.p.headers.Host cannot be set", "error providers.p.headers[\"a@b\"] no name"]),
        (with(r#""prefix": "p"}, "q": {"protocol": "demo""#), &["warning providers.p.prefix provider's name"]),
        (with(r#""prefix": "a/b", "think_tag": "<t>""#), &["error providers.p.prefix no prefix", "error providers.p.think_tag no name"]),
        (with(r#""prefix": "x"}, "q": {"protocol": "demo", "prefix": "X""#), &["warning providers.q.prefix prefix of provider \"p\""]),
        (with(r#""payload": [{}, {"filter": ["a..b"]}, {"override_raw": {"a": "{"}}, {"default": {"x": {"y": [1, "z", null]}}}]"#),
            &["error providers.p.payload[0] changes nothing", "error providers.p.payload[1].filter[0] no path", "error providers.p.payload[2].override_raw.a no JSON"]),
        (with(r#""payload": [{"if": {"protocol": "caht", "from": ["chat", "x"], "header": {"a@b": "*"}, "match": {"": "x"}}, "filter": ["a"]}]"#),
            &["error providers.p.payload[0].if.protocol did you mean \"chat\"", "error providers.p.payload[0].if.from[1] none of",
              "error providers.p.payload[0].if.header[\"a@b\"] no name", "error providers.p.payload[0].if.match[\"\"] no path"]),
        (with(r#""system_prompt": {"text": "x", "replacements": [{"old": "", "new": "y"}]}"#), &["error providers.p.system_prompt.replacements[0].old is empty"]),
        (with(r#""force_prefix": true"#), &["error providers.p.force_prefix needs"]),
        (with(r#""proxy": "127.0.0.1:1", "tls": {"ca": "x"}"#), &["error providers.p.proxy expected http", "warning providers.p.tls no effect"]),
        (with(r#""proxy": "direct""#), &[]),
        (with(r#""system_prompt": {}"#), &["error providers.p.system_prompt needs"]),
        (with(r#""system_prompt": {"file": "/none"}"#), &["error providers.p.system_prompt.file /none"]),
        (with(r#""disabled": true}, "q": {"protocol": "demo""#), &[]),
        (p(r#""base_url": "http://[::1]:1", "models": [{"name": "", "released": "x"}, {}, "a*"]"#),
            &["error providers.p.models[0].name", "error providers.p.models[0].released", "error providers.p.models[1] missing", "error providers.p.models[2] no model name"]),
        (r#"{"providers": {"d": {"protocol": "demo"}}, "routes": {"r": {"to": ["d"], "rules": [{"if": {}, "to": "e/x"}, {"if": {"header": {"a@b": "*"}, "member": {".": "*"}}, "to": []}]}}}"#.into(),
            &["error routes.r.rules[0].if needs", "error routes.r.rules[0].to no provider", "error routes.r.rules[1].if.header[\"a@b\"] no name",
              "error routes.r.rules[1].if.member[\".\"] no path", "error routes.r.rules[1].to names no target"]),
        // Warnings about the whole.
        (r#"{"proxy": "http://127.0.0.1:1"}"#.into(), &["warning proxy nobody"]),
        (r#"{"routes": {"a": {}, "b": {}}, "default_route": "a"}"#.into(), &["warning routes.b nobody"]),
        (r#"{"routes": {"a": {"to": ["d/"], "models": {"x": []}}}, "providers": {"d": {"protocol": "demo"}}}"#.into(), &["error routes.a.to[0] no model", "error routes.a.models.x names no target"]),
        (r#"{"routes": {"a": {"models": {"d/*": "d", "gpt-*": "d", "gpt-**": "d"}}}, "providers": {"d": {"protocol": "demo"}}}"#.into(),
            &["warning routes.a.models[\"d/*\"] goes to provider \"d\"", "warning routes.a.models[\"gpt-*\"] takes all"]),
        (r#"{"routes": {"a": {"unknown_models": "catalog", "to": ["d/x"], "models": {"y": "d/y", "z": "d/demo"}}}, "providers": {"d": {"protocol": "demo"}},
             "clients": {"c": {"key": "k", "models": ["demo", "z", "w*", "v", "d*"]}}}"#.into(),
            &["warning clients.c.models[2] can never match", "warning clients.c.models[3] published by nobody", "warning routes.a.models.y not publish", "warning routes.a.to not publish"]),
        // A disabled provider does not exist, but its name is known.
        (r#"{"routes": {"a": {"to": ["p/x", "d/demo"]}}, "providers": {"p": {"protocol": "chat", "base_url": "http://x", "disabled": true}, "d": {"protocol": "demo"}}}"#.into(), &[]),
    ];
    for (text, expected) in cases {
        let reading = read(&text);
        let mut found: Vec<String> = Vec::new();
        for (word, list) in [("error", errors(&reading)), ("warning", warnings(&reading))] {
            found.extend(list.iter().map(|said| format!("{word} {}", said.split_once(' ').unwrap().1)));
        }
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let matches = |(found, expected): (&String, &&str)| {
            let (severity, rest) = expected.split_once(' ').unwrap();
            let (path, words) = rest.split_once(' ').unwrap_or((rest, ""));
            found.starts_with(&format!("{severity} {path}: ")) && found.contains(words)
        };
        assert!(
            found.len() == expected.len() && found.iter().zip(&expected).all(matches),
            "{text}\n{found:#?}\n{expected:#?}"
        );
    }
}

#[test]
fn a_shared_file_with_literal_secrets_is_warned_of() {
    let text = r#"{"admin": {"password": "a"}, "clients": {"a": {"key": "k"}, "b": {"key": "env:B"}, "c": {"key": "x-${C}"}},
        "providers": {"p": {"protocol": "ollama", "base_url": "http://127.0.0.1:1", "models": ["m"], "keys": ["literal", "file:/run/key"],
            "headers": {"x": "y", "Authorization": "z"}}}}"#;
    let paths = |shared| -> Vec<String> {
        let reading = read_with(text, shared, &Overrides::default());
        assert_eq!(reading.snapshot.unwrap().keys[1].secret.expose(), b"sk-from-file");
        reading.problems.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(
        paths(true),
        ["admin.password", "clients.a.key", "providers.p.keys[0]", "providers.p.headers.Authorization"]
    );
    assert_eq!(paths(false), [""; 0]);
}

#[test]
fn what_is_said_of_keys_without_effect_is_told() {
    let file = |provider: &str| {
        format!(
            r#"{{"providers": {{"p": {{"protocol": "ollama", "base_url": "http://localhost:1", "models": ["m"], {provider}}}}}}}"#
        )
    };
    for (provider, warning) in [
        (r#""keys": [{"key": "k", "weight": 2}]"#, "weight: counts under \"balance\": \"weighted\" only"),
        (r#""balance": "weighted", "keys": [{"key": "k", "weight": 2}]"#, ""),
        (r#""keys": [{"key": "k", "queue": 2}]"#, "queue: has nothing to wait for"),
        (r#""keys": [{"key": "k", "queue": 2, "max_concurrent": 1}, "l"]"#, ""),
        (r#""keys": [{"key": "k", "disabled": true}]"#, "keys: are all disabled"),
    ] {
        let warned = warnings(&read(&file(provider)));
        assert_eq!(warned.len(), usize::from(!warning.is_empty()), "{provider}: {warned:#?}");
        assert!(warned.iter().all(|warned| warned.contains(warning)), "{provider}: {warned:#?}");
    }
    for (text, error) in [
        (r#"{"prices": {"m": {"input": 1, "output": 2}}}"#, "\"per\" is missing"),
        (r#"{"prices": {"m": {"per": "1M", "input": 1}}}"#, "\"output\" is missing"),
        (r#"{"probes": {"every_s": 59, "providers": []}}"#, "is 0 or 60 at least"),
        (r#"{"probes": {"at_start": true, "providers": ["nobody"]}}"#, "names no provider"),
        (
            r#"{"retry": {"on_error": [{"status": [200], "then": "stop"}]}, "providers": {"d": {"protocol": "demo"}}}"#,
            "is no error",
        ),
        (
            r#"{"retry": {"on_error": [{"status": [500]}]}, "providers": {"d": {"protocol": "demo"}}}"#,
            "changes nothing",
        ),
        (
            r#"{"retry": {"on_error": [{"text": [""], "then": "stop"}]}, "providers": {"d": {"protocol": "demo"}}}"#,
            "has an empty text",
        ),
    ] {
        let told = errors(&read(text));
        assert!(told.iter().any(|told| told.contains(error)), "{text}: {told:#?}");
    }
}

#[test]
fn models_that_nobody_can_ask_for_are_told() {
    let file = |models: &str, rest: &str| {
        format!(
            r#"{{"providers": {{"p": {{"protocol": "ollama", "base_url": "http://localhost:1", "models": [{models}], {rest}}}}},
                "routes": {{"r": {{"to": ["p"], "models": {{"p/x": "p/m", "q/x": "p/m"}}}}}}}}"#
        )
    };
    let never = "routes.r.models[\"p/x\"]: can never match: this name goes to provider \"p\" before";
    for (models, rest, warning) in [
        (r#""m""#, r#""exclude_models": ["n"]"#, ""),
        (r#""m", "n""#, r#""exclude_models": ["n*"]"#, "models[1]: is published, and \"exclude_models\""),
        (r#""m", "n""#, r#""keys": [{"key": "k", "models": ["m"]}]"#, "models[1]: is published, and every key"),
        (r#""m", "n""#, r#""keys": [{"key": "k", "models": ["m"]}, {"key": "l", "exclude_models": ["m"]}]"#, ""),
        (
            r#"{"name": "m", "alias": "n"}, "o", {"name": "n", "alias": "m"}"#,
            r#""keys": ["k"]"#,
            "models[0].alias: leads back",
        ),
        (r#"{"name": "m", "alias": "n"}, {"name": "n", "alias": "o"}, "o""#, r#""keys": ["k"]"#, ""),
        (r#"{"name": "m", "alias": "m"}"#, r#""keys": ["k"]"#, ""),
    ] {
        let warned = warnings(&read(&file(models, rest)));
        assert!(warned.iter().any(|warned| warned.contains(never)), "{warned:#?}");
        let others: Vec<_> = warned.iter().filter(|warned| !warned.contains(never)).collect();
        assert_eq!(others.is_empty(), warning.is_empty(), "{models} {rest}: {warned:#?}");
        assert!(others.is_empty() || others[0].contains(warning), "{models} {rest}: {warned:#?}");
    }
}

/// Cores share it.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Snapshot>();
};

#[test]
fn the_command_line_wins() {
    let overrides = |listen: &str, cores: &str, driver: &str| Overrides {
        listen: vec![listen.to_owned()],
        admin_listen: Some("127.0.0.1:9".to_owned()),
        cores: Some(cores.to_owned()),
        driver: Some(driver.to_owned()),
    };
    let reading = read_with(r#"{"listen": "0.0.0.0:1", "cores": 3}"#, false, &overrides("[::1]:8", "2", "epoll"));
    let s = reading.snapshot.unwrap();
    assert_eq!((s.listen[0].to_string(), s.admin.listen.to_string()), ("[::1]:8".into(), "127.0.0.1:9".into()));
    assert_eq!((s.cores, s.driver), (super::snapshot::Cores::Number(2), super::snapshot::DriverChoice::Epoll));
    let reading = read_with("{}", false, &overrides("x", "0", "kqueue"));
    assert_eq!(errors(&reading).len(), 3, "{:#?}", reading.problems);
}

#[test]
fn no_secret_is_shown() {
    let text = r#"{"admin": {"password": "canary-1"}, "clients": {"a": {"key": "canary-2"}}, "proxy": "http://u:canary-3@127.0.0.1:1",
        "providers": {"p": {"protocol": "chat", "base_url": "http://127.0.0.1:1", "models": ["m"],
            "keys": [{"key": "canary-4", "headers": {"x": "canary-5"}}]}}}"#;
    let shown = format!("{:?} {:?}", snapshot(text), read(&text.replace("clients", "client")).problems);
    assert!(!shown.contains("canary"), "{shown}");
    // What came out of the environment is not quoted, whatever it was meant to be.
    let text = r#"{"driver": "${SECRET}", "default_route": "${SECRET}", "providers": {"p": {"preset": "${SECRET}", "base_url": "${SECRET}"}},
        "routes": {"r": {"to": ["${SECRET}"]}}}"#;
    let reading = read(text);
    assert_eq!(errors(&reading).len(), 5, "{:#?}", reading.problems);
    assert!(!format!("{:?}", reading.problems).contains("value-of"), "{:#?}", reading.problems);
}

#[test]
fn the_schema_describes_every_member() {
    let text = super::schema::schema();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["watch"]["default"], true);
    assert_eq!(schema["$defs"]["Retry"]["properties"]["attempts_max"]["maximum"], 100);
    let types = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    for (name, member) in types.filter_map(|of| of.get("properties")?.as_object()).flatten() {
        assert!(member.get("description").is_some(), "{name}");
    }
}

#[test]
fn changes_are_said_in_words() {
    let base = r#"{"providers": {"a": {"protocol": "ollama", "base_url": "http://localhost:1", "keys": ["k"]}, "b": {"protocol": "demo"}},
        "routes": {"r": {"to": ["b/demo"]}, "q": {}}, "default_route": "r", "clients": {"c": {"key": "k", "route": "r"}}}"#;
    let told = |from: &str, to: &str| super::diff::changes(&snapshot(base), &snapshot(&base.replace(from, to)));
    assert_eq!(told("", ""), super::diff::Changes::default());
    let shown = |(chain, key): (String, String)| {
        let identity = crate::tls::party::Identity::new(chain.as_bytes(), key.as_bytes());
        let mut shown = snapshot(base);
        shown.tls = Some(identity.expect("a pair"));
        shown
    };
    let (one, other) = (shown(pair()), shown(pair()));
    for (old, new) in [(&snapshot(base), &one), (&one, &other), (&one, &snapshot(base))] {
        assert_eq!(super::diff::changes(old, new).said, ["tls changed"]);
    }
    assert_eq!(told("[\"k\"]", "[\"l\"]").said, ["provider \"a\" changed"]);
    assert_eq!(told("\"b\": {", "\"z\": {\"protocol\": \"demo\"}, \"b\": {").said, ["provider \"z\" added"]);
    assert_eq!(told("\"q\": {}", "\"q\": {}, \"s\": {}").said, ["route \"s\" added"]);
    assert_eq!(told(", \"q\": {}", "").said, ["route \"q\" removed"]);
    assert_eq!(
        told("{\"r\": {\"to\": [\"b/demo\"]}, \"q\": {}}", "{\"q\": {}, \"r\": {\"to\": [\"b/demo\"]}}").said,
        ["order of routes changed"]
    );
    assert_eq!(told("\"route\": \"r\"", "\"route\": \"q\"").said, ["client \"c\" changed"]);
    let changes = told(
        "{\"providers\"",
        "{\"cores\": 2, \"data_dir\": \"/d\", \"admin\": {\"listen\": \"127.0.0.1:3\"}, \"watch\": false, \"providers\"",
    );
    assert_eq!(changes.restart, ["cores", "data_dir", "admin.listen"]);
    assert_eq!(changes.said, ["cores changed", "data_dir changed", "admin.listen changed", "watch changed"]);
}

/// A value of the wrong kind anywhere is a problem with a place, never a panic and never serde's words.
#[test]
fn wrong_values_anywhere_are_reported() {
    let sample: serde_json::Value = serde_json::from_str(&super::jsonc::blank(CONTRACT)).unwrap();
    let wrong = [
        serde_json::json!(null),
        1.into(),
        (-1).into(),
        "x".into(),
        serde_json::json!([[]]),
        serde_json::json!({"x": {}}),
    ];
    // The first place is the file itself, the last is the one that no longer exists.
    for place in 2.. {
        for wrong in &wrong {
            let mut value = sample.clone();
            let mut left = place;
            replace(&mut value, &mut left, wrong);
            if left > 0 {
                assert!(place > 100, "{place}");
                return;
            }
            for problem in read(&value.to_string()).problems {
                assert!(!problem.path.is_empty() && !problem.message.contains("invalid type"), "{problem}");
            }
        }
    }
}

fn replace(value: &mut serde_json::Value, left: &mut usize, by: &serde_json::Value) {
    let Some(rest) = left.checked_sub(1) else { return };
    *left = rest;
    if rest == 0 {
        *value = by.clone();
        return;
    }
    match value {
        serde_json::Value::Array(list) => list.iter_mut().for_each(|value| replace(value, left, by)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|value| replace(value, left, by)),
        _ => {}
    }
}

#[test]
fn a_pair_of_the_relay_is_read_and_tried() {
    let pair = |cert: &str, key: &str| format!(r#"{{ "tls": {{ "cert": "{cert}", "key": "{key}" }} }}"#);
    let (cert, key) = ("/etc/weir/cert.pem", "/etc/weir/key.pem");
    assert!(snapshot(&pair(cert, key)).tls.is_some() && snapshot("{}").tls.is_none());
    let cases = [
        (pair("", key), "1 tls.cert: is empty"),
        (pair(cert, "/none"), "1 tls.key: /none: entity not found"),
        (pair(key, key), "1 tls.cert: /etc/weir/key.pem holds no certificate"),
        (pair(cert, cert), "1 tls.key: /etc/weir/cert.pem holds no private key that can be read without a password"),
        (r#"{ "tls": { "cert": "/etc/weir/cert.pem" } }"#.to_owned(), "1 tls: \"key\" is missing"),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(&read(&text)), [expected], "{text}");
    }
}
