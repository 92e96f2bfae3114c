use proptest::prelude::*;

use super::*;

fn is_provider(name: &[u8]) -> bool {
    matches!(name, b"deepseek" | b"openai" | b"v1" | b"demo")
}

/// What `line`, a method and a path, asks for: endpoint, provider, model and tail, or the refusal.
fn ask(line: &str) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => unreachable!(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match find(&method, path.as_bytes(), is_provider) {
        Found::Call(call) => {
            let mut said = format!("{:?}", call.endpoint);
            for (name, part) in [
                (" @", call.provider.map(text)),
                (" model=", call.model.as_deref().map(text)),
                (" tail=", (!call.tail.is_empty()).then(|| text(call.tail))),
            ] {
                part.into_iter().for_each(|part| said += &format!("{name}{part}"));
            }
            said
        }
        Found::WrongMethod { allow, dialect } => format!("405 {allow} {dialect:?}"),
        Found::Unknown { dialect } => format!("404 {dialect:?}"),
    }
}

#[test]
fn every_form_of_the_contract() {
    for (line, expected) in [
        ("POST /v1/chat/completions", "ChatCompletions"),
        ("POST /v1/completions", "Completions"),
        ("POST /v1/embeddings", "Embeddings"),
        ("POST /v1/images/generations", "Images tail=generations"),
        ("POST /v1/images/edits", "Images tail=edits"),
        ("POST /v1/audio/speech", "Audio tail=speech"),
        ("POST /v1/audio/transcriptions", "Audio tail=transcriptions"),
        ("POST /v1/moderations", "Moderations"),
        ("POST /v1/rerank", "Rerank"),
        ("POST /v1/responses", "Responses"),
        ("POST /v1/responses/compact", "ResponsesCompact"),
        ("POST /v1/responses/input_tokens", "ResponsesInputTokens"),
        ("POST /v1/messages", "Messages"),
        ("POST /v1/messages/count_tokens", "CountTokens"),
        ("POST /v1beta/models/g:generateContent", "GeminiGenerate model=g tail=:generateContent"),
        ("POST /v1beta/models/g:streamGenerateContent", "GeminiStream model=g tail=:streamGenerateContent"),
        ("POST /v1beta/models/g:countTokens", "GeminiCountTokens model=g tail=:countTokens"),
        ("POST /v1beta/models/g:embedContent", "GeminiEmbed model=g tail=:embedContent"),
        ("POST /v1beta/models/g:batchEmbedContents", "GeminiEmbed model=g tail=:batchEmbedContents"),
        ("POST /v1beta/models/g:predict", "GeminiOther model=g tail=:predict"),
        ("GET /v1beta/models", "GeminiModels"),
        ("GET /v1beta/models/g", "GeminiModel model=g"),
        ("POST /api/chat", "OllamaChat"),
        ("POST /api/generate", "OllamaGenerate"),
        ("POST /api/embed", "OllamaEmbed tail=embed"),
        ("POST /api/embeddings", "OllamaEmbed tail=embeddings"),
        ("POST /api/show", "OllamaShow"),
        ("GET /api/tags", "OllamaTags"),
        ("GET /api/version", "OllamaVersion"),
        ("GET /api/ps", "OllamaPs"),
        ("POST /ollama/api/chat", "OllamaChat"),
        ("GET /ollama/api/tags", "OllamaTags"),
        ("GET /v1/models", "Models"),
        ("GET /v1/models/gpt-4o", "Model model=gpt-4o"),
        ("POST /deepseek/v1/chat/completions", "ChatCompletions @deepseek"),
        ("POST /deepseek/v1beta/models/g:generateContent", "GeminiGenerate @deepseek model=g tail=:generateContent"),
        ("GET /deepseek/v1/models", "Models @deepseek"),
        ("POST /deepseek/api/chat", "OllamaChat @deepseek"),
        ("GET /health", "Health"),
        ("GET /healthz", "Health"),
        ("HEAD /", "Root"),
        ("GET /", "Root"),
        ("HEAD /api/hello", "Hello"),
        ("POST /api/event_logging/batch", "Telemetry"),
        ("OPTIONS /v1/chat/completions", "Options"),
        ("OPTIONS /nowhere", "Options"),
        ("OPTIONS *", "Options"),
        ("HEAD /v1/models", "Models"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn what_is_tolerated() {
    for (line, expected) in [
        ("POST //v1//chat///completions/", "ChatCompletions"),
        ("POST /v1/v1/chat/completions", "ChatCompletions"),
        ("POST /v1beta/v1/chat/completions", "ChatCompletions"),
        ("POST /chat/completions", "ChatCompletions"),
        ("POST /messages", "Messages"),
        ("POST /responses", "Responses"),
        ("GET /models", "Models"),
        ("GET /models/", "Models"),
        ("POST /v1/chat/completions/v1/chat/completions", "ChatCompletions"),
        ("POST /v1/chat/completions/chat/completions", "ChatCompletions"),
        ("POST /v1/messages/v1/messages/count_tokens", "CountTokens"),
        ("POST /v1/messages/v1/v1/messages/", "Messages"),
        ("POST /v1beta/models/models/g:generateContent", "GeminiGenerate model=g tail=:generateContent"),
        ("POST /ollama/v1/chat/completions", "ChatCompletions"),
        ("GET /ollama/v1/models", "Models"),
        ("POST /v1/api/chat", "OllamaChat"),
        ("POST /v1beta/openai/chat/completions", "ChatCompletions"),
        ("GET /v1beta/openai/models", "Models"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn models_in_paths() {
    for (line, expected) in [
        ("POST /v1/models/g:generateContent", "GeminiGenerate model=g tail=:generateContent"),
        ("POST /models/g:generateContent", "GeminiGenerate model=g tail=:generateContent"),
        ("POST /v1beta/models/g%3AgenerateContent", "GeminiGenerate model=g tail=:generateContent"),
        ("POST /v1beta/models/a%2Fb:generateContent", "GeminiGenerate model=a/b tail=:generateContent"),
        ("POST /v1beta/models/a/b:generateContent", "GeminiGenerate model=a/b tail=:generateContent"),
        ("POST /v1beta/models/l:8b:generateContent", "GeminiGenerate model=l:8b tail=:generateContent"),
        ("POST /v1beta/tunedModels/t:generateContent", "GeminiGenerate model=tunedModels/t tail=:generateContent"),
        ("GET /v1beta/tunedModels/t", "GeminiModel model=tunedModels/t"),
        ("GET /v1/models/openai/gpt-4o", "Model model=openai/gpt-4o"),
        ("GET /v1/models/a%2Fb", "Model model=a/b"),
        ("GET /v1/models/llama3:8b", "Model model=llama3:8b"),
        ("GET /v1beta/models/llama3:8b", "GeminiModel model=llama3:8b"),
        ("GET /v1beta/models/llama3:latest", "GeminiModel model=llama3:latest"),
        ("GET /v1/models/%5Bdemo%5D%20x", "Model model=[demo] x"),
        ("POST /openai/deployments/gpt-4o/chat/completions", "ChatCompletions model=gpt-4o"),
        ("POST /openai/deployments/a%20b/images/generations", "Images model=a b tail=generations"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn a_provider_is_forced_only_where_the_path_means_nothing_else() {
    for (line, expected) in [
        ("POST /v1/chat/completions", "ChatCompletions"),
        ("POST /openai/v1/chat/completions", "ChatCompletions @openai"),
        ("POST /openai/responses", "Responses @openai"),
        ("POST /openai/deployments/m/embeddings", "Embeddings model=m"),
        ("POST /deepseek/chat/completions", "ChatCompletions @deepseek"),
        ("POST /deepseek/v1/chat/completions/", "ChatCompletions @deepseek"),
        ("POST /stranger/v1/chat/completions", "404 Chat"),
        ("GET /deepseek", "404 Chat"),
        ("GET /deepseek/health", "404 Chat"),
        ("GET /deepseek/api/hello", "404 Chat"),
        ("POST /deepseek/demo/v1/chat/completions", "404 Chat"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

#[test]
fn what_is_refused() {
    for (line, expected) in [
        ("GET /v1/chat/completions", "405 POST Chat"),
        ("HEAD /v1/messages", "405 POST Anthropic"),
        ("GET /v1/responses", "405 POST Responses"),
        ("POST /v1/models", "405 GET, HEAD Chat"),
        ("DELETE /v1/models/m", "405 GET, HEAD Chat"),
        ("PUT /health", "405 GET, HEAD Chat"),
        ("GET /v1beta/models/g:generateContent", "405 POST Gemini"),
        ("GET /api/chat", "405 POST Ollama"),
        ("POST /v1beta/models/g", "405 GET, HEAD Gemini"),
        ("POST /v1", "404 Chat"),
        ("POST /v1beta", "404 Gemini"),
        ("GET /v1beta/files", "404 Gemini"),
        ("POST /v1beta/chat/completions", "404 Gemini"),
        ("GET /dashboard/billing/usage", "404 Chat"),
        ("POST /v1/chat", "404 Chat"),
        ("POST /v1/chat/completions/x", "404 Chat"),
        ("POST /v1/Chat/completions", "404 Chat"),
        ("POST /v1/chat%2Fcompletions", "404 Chat"),
        ("GET /v1/responses/resp_1", "404 Chat"),
        ("POST /v1/images", "404 Chat"),
        ("POST /v1/images/a%0Ab", "404 Chat"),
        ("POST /v1/images/..", "404 Chat"),
        ("GET /v1/../health", "404 Chat"),
        ("GET /v1beta/tunedModels", "404 Gemini"),
        ("GET *", "404 Chat"),
        ("GET /a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z", "404 Chat"),
    ] {
        assert_eq!(ask(line), expected, "{line}");
    }
}

/// A version may stand there any number of times, so that the number of segments alone decides.
#[test]
fn a_path_of_too_many_segments_is_unknown() {
    let line = |segments: usize| format!("GET {}/models", "/v1".repeat(segments - 1));
    assert_eq!(ask(&line(limits::PATH_SEGMENTS_MAX)), "Models");
    assert_eq!(ask(&line(limits::PATH_SEGMENTS_MAX + 1)), "404 Chat");
}

proptest! {
    #[test]
    fn empty_segments_never_count(
        line in prop::sample::select(vec!["/v1/chat/completions", "/deepseek/v1/messages", "/api/tags", "/v1beta/models"]),
        slashes in prop::collection::vec(1_usize..4, 8),
    ) {
        let mut path = String::new();
        for (segment, count) in line[1..].split('/').zip(&slashes) {
            path += &"/".repeat(*count);
            path += segment;
        }
        path += &"/".repeat(slashes[7] - 1);
        for method in ["GET", "POST"] {
            prop_assert_eq!(ask(&format!("{method} {path}")), ask(&format!("{method} {line}")));
        }
    }
}
