//! Sizes and periods of our own: buffers, grains, turns, pauses, and how long something is waited for.
//!
//! No test at the bound is asked of them. A size says in which pieces work is done, not what comes of it. A period would
//! have to be measured, and no test asserts how long something takes: what happens at its end is tested where the
//! configuration can shorten it, or where time is passed in.

use super::{EVENTS_A_LOOK_MAX, TRACE_BYTES_MAX};

// Buffers of a core.

/// Bytes of one read buffer: a TLS record of plaintext (RFC 8446 §5.1).
pub const SLAB_BYTES: usize = 16 * 1024;
/// Bytes of the first read of a request: what agents send of one mostly comes with one call then, and stays in place.
pub const WIDE_BYTES: usize = 64 * 1024;
/// Bytes of the buffer in which a small request waits for its answer.
pub const SMALL_BYTES: usize = 4 * 1024;
/// Wide buffers that a core keeps; they are lent while a request of more than a slab is under way.
pub const WIDE_FREE_MAX: usize = 16;
/// Free read buffers that a core keeps.
pub const SLABS_FREE_MAX: usize = 64;
/// Free scratch tables that a core keeps.
pub const SCRATCH_FREE_MAX: usize = 64;
/// Bytes of a buffer for frames that cross reads which a stream keeps between two of them.
pub const CARRY_KEEP_BYTES: usize = 4_096;
/// Bytes read and bytes made by one step of decoding a content coding: what a core does before it looks up.
pub const INFLATE_STEP_BYTES: usize = 64 * 1024;
/// Bytes of decoded output that lie together before all of it is put together.
pub const INFLATE_PIECE_BYTES: usize = 512 * 1024;
/// Bytes of one text that tell conversations apart which nothing names.
pub const BEGINNING_BYTES: usize = 64 * 1024;
/// Bytes of a body that are copied behind their head rather than sent as a slice of their own.
pub const COPIED_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a stream's beginning that are looked at before it is passed on, at a time.
pub const PEEK_BYTES: usize = 1_024;
/// Bytes at the end of a large answer in which its usage is looked for.
pub const TAIL_BYTES: usize = 8 * 1024;
/// Bytes of the state of one translated stream beside its session's, before it holds anything.
pub const TURNED_BYTES_MAX: usize = 1_280;
/// Bytes of an event that the next one of its stream is compared with.
pub const MOULD_BYTES_MAX: usize = 1_024;
/// Values of such an event beside what it tells that may differ from one to the next.
pub const MOULD_IDLE_MAX: usize = 8;
/// Chunks of a Chat stream that is passed on which are kept to know the next by, while none is like the last.
pub const ALIKE_TRIES_MAX: u8 = 8;
/// Bytes of the state of one session, its current exchange included.
pub const SESSION_BYTES_MAX: usize = 3_392;
/// Bytes of the state of a translated exchange beside its session's, from the moment when its answer has begun.
pub const TURN_BYTES_MAX: usize = 1_024;
/// Bytes of the state of an exchange beside its session's, until then.
pub const REACH_BYTES_MAX: usize = 4_608;

// The kernel's side of a core.

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
/// Pause of an accept loop after an error, milliseconds.
pub const ACCEPT_PAUSE_MS: u64 = 50;
/// Bytes of a large body that are waited for at once, so that its reader is not woken for each segment.
pub const LOW_WATER_BYTES: usize = 64 * 1024;
/// Commands of control that a core has not read.
pub const COMMANDS_MAX: usize = 256;

// Turns: how much one session does before the others.

/// Waits of one session that are over at once, one after another, and pipelined requests, before other sessions have
/// their turn.
pub const EAGER_MAX: u32 = 64;
/// Bytes read that count like such a wait.
pub const EAGER_BYTES: usize = 4 * 1024;
/// Bytes of a request body that are read or received before other sessions have their turn: some milliseconds at worst.
pub const READ_TURN_BYTES: usize = 512 * 1024;
/// Bytes of text that are counted into tokens before other sessions get their turn: about 2 ms.
pub const COUNT_STEP_BYTES: usize = 16 * 1024;
/// Bytes of a request body or of a whole answer that are changed, or said in another protocol, at once; a larger one by a
/// thread of its own.
pub const SAID_AT_ONCE_BYTES_MAX: usize = 512 * 1024;
/// Milliseconds between two looks whether that thread is done.
pub const ASIDE_LOOK_MS: u64 = 1;
/// Threads that work on large bodies at once, in all; others wait for their turn.
pub const ASIDE_THREADS_MAX: usize = 8;

