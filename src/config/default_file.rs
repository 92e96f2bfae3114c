//! Where the configuration is looked for, and the file that is made when there is none.
//!
//! Both are decided by pure functions; `create` is the one effect.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::presets::PRESETS;

/// Where the configuration is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// This file exists.
    Found(PathBuf),
    /// None does; this one may be made. Nothing if the user has no home.
    Missing {
        /// The file to make.
        create: Option<PathBuf>,
    },
}

/// Looks for `weir.json` in the working directory, `weir/config.json` in the user's configuration folder, `/etc/weir/config.json`.
pub fn search(cwd: &Path, xdg_config_home: Option<&str>, home: Option<&str>, exists: impl Fn(&Path) -> bool) -> Place {
    // A relative path is to be ignored (XDG Base Directory Specification).
    let folder = xdg_config_home.map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| home.filter(|home| !home.is_empty()).map(|home| Path::new(home).join(".config")));
    let own = folder.map(|folder| folder.join("weir/config.json"));
    let candidates = [Some(cwd.join("weir.json")), own.clone(), Some(PathBuf::from("/etc/weir/config.json"))];
    match candidates.into_iter().flatten().find(|path| exists(path)) {
        Some(path) => Place::Found(path),
        None => Place::Missing { create: own },
    }
}

/// A file with a provider for each well-known key in the environment, or with `demo` if there is none.
/// It refers to the variables; no key is written into it.
pub fn text(env: impl Fn(&str) -> Option<String>) -> String {
    let set = |name: &&&str| env(name).is_some_and(|value| !value.trim().is_empty());
    let found: Vec<_> =
        PRESETS.iter().filter_map(|preset| preset.env.iter().find(set).map(|variable| (preset, *variable))).collect();
    let mut providers = String::new();
    let mut families = String::new();
    // Writing to a String does not fail.
    for (preset, variable) in &found {
        let name = preset.name;
        let _ = writeln!(providers, "    \"{name}\": {{ \"preset\": \"{name}\", \"keys\": [\"env:{variable}\"] }},");
        for family in preset.families {
            let _ = writeln!(families, "        \"{family}\": \"{name}\",");
        }
    }
    let to: Vec<String> = match found.as_slice() {
        [] => vec!["\"demo/demo\"".to_owned()],
        _ => found.iter().map(|(preset, _)| format!("\"{}\"", preset.name)).collect(),
    };
    if found.is_empty() {
        providers.push_str("    // Answers from inside weir; no account needed.\n");
        providers.push_str("    \"demo\": { \"protocol\": \"demo\" },\n");
    }
    let models =
        if families.is_empty() { String::new() } else { format!("      \"models\": {{\n{families}      }},\n") };
    let to = to.join(", ");
    format!(
        "// Made by weir from the keys in its environment. `weir schema` explains every member, `weir check` judges the file.\n\
         {{\n  \"listen\": \"127.0.0.1:7070\",\n  \"admin\": {{ \"listen\": \"127.0.0.1:7071\" }},\n\n\
         \x20 \"providers\": {{\n{providers}  }},\n\n\
         \x20 \"routes\": {{\n    \"default\": {{\n      \"to\": [{to}],\n{models}    }},\n  }},\n}}\n"
    )
}

/// Writes a new file that only its owner may read (mode 0600), and its folder (0700). A file that exists stays.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Outside, Overrides, read};

    #[test]
    fn the_search_order_is_the_documented_one() {
        let place = |xdg: Option<&str>, home: Option<&str>, there: &[&str]| {
            search(Path::new("/work"), xdg, home, |path| there.iter().any(|known| Path::new(known) == path))
        };
        let all = ["/work/weir.json", "/x/weir/config.json", "/h/.config/weir/config.json", "/etc/weir/config.json"];
        let found = |path: &str| Place::Found(PathBuf::from(path));
        let create = |path: &str| Place::Missing { create: Some(PathBuf::from(path)) };
        assert_eq!(place(Some("/x"), Some("/h"), &all), found(all[0]));
        assert_eq!(place(Some("/x"), Some("/h"), &all[1..]), found(all[1]));
        assert_eq!(place(None, Some("/h"), &all[1..]), found(all[2]));
        assert_eq!(place(Some("relative"), Some("/h"), &all[1..]), found(all[2]));
        assert_eq!(place(None, None, &all[1..]), found(all[3]));
        assert_eq!(place(Some("/x"), Some("/h"), &[]), create(all[1]));
        assert_eq!(place(Some(""), Some("/h"), &[]), create(all[2]));
        assert_eq!(place(None, None, &[]), Place::Missing { create: None });
    }

    #[test]
    fn the_made_file_is_valid_and_holds_no_key() {
        for keys in [&[][..], &["OPENAI_API_KEY"], &["GOOGLE_API_KEY", "ZHIPU_API_KEY", "OPENROUTER_API_KEY"]] {
            let env = |name: &str| keys.contains(&name).then(|| "sk-canary".to_owned());
            let text = text(env);
            assert!(!text.contains("canary"));
            let none = |_: &Path| Err(io::ErrorKind::NotFound.into());
            let outside = Outside { env: &env, read: &none, path: None, shared: false };
            let reading = read(text.as_bytes(), &outside, &Overrides::default());
            let snapshot = reading.snapshot.unwrap_or_else(|| panic!("{text}\n{:?}", reading.problems));
            assert_eq!(snapshot.providers.len(), keys.len().max(1), "{text}");
            assert_eq!(snapshot.default_route, Some(0));
            assert_eq!(snapshot.routes[0].to.rules.len(), keys.len().max(1));
        }
    }

    #[test]
    fn the_file_is_its_owners_alone_and_is_not_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("weir-default-file-{}", std::process::id()));
        let path = folder.join("weir/config.json");
        create(&path, "{}").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&path, "[]").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
