//! One line for each rule of `config.md`, "How a model name becomes targets" and "Names and scenes".

use super::*;
use crate::config::tests::snapshot;

const FILE: &str = r#"{
  "providers": {
    "deepseek": { "protocol": "chat", "base_url": "http://127.0.0.1:1", "prefix": "ds", "exclude_models": ["*-secret"],
      "models": ["deepseek-chat", {"name": "deepseek-reasoner", "alias": "r1"}, {"name": "pool-a", "alias": "pool"},
                 {"name": "pool-b", "alias": "pool"}, "hidden-secret", "Shared"] },
    "openrouter": { "protocol": "chat", "base_url": "http://127.0.0.1:2", "models": ["shared", "deepseek/deepseek-chat"] },
    "forced": { "protocol": "chat", "base_url": "http://127.0.0.1:3", "prefix": "fp", "force_prefix": true, "models": ["only"] },
    "bare": { "protocol": "anthropic", "base_url": "http://127.0.0.1:4" },
    "off": { "protocol": "chat", "base_url": "http://127.0.0.1:5", "models": ["off-model"], "disabled": true }
  },
  "routes": {
    "main": { "to": ["deepseek/deepseek-chat", "bare"], "models": {
      "gpt-4o": ["openrouter/openai/gpt-4o", "deepseek/r1"], "GPT-4O": "bare/upper", "gpt-*": "bare/short", "gpt-4*": "bare/long",
      "claude-*": "bare", "keep-*": ["bare", "deepseek"], "x": "deepseek/x-secret", "y": "off/y", "deepseek-*": "bare/stolen" } },
    "catalog": { "to": ["bare/fallback"], "unknown_models": "catalog" },
    "nothing": {}
  },
  "default_route": "main",
  "default_routes": { "gemini": "catalog" },
  "clients": {
    "alice": { "key": "1", "models": ["claude-*", "AUTO", "ds/*"] },
    "carl": { "key": "2", "route": "catalog" },
    "nora": { "key": "3", "route": "nothing" }
  }
}"#;

const ALICE: Option<ClientIx> = Some(0);
const CARL: Option<ClientIx> = Some(1);
const NORA: Option<ClientIx> = Some(2);

/// `provider/model` of each target, `!` in front if answers carry the name asked for; or the refusal.
fn ask(s: &Snapshot, client: Option<ClientIx>, dialect: Dialect, forced: Option<&str>, model: &str) -> String {
    let forced = forced.map(|name| s.provider(name.as_bytes()).unwrap());
    match targets(s, &Question { client, dialect, forced, model }) {
        Err(refused) => format!("{refused:?}"),
        Ok(targets) => {
            let show = |target: &Target<'_>| {
                let provider = &s.providers[usize::from(target.provider)].name;
                format!("{}{provider}/{}", if target.mapped { "!" } else { "" }, target.model)
            };
            targets.iter().map(show).collect::<Vec<_>>().join(" ")
        }
    }
}

