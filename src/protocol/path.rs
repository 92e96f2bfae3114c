//! Which endpoint a path means.
//!
//! People and clients put base addresses together in many ways, so paths are read leniently: empty segments do
//! not count, a version may stand twice or not at all, an endpoint may be repeated behind itself, and the
//! prefixes of other relays are understood. What is asked for is then looked up exactly; nothing is guessed.
//!
//! A provider's name as the first segment forces that provider. A path that means something by itself is never
//! read that way.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Dialect;
use crate::http::head::Method;
use crate::http::uri;
use crate::limits;

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/images/…`
    Images,
    /// `POST /v1/audio/…`
    Audio,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/rerank`
    Rerank,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/responses/compact`
    ResponsesCompact,
    /// `POST /v1/responses/input_tokens`
    ResponsesInputTokens,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1beta/models/M:generateContent`
    GeminiGenerate,
    /// `POST /v1beta/models/M:streamGenerateContent`
    GeminiStream,
    /// `POST /v1beta/models/M:countTokens`
    GeminiCountTokens,
    /// `POST /v1beta/models/M:embedContent`, `:batchEmbedContents`
    GeminiEmbed,
    /// `POST /v1beta/models/M:anything`
    GeminiOther,
    /// `GET /v1beta/models`
    GeminiModels,
    /// `GET /v1beta/models/M`
    GeminiModel,
    /// `POST /api/chat`
    OllamaChat,
    /// `POST /api/generate`
    OllamaGenerate,
    /// `POST /api/embed`, `/api/embeddings`
    OllamaEmbed,
    /// `POST /api/show`
    OllamaShow,
    /// `GET /api/tags`
    OllamaTags,
    /// `GET /api/version`
    OllamaVersion,
    /// `GET /api/ps`
    OllamaPs,
    /// `GET /v1/models`; the dialect hangs on the `anthropic-version` header.
    Models,
    /// `GET /v1/models/M`; likewise.
    Model,
    /// `GET /health`, `/healthz`
    Health,
    /// `GET /`
    Root,
    /// `GET /api/hello`, a probe of Claude Code.
    Hello,
    /// `POST /api/event_logging/batch`, telemetry of Claude Code: acknowledged with `{}` and thrown away, because
    /// the client repeats what fails.
    Telemetry,
    /// `OPTIONS` on anything.
    Options,
}

impl Endpoint {
    /// The word that records use.
    pub fn name(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat_completions",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
            Endpoint::Images => "images",
            Endpoint::Audio => "audio",
            Endpoint::Moderations => "moderations",
            Endpoint::Rerank => "rerank",
            Endpoint::Responses => "responses",
            Endpoint::ResponsesCompact => "responses_compact",
            Endpoint::ResponsesInputTokens => "responses_input_tokens",
            Endpoint::Messages => "messages",
            Endpoint::CountTokens => "count_tokens",
            Endpoint::GeminiGenerate => "generate_content",
            Endpoint::GeminiStream => "stream_generate_content",
            Endpoint::GeminiCountTokens => "gemini_count_tokens",
            Endpoint::GeminiEmbed => "embed_content",
            Endpoint::GeminiOther => "gemini_other",
            Endpoint::GeminiModels | Endpoint::Models | Endpoint::OllamaTags => "models",
            Endpoint::GeminiModel | Endpoint::Model | Endpoint::OllamaShow => "model",
            Endpoint::OllamaChat => "ollama_chat",
            Endpoint::OllamaGenerate => "ollama_generate",
            Endpoint::OllamaEmbed => "ollama_embed",
            Endpoint::OllamaVersion | Endpoint::OllamaPs => "ollama_state",
            Endpoint::Telemetry => "telemetry",
            Endpoint::Health | Endpoint::Root | Endpoint::Hello | Endpoint::Options => "none",
        }
    }
}

/// A request that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// How to answer.
    pub dialect: Dialect,
    /// The provider that the path forces.
    pub provider: Option<&'a [u8]>,
    /// The model in the path, percent-decoded.
    pub model: Option<Cow<'a, [u8]>>,
    /// What the endpoint leaves open: `generations`, `transcriptions`, `embed`, `:generateContent`.
    pub tail: &'a [u8],
}

