//! Every bound of the program, unit last in the name. A limit that the configuration can move has its
//! default here; its least and greatest values stand beside it where they matter.

/// Bytes of one read buffer: a TLS record of plaintext (RFC 8446 §5.1).
pub const SLAB_BYTES: usize = 16 * 1024;
/// Bytes of the first read of a request: what agents send of one mostly comes with one call then, and stays in place.
pub const WIDE_BYTES: usize = 64 * 1024;
/// Bytes of the buffer in which a small request waits for its answer.
pub const SMALL_BYTES: usize = 4 * 1024;
/// Wide buffers that a core keeps; they are lent while a request of more than a slab is under way.
pub const WIDE_FREE_MAX: usize = 16;
/// Bytes of a request or response head, default of `limits.head_bytes`.
pub const HEAD_BYTES_MAX: usize = 65_536;
/// Field lines in a head.
pub const FIELDS_MAX: usize = 100;
/// Bytes of a request target; longer is 414.
pub const TARGET_BYTES_MAX: usize = 8_192;
/// Bytes of a decoded request body, default of `limits.body_bytes`; more is 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of request bodies that one core holds at once; more is 503.
pub const BODY_BYTES_CORE_MAX: usize = 512 * 1024 * 1024;
/// Bytes of one frame of an event stream.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Nesting of JSON.
pub const JSON_DEPTH_MAX: usize = 128;
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
/// How long a WebSocket may be silent between two answers.
pub const SOCKET_IDLE_MS: u32 = 15 * 60 * 1_000;
/// Connections of clients, default of `limits.connections`.
pub const CONNECTIONS_MAX: usize = 65_536;

// http and codec
/// Empty lines before a request line that are ignored (RFC 9112 §2.2); more is 400.
pub const LEADING_LINES_MAX: usize = 2;
/// Members of all `Connection` fields of a head; more is 400. Every field is compared with each of them.
pub const CONNECTION_OPTIONS_MAX: usize = 32;
/// Content codings applied to one body; more is 415.
pub const CODINGS_MAX: usize = 4;
/// Gzip members or zstd frames of one body behind the first; more is 413.
pub const MEMBERS_MAX: usize = 4_096;
/// Bytes read and bytes made by one step of decoding a content coding: what a core does before it looks up.
pub const INFLATE_STEP_BYTES: usize = 64 * 1024;
/// Base-2 logarithm of the window of a zstd body: 8 MiB, the most that RFC 9659 §3 lets a sender use.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

// Configuration: ranges of members, and what indexes of 16 bits can name (the last value means "none").

/// Least `limits.body_bytes`.
pub const BODY_BYTES_LEAST: usize = 1024;
/// Least `limits.head_bytes`: a request target of full length and room for the fields.
pub const HEAD_BYTES_LEAST: usize = 2 * TARGET_BYTES_MAX;
/// Greatest `limits.head_bytes`.
pub const HEAD_BYTES_GREATEST: usize = 1024 * 1024;
/// Greatest `limits.connections`.
pub const CONNECTIONS_GREATEST: usize = 1_048_576;
/// Providers, routes and clients of a file, each; keys over all providers; models of one provider; entries of one map.
pub const CONFIG_ENTRIES_MAX: usize = u16::MAX as usize - 1;
/// Bytes of a model name asked for; longer names are known to nobody. Bounds the work of matching wildcards.
pub const MODEL_NAME_BYTES_MAX: usize = 512;
/// Bytes of the path of a Unix socket (`sun_path` of Linux without its final zero).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

