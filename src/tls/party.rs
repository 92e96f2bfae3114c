//! The configurations of the two sides: what a client offers a provider, what a listener shows its callers.
//!
//! A client's configuration holds its store of resumable sessions, so each core makes its own and no core waits for
//! another at a handshake. A listener's is shared by the cores: its tickets are sealed with one key, so that a caller
//! may come back to whichever core accepts it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

use super::reason;
use super::roots::Trust;
use crate::base::hash;
use crate::limits;

/// The only protocol that is spoken inside.
const ALPN: &[u8] = b"http/1.1";

/// The cryptography of every session.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// What is offered to a provider that `trust` is to vouch for.
pub fn client(trust: &Trust) -> Arc<ClientConfig> {
    let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = versions.expect("a provider with suites for TLS 1.2 and 1.3");
    let mut config = builder.with_webpki_verifier(Arc::clone(&trust.verifier)).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS_KEPT);
    Arc::new(config)
}

/// What a listener shows, and the hash of its chain, by which a reload finds that it is another one.
#[derive(Clone)]
pub struct Identity(pub Arc<ServerConfig>, u64, CertificateDer<'static>);

impl Identity {
    /// From the PEM texts of a chain and of its key.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Identity, Refused> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let certificates = certificates.map_err(|_| Refused::Chain("is not PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(Refused::Chain("holds no certificate".to_owned()));
        }
        let chain = certificates.iter().fold(0, |seed, certificate| hash::of(seed, certificate));
        let leaf = certificates[0].clone();
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| Refused::Key("holds no private key that can be read without a password".to_owned()))?;
        let versions = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.expect("a provider with suites for TLS 1.2 and 1.3").with_no_client_auth();
        let mut config = builder.with_single_cert(certificates, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Refused::Key("is not the key of the certificate".to_owned()),
            rustls::Error::InvalidCertificate(_) => Refused::Chain(format!("cannot be used: {}", reason(&error))),
            error => Refused::Key(format!("cannot be used: {}", reason(&error))),
        })?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Without a source of randomness nothing would work; without tickets only resumption does not.
        if let Ok(ticketer) = aws_lc_rs::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Identity(Arc::new(config), chain, leaf))
    }

    /// What this process offers its own listener: that it shows this identity is all that is asked of it, whatever names
    /// are in the certificate.
    pub fn to_itself(&self) -> ClientConfig {
        let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.expect("a provider with suites for TLS 1.2 and 1.3").dangerous();
        let mut config = builder.with_custom_certificate_verifier(Arc::new(Own(self.2.clone()))).with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:016x})", self.1)
    }
}

/// Believes one certificate, and whoever proves to have its key.
#[derive(Debug)]
struct Own(CertificateDer<'static>);

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match *end_entity == self.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Which of the two files cannot be used, and why.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The certificate chain.
    Chain(String),
    /// The private key.
    Key(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_needs_a_chain_and_its_own_key() {
        let make = || rcgen::generate_simple_self_signed(["relay.example".to_owned()]).expect("a certificate");
        let (own, other) = (make(), make());
        let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        assert!(Identity::new(chain.as_bytes(), key.as_bytes()).is_ok());
        let wrong = other.signing_key.serialize_pem();
        let refused = |chain: &str, key: &str| Identity::new(chain.as_bytes(), key.as_bytes()).expect_err("refused");
        assert_eq!(refused(&chain, &wrong), Refused::Key("is not the key of the certificate".to_owned()));
        assert!(matches!(refused("", &key), Refused::Chain(_)));
        assert!(matches!(refused(&key, &key), Refused::Chain(_)));
        assert!(matches!(refused(&chain, &chain), Refused::Key(_)));
        let shown =
            |own: &str, key: &str| format!("{:?}", Identity::new(own.as_bytes(), key.as_bytes()).expect("sound"));
        assert_eq!(shown(&chain, &key), shown(&chain, &key));
        assert_ne!(shown(&chain, &key), shown(&other.cert.pem(), &wrong));
        assert_eq!(shown(&chain, &key).len(), "Identity(0123456789abcdef)".len());
    }
}
