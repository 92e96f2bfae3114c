//! The first byte picks up to two codings: no input makes more than the bound, and what comes out does not
//! depend on the bound as long as it fits.

use weir::codec::inflate::{Coding, InflateError, decode};

const CODINGS: [Coding; 5] = [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
const DECODED_BYTES_MAX: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let Some((&pick, body)) = data.split_first() else { return };
    let codings = [CODINGS[usize::from(pick & 15) % 5], CODINGS[usize::from(pick >> 4) % 5]];
    let Ok(decoded) = decode(&codings, body, DECODED_BYTES_MAX) else { return };
    assert!(decoded.len() <= DECODED_BYTES_MAX);
    if codings[0] == Coding::Identity {
        assert_eq!(decode(&codings, body, decoded.len()), Ok(decoded.clone()));
    }
    if let Some(less) = decoded.len().checked_sub(1) {
        assert_eq!(decode(&codings, body, less), Err(InflateError::TooLarge));
    }
}
