//! Lists of models, and single ones, in the shape of each dialect.
//!
//! What a model takes is told where it is known by its name; where a dialect requires an answer and none is known, it is
//! one that keeps its clients from hiding the model. The list for Responses is the catalogue that Codex asks for.

use super::Dialect;
use super::known::Known;
use crate::json::Writer;

/// The version that `/api/version` tells. VS Code asks for 0.6.4 at least and reads every part as a number.
const OLLAMA_VERSION: &str = "0.12.10";
/// What `/api/show` says where nothing is known of a model.
const OLLAMA_WINDOW_TOKENS: u64 = 131_072;

/// A model as lists show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The name to ask for.
    pub id: &'a str,
    /// Who publishes it.
    pub owned_by: &'a str,
    /// When it came out, in seconds since 1970; 0 if that is not known.
    pub released_unix_s: u64,
    /// What is known of it.
    pub known: Option<&'static Known>,
}

impl Listed<'_> {
    fn window_tokens(&self) -> Option<u64> {
        self.known.and_then(|known| known.window_tokens).map(u64::from)
    }

    fn output_tokens(&self) -> Option<u64> {
        self.known.and_then(|known| known.output_tokens).map(u64::from)
    }
}

/// What Codex tells a model that it has no instructions for.
const CODEX_INSTRUCTIONS: &str = "You are a coding agent in a terminal. You share a workspace with the user: read files before you \
change them, keep changes small and in the style of what surrounds them, and use the tools you are given for every look and \
every change. Run the project's checks after a change and fix what you broke. Do not commit, delete or overwrite what you \
were not asked to. When you are done, say briefly what you changed, what you verified and what is left.";

/// Appends the list of `models`: `/v1/models`, `/v1beta/models` or `/api/tags`.
pub fn list<'a>(dialect: Dialect, models: impl IntoIterator<Item = Listed<'a>>, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object();
    if dialect == Dialect::Chat {
        json.key("object").string("list");
    }
    json.key(match dialect {
        Dialect::Chat | Dialect::Anthropic => "data",
        Dialect::Responses | Dialect::Gemini | Dialect::Ollama => "models",
    });
    json.begin_array();
    let mut ends = None;
    for model in models {
        // Of its maker's models Codex knows more than is told here, instructions among it.
        if dialect == Dialect::Responses && ["gpt-", "codex-"].iter().any(|start| model.id.starts_with(start)) {
            continue;
        }
        item(dialect, &model, &mut json);
        ends = Some((ends.map_or(model.id, |(first, _)| first), model.id));
    }
    json.end();
    if dialect == Dialect::Anthropic {
        json.key("has_more").bool(false);
        for (name, id) in [("first_id", ends.map(|(first, _)| first)), ("last_id", ends.map(|(_, last)| last))] {
            json.key(name);
            match id {
                Some(id) => json.string(id),
                None => json.null(),
            };
        }
    }
    json.end();
}

/// Appends one model: `/v1/models/M` or `/v1beta/models/M`.
pub fn one(dialect: Dialect, model: &Listed<'_>, out: &mut Vec<u8>) {
    item(dialect, model, &mut Writer::new(out));
}

/// Appends what `/api/show` tells of a model. VS Code hides models without the capability `tools` and stumbles
/// over a missing `model_info`.
pub fn show(model: &Listed<'_>, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object();
    for name in ["license", "modelfile", "parameters", "template"] {
        json.key(name).string("");
    }
    json.key("modified_at").string(&timestamp(model.released_unix_s));
    details(&mut json);
    json.key("model_info").begin_object();
    json.key("general.architecture").string("llama").key("general.basename").string(model.id);
    let window = model.window_tokens().unwrap_or(OLLAMA_WINDOW_TOKENS);
    json.key("general.context_length").u64(window);
    json.key("llama.context_length").u64(window).end();
    json.key("capabilities").begin_array();
    let can = |what: fn(&Known) -> bool, unless_known: bool| model.known.map_or(unless_known, what);
    for (capability, has) in [
        ("completion", true),
        ("tools", can(|known| known.calls, true)),
        ("vision", can(|known| known.sees, true)),
        ("thinking", can(|known| known.reasons, false)),
    ] {
        if has {
            json.string(capability);
        }
    }
    json.end().end();
}

/// Appends the answer to `/api/version`.
pub fn version(out: &mut Vec<u8>) {
    Writer::new(out).begin_object().key("version").string(OLLAMA_VERSION).end();
}

