//! Traces on disk: files that are only appended to, and an index of them in the store.
//!
//! One thread takes recordings from the cores, masks and packs each and appends it to the segment under way; a full one is followed
//! by the next. What is over `traces.bytes_max` or older than `traces.keep_days` goes by whole segments, the oldest
//! first. A trace that cannot be written is given up, said once and counted: nothing waits for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base64::Engine as _;
use serde_json::{Value, json};

use super::store::{Indexed, Message, place};
use super::{socket, unix_ms};
use crate::config::Snapshot;
use crate::limits;
use crate::record::mask::Mask;
use crate::record::tap::{self, Desk, Left, Trace};

/// Folder of segments in the data folder.
const FOLDER: &str = "traces";
/// End of a segment's name; before it stands when it was begun.
const END: &str = ".traces";
/// What a record begins with: it is followed by its length and the place of its exchange.
const MAGIC: [u8; 4] = *b"wtr1";
/// Bytes before what a record holds.
const HEAD_BYTES: usize = 16;

/// The segment under way.
struct Segment {
    number: u64,
    file: File,
    bytes: u64,
}

/// The files.
pub(crate) struct Segments {
    folder: PathBuf,
    current: Option<Segment>,
    index: SyncSender<Message>,
}

/// Traces, as control sees them.
#[derive(Clone)]
pub(crate) struct Traces {
    segments: Arc<Mutex<Segments>>,
    desk: Arc<Desk>,
}

impl Traces {
    /// Begins to write what is left at `desk` below `data_dir`, on a thread of its own.
    pub(crate) fn begin(
        data_dir: &Path,
        desk: Arc<Desk>,
        index: SyncSender<Message>,
        snapshot: Arc<ArcSwap<Snapshot>>,
    ) -> io::Result<Traces> {
        let segments = Segments { folder: data_dir.join(FOLDER), current: None, index };
        let own = Traces { segments: Arc::new(Mutex::new(segments)), desk };
        let begun = own.clone();
        std::thread::Builder::new().name("weir-traces".to_owned()).spawn(move || begun.run(&snapshot))?;
        Ok(own)
    }

