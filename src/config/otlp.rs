//! The check of `otlp`: where spans of exchanges go.

use std::sync::Arc;

use super::check::Check;
use super::problem::At;
use super::snapshot::{Otlp, Verify};
use super::url;
use crate::protocol::Protocol;
use crate::tls::ServerName;
use crate::tls::roots::Trust;

impl Check<'_, '_, '_> {
    /// Nothing where the file asks for none, or what it says cannot be used.
    pub(super) fn otlp(&mut self) -> Option<Arc<Otlp>> {
        let given = self.file.otlp.as_ref()?;
        let at = At::ROOT.member("otlp");
        let headers = self.headers(&at.member("headers"), &given.headers, &[]);
        let base = url::base(&given.endpoint, Protocol::Chat).map(|parsed| parsed.base);
        let base = base.inspect_err(|message| self.problems.error(&at.member("endpoint"), *message)).ok()?;
        let name = base.tls.then(|| ServerName::try_from(base.host.to_string()));
        let verify = match name {
            None => None,
            Some(Ok(name)) => Some(Verify { trust: Trust::system(), name }),
            Some(Err(_)) => {
                self.problems.error(&at.member("endpoint"), "names a host that a certificate cannot be for");
                return None;
            }
        };
        Some(Arc::new(Otlp { base, verify, headers }))
    }
}
