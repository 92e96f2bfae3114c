//! Frames as a server writes them: whole and not masked (RFC 6455 §5.1).

/// The first byte of a frame that is a whole message.
const FIN: u8 = 0x80;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
/// Payload of a control frame.
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// Why a connection closes (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// All is done.
    Normal = 1000,
    /// The server goes away.
    Away = 1001,
    /// The peer broke a rule of the protocol.
    Protocol = 1002,
    /// What came cannot be read here: bytes that are no text.
    Unsupported = 1003,
    /// A text that is not UTF-8.
    NotText = 1007,
    /// The peer sends more than it may.
    Policy = 1008,
    /// A message over its bound.
    TooLarge = 1009,
    /// The answer broke off.
    Broken = 1011,
    /// More is under way than is held at once: another time (IANA's registry of close codes).
    Later = 1013,
}

/// Appends a message of one text frame, whose payload is `pieces`.
pub fn text(pieces: &[&[u8]], out: &mut Vec<u8>) {
    frame(TEXT, pieces, out);
}

/// Appends a ping without payload.
pub fn ping(out: &mut Vec<u8>) {
    frame(PING, &[], out);
}

/// Appends the answer to a ping of this payload.
pub fn pong(payload: &[u8], out: &mut Vec<u8>) {
    frame(PONG, &[payload], out);
}

/// Appends the end of the connection.
pub fn close(code: Code, out: &mut Vec<u8>) {
    frame(CLOSE, &[&(code as u16).to_be_bytes()], out);
}

fn frame(opcode: u8, pieces: &[&[u8]], out: &mut Vec<u8>) {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    out.reserve(bytes + 10);
    out.push(FIN | opcode);
    match bytes {
        0..=125 => out.push(bytes as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
}
