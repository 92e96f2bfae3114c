//! The request of a translated exchange: read once, said anew for each target in the target's protocol.
//!
//! What a route and a provider change, and the effort that the name asks for, is changed in the body as it goes out, so
//! that rules mean the same whether a body was translated or not. The head is our own: of the client's fields only
//! those go along that mean the same to every vendor.

use std::borrow::Cow;
use std::rc::Rc;

use super::ask::Ask;
use super::attempt::Answered;
use super::core::{Core, Reserved};
use super::failure::{Failure, told_status};
use super::hold;
use super::outgoing;
use super::reach::Prepared;
use crate::base::secret::Secret;
use crate::codec::inflate::{self, Coding};
use crate::config::snapshot::{Key, Provider};
use crate::http::field::Fields;
use crate::http::head::Name;
use crate::http::write;
use crate::limits;
use crate::plan::retry::Verdict;
use crate::plan::route::Target;
use crate::protocol::address::{self, Upstream};
use crate::protocol::failure::{self, Fault};
use crate::protocol::ir::seal;
use crate::protocol::ir::{BadRequest, Destination, Names, Opening, Outgoing, Part, Request, Response, Source};
use crate::protocol::path::Endpoint;
use crate::protocol::translate::{self, Answering, Seen};
use crate::protocol::{Dialect, Protocol};
use crate::record::Entry;
use crate::rt::Net;

/// A request as one target is asked.
pub(super) struct Said<N: Net> {
    pub(super) upstream: Dialect,
    pub(super) body: Vec<u8>,
    names: Names,
    fields: Vec<u8>,
    _share: Reserved<N>,
}

/// The way back of a translated exchange.
pub(super) struct Turned {
    pub(super) answering: Answering,
    /// The answer, where the provider's was no stream.
    pub(super) whole: Option<(Response, Seen)>,
    /// Field lines of the client's answer: what was not said.
    pub(super) fields: Vec<u8>,
}

/// A request as it is meant, read when it is first needed.
pub(super) type Pivot<'a> = Option<Result<Request<'a>, BadRequest>>;

