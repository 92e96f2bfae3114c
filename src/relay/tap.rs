//! Where bytes pass that a trace records: one look at whether there is one, and all else out of the way.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::attempt::Outgoing;
use super::exchange::Exchange;
use super::wait::Client;
use crate::base::hash;
use crate::config::snapshot::TraceBodies;
use crate::http::field::{Fields, credentials};
use crate::http::head::RequestHead;
use crate::record::Outcome;
use crate::record::tap::{Left, Tap};
use crate::rt::{Net, Stream as _, Wire};

impl<N: Net> Client<N> {
    /// Reads more of an upstream's answer behind what `buffer` holds.
    #[inline]
    pub(super) fn read_lane(&mut self, lane: &Wire<N::Stream>, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let from = buffer.len();
        let read = lane.try_read(buffer);
        self.weigh(buffer.len() - from);
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
    pub(super) fn tap_sent(&mut self, outgoing: &Outgoing<'_>) {
        let now_us = self.core.net.now_us();
        if let Some(tap) = &mut self.tap {
            tap.begin_try(now_us);
            outgoing.pieces.iter().for_each(|piece| tap.upstream_request(piece, outgoing.body));
        }
    }

    /// A recording of what goes beside this client's attempt, if that is recorded.
    pub(super) fn tap_beside(&self) -> Option<Box<Tap>> {
        self.tap.as_ref().map(|_| Box::new(Tap::new(&self.core.tapped)))
    }

    /// Takes what `shadow` has recorded; `serves` says whether its answer is the one that is passed on.
    pub(super) fn tap_joins(&mut self, shadow: &mut Client<N>, serves: bool) {
        if let (Some(tap), Some(beside)) = (&mut self.tap, shadow.tap.take()) {
            tap.join(*beside, serves);
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
    /// Whether this exchange may have a trace: whose it is, and how it ends, comes out later.
    #[inline]
    pub(super) fn is_tapped(&self) -> bool {
        let traces = &self.view.snapshot.traces;
        traces.bodies != TraceBodies::Off
            || !traces.clients.is_empty()
            || !traces.routes.is_empty()
            || traces.sample != 0 && self.is_sampled()
    }

    /// Whether it is one of the share that is recorded however it ends. Its id decides.
    #[cold]
    fn is_sampled(&self) -> bool {
        hash::of(0, self.entry.id.as_str().as_bytes()) >> 32 < self.view.snapshot.traces.sample
    }

    /// Whether its trace is wanted, now that it has ended.
    fn is_wanted(&self) -> bool {
        let (traces, entry) = (&self.view.snapshot.traces, &self.entry);
        let by_end = match traces.bodies {
            TraceBodies::Off => false,
            TraceBodies::Errors => entry.outcome != Outcome::Ok,
            TraceBodies::All => true,
        };
        by_end
            || traces.clients.binary_search(&entry.client).is_ok()
            || traces.routes.binary_search(&entry.route).is_ok()
            || self.is_sampled()
    }

    /// Nothing is recorded of an exchange that is known not to be wanted, now that its client is.
    #[inline]
    pub(super) fn tap_knows_client<N: Net>(&self, client: &mut Client<N>) {
        let traces = &self.view.snapshot.traces;
        if client.tap.is_some() && traces.bodies == TraceBodies::Off && traces.routes.is_empty() && !self.is_wanted() {
            client.tap = None;
        }
    }

    /// Hands on what was recorded, if the exchange is one whose trace is wanted.
    #[cold]
    pub(super) fn tap_ends<N: Net>(&mut self, client: &mut Client<N>, tap: Tap) {
        if self.is_wanted() {
            let recording = tap.end(self.entry.id, self.start_us);
            let snapshot = Arc::clone(&self.view.snapshot);
            self.entry.traced = client.core.tell_trace(Left { recording, snapshot });
        }
    }
}
