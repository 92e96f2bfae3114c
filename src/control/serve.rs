//! Connections of the admin address and of the control socket.
//!
//! axum's own server has no bound on connections or on the time a head may take; a process that also relays
//! traffic needs both, because descriptors are shared with the cores. So hyper is driven directly.
//!
//! Who has been accepted is answered, also by a process that ends: `Doors` tells every connection to end with the request
//! that is under way, or with the first one where none has come, and waits for them.

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
use tokio::sync::{Notify, Semaphore, watch};

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

/// What answers on the admin address and the control socket. Each door, and each connection that came through one,
/// holds a receiver: when the last is dropped, nobody waits for an answer.
pub(crate) struct Doors(watch::Sender<bool>);

/// Where a door or a connection hears that it is to end.
pub(crate) type Leave = watch::Receiver<bool>;

impl Doors {
    pub(crate) fn new() -> Doors {
        Doors(watch::Sender::new(false))
    }

    pub(crate) fn leave(&self) -> Leave {
        self.0.subscribe()
    }

    /// Takes no more connections and waits for those that are there, `limits::ADMIN_LEAVE_MS_MAX` at most. `ending` is
    /// called again and again meanwhile, to end what has no end of its own.
    pub(crate) async fn close(self, ending: impl Fn()) {
        self.0.send_replace(true);
        let gone = async {
            loop {
                ending();
                tokio::select! {
                    () = self.0.closed() => return,
                    () = tokio::time::sleep(Duration::from_millis(limits::ADMIN_LAST_ACCEPT_MS)) => {}
                }
            }
        };
        // What is not answered by then is cut off.
        let _cut = tokio::time::timeout(Duration::from_millis(limits::ADMIN_LEAVE_MS_MAX), gone).await;
    }
}

/// Waits until it is time to end.
async fn told(leave: &mut Leave) {
    // An error would be the end of what tells it: time too.
    let _told = leave.wait_for(|is_over| *is_over).await;
}

/// Serves a TCP port until it is to leave.
pub(crate) async fn tcp(listener: tokio::net::TcpListener, router: Router, leave: Leave) {
    accept(router, leave, || async {
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
    leave: Leave,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = tokio::net::UnixListener::from_std(bound.listener.try_clone()?)?;
    Ok(async move {
        let _file = bound;
        accept(router, leave, || async {
            let (stream, _peer) = listener.accept().await?;
            Ok((stream, caller))
        })
        .await;
    })
}

async fn accept<S, F>(router: Router, mut leave: Leave, next: impl Fn() -> F)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<(S, Caller)>>,
{
    let room = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS_MAX));
    let service = TowerToHyperService::new(router);
    let mut over = leave.clone();
    // Whoever connected just before it was time is taken in: the queue of a Unix socket dies with its listener.
    let over = async {
        told(&mut over).await;
        tokio::time::sleep(Duration::from_millis(limits::ADMIN_LAST_ACCEPT_MS)).await;
    };
    tokio::pin!(over);
    loop {
        let taken = async {
            // The semaphore is never closed.
            let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
            next().await.map(|taken| (taken, permit))
        };
        let taken = tokio::select! {
            biased;
            taken = taken => taken,
            () = &mut over => return,
        };
        match taken {
            Ok(((stream, caller), permit)) => {
                let (service, leave) = (service.clone(), leave.clone());
                tokio::spawn(async move {
                    // What goes wrong on a connection of the admin address concerns its peer only.
                    let _broken = connection(stream, caller, service, leave).await;
                    drop(permit);
                });
            }
            // Mostly EMFILE: the queue keeps the caller until a descriptor is free again.
            Err(_) if *leave.borrow_and_update() => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(limits::ADMIN_ACCEPT_PAUSE_MS)).await,
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    caller: Caller,
    service: TowerToHyperService<Router>,
    mut leave: Leave,
) -> hyper::Result<()> {
    let asked = Arc::new(Notify::new());
    let asks = asked.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asks.notify_one();
        request.extensions_mut().insert(caller);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::ADMIN_HEAD_MS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        done = &mut connection => return done,
        () = told(&mut leave) => {}
    }
    // hyper would close a connection on which nothing has been read, and with it a request that is on its way.
    tokio::select! {
        done = &mut connection => return done,
        () = asked.notified() => {}
        () = tokio::time::sleep(Duration::from_millis(limits::ADMIN_FIRST_MS_MAX)) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}
