//! Writes server-sent events to the end of a `Vec<u8>`.

/// Appends an event; no name line if `name` is empty. Data of several lines becomes several data lines, so no
/// line end in it can end the event.
pub fn event(name: &str, data: &[u8], out: &mut Vec<u8>) {
    if !name.is_empty() {
        debug_assert!(!name.contains(['\n', '\r']), "an event's name is one line");
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    lines(b"data: ", data, out);
}

/// Appends a comment, which is what a ping is.
pub fn comment(text: &[u8], out: &mut Vec<u8>) {
    lines(b": ", text, out);
}

/// What tells a reader that a quiet stream goes on: a comment, or the event that Anthropic has for it.
pub fn ping(named: bool) -> &'static [u8] {
    match named {
        true => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        false => b": ping\n\n",
    }
}

/// Appends the end mark of the Chat dialect.
pub fn done(out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: [DONE]\n\n");
}

/// Appends `text` with `start` before each of its lines, and a blank line.
fn lines(start: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + start.len() + 2);
    let mut rest = text;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        out.extend_from_slice(start);
        out.extend_from_slice(&rest[..end]);
        out.push(b'\n');
        rest = match &rest[end..] {
            [] => break,
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
        };
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::{FrameKind, Framing, Splitter};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_written_as_lines() {
        assert_eq!(written(|out| event("", b"{}", out)), "data: {}\n\n");
        assert_eq!(written(|out| event("error", b"{}", out)), "event: error\ndata: {}\n\n");
        assert_eq!(written(|out| event("", b"a\nb\r\nc\rd", out)), "data: a\ndata: b\ndata: c\ndata: d\n\n");
        assert_eq!(written(|out| comment(b"ping", out)), ": ping\n\n");
        assert_eq!(written(done), "data: [DONE]\n\n");
    }

    #[test]
    fn data_comes_back_from_the_splitter() {
        for data in [&b""[..], b"x", b" spaced", b"a\nb", b"\n", b"data: x\n\n"] {
            let bytes = written(|out| event("name", data, out));
            let mut frames = Vec::new();
            let mut splitter = Splitter::new(Framing::Sse, 1 << 10);
            splitter
                .push(bytes.as_bytes(), |frame| frames.push((frame.event.to_vec(), frame.data.to_vec(), frame.kind)))
                .unwrap();
            assert_eq!(frames, [(b"name".to_vec(), data.to_vec(), FrameKind::Data)]);
        }
    }
}
