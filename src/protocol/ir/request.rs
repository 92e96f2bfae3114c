//! What a client asks for.
//!
//! Everything borrows from the body where it can. Numbers are kept as their digits, so that `0.10` stays `0.10` and
//! an integer of 30 digits stays one. What a decoder does not understand it keeps: a content part as
//! [`Part::Foreign`], a member of the body in [`Request::carry`]; the encoder of the same protocol says it again, the
//! others report it.

use super::dropped::{Dropped, Unread};
use super::seal::Seal;
use super::text::{Json, Text};
use super::thinking::Thinking;
use crate::protocol::Dialect;

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The protocol it was said in.
    pub origin: Dialect,
    /// The model asked for; empty if none is named.
    pub model: Text<'a>,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// Chat's `stream_options.include_usage`; nothing where it is not said.
    pub include_usage: Option<bool>,
    /// Instructions before the first turn.
    pub instructions: Vec<Instruction<'a>>,
    /// The conversation. Results of tools stand in turns of the user.
    pub turns: Vec<Turn<'a>>,
    /// Tools that may be called.
    pub tools: Vec<Tool<'a>>,
    /// Groups that tools belong to (Responses' namespaces), each with what it is for.
    pub namespaces: Vec<(Text<'a>, Text<'a>)>,
    /// Which of the tools must be.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several may be called at once.
    pub parallel_tools: Option<bool>,
    /// Numbers of the sampler.
    pub sampling: Sampling<'a>,
    /// How much is thought before the answer.
    pub reasoning: Reasoning<'a>,
    /// The form of the answer.
    pub shape: Shape<'a>,
    /// OpenAI's `verbosity`.
    pub verbosity: Option<Text<'a>>,
    /// Most tokens of the answer, reasoning included.
    pub output_tokens_max: Option<u64>,
    /// Words at which the answer ends.
    pub stop: Vec<Text<'a>>,
    /// Who the end user is: OpenAI's `user`, `safety_identifier`, Anthropic's `metadata.user_id`.
    pub user: Option<Text<'a>>,
    /// `metadata` other than the end user.
    pub metadata: Option<Json<'a>>,
    /// OpenAI's and Anthropic's `service_tier`.
    pub service_tier: Option<Text<'a>>,
    /// OpenAI's `prompt_cache_key`.
    pub prompt_cache_key: Option<Text<'a>>,
    /// OpenAI's `store`.
    pub store: Option<bool>,
    /// An earlier answer that the vendor keeps (Responses' `previous_response_id`). No other protocol has it.
    pub previous: Option<Text<'a>>,
    /// OpenAI's `modalities`, Gemini's `responseModalities`, in lower case.
    pub modalities: Vec<Text<'a>>,
    /// Members of the body that are none of the above: name and value, in order.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
    /// Members that say in the origin's own words what is said above: its encoder repeats them, and to the others
    /// they are no loss.
    pub repeat: Vec<(Text<'a>, Json<'a>)>,
    /// What stands inside the members above and has no place in them.
    pub unread: Unread,
    /// Tools were given by Chat's old `functions`, so calls are told by `function_call`.
    pub old_functions: bool,
    /// It was said by the `prompt` of Chat's old completions, whose other members Chat does not know.
    pub old_completion: bool,
}

impl<'a> Request<'a> {
    /// A request that says nothing but whose it is.
    pub fn new(origin: Dialect) -> Request<'a> {
        Request {
            origin,
            model: Text::default(),
            stream: false,
            include_usage: None,
            instructions: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            namespaces: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            sampling: Sampling::default(),
            reasoning: Reasoning::default(),
            shape: Shape::Text,
            verbosity: None,
            output_tokens_max: None,
            stop: Vec::new(),
            user: None,
            metadata: None,
            service_tier: None,
            prompt_cache_key: None,
            store: None,
            previous: None,
            modalities: Vec::new(),
            carry: Vec::new(),
            repeat: Vec::new(),
            unread: Unread::default(),
            old_functions: false,
            old_completion: false,
        }
    }
}

/// One instruction before the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction<'a> {
    /// [`Role::System`] or [`Role::Developer`].
    pub role: Role,
    /// What it says; mostly one text.
    pub parts: Vec<Part<'a>>,
}

