//! The whole binary over real sockets, on both drivers: raw bytes in, raw bytes out, on either side of it.
//!
//! One module for each promise; `support` starts weir and plays the provider and the client.

mod support;

mod access;
mod admin;
mod admin_attacks;
mod admin_doors;
mod bad_input;
mod client_tls;
mod command_line;
mod commit;
mod compaction;
mod completions;
mod counts;
mod demo;
mod dialects;
mod fallback;
mod families;
mod framing;
mod health;
mod hedging;
mod identity;
mod large;
mod leaving;
mod life;
mod limits;
mod memory;
mod odd_answers;
mod peculiar;
mod pools;
mod promises;
mod proxies;
mod reported;
mod routing;
mod sandbox;
mod secrets;
mod settled;
mod sockets;
mod store;
mod streams;
mod succession;
mod surface;
mod translation;
mod upstream_tls;
