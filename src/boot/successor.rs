//! Starting a successor: the program's file once more, with the same arguments, on the same sockets.
//!
//! The listening sockets are never closed meanwhile: both processes hold them, and what waits in their queues is
//! served by whoever comes first. The file is looked up anew by its name, so that an upgrade is: put the new file
//! in place of the old one (by rename), send SIGUSR2.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use super::Fleet;
use super::given::{Bequest, VARIABLE};
use crate::cli::Handed;
use crate::control::Heir;
use crate::rt::sys;

/// What a successor is started with.
pub(super) struct Will {
    /// The program's file, as it was called when this process started.
    pub(super) program: PathBuf,
    /// The admin address as the configuration calls it, where it is TCP.
    pub(super) admin: Option<(String, TcpListener)>,
    /// What of the sockets came from systemd.
    pub(super) handed: Handed,
}

impl Will {
    /// Starts the successor. It has not said yet that it serves.
    pub(super) fn execute(&self, fleet: &Fleet) -> io::Result<Heir> {
        let (ready, theirs) = UnixStream::pair()?;
        let admin = self.admin.as_ref().map(|(name, listener)| (name.clone(), listener.as_raw_fd()));
        let child = fleet.with_sockets(|relay| {
            let mut kept: Vec<_> = relay.iter().map(|(_, fd)| *fd).collect();
            kept.extend(admin.iter().map(|(_, fd)| *fd));
            kept.push(theirs.as_raw_fd());
            let bequest = Bequest {
                from: std::process::id(),
                ready: theirs.as_raw_fd(),
                admin,
                relay,
                handed: self.handed.clone(),
            };
            let mut command = Command::new(&self.program);
            command.args(std::env::args_os().skip(1));
            command.env(VARIABLE, serde_json::to_string(&bequest)?);
            // These name this process; what they say is for its successor too, or in the bequest.
            for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
                command.env_remove(variable);
            }
            sys::hand_down(&mut command, kept);
            command.spawn()
        })?;
        Ok(Heir::new(child, ready))
    }
}
