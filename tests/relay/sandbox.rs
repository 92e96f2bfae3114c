//! Where a container forbids io_uring, and what the kernel may do to a core.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::support::*;

/// What `io_uring_setup` answers in a process that inherits the filter.
#[derive(Clone, Copy)]
struct Denied(i32);

/// Makes every later `io_uring_setup` of this process and its children fail, as container runtimes do it.
fn deny_rings(Denied(errno): Denied) -> std::io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = [
        // The number of the call is the first member of seccomp_data.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: libc::SYS_io_uring_setup as u32,
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: both calls only read what they are given, and the filter lives until they have returned.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn sandboxed(denied: Denied) -> impl FnOnce(&mut Command) {
    move |command| {
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(move || deny_rings(denied)) };
    }
}

#[test]
fn auto_serves_on_epoll_where_rings_are_forbidden_and_says_why() {
    for (denied, hint) in
        [(Denied(libc::EPERM), "seccomp"), (Denied(libc::ENOSYS), "ENOSYS"), (Denied(libc::ENOMEM), "memory")]
    {
        let mut upstream = Upstream::new();
        let mut config = config("chat", &upstream);
        config["driver"] = json!("auto");
        let weir = Weir::start_in(config, sandboxed(denied));
        weir.client().still_serves(&mut upstream);
        let status = weir.status();
        assert_eq!(status["driver"], "epoll", "{status}");
        let line = weir.logged("the reason", |line| line.contains("epoll") && line.contains("io_uring cannot be had"));
        let health = weir.admin("GET", "/health");
        assert!(health.text().contains("io_uring cannot be had"), "{}", health.text());
        assert!(hint == "ENOSYS" || line.contains(hint), "{line}");
    }
}

#[test]
fn io_uring_in_so_many_words_fails_hard_where_it_is_forbidden() {
    let upstream = Upstream::new();
    let folder = Folder::new();
    let mut config = config("chat", &upstream);
    config["driver"] = json!("io_uring");
    config["listen"] = json!("127.0.0.1:0");
    config["admin"] = json!({ "listen": "127.0.0.1:0", "password": ADMIN_PASSWORD });
    config["data_dir"] = json!(folder.path().join("data"));
    let path = folder.path().join("weir.json");
    std::fs::write(&path, config.to_string()).expect("write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("serve").arg("-c").arg(&path).env_clear();
    sandboxed(Denied(libc::EPERM))(&mut command);
    let output = command.output().expect("weir runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(told.contains("io_uring was asked for and cannot be had"), "{told}");
}

on_both_drivers!(cores_are_named_pinned_and_deaf_to_signals);

fn cores_are_named_pinned_and_deaf_to_signals(driver: Driver) {
    let upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["cores"] = json!(2);
    let weir = Weir::start(driver, config);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    eventually(|| {
        let cores = core_threads(weir.pid())?;
        let pinned = |cores: &[String]| cores.iter().all(|list| list.parse::<u32>().is_ok()) && cores[0] != cores[1];
        let done = cores.len() == 2 && (cpus != 2 || pinned(&cores));
        if done { Ok(()) } else { Err(format!("the CPUs of the cores: {cores:?}")) }
    });
}

/// The CPUs that each core may run on; an error while one of them still takes a signal.
fn core_threads(pid: u32) -> Result<Vec<String>, String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("procfs");
    let mut cores = Vec::new();
    for task in tasks.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).expect("a thread");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches(':').trim().to_owned()
        };
        if field("Name").starts_with("core-") {
            let blocked = u64::from_str_radix(&field("SigBlk"), 16).expect("a mask");
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
                if blocked >> (signal - 1) & 1 == 0 {
                    return Err(format!("{} takes signal {signal}", field("Name")));
                }
            }
            cores.push(field("Cpus_allowed_list"));
        }
    }
    Ok(cores)
}
