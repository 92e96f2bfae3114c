//! A translated exchange: which requests are, the head of one, and the way back for its answer.
//!
//! The request is read once, and said anew for each target in the target's protocol ([`say`](super::say)). The head is
//! our own: of the client's fields only those go along that mean the same to every vendor.

use super::ask::Ask;
use super::attempt::Answered;
use super::failure::{Failure, told_status};
use super::hold;
use super::outgoing;
use super::placed;
use super::reach::Prepared;
use super::say::Said;
use super::wait::Client;
use super::whole::{self, Whole};
use crate::base::secret::Secret;
use crate::config::snapshot::{Key, Provider};
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::http::write;
use crate::limits;
use crate::plan::route::Target;
use crate::protocol::address::{self, Upstream};
use crate::protocol::failure;
use crate::protocol::ir::{Names, Opening};
use crate::protocol::responses::compact::{self, Compaction, Form};
use crate::protocol::translate::{self, Answering};
use crate::protocol::{Dialect, Protocol};
use crate::record::Entry;
use crate::rt::Net;
use crate::sse::Framing;

/// The way back of a translated exchange.
pub(super) struct Turned {
    pub(super) answering: Answering,
    /// The answer, where the provider's was no stream.
    pub(super) whole: Option<Whole>,
    /// How it is told, where it is a summary of the conversation.
    pub(super) compaction: Option<Compaction>,
    /// Field lines of the client's answer: what was not said.
    pub(super) fields: Vec<u8>,
}

impl Turned {
    /// What was not said, as the client is told it.
    pub(super) fn dropped(&self) -> Option<&[u8]> {
        let value = self.fields.strip_prefix(DROPPED.as_bytes())?.strip_prefix(b": ")?;
        Some(&value[..memchr::memchr(b'\r', value)?])
    }
}

/// The field that tells the client what was not said.
pub(super) const DROPPED: &str = "x-weir-dropped";

/// What the target is spoken to in, where the request is to be translated for it: it speaks another protocol than the
/// client, or marks thoughts in a way that the client's protocol does not know; or thoughts of others are sent back.
pub(super) fn bridge(request: &Prepared<'_>, target: &Target<'_>) -> Option<Dialect> {
    let endpoint = request.called.endpoint;
    let serves = crate::protocol::serves(target.protocol, endpoint);
    let tag = request.view.snapshot.providers[usize::from(target.provider)].think_tag.is_some();
    let marks = tag && endpoint.is_chat() || request.asked.is_misdirected();
    (!serves || marks || request.wrapped).then(|| translate::bridge(endpoint, target.protocol)).flatten()
}

/// The client's fields that mean the same to every vendor.
const FORWARDED: [&[u8]; 3] = [b"user-agent", b"traceparent", b"tracestate"];

/// What the fields begin with that mean something to Anthropic alone: its version, and what of it is in beta.
const ANTHROPIC: &[u8] = b"anthropic-";

/// Writes the request head for `provider` with `key`'s credential.
pub(super) fn head<N: Net>(
    request: &Prepared<'_>,
    said: &Said<N>,
    target: &Target<'_>,
    provider: &Provider,
    key: &Key,
    fields: &Fields,
    out: &mut Vec<u8>,
) {
    let (call, query) = translate::call(said.upstream, request.streamed);
    let upstream = Upstream {
        base_path: &provider.base.path,
        versioned: provider.base.versioned,
        api_version: &provider.api_version,
    };
    out.extend_from_slice(b"POST ");
    address::target(&call, target.protocol, &upstream, target.model, query, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write::field("host", provider.base.authority.as_bytes(), out);
    let is_replaced = |name: &[u8]| key.headers.iter().any(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()));
    for name in FORWARDED.into_iter().filter(|name| !is_replaced(name)) {
        let mut sent = fields.iter().filter(|field| field.name.of(request.input).eq_ignore_ascii_case(name));
        if let Some(field) = sent.next() {
            write::field(std::str::from_utf8(name).unwrap_or_default(), field.value.of(request.input), out);
        }
    }
    // Said anew in the client's own protocol, it goes on with what the client has said of that.
    let is_own = request.called.dialect == said.upstream && target.protocol == Protocol::Anthropic;
    for field in fields.iter().filter(|_| is_own) {
        let name = field.name.of(request.input);
        if name.get(..ANTHROPIC.len()).is_some_and(|start| start.eq_ignore_ascii_case(ANTHROPIC)) && !is_replaced(name)
        {
            write::field(std::str::from_utf8(name).unwrap_or_default(), field.value.of(request.input), out);
        }
    }
    out.extend_from_slice(b"content-type: application/json\r\naccept: ");
    out.extend_from_slice(match (request.streamed, said.upstream) {
        (true, Dialect::Ollama) => b"application/x-ndjson",
        (true, _) => b"text/event-stream",
        (false, _) => &b"application/json"[..],
    });
    out.extend_from_slice(b"\r\naccept-encoding: identity\r\n");
    out.extend_from_slice(key.auth_for(target.protocol).expose());
    if target.protocol == Protocol::Anthropic && !(is_own && fields.get(Name::AnthropicVersion).is_some()) {
        out.extend_from_slice(outgoing::ANTHROPIC_VERSION);
    }
    outgoing::own_fields(key, fields, request.input, out);
    write::field_number("content-length", said.body.len() as u64, out);
    out.extend_from_slice(b"\r\n");
}

