//! Connections of the admin address and of the control socket.
//!
//! axum's own server has no bound on connections or on the time a head may take; a process that also relays
//! traffic needs both, because descriptors are shared with the cores. So hyper is driven directly.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use super::auth::Caller;
use super::socket;
use crate::config::Snapshot;
use crate::config::listen::Listen;
use crate::limits;

/// The admin address, bound before anything else starts, so that a taken port is a start error.
pub enum Listening {
    /// A TCP port.
    Tcp(std::net::TcpListener),
    /// A Unix socket, put in its place when the rest of the process stands.
    Unix(socket::Fresh),
}

impl Listening {
    /// Binds the admin address of `snapshot`, or takes the socket that was `given` under its name; with `succeeds`
    /// a predecessor may still answer there. Without a password only loopback is bound: `check` says so first,
    /// with the line, and this is the last gate.
    pub fn bind(
        snapshot: &Snapshot,
        given: Option<(String, std::net::TcpListener)>,
        succeeds: bool,
    ) -> io::Result<Listening> {
        let listen = &snapshot.admin.listen;
        if snapshot.admin.password.is_none() && !listen.is_loopback() {
            return Err(io::Error::other("the admin address needs a password where it is not loopback"));
        }
        match (listen, given) {
            (Listen::Tcp(_), Some((name, listener))) if name == listen.to_string() => {
                listener.set_nonblocking(true)?;
                Ok(Listening::Tcp(listener))
            }
            (Listen::Tcp(address), _) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Listening::Tcp(listener))
            }
            (Listen::Unix(path), _) => Ok(Listening::Unix(socket::bind(path, succeeds)?)),
        }
    }

    /// A TCP port once more, with its name in the configuration, for a successor.
    pub fn duplicate(&self, snapshot: &Snapshot) -> io::Result<Option<(String, std::net::TcpListener)>> {
        match self {
            Listening::Tcp(listener) => Ok(Some((snapshot.admin.listen.to_string(), listener.try_clone()?))),
            Listening::Unix(_) => Ok(None),
        }
    }

    /// The address of a TCP port.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Listening::Tcp(listener) => listener.local_addr().ok().map(|address| address.ip()),
            Listening::Unix(_) => None,
        }
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listening::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "http://{address}/"),
                Err(error) => error.fmt(f),
            },
            Listening::Unix(fresh) => write!(f, "unix:{}", fresh.path().display()),
        }
    }
}

/// Serves a TCP port for as long as the process lives.
pub(crate) async fn tcp(listener: tokio::net::TcpListener, router: Router) {
    accept(router, || async {
        let (stream, peer) = listener.accept().await?;
        Ok((stream, Caller::Ip(peer.ip())))
    })
    .await;
}

/// Serves a Unix socket; whoever connects is `caller`. The socket's file goes when the future is dropped.
pub(crate) fn unix(
    bound: socket::Bound,
    router: Router,
    caller: Caller,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = tokio::net::UnixListener::from_std(bound.listener.try_clone()?)?;
    Ok(async move {
        let _file = bound;
        accept(router, || async {
            let (stream, _peer) = listener.accept().await?;
            Ok((stream, caller))
        })
        .await;
    })
}

async fn accept<S, F>(router: Router, next: impl Fn() -> F)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<(S, Caller)>>,
{
    let room = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS_MAX));
    let service = TowerToHyperService::new(router);
    loop {
        // The semaphore is never closed.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match next().await {
            Ok((stream, caller)) => {
                let service = service.clone();
                tokio::spawn(async move {
                    // What goes wrong on a connection of the admin address concerns its peer only.
                    let _broken = connection(stream, caller, service).await;
                    drop(permit);
                });
            }
            // Mostly EMFILE: the queue keeps the caller until a descriptor is free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(limits::ADMIN_ACCEPT_PAUSE_MS)).await,
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    caller: Caller,
    service: TowerToHyperService<Router>,
) -> hyper::Result<()> {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller);
        service.call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::ADMIN_HEAD_MS_MAX))
        .serve_connection(TokioIo::new(stream), service)
        .await
}