/// What became of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// It is served.
    Call(Call<'a>),
    /// It is served, but not with this method.
    WrongMethod {
        /// Value of the `allow` field.
        allow: &'static str,
        /// How to answer.
        dialect: Dialect,
    },
    /// It is not served.
    Unknown {
        /// How to answer.
        dialect: Dialect,
    },
}

impl Endpoint {
    /// How the endpoint is asked for and answered.
    pub fn dialect(self) -> Dialect {
        use Endpoint as E;
        match self {
            E::Responses | E::ResponsesCompact | E::ResponsesInputTokens => Dialect::Responses,
            E::Messages | E::CountTokens | E::Hello | E::Telemetry => Dialect::Anthropic,
            E::GeminiGenerate | E::GeminiStream | E::GeminiCountTokens | E::GeminiEmbed | E::GeminiOther => {
                Dialect::Gemini
            }
            E::GeminiModels | E::GeminiModel => Dialect::Gemini,
            E::OllamaChat | E::OllamaGenerate | E::OllamaEmbed => Dialect::Ollama,
            E::OllamaShow | E::OllamaTags | E::OllamaVersion | E::OllamaPs => Dialect::Ollama,
            E::ChatCompletions | E::Completions | E::Embeddings | E::Images | E::Audio | E::Moderations => {
                Dialect::Chat
            }
            E::Rerank | E::Models | E::Model | E::Health | E::Root | E::Options => Dialect::Chat,
        }
    }

    /// Whether a model's answer comes from it, which says why it ends.
    pub fn generates(self) -> bool {
        use Endpoint as E;
        matches!(
            self,
            E::ChatCompletions
                | E::Completions
                | E::Responses
                | E::Messages
                | E::GeminiGenerate
                | E::GeminiStream
                | E::OllamaChat
                | E::OllamaGenerate
        )
    }

    /// Whether it is answered from the configuration; the others go to a provider.
    pub fn is_local(self) -> bool {
        use Endpoint as E;
        match self {
            E::GeminiModels | E::GeminiModel | E::OllamaShow | E::OllamaTags | E::OllamaVersion | E::OllamaPs => true,
            E::Models | E::Model | E::Health | E::Root | E::Hello | E::Telemetry | E::Options => true,
            E::ChatCompletions | E::Completions | E::Embeddings | E::Images | E::Audio | E::Moderations => false,
            E::Rerank | E::Responses | E::ResponsesCompact | E::ResponsesInputTokens => false,
            E::Messages | E::CountTokens | E::GeminiGenerate | E::GeminiStream | E::GeminiCountTokens => false,
            E::GeminiEmbed | E::GeminiOther | E::OllamaChat | E::OllamaGenerate | E::OllamaEmbed => false,
        }
    }

    /// Whether it is served without a key: probes, and preflights, which cannot carry one (Fetch §3.3.5).
    pub fn is_public(self) -> bool {
        use Endpoint as E;
        matches!(self, E::Health | E::Root | E::Hello | E::Options)
    }

    /// Whether a model writes the answer, or counts what it would read, so that there is a system prompt.
    pub fn is_chat(self) -> bool {
        use Endpoint as E;
        match self {
            E::ChatCompletions | E::Responses | E::ResponsesInputTokens | E::Messages | E::CountTokens => true,
            E::GeminiGenerate | E::GeminiStream | E::OllamaChat | E::OllamaGenerate => true,
            E::Completions | E::Embeddings | E::Images | E::Audio | E::Moderations | E::Rerank => false,
            E::ResponsesCompact | E::GeminiCountTokens | E::GeminiEmbed | E::GeminiOther | E::OllamaEmbed => false,
            E::GeminiModels | E::GeminiModel | E::OllamaShow | E::OllamaTags | E::OllamaVersion | E::OllamaPs => false,
            E::Models | E::Model | E::Health | E::Root | E::Hello | E::Telemetry | E::Options => false,
        }
    }

