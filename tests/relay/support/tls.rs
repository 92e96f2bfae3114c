//! TLS in front of a scripted provider: it ends the session and passes the plain bytes on, so that a test says HTTP as
//! it does in the clear. A CA of its own signs what is shown; weir is told of it by `tls.ca`.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection};

use super::Folder;

/// A CA that only those know who are told.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: Folder,
}

/// A chain and its key, in PEM.
pub struct Shown {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("test authority {}", super::serial()));
        let pem = params.self_signed(&key).expect("a CA").pem();
        let folder = Folder::new();
        std::fs::write(folder.path().join("ca.pem"), &pem).expect("write");
        Authority { issuer: Issuer::new(params, key), folder }
    }

    /// The file that weir reads.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let chain = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Shown { chain, key: key.serialize_pem() }
    }
}

/// How the front ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With close_notify.
    Orderly,
    /// The connection just ends.
    Abrupt,
}

/// Ends TLS in front of `behind`.
pub struct Front {
    pub address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    full: AtomicUsize,
    resumed: AtomicUsize,
}

impl Front {
    /// In front of `behind`, with a certificate for 127.0.0.1.
    pub fn new(authority: &Authority, behind: SocketAddr, manner: Manner) -> Front {
        Front::showing(&authority.sign("127.0.0.1", |_| ()), behind, manner)
    }

    pub fn showing(shown: &Shown, behind: SocketAddr, manner: Manner) -> Front {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(shown.chain.as_bytes()).collect::<Result<_, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).expect("a certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let counts = Arc::new(Counts::default());
        let told = counts.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, config, counts) = (stream.expect("accept"), config.clone(), told.clone());
                std::thread::spawn(move || pass(stream, config, behind, manner, &counts));
            }
        });
        Front { address, counts }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Handshakes that took up an earlier session, and those that did not.
    pub fn handshakes(&self) -> (usize, usize) {
        (self.counts.resumed.load(Ordering::Relaxed), self.counts.full.load(Ordering::Relaxed))
    }
}

/// Passes bytes both ways until both sides have ended, or the session fails.
fn pass(mut outer: TcpStream, config: Arc<ServerConfig>, behind: SocketAddr, manner: Manner, counts: &Counts) {
    let mut session = ServerConnection::new(config).expect("a session");
    while session.is_handshaking() {
        if session.complete_io(&mut outer).is_err() {
            return;
        }
    }
    assert_ne!(session.alpn_protocol(), Some(&b"h2"[..]), "weir speaks HTTP/1.1 only");
    match session.handshake_kind() {
        Some(HandshakeKind::Resumed) => counts.resumed.fetch_add(1, Ordering::Relaxed),
        _ => counts.full.fetch_add(1, Ordering::Relaxed),
    };
    let Ok(mut inner) = TcpStream::connect(behind) else { return };
    for stream in [&outer, &inner] {
        stream.set_nonblocking(true).expect("nonblocking");
        stream.set_nodelay(true).expect("nodelay");
    }
    let mut piece = vec![0; 64 * 1024];
    loop {
        let mut idle = true;
        match session.read_tls(&mut outer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
            Ok(0) => return,
            Ok(_) => idle = false,
        }
        if session.process_new_packets().is_err() {
            let _ = session.write_tls(&mut outer);
            return;
        }
        while let Ok(read) = session.reader().read(&mut piece) {
            if read == 0 {
                let _ = inner.shutdown(Shutdown::Write);
                break;
            }
            idle = false;
            write_all(&mut inner, &piece[..read]);
        }
        match inner.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(read @ 1..) => {
                idle = false;
                let mut rest = &piece[..read];
                while !rest.is_empty() {
                    let taken = session.writer().write(rest).expect("an open session");
                    rest = &rest[taken..];
                    if flush(&mut session, &mut outer).is_none() {
                        return;
                    }
                }
            }
            Ok(0) | Err(_) => {
                if manner == Manner::Orderly {
                    session.send_close_notify();
                    let _ = flush(&mut session, &mut outer);
                }
                let _ = outer.shutdown(Shutdown::Write);
                return;
            }
        }
        if flush(&mut session, &mut outer).is_none() {
            return;
        }
        if idle {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn flush(session: &mut ServerConnection, outer: &mut TcpStream) -> Option<()> {
    while session.wants_write() {
        match session.write_tls(outer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
            Ok(_) => {}
        }
    }
    Some(())
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return,
        }
    }
}
