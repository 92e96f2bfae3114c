//! Rules of monoio (design §8.2) that are about what may not be there at all: features, packages, words.

const MANIFEST: &str = include_str!("../../Cargo.toml");
const LOCK: &str = include_str!("../../Cargo.lock");

/// The line of the manifest that names monoio.
fn monoio() -> &'static str {
    MANIFEST.lines().find(|line| line.starts_with("monoio = ")).expect("a dependency")
}

/// The modules of this floor that are no tests, comments left out.
fn code() -> String {
    let sources = [
        include_str!("dial.rs"),
        include_str!("driver.rs"),
        include_str!("held.rs"),
        include_str!("inbox.rs"),
        include_str!("mod.rs"),
        include_str!("net.rs"),
        include_str!("sys.rs"),
        include_str!("task.rs"),
        include_str!("wire.rs"),
    ];
    let lines = sources.iter().flat_map(|text| text.lines()).filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn rule_3_no_wrapper_of_a_connection_that_loses_bytes_is_depended_on() {
    for package in ["monoio-rustls", "monoio-io-wrapper", "monoio-http", "monoio-transports", "monoio-native-tls"] {
        assert!(!LOCK.contains(&format!("name = \"{package}\"")), "{package}");
    }
}

/// `sync` wakes across threads with locks and an unbounded queue, `signal` pulls it in.
#[test]
fn rules_11_and_14_features_are_those_that_are_needed() {
    let listed = monoio().split("features = [").nth(1).and_then(|rest| rest.split(']').next()).expect("features");
    let mut features: Vec<_> = listed.split(',').map(|name| name.trim().trim_matches('"')).collect();
    features.sort_unstable();
    let needed = ["async-cancel", "bytes", "iouring", "legacy", "utils"];
    assert!(features.iter().all(|name| needed.contains(name)), "{features:?}");
    assert!(monoio().contains("default-features = false") && monoio().contains("\"=0.2.4\""), "{}", monoio());
}

/// A timer of monoio for each wait programs the clock at each entry into the kernel. What waits for a time is in one
/// table that the core's tick walks; only a pause of a task is a sleep.
#[test]
fn rule_13_only_a_pause_is_a_timer_of_monoio() {
    let named: Vec<_> = code().lines().filter(|line| line.contains("monoio::time")).map(str::to_owned).collect();
    assert_eq!(named.len(), 1, "{named:?}");
    let word = concat!("monoio", "::time::sleep(");
    assert!(named[0].contains(word), "{named:?}");
}

/// It aborts at two hundred connections.
#[test]
fn rule_8_no_thread_of_the_kernel_polls_the_ring() {
    assert!(!code().to_lowercase().contains("sqpoll"));
}

/// A runtime that is dropped with work in flight leaks, or lets the kernel write into freed memory: the process goes from
/// under its cores, and nobody joins one.
#[test]
fn rule_6_a_core_ends_with_its_process() {
    let boot = include_str!("../boot.rs");
    let core = boot.split("\nfn core(").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("the life of a core");
    assert!(core.contains("std::future::pending::<()>().await"), "control's end is no end of a core");
    assert!(core.trim_end().ends_with("std::process::abort();"), "a core that ends, ends the process");
    assert!(!boot.contains(".join()"), "nobody waits for a core");
    assert!(boot.contains("rt::leave(code)"), "the process goes from under its cores");
}

/// A read that is dropped in flight loses bytes, and a name that is looked up stops the core.
#[test]
fn rules_1_and_12_only_readiness_is_asked_of_monoio() {
    let code = code();
    let dial = include_str!("dial.rs");
    let (asked, begun) = (dial.find(".set_nonblocking(true)?"), dial.find(".connect("));
    assert!(asked.is_some() && asked < begun, "a connection is begun on a socket that may block");
    for word in ["AsyncReadRent", "AsyncWriteRent", "TcpStream::connect", "ToSocketAddrs", "lookup_host", "yield_now"] {
        assert!(!code.contains(word), "{word}");
    }
}
