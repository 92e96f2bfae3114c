//! Bounds on what comes from outside, unit last in the name: a peer, a file or a user can run into each of them, and gets
//! an answer, a refusal or a shorter text.
//!
//! Each is named by a test that stands at the bound and one past it; `tidy` fails where one is not. A bound that the
//! configuration can move has its default here, its least and greatest values beside it. Sizes and periods that nobody can
//! run into are in `sizes`.

mod sizes;

pub use sizes::*;

// Heads and bodies of HTTP.

/// Bytes of a request or response head, default of `limits.head_bytes`.
pub const HEAD_BYTES_MAX: usize = 65_536;
/// Least `limits.head_bytes`: a request target of full length and room for the fields.
pub const HEAD_BYTES_LEAST: usize = 2 * TARGET_BYTES_MAX;
/// Greatest `limits.head_bytes`.
pub const HEAD_BYTES_GREATEST: usize = 1024 * 1024;
/// Field lines in a head.
pub const FIELDS_MAX: usize = 100;
/// Bytes of a request target; longer is 414.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Empty lines before a request line that are ignored (RFC 9112 §2.2); more is 400.
pub const LEADING_LINES_MAX: usize = 2;
/// Members of all `Connection` fields of a head; more is 400. Every field is compared with each of them.
pub const CONNECTION_OPTIONS_MAX: usize = 32;
/// Interim (1xx) responses before a final one.
pub const INTERIM_MAX: u32 = 16;
/// Bytes of a decoded request body, default of `limits.body_bytes`; more is 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Least `limits.body_bytes`.
pub const BODY_BYTES_LEAST: usize = 1024;
/// Bytes of request bodies that one core holds at once; more is 503.
pub const BODY_BYTES_CORE_MAX: usize = 512 * 1024 * 1024;
/// Bytes of a request body that are read only to keep its connection usable after an early answer.
pub const DISCARD_BYTES_MAX: u64 = 65_536;
/// Hexadecimal digits of a chunk size.
pub const CHUNK_DIGITS_MAX: usize = 16;
/// Bytes of all extensions of one chunk line.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// Bytes of a trailer section.
pub const TRAILER_BYTES_MAX: usize = 8_192;
/// Changes between letters of other widths, of one text that may be cited by its bytes; behind more, places are not told.
pub const CITED_RUNS_MAX: usize = 1_024;
/// Bytes of another vendor's citations that wait for the end of their text; more go at once and tell no place.
pub const CITED_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one message of a WebSocket; the bound of a request body holds beside it.
pub const SOCKET_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of conversation that a WebSocket keeps, to go on from; of a longer one the client has to say all again.
pub const SOCKET_KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages of a WebSocket that wait for the answer before them.
pub const SOCKET_WAITING_MAX: usize = 16;
/// Connections of clients, default of `limits.connections`.
pub const CONNECTIONS_MAX: usize = 65_536;
/// Greatest `limits.connections`.
pub const CONNECTIONS_GREATEST: usize = 1_048_576;
/// Bytes of a proxy's answer to CONNECT.
pub const PROXY_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Content codings applied to one body; more is 415.
pub const CODINGS_MAX: usize = 4;
/// Gzip members or zstd frames of one body behind the first; more is 413.
pub const MEMBERS_MAX: usize = 4_096;
/// Base-2 logarithm of the window of a zstd body: 8 MiB, the most that RFC 9659 §3 lets a sender use.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const _: () = assert!(HEAD_BYTES_MAX >= HEAD_BYTES_LEAST && HEAD_BYTES_MAX <= HEAD_BYTES_GREATEST);
const _: () = assert!(BODY_BYTES_CORE_MAX >= BODY_BYTES_MAX);
const _: () = assert!(BODY_BYTES_MAX >= BODY_BYTES_LEAST && CONNECTIONS_MAX <= CONNECTIONS_GREATEST);

// Requests and answers as the protocols say them.

