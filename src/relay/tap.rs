//! Where bytes pass that a trace records: one look at whether there is one, and all else out of the way.

use std::io::{self, IoSlice};

use super::core::View;
use super::exchange::Exchange;
use super::wait::Client;
use crate::config::snapshot::TraceBodies;
use crate::http::field::{Fields, credentials};
use crate::http::head::RequestHead;
use crate::record::Outcome;
use crate::record::mask::Mask;
use crate::record::tap::Tap;
use crate::rt::{Net, Stream as _, Wire};

impl<N: Net> Client<N> {
    /// Reads more of an upstream's answer behind what `buffer` holds.
    #[inline]
    pub(super) fn read_lane(&mut self, lane: &Wire<N::Stream>, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let from = buffer.len();
        let read = lane.try_read(buffer);
        if self.tap.is_some() {
            self.tap_read(&buffer[from..]);
        }
        read
    }

    #[cold]
    fn tap_read(&mut self, bytes: &[u8]) {
        let now_us = self.core.net.now_us();
        if let Some(tap) = &mut self.tap
            && !bytes.is_empty()
        {
            tap.upstream_response(bytes, now_us);
        }
    }

    /// What goes to the client.
    #[cold]
    pub(super) fn tap_written(&mut self, slices: &[IoSlice<'_>]) {
        if let Some(tap) = &mut self.tap {
            slices.iter().for_each(|slice| tap.client_response(slice));
        }
    }

    /// What goes to an upstream, in a try of its own.
    #[cold]
    pub(super) fn tap_sent(&mut self, pieces: &[&[u8]]) {
        let now_us = self.core.net.now_us();
        if let Some(tap) = &mut self.tap {
            tap.begin_try(now_us);
            pieces.iter().for_each(|piece| tap.upstream_request(piece));
        }
    }

    /// What the client has asked, its content codings taken off.
    #[cold]
    pub(super) fn tap_body(&mut self, body: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.client_body(body);
        }
    }

    /// Records the exchange whose head this is.
    #[cold]
    pub(super) fn tap_begins(&mut self, input: &[u8], head: &RequestHead, fields: &Fields) {
        let mut tap = Box::new(Tap::new(&self.core.tapped));
        let presented = credentials(input, fields, head.query.map(|span| span.of(input)));
        tap.client_head(&input[..head.len], presented.as_deref());
        self.tap = Some(tap);
    }
}

impl Exchange {
    /// Whether this exchange may have a trace.
    #[inline]
    pub(super) fn is_tapped(&self) -> bool {
        self.view.snapshot.traces.bodies != TraceBodies::Off
    }

    /// Hands on what was recorded, if the exchange is one whose trace is wanted.
    #[cold]
    pub(super) fn tap_ends<N: Net>(&mut self, client: &mut Client<N>, tap: Tap) {
        let wanted = match self.view.snapshot.traces.bodies {
            TraceBodies::Off => false,
            TraceBodies::Errors => self.entry.outcome != Outcome::Ok,
            TraceBodies::All => true,
        };
        if wanted {
            let mask = self.view.mask.get_or_init(|| mask(&self.view));
            self.entry.traced = client.core.tell_trace(tap.finish(&self.entry, self.start_us, mask));
        }
    }
}

/// All secrets that the configuration knows as such.
fn mask(view: &View) -> Mask {
    let keys = view.snapshot.keys.iter().map(|key| key.secret.expose());
    let clients = view.snapshot.clients.iter().filter(|client| !client.hashed).map(|client| client.key.expose());
    Mask::new(keys.chain(clients))
}
