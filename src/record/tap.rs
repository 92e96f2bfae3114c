//! What is recorded of one exchange as it passes: the bytes of both sides, in both directions, under bounds.
//!
//! There is none unless the configuration asks for traces. A core copies each byte once, as it passes, and what goes over
//! a bound is cut and says so. What was recorded is a heap of bytes that nobody can read: whoever takes it at the other
//! end makes secrets unreadable first, and only then is it a trace.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use super::mask::Mask;
use crate::base::id::RequestId;
use crate::base::span::Span;
use crate::codec::inflate::{self, Coding};
use crate::config::Snapshot;
use crate::http::chunk;
use crate::limits;

/// A message as it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Its head, or empty where there was none.
    pub head: Vec<u8>,
    /// Its body, without the framing of HTTP/1.1.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub cut: bool,
}

/// One try at an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Try {
    /// Microseconds from the exchange's beginning to this.
    pub begun_us: u64,
    /// To its answer's first byte, if one came.
    pub answered_us: Option<u64>,
    /// What went out.
    pub request: Message,
    /// What came back.
    pub response: Message,
}

/// All that was recorded of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The exchange.
    pub id: RequestId,
    /// What the client sent.
    pub request: Message,
    /// What was tried.
    pub tries: Vec<Try>,
    /// What the client was sent.
    pub response: Message,
}

/// What a core leaves: a recording, and the configuration whose secrets may be in it.
pub struct Left {
    /// What was recorded.
    pub recording: Recording,
    /// What the exchange went by.
    pub snapshot: Arc<Snapshot>,
}