const _: () = assert!(HEAD_BYTES_MAX >= HEAD_BYTES_LEAST && HEAD_BYTES_MAX <= HEAD_BYTES_GREATEST);
const _: () = assert!(BODY_BYTES_MAX >= BODY_BYTES_LEAST && CONNECTIONS_MAX <= CONNECTIONS_GREATEST);
// sse and protocol
/// Bytes of a buffer for frames that cross reads which a stream keeps between two of them.
pub const CARRY_KEEP_BYTES: usize = 4_096;
/// Segments of a path that are looked at; a longer path is unknown.
pub const PATH_SEGMENTS_MAX: usize = 24;
/// Bytes of the question that a demo answer repeats.
pub const DEMO_ECHO_BYTES_MAX: usize = 1_024;
/// Tools that a demo answer calls at most.
pub const DEMO_CALLS_MAX: usize = 8;
/// Words of a long demo answer, where no number is named, and the most.
pub const DEMO_WORDS: usize = 1_000;
/// See above.
pub const DEMO_WORDS_MAX: usize = 100_000;
/// Milliseconds between the events of a slow demo answer, where no number is named, and the most.
pub const DEMO_PAUSE_MS: u64 = 250;
/// See above.
pub const DEMO_PAUSE_MS_MAX: u64 = 60_000;
/// Bytes of all that a Responses stream has said, which its last event repeats; more ends it by `response.failed`.
pub const RESPONSES_OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of an answer that is put together before it goes on, where the client wants it whole; more is 502.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of text that count as a token where a guess has to do.
pub const TOKEN_BYTES_ABOUT: u64 = 4;
/// Tokens that count for an image where a guess has to do.
pub const IMAGE_TOKENS_ABOUT: u64 = 1_600;
/// Bytes of a request's members that a Responses answer repeats; a member that would go beyond is not repeated.
pub const RESPONSES_ECHO_BYTES_MAX: usize = 4 * 1024;
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
/// Bytes that are looked at for all schemas of a request, each as often as it is looked at.
pub const SCHEMA_WORK_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a response's id that is kept for an error event; a longer one counts as none.
pub const RESPONSE_ID_BYTES_MAX: usize = 63;

const _: () = assert!(HEAD_BYTES_MAX >= TARGET_BYTES_MAX && BODY_BYTES_CORE_MAX >= BODY_BYTES_MAX);
/// Submission entries of a core's ring.
pub const RING_ENTRIES: u32 = 4_096;
/// Completion entries of a core's ring.
pub const RING_COMPLETIONS: u32 = 16_384;
/// Events that one turn of an epoll core takes.
pub const EPOLL_EVENTS: u32 = 1_024;
/// Bytes that the kernel takes for a client beyond what its window has room for. Without a bound it would take megabytes
/// for each client that does not read, and the upstream would not be held back before.
pub const SEND_BYTES_UNSENT_MAX: u32 = 64 * 1024;
/// Connections that wait to be accepted.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// Tries to bind an address that is in use, and the pause between them: two cores need a moment to leave one.
pub const BIND_TRIES_MAX: u32 = 10;
/// See `BIND_TRIES_MAX`, milliseconds.
pub const BIND_PAUSE_MS: u64 = 20;
/// Grain of all deadlines, milliseconds.
pub const TICK_MS: u64 = 50;
/// Ticks between two looks at idle lanes.
pub const TICKS_PER_TRIM: u64 = 20;
/// Pause of an accept loop after an error, milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 50;
/// Free read buffers that a core keeps.
pub const SLABS_FREE_MAX: usize = 64;
/// Free scratch tables that a core keeps.
pub const SCRATCH_FREE_MAX: usize = 64;
/// Idle upstream connections for each authority and core.
pub const LANES_IDLE_MAX: usize = 1_024;
/// Idle time of an upstream connection, milliseconds: just under the usual 60 s of load balancers.
pub const LANE_IDLE_MS_MAX: u64 = 55_000;
/// Bytes of an answer that is not streamed which are held until its end, so that one cut short can be tried elsewhere,
/// and of a stream until it says something.
pub const HOLD_BYTES_MAX: usize = 65_536;
/// The same where the answer is to carry another name of its model; a larger one keeps the upstream's.
pub const RENAMED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long the end of an upstream's message is waited for when its stream has said all, milliseconds.
pub const DRAIN_LANE_MS: u32 = 50;
/// Bytes of it that are read meanwhile.
pub const DRAIN_BYTES_MAX: usize = 4_096;
/// How long a stream that has begun is waited for with a slab at hand, milliseconds; one that says nothing for longer is
/// held in a buffer of its size.
pub const THINK_MS: u64 = 100;
/// Interim (1xx) responses before a final one.
pub const INTERIM_MAX: u32 = 16;
/// Bytes of a request body that are read only to keep its connection usable after an early answer.
pub const DISCARD_BYTES_MAX: u64 = 65_536;
/// Time given to a client to read a last answer before its connection is closed, milliseconds.
pub const LINGER_MS: u32 = 1_000;
/// Time that an idle connection stays open once its core drains, milliseconds: a request that is under way meanwhile
/// is served, and its answer says that the connection ends.
pub const DRAIN_IDLE_MS: u64 = 1_000;
/// Commands of control that a core has not read.
pub const COMMANDS_MAX: usize = 256;
/// Bytes of a large body that are waited for at once, so that its reader is not woken for each segment.
pub const LOW_WATER_BYTES: usize = 64 * 1024;
/// Bytes at the end of a large answer in which its usage is looked for.
pub const TAIL_BYTES: usize = 8 * 1024;
/// Bytes of an upstream's words that an error of another dialect repeats.
pub const ERROR_QUOTED_BYTES: usize = 512;
/// Bytes of a caller's own text that an error message repeats.
pub const NAME_SHOWN_BYTES: usize = 128;

