//! Every bound of the program, unit last in the name. A limit that the configuration can move has its
//! default here; its least and greatest values stand beside it where they matter.

/// Bytes of one read buffer: a TLS record of plaintext (RFC 8446 §5.1).
pub const SLAB_BYTES: usize = 16 * 1024;
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

// sse and protocol
/// Bytes of a buffer for frames that cross reads which a stream keeps between two of them.
pub const CARRY_KEEP_BYTES: usize = 4_096;
/// Segments of a path that are looked at; a longer path is unknown.
pub const PATH_SEGMENTS_MAX: usize = 24;
/// Bytes of the question that a demo answer repeats.
pub const DEMO_ECHO_BYTES_MAX: usize = 1_024;
/// Bytes of a response's id that is kept for an error event; a longer one counts as none.
pub const RESPONSE_ID_BYTES_MAX: usize = 63;

const _: () = assert!(HEAD_BYTES_MAX >= TARGET_BYTES_MAX && BODY_BYTES_CORE_MAX >= BODY_BYTES_MAX);
