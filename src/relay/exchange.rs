//! One request and its answer: identify, take in, reach an upstream, pass the answer on, settle.
//!
//! Until commit every failure leads to the next key, the next target or an error in the caller's dialect;
//! after it there is exactly one attempt. At commit everything that only the request needed goes back to the
//! core: an open stream holds its two connections, a splitter and a sniffer, and no buffer.

use std::borrow::Cow;
use std::rc::Rc;

use super::attempt::Answered;
use super::core::{Core, Scratch, View};
use super::failure::told_status;
use super::intake::{self, Body, NoBody};
use super::outgoing;
use super::pipe::{self, Course, End, Frame};
use super::reach::{self, Prepared, Reached};
use super::reply::{self, Note};
use super::session::After;
use super::translate::Turned;
use super::wait::{Client, Gone};
use super::{choose, demo, fail, local, placed, quota, say, unboxed, unpack, upgrade};
use crate::base::span::Span;
use crate::config::snapshot::{Access, ClientIx, ProviderIx, Snapshot};
use crate::http::body::Framing;
use crate::http::field::{Fields, credentials};
use crate::http::head::{Method, Name, RequestHead, Version};
use crate::protocol::failure::Fault;
use crate::protocol::path::{self, Call, Endpoint, Found};
use crate::protocol::sniff::{Answer, Reading};
use crate::protocol::{Dialect, alive};
use crate::record::{Dropped, Entry, Outcome};
use crate::rt::{Net, Peer};

/// What a request calls for, free of the buffer it was read from.
pub(super) struct Called {
    pub(super) endpoint: Endpoint,
    pub(super) dialect: Dialect,
    /// The provider that the path names.
    pub(super) provider: Option<ProviderIx>,
    /// The model that the path names.
    pub(super) model: Option<String>,
    tail: Span,
    /// Who asks; nothing where access is open and the key is nobody's.
    pub(super) client: Option<ClientIx>,
}

impl Called {
    /// As the path table gave it; `input` is the buffer of the request's head.
    pub(super) fn call<'a>(&'a self, input: &'a [u8]) -> Call<'a> {
        Call {
            endpoint: self.endpoint,
            dialect: self.dialect,
            provider: None,
            model: self.model.as_deref().map(|model| Cow::Borrowed(model.as_bytes())),
            tail: self.tail.of(input),
        }
    }
}

/// A request that is answered by an error before its body is looked at.
struct Early {
    dialect: Dialect,
    fault: Fault,
    status: u16,
    message: &'static str,
    allow: Option<&'static str>,
}

/// One exchange as it goes.
pub(super) struct Exchange {
    pub(super) view: Rc<View>,
    pub(super) entry: Entry,
    pub(super) note: Note,
    pub(super) start_us: u64,
    /// Probes and preflights are no requests anybody wants in a log.
    pub(super) is_told: bool,
    /// What has been taken out of the client's bounds.
    held: Option<quota::Held>,
}

/// Serves the request whose head stands at the front of `input`, which is left at the next one.
pub(super) async fn run<N: Net>(
    client: &mut Client<N>,
    input: &mut Vec<u8>,
    head: RequestHead,
    scratch: Box<Scratch>,
) -> After {
    let core = Rc::clone(&client.core);
    let view = core.view();
    let unix_ms = core.net.unix_ms();
    let id = core.next_id(unix_ms);
    let note = Note {
        dialect: Dialect::Chat,
        id: Some(id),
        close: !head.keep_alive || core.is_draining(),
        head_only: head.method == Method::Head,
        cors: scratch.fields.get(Name::Origin).is_some(),
        retry_after_s: None,
        stall_ms: view.snapshot.timeouts.client_stall_ms,
    };
    let entry = Entry::begun(id, unix_ms, view.snapshot.generation);
    let mut exchange = Exchange { view, entry, note, start_us: core.net.now_us(), is_told: true, held: None };
    if exchange.is_tapped() {
        client.tap_begins(input, &head, &scratch.fields);
    }
    let after = exchange.serve(client, input, &head, scratch).await;
    let tap = client.tap.take();
    if exchange.is_told {
        if let Some(tap) = tap {
            exchange.tap_ends(client, *tap);
        }
        quota::told(&exchange.view, &mut exchange.held, &mut exchange.entry);
        exchange.entry.total_us = core.net.now_us() - exchange.start_us;
        core.tell(&exchange.view, &exchange.entry);
    }
    after
}

