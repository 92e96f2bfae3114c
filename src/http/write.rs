//! Heads and chunk framing, appended to the caller's buffer.
//!
//! What goes out is written anew, line by line; nothing of the other side's framing is copied. Only
//! `forward_fields` repeats received bytes, and those have passed the strict reading of `head`.

use super::field::{Field, Fields};
use crate::base::ascii;

/// The empty chunk and the empty trailer section that end a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The line end, also the empty line that ends a head and the end of a chunk.
pub const CRLF: &[u8] = b"\r\n";

/// Appends `METHOD target HTTP/1.1`. Both come from the strict reading or from `uri::encode`.
pub fn request_line(method: &[u8], target: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!target.iter().chain(method).any(|&byte| byte <= b' '));
    for part in [method, b" ", target, b" HTTP/1.1\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends the status line.
pub fn status_line(status: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(CRLF);
}

/// Appends a field line. CR, LF and NUL in the value become blanks (RFC 9110 §5.5), so that no value, wherever
/// it comes from, begins a line.
pub fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    let start = out.len() + name.len() + 2;
    line(name, value, out);
    if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
        let written = out[start..start + value.len()].iter_mut();
        written.filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).for_each(|byte| *byte = b' ');
    }
}

/// Appends a field line whose value is a token of ours.
pub fn field_token(name: &str, token: &[u8], out: &mut Vec<u8>) {
    debug_assert!(ascii::is_token(token));
    line(name, token, out);
}

/// Appends `name: number`.
pub fn field_number(name: &str, value: u64, out: &mut Vec<u8>) {
    line(name, itoa::Buffer::new().format(value).as_bytes(), out);
}

#[inline]
fn line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 4);
    for part in [name.as_bytes(), b": ", value, CRLF] {
        out.extend_from_slice(part);
    }
}

/// Appends the fields of a received head that go on to the next hop, name and value verbatim: not those that
/// end here and not those that `drop` names. Works for requests and responses. Neighbours whose lines are spelled as
/// they would be written are copied in one piece.
pub fn forward_fields(buf: &[u8], fields: &Fields, out: &mut Vec<u8>, drop: impl Fn(&Field) -> bool) {
    let mut piece = 0..0;
    for field in fields.onward(buf).filter(|field| !drop(field)) {
        let (name, value) = (field.name.range(), field.value.range());
        let line = name.start..value.end + CRLF.len();
        let is_spelled = buf.get(name.end..value.start) == Some(b": ") && buf.get(value.end..line.end) == Some(CRLF);
        if is_spelled && piece.end == line.start {
            piece.end = line.end;
            continue;
        }
        out.extend_from_slice(&buf[piece]);
        piece = if is_spelled { line } else { 0..0 };
        if !is_spelled {
            for part in [&buf[name], b": ", &buf[value], CRLF] {
                out.extend_from_slice(part);
            }
        }
    }
    out.extend_from_slice(&buf[piece]);
}

/// The line before a chunk of `len` bytes: the bytes and how many of them are used. Zero would end the body.
pub fn chunk_head(len: usize) -> ([u8; 18], usize) {
    debug_assert!(len > 0);
    let mut line = [0; 18];
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1) as usize;
    for (at, byte) in line[..digits].iter_mut().enumerate() {
        *byte = b"0123456789abcdef"[len >> (4 * (digits - 1 - at)) & 15];
    }
    line[digits..digits + 2].copy_from_slice(CRLF);
    (line, digits + 2)
}

/// The reason phrase of RFC 9110 §15, RFC 6585 or common use; empty for other codes, which is allowed.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        529 => "Overloaded",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::{self, HeadLimits};

    #[test]
    fn a_head_that_was_written_is_read_back() {
        let mut out = Vec::new();
        request_line(b"POST", b"/v1/messages?beta=true", &mut out);
        field("host", b"api.example", &mut out);
        field_number("content-length", 12, &mut out);
        out.extend_from_slice(CRLF);
        let mut fields = Fields::new();
        let head = head::request(&out, &mut 0, &mut fields, &HeadLimits::default()).unwrap().unwrap();
        assert_eq!(head.path.of(&out), b"/v1/messages");
        assert_eq!(head.framing, crate::http::body::Framing::Sized(12));
    }

    #[test]
    fn no_value_begins_a_line() {
        let mut out = Vec::new();
        field("x-model", b"a\r\nset-cookie: b\0", &mut out);
        assert_eq!(out, b"x-model: a  set-cookie: b \r\n");
    }

    #[test]
    fn status_lines() {
        let mut out = Vec::new();
        for status in [200, 529, 299] {
            status_line(status, &mut out);
        }
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nHTTP/1.1 529 Overloaded\r\nHTTP/1.1 299 \r\n");
    }

    #[test]
    fn forwarding_keeps_bytes_and_drops_what_ends_here() {
        let text = b"POST / HTTP/1.1\r\nHost: a\r\nX-Stainless-OS:  Linux\r\nConnection: keep-alive, X-Hop\r\nx-hop: 1\r\n\
            Keep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nProxy-Foo: 1\r\nCookie: a=b\r\nX-Latin: \xe9\r\n\
            Authorization: Bearer s\r\ncontent-length: 0\r\nExpect: 100-continue\r\nX-Empty:\r\n\r\n";
        let mut fields = Fields::new();
        head::request(text, &mut 0, &mut fields, &HeadLimits::default()).unwrap().unwrap();
        let mut out = Vec::new();
        forward_fields(text, &fields, &mut out, crate::http::field::is_credential);
        assert_eq!(out, b"X-Stainless-OS: Linux\r\nX-Latin: \xe9\r\nX-Empty: \r\n");
    }

    #[test]
    fn chunk_heads_are_shortest_hexadecimal() {
        for (len, expected) in
            [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (0x4000, "4000\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
        {
            let (line, used) = chunk_head(len);
            assert_eq!(&line[..used], expected.as_bytes());
        }
    }
}
