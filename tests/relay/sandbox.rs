//! Where a container forbids io_uring, and what the kernel may do to a core.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::life::with_open_stream;
use crate::streams::{DONE, chat_stop};
use crate::succession::{Heir, successor_of};
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

/// Numbers of the calls that `scripts/seccomp-io_uring.json` names.
#[cfg(target_arch = "x86_64")]
fn allowed() -> Vec<u32> {
    let profile: Value = serde_json::from_str(include_str!("../../scripts/seccomp-io_uring.json")).expect("json");
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    macro_rules! numbers {
        ($($name:ident: $number:ident),* $(,)?) => { [$((stringify!($name), libc::$number)),*] };
    }
    let known = numbers![
        accept: SYS_accept, accept4: SYS_accept4, access: SYS_access, arch_prctl: SYS_arch_prctl, bind: SYS_bind,
        brk: SYS_brk, capget: SYS_capget, capset: SYS_capset, chdir: SYS_chdir, chmod: SYS_chmod,
        clock_getres: SYS_clock_getres, clock_gettime: SYS_clock_gettime, clock_nanosleep: SYS_clock_nanosleep,
        clone: SYS_clone, clone3: SYS_clone3, close: SYS_close, close_range: SYS_close_range, connect: SYS_connect,
        dup: SYS_dup, dup2: SYS_dup2, dup3: SYS_dup3, epoll_create1: SYS_epoll_create1, epoll_ctl: SYS_epoll_ctl,
        epoll_pwait: SYS_epoll_pwait, epoll_pwait2: SYS_epoll_pwait2, epoll_wait: SYS_epoll_wait,
        eventfd2: SYS_eventfd2, execve: SYS_execve, exit: SYS_exit, exit_group: SYS_exit_group,
        faccessat: SYS_faccessat, faccessat2: SYS_faccessat2, fadvise64: SYS_fadvise64, fallocate: SYS_fallocate,
        fchdir: SYS_fchdir, fchmod: SYS_fchmod, fchmodat: SYS_fchmodat, fchown: SYS_fchown, fcntl: SYS_fcntl,
        fdatasync: SYS_fdatasync, fstat: SYS_fstat, fstatfs: SYS_fstatfs, fsync: SYS_fsync, ftruncate: SYS_ftruncate,
        futex: SYS_futex, getcwd: SYS_getcwd, getdents64: SYS_getdents64, getegid: SYS_getegid, geteuid: SYS_geteuid,
        getgid: SYS_getgid, getgroups: SYS_getgroups, getpeername: SYS_getpeername, getpgrp: SYS_getpgrp,
        getpid: SYS_getpid, getppid: SYS_getppid, getrandom: SYS_getrandom, getresgid: SYS_getresgid,
        getresuid: SYS_getresuid, getrlimit: SYS_getrlimit, getrusage: SYS_getrusage, getsockname: SYS_getsockname,
        getsockopt: SYS_getsockopt, gettid: SYS_gettid, gettimeofday: SYS_gettimeofday, getuid: SYS_getuid,
        inotify_add_watch: SYS_inotify_add_watch, inotify_init1: SYS_inotify_init1,
        inotify_rm_watch: SYS_inotify_rm_watch, io_uring_enter: SYS_io_uring_enter,
        io_uring_register: SYS_io_uring_register, io_uring_setup: SYS_io_uring_setup, ioctl: SYS_ioctl,
        kill: SYS_kill, listen: SYS_listen, lseek: SYS_lseek, lstat: SYS_lstat, madvise: SYS_madvise, membarrier: SYS_membarrier,
        mkdir: SYS_mkdir, mkdirat: SYS_mkdirat, mlock: SYS_mlock, mmap: SYS_mmap, mprotect: SYS_mprotect,
        mremap: SYS_mremap, msync: SYS_msync, munlock: SYS_munlock, munmap: SYS_munmap, nanosleep: SYS_nanosleep,
        newfstatat: SYS_newfstatat, open: SYS_open, openat: SYS_openat, pipe2: SYS_pipe2, poll: SYS_poll,
        ppoll: SYS_ppoll, prctl: SYS_prctl, pread64: SYS_pread64, preadv: SYS_preadv, prlimit64: SYS_prlimit64,
        pselect6: SYS_pselect6, pwrite64: SYS_pwrite64, pwritev: SYS_pwritev, read: SYS_read, readlink: SYS_readlink,
        readlinkat: SYS_readlinkat, readv: SYS_readv, recvfrom: SYS_recvfrom, recvmmsg: SYS_recvmmsg,
        recvmsg: SYS_recvmsg, rename: SYS_rename, renameat: SYS_renameat, renameat2: SYS_renameat2,
        restart_syscall: SYS_restart_syscall, rmdir: SYS_rmdir, rseq: SYS_rseq, rt_sigaction: SYS_rt_sigaction,
        rt_sigpending: SYS_rt_sigpending, rt_sigprocmask: SYS_rt_sigprocmask, rt_sigqueueinfo: SYS_rt_sigqueueinfo,
        rt_sigreturn: SYS_rt_sigreturn, rt_sigsuspend: SYS_rt_sigsuspend, rt_sigtimedwait: SYS_rt_sigtimedwait,
        sched_getaffinity: SYS_sched_getaffinity, sched_getparam: SYS_sched_getparam,
        sched_getscheduler: SYS_sched_getscheduler, sched_setaffinity: SYS_sched_setaffinity,
        sched_yield: SYS_sched_yield, select: SYS_select, sendfile: SYS_sendfile, sendmmsg: SYS_sendmmsg,
        sendmsg: SYS_sendmsg, sendto: SYS_sendto, set_robust_list: SYS_set_robust_list,
        set_tid_address: SYS_set_tid_address, setgid: SYS_setgid, setgroups: SYS_setgroups, setpgid: SYS_setpgid,
        setresgid: SYS_setresgid, setresuid: SYS_setresuid, setrlimit: SYS_setrlimit, setsid: SYS_setsid,
        setsockopt: SYS_setsockopt, setuid: SYS_setuid, shutdown: SYS_shutdown, sigaltstack: SYS_sigaltstack,
        socket: SYS_socket, socketpair: SYS_socketpair, stat: SYS_stat, statfs: SYS_statfs, statx: SYS_statx,
        symlink: SYS_symlink, sysinfo: SYS_sysinfo, tgkill: SYS_tgkill, timer_create: SYS_timer_create,
        timer_delete: SYS_timer_delete, timer_settime: SYS_timer_settime, timerfd_create: SYS_timerfd_create,
        timerfd_gettime: SYS_timerfd_gettime, timerfd_settime: SYS_timerfd_settime, umask: SYS_umask,
        uname: SYS_uname, unlink: SYS_unlink, unlinkat: SYS_unlinkat, utimensat: SYS_utimensat, vfork: SYS_vfork,
        wait4: SYS_wait4, waitid: SYS_waitid, write: SYS_write, writev: SYS_writev,
    ];
    let groups = profile["syscalls"].as_array().expect("a list");
    let names = groups.iter().flat_map(|group| group["names"].as_array().expect("names"));
    let number = |name: &Value| {
        let found = known.iter().find(|(known, _)| name == known);
        found.unwrap_or_else(|| panic!("{name} is new to this test")).1 as u32
    };
    names.map(number).collect()
}

