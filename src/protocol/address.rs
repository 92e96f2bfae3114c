//! The request target to ask upstream.
//!
//! It is made of the base address, the endpoint in the provider's own spelling, and the client's query without
//! credentials. Nothing of the client's path is copied: model and tail are encoded anew, so that no byte of
//! them can end the target or climb out of it.

use super::Protocol;
use super::path::{Call, Endpoint};
use crate::http::field::CREDENTIAL_PARAMETERS;
use crate::http::uri;

/// Where a provider is, as far as targets are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// Path of the base address without a slash at its end; often empty.
    pub base_path: &'a str,
    /// Whether no version segment is to be put behind it.
    pub versioned: bool,
    /// Azure's `api-version`.
    pub api_version: &'a str,
}

/// Appends the origin-form target (RFC 9112 §3.2.1) of `call` at a provider that [serves](super::serves) it.
/// `query` is the client's, without its `?`.
pub fn target(
    call: &Call<'_>,
    protocol: Protocol,
    upstream: &Upstream<'_>,
    model: &str,
    query: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(upstream.base_path.as_bytes());
    match protocol {
        Protocol::Chat | Protocol::Responses | Protocol::Anthropic => {
            version(upstream, "/v1", out);
            endpoint(call, out);
        }
        Protocol::Gemini => {
            version(upstream, "/v1beta", out);
            gemini(call, model, out);
        }
        Protocol::Azure => azure(call, upstream, model, out),
        Protocol::Ollama => {
            if !upstream.base_path.ends_with("/api") {
                out.extend_from_slice(b"/api");
            }
            endpoint(call, out);
        }
        Protocol::Demo => out.push(b'/'),
    }
    let api_version = (protocol == Protocol::Azure).then(|| azure_version(upstream)).flatten();
    append_query(query, protocol, api_version, out);
}

fn version(upstream: &Upstream<'_>, version: &str, out: &mut Vec<u8>) {
    if !upstream.versioned {
        out.extend_from_slice(version.as_bytes());
    }
}

/// The endpoint behind its version.
fn endpoint(call: &Call<'_>, out: &mut Vec<u8>) {
    let (path, tailed) = match call.endpoint {
        Endpoint::ChatCompletions => ("/chat/completions", false),
        Endpoint::Completions => ("/completions", false),
        Endpoint::Embeddings => ("/embeddings", false),
        Endpoint::Images => ("/images/", true),
        Endpoint::Audio => ("/audio/", true),
        Endpoint::Moderations => ("/moderations", false),
        Endpoint::Rerank => ("/rerank", false),
        Endpoint::Responses => ("/responses", false),
        Endpoint::ResponsesCompact => ("/responses/compact", false),
        Endpoint::ResponsesInputTokens => ("/responses/input_tokens", false),
        Endpoint::Messages => ("/messages", false),
        Endpoint::CountTokens => ("/messages/count_tokens", false),
        Endpoint::OllamaChat => ("/chat", false),
        Endpoint::OllamaGenerate => ("/generate", false),
        Endpoint::OllamaEmbed => ("/", true),
        Endpoint::OllamaShow => ("/show", false),
        Endpoint::OllamaTags => ("/tags", false),
        Endpoint::OllamaVersion => ("/version", false),
        Endpoint::OllamaPs => ("/ps", false),
        Endpoint::GeminiModels | Endpoint::Models | Endpoint::GeminiModel | Endpoint::Model => ("/models", false),
        Endpoint::GeminiGenerate | Endpoint::GeminiStream | Endpoint::GeminiCountTokens => ("/models", false),
        Endpoint::GeminiEmbed | Endpoint::GeminiOther => ("/models", false),
        Endpoint::Health | Endpoint::Root | Endpoint::Hello | Endpoint::Telemetry | Endpoint::Options => ("/", false),
    };
    out.extend_from_slice(path.as_bytes());
    if tailed {
        segment(call.tail, out);
    }
}

/// `/models/M:action`. A tuned model says its collection itself.
fn gemini(call: &Call<'_>, model: &str, out: &mut Vec<u8>) {
    let (collection, name) = match model.split_once('/') {
        Some(("tunedModels", name)) => ("/tunedModels/", name),
        Some(("models", name)) => ("/models/", name),
        _ => ("/models/", model),
    };
    out.extend_from_slice(collection.as_bytes());
    uri::encode(name.as_bytes(), out);
    if let Some(action) = call.tail.strip_prefix(b":") {
        out.push(b':');
        uri::encode(action, out);
    }
}