/// Where all cores leave their recordings, and one thread takes them.
#[derive(Debug)]
pub struct Desk {
    way: SyncSender<Box<Left>>,
    end: Mutex<Option<Receiver<Box<Left>>>>,
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

impl Default for Desk {
    fn default() -> Desk {
        let (way, end) = sync_channel(limits::TRACES_WAITING);
        Desk { way, end: Mutex::new(Some(end)), bytes: AtomicUsize::new(0), dropped: AtomicU64::new(0) }
    }
}

impl Desk {
    /// Leaves a recording. False where too many wait.
    pub fn leave(&self, left: Left) -> bool {
        let bytes = left.recording.bytes();
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let left = held <= limits::TRACES_CORE_BYTES && self.way.try_send(Box::new(left)).is_ok();
        if !left {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        left
    }

    /// The end where they are taken; whoever comes first has it.
    pub fn end(&self) -> Option<Receiver<Box<Left>>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A recording has been taken and is no longer held; of so many bytes.
    pub fn done(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether all that was left has been taken and is no longer held.
    pub fn is_empty(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == 0
    }

    /// One that was taken could not be kept.
    pub fn lost(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Traces that were given up.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Bytes of a message as they passed. What is in its place stays there: more has another piece.
#[derive(Default)]
struct Raw {
    full: SmallVec<[Piece; 1]>,
    /// Bytes in these.
    before: usize,
    last: Vec<u8>,
    cut: bool,
}

/// A part of a message.
enum Piece {
    Own(Vec<u8>),
    /// The same as this part of the client's body.
    OfBody(Span),
}

impl Raw {
    fn len(&self) -> usize {
        self.before + self.last.len()
    }

    fn room(&self) -> usize {
        self.last.capacity() - self.last.len()
    }

    /// Goes on in another piece.
    fn turn(&mut self, fresh: Vec<u8>) {
        let full = std::mem::replace(&mut self.last, fresh);
        if !full.is_empty() {
            self.before += full.len();
            self.full.push(Piece::Own(full));
        }
    }

    /// Goes on with what the client's body has at `span`.
    fn refer(&mut self, span: Span) {
        self.turn(Vec::new());
        self.before += span.len();
        self.full.push(Piece::OfBody(span));
    }

    /// All of them in one place; `body` is the client's.
    fn whole(self, body: &[u8]) -> Vec<u8> {
        if self.full.is_empty() {
            return self.last;
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in &self.full {
            whole.extend_from_slice(match piece {
                Piece::Own(bytes) => bytes,
                Piece::OfBody(span) => span.of(body),
            });
        }
        whole.extend_from_slice(&self.last);
        whole
    }
}

/// One try as it passes.
#[derive(Default)]
struct Passing {
    begun_us: u64,
    answered_us: Option<u64>,
    request: Raw,
    response: Raw,
}

/// Bytes that all taps of a core hold.
pub type Held = Rc<Cell<usize>>;

/// How much a tap holds, of what all of its core do: the pieces that it has, be they full or not.
struct Share {
    own: usize,
    held: Held,
}

impl Share {
    /// Adds as much as the bounds allow, the first of it to a piece of at least `ahead` bytes. The bounds are looked at
    /// once for each piece: most of what passes are small events.
    #[inline]
    fn add(&mut self, raw: &mut Raw, bytes: &[u8], ahead: usize) {
        if bytes.len() <= raw.room() {
            raw.last.extend_from_slice(bytes);
        } else {
            self.add_beyond(raw, bytes, ahead);
        }
    }

    /// Adds what the piece under way has no room for. What was cut once stays so: there are no holes.
    #[inline(never)]
    fn add_beyond(&mut self, raw: &mut Raw, bytes: &[u8], ahead: usize) {
        let (here, more) = bytes.split_at(raw.room());
        raw.last.extend_from_slice(here);
        let most = limits::TRACE_MESSAGE_BYTES
            .saturating_sub(raw.len())
            .min(limits::TRACE_BYTES_MAX.saturating_sub(self.own))
            .min(limits::TRACES_CORE_BYTES.saturating_sub(self.held.get()));
        // Of a message that goes on, what comes is mostly more than what was there.
        let begins = raw.last.is_empty() && !matches!(raw.full.last(), Some(Piece::Own(_)));
        let size = if begins { ahead } else { (2 * raw.len()).min(limits::TRACE_PIECE_BYTES_MOST) };
        let size = size.max(more.len()).min(if raw.cut { 0 } else { most });
        let taken = more.len().min(size);
        raw.cut |= taken < more.len();
        if taken > 0 {
            let mut fresh = Vec::with_capacity(size);
            fresh.extend_from_slice(&more[..taken]);
            raw.turn(fresh);
            self.own += size;
            self.held.set(self.held.get() + size);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.set(self.held.get().saturating_sub(self.own));
    }
}

/// The recording of one exchange.
pub struct Tap {
    head: Raw,
    body: Raw,
    tries: Vec<Passing>,
    response: Raw,
    presented: Option<Vec<u8>>,
    share: Share,
}

impl Tap {
    /// A tap that counts what it holds in `held`.
    pub fn new(held: &Held) -> Tap {
        Tap {
            head: Raw::default(),
            body: Raw::default(),
            tries: Vec::new(),
            response: Raw::default(),
            presented: None,
            share: Share { own: 0, held: Rc::clone(held) },
        }
    }

    /// The head of the client's request, and the credential in it.
    pub fn client_head(&mut self, head: &[u8], presented: Option<&[u8]>) {
        self.presented = presented.map(<[u8]>::to_vec);
        self.share.add(&mut self.head, head, 0);
    }

    /// The body of the client's request.
    pub fn client_body(&mut self, body: &[u8]) {
        self.share.add(&mut self.body, body, 0);
    }

    /// An attempt begins.
    pub fn begin_try(&mut self, begun_us: u64) {
        if self.tries.len() < limits::TRACE_TRIES_MAX {
            self.tries.push(Passing { begun_us, ..Passing::default() });
        }
    }

    /// Takes the tries of another tap that went beside this one. What comes next belongs to the last of them if that one
    /// `serves`, else to this one's own last.
    pub fn join(&mut self, mut other: Tap, serves: bool) {
        self.share.own += std::mem::take(&mut other.share.own);
        let place = if serves { self.tries.len() } else { self.tries.len().saturating_sub(1) };
        let room = limits::TRACE_TRIES_MAX.saturating_sub(self.tries.len());
        self.tries.splice(place..place, other.tries.drain(..).take(room));
    }

    /// Bytes to an upstream. What of them lies in `body`, the client's as it was recorded, is not recorded twice.
    pub fn upstream_request(&mut self, bytes: &[u8], body: &[u8]) {
        let Some(Passing { request, .. }) = self.tries.last_mut() else { return };
        let is_there = self.body.len() == body.len() && !self.body.cut && !request.cut;
        let fits = request.len() + bytes.len() <= limits::TRACE_MESSAGE_BYTES;
        let is_long = bytes.len() >= limits::TRACE_PIECE_BYTES_LEAST;
        match Span::inside(body, bytes).filter(|_| is_there && fits && is_long) {
            Some(span) => request.refer(span),
            None => self.share.add(request, bytes, self.head.len() + limits::TRACE_HEAD_AHEAD),
        }
    }

    /// Bytes from an upstream.
    #[inline]
    pub fn upstream_response(&mut self, bytes: &[u8], now_us: u64) {
        if let Some(last) = self.tries.last_mut() {
            last.answered_us.get_or_insert(now_us);
            self.share.add(&mut last.response, bytes, limits::TRACE_ANSWER_AHEAD);
        }
    }

    /// Bytes to the client.
    #[inline]
    pub fn client_response(&mut self, bytes: &[u8]) {
        self.share.add(&mut self.response, bytes, limits::TRACE_ANSWER_AHEAD);
    }

    /// What was recorded of the exchange of this id, which began at `start_us`.
    pub fn end(self, id: RequestId, start_us: u64) -> Recording {
        let Tap { head, body, tries, response, presented, share: _share } = self;
        Recording { id, start_us, head, body, tries, response, presented }
    }
}

/// What was recorded of an exchange, as it passed.
pub struct Recording {
    id: RequestId,
    start_us: u64,
    head: Raw,
    body: Raw,
    tries: Vec<Passing>,
    response: Raw,
    presented: Option<Vec<u8>>,
}

impl Recording {
    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let tries: usize = self.tries.iter().map(|one| one.request.len() + one.response.len()).sum();
        self.head.len() + self.body.len() + tries + self.response.len()
    }

    /// The trace that it is, without secrets. Times are from the exchange's beginning.
    pub fn trace(self, mask: &Mask) -> Trace {
        let Recording { id, start_us, head, body, mut tries, response, presented } = self;
        let clean = |message: Message| Message {
            head: mask.head(&message.head, presented.as_deref()),
            body: mask.body(&message.body, presented.as_deref()),
            cut: message.cut,
        };
        let divided = mask.divided(presented.as_deref());
        let kept = |raw: Raw, body: &[u8]| {
            let (cut, mut bytes) = (raw.cut, raw.whole(body));
            if cut {
                bytes.truncate(bytes.len().saturating_sub(divided));
            }
            (bytes, cut)
        };
        let ((head, head_cut), (body, body_cut)) = (kept(head, b""), kept(body, b""));
        let since = |us: u64| us.saturating_sub(start_us);
        tries.sort_by_key(|passed| passed.begun_us);
        let tries = tries.into_iter().map(|passed| Try {
            begun_us: since(passed.begun_us),
            answered_us: passed.answered_us.map(since),
            request: clean(split(kept(passed.request, &body))),
            response: clean(split(kept(passed.response, b""))),
        });
        let tries = tries.collect();
        let request = clean(Message { head, body, cut: head_cut || body_cut });
        Trace { id, request, tries, response: clean(split(kept(response, b""))) }
    }
}

/// A message as it passed, taken apart. Interim answers before it are left out.
fn split((mut bytes, mut cut): (Vec<u8>, bool)) -> Message {
    let mut end = head_end(&bytes);
    while bytes.starts_with(b"HTTP/1.1 1") && end < bytes.len() {
        bytes.drain(..end);
        end = head_end(&bytes);
    }
    let mut body = bytes.split_off(end);
    if is_chunked(&bytes) {
        match chunk::Decoder::new().decode(&mut body) {
            Ok(piece) => {
                body.truncate(piece.data.end);
                body.drain(..piece.data.start);
            }
            // What is no framing is shown as it came.
            Err(_) => cut = true,
        }
    }
    if let Some(codings) = field(&bytes, b"content-encoding").filter(|_| !body.is_empty()) {
        // Coded, a secret would not be found; what cannot be read is not kept.
        let codings = Coding::parse_list(codings).ok();
        let decoded = codings.and_then(|codings| inflate::decode(&codings, &body, limits::TRACE_MESSAGE_BYTES).ok());
        cut |= decoded.is_none();
        body = decoded.unwrap_or_default();
    }
    Message { head: bytes, body, cut }
}

/// The value of a field of a head.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.split(|&byte| byte == b'\n');
    let mut values = lines.filter_map(|line| {
        let (own, value) = line.split_at_checked(name.len())?;
        own.eq_ignore_ascii_case(name).then(|| value.strip_prefix(b":")).flatten()
    });
    values.next().map(<[u8]>::trim_ascii)
}

fn head_end(bytes: &[u8]) -> usize {
    memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4)
}

fn is_chunked(head: &[u8]) -> bool {
    field(head, b"transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap() -> (Tap, Held) {
        let held = Held::default();
        (Tap::new(&held), held)
    }

    #[test]
    fn both_sides_are_recorded_without_framing_and_secrets() {
        let (mut tap, held) = tap();
        tap.client_head(b"POST /v1 HTTP/1.1\r\nauthorization: Bearer client-key\r\n\r\n", Some(b"client-key"));
        tap.client_body(b"{\"user\":\"client-key\"}");
        tap.begin_try(1_500);
        tap.upstream_request(b"POST / HTTP/1.1\r\nx-api-key: upstream-key\r\n\r\n{\"a\"", b"");
        tap.upstream_request(b":1}", b"");
        tap.upstream_response(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            1_900,
        );
        tap.upstream_response(b"lo\r\n0\r\n\r\n", 2_000);
        tap.client_response(b"HTTP/1.1 200 OK\r\n\r\nupstream-key");
        assert!(held.get() > 100);
        let mask = Mask::new(std::iter::once(&b"upstream-key"[..]));
        let recording = tap.end(RequestId::new(1, 0, 0, 7), 1_000);
        assert!(recording.bytes() > 100);
        let trace = recording.trace(&mask);
        assert_eq!(held.get(), 0);
        assert_eq!(trace.request.head, b"POST /v1 HTTP/1.1\r\nauthorization: ***\r\n\r\n");
        assert_eq!(trace.request.body, b"{\"user\":\"***\"}");
        let one = &trace.tries[0];
        assert_eq!((one.begun_us, one.answered_us), (500, Some(900)));
        assert_eq!((&one.request.body[..], one.request.cut), (&b"{\"a\":1}"[..], false));
        assert_eq!(one.response.head, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(one.response.body, b"hello");
        assert_eq!(trace.response.body, b"***");
        let all = format!("{trace:?}");
        assert!(!all.contains("client-key") && !all.contains("upstream-key"));
    }

    #[test]
    fn tries_that_went_beside_each_other_are_told_in_their_order() {
        for (serves, last) in [(true, &b"second!"[..]), (false, b"second")] {
            let (mut first, held) = tap();
            first.begin_try(10);
            first.upstream_request(b"first", b"");
            let mut second = Tap::new(&held);
            second.begin_try(20);
            second.upstream_request(b"second", b"");
            first.join(second, serves);
            assert_eq!(held.get(), 2 * limits::TRACE_HEAD_AHEAD, "nothing is given back twice");
            first.upstream_request(b"!", b"");
            let trace = first.end(RequestId::new(1, 0, 0, 7), 0).trace(&Mask::new(std::iter::empty()));
            assert_eq!(trace.tries.iter().map(|one| one.begun_us).collect::<Vec<_>>(), [10, 20]);
            assert_eq!(trace.tries[1].request.head, last);
            assert_eq!(held.get(), 0);
        }
    }

    #[test]
    fn a_coded_body_is_recorded_plain_and_masked_or_not_at_all() {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"said upstream-key").expect("into memory");
        let coded = encoder.finish().expect("into memory");
        let recorded = |coding: &str, body: &[u8]| {
            let (mut tap, _held) = tap();
            tap.begin_try(1);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n");
            tap.upstream_response(&[head.as_bytes(), body].concat(), 2);
            let mask = Mask::new(std::iter::once(&b"upstream-key"[..]));
            let one = tap.end(RequestId::new(1, 0, 0, 7), 0).trace(&mask).tries.remove(0).response;
            (String::from_utf8_lossy(&one.body).into_owned(), one.cut)
        };
        assert_eq!(recorded("gzip", &coded), ("said ***".to_owned(), false));
        assert_eq!(recorded("identity", b"said upstream-key"), ("said ***".to_owned(), false));
        assert_eq!(recorded("gzip", &coded[..coded.len() - 3]), (String::new(), true));
        assert_eq!(recorded("odd", &coded), (String::new(), true));
        assert_eq!(recorded("gzip", b""), (String::new(), false));
    }

    fn own(raw: &Raw) -> impl Iterator<Item = &Vec<u8>> {
        raw.full.iter().filter_map(|piece| if let Piece::Own(bytes) = piece { Some(bytes) } else { None })
    }

    #[test]
    fn what_goes_on_of_the_clients_body_is_recorded_once() {
        let body: Vec<u8> = (0..9_000_u32).map(|nth| b'a' + (nth % 26) as u8).collect();
        let sent = [b"HEAD\r\n\r\n", &body[..5_000], b"other", &body[5_010..]];
        let recorded = |tap: &mut Tap| {
            tap.begin_try(1);
            sent.iter().for_each(|piece| tap.upstream_request(piece, &body));
        };
        let (mut tap, held) = tap();
        tap.client_body(&body);
        recorded(&mut tap);
        assert!(held.get() < 2 * body.len(), "{} bytes are held", held.get());
        // Where the body is recorded in part, or by another, nothing can be left to it.
        let mut beside = Tap::new(&held);
        recorded(&mut beside);
        tap.join(beside, true);
        let trace = tap.end(RequestId::new(1, 0, 0, 7), 0).trace(&Mask::new(std::iter::empty()));
        assert_eq!(trace.tries.len(), 2);
        trace.tries.iter().for_each(|one| assert_eq!(one.request.body, sent[1..].concat()));
        assert_eq!(trace.request.body, body);
    }

    #[test]
    fn bytes_stay_where_they_are_and_are_whole_in_the_end() {
        let (mut raw, held) = (Raw::default(), Held::default());
        let mut share = Share { own: 0, held };
        let all: Vec<u8> = (0..200_000_u32).map(|nth| nth as u8).collect();
        let mut from = 0;
        let mut first = None;
        for take in (1_usize..).take_while(|take| take * (take + 1) / 2 < all.len()) {
            share.add(&mut raw, &all[from..from + take], 0);
            from += take;
            let start = own(&raw).next().unwrap_or(&raw.last).as_ptr();
            assert_eq!(*first.get_or_insert(start), start);
        }
        assert_eq!(raw.len(), from);
        assert!(own(&raw).all(|piece| piece.len() == piece.capacity()));
        assert_eq!(raw.whole(b""), all[..from]);
    }

    #[test]
    fn bounds_cut_and_say_so() {
        let (mut tap, held) = tap();
        tap.client_body(&vec![b'a'; limits::TRACE_MESSAGE_BYTES]);
        assert!(!tap.body.cut);
        tap.client_body(b"b");
        assert!(tap.body.cut && tap.body.len() == limits::TRACE_MESSAGE_BYTES);
        held.set(limits::TRACES_CORE_BYTES - 1);
        tap.client_response(b"cd");
        assert!(tap.response.cut && tap.response.last == b"c");
        for nth in 0..=limits::TRACE_TRIES_MAX {
            tap.begin_try(nth as u64);
        }
        assert_eq!(tap.tries.len(), limits::TRACE_TRIES_MAX);
    }

    #[test]
    fn a_secret_that_the_bound_divides_is_not_told() {
        let (mut tap, _held) = tap();
        let secret = &b"upstream-key"[..];
        let mut body = vec![b'a'; limits::TRACE_MESSAGE_BYTES - secret.len() + 1];
        body.extend_from_slice(secret);
        tap.client_body(&body);
        let told = tap.end(RequestId::new(1, 0, 0, 7), 0).trace(&Mask::new(std::iter::once(secret))).request;
        assert!(told.cut && told.body.iter().all(|&byte| byte == b'a'));
    }

    #[test]
    fn one_trace_is_bounded_over_all_its_messages() {
        let (mut tap, _held) = tap();
        let message = vec![b'a'; limits::TRACE_MESSAGE_BYTES];
        let messages = limits::TRACE_BYTES_MAX / limits::TRACE_MESSAGE_BYTES;
        tap.client_body(&message[1..]);
        for nth in 1..messages {
            tap.begin_try(nth as u64);
            tap.upstream_request(&message, b"");
        }
        tap.client_response(b"b");
        assert!(!tap.body.cut && !tap.response.cut && tap.tries.iter().all(|one| !one.request.cut));
        assert_eq!(tap.share.own, limits::TRACE_BYTES_MAX);
        tap.client_response(b"c");
        assert!(tap.response.cut && tap.response.last == b"b");
    }

    #[test]
    fn traces_that_nobody_takes_are_given_up_and_counted() {
        let desk = Desk::default();
        let snapshot = Arc::new(crate::config::tests::snapshot(r#"{"providers":{"d":{"protocol":"demo"}}}"#));
        let left = || Left { recording: tap().0.end(RequestId::new(1, 0, 0, 7), 0), snapshot: snapshot.clone() };
        assert!((0..limits::TRACES_WAITING).all(|_| desk.leave(left())));
        assert!(!desk.leave(left()));
        assert_eq!(desk.dropped(), 1);
        let end = desk.end().expect("nobody has it");
        assert!(end.recv().is_ok() && desk.leave(left()), "one was taken");
    }
}
