//! The first byte says how the rest is cut into reads: payload and end are those of one read.

use weir::http::body::State;
use weir::http::chunk::Decoder;

fn read(text: &[u8], step: usize) -> Option<(Vec<u8>, usize, State)> {
    let mut decoder = Decoder::new();
    let (mut payload, mut consumed, mut state) = (Vec::new(), 0, State::More);
    for piece in text.chunks(step) {
        let mut slab = piece.to_vec();
        let taken = decoder.decode(&mut slab).ok()?;
        assert_eq!(slab[taken.consumed..], piece[taken.consumed..]);
        payload.extend_from_slice(&slab[taken.data]);
        consumed += taken.consumed;
        state = taken.state;
        if state == State::End {
            break;
        }
    }
    Some((payload, consumed, state))
}

pub fn run(data: &[u8]) {
    let Some((&step, text)) = data.split_first() else { return };
    assert_eq!(read(text, text.len().max(1)), read(text, usize::from(step).max(1)));
}