// What is told to control.

/// Bytes of one row in the ring from a core to control.
pub const ENTRY_BYTES_MAX: usize = 256;
/// Bytes of a model's name in such a row; longer names are cut.
pub const ENTRY_MODEL_BYTES: usize = 56;
/// Bytes of what an attempt came to in words.
pub const ATTEMPT_WHY_BYTES: usize = 96;
/// Bytes of the names of members that a translation did not say.
pub const DROPPED_BYTES: usize = 160;
/// Rows that wait for control, per core: 2 MiB.
pub const RECORD_SLOTS: usize = 8_192;
/// Different totals that a core keeps while its ring is full; beyond it models are summed as one.
pub const OVERFLOW_KEYS_MAX: usize = 1_024;
/// The name of the models that are summed as one.
pub const OTHER_MODELS: &str = "(other)";
/// Buckets of a latency histogram: up to 64 us, then each twice as much, up to 537 s, then the rest.
pub const LATENCY_BUCKETS: usize = 25;
/// Steps of the path of a member that the admin API edits.
pub const EDIT_PATH_STEPS_MAX: usize = 32;
/// Providers with latency histograms of their own; the rest share one set.
pub const WAIT_PROVIDERS_MAX: usize = 256;
/// Keys of which the last failure is remembered.
pub const TROUBLE_KEYS_MAX: usize = 4_096;
/// Snapshots whose names control remembers, to read entries that began before a reload.
pub const GENERATIONS_KEPT: usize = 64;
/// Bytes of the log's buffer that are kept between batches.
pub const LOG_BYTES_KEPT: usize = 256 * 1024;
/// Exchanges that `GET /api/requests` can list.
pub const RECENT_EXCHANGES: usize = 1_000;
/// Totals that control keeps, one for each (day, client, provider, key, model); beyond it models are summed as
/// one.
pub const USAGE_ROWS_MAX: usize = 65_536;

// The store.

/// How long rows wait for others to be written with them, milliseconds: what a killed process forgets.
pub const STORE_EVERY_MS: u64 = 500;
/// Rows that are handed to the writer at once before that.
pub const STORE_BATCH_ROWS: usize = 4_096;
/// Batches on their way to the writer.
pub const STORE_BATCHES_WAITING: usize = 2;
/// Rows that lie in one pack of the file: some 25 KB, which is what a trickle of exchanges writes anew each time.
pub const PACK_ROWS: usize = 512;
/// Rows that wait for the way to be free; beyond it they are given up and their numbers kept.
pub const STORE_ROWS_WAITING: usize = 16_384;
/// Rows that the writer holds while it cannot write.
pub const STORE_ROWS_HELD: usize = 16_384;
/// Sums that are held while they cannot be written, before they are made coarser.
pub const STORE_SUMS_HELD: usize = 8_192;
/// Names whose numbers the writer remembers.
pub const STORE_NAMES_KNOWN: usize = 16_384;
/// Between two tries to write, and two looks at whether the file is still there.
pub const STORE_RETRY_MS: u64 = 1_000;
/// How long a question waits for what has ended to be written.
pub const STORE_FLUSH_MS_MAX: u64 = 5_000;
/// How long the file is waited for while another process writes.
pub const STORE_BUSY_MS: u64 = 1_000;
/// Between two rounds over what is old, seconds.
pub const STORE_RETAIN_EVERY_S: u64 = 600;
/// Rows of a table that are deleted at once.
pub const STORE_RETAIN_ROWS: u64 = 2_000;
/// Free pages of the file, and more than half of it, that are given back: 64 MB.
pub const STORE_FREE_PAGES: u64 = 16_384;
/// Damaged files that are kept beside the new one.
pub const STORE_ASIDE_MAX: usize = 3;
/// Days that sums by minute are kept.
pub const STORE_MINUTES_DAYS: u32 = 3;
/// Days that sums by hour are kept.
pub const STORE_HOURS_DAYS: u32 = 92;
/// Exchanges that one page of `/api/requests` holds at most.
pub const PAGE_ROWS_MAX: usize = 1_000;
/// Names that hold the words looked for, up to which packs are told apart by them.
pub const PAGE_NAMES_LOOKED: usize = 64;
/// How long rows are looked at for one page, milliseconds. The page says where to go on.
pub const PAGE_MS_MAX: u64 = 100;

