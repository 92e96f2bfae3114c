//! weir: a relay for LLM APIs. Any client dialect in, any provider protocol out, a thread per core on monoio.
//!
//! The crate is a house of floors; a module imports only floors below its own, and `tidy` checks it:
//!
//! | floor | modules | knows |
//! |---|---|---|
//! | 7 | `main` `boot` `cli` | order of start and stop |
//! | 7 | `sim` | the data plane without a kernel; tests only |
//! | 6 | `relay`, `control` | the data plane on monoio, the control plane on tokio; neither imports the other |
//! | 5 | `rt` | the only place that names monoio |
//! | 4 | `plan` `record` | pure decisions; what is told to control |
//! | 3 | `config` | the file (said) becomes a snapshot (meant) |
//! | 2 | `protocol` | the five dialects |
//! | 1 | `json` `http` `sse` `ws` `tls` `codec` | pure codecs |
//! | 0 | `base` `limits` | bytes, ids, secrets, bounds |

#![deny(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]

pub mod base;
pub mod limits;

pub mod codec;
pub mod http;
pub mod json;
pub mod sse;
pub mod tls;
pub mod ws;

pub mod protocol;

pub mod config;

pub mod plan;
pub mod record;

// From here on bytes are moved, not read: fuzz/ does without, and builds in half the time.
#[cfg(not(fuzzing))]
pub mod rt;

#[cfg(not(fuzzing))]
pub mod control;
#[cfg(not(fuzzing))]
pub mod relay;

#[cfg(not(fuzzing))]
pub mod boot;
#[cfg(not(fuzzing))]
pub mod cli;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tidy;