/// Appends the answer to `/api/ps`: which models are in memory. None is in weir's.
pub fn running(out: &mut Vec<u8>) {
    Writer::new(out).begin_object().key("models").begin_array().end().end();
}

fn item(dialect: Dialect, model: &Listed<'_>, json: &mut Writer<'_>) {
    json.begin_object();
    match dialect {
        Dialect::Chat => {
            json.key("id").string(model.id).key("object").string("model");
            json.key("created").u64(model.released_unix_s).key("owned_by").string(model.owned_by);
            tokens("context_length", model.window_tokens(), json);
            tokens("max_output_tokens", model.output_tokens(), json);
        }
        Dialect::Responses => codex(model, json),
        Dialect::Anthropic => {
            json.key("type").string("model").key("id").string(model.id);
            json.key("display_name").string(model.id).key("created_at").string(&timestamp(model.released_unix_s));
        }
        Dialect::Gemini => {
            json.key("name").string(&gemini_name(model.id)).key("displayName").string(model.id);
            json.key("description").string(model.owned_by).key("supportedGenerationMethods").begin_array();
            json.string("generateContent").string("countTokens").end();
            tokens("inputTokenLimit", model.window_tokens(), json);
            tokens("outputTokenLimit", model.output_tokens(), json);
        }
        Dialect::Ollama => {
            json.key("name").string(model.id).key("model").string(model.id);
            json.key("modified_at").string(&timestamp(model.released_unix_s));
            json.key("size").u64(0).key("digest").string("");
            details(json);
        }
    }
    json.end();
}

fn tokens(name: &str, number: Option<u64>, json: &mut Writer<'_>) {
    if let Some(number) = number {
        json.key(name).u64(number);
    }
}

/// An entry of Codex's catalogue. All of the members it has no default for are there.
fn codex(model: &Listed<'_>, json: &mut Writer<'_>) {
    let reasons = model.known.is_some_and(|known| known.reasons);
    json.key("slug").string(model.id).key("display_name").string(model.id);
    json.key("description").string(model.owned_by);
    json.key("supported_reasoning_levels").begin_array();
    for (effort, description) in [("low", "Short thought"), ("medium", "Some thought"), ("high", "Long thought")] {
        if reasons {
            json.begin_object().key("effort").string(effort).key("description").string(description).end();
        }
    }
    json.end();
    if reasons {
        json.key("default_reasoning_level").string("medium");
    }
    json.key("shell_type").string("shell_command").key("visibility").string("list");
    json.key("supported_in_api").bool(true).key("priority").u64(100);
    json.key("availability_nux").null().key("upgrade").null();
    json.key("base_instructions").string(CODEX_INSTRUCTIONS);
    json.key("supports_reasoning_summaries").bool(reasons);
    json.key("support_verbosity").bool(false).key("default_verbosity").null();
    json.key("apply_patch_tool_type").null();
    json.key("truncation_policy").begin_object().key("mode").string("bytes").key("limit").u64(10_000).end();
    json.key("supports_parallel_tool_calls").bool(true);
    tokens("context_window", model.window_tokens(), json);
    json.key("experimental_supported_tools").begin_array().end();
    json.key("input_modalities").begin_array().string("text");
    if model.known.is_none_or(|known| known.sees) {
        json.string("image");
    }
    json.end();
}

/// VS Code looks for exactly this family.
fn details(json: &mut Writer<'_>) {
    json.key("details").begin_object().key("parent_model").string("").key("format").string("gguf");
    json.key("family").string("Ollama").key("families").begin_array().string("Ollama").end();
    json.key("parameter_size").string("0B").key("quantization_level").string("").end();
}

/// The resource name of a model; a tuned one has its collection in its name.
fn gemini_name(id: &str) -> String {
    if id.starts_with("models/") || id.starts_with("tunedModels/") { id.to_owned() } else { format!("models/{id}") }
}