/// Azure names the deployment in the path, but not for Responses, which read it from the body; nor under
/// `/openai/v1`, where all is as at OpenAI (learn.microsoft.com, "Azure OpenAI API version lifecycle").
fn azure(call: &Call<'_>, upstream: &Upstream<'_>, model: &str, out: &mut Vec<u8>) {
    if is_azure_v1(upstream) {
        return endpoint(call, out);
    }
    if !upstream.base_path.ends_with("/openai") {
        out.extend_from_slice(b"/openai");
    }
    if !matches!(call.endpoint, Endpoint::Responses | Endpoint::ResponsesCompact | Endpoint::ResponsesInputTokens) {
        out.extend_from_slice(b"/deployments/");
        segment(model.as_bytes(), out);
    }
    endpoint(call, out);
}

/// `name` as a whole segment. No escape keeps `..` from being a dot segment (WHATWG URL, "double-dot URL path
/// segment"), so its escape is escaped: a name that nobody has.
fn segment(name: &[u8], out: &mut Vec<u8>) {
    match name {
        b"." | b".." => name.iter().for_each(|_| out.extend_from_slice(b"%252E")),
        _ => uri::encode(name, out),
    }
}

fn is_azure_v1(upstream: &Upstream<'_>) -> bool {
    upstream.base_path.ends_with("/v1")
}

/// Under `/openai/v1` there are no dated versions.
fn azure_version<'a>(upstream: &Upstream<'a>) -> Option<&'a str> {
    let dated = upstream.api_version.starts_with(|first: char| first.is_ascii_digit());
    let without = upstream.api_version.is_empty() || dated && is_azure_v1(upstream);
    (!without).then_some(upstream.api_version)
}

/// Appends the client's query without credentials, and with `api_version` in place of the client's own.
fn append_query(query: &[u8], protocol: Protocol, api_version: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'?');
    let start = out.len();
    if let Some(version) = api_version {
        out.extend_from_slice(b"api-version=");
        uri::encode(version.as_bytes(), out);
        out.push(b'&');
    }
    let own = out.len();
    let names: [&[u8]; 3] = [CREDENTIAL_PARAMETERS[0], CREDENTIAL_PARAMETERS[1], b"api-version"];
    let names = if protocol == Protocol::Azure { &names[..] } else { &names[..2] };
    uri::without(query, names, out);
    escape_controls(out, own);
    if out.len() == own && own > start {
        out.pop();
    }
    if out.len() == start {
        out.pop();
    }
}

