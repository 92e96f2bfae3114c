//! `weir service install`: the unit of `scripts/weir.service` with this program's own path, written and enabled.
//!
//! What is there already is kept: a configuration that somebody has written is not replaced, only the unit is. The
//! first configuration is of mode 0600: the unit gives it to its user at each start, and who changes it in the web UI may put a
//! secret into it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::config::default_file;

const UNIT: &str = include_str!("../../scripts/weir.service");
/// The line of the unit that is made anew.
const EXEC_START: &str = "ExecStart=/usr/local/bin/weir serve -c /etc/weir/config.json\n";
/// Where systemd looks for units of the administrator.
const PLACE: &str = "etc/systemd/system/weir.service";
const ENV: &str = "# Variables that the configuration names, one NAME=value a line. Read by systemd; mode 0600.\n";

/// Writes the unit below `root` (`/`), and what it needs where that is not there; then enables it by `systemctl`.
/// Says what it did, line by line.
pub(super) fn install(
    root: &Path,
    program: &Path,
    config: &Path,
    mut systemctl: impl FnMut(&[&str]) -> Result<(), String>,
) -> Result<String, String> {
    for hidden in ["/home", "/root", "/run/user"] {
        if program.starts_with(hidden) || config.starts_with(hidden) {
            return Err(format!(
                "the unit cannot see {hidden}: copy weir to /usr/local/bin and its configuration to /etc/weir, and call it from there"
            ));
        }
    }
    let named = |path: &Path, error: io::Error| format!("{} cannot be written: {error}", path.display());
    let mut said = String::new();
    let within = |path: &str| root.join(path.trim_start_matches('/'));
    let folder = within("etc/weir");
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder).map_err(|error| named(&folder, error))?;
    let first = default_file::text(|_| None);
    for (path, text, mode) in
        [(within(&config.to_string_lossy()), &*first, 0o600), (within("etc/weir/env"), ENV, 0o600)]
    {
        match create(&path, text, mode) {
            Ok(()) => said.push_str(&format!("made {}\n", path.display())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(named(&path, error)),
        }
    }
    let unit = UNIT.replace(EXEC_START, &format!("ExecStart={} serve -c {}\n", word(program), word(config)));
    let place = within(PLACE);
    let written = place.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&place, unit));
    written
        .and_then(|()| fs::set_permissions(&place, fs::Permissions::from_mode(0o644)))
        .map_err(|e| named(&place, e))?;
    said.push_str(&format!("wrote {}\n", place.display()));
    for arguments in [&["daemon-reload"][..], &["enable", "--now", "weir.service"]] {
        systemctl(arguments).map_err(|why| format!("{said}systemctl {}: {why}", arguments.join(" ")))?;
    }
    said.push_str("enabled and started; `systemctl status weir` shows it\n");
    Ok(said)
}

/// Writes a file that is not there yet.
fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    // The umask may have taken bits away.
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// A path as one word of a unit's command line (systemd.service(5), "Command lines").
fn word(path: &Path) -> String {
    let mut word = String::from("\"");
    for c in path.to_string_lossy().chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' | '$' => word.extend([c, c]),
            _ => word.push(c),
        }
    }
    word + "\""
}

/// Runs `systemctl` of the system.
pub(super) fn systemctl(arguments: &[&str]) -> Result<(), String> {
    match std::process::Command::new("systemctl").args(arguments).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_written_and_enabled_and_a_configuration_that_is_there_is_kept() {
        let root = std::env::temp_dir().join(format!("weir-unit-{}", std::process::id()));
        let _left_by_an_aborted_run = fs::remove_dir_all(&root);
        let config = Path::new("/etc/weir/config.json");
        for round in 0..2 {
            let mut asked = Vec::new();
            let said = install(&root, Path::new("/opt/we ir%/weir"), config, |arguments| {
                asked.push(arguments.join(" "));
                Ok(())
            });
            let said = said.expect("installed");
            assert_eq!(said.contains("config.json"), round == 0, "{said}");
            assert_eq!(asked, ["daemon-reload", "enable --now weir.service"]);
            let unit = fs::read_to_string(root.join(PLACE)).expect("a unit");
            assert!(unit.contains("ExecStart=\"/opt/we ir%%/weir\" serve -c \"/etc/weir/config.json\"\n"), "{unit}");
            assert_eq!(unit.matches("ExecStart=").count(), 1);
            let mode = |path: &str| fs::metadata(root.join(path)).expect("there").permissions().mode() & 0o777;
            assert_eq!((mode("etc/weir/env"), mode("etc/weir/config.json")), (0o600, 0o600));
        }
        fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn what_the_unit_cannot_see_is_said() {
        let never = |_: &[&str]| panic!("nothing is run");
        let said = install(Path::new("/nowhere"), Path::new("/root/weir"), Path::new("/etc/weir/config.json"), never);
        assert!(said.expect_err("refused").contains("/root"));
    }
}