impl Exchange {
    async fn serve<N: Net>(
        &mut self,
        client: &mut Client<N>,
        input: &mut Vec<u8>,
        head: &RequestHead,
        mut scratch: Box<Scratch>,
    ) -> After {
        let timeouts = self.view.snapshot.timeouts;
        let called = match self.identify(client.peer, input, head, &scratch) {
            Ok(called) => called,
            Err(early) => {
                client.core.take_back(scratch);
                self.note.dialect = early.dialect;
                self.entry.dialect = early.dialect;
                self.note.close |= !intake::discard(client, input, head, timeouts.body_ms).await;
                let allow = early.allow.map(|methods| format!("allow: {methods}\r\n")).unwrap_or_default();
                return self.refuse_as(client, early.fault, early.status, early.message, allow.as_bytes()).await;
            }
        };
        self.note.dialect = called.dialect;
        (self.entry.dialect, self.entry.endpoint) = (called.dialect, called.endpoint);
        self.entry.client = called.client.unwrap_or(crate::record::NONE);
        self.tap_knows_client(client);
        if upgrade::is_asked(head, &scratch.fields, input) {
            return Box::pin(self.upgrade(client, input, head, &called, scratch)).await;
        }
        self.is_told = !called.endpoint.is_public();
        // A preflight asks about the answer to come: it is told what that would be told.
        self.note.cors |= called.endpoint == Endpoint::Options;
        let body_bytes = self.view.snapshot.limits.body_bytes;
        let reading = self.begin(&called, input, &mut scratch);
        let body = match intake::read(client, input, head, body_bytes, timeouts.body_ms, reading).await {
            Ok(body) => body,
            Err(why) => {
                client.core.take_back(scratch);
                return self.no_body(client, why).await;
            }
        };
        self.entry.request_bytes = (head.len + body.bytes(input).len()) as u64;
        let end = body.end_in_input(head.len);
        if called.endpoint.is_local() {
            let after = self.local(client, input, &body, &called, &scratch).await;
            client.core.take_back(scratch);
            input.drain(..end);
            return after;
        }
        let bytes = body.bytes(input).len();
        self.held = match quota::take(&self.view, called.client, bytes, self.entry.unix_ms) {
            Ok(held) => held,
            Err(met) => {
                client.core.take_back(scratch);
                input.drain(..end);
                let (message, fields) = quota::refusal(&met, self.note.dialect, self.entry.unix_ms);
                return self.refuse(client, Fault::RateLimited, &message, &fields).await;
            }
        };
        // Boxed, so that what only this phase needs is not part of every open stream.
        let reached = placed(|| self.reach(client, input, head, body, &called, &mut scratch)).await;
        input.drain(..end);
        if input.is_empty() {
            client.core.slabs.give(std::mem::take(input));
        }
        self.conclude(client, reached, head.version, scratch).await
    }

    /// Answers with what trying has led to.
    async fn conclude<N: Net>(
        &mut self,
        client: &mut Client<N>,
        reached: Reached<N::Stream>,
        version: Version,
        scratch: Box<Scratch>,
    ) -> After {
        match reached {
            Reached::Answer(answer) => self.commit(client, answer, version, scratch).await,
            Reached::Turned(answer, turned) => {
                self.tell_dropped(&client.core, &turned);
                // Boxed for the same reason: what a translated answer needs is no part of the others.
                placed(|| self.turn(client, answer, turned, version, scratch)).await
            }
            Reached::Demo(demo) => {
                client.core.take_back(scratch);
                Box::pin(self.demo(client, *demo, version)).await
            }
            Reached::Counted(body) => {
                client.core.take_back(scratch);
                Box::pin(self.counted(client, body)).await
            }
            Reached::Refused { fault, message } => {
                client.core.take_back(scratch);
                self.refuse(client, fault, &message, b"").await
            }
            Reached::Failed { failure, provider } => {
                client.core.take_back(scratch);
                self.fail(client, failure, provider).await
            }
            Reached::Gone => {
                client.core.take_back(scratch);
                self.settle(499, Outcome::ClientGone);
                After::Cut
            }
        }
    }

    /// Records what the target's protocol could not say.
    fn tell_dropped<N: Net>(&self, core: &Core<N>, turned: &Turned) {
        if let Some(members) = turned.dropped() {
            let members = crate::record::Text::from_bytes(members);
            core.tell_dropped(&Dropped { unix_ms: self.entry.unix_ms, id: self.entry.id, members });
        }
    }

