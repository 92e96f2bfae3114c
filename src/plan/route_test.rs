//! One line for each rule of `config.md`, "How a model name becomes targets" and "Names and scenes".

use super::*;
use crate::config::tests::snapshot;
use crate::protocol::ir::Effort;

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
    show(s, targets(s, &Question { client, dialect, forced, model, rule: None, scene: None }))
}

fn show(s: &Snapshot, found: Result<Chosen<'_>, Refused>) -> String {
    match found {
        Err(refused) => format!("{refused:?}"),
        Ok(Chosen { targets, .. }) => {
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
}

#[test]
fn a_name_that_is_too_long_is_known_to_nobody() {
    let s = snapshot(FILE);
    let asked = |bytes: usize| ask(&s, None, Dialect::Chat, None, &format!("{:x<bytes$}", "gpt-"));
    assert_eq!(asked(limits::MODEL_NAME_BYTES_MAX), "!bare/short");
    assert_eq!(asked(limits::MODEL_NAME_BYTES_MAX + 1), "UnknownModel");
}

#[test]
fn each_dialect_has_its_default_route() {
    let dialects = [
        ("chat", Dialect::Chat),
        ("responses", Dialect::Responses),
        ("anthropic", Dialect::Anthropic),
        ("gemini", Dialect::Gemini),
        ("ollama", Dialect::Ollama),
    ];
    for (name, own) in dialects {
        let s = snapshot(&format!(
            r#"{{"providers": {{"d": {{"protocol": "demo"}}}}, "routes": {{"r": {{"to": ["d/r"]}}, "s": {{"to": ["d/s"]}}}},
                "default_route": "r", "default_routes": {{"{name}": "s"}}}}"#
        ));
        for (_, dialect) in dialects {
            assert_eq!(ask(&s, None, dialect, None, "auto"), if dialect == own { "d/s" } else { "d/r" }, "{name}");
        }
    }
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
    let ids =
        |client, dialect| listed(&s, client, dialect, None).iter().map(|model| model.id.to_owned()).collect::<Vec<_>>();
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
    let owners: Vec<_> = listed(&s, None, Dialect::Chat, None).iter().map(|model| (model.id, model.owned_by)).collect();
    for owner in [("auto", "deepseek"), ("gpt-4o", "openrouter"), ("deepseek-chat", "bare"), ("fp/only", "forced")] {
        assert!(owners.contains(&owner), "{owner:?} {owners:?}");
    }
    assert!(owners.contains(&("deepseek/deepseek-chat", "deepseek")), "{owners:?}");
    // Where the path names a provider, what that one publishes, and whatever else has the same name.
    for (name, published) in
        [("deepseek", &["deepseek-chat", "r1", "pool"][..]), ("openrouter", &["shared", "deepseek/deepseek-chat"])]
    {
        let forced = listed(&s, None, Dialect::Chat, s.provider(name.as_bytes()));
        let ids: Vec<_> = forced.iter().map(|model| model.id).collect();
        assert!(published.iter().all(|id| ids.contains(id)), "{name}: {ids:?}");
        assert!(forced.iter().all(|model| model.owned_by == name), "{forced:?}");
    }
}

/// A published name that something else answers for, or nothing does, is listed accordingly.
#[test]
fn names_without_targets_are_not_listed() {
    let s = snapshot(
        r#"{"providers": {"a": {"protocol": "demo", "models": ["b/x-secret", "y", "z"]}, "b": {"protocol": "demo", "exclude_models": ["*-secret"]},
                          "off": {"protocol": "demo", "disabled": true}},
            "routes": {"r": {"to": ["off/q"], "models": {"y": "off/y", "z": "b/zz"}}}}"#,
    );
    let listed: Vec<_> = listed(&s, None, Dialect::Chat, None).iter().map(|model| (model.id, model.owned_by)).collect();
    assert_eq!(listed, [("z", "b"), ("demo", "b")]);
}

const RULED: &str = r#"{
  "providers": {
    "a": { "protocol": "chat", "base_url": "http://127.0.0.1:1", "models": ["m",
      {"name": "claude-x", "protocol": "anthropic"}, {"name": "named(high)"}] },
    "b": { "protocol": "chat", "base_url": "http://127.0.0.1:2" }
  },
  "routes": {
    "full": { "to": ["a/to"], "models": { "mapped": "a/map", "odd(low)": "a/odd" }, "background_models": ["*-mini"],
      "rules": [{ "if": { "header": { "X-Team": "gold*" }, "member": { "metadata.tier": "1" } }, "to": "a/both" },
                { "if": { "header": { "x-team": "*" }, "model": ["mapped", "x*"] }, "to": "a/either" }],
      "scenes": { "longContext": "a/long", "background": "a/back", "webSearch": "a/web", "image": ["a/image", "b"], "default": "a/default" } },
    "bare": { "to": ["a/to"], "scenes": { "default": ["a/default"] } },
    "plain": { "to": ["a/to"] }
  },
  "default_route": "full", "default_routes": { "gemini": "bare", "ollama": "plain" }
}"#;

/// A request of one rule or scene.
fn special(model: &str, rule: Option<u16>, scene: Option<Scene>) -> String {
    let s = snapshot(RULED);
    let found = targets(&s, &Question { client: None, dialect: Dialect::Chat, forced: None, model, rule, scene });
    let by = found.as_ref().map(|chosen| format!("{:?}", chosen.by)).unwrap_or_default();
    format!("{} by {by}", show(&s, found))
}