#[test]
fn names_become_targets() {
    let s = snapshot(FILE);
    let cases = [
        // 2: an explicit provider, in all four forms; names that are not configured are no providers.
        ("deepseek/deepseek-chat", "!deepseek/deepseek-chat"),
        ("deepseek|deepseek-chat", "!deepseek/deepseek-chat"),
        ("deepseek:deepseek-chat", "!deepseek/deepseek-chat"),
        ("[deepseek] deepseek-chat", "!deepseek/deepseek-chat"),
        ("[deepseek]deepseek-chat", "!deepseek/deepseek-chat"),
        ("DeepSeek/deepseek-chat", "!deepseek/deepseek-chat"),
        ("openrouter/anthropic/claude-3.5-sonnet", "!openrouter/anthropic/claude-3.5-sonnet"),
        ("bare/qwen3:8b", "!bare/qwen3:8b"),
        ("deepseek/r1", "!deepseek/deepseek-reasoner"),
        ("deepseek/deepseek-reasoner", "!deepseek/deepseek-reasoner"),
        ("deepseek/pool", "!deepseek/pool-a !deepseek/pool-b"),
        ("deepseek/unpublished", "!deepseek/unpublished"),
        ("deepseek/", "!deepseek/deepseek-chat"),
        ("deepseek/auto", "!deepseek/deepseek-chat"),
        ("bare/", "NotDirected"),
        ("[bare", "!deepseek/deepseek-chat bare/[bare"),
        ("off/off-model", "!deepseek/deepseek-chat bare/off/off-model"),
        // 3: exact, then case-insensitive, then the longest wildcard.
        ("gpt-4o", "!openrouter/openai/gpt-4o !deepseek/deepseek-reasoner"),
        ("GPT-4O", "!bare/upper"),
        ("Gpt-4O", "!openrouter/openai/gpt-4o !deepseek/deepseek-reasoner"),
        ("gpt-4-turbo", "!bare/long"),
        ("gpt-3", "!bare/short"),
        ("GPT-3", "!bare/short"),
        ("claude-sonnet", "bare/claude-sonnet"),
        ("keep-x", "bare/keep-x deepseek/keep-x"),
        ("deepseek-chat", "!bare/stolen"),
        ("y", "NoTarget"),
        // 5: published names, aliases, prefixed names; all providers in file order.
        ("r1", "!deepseek/deepseek-reasoner"),
        ("R1", "!deepseek/deepseek-reasoner"),
        ("pool", "!deepseek/pool-a !deepseek/pool-b"),
        ("pool-a", "!deepseek/deepseek-chat bare/pool-a"),
        ("shared", "openrouter/shared"),
        ("SHARED", "!deepseek/Shared !openrouter/shared"),
        ("ds/r1", "!deepseek/deepseek-reasoner"),
        ("ds/nothing", "!deepseek/deepseek-chat bare/ds/nothing"),
        ("fp/only", "!forced/only"),
        ("only", "!deepseek/deepseek-chat bare/only"),
        ("off-model", "!deepseek/deepseek-chat bare/off-model"),
        // 6: auto and unknown names.
        ("auto", "deepseek/deepseek-chat bare/auto"),
        ("Auto", "deepseek/deepseek-chat bare/auto"),
        ("", "deepseek/deepseek-chat bare/auto"),
        ("unheard-of", "!deepseek/deepseek-chat bare/unheard-of"),
        // Excluded models are excluded however they are named.
        ("hidden-secret", "Excluded"),
        ("deepseek/hidden-secret", "Excluded"),
        ("ds/hidden-secret", "Excluded"),
        ("x", "Excluded"),
        ("a-secret", "!deepseek/deepseek-chat bare/a-secret"),
    ];
    for (model, expected) in cases {
        assert_eq!(ask(&s, None, Dialect::Chat, None, model), expected, "{model:?}");
    }
}

#[test]
fn the_path_names_the_provider() {
    let s = snapshot(FILE);
    let cases = [
        ("deepseek", "r1", "!deepseek/deepseek-reasoner"),
        ("deepseek", "deepseek/r1", "!deepseek/deepseek-reasoner"),
        ("openrouter", "deepseek/deepseek-chat", "openrouter/deepseek/deepseek-chat"),
        ("deepseek", "gpt-4o", "deepseek/gpt-4o"),
        ("deepseek", "my-secret", "Excluded"),
        ("deepseek", "", "deepseek/deepseek-chat"),
        ("forced", "only", "forced/only"),
    ];
    for (provider, model, expected) in cases {
        assert_eq!(ask(&s, None, Dialect::Chat, Some(provider), model), expected, "{provider} {model:?}");
    }
}

#[test]
fn the_route_is_the_clients_then_the_dialects_then_the_default() {
    let s = snapshot(FILE);
    assert_eq!(ask(&s, None, Dialect::Gemini, None, "unheard-of"), "UnknownModel");
    assert_eq!(ask(&s, None, Dialect::Gemini, None, "auto"), "NotDirected");
    assert_eq!(ask(&s, None, Dialect::Gemini, None, ""), "NotDirected");
    assert_eq!(ask(&s, CARL, Dialect::Chat, None, "unheard-of"), "UnknownModel");
    assert_eq!(ask(&s, CARL, Dialect::Chat, None, "shared"), "openrouter/shared");
    assert_eq!(ask(&s, NORA, Dialect::Gemini, None, "auto"), "NoTarget");
    assert_eq!(ask(&s, None, Dialect::Chat, None, &"x".repeat(limits::MODEL_NAME_BYTES_MAX + 1)), "UnknownModel");
}

