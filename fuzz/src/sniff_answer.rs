//! Answers may hold anything. The first byte chooses dialect and framing; the rest is the stream, and a body.
use weir::protocol::Dialect;
use weir::protocol::sniff::{Answer, error_in_ok, hide_usage, is_empty};
use weir::sse::{Framing, Splitter};

pub fn run(input: &[u8]) {
    let [kind, bytes @ ..] = input else { return };
    let dialect = Dialect::ALL[usize::from(kind % 5)];
    let framing = [Framing::Sse, Framing::Lines, Framing::Array][usize::from(kind / 5 % 3)];
    let mut answer = Answer::stream(dialect);
    let mut splitter = Splitter::new(framing, 1 << 16);
    let pushed = splitter.push(bytes, |frame| {
        let seen = answer.frame(&frame);
        assert!(!(seen.error && seen.finished) && (seen.has_usage || !seen.usage_only));
        let mut out = Vec::new();
        hide_usage(frame.data, &mut out);
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(frame.data)
            && let Some(mut object) = value.as_object().cloned()
        {
            object.remove("usage");
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), serde_json::Value::Object(object));
        }
    });
    if pushed.is_ok() {
        splitter.finish(|frame| _ = answer.frame(&frame));
    }
    assert!(answer.response_id().len() < 64);
    let _ = (error_in_ok(dialect, bytes), is_empty(dialect, bytes));
    answer.body(bytes);
    let _ = answer.usage();
}
