//! Any bytes as a request head: the verdict is the same in two pieces, and an accepted head holds only what
//! may be forwarded.

use weir::base::ascii;
use weir::http::field::{Fields, credentials, is_credential};
use weir::http::head::{self, HeadLimits, Method};
use weir::http::write;

pub fn run(data: &[u8]) {
    let limits = HeadLimits { head_bytes: 4_096, fields: 100, target_bytes: 1_024 };
    let mut fields = Fields::new();
    let whole = head::request(data, &mut 0, &mut fields, &limits);
    let cut = data.len() / 2;
    let (mut searched, mut again) = (0, Fields::new());
    let mut pieces = head::request(&data[..cut], &mut searched, &mut again, &limits);
    if pieces == Ok(None) {
        pieces = head::request(data, &mut searched, &mut again, &limits);
    }
    assert_eq!(whole, pieces);
    let Ok(Some(head)) = whole else { return };
    assert_eq!(fields, again);
    assert!(head.len <= limits.head_bytes && data[..head.len].ends_with(b"\r\n\r\n"));
    assert!(head.path.of(data).starts_with(b"/") || head.method == Method::Options);
    for field in fields.iter() {
        assert!(ascii::is_token(field.name.of(data)));
        assert!(!field.value.of(data).iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    let _ = credentials(data, &fields, head.query.map(|query| query.of(data)));
    let mut out = Vec::new();
    write::request_line(b"POST", head.path.of(data), &mut out);
    write::field("host", b"upstream", &mut out);
    write::forward_fields(data, &fields, &mut out, is_credential);
    out.extend_from_slice(write::CRLF);
    // What we forward is one head to the strictest reader we know: ourselves.
    let wide = HeadLimits { head_bytes: 16_384, ..limits };
    if head.path.of(data).starts_with(b"/") {
        let forwarded = head::request(&out, &mut 0, &mut again, &wide).unwrap().unwrap();
        assert_eq!(forwarded.len, out.len());
    }
}