/// `unix_s` in UTC as RFC 3339 writes it.
pub(crate) fn timestamp(unix_s: u64) -> String {
    // Beyond the year 9999 the format has no room.
    let unix_s = unix_s.min(253_402_300_799);
    let (year, month, day) = date(unix_s / 86_400);
    let (hour, minute, second) = (unix_s / 3_600 % 24, unix_s / 60 % 60, unix_s % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of the day that is `days` after 1970-01-01, counted in eras of 400 years that begin on
/// the first of March, so that the leap day comes last.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (from_march, day) = (month, day - (153 * month + 2) / 5 + 1);
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MODELS: [Listed<'_>; 2] = [
        Listed { id: "claude-x", owned_by: "anthropic", released_unix_s: 1_709_164_800, known: None },
        Listed { id: "a/\"b\"", owned_by: "router", released_unix_s: 0, known: None },
    ];

    fn listed(dialect: Dialect, models: &[Listed<'_>]) -> Value {
        let mut out = Vec::new();
        list(dialect, models.iter().copied(), &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn lists_have_the_shape_of_their_dialect() {
        assert_eq!(
            listed(Dialect::Chat, &MODELS),
            json!({"object": "list", "data": [
                {"id": "claude-x", "object": "model", "created": 1_709_164_800, "owned_by": "anthropic"},
                {"id": "a/\"b\"", "object": "model", "created": 0, "owned_by": "router"}]})
        );
        assert_eq!(
            listed(Dialect::Anthropic, &MODELS[..1]),
            json!({"data": [{"type": "model", "id": "claude-x", "display_name": "claude-x",
                             "created_at": "2024-02-29T00:00:00Z"}],
                   "has_more": false, "first_id": "claude-x", "last_id": "claude-x"})
        );
        assert_eq!(listed(Dialect::Anthropic, &MODELS)["last_id"], "a/\"b\"");
        assert_eq!(listed(Dialect::Anthropic, &[])["first_id"], Value::Null);
        assert_eq!(listed(Dialect::Gemini, &MODELS)["models"][0]["name"], "models/claude-x");
        assert_eq!(listed(Dialect::Ollama, &MODELS)["models"][0]["details"]["family"], "Ollama");
    }

    #[test]
    fn what_is_known_of_a_model_is_told_in_the_words_of_each_dialect() {
        let known = crate::protocol::known::find("claude-sonnet-4-5");
        let models = [Listed { known, ..MODELS[0] }];
        let window = known.and_then(|known| known.window_tokens);
        assert_eq!(listed(Dialect::Chat, &models)["data"][0]["context_length"], json!(window));
        assert_eq!(listed(Dialect::Gemini, &models)["models"][0]["inputTokenLimit"], json!(window));
        let mut out = Vec::new();
        show(&models[0], &mut out);
        let shown: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(shown["model_info"]["llama.context_length"], json!(window));
        assert_eq!(shown["capabilities"], json!(["completion", "tools", "vision", "thinking"]));
    }

    /// The members that Codex has no default for; without one of them it takes none of the list.
    #[test]
    fn codex_gets_its_own_catalogue() {
        let catalogue = listed(Dialect::Responses, &MODELS);
        for model in catalogue["models"].as_array().unwrap() {
            for member in [
                "slug",
                "display_name",
                "description",
                "supported_reasoning_levels",
                "shell_type",
                "visibility",
                "supported_in_api",
                "priority",
                "availability_nux",
                "upgrade",
                "base_instructions",
                "supports_reasoning_summaries",
                "support_verbosity",
                "default_verbosity",
                "apply_patch_tool_type",
                "truncation_policy",
                "supports_parallel_tool_calls",
                "experimental_supported_tools",
            ] {
                assert!(model.get(member).is_some(), "{member}");
            }
        }
        assert_eq!(catalogue["models"][1]["slug"], "a/\"b\"");
    }

    #[test]
    fn single_models_are_the_items_of_lists() {
        for (dialect, place) in [(Dialect::Chat, "data"), (Dialect::Anthropic, "data"), (Dialect::Gemini, "models")] {
            let mut out = Vec::new();
            one(dialect, &MODELS[0], &mut out);
            assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), listed(dialect, &MODELS)[place][0]);
        }
    }

    #[test]
    fn code_editors_accept_the_ollama_answers() {
        let mut out = Vec::new();
        version(&mut out);
        let said: Value = serde_json::from_slice(&out).unwrap();
        let parts: Vec<u32> = said["version"].as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts[..] >= [0, 6, 4][..]);

        let mut out = Vec::new();
        show(&MODELS[0], &mut out);
        let said: Value = serde_json::from_slice(&out).unwrap();
        let architecture = said["model_info"]["general.architecture"].as_str().unwrap();
        assert!(said["model_info"][format!("{architecture}.context_length")].is_u64());
        assert!(said["capabilities"].as_array().unwrap().contains(&json!("tools")));
        assert_eq!(said["details"]["family"], "Ollama");
    }

    #[test]
    fn dates_follow_the_calendar() {
        for (unix_s, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(timestamp(unix_s), expected);
        }
    }
}
