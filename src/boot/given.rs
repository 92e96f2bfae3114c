//! Listening sockets that were there before this process: given by systemd, or by the predecessor that started it.
//!
//! Sockets of systemd (sd_listen_fds(3)) stand in for `listen` of the file, as `--listen` does: whoever writes a
//! socket unit has said there where to listen. The one that is named `admin` (`FileDescriptorName=`) is the admin
//! address. A predecessor names its sockets as its configuration does, so that a port that the kernel chose stays
//! the same one.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::cli::Handed;
use crate::rt::{Bound, sys};

/// The variable in which a predecessor describes what it gives.
pub(super) const VARIABLE: &str = "WEIR_SUCCEEDS";
/// The name by which a socket unit says that its socket is the admin address.
const ADMIN: &str = "admin";

/// What a predecessor writes into `VARIABLE`. Descriptors are numbers of the process that it starts.
#[derive(Serialize, Deserialize)]
pub(super) struct Bequest {
    /// The predecessor: a process further down the line that finds the variable is not meant.
    pub(super) from: u32,
    /// Where the successor says that it serves.
    pub(super) ready: RawFd,
    /// The admin address, where it is TCP.
    pub(super) admin: Option<(String, RawFd)>,
    /// The relay's addresses.
    pub(super) relay: Vec<(String, RawFd)>,
    /// What of them came from systemd.
    pub(super) handed: Handed,
}

/// All that was given.
#[derive(Default)]
pub struct Given {
    /// The relay's sockets, by their names in the configuration.
    pub(super) relay: Vec<(String, Bound)>,
    /// The socket of the admin address.
    pub(super) admin: Option<(String, TcpListener)>,
    /// Where to say that this process serves.
    pub(super) predecessor: Option<UnixStream>,
    handed: Handed,
}

impl Given {
    /// Takes over what there is. An error names what cannot be used.
    pub fn take() -> io::Result<Given> {
        if let Some(bequest) = bequest() {
            return Given::inherit(bequest);
        }
        let mut given = Given::default();
        for (fd, name) in sd_notify::listen_fds_with_names()? {
            let fd = sys::own(fd);
            let number = fd.as_raw_fd();
            let bound = Bound::adopt(fd).map_err(|error| unusable(number, &name, &error))?;
            let address = bound.name();
            match (name.as_str(), bound) {
                (ADMIN, Bound::Tcp(listener)) => {
                    given.handed.admin = Some(address.clone());
                    given.admin = Some((address, listener));
                }
                (ADMIN, Bound::Unix(..)) => {
                    let error = io::Error::other("the admin address can be handed in as TCP only");
                    return Err(unusable(number, &name, &error));
                }
                (_, bound) => {
                    given.handed.relay.push(address.clone());
                    given.relay.push((address, bound));
                }
            }
        }
        Ok(given)
    }

    fn inherit(bequest: Bequest) -> io::Result<Given> {
        let adopt = |(name, fd): (String, RawFd)| match Bound::adopt(sys::own(fd)) {
            Ok(bound) => Ok((name, bound)),
            Err(error) => Err(unusable(fd, &name, &error)),
        };
        let ready = UnixStream::from(sys::own(bequest.ready));
        let relay = bequest.relay.into_iter().map(adopt).collect::<io::Result<_>>()?;
        let admin = match bequest.admin.map(adopt).transpose()? {
            Some((name, Bound::Tcp(listener))) => Some((name, listener)),
            Some((_, Bound::Unix(..))) | None => None,
        };
        Ok(Given { relay, admin, predecessor: Some(ready), handed: bequest.handed })
    }

    /// What systemd handed in, for the command line to say over the file.
    pub fn handed(&self) -> &Handed {
        &self.handed
    }
}

/// What the parent of this process wrote for it.
fn bequest() -> Option<Bequest> {
    let text = std::env::var(VARIABLE).ok()?;
    let bequest: Bequest = serde_json::from_str(&text).ok()?;
    (bequest.from == std::os::unix::process::parent_id()).then_some(bequest)
}

fn unusable(fd: RawFd, name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("descriptor {fd} ({name}) was handed in and cannot be used: {error}"))
}
