//! The command line: what may be said, and the commands that need no running core.
//!
//! `serve` only gets as far as a checked configuration here; starting is `boot`'s. Commands write to what they
//! are given, so that tests read what a person would. Problems go to stderr, answers to stdout.

mod doctor;
mod explain;
mod outward;
mod unit;
mod wired;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::default_file::{self, Place};
use crate::config::snapshot::{DriverChoice, Snapshot};
use crate::config::{self, Outside, Overrides, Problem, Reading, Severity, schema};
use crate::control::{COMMIT, DriverReport, Load, Seen, VERSION, look, socket};

/// A relay for LLM APIs: one address, any client, any provider.
#[derive(Parser)]
#[command(name = "weir", version = VERSION, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Run in the foreground; logs go to stderr. The default.
    Serve(Serve),
    /// Say every problem of the configuration, then its providers, routes and clients.
    ///
    /// Exits with 0 if the file is valid, 1 if it has errors, 2 if it has only warnings.
    Check(Config),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print version, commit and driver.
    Version,
    /// Say what this machine offers and whether providers can be reached.
    Doctor(Doctor),
    /// Ask the running weir to read its configuration again.
    Reload(Config),
    /// Say what the running weir is doing.
    Status(Status),
    /// Say which targets and keys a request would go to, and why; nothing is sent.
    Explain(explain::Said),
    /// Try the keys of the running weir with the smallest request there is, and say how fast they are.
    Probe(outward::Probe),
    /// Find out what an address speaks and which models it has.
    Discover(outward::Discover),
    /// Start a coding agent (claude, codex, gemini, any other) that talks to this relay.
    Agent(wired::Agent),
    /// Print a configuration made from another relay's files.
    Import(wired::Import),
    /// Make a new token for the admin address, and print it; the one before ends.
    Token(Config),
    /// Run under systemd.
    #[command(name = "service", subcommand)]
    Unit(Unit),
}

#[derive(Subcommand)]
enum Unit {
    /// Write the systemd unit, enable it and start it. Needs root.
    Install(Config),
}

#[derive(Args, Clone, Default)]
struct Config {
    /// Configuration file [default: ./weir.json, ~/.config/weir/config.json, /etc/weir/config.json]
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    config: Config,
    /// Address of the relay, instead of the file's; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Admin address, instead of the file's
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Threads that serve: "auto" or a number
    #[arg(long, value_name = "N")]
    cores: Option<String>,
    /// How sockets are driven: auto, io_uring or epoll
    #[arg(long, value_name = "DRIVER")]
    driver: Option<String>,
}

#[derive(Args)]
struct Doctor {
    #[command(flatten)]
    config: Config,
    /// Try each key with one small request to its provider
    #[arg(long)]
    probe: bool,
}

#[derive(Args)]
struct Status {
    #[command(flatten)]
    config: Config,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

/// What the machine offers; `rt` knows.
pub struct Machine {
    /// The driver that would be used, or why there is none.
    pub driver: Result<DriverReport, String>,
    /// Soft and hard limit on open descriptors.
    pub descriptors: Option<(u64, u64)>,
    /// Soft and hard limit on locked memory, in bytes.
    pub locked_memory: Option<(u64, u64)>,
}

/// Looks at the machine with a choice of driver in mind.
pub type Probe = fn(DriverChoice) -> Machine;

/// Addresses of sockets that systemd has handed in: they stand in for the file's, as options of the command line do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Handed {
    /// Of the relay.
    pub relay: Vec<String>,
    /// Of the admin address.
    pub admin: Option<String>,
}

/// All that `serve` needs to begin.
pub struct Start {
    /// The meaning of the file, with what the command line says over it.
    pub snapshot: Snapshot,
    /// What is odd about the file; for the log, once there is one.
    pub warnings: Vec<Problem>,
    /// Reads the file again, with the same command line over it.
    pub load: Load,
    /// What the file was just before it was read.
    pub seen: Option<Seen>,
}

