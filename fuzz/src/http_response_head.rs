//! Any bytes as a response head: the verdict is the same in two pieces, and the framing fits the status.

use weir::http::body::Framing;
use weir::http::field::Fields;
use weir::http::head::{self, Asked, HeadLimits};

pub fn run(data: &[u8]) {
    let limits = HeadLimits { head_bytes: 4_096, fields: 100, target_bytes: 1_024 };
    for asked in [Asked::Head, Asked::Other] {
        let mut fields = Fields::new();
        let whole = head::response(data, &mut 0, &mut fields, asked, &limits);
        let (mut searched, mut again) = (0, Fields::new());
        let mut pieces = head::response(&data[..data.len() / 2], &mut searched, &mut again, asked, &limits);
        if pieces == Ok(None) {
            pieces = head::response(data, &mut searched, &mut again, asked, &limits);
        }
        assert_eq!(whole, pieces);
        let Ok(Some(head)) = whole else { continue };
        assert!((100..600).contains(&head.status) && head.status != 101);
        assert!(data[..head.len].ends_with(b"\r\n\r\n"));
        assert!(!head.reason.of(data).contains(&b'\r'));
        if asked == Asked::Head || matches!(head.status, 100..=199 | 204 | 304) {
            assert_eq!(head.framing, Framing::Empty);
        }
        assert!(!head.keep_alive || head.framing != Framing::ToClose);
    }
}