// Connections to upstreams, and TLS.

/// Ticks between two looks at idle lanes.
pub const TICKS_PER_TRIM: u64 = 20;
/// Idle upstream connections that a core keeps for each authority.
pub const LANES_IDLE_MAX: usize = 1_024;
/// Idle time of an upstream connection, milliseconds: just under the usual 60 s of load balancers.
pub const LANE_IDLE_MS_MAX: u64 = 55_000;
/// How long the end of an upstream's message is waited for when its stream has said all, milliseconds.
pub const DRAIN_LANE_MS: u32 = 50;
/// Bytes of it that are read meanwhile; of a message that has more left, the connection is closed.
pub const DRAIN_BYTES_MAX: usize = 4_096;
/// How long a stream that has begun is waited for with a slab at hand, milliseconds; one that says nothing for longer is
/// held in a buffer of its size.
pub const THINK_MS: u64 = 100;
/// Time given to a client to read a last answer before its connection is closed, milliseconds.
pub const LINGER_MS: u32 = 1_000;
/// Time that an idle connection stays open once its core drains, milliseconds: a request that is under way meanwhile
/// is served, and its answer says that the connection ends.
pub const DRAIN_IDLE_MS: u64 = 1_000;
/// Between the beginnings of two connections to addresses of one host, milliseconds (RFC 8305 §5).
pub const DIAL_APART_MS: u64 = 250;
/// Bytes of a proxy's answer that are read at once.
pub const PROXY_READ_BYTES: usize = 1_024;
/// Connect failures are looked at so often, and make control resolve all hosts anew.
pub const RESOLVE_AFTER_FAILURE_MS: u64 = 1_000;
/// Bytes of plain text that are encrypted before what they became has been sent: one record.
pub const TLS_SEND_BYTES_MAX: usize = 16 * 1024;
/// Sessions with different names that a core keeps for resumption, for each way to verify them.
pub const TLS_SESSIONS_KEPT: usize = 64;
/// Bytes of cipher text that are read at once, by how much room there is for what it says.
pub const TLS_READ_BYTES: [usize; 3] = [4 * 1024, 16 * 1024 + TLS_OVERHEAD_BYTES, 64 * 1024];
/// Bytes that a record of cipher text has beyond its plain text, and some of the next one's.
pub const TLS_OVERHEAD_BYTES: usize = 256;

// The choice of a target and a key.

/// Bytes of text that count as a token where a guess has to do.
pub const TOKEN_BYTES_ABOUT: u64 = 4;
/// Tokens that count for an image where a guess has to do.
pub const IMAGE_TOKENS_ABOUT: u64 = 1_600;
/// How long a request waits for the table of tokens, and between two looks at it.
pub const TOKENS_LOAD_MS_MAX: u64 = 5_000;
/// See `TOKENS_LOAD_MS_MAX`.
pub const TOKENS_LOAD_PAUSE_MS: u64 = 2;
/// Places of the table of paces that are looked at for one target.
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
/// Rows of the board among which a pair of a key and a model has its place.
pub const BOARD_WINDOW: usize = 8;
/// How long a probe keeps others away if it never says how it went, milliseconds: longer than an attempt lasts.
pub const PROBE_MS_MAX: u64 = 1_800_000;
/// Between two looks of a request that waits for the outcome of another's probe, milliseconds.
pub const PROBE_LOOK_MS: u64 = 1_000;

// What is told to control.

/// Bytes of one row in the ring from a core to control.
pub const ENTRY_BYTES_MAX: usize = 256;
/// The name of the models that are summed as one.
pub const OTHER_MODELS: &str = "(other)";
/// Buckets of a latency histogram: up to 64 us, then each twice as much, up to 537 s, then the rest.
pub const LATENCY_BUCKETS: usize = 25;
/// Bytes of the log's buffer that are kept between batches.
pub const LOG_BYTES_KEPT: usize = 256 * 1024;
/// Spans that one request brings.
pub const OTLP_SPANS_AT_ONCE: usize = 512;
/// Between two sendings, milliseconds.
pub const OTLP_EVERY_MS: u64 = 2_000;
/// Between two looks at what has happened; a part of a second.
pub const EVENTS_EVERY_MS: u64 = 250;
const _: () = assert!(1_000 % EVENTS_EVERY_MS == 0 && EVENTS_A_LOOK_MAX * 1_000 / EVENTS_EVERY_MS == 200);