/// Carries out the command. `serve` is called for the one that runs.
pub fn run(cli: Cli, probe: Probe, handed: &Handed, serve: impl FnOnce(Start) -> ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    let code = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(said) => {
            drop(out);
            return match start(said, handed) {
                Ok(start) => serve(start),
                Err(message) => {
                    eprintln!("{}", message.trim_end());
                    ExitCode::FAILURE
                }
            };
        }
        Command::Check(said) => found(&said).and_then(|path| check(&path, &mut out)),
        Command::Schema => out.write_all(schema::schema().as_bytes()).map(|()| 0).map_err(|error| error.to_string()),
        Command::Version => version(probe, &mut out),
        Command::Doctor(said) => {
            found(&said.config).and_then(|path| doctor::doctor(&path, said.probe, probe, &mut out))
        }
        Command::Reload(said) => found(&said).and_then(|path| reload(&path, &mut out)),
        Command::Explain(said) => found(&said.config).and_then(|path| explain::told(&path, &said, &mut out)),
        Command::Probe(said) => found(&said.config).and_then(|path| outward::probe(&path, &said, &mut out)),
        Command::Discover(said) => outward::found(said, &mut out),
        Command::Status(said) => found(&said.config).and_then(|path| status(&path, said.json, &mut out)),
        Command::Agent(said) => found(&said.config).and_then(|path| wired::agent(&path, said)),
        Command::Import(said) => wired::imported(&said, &mut out),
        Command::Token(said) => found(&said).and_then(|path| wired::renewed(&path, &mut out)),
        Command::Unit(Unit::Install(said)) => install(said, &mut out),
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("weir: {}", message.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// What a command ends with: an exit code, or a reason why it could not be done.
type Done = Result<u8, String>;

/// A reader that stopped listening (`weir check | head`) is no failure of ours.
fn written(outcome: io::Result<()>) -> Result<(), String> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn search() -> Place {
    let cwd = std::env::current_dir().unwrap_or_default();
    default_file::search(&cwd, env("XDG_CONFIG_HOME").as_deref(), env("HOME").as_deref(), Path::exists)
}

/// The file that was named or is found. Nothing is made.
fn found(said: &Config) -> Result<PathBuf, String> {
    match (&said.config, search()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Place::Found(path)) => Ok(path),
        (None, Place::Missing { create }) => {
            let hint = create.map_or(String::new(), |path| format!("; `weir` makes {}", path.display()));
            Err(format!("no configuration file is there{hint}"))
        }
    }
}

fn start(said: Serve, handed: &Handed) -> Result<Start, String> {
    let path = match (said.config.config, search()) {
        (Some(path), _) | (None, Place::Found(path)) => path,
        (None, Place::Missing { create: Some(path) }) => {
            default_file::create(&path, &default_file::text(env))
                .map_err(|error| format!("weir: {} cannot be made: {error}", path.display()))?;
            eprintln!("weir: made {}", path.display());
            path
        }
        (None, Place::Missing { create: None }) => {
            return Err("weir: no configuration file is there, and no home to make one in; name one with -c".to_owned());
        }
    };
    let overrides = Overrides {
        listen: if said.listen.is_empty() { handed.relay.clone() } else { said.listen },
        admin_listen: said.admin_listen.or_else(|| handed.admin.clone()),
        cores: said.cores,
        driver: said.driver,
    };
    let seen = look(&path);
    let load: Load = Box::new(move |text| match text {
        Some(text) => judge(&path, text.as_bytes(), &overrides, env, |path| std::fs::read_to_string(path)),
        None => read(&path, &overrides, env, |path| std::fs::read_to_string(path)),
    });
    let Reading { snapshot, problems } = load(None);
    match snapshot {
        Some(snapshot) => Ok(Start { snapshot, warnings: problems, load, seen }),
        None => Err(problems.iter().fold(String::new(), |mut text, problem| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "weir: {problem}");
            text
        })),
    }
}

/// Reads a file; that it cannot be read is a problem like any other.
fn read(
    path: &Path,
    overrides: &Overrides,
    env: impl Fn(&str) -> Option<String>,
    file: impl Fn(&Path) -> io::Result<String>,
) -> Reading {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", path.display());
            let problem = Problem { severity: Severity::Error, path: String::new(), line: 1, column: 1, message };
            return Reading { snapshot: None, problems: vec![problem] };
        }
    };
    judge(path, &text, overrides, env, file)
}

