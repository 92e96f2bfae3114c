//! One request of control's own to a provider: blocking, for threads that may wait, with a deadline for all of it.
//!
//! It goes the way that requests of clients go: directly or through the key's proxy, over TLS where the provider is
//! reached so, with the addresses of the book. What it learns is told to nobody but its caller.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::snapshot::{Base, Key, Provider, Proxy, ProxyScheme, Verify};
use crate::http::body::{Decoder, State};
use crate::http::field::Fields;
use crate::http::head::{self, Asked, HeadLimits, ResponseHead};
use crate::http::proxy::{Conversation, Target};
use crate::limits;
use crate::plan::addresses::AddressBook;
use crate::tls;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: ResponseHead,
    pub(super) fields: Fields,
    /// The head as it came; the spans of `fields` lie in it.
    pub(super) text: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// From the first byte sent to the first byte of the body.
    pub(super) first_byte: Duration,
    /// To its end.
    pub(super) total: Duration,
}

/// Sends `request`, a whole one, to `provider` with what belongs to `key`, and reads the answer to its end.
pub(super) fn call(
    provider: &Provider,
    key: &Key,
    book: &AddressBook,
    request: &[u8],
    bound: Duration,
) -> io::Result<Reply> {
    let until = Instant::now() + bound;
    let mut link = reach(provider, key, book, until)?;
    let began = Instant::now();
    link.write_all(request)?;
    let mut reply = answer(&mut *link, began)?;
    reply.total = began.elapsed();
    Ok(reply)
}

/// Sends `request`, a whole one, to an address that is no provider's, and reads the answer to its end.
pub(super) fn post(base: &Base, verify: Option<&Verify>, request: &[u8], bound: Duration) -> io::Result<Reply> {
    let until = Instant::now() + bound;
    let addresses: Vec<SocketAddr> = (&*base.host, base.port).to_socket_addrs()?.collect();
    let mut link = secured(Box::new(dial(&addresses, until)?), verify)?;
    link.write_all(request)?;
    answer(&mut *link, Instant::now())
}

/// A connection on which every step has what is left of one deadline.
trait Link: Read + Write {}

impl<T: Read + Write> Link for T {}

struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(late()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buf).map_err(in_time)
    }
}

impl Write for Timed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(buf).map_err(in_time)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it took too long")
}

fn in_time(error: io::Error) -> io::Error {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) { late() } else { error }
}

fn other(why: impl Into<String>) -> io::Error {
    io::Error::other(why.into())
}

fn reach(provider: &Provider, key: &Key, book: &AddressBook, until: Instant) -> io::Result<Box<dyn Link>> {
    let base = &provider.base;
    let link: Box<dyn Link> = match &key.proxy {
        Proxy::Direct => Box::new(dial(book.get(&base.host, base.port), until)?),
        Proxy::Via { scheme, host, port, credentials, verify } => {
            let plain = dial(book.get(host, *port), until).map_err(|error| other(format!("the proxy: {error}")))?;
            let mut link = secured(Box::new(plain), verify.as_ref())?;
            let resolved = book.get(&base.host, base.port).first();
            let target = match (scheme, resolved) {
                (ProxyScheme::Socks5, Some(address)) => Target::Address(*address),
                (ProxyScheme::Socks5, None) => return Err(other("the host's name has no address yet")),
                _ => Target::Name(&base.host, base.port),
            };
            let login = credentials.as_ref().map(|secret| secret.expose());
            let talk = match scheme {
                ProxyScheme::Http | ProxyScheme::Https => Ok(Conversation::http(target, login)),
                ProxyScheme::Socks5 | ProxyScheme::Socks5h => Conversation::socks(target, login),
            };
            let refused = |why: crate::http::proxy::Refused| other(format!("the proxy: {}", why.reason));
            let mut talk = talk.map_err(refused)?;
            while !talk.is_open() {
                let out = talk.to_send().to_vec();
                if !out.is_empty() {
                    link.write_all(&out)?;
                    talk.sent(out.len());
                    continue;
                }
                // A byte at a time: what follows the proxy's last word is the provider's.
                let mut byte = [0];
                match link.read(&mut byte)? {
                    0 => return Err(other("the proxy: it closed the connection")),
                    _ => talk.push(&byte).map_err(refused)?,
                }
            }
            link
        }
    };
    secured(link, provider.tls.as_ref())
}

