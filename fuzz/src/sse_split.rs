//! Any split of the bytes gives the same frames, and the frames together are the bytes. The first two bytes of
//! the input choose the framing and where it is cut.
use weir::sse::{Framing, Splitter, Tail};

type Told = (Vec<u8>, Vec<u8>, Vec<u8>);

fn split<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Told>, Option<Tail>) {
    let mut splitter = Splitter::new(framing, 1 << 10);
    let mut frames = Vec::new();
    for piece in pieces {
        let pushed =
            splitter.push(piece, |frame| frames.push((frame.raw.to_vec(), frame.event.to_vec(), frame.data.to_vec())));
        if pushed.is_err() {
            return (frames, None);
        }
    }
    let tail = splitter.finish(|frame| frames.push((frame.raw.to_vec(), frame.event.to_vec(), frame.data.to_vec())));
    (frames, Some(tail))
}

pub fn run(input: &[u8]) {
    let [kind, cut, bytes @ ..] = input else { return };
    let framing = [Framing::Sse, Framing::Lines, Framing::Array][usize::from(kind % 3)];
    let whole = split(framing, [bytes]);
    assert_eq!(whole, split(framing, bytes.chunks(1)));
    assert_eq!(whole, split(framing, bytes.chunks(usize::from(*cut).max(1))));
    if whole.1.is_some() {
        assert_eq!(whole.0.iter().flat_map(|frame| &frame.0).copied().collect::<Vec<u8>>(), bytes);
    }
}
