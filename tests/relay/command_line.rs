//! The commands that do not serve, and the errors of those that do.

use crate::support::*;

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(arguments);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Writes `config` (owner-readable only) and checks it.
fn check(config: &str) -> (Option<i32>, String) {
    let folder = Folder::new();
    let path = folder.path().join("weir.json");
    std::fs::write(&path, config).expect("write");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, owner_only).expect("permissions");
    let (code, out, err) = output(&["check", "-c", path.to_str().expect("text")]);
    (code, out + &err)
}

#[test]
fn version_names_itself() {
    let (code, out, _) = output(&["version"]);
    assert_eq!(code, Some(0));
    assert!(out.contains(env!("CARGO_PKG_VERSION")), "{out}");
    assert!(out.contains("commit") && out.contains("driver"), "{out}");
}

#[test]
fn help_names_every_command() {
    let (code, out, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    for command in ["serve", "check", "schema", "version", "doctor", "reload", "status"] {
        assert!(out.contains(command), "{command} in {out}");
        let (code, help, _) = output(&[command, "--help"]);
        assert_eq!(code, Some(0), "{command}");
        assert!(!help.is_empty());
    }
    assert_ne!(output(&["frobnicate"]).0, Some(0));
    assert_ne!(output(&["serve", "--no-such-flag"]).0, Some(0));
}

#[test]
fn the_schema_is_one() {
    let (code, out, _) = output(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&out).expect("json");
    assert!(schema["$schema"].is_string());
    for member in
        ["listen", "admin", "clients", "providers", "routes", "retry", "cooldown", "timeouts", "limits", "traces"]
    {
        assert!(schema["properties"].get(member).is_some(), "{member}");
    }
}

#[test]
fn the_example_is_valid() {
    let root = env!("CARGO_MANIFEST_DIR");
    let example = std::fs::read_to_string(format!("{root}/config.example.json")).expect("config.example.json");
    assert!(example.contains("\"$schema\""));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["check", "-c", "config.example.json"]).current_dir(root);
    for line in example.split("env:").skip(1) {
        let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        command.env(name, "sk-for-the-check");
    }
    let output = command.output().expect("weir runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 2)), "{told}");
}

#[test]
fn a_valid_file_exits_0() {
    let config = r#"{
        // comments and trailing commas are allowed
        "clients": { "a": { "key": "sk-a", }, },
        "providers": { "demo": { "protocol": "demo" } },
        "routes": { "r": { "to": ["demo"] } },
    }"#;
    let (code, told) = check(config);
    assert_eq!(code, Some(0), "{told}");
    for name in ["demo", "r", "a"] {
        assert!(told.contains(name), "{told}");
    }
    assert!(!told.contains("sk-a"), "{told}");
}

#[test]
fn every_error_is_told_at_once() {
    let config = r#"{
  "listn": "127.0.0.1:7070",
  "clients": { "a": { "key": "env:NO_SUCH_VARIABLE_HERE" }, "b": { "key": "k" }, "c": { "key": "k" } },
  "providers": {
    "p": { "protocol": "chatt", "base_url": "https://x.example" },
    "q": { "protocol": "chat", "base_url": "ftp://x.example" }
  },
  "routes": { "r": { "to": ["nobody/x"], "spread": "sideways" } },
  "limits": { "body_bytes": -1 }
}"#;
    let (code, told) = check(config);
    assert_eq!(code, Some(1), "{told}");
    for what in [
        "listn",
        "listen",
        "NO_SUCH_VARIABLE_HERE",
        "chatt",
        "providers.q.base_url",
        "nobody",
        "sideways",
        "body_bytes",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
    assert!(told.contains("routes.r") || told.contains("/routes/r"), "a path: {told}");
}

#[test]
fn a_syntax_error_names_its_line() {
    let (code, told) = check("{\n  \"providers\": {\n    \"p\": { \"protocol\" \"chat\" }\n  }\n}\n");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains('3'), "{told}");
}

#[test]
fn warnings_exit_2() {
    let config = r#"{
        "clients": { "a": { "key": "sk-a" } },
        "providers": {
            "demo": { "protocol": "demo" },
            "unused": { "protocol": "chat", "base_url": "https://x.example", "keys": ["k"] },
        },
        "routes": { "r": { "to": ["demo"] } },
    }"#;
    let (code, told) = check(config);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("unused"), "{told}");
}

#[test]
fn an_open_relay_must_be_asked_for() {
    let demo = r#""providers": { "demo": { "protocol": "demo" } }, "routes": { "r": { "to": ["demo"] } }"#;
    let (code, told) = check(&format!(r#"{{ "listen": "0.0.0.0:7070", {demo} }}"#));
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(check(&format!(r#"{{ "access": "keys", {demo} }}"#)).0, Some(1));
}

#[test]
fn doctor_tells_of_the_ring() {
    let folder = Folder::new();
    let path = folder.path().join("weir.json");
    std::fs::write(
        &path,
        r#"{ "providers": { "demo": { "protocol": "demo" } }, "routes": { "r": { "to": ["demo"] } } }"#,
    )
    .expect("write");
    let (code, out, err) = output(&["doctor", "-c", path.to_str().expect("text")]);
    assert!(matches!(code, Some(0 | 2)), "{out}{err}");
    assert!(out.contains("io_uring") && out.contains("demo"), "{out}");
}

#[test]
fn serve_says_what_is_wrong() {
    let (code, _, err) = output(&["serve", "-c", "/nonexistent/weir.json"]);
    assert_ne!(code, Some(0));
    assert!(err.contains("/nonexistent/weir.json"), "{err}");
}

#[test]
fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let folder = Folder::new();
    let path = folder.path().join("weir.json");
    let config = json!({
        "listen": address, "admin": { "listen": "127.0.0.1:0" }, "data_dir": folder.path().join("data"),
        "providers": { "demo": { "protocol": "demo" } }, "routes": { "r": { "to": ["demo"] } },
    });
    std::fs::write(&path, config.to_string()).expect("write");
    let (code, _, err) = output(&["serve", "-c", path.to_str().expect("text")]);
    assert_ne!(code, Some(0));
    assert!(err.contains(&address), "{err}");
}

on_both_drivers!(reload_and_status_reach_the_running_one);

fn reload_and_status_reach_the_running_one(driver: Driver) {
    let (mut weir, _upstream) = relay(driver, "chat");
    let path = weir.config_path();
    let path = path.to_str().expect("text");
    // The socket is made after the listeners, which is all that `start` has waited for.
    let out = eventually(|| match output(&["status", "-c", path]) {
        (Some(0), out, _) => Ok(out),
        (_, _, err) => Err(err),
    });
    assert!(out.contains(&weir.pid().to_string()) && out.contains(driver.name()), "{out}");
    let (code, _, err) = output(&["reload", "-c", path]);
    assert_eq!(code, Some(0), "{err}");
    // The command reads the file for the data folder's path, so the mistake is one that leaves it readable.
    weir.rewrite(|config| config["routes"]["all"]["to"] = json!(["nobody/x"]));
    let (code, out, err) = output(&["reload", "-c", path]);
    assert_ne!(code, Some(0), "{out}{err}");
    assert!((out + &err).contains("nobody"));
}
