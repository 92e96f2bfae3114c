//! A request body as it is read: in one go, while it arrives, or with pauses in which others have their turn.
//!
//! What was found before a pause is kept as spans, so the text may have moved when it goes on. Once something is
//! found that makes the body unfit, that is the answer to every further call.

use std::fmt;

use super::asked::{Asked, Body};
use super::form::{self, Parts};
use super::outline::Outline;
use crate::base::span::Span;
use crate::json::{self, Escaped, Raw, Scan};
use crate::limits;
use crate::protocol::path::Endpoint;

/// Why a body cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not valid JSON, or not an object.
    Json(json::Error),
    /// It is not the form that its content type announces.
    Form,
    /// It has more members or fields than a request can have.
    Crowded,
    /// Its `stream_options` are longer than options are.
    Options,
}

/// The body is not the form that its content type announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotForm;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfit::Json(error) => write!(f, "the body is not valid JSON: {error}"),
            Unfit::Form => f.write_str("the body is not the form that its content-type announces"),
            Unfit::Crowded => write!(f, "the body has more than {} members", limits::REQUEST_MEMBERS_MAX),
            Unfit::Options => write!(f, "stream_options has more than {} bytes", limits::STREAM_OPTIONS_BYTES_MAX),
        }
    }
}

impl std::error::Error for Unfit {}

/// A body that is being read.
#[derive(Clone, Debug)]
pub struct Reading {
    pass: Pass,
    asked: Asked,
    outline: Option<Outline>,
    members: usize,
    /// Bytes that have been shown to the pass.
    seen: usize,
    unfit: Option<Unfit>,
}

#[derive(Clone, Debug)]
enum Pass {
    Json(Scan),
    Form(Parts),
}

impl Reading {
    /// Of a body that has been sent to `endpoint` with this content type. With `outlined` every member of a JSON
    /// body is noted.
    pub fn new(endpoint: Endpoint, content_type: &[u8], outlined: bool) -> Reading {
        let (pass, body, outlined) = match form::boundary(content_type) {
            Some(boundary) => {
                let parts = Parts::new(boundary);
                let delimiter = parts.delimiter();
                (Pass::Form(parts), Body::Form { delimiter }, false)
            }
            None => (Pass::Json(Scan::object()), Body::Json { inside: 0, empty: true }, outlined),
        };
        let asked = Asked::new(endpoint, body);
        Reading { pass, asked, outline: outlined.then(Outline::default), members: 0, seen: 0, unfit: None }
    }

    /// Goes on with `body`, which begins with what earlier calls have seen, and which nothing follows if this is its
    /// `last` part; by at most [`limits::READ_TURN_BYTES`]. Says whether it has come to the end of `body`.
    pub fn advance(&mut self, body: &[u8], last: bool) -> Result<bool, Unfit> {
        if let Some(unfit) = self.unfit {
            return Err(unfit);
        }
        let upto = body.len().min(self.seen + limits::READ_TURN_BYTES);
        let at_end = upto == body.len();
        let outcome = self.read(&body[..upto], last && at_end);
        self.seen = upto;
        match outcome {
            Ok(()) => Ok(at_end),
            Err(unfit) => {
                self.unfit = Some(unfit);
                Err(unfit)
            }
        }
    }

    fn read(&mut self, body: &[u8], last: bool) -> Result<(), Unfit> {
        let (asked, outline, members) = (&mut self.asked, &mut self.outline, &mut self.members);
        match &mut self.pass {
            Pass::Json(scan) => {
                let mut crowded = false;
                scan.advance(body, last, |name, value| {
                    *members += 1;
                    crowded |= *members > limits::REQUEST_MEMBERS_MAX;
                    if !crowded {
                        note(asked, outline.as_mut(), body, name, value);
                    }
                })
                .map_err(Unfit::Json)?;
                if crowded {
                    return Err(Unfit::Crowded);
                }
                if last {
                    asked.body = Body::Json { inside: scan.start() as u32 + 1, empty: *members == 0 };
                    options(asked, body)?;
                }
            }
            Pass::Form(parts) => {
                parts.advance(body, last, asked).ok_or(Unfit::Form)?;
                if asked.models.len() > limits::REQUEST_MEMBERS_MAX {
                    return Err(Unfit::Crowded);
                }
            }
        }
        Ok(())
    }

    /// What a body asks for that has been read to its last byte.
    pub fn finish(self) -> (Asked, Option<Outline>) {
        debug_assert_eq!(self.unfit, None);
        (self.asked, self.outline)
    }
}

#[inline]
fn note(asked: &mut Asked, outline: Option<&mut Outline>, body: &[u8], name: Span, value: Span) {
    if let Some(outline) = outline {
        outline.note(body, name, value);
    }
    let name = Escaped::at(body, name);
    if name.eq_str("model") {
        asked.models.push(value);
    } else if name.eq_str("stream") {
        asked.stream = Raw::at(body, value).as_bool();
    } else if name.eq_str("stream_options") {
        asked.stream_options = Some(value);
    } else if name.eq_str("messages") {
        asked.has.messages = true;
    } else if name.eq_str("input") {
        asked.has.input = true;
    }
}

fn options(asked: &mut Asked, body: &[u8]) -> Result<(), Unfit> {
    let Some(options) = asked.stream_options else { return Ok(()) };
    if options.len() > limits::STREAM_OPTIONS_BYTES_MAX {
        return Err(Unfit::Options);
    }
    asked.include_usage = Raw::at(body, options).find("include_usage").and_then(Raw::as_bool);
    Ok(())
}

/// Reads a whole JSON body.
pub fn request(endpoint: Endpoint, body: &[u8]) -> Result<Asked, Unfit> {
    whole(Reading::new(endpoint, b"", false), body).map(|(asked, _)| asked)
}

/// [`request`], noting every top-level member in the same pass.
pub fn request_outlined(endpoint: Endpoint, body: &[u8]) -> Result<(Asked, Outline), Unfit> {
    whole(Reading::new(endpoint, b"", true), body).map(|(asked, outline)| (asked, outline.unwrap_or_default()))
}

/// Reads a whole form; nothing if the content type announces something else.
pub fn form(endpoint: Endpoint, content_type: &[u8], body: &[u8]) -> Option<Result<Asked, NotForm>> {
    form::boundary(content_type)?;
    let read = whole(Reading::new(endpoint, content_type, false), body);
    Some(read.map(|(asked, _)| asked).map_err(|_| NotForm))
}

fn whole(mut reading: Reading, body: &[u8]) -> Result<(Asked, Option<Outline>), Unfit> {
    while !reading.advance(body, true)? {}
    Ok(reading.finish())
}

#[cfg(test)]
#[path = "reading_test.rs"]
mod tests;
