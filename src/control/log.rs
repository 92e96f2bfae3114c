//! What weir says on stderr: one line for each exchange, and what control itself has to say.
//!
//! Exchange lines come by the ten thousand a second, so they are written by hand into one buffer, without
//! `core::fmt`, and a drained batch leaves in one write. Everything else goes through `tracing`, in the same
//! format with the same time. Values that a client chose are escaped: no line holds a control character, an
//! end of line, or a character that a terminal would act on.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::names::Names;
use super::stamp::Stamp;
use crate::config::snapshot::{LogFormat as Format, LogLevel as Level};
use crate::record::entry::NEVER_US;
use crate::record::{Entry, Outcome};

/// The level in force, shared by exchange lines and tracing so that a reload moves both.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Sets what is worth a line from now on.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Relaxed);
}

/// What is worth a line now.
pub fn level() -> Level {
    let all = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
    all.into_iter().find(|level| *level as u8 == LEVEL.load(Relaxed)).unwrap_or_default()
}

fn shown(level: Level) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
}

/// Sets up tracing for this process: to stderr, in `format`, from `level` up. A second call changes the level
/// only.
pub fn install(format: Format, level: Level) {
    set_level(level);
    let filter = dynamic_filter_fn(|metadata, _| {
        shown(match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        }) && metadata.target().starts_with("weir")
    });
    let layer = fmt::layer().with_timer(Clock).with_target(false).with_ansi(false).with_writer(io::stderr);
    // An error says that a subscriber is there already: the one of an earlier call.
    let _installed_before = match format {
        Format::Text => tracing_subscriber::registry().with(layer.with_filter(filter)).try_init(),
        Format::Json => tracing_subscriber::registry()
            .with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter))
            .try_init(),
    };
}

/// Lets panics be said here from now on.
pub fn hear_panics() {
    std::panic::set_hook(Box::new(say_panic));
}

/// Says where something panicked. Of its words only such as stand in the program: others may quote what it worked on,
/// and that may be a prompt or a key.
fn say_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "?".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    let words = panic.payload().downcast_ref::<&'static str>();
    let words = words.copied().unwrap_or("what it said is left out, for it may quote a request");
    let trace = Backtrace::capture();
    let trace = (trace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(trace));
    tracing::error!(%place, thread = thread.name(), trace, "panicked: {words}");
}

/// The name of a member as both formats write it.
macro_rules! name {
    ($name:literal) => {
        Name { text: concat!(" ", $name, "="), json: concat!(",\"", $name, "\":") }
    };
}

struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        w.write_str(&super::stamp::moment(super::unix_ms()))
    }
}

/// Writes exchange lines.
pub struct Log {
    format: Format,
    stamp: Stamp,
    lines: Vec<u8>,
    sink: Box<dyn Write + Send>,
}

impl Log {
    /// A log to `sink`, which gets whole lines only.
    pub fn new(format: Format, sink: Box<dyn Write + Send>) -> Log {
        Log { format, stamp: Stamp::new(), lines: Vec::new(), sink }
    }

    /// Adds the line of `entry`, if it is worth one.
    pub fn exchange(&mut self, entry: &Entry, names: &Names) {
        let level = level_of(entry.outcome);
        if shown(level) {
            line(self.format, &mut self.stamp, level, entry, names, &mut self.lines);
        }
    }

    /// Writes what has been added. A log that cannot be written stops nothing.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let _nowhere_to_say_it = self.sink.write_all(&self.lines);
        self.lines.clear();
        self.lines.shrink_to(crate::limits::LOG_BYTES_KEPT);
    }
}

fn level_of(outcome: Outcome) -> Level {
    match outcome {
        Outcome::Ok | Outcome::ClientGone => Level::Info,
        Outcome::ClientError => Level::Warn,
        Outcome::UpstreamError | Outcome::Cut => Level::Error,
    }
}

/// Appends one line. Its time is the exchange's end.
fn line(format: Format, stamp: &mut Stamp, level: Level, entry: &Entry, names: &Names, out: &mut Vec<u8>) {
    let level = match level {
        Level::Off | Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    };
    let time = stamp.of(entry.unix_ms.saturating_add(entry.total_us / 1_000));
    match format {
        Format::Text => {
            out.extend_from_slice(time);
            // Right-aligned, as tracing writes it.
            out.extend_from_slice(&b"      "[..6 - level.len()]);
            out.extend_from_slice(level.as_bytes());
            out.extend_from_slice(b" exchange");
            members::<false>(Line { out }, entry, names);
            out.push(b'\n');
        }
        Format::Json => {
            out.extend_from_slice(b"{\"timestamp\":\"");
            out.extend_from_slice(time);
            out.extend_from_slice(b"\",\"level\":\"");
            out.extend_from_slice(level.as_bytes());
            out.extend_from_slice(b"\",\"message\":\"exchange\"");
            members::<true>(Line { out }, entry, names);
            out.extend_from_slice(b"}\n");
        }
    }
}