    /// Who asks for what: the path table, the address list, the key.
    fn identify(&self, peer: Peer, input: &[u8], head: &RequestHead, scratch: &Scratch) -> Result<Called, Early> {
        let snapshot = &self.view.snapshot;
        let head = &upgrade::meant(head, &scratch.fields, input);
        let early = |dialect, fault: Fault, message| {
            let status = fault.status(dialect);
            Early { dialect, fault, status, message, allow: None }
        };
        let call = match path::find(&head.method, head.path.of(input), |name| snapshot.provider(name).is_some()) {
            Found::Call(call) => Call { dialect: local::dialect(&call, head, &scratch.fields, input), ..call },
            Found::WrongMethod { allow, dialect } => {
                let why = early(dialect, Fault::of_status(405), "this method is not allowed here");
                return Err(Early { allow: Some(allow), ..why });
            }
            Found::Unknown { dialect } => return Err(early(dialect, Fault::NotFound, "there is nothing at this path")),
        };
        if let Peer::Ip(ip) = peer
            && !snapshot.allow_ips.admits(&ip)
        {
            return Err(early(call.dialect, Fault::Permission, "this address is not in allow_ips"));
        }
        let client = match call.endpoint.is_public() {
            true => None,
            false => {
                let query = head.query.map(|span| span.of(input));
                let presented = credentials(input, &scratch.fields, query);
                admit(snapshot, presented.as_deref(), self.entry.unix_ms)
                    .map_err(|message| early(call.dialect, Fault::Authentication, message))?
            }
        };
        if !call.endpoint.is_local() && head.framing == Framing::Empty {
            let why = early(call.dialect, Fault::InvalidRequest, "the request has no body");
            return Err(Early { status: 411, ..why });
        }
        let model = match &call.model {
            None => None,
            Some(model) => Some(
                String::from_utf8(model.to_vec())
                    .map_err(|_| early(call.dialect, Fault::InvalidRequest, "the model in the path is not UTF-8"))?,
            ),
        };
        Ok(Called {
            endpoint: call.endpoint,
            dialect: call.dialect,
            provider: call.provider.and_then(|name| snapshot.provider(name)),
            model,
            tail: Span::inside(input, call.tail).unwrap_or_default(),
            client,
        })
    }

    async fn local<N: Net>(
        &mut self,
        client: &mut Client<N>,
        input: &[u8],
        body: &Body<N>,
        called: &Called,
        scratch: &Scratch,
    ) -> After {
        let ask = local::Ask {
            view: &self.view,
            called,
            body: body.bytes(input),
            fields: &scratch.fields,
            input,
            is_local: client.peer.is_local(),
            id: self.entry.id.as_str(),
        };
        let answer = local::answer(&ask);
        self.settle(answer.status, if answer.status < 400 { Outcome::Ok } else { Outcome::ClientError });
        let sent =
            reply::send(client, &self.note, answer.status, answer.content_type, &answer.body, &answer.fields).await;
        self.after(sent)
    }

    /// Reads the body as the endpoint means it and goes through targets and keys.
    async fn reach<N: Net>(
        &mut self,
        client: &mut Client<N>,
        input: &[u8],
        head: &RequestHead,
        mut body: Body<N>,
        called: &Called,
        scratch: &mut Scratch,
    ) -> Reached<N::Stream> {
        let view = Rc::clone(&self.view);
        let decoded =
            match unpack::decode(client, &scratch.fields, input, body.bytes(input), view.snapshot.limits.body_bytes)
                .await
            {
                Ok(None) => false,
                Ok(Some(decoded)) => {
                    if !body.replace(client, decoded) {
                        return Reached::refused(Fault::Unavailable, "too many bytes of request bodies are under way");
                    }
                    true
                }
                Err((fault, message)) => return Reached::refused(fault, message),
            };
        if client.tap.is_some() {
            client.tap_body(body.bytes(input));
        }
        fail::here("received", &[input, body.bytes(input)]);
        let mut reading = match scratch.reading.take() {
            Some(reading) => reading,
            None => self.reading(called, input, &scratch.fields),
        };
        if let Err(unfit) = intake::look(client, &mut reading, body.bytes(input), true).await {
            return Reached::Refused { fault: Fault::InvalidRequest, message: unfit.to_string().into() };
        }
        let mut prepared = Prepared::new(&view, called, head, input, body.bytes(input), decoded, reading);
        prepared.wrapped = say::is_wrapped(client, called.endpoint, prepared.body).await;
        self.entry.streamed = prepared.streamed;
        self.entry.model_asked = crate::record::Text::new(&prepared.model);
        let mut reached = reach::reach(client, &prepared, scratch, &mut self.entry, self.start_us).await;
        if let Reached::Answer(found) = &mut reached
            && outgoing::is_large(&found.answered)
        {
            outgoing::rename_large(client, found, self.note.dialect).await;
        }
        reached
    }

