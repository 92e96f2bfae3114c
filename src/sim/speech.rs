//! What providers say, each in the words of its protocol: answers whole and in events, errors, and errors in the clothes
//! of an answer.

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Chat,
    Anthropic,
    Gemini,
}

impl Speech {
    pub(super) const ALL: [Speech; 3] = [Speech::Chat, Speech::Anthropic, Speech::Gemini];

    /// As the configuration spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Speech::Chat => "chat",
            Speech::Anthropic => "anthropic",
            Speech::Gemini => "gemini",
        }
    }

    /// The header field that carries a key.
    pub(super) fn key_field(self) -> &'static str {
        match self {
            Speech::Chat => "authorization",
            Speech::Anthropic => "x-api-key",
            Speech::Gemini => "x-goog-api-key",
        }
    }

    /// The model that a request with this head and body asks for, and whether for a stream.
    pub(super) fn asked(self, head: &str, body: &serde_json::Value) -> (String, bool) {
        let line = head.lines().next().unwrap_or_default();
        match self {
            Speech::Chat | Speech::Anthropic => {
                (body["model"].as_str().unwrap_or_default().to_owned(), body["stream"] == serde_json::json!(true))
            }
            Speech::Gemini => {
                let path = line.split("/models/").nth(1).unwrap_or_default();
                (path.split(':').next().unwrap_or_default().to_owned(), path.contains(":streamGenerateContent"))
            }
        }
    }

    /// An error with this status.
    pub(super) fn error(self, status: u16) -> String {
        match self {
            Speech::Chat => format!(r#"{{"error":{{"message":"no {status}","type":"x","code":"x"}}}}"#),
            Speech::Anthropic => format!(r#"{{"type":"error","error":{{"type":"x","message":"no {status}"}}}}"#),
            Speech::Gemini => format!(r#"{{"error":{{"code":{status},"message":"no {status}","status":"X"}}}}"#),
        }
    }

    /// An error where an answer should be.
    pub(super) fn error_in_ok(self) -> &'static str {
        match self {
            Speech::Chat => r#"{"error":{"message":"overloaded"}}"#,
            Speech::Anthropic => r#"{"type":"error","error":{"type":"overloaded_error","message":"overloaded"}}"#,
            Speech::Gemini => r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#,
        }
    }

    /// An event of a stream.
    fn event(self, data: &str) -> String {
        match self {
            Speech::Chat | Speech::Gemini => format!("data: {data}\n\n"),
            Speech::Anthropic => {
                let kind = data.split('"').nth(3).unwrap_or_default();
                format!("event: {kind}\ndata: {data}\n\n")
            }
        }
    }

    /// The event by which a stream says that it failed.
    pub(super) fn error_event(self) -> String {
        self.event(self.error_in_ok())
    }

    /// What a stream begins with, before it says anything.
    pub(super) fn opening(self) -> String {
        let start = r#"{"type":"message_start","message":{"id":"x","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}"#;
        let block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
        let role = r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#;
        match self {
            Speech::Chat => self.event(role),
            Speech::Anthropic => self.event(start) + &self.event(block),
            Speech::Gemini => String::new(),
        }
    }

    /// A piece of what it says.
    pub(super) fn piece(self, text: &str) -> String {
        self.event(&match self {
            Speech::Chat => format!(
                r#"{{"id":"x","model":"m","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}]}}"#
            ),
            Speech::Anthropic => {
                format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#)
            }
            Speech::Gemini => {
                format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}}]}},"index":0}}]}}"#)
            }
        })
    }

    /// What a stream that is whole ends with.
    pub(super) fn end(self) -> String {
        match self {
            Speech::Chat => {
                self.event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#)
                    + &self.event(
                        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
                    )
                    + "data: [DONE]\n\n"
            }
            Speech::Anthropic => [
                r#"{"type":"content_block_stop","index":0}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}"#,
                r#"{"type":"message_stop"}"#,
            ]
            .map(|data| self.event(data))
            .concat(),
            Speech::Gemini => self.event(
                r#"{"candidates":[{"content":{"role":"model","parts":[]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}"#,
            ),
        }
    }

    /// A whole answer.
    pub(super) fn whole(self, text: &str) -> String {
        match self {
            Speech::Chat => format!(
                r#"{{"id":"x","object":"chat.completion","model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}}}"#
            ),
            Speech::Anthropic => format!(
                r#"{{"id":"x","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":3,"output_tokens":4}}}}"#
            ),
            Speech::Gemini => format!(
                r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}}]}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}}}}"#
            ),
        }
    }

    /// The beginning of a whole answer.
    pub(super) fn whole_begun(self) -> &'static str {
        match self {
            Speech::Chat => r#"{"choices":["#,
            Speech::Anthropic => r#"{"id":"x","type":"message","content":["#,
            Speech::Gemini => r#"{"candidates":["#,
        }
    }
}