fn dial(addresses: &[SocketAddr], until: Instant) -> io::Result<Timed> {
    let mut last = other("the host's name has no address yet");
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        match TcpStream::connect_timeout(address, left) {
            Ok(stream) => return Ok(Timed { stream, until }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn secured(mut link: Box<dyn Link>, verify: Option<&Verify>) -> io::Result<Box<dyn Link>> {
    let Some(verify) = verify else { return Ok(link) };
    let refused = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, tls::reason(&error));
    let config = Arc::clone(&tls::party::client(&verify.trust));
    let mut session = rustls::ClientConnection::new(config, verify.name.clone()).map_err(refused)?;
    while session.is_handshaking() {
        session.complete_io(&mut link).map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(error) => refused(error),
            Err(error) => error,
        })?;
    }
    Ok(Box::new(rustls::StreamOwned::new(session, link)))
}

fn answer(link: &mut dyn Link, began: Instant) -> io::Result<Reply> {
    let bounds = HeadLimits {
        head_bytes: limits::HEAD_BYTES_MAX,
        fields: limits::FIELDS_MAX,
        target_bytes: limits::TARGET_BYTES_MAX,
    };
    let (mut text, mut searched, mut fields) = (Vec::new(), 0, Fields::new());
    let mut interims = 0;
    let head = loop {
        match head::response(&text, &mut searched, &mut fields, Asked::Other, &bounds) {
            Err(malformed) => return Err(other(format!("the answer is not valid HTTP: {malformed}"))),
            Ok(Some(head)) if head.status < 200 => {
                interims += 1;
                if interims > limits::INTERIM_MAX {
                    return Err(other(format!("more than {} interim answers", limits::INTERIM_MAX)));
                }
                text.drain(..head.len);
                searched = 0;
            }
            Ok(Some(head)) => break head,
            Ok(None) if more(link, &mut text)? == 0 => {
                return Err(other("the connection was closed without an answer"));
            }
            Ok(None) => {}
        }
    };
    let mut rest = text.split_off(head.len);
    let (mut decoder, mut body, mut first_byte) = (Decoder::new(head.framing), Vec::new(), None);
    loop {
        let piece = decoder.decode(&mut rest).map_err(|_| other("the framing of the answer is broken"))?;
        body.extend_from_slice(&rest[piece.data.clone()]);
        rest.drain(..piece.consumed);
        if !body.is_empty() && first_byte.is_none() {
            first_byte = Some(began.elapsed());
        }
        if body.len() > limits::CALL_BODY_BYTES_MAX {
            return Err(other(format!("the answer is larger than {} bytes", limits::CALL_BODY_BYTES_MAX)));
        }
        if piece.state == State::End {
            break;
        }
        if more(link, &mut rest)? == 0 {
            decoder.eof().map_err(|_| other("the answer was cut short"))?;
            break;
        }
    }
    let total = began.elapsed();
    Ok(Reply { head, fields, text, body, first_byte: first_byte.unwrap_or(total), total })
}

fn more(link: &mut dyn Link, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let start = buffer.len();
    buffer.resize(start + limits::SLAB_BYTES, 0);
    let read = match link.read(&mut buffer[start..]) {
        // Without a notice of the end: whether that was a cut, the framing tells.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    };
    buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A provider that has said all it will.
    struct Played(io::Cursor<Vec<u8>>);

    impl Read for Played {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Write for Played {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn interim_answers_are_counted() {
        let said = |interims: u32| {
            let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(interims as usize);
            let text = interim + "HTTP/1.1 204 No Content\r\n\r\n";
            answer(&mut Played(io::Cursor::new(text.into_bytes())), Instant::now()).map(|reply| reply.head.status)
        };
        assert_eq!(said(limits::INTERIM_MAX).expect("at the bound"), 204);
        assert!(said(limits::INTERIM_MAX + 1).is_err());
    }

    #[test]
    fn an_answer_is_bounded_however_it_is_framed() {
        let said = |field: &str, before: &str, bytes: usize, behind: &str| {
            let text = format!("HTTP/1.1 200 OK\r\n{field}\r\n{before}{}{behind}", "x".repeat(bytes));
            let read = answer(&mut Played(io::Cursor::new(text.into_bytes())), Instant::now());
            read.map(|reply| reply.body.len()).map_err(|error| error.to_string())
        };
        for (bytes, fits) in [(limits::CALL_BODY_BYTES_MAX, true), (limits::CALL_BODY_BYTES_MAX + 1, false)] {
            let answers = [
                said(&format!("content-length: {bytes}\r\n"), "", bytes, ""),
                said("transfer-encoding: chunked\r\n", &format!("{bytes:x}\r\n"), bytes, "\r\n0\r\n\r\n"),
                said("", "", bytes, ""),
            ];
            for read in answers {
                match fits {
                    true => assert_eq!(read, Ok(bytes)),
                    false => assert!(read.unwrap_err().contains("larger than")),
                }
            }
        }
    }
}
