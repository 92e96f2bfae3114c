//! The configuration file on disk: read with a mark of what was read, replaced whole, its earlier texts kept.
//!
//! A new text is written beside the file and renamed over it, with the file's owner and mode, so that whoever reads
//! sees the old one or the new one, and a link stays a link. The texts before are kept in the data folder, the owner's
//! only, because they may hold secrets.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::stamp;
use crate::config::snapshot::digest;
use crate::limits;

/// The text of a file, and its mark.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) etag: String,
}

/// Reads a text file of bounded size.
pub(crate) fn read(path: &Path) -> io::Result<Read> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limits::CONFIG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limits::CONFIG_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long"));
    }
    let text = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    Ok(Read { etag: etag(&text), text })
}

/// A mark that two texts share only if they are the same: half of a SHA-256.
pub(crate) fn etag(text: &str) -> String {
    hex(&digest(text.as_bytes())[..16])
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

/// Puts `text` in the place of the file at `path`; the folder has to take a new file.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file behind a link is replaced, not the link.
    let path = fs::canonicalize(path)?;
    let before = fs::metadata(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let _of_one_that_died = fs::remove_file(&fresh);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        // After the owner: a change of owner takes bits away.
        file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o7777))?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::File::open(folder).and_then(|folder| folder.sync_all())
    })();
    written.inspect_err(|_| {
        let _half_of_it = fs::remove_file(&fresh);
    })
}

/// A text that was the configuration once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) name: String,
    pub(crate) unix_ms: u64,
    pub(crate) bytes: u64,
}

/// The folder of earlier texts.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("backups")
}

/// Keeps a text; the oldest beyond `CONFIG_BACKUPS_MAX` go. One that is kept already as the newest is not kept twice.
pub(crate) fn keep(data_dir: &Path, text: &str, unix_ms: u64) -> io::Result<()> {
    let folder = folder(data_dir);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let kept = list(data_dir);
    let newest = kept.first().map(|newest| read(&folder.join(&newest.name)));
    if newest.is_some_and(|newest| newest.is_ok_and(|newest| newest.text == text)) {
        return Ok(());
    }
    let path = folder.join(name_of(unix_ms));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    for old in kept.iter().skip(limits::CONFIG_BACKUPS_MAX - 1) {
        fs::remove_file(folder.join(&old.name))?;
    }
    Ok(())
}

/// The earlier texts, newest first; none if there is no folder of them.
pub(crate) fn list(data_dir: &Path) -> Vec<Backup> {
    let Ok(entries) = fs::read_dir(folder(data_dir)) else { return Vec::new() };
    let backup = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some(Backup { unix_ms: moment_of(&name)?, bytes: entry.metadata().ok()?.len(), name })
    };
    let mut list: Vec<Backup> = entries.flatten().filter_map(backup).collect();
    list.sort_by(|a, b| b.name.cmp(&a.name));
    list
}

/// One of them by its name. A name that the list does not have leads nowhere, whatever path it spells.
pub(crate) fn find(data_dir: &Path, name: &str) -> io::Result<Read> {
    match list(data_dir).iter().any(|backup| backup.name == name) {
        true => read(&folder(data_dir).join(name)),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn name_of(unix_ms: u64) -> String {
    format!("config-{}.json", stamp::moment(unix_ms).replace(':', "-"))
}

fn moment_of(name: &str) -> Option<u64> {
    let moment = name.strip_prefix("config-")?.strip_suffix(".json")?;
    let (date, time) = moment.split_once('T')?;
    crate::config::date::unix_ms(&format!("{date}T{}", time.replace('-', ":")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::socket::tests::Folder;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_behind_its_link() {
        let folder = Folder::new("replace");
        let (path, link) = (folder.0.join("weir.json"), folder.0.join("link.json"));
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("a mode");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        replace(&link, "new").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("text"), "new");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 2, "nothing is left behind");
        assert!(replace(&folder.0.join("none"), "x").is_err());
        assert_ne!(etag("old"), etag("new"));
    }

    #[test]
    fn ten_earlier_texts_are_kept() {
        let folder = Folder::new("keep");
        for text in 0..limits::CONFIG_BACKUPS_MAX as u64 + 3 {
            keep(&folder.0, &text.to_string(), 1_795_254_816_123 + text).expect("kept");
            keep(&folder.0, &text.to_string(), 1_795_254_900_000 + text).expect("kept");
        }
        let kept = list(&folder.0);
        assert_eq!(kept.len(), limits::CONFIG_BACKUPS_MAX);
        assert_eq!(kept[0].unix_ms, 1_795_254_816_123 + limits::CONFIG_BACKUPS_MAX as u64 + 2);
        assert_eq!(find(&folder.0, &kept[9].name).expect("there").text, "3");
        let path = super::folder(&folder.0).join(&kept[0].name);
        assert_eq!(fs::metadata(path).expect("there").mode() & 0o777, 0o600);
        fs::write(folder.0.join("secret.json"), "x").expect("written");
        for name in ["../secret.json", "", ".", "config-.json", "/etc/passwd"] {
            assert!(find(&folder.0, name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_or_no_text_is_refused() {
        let folder = Folder::new("read");
        let path = folder.0.join("weir.json");
        fs::write(&path, " ".repeat(limits::CONFIG_BYTES_MAX)).expect("written");
        assert!(read(&path).is_ok());
        fs::write(&path, " ".repeat(limits::CONFIG_BYTES_MAX + 1)).expect("written");
        assert!(read(&path).is_err());
        fs::write(&path, b"\xff").expect("written");
        assert!(read(&path).is_err());
    }
}
