//! The pass over a JSON text, which can stop at any byte and go on when more of the text is there.
//!
//! What it keeps between two calls is small: where it is, what has to stand there, and the kinds of the open
//! containers in a bit stack, so that depth costs neither recursion nor memory. A text can so be read while it
//! arrives, and a large one in pieces that are short enough for others to have their turn in between.
//!
//! At the end of a piece less than a hundred bytes may have to be looked at again with the next one: of a literal,
//! an escape or a sequence of UTF-8 that is cut there, and of a block of a string.

use super::scan::{Error, ErrorKind, blank, fail};
use super::string::{self, Inside};
use crate::base::span::Span;
use crate::limits;

/// A pass over one text.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Everything before this offset is done with.
    at: usize,
    next: Next,
    nest: Nest,
    /// Name and value at depth 1; deeper ones are nobody's business.
    outer_name: Span,
    outer_start: u32,
    /// Where the value of the text begins.
    start: u32,
}

/// What has to stand where a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The value of the text.
    Text { object: bool },
    /// A value.
    Value,
    /// More of a string that is a value.
    InString,
    /// More of a number.
    InNumber(Number),
    /// The first element of an array, or the array's end.
    FirstElement,
    /// The first name in an object, or the object's end.
    FirstName,
    /// A name.
    Name,
    /// More of a name whose inside begins at `start`.
    InName { start: u32 },
    /// The colon behind a name.
    Colon,
    /// Nothing yet: a value has just ended.
    Ended,
    /// A comma or the end of a container; behind the value of the text, nothing.
    Comma,
}

/// How far a number has come (RFC 8259 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Start,
    Sign,
    Zero,
    Whole,
    Point,
    Fraction,
    Mark,
    MarkSign,
    Exponent,
}

/// The kinds of the open containers, innermost in bit 0: set for an object.
#[derive(Clone, Copy, Debug)]
struct Nest {
    objects: u128,
    depth: usize,
}

const _: () = assert!(limits::JSON_DEPTH_MAX <= u128::BITS as usize);

