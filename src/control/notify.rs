//! What systemd is told (sd_notify(3)): a datagram of `NAME=value` lines to the socket in `$NOTIFY_SOCKET`.
//! Without that variable nobody asked, and nothing is sent.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells systemd, if it listens. A service manager that is gone stops nothing.
pub fn tell(state: &str) {
    if let Some(address) = std::env::var_os("NOTIFY_SOCKET") {
        let _nobody_listens = send(&address, state);
    }
}

fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_whole_datagram| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_address_are_told() {
        let folder = super::super::socket::tests::Folder::new("notify");
        let path = folder.0.join("notify.sock");
        let name = format!("weir-notify-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).expect("an address");
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).expect("bound")),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_address).expect("bound")),
        ];
        for (address, socket) in sockets {
            send(&address, "READY=1").expect("sent");
            let mut told = [0; 16];
            let len = socket.recv(&mut told).expect("received");
            assert_eq!(&told[..len], b"READY=1");
        }
    }
}