/// Reads a text as that of a file.
fn judge(
    path: &Path,
    text: &[u8],
    overrides: &Overrides,
    env: impl Fn(&str) -> Option<String>,
    file: impl Fn(&Path) -> io::Result<String>,
) -> Reading {
    let shared = std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0);
    config::read(text, &Outside { env: &env, read: &file, path: Some(path), shared }, overrides)
}

fn check(path: &Path, out: &mut dyn Write) -> Done {
    let reading = read(path, &Overrides::default(), env, |path| std::fs::read_to_string(path));
    let mut text = String::new();
    for problem in &reading.problems {
        // Writing to a String does not fail; so below.
        let _ = writeln!(text, "{}:{problem}", path.display());
    }
    if let Some(snapshot) = &reading.snapshot {
        describe(snapshot, &mut text);
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(match (reading.snapshot, reading.problems.as_slice()) {
        (None, _) => 1,
        (Some(_), []) => 0,
        (Some(_), _) => 2,
    })
}

fn describe(snapshot: &Snapshot, text: &mut String) {
    let addresses: Vec<String> = snapshot.listen.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "listen {}, admin {}", addresses.join(", "), snapshot.admin.listen);
    for (provider, index) in snapshot.providers.iter().zip(0_u16..) {
        let keys: Vec<String> = snapshot
            .keys_of(index)
            .map(|(_, key)| if key.disabled { format!("{} (disabled)", key.name) } else { key.name.to_string() })
            .collect();
        let address = match &*provider.base.host {
            "" => "inside weir".to_owned(),
            _ => format!(
                "{}://{}{}",
                if provider.base.tls { "https" } else { "http" },
                provider.base.authority,
                provider.base.path
            ),
        };
        let _ = writeln!(
            text,
            "provider {}: {address}, keys {}, {} published models",
            provider.name,
            keys.join(", "),
            provider.models.len()
        );
    }
    for route in &snapshot.routes {
        let target = |target: &config::snapshot::TargetRule| {
            let provider = &snapshot.providers[usize::from(target.provider)].name;
            target.model.as_deref().map_or(provider.to_string(), |model| format!("{provider}/{model}"))
        };
        let to: Vec<String> = route.to.rules.iter().map(target).collect();
        let _ = writeln!(text, "route {}: {}, {} rules", route.name, to.join(", "), route.models.entries.len());
    }
    for client in &snapshot.clients {
        let route = client.route.map_or("the default routes", |route| &snapshot.routes[usize::from(route)].name);
        let disabled = if client.disabled { ", disabled" } else { "" };
        let _ = writeln!(text, "client {}: {route}{disabled}", client.name);
    }
}

fn version(probe: Probe, out: &mut dyn Write) -> Done {
    let driver = match probe(DriverChoice::Auto).driver {
        Ok(report) => format!("{} ({})", report.name, report.why),
        Err(why) => why,
    };
    written(writeln!(out, "weir {VERSION}\ncommit {COMMIT}\ndriver {driver}"))?;
    Ok(0)
}

/// The data folder of the configuration in this file.
fn data_dir(path: &Path) -> Result<PathBuf, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| named(&error))?;
    config::data_dir(&text, &env).map_err(|error| named(&error))
}

/// Asks the process that serves the control socket of this file's data folder, or of the folder that systemd
/// gives the unit.
fn ask(path: &Path, method: &str, target: &str) -> Result<(u16, Value), String> {
    let data_dir = data_dir(path)?;
    let mut last = String::new();
    for folder in [&*data_dir, Path::new("/var/lib/weir")] {
        let path = folder.join(socket::CONTROL_SOCKET);
        match socket::ask(&path, method, target) {
            Ok((status, body)) => {
                let answer = serde_json::from_str(&body).map_err(|error| format!("{}: {error}", path.display()))?;
                return Ok((status, answer));
            }
            Err(error) if last.is_empty() => last = format!("{}: {error}", path.display()),
            Err(_second_guess) => {}
        }
    }
    Err(format!("no running weir answers: {last}"))
}

