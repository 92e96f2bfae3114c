//! How a provider is reached: where to dial, and what is spoken before HTTP.
//!
//! Ways that differ in anything a lane cannot change later (address, TLS) have pools of their own, so that no exchange
//! travels on a lane that was made under other terms.

use std::sync::Arc;

use crate::config::snapshot::{Provider, Verify};
use crate::tls::{ClientConfig, party};

/// One way.
pub(super) struct Way {
    /// The number of its idle pool.
    pub(super) pool: usize,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// Where what is said is for the provider's eyes only.
    pub(super) tls: Option<Secure>,
}

/// What a TLS session to one host is made with.
pub(super) struct Secure {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verify: Verify,
}

impl Way {
    /// The way to `provider`, its pool being `pool`.
    pub(super) fn new(pool: usize, provider: &Provider) -> Way {
        let secure = |verify: &Verify| Secure { config: party::client(&verify.trust), verify: verify.clone() };
        let base = &provider.base;
        assert_eq!(base.tls, provider.tls.is_some(), "no key goes in the clear where https is asked for");
        Way { pool, host: base.host.clone(), port: base.port, tls: provider.tls.as_ref().map(secure) }
    }

    /// Whether it is the way to `provider`.
    pub(super) fn leads_to(&self, provider: &Provider) -> bool {
        let base = &provider.base;
        self.host == base.host
            && self.port == base.port
            && self.tls.as_ref().map(|secure| &secure.verify) == provider.tls.as_ref()
    }
}
