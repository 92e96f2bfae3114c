//! Every client before every provider: whatever the provider sends and in whichever pieces, the client gets the same bytes,
//! frames of JSON with one end. The first byte chooses the pair and whether thoughts stand in tags, the second one the
//! length of the pieces and whether the stream is cut.

use weir::base::secret::Secret;
use weir::json;
use weir::protocol::Dialect;
use weir::protocol::failure::Fault;
use weir::protocol::ir::{Names, Opening};
use weir::protocol::translate::{self, Answering, Stream};
use weir::sse::{Frame, FrameKind, Framing, Splitter};

/// What the client gets, and whether the stream has ended for it.
fn told(kind: u8, cut: bool, client: Framing, pieces: std::slice::Chunks<'_, u8>) -> Vec<u8> {
    let (upstream, dialect) = pair(kind);
    let answering = Answering {
        client: dialect,
        upstream,
        names: Names::default(),
        think_tag: (kind >= 125).then(|| "think".into()),
        model: "m".to_owned(),
        secret: Secret::new("canary"),
        opening: Opening {
            id: "1".to_owned(),
            model: "alias".to_owned(),
            framing: Some(client),
            include_usage: true,
            has_tools: true,
            ..Opening::default()
        },
    };
    let framing = if upstream == Dialect::Ollama { Framing::Lines } else { Framing::Sse };
    let (mut stream, mut out) = (Stream::new(answering, framing), Vec::new());
    pieces.for_each(|piece| stream.push(piece, &mut out));
    match cut {
        true => stream.cut(Fault::BadGateway, "it was cut", &mut out),
        false => stream.finish(&mut out),
    }
    assert!(stream.seen().end.is_some(), "it has an end");
    out
}

fn pair(kind: u8) -> (Dialect, Dialect) {
    let kind = usize::from(kind);
    (Dialect::ALL[kind % 5], Dialect::ALL[kind / 5 % 5])
}

pub fn run(input: &[u8]) {
    let [kind, step, stream @ ..] = input else { return };
    let (_, client) = pair(*kind);
    let framings = [translate::framing(client, b"alt=sse"), translate::framing(client, b"")];
    for framing in &framings[usize::from(framings[0] == framings[1])..] {
        let framing = *framing;
        let whole = told(*kind, step & 1 == 1, framing, stream.chunks(stream.len().max(1)));
        assert_eq!(told(*kind, step & 1 == 1, framing, stream.chunks(usize::from(*step) + 1)), whole);
        let mut splitter = Splitter::new(framing, 1 << 24);
        let frame = |frame: Frame<'_>| {
            let data = frame.kind == FrameKind::Data && frame.data != b"[DONE]";
            assert!(!data || json::value(frame.data).is_ok(), "what is written is JSON");
        };
        splitter.push(&whole, frame).expect("no frame is too long");
    }
}