#[test]
fn scenes_come_after_the_map_and_before_the_catalogue() {
    for (model, scene, expected) in [
        ("m", Some(Scene::LongContext), "!a/long by Scene(LongContext)"),
        ("m", Some(Scene::Background), "!a/back by Scene(Background)"),
        ("auto", Some(Scene::WebSearch), "a/web by Scene(WebSearch)"),
        ("m", Some(Scene::Image), "!a/image b/m by Scene(Image)"),
        ("mapped", Some(Scene::Image), "!a/map by Map(\"mapped\")"),
        ("a/m", Some(Scene::Image), "!a/m by Name"),
        // Of this scene there is no entry: the catalogue, then `to`; `default` is for requests of no scene.
        ("m", Some(Scene::Think), "a/m by Catalogue"),
        ("other", Some(Scene::Think), "!a/to by To"),
        ("m", None, "a/m by Catalogue"),
        ("other", None, "!a/default by SceneDefault"),
        ("auto", None, "a/default by SceneDefault"),
    ] {
        assert_eq!(special(model, None, scene), expected, "{model} {scene:?}");
    }
}

#[test]
fn rules_come_before_the_map_and_after_providers_in_the_name() {
    assert_eq!(special("mapped", Some(0), None), "!a/both by Rule(0)");
    assert_eq!(special("m", Some(1), Some(Scene::Image)), "!a/either by Rule(1)");
    assert_eq!(special("b/x", Some(0), None), "!b/x by Name");
}

#[test]
fn a_request_is_looked_at_only_where_it_matters() {
    let s = snapshot(RULED);
    let looks = |dialect, forced, model| {
        let question = Question { client: None, dialect, forced, model, rule: None, scene: None };
        looks_at_request(&s, &question).map(|route| (&*route.name, looks_at_scene(route, &s, model)))
    };
    assert_eq!(looks(Dialect::Chat, None, "m"), Some(("full", true)));
    assert_eq!(looks(Dialect::Chat, None, "MAPPED"), Some(("full", false)), "its name decides before scenes do");
    assert_eq!(looks(Dialect::Chat, None, "a/m"), None);
    assert_eq!(looks(Dialect::Chat, Some(0), "m"), None);
    assert_eq!(looks(Dialect::Gemini, None, "m"), Some(("bare", true)));
    assert_eq!(looks(Dialect::Ollama, None, "m"), None);
}

#[test]
fn a_model_may_have_a_protocol_of_its_own() {
    let s = snapshot(RULED);
    for (model, protocol) in [
        ("m", Protocol::Chat),
        ("claude-x", Protocol::Anthropic),
        ("a/claude-x", Protocol::Anthropic),
        ("a/unpublished", Protocol::Chat),
    ] {
        let question = Question { client: None, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
        assert_eq!(targets(&s, &question).unwrap().targets[0].protocol, protocol, "{model}");
    }
    assert_eq!(s.keys[0].auth_for(Protocol::Anthropic).expose(), b"");
    let s = snapshot(&RULED.replace("\"models\": [\"m\"", "\"keys\": [\"k\"], \"models\": [\"m\""));
    assert_eq!(s.keys[0].auth_for(Protocol::Anthropic).expose(), b"x-api-key: k\r\n");
    assert_eq!(s.keys[0].auth_for(Protocol::Chat).expose(), b"authorization: Bearer k\r\n");
}

#[test]
fn a_suffix_asks_for_reasoning_unless_the_name_is_known_with_it() {
    let s = snapshot(RULED);
    for (model, expected, effort) in [
        ("m(high)", "!a/m", Some(Thinking::Effort(Effort::High))),
        ("M(512)", "!a/m", Some(Thinking::Budget(512))),
        ("a/q(none)", "!a/q", Some(Thinking::Off)),
        ("named(high)", "a/named(high)", None),
        ("odd(low)", "!a/odd", None),
        ("m(beta)", "!a/default", None),
        ("auto(low)", "a/default", Some(Thinking::Effort(Effort::Low))),
    ] {
        let question = Question { client: None, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
        let found = targets(&s, &question);
        assert_eq!(found.as_ref().unwrap().effort, effort, "{model}");
        assert_eq!(show(&s, found), expected, "{model}");
    }
}

#[test]
fn near_names_are_told_of_an_unknown_one() {
    let s = snapshot(FILE);
    let near = |model| {
        let question = Question { client: CARL, dialect: Dialect::Chat, forced: None, model, rule: None, scene: None };
        nearest(&s, &question).to_vec()
    };
    assert_eq!(near("deepseek-chta"), ["deepseek-chat"]);
    assert_eq!(near("sharde"), ["Shared", "shared"]);
    assert_eq!(near("completely-else"), [""; 0]);
    // Of a long name the beginning is compared, whatever character lies at its end.
    let long = |bytes: usize| format!("{}\u{e9}", "x".repeat(bytes - 2));
    let bounds = [limits::NAME_SHOWN_BYTES, limits::NAME_SHOWN_BYTES + 1, limits::MODEL_NAME_BYTES_MAX];
    for name in &bounds.map(long) {
        assert_eq!(near(name), [""; 0]);
    }
}