// Spans.

/// Spans that wait to be sent; beyond it they are given up.
pub const OTLP_SPANS_WAITING: usize = 4_096;
/// Spans that one request brings.
pub const OTLP_SPANS_AT_ONCE: usize = 512;
/// Between two sendings, milliseconds.
pub const OTLP_EVERY_MS: u64 = 2_000;

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
pub const TRACES_WAITING: usize = 64;
/// Secrets shorter than this are not looked for: they would be found everywhere.
pub const SECRET_BYTES_LEAST: usize = 6;
/// How hard a trace is packed.
pub const TRACE_PACK_LEVEL: i32 = 1;
/// Bytes of one file of traces.
pub const TRACE_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// In so many files at least what `traces.bytes_max` allows is divided, for they are deleted as a whole.
pub const TRACE_SEGMENTS_LEAST: u64 = 8;
/// Bytes of a trace as JSON: bytes that are no text take six each at worst.
pub const TRACE_JSON_BYTES: usize = 64 * 1024 * 1024;
/// Between two looks at whether traces are too many or too old, seconds.
pub const TRACES_PRUNE_EVERY_S: u64 = 60;
/// How long a question waits for traces that are on their way to their file, milliseconds.
pub const TRACES_SETTLE_MS: u64 = 2_000;
/// How long traces are searched for words at once, milliseconds.
pub const TRACES_SEARCH_MS: u64 = 1_000;
/// Bytes of traces that one answer holds, and one trace more.
pub const TRACES_EXPORT_BYTES: usize = 32 * 1024 * 1024;

const _: () = assert!(TRACE_JSON_BYTES > 6 * TRACE_BYTES_MAX);