impl Nest {
    #[inline]
    fn open(&mut self, object: bool, at: usize) -> Result<(), Error> {
        if self.depth == limits::JSON_DEPTH_MAX {
            return Err(Error { at, kind: ErrorKind::Depth });
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline]
    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Whether the pass goes on; not where the end of the text so far has been reached first.
type Step = Result<bool, Error>;

impl Scan {
    /// At the start of a text that must be an object.
    pub const fn object() -> Scan {
        Scan::new(true)
    }

    /// At the start of a text of any kind.
    pub const fn value() -> Scan {
        Scan::new(false)
    }

    const fn new(object: bool) -> Scan {
        let nest = Nest { objects: 0, depth: 0 };
        Scan {
            at: 0,
            next: Next::Text { object },
            nest,
            outer_name: Span { start: 0, end: 0 },
            outer_start: 0,
            start: 0,
        }
    }

    /// Bytes that are done with.
    pub fn done(&self) -> usize {
        self.at
    }

    /// Where the value of the text begins, behind blanks; 0 while that is not known.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// Goes on to the end of `text`, which begins with what earlier calls have seen; with `last` nothing follows
    /// it. Members of an object that is the whole text are told as `member(name, value)` when their value has
    /// ended. Says whether all is read, which is so exactly where `last` was said and there is no error.
    ///
    /// Members and verdict do not depend on the pieces in which a text comes. After an error the pass is over.
    pub fn advance(&mut self, text: &[u8], last: bool, mut member: impl FnMut(Span, Span)) -> Result<bool, Error> {
        if u32::try_from(text.len()).is_err() {
            return Err(Error { at: u32::MAX as usize, kind: ErrorKind::Length });
        }
        // A copy that nobody else sees stays in registers: between two strings there is little to do.
        let mut pass = self.clone();
        let outcome = pass.run(text, last, &mut member);
        *self = pass;
        outcome?;
        match last {
            true if self.next == Next::Comma && self.nest.depth == 0 => Ok(true),
            true => Err(Error { at: text.len(), kind: ErrorKind::End }),
            false => Ok(false),
        }
    }

    /// Goes on to the end of `text`.
    #[inline(always)]
    fn run(&mut self, text: &[u8], last: bool, member: &mut impl FnMut(Span, Span)) -> Result<(), Error> {
        loop {
            let goes_on = match self.next {
                Next::Text { object } => self.text(text, object)?,
                Next::Value => self.value_at(text, last)?,
                Next::InString => self.string(text, last)?,
                Next::InNumber(part) => self.number(text, last, part)?,
                Next::FirstElement => self.first(text, b']', Next::Value),
                Next::FirstName => self.first(text, b'}', Next::Name),
                Next::Name => self.name(text, last)?,
                Next::InName { start } => self.in_name(text, last, start)?,
                Next::Colon => self.colon(text)?,
                Next::Ended => {
                    if self.nest.depth == 1 {
                        member(self.outer_name, Span::new(self.outer_start as usize, self.at));
                    }
                    self.next = Next::Comma;
                    self.comma(text)?
                }
                Next::Comma => self.comma(text)?,
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Goes on with `next`.
    #[inline(always)]
    fn go(&mut self, next: Next) -> bool {
        self.next = next;
        true
    }

    /// Stops at the end of what is there, to go on with `next`.
    #[inline(always)]
    fn stop(&mut self, next: Next) -> bool {
        self.next = next;
        false
    }

    /// The first byte of what comes next, blanks stepped over.
    #[inline(always)]
    fn peek(&mut self, text: &[u8]) -> Option<u8> {
        self.at = blank(text, self.at);
        text.get(self.at).copied()
    }

    fn text(&mut self, text: &[u8], object: bool) -> Step {
        let Some(first) = self.peek(text) else { return Ok(false) };
        let kind = match first {
            b'{' => None,
            b'"' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' if object => Some(ErrorKind::NotObject),
            _ if object => Some(ErrorKind::Value),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(Error { at: self.at, kind });
        }
        self.start = self.at as u32;
        Ok(self.go(Next::Value))
    }

    #[inline(always)]
    fn value_at(&mut self, text: &[u8], last: bool) -> Step {
        let Some(first) = self.peek(text) else { return Ok(false) };
        let at = self.at;
        if self.nest.depth == 1 {
            self.outer_start = at as u32;
        }
        match first {
            b'"' => {
                self.at += 1;
                self.string(text, last)
            }
            b'{' => {
                self.nest.open(true, at)?;
                self.at += 1;
                self.next = Next::FirstName;
                Ok(self.first(text, b'}', Next::Name))
            }
            b'[' => {
                self.nest.open(false, at)?;
                self.at += 1;
                self.next = Next::FirstElement;
                Ok(self.first(text, b']', Next::Value))
            }
            b'-' | b'0'..=b'9' => self.number(text, last, Number::Start),
            b't' => self.literal(text, last, b"true"),
            b'f' => self.literal(text, last, b"false"),
            b'n' => self.literal(text, last, b"null"),
            _ => Err(Error { at, kind: ErrorKind::Value }),
        }
    }

    #[inline(always)]
    fn string(&mut self, text: &[u8], last: bool) -> Step {
        match string::end(text, self.at, last)? {
            Inside::Closed(quote) => {
                self.at = quote + 1;
                Ok(self.go(Next::Ended))
            }
            Inside::Open(good) => {
                self.at = good;
                Ok(self.stop(Next::InString))
            }
        }
    }

    #[inline(always)]
    fn number(&mut self, text: &[u8], last: bool, part: Number) -> Step {
        let (end, part) = part.advance(text, self.at)?;
        self.at = end;
        match end < text.len() || last && part.may_end() {
            true => Ok(self.go(Next::Ended)),
            false => Ok(self.stop(Next::InNumber(part))),
        }
    }

    #[inline(always)]
    fn literal(&mut self, text: &[u8], last: bool, word: &[u8]) -> Step {
        let rest = &text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(self.go(Next::Ended));
        }
        let same = rest.iter().zip(word).take_while(|(have, want)| have == want).count();
        match same == rest.len() {
            true if last => Err(fail(text, text.len(), ErrorKind::Literal)),
            true => Ok(self.stop(Next::Value)),
            false => Err(fail(text, self.at + same, ErrorKind::Literal)),
        }
    }

    /// What stands first in a container: its end or `other`.
    #[inline(always)]
    fn first(&mut self, text: &[u8], close: u8, other: Next) -> bool {
        match self.peek(text) {
            None => false,
            Some(byte) if byte != close => self.go(other),
            Some(_) => {
                self.at += 1;
                self.nest.close();
                self.go(Next::Ended)
            }
        }
    }

    #[inline(always)]
    fn name(&mut self, text: &[u8], last: bool) -> Step {
        match self.peek(text) {
            None => Ok(false),
            Some(b'"') => {
                self.at += 1;
                self.in_name(text, last, self.at as u32)
            }
            Some(_) => Err(Error { at: self.at, kind: ErrorKind::Name }),
        }
    }

    #[inline(always)]
    fn in_name(&mut self, text: &[u8], last: bool, start: u32) -> Step {
        match string::end(text, self.at, last)? {
            Inside::Closed(quote) => {
                if self.nest.depth == 1 {
                    self.outer_name = Span { start, end: quote as u32 };
                }
                self.at = quote + 1;
                self.next = Next::Colon;
                self.colon(text)
            }
            Inside::Open(good) => {
                self.at = good;
                Ok(self.stop(Next::InName { start }))
            }
        }
    }

    #[inline(always)]
    fn colon(&mut self, text: &[u8]) -> Step {
        match self.peek(text) {
            None => Ok(false),
            Some(b':') => {
                self.at += 1;
                Ok(self.go(Next::Value))
            }
            Some(_) => Err(Error { at: self.at, kind: ErrorKind::Colon }),
        }
    }

    #[inline(always)]
    fn comma(&mut self, text: &[u8]) -> Step {
        let Some(byte) = self.peek(text) else { return Ok(false) };
        let at = self.at;
        if self.nest.depth == 0 {
            return Err(Error { at, kind: ErrorKind::Trailing });
        }
        self.at += 1;
        match (byte, self.nest.in_object()) {
            (b',', true) => Ok(self.go(Next::Name)),
            (b',', false) => Ok(self.go(Next::Value)),
            (b'}', true) | (b']', false) => {
                self.nest.close();
                Ok(self.go(Next::Ended))
            }
            (_, true) => Err(Error { at, kind: ErrorKind::Brace }),
            (_, false) => Err(Error { at, kind: ErrorKind::Bracket }),
        }
    }
}

impl Number {
    /// Goes on over the bytes of a number; the end of it, or of the text.
    #[inline]
    fn advance(self, text: &[u8], mut at: usize) -> Result<(usize, Number), Error> {
        use Number as N;
        let mut part = self;
        while let Some(&byte) = text.get(at) {
            part = match (part, byte) {
                (N::Whole | N::Fraction | N::Exponent, b'0'..=b'9') => part,
                // A zero stands alone: whatever follows it is not part of the number.
                (N::Start | N::Sign, b'0') => N::Zero,
                (N::Start | N::Sign, b'1'..=b'9') => N::Whole,
                (N::Start, b'-') => N::Sign,
                (N::Zero | N::Whole, b'.') => N::Point,
                (N::Point, b'0'..=b'9') => N::Fraction,
                (N::Zero | N::Whole | N::Fraction, b'e' | b'E') => N::Mark,
                (N::Mark, b'+' | b'-') => N::MarkSign,
                (N::Mark | N::MarkSign, b'0'..=b'9') => N::Exponent,
                _ if part.may_end() => break,
                _ => return Err(Error { at, kind: ErrorKind::Digit }),
            };
            at += 1;
        }
        Ok((at, part))
    }

    /// Whether what has come is a number.
    #[inline]
    fn may_end(self) -> bool {
        matches!(self, Number::Zero | Number::Whole | Number::Fraction | Number::Exponent)
    }
}

#[cfg(test)]
#[path = "walk_test.rs"]
mod tests;