    fn run(&self, snapshot: &ArcSwap<Snapshot>) {
        let Some(traces) = self.desk.end() else { return };
        let (mut is_said, mut mask) = (false, None);
        loop {
            let (keep_days, bytes_max) = {
                let given = &snapshot.load().traces;
                (given.keep_days, given.bytes_max)
            };
            match traces.recv_timeout(Duration::from_secs(limits::TRACES_PRUNE_EVERY_S)) {
                Ok(first) => {
                    for left in std::iter::once(first).chain(traces.try_iter()) {
                        match self.take(*left, &mut mask, (keep_days, bytes_max)) {
                            Ok(()) => is_said = false,
                            Err(error) => {
                                self.desk.lost();
                                if !std::mem::replace(&mut is_said, true) {
                                    tracing::error!(%error, "traces cannot be written now; requests go on");
                                }
                            }
                        }
                    }
                    // A core that leaves one has to wake who waits for it, and that is dear.
                    std::thread::sleep(Duration::from_millis(limits::TRACES_GATHER_MS));
                }
                Err(RecvTimeoutError::Timeout) => self.segments().prune(keep_days, bytes_max),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes one. The mask is that of its configuration, which is mostly the one of the trace before.
    fn take(&self, left: Left, mask: &mut Option<(Weak<Snapshot>, Mask)>, keep: (u32, u64)) -> io::Result<()> {
        let (Left { recording, snapshot }, (keep_days, bytes_max)) = (left, keep);
        let bytes = recording.bytes();
        let (_, mask) = match mask {
            Some(known) if std::ptr::eq(known.0.as_ptr(), Arc::as_ptr(&snapshot)) => known,
            other => other.insert((Arc::downgrade(&snapshot), Mask::of(&snapshot))),
        };
        let trace = recording.trace(mask);
        let mut segments = self.segments();
        let written = segments.write(&trace, bytes_max);
        self.desk.done(bytes);
        if written? {
            segments.prune(keep_days, bytes_max);
        }
        Ok(())
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what the cores have left is written, if that does not take too long.
    pub(crate) async fn settle(&self) {
        let deadline = Instant::now() + Duration::from_millis(limits::TRACES_SETTLE_MS);
        while !self.desk.is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Traces that were given up here.
    pub(crate) fn dropped(&self) -> u64 {
        self.desk.dropped()
    }

    /// Writes one as if a core had left it.
    #[cfg(test)]
    pub(crate) fn leave(&self, trace: &Trace) -> bool {
        self.segments().write(trace, u64::MAX).is_ok()
    }

    /// The folder of segments.
    pub(crate) fn folder(&self) -> PathBuf {
        self.segments().folder.clone()
    }

    /// Deletes all of them.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let mut segments = self.segments();
        segments.current = None;
        for (number, _) in segments.list() {
            segments.delete(number)?;
        }
        Ok(())
    }
}

impl Segments {
    /// Appends a trace. Whether a new segment was begun for it.
    fn write(&mut self, trace: &Trace, bytes_max: u64) -> io::Result<bool> {
        let Some((place, _)) = place(trace.id.as_str()) else { return Ok(false) };
        let packed = zstd::bulk::compress(&serde_json::to_vec(&told(trace))?, limits::TRACE_PACK_LEVEL)?;
        let mut record = Vec::with_capacity(HEAD_BYTES + packed.len());
        record.extend_from_slice(&MAGIC);
        record.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        record.extend_from_slice(&place.to_le_bytes());
        record.extend_from_slice(&packed);
        let most = limits::TRACE_SEGMENT_BYTES.min(bytes_max / limits::TRACE_SEGMENTS_LEAST);
        let is_full = self.current.as_ref().is_none_or(|current| current.bytes >= most);
        if is_full {
            self.current = None;
            self.current = Some(self.next()?);
        }
        let Some(current) = &mut self.current else { return Ok(false) };
        let start = current.bytes;
        if let Err(error) = current.file.write_all(&record) {
            // What was written of it is passed over: the next record begins another file.
            self.current = None;
            return Err(error);
        }
        current.bytes += record.len() as u64;
        let indexed = Indexed { place, segment: current.number, start, length: record.len() as u64 };
        // The store is what everybody else waits for; where it is gone, the process ends.
        let _ = self.index.send(Message::Traced(indexed));
        Ok(is_full)
    }

    fn next(&self) -> io::Result<Segment> {
        socket::data_dir(&self.folder)?;
        let last = self.list().last().map_or(0, |(number, _)| *number);
        let number = unix_ms().max(last + 1);
        let path = self.path(number);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Segment { number, file, bytes: 0 })
    }

    fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.folder, number)
    }

    /// Numbers and sizes, the oldest first.
    fn list(&self) -> Vec<(u64, u64)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let found = entries.flatten().filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_suffix(END)?.parse().ok()?;
            Some((number, entry.metadata().ok()?.len()))
        });
        let mut found: Vec<(u64, u64)> = found.collect();
        found.sort_unstable();
        found
    }

    /// Deletes what is too much or too old, but for the segment under way.
    fn prune(&mut self, keep_days: u32, bytes_max: u64) {
        let found = self.list();
        let mut bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
        let oldest = unix_ms().saturating_sub(u64::from(keep_days) * 86_400_000);
        // A segment is as old as its last trace, which came before the next one was begun.
        let ends = found.iter().skip(1).map(|(number, _)| *number).chain(std::iter::once(u64::MAX));
        for ((number, size), end) in found.iter().zip(ends) {
            let is_current = self.current.as_ref().is_some_and(|current| current.number == *number);
            if is_current || (bytes <= bytes_max && end >= oldest) {
                break;
            }
            if let Err(error) = self.delete(*number) {
                tracing::warn!(%error, "traces that are over cannot be deleted");
                break;
            }
            bytes -= size;
        }
    }

    fn delete(&mut self, number: u64) -> io::Result<()> {
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let _ = self.index.send(Message::SegmentGone(number));
        Ok(())
    }
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}{END}"))
}