// The admin address.

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
/// Bytes of a request body on the admin address.
pub const ADMIN_BODY_BYTES_MAX: usize = 64 * 1024;
/// Who follows what happens at once.
pub const EVENT_READERS_MAX: usize = 16;
/// Events that wait for one of them.
pub const EVENTS_WAITING_MAX: usize = 256;
/// Between two looks at what has happened; a part of a second.
pub const EVENTS_EVERY_MS: u64 = 250;
/// Exchanges that are told one by one at a look: 200 a second.
pub const EVENTS_A_LOOK_MAX: u64 = 50;
const _: () = assert!(1_000 % EVENTS_EVERY_MS == 0 && EVENTS_A_LOOK_MAX * 1_000 / EVENTS_EVERY_MS == 200);
/// Bytes of a configuration file.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a body that may hold one: escaped, a byte of text takes up to six.
pub const CONFIG_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Earlier texts of the configuration that are kept.
pub const CONFIG_BACKUPS_MAX: usize = 10;
/// One question to the system's resolver.
pub const RESOLVE_MS_MAX: u64 = 5_000;
/// Between two resolutions of all hosts.
pub const RESOLVE_EVERY_MS: u64 = 30_000;
/// How long a reload waits for hosts before the new file takes effect without them.
pub const RESOLVE_RELOAD_MS_MAX: u64 = 2_000;
/// Threads that wait for the system's resolver.
pub const RESOLVE_THREADS_MAX: usize = 8;
/// Addresses of one host that are tried.
pub const ADDRESSES_PER_HOST_MAX: usize = 8;
/// Between two looks at the configuration file.
pub const WATCH_EVERY_MS: u64 = 500;
/// How long a question on the admin address waits for the cores to hand over what has ended.
pub const SETTLE_MS_MAX: u64 = 100;
/// How long a core may stand still before it counts as stalled. A core turns every `TICK_MS`.
pub const CORE_STALL_MS: u64 = 5_000;
/// Between two looks at the cores.
pub const CORE_LOOK_MS: u64 = 500;
/// Between two times that freed memory is given back to the system.
pub const MEMORY_BACK_EVERY_MS: u64 = 1_000;
/// After the start, when pages of the program that only the start has touched are let go.
pub const START_PAGES_MS: u64 = 1_000;
/// How long the cores may take to begin.
pub const CORE_START_MS_MAX: u64 = 10_000;
/// How long a successor may take until it serves.
pub const SUCCESSOR_MS_MAX: u64 = 60_000;
/// Connections to the admin address.
pub const ADMIN_CONNECTIONS_MAX: usize = 256;
/// A request head on the admin address.
pub const ADMIN_HEAD_MS_MAX: u64 = 10_000;
/// How long what is under way on the admin address has when its process ends, and how long of it a connection that has
/// asked nothing yet.
pub const ADMIN_LEAVE_MS_MAX: u64 = 5_000;
/// See above.
pub const ADMIN_FIRST_MS_MAX: u64 = 1_000;
/// How long connections are still taken after a successor has begun to take them.
pub const ADMIN_LAST_ACCEPT_MS: u64 = 5;
/// After an accept on the admin address that failed.
pub const ADMIN_ACCEPT_PAUSE_MS: u64 = 100;
/// How long `weir reload` and `weir status` wait for the running process.
pub const CONTROL_ANSWER_MS_MAX: u64 = 30_000;
/// Bytes of its answer.
pub const CONTROL_ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// One connection or one read of `weir doctor`.
pub const DOCTOR_MS_MAX: u64 = 10_000;
/// One request of control's own to a provider.
pub const PROBE_CALL_MS_MAX: u64 = 20_000;
/// Bytes of its answer.
pub const CALL_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Probes under way at once: fewer than threads that wait, for names have to be resolved meanwhile.
pub const PROBES_AT_ONCE: usize = 4;
/// Between two looks at whether probes have been asked for by the file, seconds.
pub const PROBES_LOOK_S: u64 = 5;
/// Least `probes.every_s` but 0.
pub const PROBES_EVERY_S_LEAST: u32 = 60;
/// Bytes of a body that are copied behind their head rather than sent as a slice of their own.
pub const COPIED_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a stream's beginning that are looked at before it is passed on, at a time.
pub const PEEK_BYTES: usize = 1_024;
/// Bytes of the state of one translated stream beside that, before it holds anything.
pub const TURNED_BYTES_MAX: usize = 1_536;
/// Bytes of the state of one session, its current exchange included.
pub const SESSION_BYTES_MAX: usize = 4_096;

// Health of keys.

/// Greatest `cooldown.failures`.
pub const COOLDOWN_FAILURES_GREATEST: u32 = 1_000;
/// How long a probe keeps others away if it never says how it went, milliseconds: longer than an attempt lasts.
pub const PROBE_MS_MAX: u64 = 1_800_000;
/// Between two looks of a request that waits for the outcome of another's probe, milliseconds.
pub const PROBE_LOOK_MS: u64 = 1_000;
/// Longest rest of what could not be reached, milliseconds: a provider that is back serves within 3 s.
pub const UNREACHABLE_REST_MS: u32 = 1_000;
/// Between two looks at whether the file of what rests is up to date, milliseconds: what a killed process forgets.
pub const HEALTH_KEEP_EVERY_MS: u64 = 1_000;
/// Of these looks, so many go by until what clients have used is written down too.
pub const METERS_KEEP_LOOKS: u64 = 5;
/// Bytes of such a file.
pub const KEPT_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Pairs of a key and a model whose troubles are remembered at once: 256 KiB.
pub const BOARD_ROWS: usize = 4_096;
/// Rows among which a pair has its place.
pub const BOARD_WINDOW: usize = 8;
/// Bytes of a model's name that such a row shows.
pub const BOARD_NAME_BYTES: usize = 40;
// TLS.

