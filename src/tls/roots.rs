//! Who vouches for a provider: the roots of the system, or the bundled ones where it has none; a private CA beside them.
//!
//! The system's roots are read once in a process, at the first provider that needs them; a restart reads them again.
//! Which ones they are is kept in words, for the log and `weir doctor`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::party::provider;

/// Roots, and where they came from.
pub struct Roots {
    store: RootCertStore,
    verifier: Arc<WebPkiServerVerifier>,
    /// Whether they are the machine's own.
    pub of_system: bool,
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.store.len();
        match self.of_system {
            true => write!(f, "{count} roots of the system"),
            false => write!(f, "{count} bundled roots: the system has none"),
        }
    }
}

/// The roots that every provider is judged by.
pub fn system() -> &'static Roots {
    static ROOTS: OnceLock<Roots> = OnceLock::new();
    ROOTS.get_or_init(|| choose(rustls_native_certs::load_native_certs().certs))
}

/// What the system has, as far as it can be used; the bundled roots where that is nothing.
fn choose(found: Vec<CertificateDer<'static>>) -> Roots {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found);
    let of_system = !store.is_empty();
    if !of_system {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let verifier = verifier(store.clone()).expect("roots of which there is one at least");
    Roots { store, verifier, of_system }
}

fn verifier(store: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, String> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider());
    builder.build().map_err(|error| error.to_string())
}

/// Who is believed about one provider.
#[derive(Clone)]
pub struct Trust {
    ca: Arc<[CertificateDer<'static>]>,
    pub(super) verifier: Arc<WebPkiServerVerifier>,
}

impl Trust {
    /// The system's roots, or the bundled ones.
    pub fn system() -> Trust {
        Trust { ca: Arc::default(), verifier: Arc::clone(&system().verifier) }
    }

    /// The certificates of `pem` beside the system's roots.
    pub fn with_ca(pem: &[u8]) -> Result<Trust, String> {
        let ca: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let ca = ca.map_err(|_| "is not PEM")?;
        if ca.is_empty() {
            return Err("holds no certificate".to_owned());
        }
        let mut store = system().store.clone();
        for certificate in &ca {
            store.add(certificate.clone()).map_err(|error| format!("holds no certificate of a CA: {error}"))?;
        }
        Ok(Trust { ca: ca.into(), verifier: verifier(store)? })
    }
}

/// Equal where the same certificates are believed.
impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        self.ca == other.ca
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({}, {} of its own)", system(), self.ca.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_roots_uses_the_bundled_ones() {
        let bundled = choose(Vec::new());
        assert!(!bundled.of_system && bundled.to_string().contains("bundled"), "{bundled}");
        let own = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).expect("a certificate");
        let system = choose(vec![own.cert.der().clone(), CertificateDer::from(b"no certificate".to_vec())]);
        assert_eq!((system.of_system, system.to_string().as_str()), (true, "1 roots of the system"));
    }

    #[test]
    fn a_private_ca_is_read_and_what_is_none_is_refused() {
        let own = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).expect("a certificate");
        let (one, other) = (Trust::with_ca(own.cert.pem().as_bytes()).expect("a CA"), Trust::system());
        assert!(one == one.clone() && one != other && other == Trust::system());
        for bad in ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN X"] {
            assert!(Trust::with_ca(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