/// An upstream's error, in the caller's words: its own message, for some clients act on it.
pub(super) fn failed(request: &Prepared<'_>, upstream: Dialect, failure: Failure, entry: &Entry) -> Failure {
    let Some(body) = &failure.body else { return failure };
    let read = translate::failure(upstream, failure.status, body);
    if read.message.is_empty() {
        return Failure { body: None, ..failure };
    }
    let dialect = request.called.dialect;
    let status = told_status(failure.status, read.fault, dialect);
    let mut written = Vec::with_capacity(256 + read.message.len());
    failure::write(dialect, read.fault, status, &read.message, entry.id.as_str(), &mut written);
    let fault = read.fault;
    Failure { fault, body: Some(written), ..failure }
}

/// The way back for an answer that has begun. A whole answer is read here, where one that is none can still be
/// followed by another attempt.
pub(super) async fn turned<N: Net>(
    client: &Client<N>,
    ask: &Ask<'_, '_, '_, N>,
    said: &Said<N>,
    key: &Key,
    answered: &mut Answered<N::Stream>,
    fields: &Fields,
    entry: &Entry,
) -> Result<Turned, Failure> {
    let Ask { request, target, .. } = *ask;
    let answering = answering(request, target, said, key.secret.clone(), entry);
    let fields_back = said.fields.clone();
    let compaction = said.compaction.clone();
    if answered.stream.is_some() {
        return Ok(Turned { answering, whole: None, compaction, fields: fields_back });
    }
    if !answered.ended || answered.payload.len() > limits::RENAMED_BYTES_MAX {
        return Err(Failure::broken("its answer is larger than the limit"));
    }
    let kind = fields.value(&answered.buffer, Name::ContentType).unwrap_or_default();
    let coded = hold::stream_framing(kind, request.streamed, said.upstream).filter(|_| answered.encoded);
    // Boxed, for what it holds meanwhile is no part of an open stream.
    let (answering, whole) = placed(|| whole::read(client, answering, answered, fields, coded)).await?;
    if compaction.is_some() && compact::told(&whole.response).is_err() {
        return Err(Failure::broken("its answer holds no summary"));
    }
    Ok(Turned { answering, whole: Some(whole), compaction, fields: fields_back })
}

/// How the answer with a summary is framed, where it is a stream.
pub(super) fn framing(compaction: &Compaction) -> Option<Framing> {
    (compaction.form == Form::Events).then_some(Framing::Sse)
}

fn answering<N: Net>(
    request: &Prepared<'_>,
    target: &Target<'_>,
    said: &Said<N>,
    secret: Secret,
    entry: &Entry,
) -> Answering {
    let provider = &request.view.snapshot.providers[usize::from(target.provider)];
    Answering {
        client: request.called.dialect,
        upstream: said.upstream,
        names: if said.names.is_plain() { Names::default() } else { said.names.clone() },
        think_tag: provider.think_tag.clone(),
        model: target.model.to_owned(),
        secret,
        opening: opening(request, target, said, entry),
    }
}

/// The way back for the answer of the demo provider.
pub(super) fn told_by_demo<N: Net>(
    request: &Prepared<'_>,
    target: &Target<'_>,
    said: &Said<N>,
    entry: &Entry,
) -> Turned {
    let answering = answering(request, target, said, Secret::new(""), entry);
    Turned { answering, whole: None, compaction: said.compaction.clone(), fields: said.fields.clone() }
}

fn opening<N: Net>(request: &Prepared<'_>, target: &Target<'_>, said: &Said<N>, entry: &Entry) -> Opening {
    let query = request.head.query.map_or(&b""[..], |span| span.of(request.input));
    Opening {
        id: entry.id.as_str().to_owned(),
        model: if target.mapped { request.model.to_string() } else { String::new() },
        created_unix_s: entry.unix_ms / 1_000,
        framing: Some(translate::framing(request.called.dialect, query)),
        ..said.opening.clone()
    }
}
