//! Frames as a client sends them, put together to messages.
//!
//! Bytes may come in any pieces. What is held is the head of a frame, and the message under way up to its bound; a
//! length that exceeds it is refused when it is told, before anything is held for it.

use super::frame::{BINARY, CLOSE, CONTROL_BYTES_MAX, Code, PING, PONG, TEXT};

/// What a client has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A whole message of text.
    Text(&'a str),
    /// It wants to know whether anybody is there; the answer has the same payload.
    Ping(&'a [u8]),
    /// It ends the connection.
    Close,
}

/// Most bytes of a frame's head: two, a length of eight, a mask of four.
const HEAD_BYTES_MAX: usize = 14;

/// Reads one connection.
#[derive(Debug)]
pub struct Reader {
    message_bytes_max: usize,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    /// The frame whose payload is under way.
    frame: Option<Frame>,
    /// The message, as far as it has come.
    message: Vec<u8>,
    /// Whether a message has begun and goes on.
    open: bool,
    /// Payload of a control frame, which may come amid a message.
    control: Vec<u8>,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Payload bytes that have come.
    come: usize,
    bytes: usize,
}

const CONTINUATION: u8 = 0x0;

impl Reader {
    /// Of a connection whose messages have at most so many bytes.
    pub fn new(message_bytes_max: usize) -> Reader {
        Reader {
            message_bytes_max,
            head: [0; HEAD_BYTES_MAX],
            head_bytes: 0,
            frame: None,
            message: Vec::new(),
            open: false,
            control: Vec::new(),
            closed: false,
        }
    }

    /// Bytes of memory that a message under way takes.
    pub fn held(&self) -> usize {
        self.message.capacity()
    }

    /// Takes the next bytes and tells what they complete. After an error, or a close, nothing is heard any more.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Heard<'_>)) -> Result<(), Code> {
        while !self.closed {
            let Some(frame) = self.frame else {
                match self.begin(&mut bytes) {
                    Ok(true) => continue,
                    Ok(false) => return Ok(()),
                    Err(code) => return self.refuse(code),
                }
            };
            let taken = bytes.len().min(frame.bytes - frame.come);
            if taken == 0 && frame.come < frame.bytes {
                return Ok(());
            }
            self.take(frame, &bytes[..taken]);
            bytes = &bytes[taken..];
            if frame.come + taken < frame.bytes {
                self.frame = Some(Frame { come: frame.come + taken, ..frame });
                continue;
            }
            self.frame = None;
            if let Err(code) = self.end(frame, each) {
                return self.refuse(code);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, code: Code) -> Result<(), Code> {
        self.closed = true;
        self.message = Vec::new();
        Err(code)
    }

    /// Reads the head of a frame; false where more of it is to come.
    fn begin(&mut self, bytes: &mut &[u8]) -> Result<bool, Code> {
        loop {
            let wanted = match self.head_bytes {
                0 | 1 => 2,
                _ => head_bytes(self.head[1]),
            };
            if self.head_bytes >= 2 {
                self.judge()?;
                if self.head_bytes == wanted {
                    self.frame = Some(self.frame_of()?);
                    self.head_bytes = 0;
                    return Ok(true);
                }
            }
            let Some((&first, rest)) = bytes.split_first() else { return Ok(false) };
            self.head[self.head_bytes] = first;
            self.head_bytes += 1;
            *bytes = rest;
        }
    }

    /// Whether a frame may begin with these two bytes.
    fn judge(&self) -> Result<(), Code> {
        let [first, second, ..] = self.head;
        let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        let is_control = opcode & 0x8 != 0;
        let length = usize::from(second & 0x7f);
        let fits = match opcode {
            CONTINUATION => self.open,
            TEXT => !self.open,
            BINARY => return Err(Code::Unsupported),
            CLOSE | PING | PONG => fin && length <= CONTROL_BYTES_MAX,
            _ => false,
        };
        let is_masked = second & 0x80 != 0;
        match fits && reserved == 0 && is_masked && (fin || !is_control) {
            true => Ok(()),
            false => Err(Code::Protocol),
        }
    }

    fn frame_of(&self) -> Result<Frame, Code> {
        let (opcode, short) = (self.head[0] & 0x0f, self.head[1] & 0x7f);
        let (bytes, behind) = match short {
            126 => (u64::from(u16::from_be_bytes([self.head[2], self.head[3]])), 4),
            127 => {
                let mut length = [0; 8];
                length.copy_from_slice(&self.head[2..10]);
                (u64::from_be_bytes(length), 10)
            }
            short => (u64::from(short), 2),
        };
        let least = match short {
            126 => 126,
            127 => 0x1_0000,
            _ => 0,
        };
        if bytes < least || bytes >> 63 != 0 {
            return Err(Code::Protocol);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[behind..behind + 4]);
        let room = self.message_bytes_max - self.message.len().min(self.message_bytes_max);
        let bytes = usize::try_from(bytes).map_err(|_| Code::TooLarge)?;
        if opcode & 0x8 == 0 && bytes > room {
            return Err(Code::TooLarge);
        }
        Ok(Frame { fin: self.head[0] & 0x80 != 0, opcode, mask, come: 0, bytes })
    }

    fn take(&mut self, frame: Frame, payload: &[u8]) {
        let into = if frame.opcode & 0x8 == 0 { &mut self.message } else { &mut self.control };
        let mask = |(at, byte): (usize, &u8)| byte ^ frame.mask[(frame.come + at) % 4];
        into.extend(payload.iter().enumerate().map(mask));
    }

    fn end(&mut self, frame: Frame, each: &mut impl FnMut(Heard<'_>)) -> Result<(), Code> {
        match frame.opcode {
            CLOSE => {
                self.closed = true;
                each(Heard::Close);
                self.message = Vec::new();
            }
            PING => {
                each(Heard::Ping(&self.control));
                self.control.clear();
            }
            PONG => self.control.clear(),
            _ if !frame.fin => self.open = true,
            _ => {
                self.open = false;
                let message = std::mem::take(&mut self.message);
                each(Heard::Text(std::str::from_utf8(&message).map_err(|_| Code::NotText)?));
            }
        }
        Ok(())
    }
}

/// Bytes of the head whose second byte this is.
fn head_bytes(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + 4
}