// The store.

/// How long rows wait for others to be written with them, milliseconds: what a killed process forgets.
pub const STORE_EVERY_MS: u64 = 500;
/// Rows that are handed to the writer at once before that.
pub const STORE_BATCH_ROWS: usize = 4_096;
/// Batches on their way to the writer.
pub const STORE_BATCHES_WAITING: usize = 2;
/// Rows that lie in one pack of the file: some 25 KB, which is what a trickle of exchanges writes anew each time.
pub const PACK_ROWS: usize = 512;
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
/// Names that hold the words looked for, up to which packs are told apart by them.
pub const PAGE_NAMES_LOOKED: usize = 64;
/// How long rows are looked at for one page, milliseconds. The page says where to go on.
pub const PAGE_MS_MAX: u64 = 100;

// Traces.

/// How long the thread that writes traces lets them gather once it has none, milliseconds: a core that leaves one wakes
/// it seldom.
pub const TRACES_GATHER_MS: u64 = 10;
/// Bytes to an upstream that are not recorded again where they are a part of the client's body.
pub const TRACE_PIECE_BYTES_LEAST: usize = 1024;
/// Bytes by which the head of a request to an upstream may be longer than the client's was.
pub const TRACE_HEAD_AHEAD: usize = 1024;
/// Bytes of the first piece in which an answer is recorded, which comes event by event.
pub const TRACE_ANSWER_AHEAD: usize = 4 * 1024;
/// Bytes of the greatest piece in which the bytes of a message are recorded, if no more come at once.
pub const TRACE_PIECE_BYTES_MOST: usize = 64 * 1024;
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
const _: () = assert!(TRACE_JSON_BYTES > 6 * TRACE_BYTES_MAX);

// Control: start, looks, and leaving.

/// How long the cores may take to begin.
pub const CORE_START_MS_MAX: u64 = 10_000;
/// After the start, when pages of the program that only the start has touched are let go.
pub const START_PAGES_MS: u64 = 1_000;
/// Between two times that freed memory is given back to the system.
pub const MEMORY_BACK_EVERY_MS: u64 = 1_000;
/// Between two looks at the cores.
pub const CORE_LOOK_MS: u64 = 500;
/// How long a core may stand still before it counts as stalled. A core turns every `TICK_MS`.
pub const CORE_STALL_MS: u64 = 5_000;
/// How long a question on the admin address waits for the cores to hand over what has ended.
pub const SETTLE_MS_MAX: u64 = 100;
/// Between two looks at the configuration file.
pub const WATCH_EVERY_MS: u64 = 500;
/// One question to the system's resolver.
pub const RESOLVE_MS_MAX: u64 = 5_000;
/// Between two resolutions of all hosts.
pub const RESOLVE_EVERY_MS: u64 = 30_000;
/// How long a reload waits for hosts before the new file takes effect without them.
pub const RESOLVE_RELOAD_MS_MAX: u64 = 2_000;
/// Threads that wait for the system's resolver.
pub const RESOLVE_THREADS_MAX: usize = 8;
/// Between two looks at whether the file of what rests is up to date, milliseconds: what a killed process forgets.
pub const HEALTH_KEEP_EVERY_MS: u64 = 1_000;
/// Of these looks, so many go by until what clients have used is written down too.
pub const METERS_KEEP_LOOKS: u64 = 5;
/// How long a successor may take until it serves.
pub const SUCCESSOR_MS_MAX: u64 = 60_000;
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
/// One connection or one read of `weir doctor`.
pub const DOCTOR_MS_MAX: u64 = 10_000;
/// One request of control's own to a provider.
pub const PROBE_CALL_MS_MAX: u64 = 20_000;
/// Probes under way at once: fewer than threads that wait, for names have to be resolved meanwhile.
pub const PROBES_AT_ONCE: usize = 4;
/// Between two looks at whether probes have been asked for by the file, seconds.
pub const PROBES_LOOK_S: u64 = 5;
/// How long a WebSocket may be silent between two answers.
pub const SOCKET_IDLE_MS: u32 = 15 * 60 * 1_000;