    /// The methods it is served with, as the `allow` field lists them.
    fn allow(self) -> &'static str {
        match self {
            Endpoint::OllamaShow | Endpoint::Telemetry => "POST",
            Endpoint::Options => "OPTIONS",
            _ if self.is_local() => "GET, HEAD",
            _ => "POST",
        }
    }

    fn allows(self, method: &Method) -> bool {
        match method {
            Method::Get | Method::Head => self.allow() == "GET, HEAD",
            Method::Post => self.allow() == "POST",
            _ => false,
        }
    }
}

/// Finds what `path`, as it was sent and without its query, asks for.
pub fn find<'a>(method: &Method, path: &'a [u8], is_provider: impl Fn(&[u8]) -> bool) -> Found<'a> {
    let matched = resolve(path, is_provider);
    let dialect = matched.as_ref().map_or_else(|| unknown_dialect(path), |call| call.dialect);
    if *method == Method::Options {
        return Found::Call(Call { endpoint: Endpoint::Options, dialect, provider: None, model: None, tail: b"" });
    }
    match matched {
        Some(call) if call.endpoint.allows(method) => Found::Call(call),
        Some(call) => match call.endpoint {
            // An action that nobody knows is part of the name where a model is only read (`llama3:latest`).
            Endpoint::GeminiOther if Endpoint::GeminiModel.allows(method) => {
                let name = [call.model.as_deref().unwrap_or_default(), call.tail].concat();
                Found::Call(Call { endpoint: Endpoint::GeminiModel, model: Some(name.into()), tail: b"", ..call })
            }
            endpoint => Found::WrongMethod { allow: endpoint.allow(), dialect },
        },
        None => Found::Unknown { dialect },
    }
}

/// Unknown paths are answered as OpenAI does, under `/v1beta` as Google does.
fn unknown_dialect(path: &[u8]) -> Dialect {
    match path.split(|&byte| byte == b'/').find(|segment| !segment.is_empty()) {
        Some(b"v1beta") => Dialect::Gemini,
        _ => Dialect::Chat,
    }
}

/// The segments of a path that are not empty, and the path they are part of.
#[derive(Clone)]
struct Segments<'a> {
    path: &'a [u8],
    /// Where each begins and ends.
    list: SmallVec<[(usize, usize); 8]>,
    /// The first one that has not been read.
    next: usize,
}

fn resolve<'a>(path: &'a [u8], is_provider: impl Fn(&[u8]) -> bool) -> Option<Call<'a>> {
    let segments = Segments::of(path)?;
    if let Some(call) = alone(segments.clone()) {
        return Some(call);
    }
    let first = segments.first()?;
    let inner = segments.after(1);
    if is_provider(first)
        && let Some(call) = inner.first().and_then(|_| plain(inner.clone()))
        && !matches!(call.endpoint, Endpoint::Hello | Endpoint::Telemetry)
    {
        return Some(Call { provider: Some(first), ..call });
    }
    match first {
        b"ollama" => plain(inner),
        b"openai" => azure(inner.clone()).or_else(|| plain(inner)),
        _ => None,
    }
}

