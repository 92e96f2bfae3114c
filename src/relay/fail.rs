//! Where a test of the whole program lets a session panic, with all that it has before it in the words of the panic.
//!
//! `WEIR_PANIC_AT` names the place, and a request that holds the word below asks for it. There is none of this in a
//! release: a build without debug assertions has an empty function here, and nothing calls it that costs anything.

/// What a request says that is to end in a panic.
#[cfg(debug_assertions)]
const WORD: &[u8] = b"panic-here";

/// Panics where the environment names this place and the bytes ask for it.
#[cfg(debug_assertions)]
pub(super) fn here(place: &str, bytes: &[&[u8]]) {
    use std::sync::LazyLock;
    static ASKED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("WEIR_PANIC_AT").ok());
    let is_asked = || bytes.iter().any(|piece| memchr::memmem::find(piece, WORD).is_some());
    if ASKED.as_deref() == Some(place) && is_asked() {
        panic!("{place}: {:?}", bytes.iter().map(|piece| String::from_utf8_lossy(piece)).collect::<Vec<_>>());
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn here(_place: &str, _bytes: &[&[u8]]) {}
