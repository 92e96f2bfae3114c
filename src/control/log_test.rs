use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::base::id::RequestId;
use crate::record::{Model, Tokens};

/// A sink that counts its writes.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<(usize, Vec<u8>)>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().expect("no panic while held");
        inner.0 += 1;
        inner.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn names() -> Names {
    Names {
        clients: ["alice".into()].into(),
        routes: ["coding".into()].into(),
        providers: ["deep seek".into()].into(),
        keys: ["second".into()].into(),
        ..Names::default()
    }
}

fn entry(model: &str) -> Entry {
    Entry {
        client: 0,
        route: 0,
        provider: 0,
        key: 0,
        status: 200,
        attempts: 1,
        model_asked: Model::new(model),
        model_sent: Model::new("deepseek-chat"),
        request_bytes: 1024,
        response_bytes: 2048,
        total_us: 2_500,
        first_byte_us: 900,
        tokens: Tokens { input: 12, output: 34, said: true, ..Tokens::default() },
        ..Entry::begun(RequestId::new(1, 0, 0, 0), 1_795_254_816_123, 1)
    }
}

fn written(format: Format, entry: &Entry) -> String {
    let mut out = Vec::new();
    line(format, &mut Stamp::new(), level_of(entry.outcome), entry, &names(), &mut out);
    String::from_utf8(out).expect("lines are UTF-8")
}

#[test]
fn a_line_of_text() {
    assert_eq!(
        written(Format::Text, &entry("gpt-4o")),
        "2026-11-21T09:53:36.125Z  INFO exchange id=00000000100000000000 client=alice route=coding provider=\"deep seek\" \
         model=deepseek-chat asked=gpt-4o key=second status=200 attempts=1 bytes_in=1024 bytes_out=2048 input_tokens=12 \
         output_tokens=34 cache_read_tokens=0 cache_write_tokens=0 reasoning_tokens=0 first_byte_us=900 total_us=2500 \
         outcome=ok\n"
    );
}

#[test]
fn a_line_of_json() {
    let line: serde_json::Value = serde_json::from_str(&written(Format::Json, &entry("gpt-4o"))).expect("JSON");
    assert_eq!(line["timestamp"], "2026-11-21T09:53:36.125Z");
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"exchange".into()));
    assert_eq!(
        (&line["provider"], &line["key"], &line["asked"]),
        (&"deep seek".into(), &"second".into(), &"gpt-4o".into())
    );
    assert_eq!((&line["status"], &line["total_us"]), (&200.into(), &2_500.into()));
    assert!(line.get("first_token_us").is_none());
}

#[test]
fn graver_levels_hide_what_went_well() {
    let worth = |outcome| level_of(outcome);
    assert_eq!(worth(Outcome::Ok), Level::Info);
    assert_eq!(worth(Outcome::ClientGone), Level::Info);
    assert_eq!(worth(Outcome::ClientError), Level::Warn);
    assert_eq!(worth(Outcome::UpstreamError), Level::Error);
    assert_eq!(worth(Outcome::Cut), Level::Error);
}

#[test]
fn a_batch_is_one_write() {
    let sink = Sink::default();
    let mut log = Log::new(Format::Text, Box::new(sink.clone()));
    log.flush();
    for _ in 0..100 {
        log.exchange(&entry("m"), &names());
    }
    log.flush();
    let inner = sink.0.lock().expect("no panic while held");
    assert_eq!(inner.0, 1);
    assert_eq!(inner.1.iter().filter(|&&byte| byte == b'\n').count(), 100);
}

#[test]
fn what_a_client_sends_breaks_no_line() {
    for bad in
        ["a\nb", "a\r\nfake line", "\u{1b}[31m", "a\u{2028}b", "a\u{202e}b", "\u{85}", "\u{7f}", "a\" b=\"c", "\\"]
    {
        for format in [Format::Text, Format::Json] {
            let line = written(format, &entry(bad));
            let shown = line.strip_suffix('\n').expect("one end of line, at the end");
            assert!(!shown.contains(|c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c)), "{shown:?}");
        }
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, &entry(bad))).expect("JSON");
        assert_eq!(json["asked"], bad, "JSON gives back what was sent");
    }
}

proptest! {
    #[test]
    fn any_name_survives_json_and_stays_on_its_line(name in any::<String>()) {
        let model = Model::new(&name);
        let text = written(Format::Text, &entry(&name));
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(!text.trim_end_matches('\n').contains(char::is_control));
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, &entry(&name))).expect("JSON");
        if !model.is_empty() && model.as_str() != "deepseek-chat" {
            prop_assert_eq!(json["asked"].as_str(), Some(model.as_str()));
        }
    }
}
