//! One try at an upstream, as a core tells it beside its exchange: what failed before something else served.
//!
//! Told where an exchange has more than one attempt, or one that failed; of all others the exchange's own entry says
//! all there is. Fixed in size like an entry; the words of a failure are cut to their place, and the key is masked in
//! them before they come here.

use super::entry::{Model, NEVER_US, NONE, Text};
use crate::base::id::RequestId;
use crate::limits;

/// What an attempt came to, in words; empty where it served.
pub type Why = Text<{ limits::ATTEMPT_WHY_BYTES }>;

/// What is said of an attempt that was still under way when another beside it had answered.
pub const GIVEN_UP: &str = "given up: another attempt was faster";

/// One attempt.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Milliseconds since 1970 when the exchange began.
    pub unix_ms: u64,
    /// The exchange.
    pub id: RequestId,
    /// The snapshot that the indexes belong to.
    pub generation: u32,
    /// From the exchange's beginning to the attempt's.
    pub begun_us: u32,
    /// To the attempt's end, or `NEVER_US` where the exchange ended with it.
    pub ended_us: u32,
    /// Which attempt of its exchange it is, from 1.
    pub n: u8,
    /// Whose it was, or `NONE`.
    pub provider: u16,
    /// With which key, or `NONE`.
    pub key: u16,
    /// What the upstream answered; 0 for nothing.
    pub status: u16,
    /// The model that was asked for.
    pub model: Model,
    /// What it came to.
    pub why: Why,
}

impl Attempt {
    /// An attempt that has begun.
    pub fn begun(id: RequestId, unix_ms: u64, generation: u32, n: u8, begun_us: u32) -> Attempt {
        Attempt {
            unix_ms,
            id,
            generation,
            begun_us,
            ended_us: NEVER_US,
            n,
            provider: NONE,
            key: NONE,
            status: 0,
            model: Model::EMPTY,
            why: Why::EMPTY,
        }
    }
}

/// Members of a request that a translation did not say.
#[derive(Clone, Copy, Debug)]
pub struct Dropped {
    /// Milliseconds since 1970 when the exchange began.
    pub unix_ms: u64,
    /// The exchange.
    pub id: RequestId,
    /// As in `x-weir-dropped`, cut to its place.
    pub members: Text<{ limits::DROPPED_BYTES }>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has exactly its place is told whole, and of one byte more the beginning.
    #[test]
    fn words_are_cut_to_their_place() {
        fn place<const N: usize>(bytes: usize) {
            assert_eq!(N, bytes);
            let most = "w".repeat(bytes);
            assert_eq!(Text::<N>::new(&most).as_str(), most);
            assert_eq!(Text::<N>::new(&format!("{most}w")).as_str(), most);
            assert_eq!(Text::<N>::from_bytes(format!("{}\u{e9}", &most[1..]).as_bytes()).as_str(), &most[1..]);
        }
        fn of<const N: usize>(_: Text<N>, bytes: usize) {
            place::<N>(bytes);
        }
        of(Model::EMPTY, limits::ENTRY_MODEL_BYTES);
        of(Why::EMPTY, limits::ATTEMPT_WHY_BYTES);
        let attempt = Dropped { unix_ms: 0, id: RequestId::new(0, 0, 0, 0), members: Text::EMPTY };
        of(attempt.members, limits::DROPPED_BYTES);
    }
}