/// What is served without any prefix.
fn alone(segments: Segments<'_>) -> Option<Call<'_>> {
    match segments.rest() {
        [] => Some(call(Endpoint::Root)),
        [one] if matches!(segments.bytes(*one), b"health" | b"healthz") => Some(call(Endpoint::Health)),
        _ => plain(segments),
    }
}

/// An endpoint with or without its version, or with several of them.
fn plain(mut segments: Segments<'_>) -> Option<Call<'_>> {
    let mut beta = None;
    while let Some(version @ (b"v1" | b"v1beta")) = segments.first() {
        beta = Some(version == b"v1beta");
        segments.next += 1;
    }
    // Google serves OpenAI's dialect under `/v1beta/openai`.
    if beta.is_some() && segments.first() == Some(b"openai") {
        segments.next += 1;
        beta = None;
    }
    segments.unrepeat();
    match segments.first()? {
        b"models" | b"tunedModels" => models(segments, beta),
        _ if beta == Some(true) => None,
        b"api" => ollama(segments.after(1)),
        _ => openai(&segments),
    }
}

/// The endpoints of OpenAI and Anthropic.
fn openai<'a>(segments: &Segments<'a>) -> Option<Call<'a>> {
    let endpoint = match (segments.nth(0)?, segments.nth(1), segments.nth(2)) {
        (b"chat", Some(b"completions"), None) => Endpoint::ChatCompletions,
        (b"completions", None, None) => Endpoint::Completions,
        (b"embeddings", None, None) => Endpoint::Embeddings,
        (b"moderations", None, None) => Endpoint::Moderations,
        (b"rerank", None, None) => Endpoint::Rerank,
        (b"responses", None, None) => Endpoint::Responses,
        (b"responses", Some(b"compact"), None) => Endpoint::ResponsesCompact,
        (b"responses", Some(b"input_tokens"), None) => Endpoint::ResponsesInputTokens,
        (b"messages", None, None) => Endpoint::Messages,
        (b"messages", Some(b"count_tokens"), None) => Endpoint::CountTokens,
        (b"images", Some(tail), None) if is_word(tail) => return Some(Call { tail, ..call(Endpoint::Images) }),
        (b"audio", Some(tail), None) if is_word(tail) => return Some(Call { tail, ..call(Endpoint::Audio) }),
        _ => return None,
    };
    Some(call(endpoint))
}

