//! How a provider is reached with one of its keys: where to dial, and what is spoken before HTTP.
//!
//! Ways that differ in anything a lane cannot change later (address, proxy, TLS) have pools of their own, so that no
//! exchange travels on a lane that was made under other terms.

use std::sync::Arc;

use crate::base::secret::Secret;
use crate::config::snapshot::{Key, Provider, Proxy, ProxyScheme, Verify};
use crate::tls::{ClientConfig, party};

/// One way.
pub(super) struct Way {
    /// The number of its idle pool.
    pub(super) pool: usize,
    /// The provider's host.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The proxy that leads there.
    pub(super) via: Option<Via>,
    /// TLS with the provider, which a proxy cannot look into.
    pub(super) tls: Option<Secure>,
}

/// A proxy.
pub(super) struct Via {
    pub(super) scheme: ProxyScheme,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) credentials: Option<Secret>,
    /// TLS with the proxy itself.
    pub(super) tls: Option<Secure>,
}

/// What a TLS session to one host is made with.
pub(super) struct Secure {
    pub(super) config: Arc<ClientConfig>,
    pub(super) verify: Verify,
}

impl Secure {
    fn new(verify: &Verify) -> Secure {
        Secure { config: party::client(&verify.trust), verify: verify.clone() }
    }
}

impl Way {
    /// The way to `provider` with `key`, its pool being `pool`.
    pub(super) fn new(pool: usize, provider: &Provider, key: &Key) -> Way {
        let base = &provider.base;
        assert_eq!(base.tls, provider.tls.is_some(), "no key goes in the clear where https is asked for");
        let via = match &key.proxy {
            Proxy::Direct => None,
            Proxy::Via { scheme, host, port, credentials, verify } => Some(Via {
                scheme: *scheme,
                host: host.clone(),
                port: *port,
                credentials: credentials.clone(),
                tls: verify.as_ref().map(Secure::new),
            }),
        };
        Way { pool, host: base.host.clone(), port: base.port, via, tls: provider.tls.as_ref().map(Secure::new) }
    }

    /// Whether it is the way to `provider` with `key`.
    pub(super) fn leads_to(&self, provider: &Provider, key: &Key) -> bool {
        let base = &provider.base;
        let same = |secure: &Option<Secure>, verify: &Option<Verify>| {
            secure.as_ref().map(|secure| &secure.verify) == verify.as_ref()
        };
        let proxied = match (&self.via, &key.proxy) {
            (None, Proxy::Direct) => true,
            (Some(via), Proxy::Via { scheme, host, port, credentials, verify }) => {
                let login = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
                via.scheme == *scheme
                    && via.host == *host
                    && via.port == *port
                    && login(&via.credentials) == login(credentials)
                    && same(&via.tls, verify)
            }
            (None, Proxy::Via { .. }) | (Some(_), Proxy::Direct) => false,
        };
        proxied && self.host == base.host && self.port == base.port && same(&self.tls, &provider.tls)
    }
}