/// Nesting of JSON.
pub const JSON_DEPTH_MAX: usize = 128;
/// Segments of a path that are looked at; a longer path is unknown.
pub const PATH_SEGMENTS_MAX: usize = 24;
/// Bytes of a model name asked for; longer names are known to nobody. Bounds the work of matching wildcards.
pub const MODEL_NAME_BYTES_MAX: usize = 512;
/// Top-level members of a request body, and fields of a form that name its model; more is 400.
pub const REQUEST_MEMBERS_MAX: usize = 1_024;
/// Tools of a request that is translated; more is 400.
pub const REQUEST_TOOLS_MAX: usize = 4_096;
/// Calls of tools in such a request that follow one another before a result; more is 400.
pub const CALLS_WAITING_MAX: usize = 4_096;
/// Bytes of a request's `stream_options`; more is 400.
pub const STREAM_OPTIONS_BYTES_MAX: usize = 4_096;
/// Bytes of the head of a part of a form; more is 400.
pub const PART_HEAD_BYTES_MAX: usize = 8_192;
/// Bytes of one frame of an event stream.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Lines of one frame of an event stream: each is looked at when the frame ends, which takes a millisecond for so many.
pub const FRAME_LINES_MAX: u32 = 65_536;
/// Bytes of an event of a stream that are read as a whole; of a longer one the name and the end are.
pub const FRAME_LOOK_BYTES: usize = 256 * 1024;
/// Bytes of an answer that is not streamed which are held until its end, so that one cut short can be tried elsewhere,
/// and of a stream until it says something.
pub const HOLD_BYTES_MAX: usize = 65_536;
/// The same where the answer is to carry another name of its model; a larger one keeps the upstream's.
pub const RENAMED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an answer that is put together before it goes on, where the client wants it whole; more is 502.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of all that a Responses stream has said, which its last event repeats; more ends it by `response.failed`.
pub const RESPONSES_OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a request's members that a Responses answer repeats; a member that would go beyond is not repeated.
pub const RESPONSES_ECHO_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a response's id that is kept for an error event; a longer one counts as none.
pub const RESPONSE_ID_BYTES_MAX: usize = 63;
/// Bytes of parts that wait until the part before them is whole, where a dialect tells parts one after another.
pub const ORDER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Parts that wait so.
pub const ORDER_PARTS_MAX: usize = 128;
/// Bytes of a call's input that is kept until it is whole, where a dialect tells calls whole; more fails the answer.
pub const CALL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of the thoughts that the signature of a call carries where a client keeps nothing else; of more none are.
pub const CARRIED_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the probabilities of tokens that are kept until a translated answer ends; of more none are told.
pub const LOGPROBS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Places inside each other of a JSON Schema that is made fit for a vendor; deeper ones are objects of any kind.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// Bytes of such a schema, its references inlined.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Objects that say something of one place in it.
pub const SCHEMA_SOURCES_MAX: usize = 64;
/// Places inside each other of a schema in a form that is made fit for Anthropic; deeper ones are taken as they are.
pub const OWN_SCHEMA_DEPTH_MAX: usize = 64;
/// Bytes that are looked at for all schemas of a request, each as often as it is looked at.
pub const SCHEMA_WORK_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of an upstream's words that an error of another dialect repeats.
pub const ERROR_QUOTED_BYTES: usize = 512;
/// Bytes of a caller's own text that an error message repeats.
pub const NAME_SHOWN_BYTES: usize = 128;
/// Members of a request that a translation did not say and the answer's head names; the rest is not named.
pub const DROPPED_MEMBERS_MAX: usize = 32;
/// Bytes of the name of one of them; longer names are cut.
pub const DROPPED_MEMBER_BYTES_MAX: usize = 64;
/// Containers in containers of a request in which texts are looked for: results of tools in messages are five deep.
pub const TEXT_DEPTH_MAX: u32 = 16;
/// Bytes of the question that a demo answer repeats.
pub const DEMO_ECHO_BYTES_MAX: usize = 1_024;
/// Tools that a demo answer calls at most.
pub const DEMO_CALLS_MAX: usize = 8;
/// Places inside each other of a value that the demo provider makes up; what lies deeper is null.
pub const DEMO_DEPTH_MAX: usize = 16;
/// Bytes of schemas that are looked at for such a value, each as often as it is; what comes later is null.
pub const DEMO_WORK_BYTES_MAX: usize = 1024 * 1024;
/// Words of a long demo answer, where no number is named, and the most.
pub const DEMO_WORDS: usize = 1_000;
/// See above.
pub const DEMO_WORDS_MAX: usize = 100_000;
/// Milliseconds between the events of a slow demo answer, where no number is named, and the most.
pub const DEMO_PAUSE_MS: u64 = 250;
/// See above.
pub const DEMO_PAUSE_MS_MAX: u64 = 60_000;
const _: () = assert!(FRAME_LOOK_BYTES >= TAIL_BYTES && FRAME_BYTES_MAX >= FRAME_LOOK_BYTES);

// The configuration; indexes have 16 bits, and the last value means "none".

/// Bytes of a configuration file.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a body on the admin address that may hold one: escaped, a byte of text takes up to six.
pub const CONFIG_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Providers, routes and clients of a file, each; keys over all providers; models of one provider; entries of one map.
pub const CONFIG_ENTRIES_MAX: usize = u16::MAX as usize - 1;
/// Earlier texts of the configuration that are kept.
pub const CONFIG_BACKUPS_MAX: usize = 10;
/// Steps of the path of a member that the admin API edits.
pub const EDIT_PATH_STEPS_MAX: usize = 32;
/// Bytes of the path of a Unix socket (`sun_path` of Linux without its final zero).
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Least `probes.every_s` but 0.
pub const PROBES_EVERY_S_LEAST: u32 = 60;
/// Addresses of one host that are tried.
pub const ADDRESSES_PER_HOST_MAX: usize = 8;

// Health of keys, and pace of targets.