/// Why a target cannot be asked.
pub(super) enum Unsaid {
    /// No target can: the request is none, or there is no room for another body.
    Refused(Fault, Cow<'static, str>),
    /// This target's protocol cannot say it.
    Unsayable(Failure),
}

/// What the target is spoken to in, where the request is to be translated for it: it speaks another protocol than the
/// client, or marks thoughts in a way that the client's protocol does not know; or thoughts of others are sent back.
pub(super) fn bridge(request: &Prepared<'_>, target: &Target<'_>) -> Option<Dialect> {
    let endpoint = request.called.endpoint;
    let serves = crate::protocol::serves(target.protocol, endpoint);
    let marks = request.view.snapshot.providers[usize::from(target.provider)].think_tag.is_some();
    // What another vendor sealed Anthropic refuses; said anew, it is left out (conversion.md 16, 47).
    let sealed = serves && !marks && endpoint == Endpoint::Messages && seal::may_be_wrapped(request.body);
    (!serves || marks || sealed).then(|| translate::bridge(endpoint, target.protocol)).flatten()
}

/// The request as `target` is asked.
pub(super) fn say<'a, N: Net>(
    core: &Rc<Core<N>>,
    request: &Prepared<'a>,
    pivot: &mut Pivot<'a>,
    target: &Target<'_>,
    upstream: Dialect,
    shape: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Result<Said<N>, Unsaid> {
    let called = request.called;
    let pivot = pivot.get_or_insert_with(|| {
        translate::decode_request(called.dialect, request.body, called.model.as_deref(), request.streamed)
    });
    let asked = pivot.as_ref().map_err(|bad| Unsaid::Refused(Fault::InvalidRequest, told(bad).into()))?;
    let provider = &request.view.snapshot.providers[usize::from(target.provider)];
    let to = Destination { model: target.model, stream: request.streamed, quirks: &provider.quirks };
    let mut out = Outgoing::default();
    translate::refuse(asked, upstream)
        .and_then(|()| translate::encode_request(upstream, asked, &to, &mut out))
        .map_err(|bad| Unsaid::Unsayable(unsayable(&bad)))?;
    let body = shape(&out.body).unwrap_or(out.body);
    let mut fields = Vec::new();
    if !out.dropped.is_empty() {
        let mut dropped = Vec::new();
        out.dropped.write(&mut dropped);
        write::field("x-weir-dropped", &dropped, &mut fields);
    }
    let crowded = "too many bytes of request bodies are under way";
    let share = core.reserve(body.len()).ok_or(Unsaid::Refused(Fault::Unavailable, crowded.into()))?;
    Ok(Said { upstream, body, names: out.names, fields, _share: share })
}

fn told(bad: &BadRequest) -> String {
    match bad.member.is_empty() {
        true => bad.message.to_string(),
        false => format!("{}: {}", bad.member, bad.message),
    }
}

fn unsayable(bad: &BadRequest) -> Failure {
    let verdict = Verdict::UNUSABLE;
    let (fault, message) = (Fault::InvalidRequest, Cow::Owned(told(bad)));
    Failure { verdict, fault, status: 400, message, body: None, retry_after: None }
}

/// The client's fields that mean the same to every vendor.
const FORWARDED: [&[u8]; 3] = [b"user-agent", b"traceparent", b"tracestate"];

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
    out.extend_from_slice(b"content-type: application/json\r\naccept: ");
    out.extend_from_slice(match (request.streamed, said.upstream) {
        (true, Dialect::Ollama) => b"application/x-ndjson",
        (true, _) => b"text/event-stream",
        (false, _) => &b"application/json"[..],
    });
    out.extend_from_slice(b"\r\naccept-encoding: identity\r\n");
    out.extend_from_slice(key.auth_for(target.protocol).expose());
    if target.protocol == Protocol::Anthropic {
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

/// What gzip begins with (RFC 1952 §2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// The way back for an answer that has begun. A whole answer is read here, where one that is none can still be
/// followed by another attempt.
pub(super) fn turned<N: Net, S>(
    ask: &Ask<'_, '_, '_, N>,
    said: &Said<N>,
    key: &Key,
    answered: &Answered<S>,
    fields: &Fields,
    entry: &Entry,
) -> Result<Turned, Failure> {
    let Ask { request, pivot, target, .. } = *ask;
    let mut answering = answering(request, pivot, target, said, key.secret.clone(), entry);
    let fields_back = said.fields.clone();
    if answered.stream.is_some() {
        return Ok(Turned { answering, whole: None, fields: fields_back });
    }
    if !answered.ended {
        return Err(Failure::broken("its answer is larger than the limit"));
    }
    let body = &answered.buffer[answered.payload.clone()];
    let mut codings = codings(answered, fields)?;
    // There are gateways that do not say so (conversion.md 15). No answer begins like this.
    if codings.is_empty() && body.starts_with(GZIP_MAGIC) {
        codings.push(Coding::Gzip);
    }
    let decoded = match codings.is_empty() {
        true => None,
        false => Some(
            inflate::decode(&codings, body, limits::ANSWER_BYTES_MAX)
                .map_err(|_| Failure::broken("its answer does not match its content-encoding"))?,
        ),
    };
    let body = decoded.as_deref().unwrap_or(body);
    let kind = fields.value(&answered.buffer, Name::ContentType).unwrap_or_default();
    let read = match hold::stream_framing(kind, request.streamed, said.upstream) {
        // Coded events are not read as they come (conversion.md 67).
        Some(framing) if answered.encoded => translate::read_stream(&mut answering, framing, body),
        _ => translate::read(&mut answering, body),
    };
    match read {
        Ok(whole) => Ok(Turned { answering, whole: Some(whole), fields: fields_back }),
        Err(failure) => Err(Failure::broken(format!("its answer cannot be read: {}", failure.message))),
    }
}

fn answering<N: Net>(
    request: &Prepared<'_>,
    pivot: &Pivot<'_>,
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
        opening: opening(request, pivot, target, entry),
    }
}

/// The request for the demo provider, and the way back for its answer.
pub(super) fn told_by_demo<N: Net>(
    request: &Prepared<'_>,
    pivot: &Pivot<'_>,
    target: &Target<'_>,
    said: Said<N>,
    entry: &Entry,
) -> (Vec<u8>, Turned) {
    let answering = answering(request, pivot, target, &said, Secret::new(""), entry);
    (said.body, Turned { answering, whole: None, fields: said.fields })
}

fn codings<S>(answered: &Answered<S>, fields: &Fields) -> Result<smallvec::SmallVec<[Coding; 2]>, Failure> {
    let mut codings = smallvec::SmallVec::new();
    for field in fields.all(Name::ContentEncoding) {
        Coding::parse_into(field.value.of(&answered.buffer), &mut codings)
            .map_err(|_| Failure::broken("its answer has an unknown content-encoding"))?;
    }
    Ok(codings)
}

fn opening(request: &Prepared<'_>, pivot: &Pivot<'_>, target: &Target<'_>, entry: &Entry) -> Opening {
    let called = request.called;
    let asked = pivot.as_ref().and_then(|pivot| pivot.as_ref().ok());
    let query = request.head.query.map_or(&b""[..], |span| span.of(request.input));
    let mut opening = Opening {
        id: entry.id.as_str().to_owned(),
        model: if target.mapped { request.model.to_string() } else { String::new() },
        created_unix_s: entry.unix_ms / 1_000,
        include_usage: asked.is_some_and(|asked| asked.include_usage == Some(true)),
        input_tokens: asked.map_or(0, |asked| tokens_about(asked, request.body.len())),
        framing: Some(translate::framing(called.dialect, query)),
        plain_completion: called.endpoint == Endpoint::OllamaGenerate,
        old_functions: asked.is_some_and(|asked| asked.old_functions),
        ..Opening::default()
    };
    translate::open(called.dialect, request.body, &mut opening);
    opening
}

/// A guess at the prompt's tokens that costs nothing: four bytes are one, and an image is what vendors count for one.
fn tokens_about(asked: &Request<'_>, bytes: usize) -> u64 {
    let (mut media_bytes, mut media) = (0, 0);
    for part in asked.turns.iter().flat_map(|turn| &turn.parts) {
        let parts = match part {
            Part::ToolResult(result) => &result.content[..],
            part => std::slice::from_ref(part),
        };
        for part in parts {
            if let Part::Media(medium) = part
                && let Source::Base64(data) = &medium.source
            {
                media_bytes += data.bytes().len();
                media += 1;
            }
        }
    }
    bytes.saturating_sub(media_bytes) as u64 / limits::TOKEN_BYTES_ABOUT + media * limits::IMAGE_TOKENS_ABOUT
}
