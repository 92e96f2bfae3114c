//! `weir agent`: a coding agent that talks to this relay. `weir import`: another relay's files as a configuration.
//! `weir token`: a new token for the admin address.
//!
//! The agent takes the place of this process. Its key goes into its environment, never onto its command line, which
//! others can read.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::Value;

use super::{Config, Done, env, read, word, written};
use crate::config::Overrides;
use crate::config::import::{self, Kind};
use crate::config::listen::Listen;
use crate::config::snapshot::Snapshot;
use crate::control::token;

#[derive(Args)]
pub(super) struct Agent {
    #[command(flatten)]
    pub(super) config: Config,
    /// Who asks, by its name in the file; "-" for nobody, where access is open
    #[arg(value_name = "CLIENT")]
    client: String,
    /// The program: claude, codex, gemini, or any other that goes by the usual variables
    #[arg(value_name = "AGENT")]
    agent: OsString,
    /// What it is started with
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

#[derive(Args)]
pub(super) struct Import {
    /// ai-switch, cliproxyapi, aiclient2api, clash-for-ai or api-switch
    #[arg(value_name = "RELAY")]
    relay: String,
    /// Its files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Becomes the agent.
pub(super) fn agent(path: &Path, said: Agent) -> Done {
    let reading = read(path, &Overrides::default(), env, |path| std::fs::read_to_string(path));
    let snapshot = reading.snapshot.ok_or("the file has errors: see weir check")?;
    let url = url(&snapshot).ok_or("the relay listens on no TCP address, and agents need one")?;
    let key = match said.client.as_str() {
        "-" => "weir".to_owned(),
        name => key(&snapshot, name)?,
    };
    let agent = said.agent.to_string_lossy().into_owned();
    let name = Path::new(&agent).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(&said.agent);
    for (name, value) in variables(&name, &url, &key) {
        command.env(name, value);
    }
    if name == "claude" {
        // Beside the token it would ask which of the two is meant.
        command.env_remove("ANTHROPIC_API_KEY");
    }
    if name == "codex" {
        command.args(codex(&url));
    }
    Err(format!("{agent} cannot be started: {}", command.args(said.args).exec()))
}

/// What an agent finds in its environment.
fn variables(agent: &str, url: &str, key: &str) -> Vec<(&'static str, String)> {
    let anthropic = [("ANTHROPIC_BASE_URL", url.to_owned()), ("ANTHROPIC_AUTH_TOKEN", key.to_owned())];
    let google = [("GOOGLE_GEMINI_BASE_URL", url.to_owned()), ("GEMINI_API_KEY", key.to_owned())];
    let openai = [("OPENAI_BASE_URL", format!("{url}/v1")), ("OPENAI_API_KEY", key.to_owned())];
    match agent {
        "claude" => anthropic.into(),
        "gemini" => google.into(),
        "codex" => [("WEIR_KEY", key.to_owned())].into(),
        _ => [anthropic, google, openai].concat(),
    }
}

/// Codex takes a provider from its settings only.
fn codex(url: &str) -> Vec<String> {
    let settings = [
        "model_provider=\"weir\"".to_owned(),
        "model_providers.weir.name=\"weir\"".to_owned(),
        format!("model_providers.weir.base_url=\"{url}/v1\""),
        "model_providers.weir.env_key=\"WEIR_KEY\"".to_owned(),
        "model_providers.weir.wire_api=\"responses\"".to_owned(),
    ];
    settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

/// The address of the relay as a client on this machine has it.
fn url(snapshot: &Snapshot) -> Option<String> {
    let mut address = snapshot.listen.iter().find_map(|listen| match listen {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) => None,
    })?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let scheme = if snapshot.tls.is_some() { "https" } else { "http" };
    Some(format!("{scheme}://{address}"))
}

/// A client's key: the file's, or where it holds the digest only, that of `WEIR_KEY`.
fn key(snapshot: &Snapshot, name: &str) -> Result<String, String> {
    let client = snapshot.clients.iter().find(|client| *client.name == *name);
    let client = client.ok_or_else(|| format!("there is no client {name:?}"))?;
    if !client.hashed {
        return Ok(String::from_utf8_lossy(client.key.expose()).into_owned());
    }
    let key =
        env("WEIR_KEY").ok_or("the file holds only the digest of this client's key: put the key into WEIR_KEY")?;
    let place = snapshot.client(key.as_bytes()).map(usize::from);
    match place.is_some_and(|place| *snapshot.clients[place].name == *name) {
        true => Ok(key),
        false => Err(format!("WEIR_KEY is not the key of {name:?}")),
    }
}

/// Prints a configuration made from another relay's files.
pub(super) fn imported(said: &Import, out: &mut dyn Write) -> Done {
    let kind = Kind::FILES.into_iter().find(|kind| kind.name() == said.relay);
    let kind = kind.ok_or_else(|| {
        let known: Vec<&str> = Kind::FILES.into_iter().map(Kind::name).collect();
        format!("{:?} is none of {}", said.relay, known.join(", "))
    })?;
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let texts: Vec<String> = said.files.iter().map(read).collect::<Result<_, _>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let imported = import::files(kind, &texts)?;
    let mut text = format!("// Made by weir from the files of {}. `weir check -c FILE` judges it.\n", kind.name());
    for note in &imported.notes {
        // Writing to a String does not fail; so below.
        let _ = writeln!(text, "// {}", note.replace('\n', " "));
    }
    let file = serde_json::to_string_pretty(&Value::Object(imported.adds)).map_err(|error| error.to_string())?;
    let _ = writeln!(text, "{file}");
    written(out.write_all(text.as_bytes()))?;
    Ok(0)
}

/// Makes a new token: by the running weir, or where none runs, in its folder.
pub(super) fn renewed(path: &Path, out: &mut dyn Write) -> Done {
    let made = match super::ask(path, "POST", "/api/token") {
        Ok((200, answer)) => word(&answer["token"]).to_owned(),
        Ok((_, answer)) => return Err(word(&answer["detail"]).to_owned()),
        Err(_nobody_runs) => {
            let data_dir = super::data_dir(path)?;
            token::make(&data_dir).map_err(|error| format!("{}: {error}", data_dir.display()))?
        }
    };
    written(writeln!(out, "{made}"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::snapshot;

    #[test]
    fn an_agent_is_wired_by_what_it_goes_by() {
        let s = snapshot(r#"{ "listen": "0.0.0.0:7070", "clients": { "a": { "key": "k" } } }"#);
        assert_eq!(url(&s).as_deref(), Some("http://127.0.0.1:7070"));
        assert_eq!(key(&s, "a").as_deref(), Ok("k"));
        assert!(key(&s, "b").is_err());
        assert_eq!(url(&snapshot(r#"{ "listen": "unix:/run/x" }"#)), None);
        let names = |agent: &str| variables(agent, "u", "k").into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("claude"), ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"]);
        assert_eq!(names("codex"), ["WEIR_KEY"]);
        assert_eq!(names("aider").len(), 6);
        assert!(codex("http://h").contains(&"model_providers.weir.base_url=\"http://h/v1\"".to_owned()));
        assert!(!codex("http://h").join(" ").contains("k\""), "no key on the command line");
    }

    #[test]
    fn what_is_imported_is_a_file_that_the_check_accepts() {
        let folder = std::env::temp_dir().join(format!("weir-import-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("config.yaml");
        std::fs::write(&path, "port: 1\nhost: 127.0.0.1\napi-keys: [k]\nopenai-compatibility: [{name: a, base-url: 'https://a.example/v1', api-key-entries: [{api-key: b}]}]\n").expect("written");
        let mut out = Vec::new();
        let said = Import { relay: "cliproxyapi".to_owned(), files: vec![path] };
        assert_eq!(imported(&said, &mut out), Ok(0));
        let s = snapshot(&String::from_utf8(out).expect("text"));
        assert_eq!((&*s.providers[0].name, s.client(b"k")), ("a", Some(0)));
        assert!(imported(&Import { relay: "nginx".to_owned(), ..said }, &mut Vec::new()).is_err());
        std::fs::remove_dir_all(&folder).expect("gone");
    }
}