/// The text of the trace that the index says is there.
pub(crate) fn read(folder: &Path, indexed: &Indexed) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("the trace is not where it should be");
    let length = usize::try_from(indexed.length).map_err(|_| broken())?;
    if !(HEAD_BYTES..=limits::TRACE_JSON_BYTES).contains(&length) {
        return Err(broken());
    }
    let mut file = File::open(segment_path(folder, indexed.segment))?;
    file.seek(SeekFrom::Start(indexed.start))?;
    let mut record = vec![0; length];
    file.read_exact(&mut record)?;
    let (head, packed) = record.split_at(HEAD_BYTES);
    if head[..4] != MAGIC || head[8..] != indexed.place.to_le_bytes() {
        return Err(broken());
    }
    zstd::bulk::decompress(packed, limits::TRACE_JSON_BYTES)
}

/// A trace as it is written and told.
fn told(trace: &Trace) -> Value {
    let tries: Vec<Value> = trace
        .tries
        .iter()
        .map(|one| {
            json!({
                "begun_us": one.begun_us,
                "answered_us": one.answered_us,
                "upstream_request": message(&one.request, false),
                "upstream_response": message(&one.response, true),
            })
        })
        .collect();
    json!({
        "id": trace.id.as_str(),
        "client_request": message(&trace.request, false),
        "attempts": tries,
        "client_response": message(&trace.response, true),
    })
}

fn message(message: &tap::Message, is_answer: bool) -> Value {
    let mut told = serde_json::Map::new();
    if is_answer {
        let status = message.head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        told.insert("status".to_owned(), status.and_then(|digits| digits.parse::<u16>().ok()).into());
    }
    told.insert("head".to_owned(), text(&message.head));
    told.insert("body".to_owned(), text(&message.body));
    told.insert("cut".to_owned(), message.cut.into());
    Value::Object(told)
}

/// Text as text. Where it was cut inside a character, the rest of that is left out; all else goes as base 64.
fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::base::id::RequestId;
    use crate::control::socket::tests::Folder;

    fn filled(folder: &Folder, bytes_max: u64) -> Segments {
        let (index, heard) = sync_channel(1_000);
        let mut segments = Segments { folder: folder.0.join(FOLDER), current: None, index };
        let mut noise = 1_u64;
        for nth in 0..12 {
            // What does not pack, so that each begins a segment of its own.
            let body = (0..bytes_max).map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 56) as u8
            });
            let request = tap::Message { body: body.collect(), ..tap::Message::default() };
            let id = RequestId::new(unix_ms(), 0, 1, nth);
            let trace = Trace { id, request, tries: Vec::new(), response: tap::Message::default() };
            segments.write(&trace, bytes_max).expect("written");
        }
        drop(heard);
        segments
    }

    #[test]
    fn no_more_bytes_are_kept_than_may_be() {
        let folder = Folder::new("traces-bytes");
        let bytes_max = 20_000;
        let mut segments = filled(&folder, bytes_max);
        let before = segments.list();
        segments.prune(7, 4 * bytes_max);
        let left = segments.list();
        assert!(left.len() < before.len() && left[..] == before[before.len() - left.len()..], "the oldest go first");
        assert!(left.iter().map(|(_, bytes)| bytes).sum::<u64>() <= 4 * bytes_max, "{left:?}");
    }

    #[test]
    fn nothing_is_kept_for_longer_than_it_may_be() {
        let folder = Folder::new("traces-days");
        let mut segments = filled(&folder, 2_000);
        let days_ago = |days: u64| unix_ms() - days * 86_400_000;
        let old = [days_ago(9), days_ago(8), days_ago(6)];
        for number in old {
            fs::write(segments.path(number), b"x").expect("written");
        }
        segments.prune(7, u64::MAX);
        // The second goes until six days ago, when the third was begun.
        assert_eq!(segments.list()[..2], [(old[1], 1), (old[2], 1)]);
        segments.prune(5, u64::MAX);
        assert!(segments.list().iter().all(|(number, _)| *number >= old[2]));
    }
}