fn reload(path: &Path, out: &mut dyn Write) -> Done {
    let (status, answer) = ask(path, "POST", "/api/reload")?;
    let mut text = String::new();
    for problem in list(&answer["problems"]) {
        let place = problem["path"].as_str().filter(|place| !place.is_empty()).map(|place| format!("{place}: "));
        let _ = writeln!(
            text,
            "{}:{}:{}: {}: {}{}",
            path.display(),
            problem["line"],
            problem["column"],
            word(&problem["severity"]),
            place.unwrap_or_default(),
            word(&problem["message"])
        );
    }
    for change in list(&answer["changes"]) {
        let _ = writeln!(text, "{}", word(change));
    }
    for member in list(&answer["restart_needed"]) {
        let _ = writeln!(text, "{} takes effect only after a restart", word(member));
    }
    match status {
        200 => {
            let _ = writeln!(text, "reloaded, generation {}", answer["generation"]);
        }
        _ => {
            let _ = writeln!(text, "not reloaded: {}", word(&answer["detail"]));
        }
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(if status == 200 { 0 } else { 1 })
}

fn status(path: &Path, json: bool, out: &mut dyn Write) -> Done {
    let (_, answer) = ask(path, "GET", "/api/status")?;
    let mut text = String::new();
    if json {
        let _ = writeln!(text, "{answer:#}");
    } else {
        let _ = writeln!(
            text,
            "weir {}, pid {}, {} on {} cores, up {} s{}\n{} sessions, {} streams, {} requests",
            word(&answer["version"]),
            answer["pid"],
            word(&answer["driver"]),
            answer["cores"],
            answer["uptime_ms"].as_u64().unwrap_or_default() / 1_000,
            if answer["draining"] == true { ", draining" } else { "" },
            answer["sessions"],
            answer["streams"],
            answer["requests"],
        );
        for provider in list(&answer["providers"]) {
            let keys: Vec<String> =
                list(&provider["keys"]).iter().map(|key| format!("{} {}", word(&key["name"]), health(key))).collect();
            let _ =
                writeln!(text, "provider {}: {}, keys: {}", word(&provider["name"]), health(provider), keys.join(", "));
        }
    }
    written(out.write_all(text.as_bytes()))?;
    Ok(0)
}

/// The health of a provider or key in words, such as `cooling until 2026-11-21T09:53:36.123Z (rate_limited: gpt-4o)`.
fn health(of: &Value) -> String {
    let mut said = word(&of["health"]).to_owned();
    if let Some(until) = of["cooling_until"].as_str() {
        said.push_str(&format!(" until {until}"));
    }
    if let Some(cause) = of["cause"].as_str() {
        let models: Vec<&str> = list(&of["models"]).iter().map(|model| word(&model["model"])).collect();
        let colon = if models.is_empty() { "" } else { ": " };
        said.push_str(&format!(" ({cause}{colon}{})", models.join(" ")));
    }
    said
}

fn install(said: Config, out: &mut dyn Write) -> Done {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let config = said.config.unwrap_or_else(|| PathBuf::from("/etc/weir/config.json"));
    let config = std::path::absolute(config).map_err(|error| error.to_string())?;
    let text = unit::install(Path::new("/"), &program, &config, unit::systemctl)?;
    written(out.write_all(text.as_bytes()))?;
    Ok(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    struct File(PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> File {
            let path = std::env::temp_dir().join(format!("weir-cli-{}-{name}.json", std::process::id()));
            std::fs::write(&path, text).expect("written");
            File(path)
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn checked(name: &str, text: &str) -> (u8, String) {
        let file = File::new(name, text);
        let mut out = Vec::new();
        let code = check(&file.0, &mut out).expect("written");
        (code, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_takes_its_options_either_way() {
        for line in [
            &["weir", "-c", "x.json", "--listen", ":1", "--listen", ":2"][..],
            &["weir", "serve", "-c", "x.json", "--listen", ":1", "--listen", ":2"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
            let Command::Serve(said) = cli.command.unwrap_or(Command::Serve(cli.serve)) else { panic!("{line:?}") };
            assert_eq!(said.config.config.as_deref(), Some(Path::new("x.json")));
            assert_eq!(said.listen, [":1", ":2"]);
        }
        assert!(Cli::try_parse_from(["weir", "--listen", ":1", "check"]).is_err());
        assert!(Cli::try_parse_from(["weir", "agent"]).is_err(), "whose key, and which agent?");
    }

    #[test]
    fn check_exits_by_the_gravest_problem_and_shows_no_secret() {
        let valid = r#"{ "clients": { "alice": { "key": "env:PATH" } }, "providers": { "demo": { "protocol": "demo" } },
                         "routes": { "main": { "to": ["demo/demo"] } } }"#;
        let (code, text) = checked("valid", valid);
        assert_eq!(code, 0, "{text}");
        for line in ["provider demo: inside weir", "route main: demo/demo", "client alice: "] {
            assert!(text.contains(line), "{line} not in {text}");
        }
        let (code, text) = checked(
            "warned",
            &valid.replace(
                "\"providers\": {",
                "\"providers\": { \"far\": { \"protocol\": \"ollama\", \"base_url\": \"http://192.0.2.1\" },",
            ),
        );
        assert_eq!(code, 2, "{text}");
        let (code, text) = checked(
            "broken",
            r#"{ "lisetn": ":1", "providers": { "p": { "protocol": "chat", "keys": ["canary-1"] } } }"#,
        );
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("lisetn") && text.contains("broken.json:1:"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        let (code, text) = {
            let mut out = Vec::new();
            (
                check(Path::new("/nowhere/weir.json"), &mut out).expect("written"),
                String::from_utf8_lossy(&out).into_owned(),
            )
        };
        assert_eq!(code, 1);
        assert!(text.contains("/nowhere/weir.json"), "{text}");
    }

    #[test]
    fn what_the_command_line_says_outlives_the_file() {
        let file = File::new("over", r#"{ "providers": { "demo": { "protocol": "demo" } } }"#);
        let line =
            ["weir", "-c", file.0.to_str().expect("text"), "--listen", "127.0.0.1:1", "--admin-listen", "127.0.0.1:2"];
        let said = Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{error}")).serve;
        let start = start(said, &Handed::default()).expect("a start");
        for snapshot in [Some(start.snapshot), (start.load)(None).snapshot] {
            let snapshot = snapshot.expect("a valid file");
            assert_eq!(snapshot.listen[0].to_string(), "127.0.0.1:1");
            assert_eq!(snapshot.admin.listen.to_string(), "127.0.0.1:2");
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_said_with_its_socket() {
        let file = File::new(
            "absent",
            r#"{ "data_dir": "/nowhere/weir", "clients": { "a": { "key": "env:WEIR_TEST_NEVER_SET" } },
            "providers": { "demo": { "protocol": "demo" } }, "routes": { "main": { "to": ["demo/demo"] } } }"#,
        );
        let error = ask(&file.0, "GET", "/api/status").expect_err("nobody is there");
        assert!(error.contains("/nowhere/weir/control.sock"), "{error}");
    }

    /// What only the running process can see, and what is wrong in the file by now, keeps nobody from asking it.
    #[test]
    fn who_asks_a_running_process_looks_at_its_data_folder_alone() {
        for rest in [
            r#""tls": { "cert": "/not/here.pem", "key": "/not/here.key" }"#,
            r#""clients": { "a": { "key": "file:/not/here/a" }, "b": { "key": "file:/not/here/b" } }"#,
            r#""clients": { "a": { "key": "env:WEIR_TEST_NEVER_SET" }, "b": { "key": "env:WEIR_TEST_NEVER_SET" } }"#,
            r#""providers": { "p": { "protocol": "chat", "base_url": "${WEIR_TEST_NEVER_SET}" } }"#,
            r#""no_such_member": 1"#,
        ] {
            let file = File::new("asks", &format!(r#"{{ "data_dir": "/nowhere/weir", {rest} }}"#));
            let error = ask(&file.0, "GET", "/api/status").expect_err("nobody is there");
            assert!(error.contains("/nowhere/weir/control.sock"), "{rest}: {error}");
        }
        let file = File::new("unset", r#"{ "data_dir": "${WEIR_TEST_NEVER_SET}/weir" }"#);
        let error = ask(&file.0, "GET", "/api/status").expect_err("nobody knows where");
        assert!(error.contains("data_dir") && error.contains("WEIR_TEST_NEVER_SET"), "{error}");
        let file = File::new("typo", "{ \"data_dir\": ");
        assert!(ask(&file.0, "GET", "/api/status").expect_err("nobody is there").contains("control.sock"));
    }
}