#[test]
fn a_client_asks_for_what_is_on_its_list_only() {
    let s = snapshot(FILE);
    assert_eq!(ask(&s, ALICE, Dialect::Chat, None, "Claude-x"), "bare/Claude-x");
    assert_eq!(ask(&s, ALICE, Dialect::Chat, None, ""), "deepseek/deepseek-chat bare/auto");
    assert_eq!(ask(&s, ALICE, Dialect::Chat, None, "ds/r1"), "!deepseek/deepseek-reasoner");
    for model in ["r1", "bare/claude-x", "gpt-4o"] {
        assert_eq!(ask(&s, ALICE, Dialect::Chat, None, model), "NotAllowed", "{model}");
    }
    assert_eq!(ask(&s, ALICE, Dialect::Chat, Some("deepseek"), "r1"), "NotAllowed");
}

#[test]
fn without_a_route_the_catalogue_alone_counts() {
    let s = snapshot(r#"{"providers": {"d": {"protocol": "demo"}}}"#);
    assert_eq!(ask(&s, None, Dialect::Chat, None, "demo"), "d/demo");
    assert_eq!(ask(&s, None, Dialect::Chat, None, "d/x"), "!d/x");
    assert_eq!(ask(&s, None, Dialect::Chat, None, "x"), "UnknownModel");
    assert_eq!(ask(&s, None, Dialect::Chat, None, "auto"), "NoRoute");
}

#[test]
fn lists_show_what_may_be_asked_for() {
    let s = snapshot(FILE);
    let ids = |client, dialect| listed(&s, client, dialect).iter().map(|model| model.id.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        ids(None, Dialect::Chat),
        [
            "auto",
            "gpt-4o",
            "GPT-4O",
            "deepseek-chat",
            "r1",
            "pool",
            "Shared",
            "shared",
            "deepseek/deepseek-chat",
            "fp/only"
        ]
    );
    assert_eq!(
        ids(CARL, Dialect::Chat),
        ["deepseek-chat", "r1", "pool", "Shared", "shared", "deepseek/deepseek-chat", "fp/only"]
    );
    assert_eq!(ids(ALICE, Dialect::Chat), ["auto", "ds/deepseek-chat", "ds/r1", "ds/pool", "ds/Shared"]);
    // The owner is who answers: of `deepseek-chat` whom the route sends it to, of `deepseek/…` the provider it names.
    let owners: Vec<_> = listed(&s, None, Dialect::Chat).iter().map(|model| (model.id, model.owned_by)).collect();
    for owner in [("auto", "deepseek"), ("gpt-4o", "openrouter"), ("deepseek-chat", "bare"), ("fp/only", "forced")] {
        assert!(owners.contains(&owner), "{owner:?} {owners:?}");
    }
    assert!(owners.contains(&("deepseek/deepseek-chat", "deepseek")), "{owners:?}");
}

/// A published name that something else answers for, or nothing does, is listed accordingly.
#[test]
fn names_without_targets_are_not_listed() {
    let s = snapshot(
        r#"{"providers": {"a": {"protocol": "demo", "models": ["b/x-secret", "y", "z"]}, "b": {"protocol": "demo", "exclude_models": ["*-secret"]},
                          "off": {"protocol": "demo", "disabled": true}},
            "routes": {"r": {"to": ["off/q"], "models": {"y": "off/y", "z": "b/zz"}}}}"#,
    );
    let listed: Vec<_> = listed(&s, None, Dialect::Chat).iter().map(|model| (model.id, model.owned_by)).collect();
    assert_eq!(listed, [("z", "b"), ("demo", "b")]);
}
