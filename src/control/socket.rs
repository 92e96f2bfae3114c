//! Unix sockets of the control plane: `control.sock` in the data folder, and an admin address of that kind.
//!
//! The file mode is the door: 0600, in a folder that only its owner enters. The socket is bound under a name
//! of its own and renamed into place, so that it is never there with another mode, and a stale one of a
//! process that died is replaced without a moment in which there is none.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits;

/// Name of the control socket in the data folder.
pub const CONTROL_SOCKET: &str = "control.sock";

/// A listening socket that takes its file away when it is dropped, if the file is still its own.
pub struct Bound {
    /// The socket.
    pub listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

impl Bound {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the data folder, for its owner only; one that is there is left as it is.
pub fn data_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A listening socket under a name of its own, not yet in its place.
pub struct Fresh {
    bound: Bound,
    path: PathBuf,
}

impl Fresh {
    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place, over what is there.
    pub fn place(self) -> io::Result<Bound> {
        let Fresh { mut bound, path } = self;
        fs::rename(&bound.path, &path)?;
        bound.path = path;
        Ok(bound)
    }
}

/// Binds a socket for `path` with mode 0600. A socket that nobody answers on will be replaced; one that somebody
/// does, or another kind of file, is an error. With `succeeds` whoever answers is the predecessor.
pub fn bind(path: &Path, succeeds: bool) -> io::Result<Fresh> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of this name that is no socket"));
        }
        Ok(_socket) if !succeeds && UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another weir answers on it"));
        }
        Ok(_stale) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    // Left by a process of the same id that died between bind and rename.
    let _mostly_not_there = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    let made = fs::symlink_metadata(&fresh)?;
    // From here on the file goes with its owner, whatever fails.
    let bound = Bound { listener, inode: (made.dev(), made.ino()), path: fresh };
    fs::set_permissions(&bound.path, fs::Permissions::from_mode(0o600))?;
    bound.listener.set_nonblocking(true)?;
    Ok(Fresh { bound, path: path.to_owned() })
}

/// Asks the process that serves the control socket at `path`: status and body of its answer. HTTP/1.0, so that
/// the end of the answer is the end of the connection.
pub fn ask(path: &Path, method: &str, target: &str) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_millis(limits::CONTROL_ANSWER_MS_MAX)))?;
    stream.write_all(format!("{method} {target} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(limits::CONTROL_ANSWER_BYTES_MAX + 1).read_to_string(&mut answer)?;
    if answer.len() as u64 > limits::CONTROL_ANSWER_BYTES_MAX {
        return Err(io::Error::other(format!("the answer is larger than {} bytes", limits::CONTROL_ANSWER_BYTES_MAX)));
    }
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, answer.split_once("\r\n\r\n")) {
        (Some(status), Some((_head, body))) => Ok((status, body.to_owned())),
        (Some(_) | None, _) => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP")),
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode);
        if ours {
            let _nothing_more_to_do = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of its own for a test, removed with it.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("weir-test-{}-{name}", std::process::id()));
            let _left_by_an_aborted_run = fs::remove_dir_all(&path);
            data_dir(&path).expect("a folder");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_socket_is_its_owners_alone_and_goes_with_its_listener() {
        let folder = Folder::new("owner");
        let path = folder.0.join(CONTROL_SOCKET);
        let bound = bind(&path, false).and_then(Fresh::place).expect("a socket");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder.0).expect("there").mode() & 0o777, 0o700);
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = Folder::new("stale");
        let path = folder.0.join(CONTROL_SOCKET);
        drop(UnixListener::bind(&path).expect("a socket whose process dies"));
        assert!(path.exists());
        let alive = bind(&path, false).and_then(Fresh::place).expect("the stale one is replaced");
        assert_eq!(bind(&path, false).map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        // Somebody else's socket in the same place is not taken away.
        fs::remove_file(&path).expect("removed");
        let other = UnixListener::bind(&path).expect("another's");
        drop(alive);
        assert!(path.exists());
        drop(other);
    }

    #[test]
    fn a_successor_takes_the_place_and_its_predecessor_leaves_it() {
        let folder = Folder::new("succession");
        let path = folder.0.join(CONTROL_SOCKET);
        let first = bind(&path, false).and_then(Fresh::place).expect("a socket");
        drop(bind(&path, true).expect("one that fails before it serves"));
        assert!(UnixStream::connect(&path).is_ok() && first.listener.accept().is_ok(), "the first one still answers");
        let second = bind(&path, true).and_then(Fresh::place).expect("a successor");
        drop(first);
        assert!(UnixStream::connect(&path).is_ok() && second.listener.accept().is_ok());
        drop(second);
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 0, "nothing is left behind");
    }

    #[test]
    fn an_answer_is_read_up_to_its_bound() {
        let folder = Folder::new("answer");
        let path = folder.0.join(CONTROL_SOCKET);
        let listener = UnixListener::bind(&path).expect("a socket");
        for over in [0, 1] {
            let asked = std::thread::scope(|scope| {
                let asks = scope.spawn(|| ask(&path, "GET", "/api/status"));
                let (mut stream, _) = listener.accept().expect("it asks");
                let mut request = [0; 64];
                assert!(stream.read(&mut request).expect("a request") > 0);
                let head = "HTTP/1.0 200 OK\r\n\r\n";
                let body = "x".repeat(limits::CONTROL_ANSWER_BYTES_MAX as usize + over - head.len());
                // It may have heard enough before the end.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
                drop(stream);
                asks.join().expect("no panic")
            });
            match over {
                0 => assert_eq!(asked.expect("at the bound").0, 200),
                _ => assert!(asked.expect_err("one past it").to_string().contains("larger than")),
            }
        }
    }

    #[test]
    fn a_file_that_is_no_socket_is_kept() {
        let folder = Folder::new("file");
        let path = folder.0.join(CONTROL_SOCKET);
        fs::write(&path, "precious").expect("written");
        assert_eq!(bind(&path, false).map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read_to_string(&path).expect("read"), "precious");
    }
}