/// Escapes what a target must not hold (RFC 9112 §3.2) from `start` on. The head's reader refuses it already;
/// that nothing can end the line is not left to another floor.
fn escape_controls(out: &mut Vec<u8>, start: usize) {
    let harmless = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if out[start..].iter().all(harmless) {
        return;
    }
    for byte in out.split_off(start) {
        if harmless(&byte) {
            out.push(byte);
        } else {
            uri::encode(&[byte], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::head::Method;
    use crate::protocol::path::{Found, find};

    fn asked(path: &str, protocol: Protocol, base_path: &str, versioned: bool, model: &str, query: &str) -> String {
        let Found::Call(call) = find(&Method::Post, path.as_bytes(), |_| false) else { panic!("{path}") };
        let mut out = Vec::new();
        let upstream = Upstream { base_path, versioned, api_version: "2024-10-21" };
        target(&call, protocol, &upstream, model, query.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn versions_are_not_doubled() {
        use Protocol::{Anthropic, Chat, Responses};
        for (path, protocol, base, versioned, expected) in [
            ("/v1/chat/completions", Chat, "", false, "/v1/chat/completions"),
            ("/chat/completions", Chat, "/v1", true, "/v1/chat/completions"),
            ("/v1/chat/completions", Chat, "/api/paas/v4", true, "/api/paas/v4/chat/completions"),
            ("/v1/chat/completions", Chat, "/v1beta/openai", true, "/v1beta/openai/chat/completions"),
            ("/v1/chat/completions", Chat, "", true, "/chat/completions"),
            ("/v1/embeddings", Chat, "/api", false, "/api/v1/embeddings"),
            ("/v1/images/generations", Chat, "/v1", true, "/v1/images/generations"),
            ("/v1/audio/speech", Responses, "/v1", true, "/v1/audio/speech"),
            ("/v1/rerank", Chat, "", false, "/v1/rerank"),
            ("/v1/responses/compact", Responses, "", false, "/v1/responses/compact"),
            ("/v1/messages", Anthropic, "/anthropic", false, "/anthropic/v1/messages"),
            ("/v1/messages/count_tokens", Anthropic, "/v1", true, "/v1/messages/count_tokens"),
        ] {
            assert_eq!(asked(path, protocol, base, versioned, "m", ""), expected);
        }
    }

    #[test]
    fn models_in_targets_are_encoded() {
        use Protocol::{Azure, Gemini};
        let generate = "/v1/models/x:generateContent";
        for (path, protocol, base, versioned, model, expected) in [
            (generate, Gemini, "", false, "g-1.5", "/v1beta/models/g-1.5:generateContent"),
            (generate, Gemini, "/v1", true, "g", "/v1/models/g:generateContent"),
            (generate, Gemini, "", false, "models/g", "/v1beta/models/g:generateContent"),
            (generate, Gemini, "", false, "tunedModels/g", "/v1beta/tunedModels/g:generateContent"),
            (generate, Gemini, "", false, "a/b c\r\n?", "/v1beta/models/a%2Fb%20c%0D%0A%3F:generateContent"),
            (
                "/v1/chat/completions",
                Azure,
                "",
                false,
                "../x",
                "/openai/deployments/..%2Fx/chat/completions?api-version=2024-10-21",
            ),
            (
                "/v1/embeddings",
                Azure,
                "",
                false,
                "..",
                "/openai/deployments/%252E%252E/embeddings?api-version=2024-10-21",
            ),
            ("/v1/embeddings", Azure, "/openai", true, "e", "/openai/deployments/e/embeddings?api-version=2024-10-21"),
            ("/v1/responses", Azure, "", true, "m", "/openai/responses?api-version=2024-10-21"),
            ("/v1/responses", Azure, "/openai/v1", true, "m", "/openai/v1/responses"),
            ("/v1/audio/speech", Azure, "/openai/v1", true, "m", "/openai/v1/audio/speech"),
        ] {
            assert_eq!(asked(path, protocol, base, versioned, model, ""), expected);
        }
    }

    #[test]
    fn queries_lose_credentials_only() {
        use Protocol::{Anthropic, Azure, Gemini, Ollama};
        let stream = "/v1beta/models/g:streamGenerateContent";
        for (path, protocol, query, expected) in [
            (stream, Gemini, "alt=sse&key=s", "/v1beta/models/m:streamGenerateContent?alt=sse"),
            (stream, Gemini, "key=s", "/v1beta/models/m:streamGenerateContent"),
            (stream, Gemini, "k%65y=s&auth_token=t&a", "/v1beta/models/m:streamGenerateContent?a"),
            ("/v1/messages", Anthropic, "beta=true", "/v1/messages?beta=true"),
            ("/v1/messages", Anthropic, "a=\r\nb#c d", "/v1/messages?a=%0D%0Ab%23c%20d"),
            (
                "/v1/embeddings",
                Azure,
                "api-version=1999-01-01&x=1",
                "/openai/deployments/m/embeddings?api-version=2024-10-21&x=1",
            ),
            ("/api/chat", Ollama, "", "/api/chat"),
            ("/api/embeddings", Ollama, "", "/api/embeddings"),
        ] {
            assert_eq!(asked(path, protocol, "", false, "m", query), expected);
        }
    }

    proptest! {
        /// Promise 38: whatever the model, the tail and the query are, the target is one word.
        #[test]
        fn a_target_is_visible_characters(model: String, query: Vec<u8>, tail: Vec<u8>, version: String) {
            use Endpoint::{Audio, ChatCompletions, GeminiOther, OllamaEmbed};
            for (protocol, endpoint) in [
                (Protocol::Chat, Audio),
                (Protocol::Azure, ChatCompletions),
                (Protocol::Gemini, GeminiOther),
                (Protocol::Ollama, OllamaEmbed),
            ] {
                let call = Call { endpoint, dialect: endpoint.dialect(), provider: None, model: None, tail: &tail };
                let upstream = Upstream { base_path: "/base", versioned: false, api_version: &version };
                let mut out = Vec::new();
                target(&call, protocol, &upstream, &model, &query, &mut out);
                prop_assert!(out.starts_with(b"/base/"));
                prop_assert!(out.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
            }
        }
    }
}