    /// What the body is shown to while it arrives; nothing where nobody reads it, or not before it is decoded.
    fn begin<'s>(&self, called: &Called, input: &[u8], scratch: &'s mut Scratch) -> Option<&'s mut Reading> {
        if called.endpoint.is_local() || scratch.fields.get(Name::ContentEncoding).is_some() {
            return None;
        }
        Some(scratch.reading.insert(self.reading(called, input, &scratch.fields)))
    }

    /// The body of this request as it is to be read.
    fn reading(&self, called: &Called, input: &[u8], fields: &Fields) -> Reading {
        let kind = fields.value(input, Name::ContentType).unwrap_or_default();
        Reading::new(called.endpoint, kind, choose::looks_inside(&self.view, called))
    }

    /// From here on the answer belongs to the client.
    async fn commit<N: Net>(
        &mut self,
        client: &mut Client<N>,
        found: Box<reach::Found<N::Stream>>,
        version: Version,
        scratch: Box<Scratch>,
    ) -> After {
        let reach::Found { mut answered, mut trial, provider, hide_usage, reused, endpoint, measured, name } =
            unboxed(found);
        if let Some(name) = name.as_ref().filter(|_| !outgoing::is_large(&answered)) {
            outgoing::rename(&mut answered, self.note.dialect, name);
        }
        let provider = &self.view.snapshot.providers[provider as usize];
        let stream = answered.stream;
        let frame = framing(&answered, stream.is_some(), version);
        self.note.close |= frame == Frame::ToClose || client.core.is_draining();
        let mut head = client.core.slabs.take();
        let length = match answered.ended {
            true => answered.payload.len() as u64,
            false => answered.decoder.remaining_hint().unwrap_or(0) + answered.payload.len() as u64,
        };
        outgoing::answer(
            &outgoing::Answer {
                head: &answered.head,
                fields: &scratch.answer,
                buffer: &answered.buffer,
                id: &self.entry.id,
                frame,
                bytes: length,
                streamed: stream.is_some(),
                cors: self.note.cors,
                close: self.note.close,
            },
            &mut head,
        );
        let course = Course {
            frame,
            stream,
            says_end: endpoint.generates(),
            dialect: self.note.dialect,
            pings: endpoint.generates() || !alive::is_said(self.note.dialect),
            hide_usage,
            name,
            idle_ms: provider.timeouts.stream_idle_ms,
            ping_ms: self.view.snapshot.timeouts.ping_ms,
            stall_ms: self.note.stall_ms,
            id: self.entry.id,
            start_us: self.start_us,
            key: &self.view.snapshot.keys[usize::from(trial.key)],
        };
        client.core.take_back(scratch);
        let status = answered.head.status;
        self.entry.reused = reused;
        self.entry.first_byte_us = micros(client.core.net.now_us() - self.start_us);
        let core = Rc::clone(&client.core);
        core.tally.streams_open.add(u64::from(stream.is_some()));
        trial.began(&core, self.entry.model_sent.as_str());
        let passed = pipe::run(client, answered, head, course, Answer::stream(self.note.dialect)).await;
        trial.ended(&core, self.entry.model_sent.as_str(), passed.end);
        core.tally.streams_open.sub(u64::from(stream.is_some()));
        if let Some(measured) = measured {
            // An answer that is not a stream has its first token with its first byte.
            let first_us = passed.first_token_us.unwrap_or(u64::from(self.entry.first_byte_us));
            measured.tell(&core, &trial, self.start_us + first_us);
        }
        self.passed(status, &passed)
    }

    /// Settles an answer that has been passed on.
    fn passed(&mut self, status: u16, passed: &pipe::Passed) -> After {
        self.entry.response_bytes = passed.bytes;
        self.entry.tokens = passed.answer.usage().into();
        if let Some(us) = passed.first_token_us {
            self.entry.first_token_us = micros(us);
        }
        self.ended(status, passed.end)
    }

    /// Settles an answer that has begun.
    pub(super) fn ended(&mut self, status: u16, end: End) -> After {
        match end {
            End::Whole => {
                self.settle(status, Outcome::Ok);
                self.after(Ok(0))
            }
            End::Told => {
                self.settle(status, Outcome::Cut);
                self.after(Ok(0))
            }
            End::Broken => {
                self.settle(status, Outcome::Cut);
                After::Cut
            }
            End::Gone => {
                self.settle(status, Outcome::ClientGone);
                After::Cut
            }
        }
    }

    async fn counted<N: Net>(&mut self, client: &mut Client<N>, body: Vec<u8>) -> After {
        self.settle(200, Outcome::Ok);
        let sent = reply::send(client, &self.note, 200, "application/json", &body, b"").await;
        self.after(sent)
    }

    async fn demo<N: Net>(&mut self, client: &mut Client<N>, ask: reach::Demo, version: Version) -> After {
        if let Some(turned) = &ask.turned {
            self.tell_dropped(&client.core, turned);
        }
        let provider = self.entry.provider;
        match demo::answer(client, &mut self.note, ask, version, &mut self.entry, self.start_us).await {
            Ok(end) => self.ended(200, end),
            Err(failure) => self.fail(client, failure, provider).await,
        }
    }

    /// Every target failed: the last failure, as the caller's dialect says it (config.md §5).
    pub(super) async fn fail<N: Net>(
        &mut self,
        client: &mut Client<N>,
        failure: super::failure::Failure,
        provider: ProviderIx,
    ) -> After {
        let view = Rc::clone(&self.view);
        let name = &view.snapshot.providers[usize::from(provider)].name;
        let status = told_status(failure.status, failure.fault, self.note.dialect);
        self.settle(status, if status < 500 && status != 429 { Outcome::ClientError } else { Outcome::UpstreamError });
        let mut fields = Vec::new();
        if let Some(when) = &failure.retry_after {
            crate::http::write::field("retry-after", when, &mut fields);
        }
        if let Some(id) = &failure.upstream_id {
            crate::http::write::field(outgoing::UPSTREAM_ID, id, &mut fields);
        }
        let sent = match failure.body {
            Some(body) => reply::send(client, &self.note, status, "application/json", &body, &fields).await,
            None => {
                let message = format!("provider {name}: {}", failure.message);
                reply::fault_as(client, &self.note, failure.fault, status, &message, &fields).await
            }
        };
        self.after(sent)
    }

    async fn no_body<N: Net>(&mut self, client: &mut Client<N>, why: NoBody) -> After {
        match why {
            NoBody::Gone => {
                self.settle(499, Outcome::ClientGone);
                After::Cut
            }
            NoBody::Refused(fault, message) => {
                self.note.close = true;
                if fault == Fault::Unavailable {
                    self.note.retry_after_s = Some(1);
                }
                self.refuse(client, fault, message, b"").await
            }
        }
    }

    async fn refuse<N: Net>(&mut self, client: &mut Client<N>, fault: Fault, message: &str, fields: &[u8]) -> After {
        self.refuse_as(client, fault, fault.status(self.note.dialect), message, fields).await
    }

    pub(super) async fn refuse_as<N: Net>(
        &mut self,
        client: &mut Client<N>,
        fault: Fault,
        status: u16,
        message: &str,
        fields: &[u8],
    ) -> After {
        self.settle(status, if status < 500 { Outcome::ClientError } else { Outcome::UpstreamError });
        let sent = reply::fault_as(client, &self.note, fault, status, message, fields).await;
        self.after(sent)
    }

    pub(super) fn settle(&mut self, status: u16, outcome: Outcome) {
        self.entry.status = status;
        self.entry.outcome = outcome;
    }

    pub(super) fn after(&mut self, sent: Result<u64, Gone>) -> After {
        match sent {
            Ok(bytes) => {
                self.entry.response_bytes += bytes;
                if self.note.close { After::Linger } else { After::Next }
            }
            Err(Gone) => {
                self.entry.outcome = Outcome::ClientGone;
                After::Cut
            }
        }
    }
}

/// Whose key this is. With open access any key, or none, is served.
fn admit(snapshot: &Snapshot, presented: Option<&[u8]>, unix_ms: u64) -> Result<Option<ClientIx>, &'static str> {
    let client = presented.and_then(|key| snapshot.client(key));
    match (client, snapshot.access) {
        (Some(index), _) if snapshot.clients[usize::from(index)].may_call(unix_ms) => Ok(Some(index)),
        // A listed client that may not call is refused also where strangers are served.
        (Some(_), _) => Err("this key is disabled or has expired"),
        (None, Access::Open) => Ok(None),
        (None, Access::Keys) if presented.is_none() => Err("no API key was sent"),
        (None, Access::Keys) => Err("this API key is not known"),
    }
}

fn framing<S>(answered: &Answered<S>, streamed: bool, version: Version) -> Frame {
    if !streamed && (answered.ended || answered.decoder.remaining_hint().is_some()) {
        return Frame::Sized;
    }
    match version {
        Version::Http11 => Frame::Chunked,
        Version::Http10 => Frame::ToClose,
    }
}

pub(super) fn micros(us: u64) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX - 1)
}