/// A line of what the kernel says of a process.
#[cfg(target_arch = "x86_64")]
fn status_field(pid: u64, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("the field").trim().to_owned()
}

/// A container with the profile of `scripts/` has io_uring, and whatever else weir needs to serve.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_profile_for_containers_lets_weir_run_on_io_uring() {
    if let Some(error) = ring_refusal() {
        eprintln!("skipped: this machine refuses io_uring: {error}");
        return;
    }
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for number in allowed() {
        let is_other = libc::sock_filter { jf: 1, ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number) };
        filter.extend([is_other, statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW)]);
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    let mut upstream = Upstream::new();
    let mut config = config("chat", &upstream);
    config["driver"] = json!("io_uring");
    let mut weir = Weir::start_in(config, move |command| {
        let confine = move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            // SAFETY: both calls only read what they are given, and the filter lives until they have returned.
            let done = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
            };
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(confine) };
    });
    weir.client().still_serves(&mut upstream);
    assert_eq!(weir.status()["driver"], "io_uring");
    assert_eq!(weir.admin("POST", "/api/reload").status(), 200);
    weir.client().still_serves(&mut upstream);
    // A stream goes on while the successor, which inherits the profile, takes over on a ring of its own.
    let (mut client, mut call) = with_open_stream(&weir, &mut upstream);
    let first = u64::from(weir.pid());
    weir.signal(libc::SIGUSR2);
    let heir = Heir(successor_of(&weir, first));
    assert_eq!(weir.status()["driver"], "io_uring");
    weir.client().still_serves(&mut upstream);
    call.chunk(chat_stop() + DONE);
    call.last_chunk();
    assert_eq!(client.wire.body(Length::Chunked), ((chat_stop() + DONE).into_bytes(), true));
    assert_eq!(weir.exited().code(), Some(0));
    assert_eq!(status_field(heir.0, "Seccomp"), "2", "the successor is confined too");
    weir.client().still_serves(&mut upstream);
    heir.signal(libc::SIGTERM);
    eventually(|| heir.is_gone());
}