/// Greatest `cooldown.failures`.
pub const COOLDOWN_FAILURES_GREATEST: u32 = 1_000;
/// Longest rest of what could not be reached, milliseconds: a provider that is back serves within 3 s.
pub const UNREACHABLE_REST_MS: u32 = 1_000;
/// Bytes of a file in which health or use is kept for the next process; a larger one counts as none.
pub const KEPT_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pairs of a key and a model whose troubles are remembered at once: 256 KiB.
pub const BOARD_ROWS: usize = 4_096;
/// Bytes of a model's name that such a row shows; longer names are cut.
pub const BOARD_NAME_BYTES: usize = 40;
/// Targets whose speed is known at once; a power of two.
pub const PACE_SLOTS: usize = 4_096;

// What is told to control.

/// Bytes of a model's name in a row from a core to control; longer names are cut.
pub const ENTRY_MODEL_BYTES: usize = 56;
/// Bytes of what an attempt came to in words.
pub const ATTEMPT_WHY_BYTES: usize = 96;
/// Bytes of the names of members that a translation did not say.
pub const DROPPED_BYTES: usize = 160;
/// Rows that wait for control, per core: 2 MiB.
pub const RECORD_SLOTS: usize = 8_192;
/// Different totals that a core keeps while its ring is full; beyond it models are summed as one.
pub const OVERFLOW_KEYS_MAX: usize = 1_024;
/// Providers with latency histograms of their own; the rest share one set.
pub const WAIT_PROVIDERS_MAX: usize = 256;
/// Keys of which the last failure is remembered.
pub const TROUBLE_KEYS_MAX: usize = 4_096;
/// Snapshots whose names control remembers, to read entries that began before a reload.
pub const GENERATIONS_KEPT: usize = 64;
/// Exchanges that `GET /api/requests` can list.
pub const RECENT_EXCHANGES: usize = 1_000;
/// Totals that control keeps, one for each (day, client, provider, key, model); beyond it models are summed as
/// one.
pub const USAGE_ROWS_MAX: usize = 65_536;
/// Spans that wait to be sent; beyond it they are given up.
pub const OTLP_SPANS_WAITING: usize = 8_192;

// The store.

/// Rows that wait for the way to be free; beyond it they are given up and their numbers kept.
pub const STORE_ROWS_WAITING: usize = 16_384;
/// Rows that the writer holds while it cannot write.
pub const STORE_ROWS_HELD: usize = 16_384;
/// Sums that are held while they cannot be written, before they are made coarser.
pub const STORE_SUMS_HELD: usize = 8_192;
/// Damaged files that are kept beside the new one.
pub const STORE_ASIDE_MAX: usize = 3;
/// Days that sums by minute are kept.
pub const STORE_MINUTES_DAYS: u32 = 3;
/// Days that sums by hour are kept.
pub const STORE_HOURS_DAYS: u32 = 92;
/// Exchanges that one page of `/api/requests` holds at most.
pub const PAGE_ROWS_MAX: usize = 1_000;

// Traces.

/// Bytes of one message of a trace.
pub const TRACE_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one trace.
pub const TRACE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes that the traces under way on one core may hold.
pub const TRACES_CORE_BYTES: usize = 64 * 1024 * 1024;
/// Attempts that a trace shows.
pub const TRACE_TRIES_MAX: usize = 16;
/// Traces on their way from the cores to their file; beyond it they are given up.
pub const TRACES_WAITING: usize = 256;
/// Bytes of traces that one answer holds, and one trace more.
pub const TRACES_EXPORT_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of the shortest secret that is looked for in what is recorded: shorter ones would be found everywhere.
pub const SECRET_BYTES_LEAST: usize = 6;

// The admin address, and what control asks of others.

/// Connections to the admin address.
pub const ADMIN_CONNECTIONS_MAX: usize = 256;
/// Bytes of a request body on the admin address.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Sessions of the web UI that are open at once; the oldest gives way.
pub const ADMIN_SESSIONS_MAX: usize = 64;
/// How long such a session lives.
pub const ADMIN_SESSION_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Wrong passwords from one address that cost nothing.
pub const LOGIN_FAILURES_FREE: u32 = 10;
/// How long the next has to wait after those; twice as long after each more.
pub const LOGIN_PAUSE_MS: u64 = 1_000;
/// The longest such wait.
pub const LOGIN_LOCK_MS: u64 = 15 * 60_000;
/// Addresses whose wrong passwords are counted one by one.
pub const LOGIN_ADDRESSES_MAX: usize = 4_096;
/// Who follows what happens at once.
pub const EVENT_READERS_MAX: usize = 16;
/// Events that wait for one of them.
pub const EVENTS_WAITING_MAX: usize = 256;
/// Exchanges that are told one by one at a look: 200 a second.
pub const EVENTS_A_LOOK_MAX: u64 = 50;
/// Bytes of what the running process answers to `weir reload` and `weir status`; more is an error.
pub const CONTROL_ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a provider's answer to a request of control's own; more is an error.
pub const CALL_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