/// Bytes of plain text that are encrypted before what they became has been sent: one record.
pub const TLS_SEND_BYTES_MAX: usize = 16 * 1024;
/// Sessions with different names that a core keeps for resumption, for each way to verify them.
pub const TLS_SESSIONS_KEPT: usize = 64;
/// Between the beginnings of two connections to addresses of one host, milliseconds (RFC 8305 §5).
pub const DIAL_APART_MS: u64 = 250;
/// Bytes of a proxy's answer to CONNECT.
pub const PROXY_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Bytes of it that are read at once.
pub const PROXY_READ_BYTES: usize = 1_024;
/// Connect failures are looked at so often, and make control resolve all hosts anew.
pub const RESOLVE_AFTER_FAILURE_MS: u64 = 1_000;
/// Bytes of cipher text that are read at once, by how much room there is for what it says.
pub const TLS_READ_BYTES: [usize; 3] = [4 * 1024, 16 * 1024 + TLS_OVERHEAD_BYTES, 64 * 1024];
/// Bytes that a record of cipher text has beyond its plain text, and some of the next one's.
pub const TLS_OVERHEAD_BYTES: usize = 256;

// Plan.

/// Targets whose speed is known at once; a power of two.
pub const PACE_SLOTS: usize = 4_096;
/// Places of that table that are looked at for one target.
pub const PACE_PROBES: usize = 16;
/// Under `fastest` one request in so many goes to the target measured longest ago.
pub const PACE_TRIAL_EVERY: u32 = 20;
/// Conversations whose keys are known at once: 256 KiB; a power of two.
pub const BINDINGS: usize = 32_768;
/// Turns of keys that rest which are passed over before a lot decides among the others.
pub const POOL_SKIPS_MAX: u32 = 16;
/// Keys of a tier that are kept in the order of their speed, and in that of when it was measured.
pub const POOL_FRONT: usize = 32;
/// Picks for which the order of a tier's keys counts at least, before all of them are looked at again; of a large tier
/// as many as a quarter of its keys.
pub const POOL_LOOK_EVERY: u32 = 16;
/// Among more keys than these not all are looked at for the one with the fewest requests under way.
pub const POOL_LOOKS_AT_ALL: u32 = 64;
/// Between two looks of a request that waits for a key and is among the first, milliseconds.
pub const LINE_LOOK_MS: u64 = 5;
/// Of those that wait for a key, so many count as the first.
pub const LINE_FRONT: usize = 8;
/// Between two looks of the others, milliseconds.
pub const LINE_LOOK_BEHIND_MS: u64 = 50;
/// Bytes of text that are counted into tokens before other sessions get their turn: about 2 ms.
pub const COUNT_STEP_BYTES: usize = 16 * 1024;
/// How long a request waits for the table of tokens, and between two looks at it.
pub const TOKENS_LOAD_MS_MAX: u64 = 5_000;
/// See `TOKENS_LOAD_MS_MAX`.
pub const TOKENS_LOAD_PAUSE_MS: u64 = 2;
/// Waits of one session that are over at once, one after another, and pipelined requests, before other sessions have
/// their turn.
pub const EAGER_MAX: u32 = 64;
/// Bytes read that count like such a wait.
pub const EAGER_BYTES: usize = 4 * 1024;
/// Bytes of a request body that are read or received before other sessions have their turn: some milliseconds at worst.
pub const READ_TURN_BYTES: usize = 512 * 1024;
/// Bytes of a request body or of a whole answer that are changed, or said in another protocol, at once; a larger one by a
/// thread of its own.
pub const SAID_AT_ONCE_BYTES_MAX: usize = 512 * 1024;
/// Milliseconds between two looks whether that thread is done.
pub const ASIDE_LOOK_MS: u64 = 1;
/// Threads that work on large bodies at once, in all; others wait for their turn.
pub const ASIDE_THREADS_MAX: usize = 8;
/// Top-level members of a request body, and fields of a form that name its model; more is 400.
pub const REQUEST_MEMBERS_MAX: usize = 1_024;
/// Bytes of a request's `stream_options`; more is 400.
pub const STREAM_OPTIONS_BYTES_MAX: usize = 4_096;
/// Bytes of the head of a part of a form; more is 400.
pub const PART_HEAD_BYTES_MAX: usize = 8_192;
/// Bytes of an event of a stream that are read as a whole; of a longer one the name and the end are.
pub const FRAME_LOOK_BYTES: usize = 256 * 1024;

const _: () = assert!(FRAME_LOOK_BYTES >= TAIL_BYTES && FRAME_BYTES_MAX >= FRAME_LOOK_BYTES);