fn members<const JSON: bool>(mut line: Line<'_, JSON>, entry: &Entry, names: &Names) {
    line.text(name!("id"), entry.id.as_str());
    line.text(name!("client"), names.client(entry.client));
    line.text(name!("route"), names.route(entry.route));
    line.text(name!("provider"), names.provider(entry.provider));
    line.text(name!("model"), entry.model_sent.as_str());
    if entry.model_asked != entry.model_sent {
        line.text(name!("asked"), entry.model_asked.as_str());
    }
    line.text(name!("key"), names.key(entry.key));
    line.number(name!("status"), u64::from(entry.status));
    line.number(name!("attempts"), u64::from(entry.attempts));
    line.flag(name!("stream"), entry.streamed);
    line.flag(name!("reused"), entry.reused);
    line.number(name!("bytes_in"), entry.request_bytes);
    line.number(name!("bytes_out"), entry.response_bytes);
    if entry.tokens.said {
        line.number(name!("input_tokens"), entry.tokens.input);
        line.number(name!("output_tokens"), entry.tokens.output);
        line.number(name!("cache_read_tokens"), entry.tokens.cache_read);
        line.number(name!("cache_write_tokens"), entry.tokens.cache_write);
        line.number(name!("reasoning_tokens"), entry.tokens.reasoning);
    }
    if entry.cost_nanos > 0 {
        line.number(name!("cost_nanodollars"), entry.cost_nanos);
    }
    line.moment(name!("first_byte_us"), entry.first_byte_us);
    line.moment(name!("first_token_us"), entry.first_token_us);
    line.number(name!("total_us"), entry.total_us);
    line.text(name!("outcome"), entry.outcome.name());
}

/// What stands before a value, in each format.
#[derive(Clone, Copy)]
struct Name {
    text: &'static str,
    json: &'static str,
}

/// The members of one line, compiled for each format so that names are copied as constants. What is empty or
/// never came is left out.
struct Line<'a, const JSON: bool> {
    out: &'a mut Vec<u8>,
}

impl<const JSON: bool> Line<'_, JSON> {
    #[inline(always)]
    fn name(&mut self, name: Name) {
        self.out.extend_from_slice(if JSON { name.json } else { name.text }.as_bytes());
    }

    #[inline(always)]
    fn number(&mut self, name: Name, value: u64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline(always)]
    fn moment(&mut self, name: Name, us: u32) {
        if us != NEVER_US {
            self.number(name, u64::from(us));
        }
    }

    #[inline(always)]
    fn flag(&mut self, name: Name, value: bool) {
        if value {
            self.name(name);
            self.out.extend_from_slice(b"true");
        }
    }

    #[inline(always)]
    fn text(&mut self, name: Name, value: &str) {
        if value.is_empty() {
            return;
        }
        self.name(name);
        // Every byte is looked at: without an early end the loop has no branch to mispredict.
        let plain = value.bytes().fold(true, |plain, byte| plain & PLAIN[usize::from(byte)]);
        match (JSON, plain) {
            (false, true) => self.out.extend_from_slice(value.as_bytes()),
            (true, true) => {
                self.out.push(b'"');
                self.out.extend_from_slice(value.as_bytes());
                self.out.push(b'"');
            }
            (true | false, false) => quote(value, self.out),
        }
    }
}

/// Bytes that need neither quotes nor escapes in either format: visible ASCII but `"`, `\` and `=`.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'"' | b'\\' | b'=');
        byte += 1;
    }
    table
};

/// Appends a JSON string of visible ASCII, letters and digits of any script; all else as `\uXXXX`. That
/// takes in C0 and C1 controls, line and paragraph separators, and the marks that turn the direction of text.
fn quote(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for char in value.chars() {
        match char {
            '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
            ' '..='~' => out.push(char as u8),
            _ if !char.is_ascii() && char.is_alphanumeric() => {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(b"\\u");
                    let digit = |shift: u32| b"0123456789abcdef"[usize::from(*unit >> shift & 15)];
                    out.extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
                }
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