/// Whether `segment` can be a part of an endpoint's name: nothing escaped, no dots.
fn is_word(segment: &[u8]) -> bool {
    segment.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `/openai/deployments/M/…`, the form of Azure's clients.
fn azure(segments: Segments<'_>) -> Option<Call<'_>> {
    let (Some(b"deployments"), Some(model)) = (segments.nth(0), segments.nth(1)) else { return None };
    let mut inner = segments.after(2);
    inner.unrepeat();
    Some(Call { model: Some(uri::decode(model)), ..openai(&inner)? })
}

/// `/api/…` of Ollama, and the two that Claude Code asks there.
fn ollama(segments: Segments<'_>) -> Option<Call<'_>> {
    let endpoint = match (segments.nth(0)?, segments.nth(1), segments.nth(2)) {
        (b"chat", None, None) => Endpoint::OllamaChat,
        (b"generate", None, None) => Endpoint::OllamaGenerate,
        (b"show", None, None) => Endpoint::OllamaShow,
        (b"tags", None, None) => Endpoint::OllamaTags,
        (b"version", None, None) => Endpoint::OllamaVersion,
        (b"ps", None, None) => Endpoint::OllamaPs,
        (b"hello", None, None) => Endpoint::Hello,
        (b"event_logging", Some(b"batch"), None) => Endpoint::Telemetry,
        (tail @ (b"embed" | b"embeddings"), None, None) => return Some(Call { tail, ..call(Endpoint::OllamaEmbed) }),
        _ => return None,
    };
    Some(call(endpoint))
}

/// `models`, `models/M` and `models/M:action`; the first two belong to Google only under `v1beta`.
fn models(segments: Segments<'_>, beta: Option<bool>) -> Option<Call<'_>> {
    let tuned = segments.first() == Some(b"tunedModels");
    let gemini = tuned || beta == Some(true);
    // A name may hold slashes, and an empty segment in it is part of it.
    let Some(name) = segments.after(1).remainder() else {
        let endpoint = if gemini { Endpoint::GeminiModels } else { Endpoint::Models };
        return (!tuned).then(|| call(endpoint));
    };
    let decoded =
        |name: &[u8]| if tuned { Some(Cow::Owned([b"tunedModels/", &*uri::decode(name)].concat())) } else { None };
    let colon = memchr::memrchr(b':', name).map(|at| (at, at + 1));
    let escaped = memchr::memmem::rfind(name, b"%3A").or_else(|| memchr::memmem::rfind(name, b"%3a"));
    if let Some((end, start)) = colon.or(escaped.map(|at| (at, at + 3)))
        && let Some(endpoint) = action(&name[start..], gemini)
    {
        // The tail begins with a colon wherever the path has one.
        let tail = if name[end] == b':' { &name[end..] } else { known_tail(endpoint)? };
        let model = decoded(&name[..end]).unwrap_or_else(|| uri::decode(&name[..end]));
        return Some(Call { model: Some(model), tail, ..call(endpoint) });
    }
    let endpoint = if gemini { Endpoint::GeminiModel } else { Endpoint::Model };
    Some(Call { model: Some(decoded(name).unwrap_or_else(|| uri::decode(name))), ..call(endpoint) })
}

/// The endpoint of an action. Names of models have colons too (`llama3:8b`), so that an action nobody knows
/// counts only where Google's paths are and where it looks like one.
fn action(name: &[u8], gemini: bool) -> Option<Endpoint> {
    match name {
        b"generateContent" => Some(Endpoint::GeminiGenerate),
        b"streamGenerateContent" => Some(Endpoint::GeminiStream),
        b"countTokens" => Some(Endpoint::GeminiCountTokens),
        b"embedContent" | b"batchEmbedContents" => Some(Endpoint::GeminiEmbed),
        _ if gemini && !name.is_empty() && name.iter().all(u8::is_ascii_alphabetic) => Some(Endpoint::GeminiOther),
        _ => None,
    }
}

/// The tail of an action whose colon was escaped in the path.
fn known_tail(endpoint: Endpoint) -> Option<&'static [u8]> {
    match endpoint {
        Endpoint::GeminiGenerate => Some(b":generateContent"),
        Endpoint::GeminiStream => Some(b":streamGenerateContent"),
        Endpoint::GeminiCountTokens => Some(b":countTokens"),
        Endpoint::GeminiEmbed => Some(b":embedContent"),
        _ => None,
    }
}

fn call(endpoint: Endpoint) -> Call<'static> {
    Call { endpoint, dialect: endpoint.dialect(), provider: None, model: None, tail: b"" }
}

impl<'a> Segments<'a> {
    /// The segments of `path`; nothing if they are too many, or if it is no path.
    fn of(path: &'a [u8]) -> Option<Segments<'a>> {
        let mut list = SmallVec::new();
        let mut start = path.strip_prefix(b"/").map(|_| 1)?;
        while start <= path.len() {
            let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |len| start + len);
            if end > start {
                if list.len() == limits::PATH_SEGMENTS_MAX {
                    return None;
                }
                list.push((start, end));
            }
            start = end + 1;
        }
        Some(Segments { path, list, next: 0 })
    }

    fn rest(&self) -> &[(usize, usize)] {
        self.list.get(self.next..).unwrap_or_default()
    }

    fn bytes(&self, (start, end): (usize, usize)) -> &'a [u8] {
        &self.path[start..end]
    }

    fn nth(&self, nth: usize) -> Option<&'a [u8]> {
        self.rest().get(nth).map(|&place| self.bytes(place))
    }

    fn first(&self) -> Option<&'a [u8]> {
        self.nth(0)
    }

    fn after(&self, count: usize) -> Segments<'a> {
        Segments { next: self.next + count, ..self.clone() }
    }

    /// Everything from here on as it was sent, without slashes at the end.
    fn remainder(&self) -> Option<&'a [u8]> {
        let (start, _) = *self.rest().first()?;
        let (_, end) = *self.rest().last()?;
        Some(&self.path[start..end])
    }

    /// Skips an endpoint that is followed by itself, with a version between them or not: what comes of a whole
    /// endpoint given as base address (`/v1/messages/v1/messages/count_tokens`).
    fn unrepeat(&mut self) {
        let rest = self.rest();
        for len in 1..=rest.len() / 2 {
            let mut behind = len;
            while rest.get(behind).is_some_and(|&place| matches!(self.bytes(place), b"v1" | b"v1beta")) {
                behind += 1;
            }
            let same =
                |nth: usize| rest.get(behind + nth).is_some_and(|&place| self.bytes(place) == self.bytes(rest[nth]));
            if (0..len).all(same) {
                self.next += behind;
                return self.unrepeat();
            }
        }
    }
}

#[cfg(test)]
#[path = "path_test.rs"]
mod tests;