/// What one side said.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn<'a> {
    /// Which side. System and developer stand here where the conversation had begun before.
    pub role: Role,
    /// Chat's `name` of who speaks.
    pub name: Option<Text<'a>>,
    /// What was said, in order. The order of reasoning and calls is the vendor's and is kept.
    pub parts: Vec<Part<'a>>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part<'a> {
    /// Text.
    Text {
        /// What it says.
        text: Text<'a>,
        /// Anthropic's `cache_control`, as written.
        cache: Option<Json<'a>>,
        /// Annotations or citations as written, of the request's origin.
        citations: Option<Json<'a>>,
    },
    /// The model's refusal to answer.
    Refusal(Text<'a>),
    /// What the model thought.
    Reasoning {
        /// What of it may be read; empty if nothing.
        text: Text<'a>,
        /// What only its vendor can read.
        seal: Option<Seal<'a>>,
        /// The vendor's id of it (Responses: `rs_…`).
        id: Option<Text<'a>>,
        /// Whether the text is a summary (Responses) and not the reasoning itself.
        summary: bool,
    },
    /// An image, a document, sound.
    Media(Media<'a>),
    /// A call of a tool.
    ToolCall(ToolCall<'a>),
    /// What a tool answered.
    ToolResult(ToolResult<'a>),
    /// A part that only its own protocol knows.
    Foreign {
        /// Whose it is.
        origin: Dialect,
        /// As written.
        raw: Json<'a>,
    },
}

impl<'a> Part<'a> {
    /// Text and nothing else.
    pub fn text(text: impl Into<Text<'a>>) -> Part<'a> {
        Part::Text { text: text.into(), cache: None, citations: None }
    }
}

/// An image, a document, sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Media<'a> {
    /// What it is.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: Source<'a>,
    /// `image/png`; for sound where only a format is known, `audio/FORMAT`.
    pub media_type: Option<Text<'a>>,
    /// File name or title.
    pub name: Option<Text<'a>>,
    /// OpenAI's `detail`.
    pub detail: Option<Text<'a>>,
    /// Anthropic's `cache_control`, as written.
    pub cache: Option<Json<'a>>,
    /// Members that are none of the above, of the request's origin.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
}

/// What a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MediaKind {
    Image,
    Document,
    Audio,
    Video,
}

/// Where the bytes of a medium are.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<'a> {
    /// Elsewhere.
    Url(Text<'a>),
    /// Here, in base64 (RFC 4648 §4).
    Base64(Text<'a>),
    /// With a vendor, under this id.
    File {
        /// Which vendor's.
        origin: Dialect,
        /// The id.
        id: Text<'a>,
    },
    /// A document that is plain text.
    Text(Text<'a>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall<'a> {
    /// What its result refers to; empty where the protocol has none (Gemini, Ollama).
    pub id: Text<'a>,
    /// The tool.
    pub name: Text<'a>,
    /// The group that the tool belongs to (Responses' namespaces).
    pub namespace: Option<Text<'a>>,
    /// What kind of tool it is.
    pub kind: CallKind,
    /// What it is called with.
    pub input: Input<'a>,
    /// Gemini's `thoughtSignature` on the call.
    pub seal: Option<Seal<'a>>,
    /// Anthropic's `cache_control`, as written.
    pub cache: Option<Json<'a>>,
    /// Members that are none of the above, of the request's origin.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
}

/// What kind of tool a call is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// One with a schema.
    #[default]
    Function,
    /// One that takes any text (Responses' `custom`).
    Custom,
}

/// What a tool is called with.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// A JSON value (Anthropic, Gemini, Ollama).
    Json(Json<'a>),
    /// The text of one (Chat, Responses); what a model wrote need not be valid.
    Text(Text<'a>),
    /// Plain text for a tool that takes any.
    Free(Text<'a>),
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult<'a> {
    /// Which call this answers; empty where the protocol has no ids.
    pub id: Text<'a>,
    /// The tool's name, where it is known.
    pub name: Option<Text<'a>>,
    /// What kind of call this answers.
    pub kind: CallKind,
    /// The answer; texts and media.
    pub content: Vec<Part<'a>>,
    /// Gemini's `response` or another answer that is a JSON value, as written; `content` is empty then.
    pub json: Option<Json<'a>>,
    /// Whether it is an error.
    pub failed: bool,
    /// Anthropic's `cache_control`, as written.
    pub cache: Option<Json<'a>>,
    /// Members that are none of the above, of the request's origin.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
}

/// A tool that may be called.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool<'a> {
    /// One with a schema.
    Function(Function<'a>),
    /// One that takes any text (Responses' `custom`).
    Custom {
        /// Its name.
        name: Text<'a>,
        /// The group it belongs to (Responses' namespaces).
        namespace: Option<Text<'a>>,
        /// What it does.
        description: Option<Text<'a>>,
        /// The grammar of its text, as written.
        format: Option<Json<'a>>,
        /// Members that are none of the above, of the request's origin.
        carry: Vec<(Text<'a>, Json<'a>)>,
    },
    /// A search that the vendor carries out.
    WebSearch(WebSearch<'a>),
    /// A tool that only its own protocol knows.
    Foreign {
        /// Whose it is.
        origin: Dialect,
        /// As written.
        raw: Json<'a>,
    },
}

/// A tool with a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Function<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// The group it belongs to (Responses' namespaces).
    pub namespace: Option<Text<'a>>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// JSON Schema of its input; nothing for none.
    pub parameters: Option<Json<'a>>,
    /// Whether the schema is kept to the letter.
    pub strict: Option<bool>,
    /// Anthropic's `cache_control`, as written.
    pub cache: Option<Json<'a>>,
    /// Members that are none of the above, of the request's origin.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
}

/// A search that the vendor carries out.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSearch<'a> {
    /// Whose form `raw` has.
    pub origin: Dialect,
    /// As written.
    pub raw: Json<'a>,
    /// Most searches.
    pub uses_max: Option<u64>,
    /// Domains that alone may be searched, a JSON array of strings.
    pub allowed_domains: Option<Json<'a>>,
    /// Domains that may not, a JSON array of strings.
    pub blocked_domains: Option<Json<'a>>,
    /// Where the user is: an object with `city`, `region`, `country`, `timezone`.
    pub location: Option<Json<'a>>,
    /// OpenAI's `search_context_size`.
    pub context_size: Option<Json<'a>>,
    /// Members that are none of the above, of the request's origin.
    pub carry: Vec<(Text<'a>, Json<'a>)>,
}

impl<'a> WebSearch<'a> {
    /// A search of which nothing more is known.
    pub fn new(origin: Dialect, raw: Json<'a>) -> WebSearch<'a> {
        WebSearch {
            origin,
            raw,
            uses_max: None,
            allowed_domains: None,
            blocked_domains: None,
            location: None,
            context_size: None,
            carry: Vec::new(),
        }
    }

    /// Names what of it is not said where only `said` is.
    pub fn drop_but(&self, said: &[&str], dropped: &mut Dropped) {
        let known = [
            ("max_uses", self.uses_max.is_some()),
            ("allowed_domains", self.allowed_domains.is_some()),
            ("blocked_domains", self.blocked_domains.is_some()),
            ("user_location", self.location.is_some()),
            ("search_context_size", self.context_size.is_some()),
        ];
        for (name, _) in known.iter().filter(|(name, told)| *told && !said.contains(name)) {
            dropped.drop(format!("tools.web_search.{name}"));
        }
        for (name, _) in &self.carry {
            dropped.drop(format!("tools.web_search.{}", name.decode()));
        }
    }
}

/// Which tool is called.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    /// As the model sees fit.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named {
        /// Its name.
        name: Text<'a>,
        /// The group it belongs to.
        namespace: Option<Text<'a>>,
        /// What kind of tool it is.
        kind: CallKind,
    },
    /// One of these, or none unless `required`.
    Allowed {
        /// Whether one must be called.
        required: bool,
        /// Their names.
        names: Vec<Text<'a>>,
    },
    /// A form that only its own protocol knows.
    Foreign(Json<'a>),
}

/// Numbers of the sampler, as their digits.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Sampling<'a> {
    pub temperature: Option<Json<'a>>,
    pub top_p: Option<Json<'a>>,
    pub top_k: Option<Json<'a>>,
    pub min_p: Option<Json<'a>>,
    pub presence_penalty: Option<Json<'a>>,
    pub frequency_penalty: Option<Json<'a>>,
    pub repetition_penalty: Option<Json<'a>>,
    pub seed: Option<Json<'a>>,
    /// How many answers; Gemini's `candidateCount`.
    pub n: Option<u64>,
    pub logit_bias: Option<Json<'a>>,
    /// Whether probabilities of tokens are told.
    pub logprobs: Option<bool>,
    /// For how many tokens at each place.
    pub top_logprobs: Option<u64>,
}

/// How much is thought before the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasoning<'a> {
    /// How much.
    pub thinking: Thinking,
    /// Whether thoughts are told: Gemini's `includeThoughts`; Anthropic's `display`.
    pub shown: Option<bool>,
    /// Responses' `summary`: `auto`, `concise`, `detailed`.
    pub summary: Option<Text<'a>>,
    /// Responses' `include` of `reasoning.encrypted_content`.
    pub encrypted: bool,
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape<'a> {
    /// Any text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema {
        /// What OpenAI calls the schema; empty if nothing.
        name: Text<'a>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The schema.
        schema: Json<'a>,
        /// Whether it is kept to the letter.
        strict: Option<bool>,
    },
}
