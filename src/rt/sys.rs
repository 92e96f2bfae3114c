//! The system calls that std and socket2 do not offer in the form the data path needs. The unsafe leaf of `rt`.

#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::limits;

/// The descriptor of a socket of monoio, which has no other way to give it up. No bare number may be passed.
pub fn own(socket: impl IntoRawFd) -> OwnedFd {
    // SAFETY: `into_raw_fd` hands over an open descriptor that nobody else closes; so ownership moves and is not doubled.
    unsafe { OwnedFd::from_raw_fd(socket.into_raw_fd()) }
}

/// The descriptor of a socket of monoio, for as long as that is borrowed. No bare number may be passed.
pub fn borrow(socket: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: the socket holds its descriptor open, and cannot be dropped while it is borrowed.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }
}

/// One non-blocking `recv` into the spare capacity of `into`, of `limits::READ_TURN_BYTES` at most: whoever reads looks at
/// what has come before others have their turn.
pub fn recv(fd: RawFd, into: &mut Vec<u8>) -> io::Result<usize> {
    let spare = into.spare_capacity_mut();
    debug_assert!(!spare.is_empty(), "a read without room would look like the peer's end");
    let room = spare.len().min(limits::READ_TURN_BYTES);
    // SAFETY: the pointer and length describe the vector's own spare capacity, which lives through the call.
    let received = unsafe { libc::recv(fd, spare.as_mut_ptr().cast(), room, libc::MSG_DONTWAIT) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    let filled = into.len() + received;
    debug_assert!(filled <= into.capacity());
    // SAFETY: the kernel has written `received` bytes from the old length on, and no more than the capacity.
    unsafe { into.set_len(filled) };
    Ok(received)
}

/// One non-blocking `sendmsg` of `slices`, without SIGPIPE.
pub fn send(fd: RawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let sent = if let [one] = slices {
        // SAFETY: the slice is borrowed for the call.
        unsafe { libc::send(fd, one.as_ptr().cast(), one.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) }
    } else {
        // SAFETY: all zeroes is a valid msghdr: no address, no data, no control.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = slices.as_ptr().cast_mut().cast();
        message.msg_iovlen = slices.len().min(libc::UIO_MAXIOV as usize);
        // SAFETY: IoSlice has the layout of iovec (guaranteed by std on Unix), and sendmsg only reads them.
        unsafe { libc::sendmsg(fd, &message, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) }
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Sets SO_RCVLOWAT: the socket is readable only from so many bytes on, or at an end or error.
pub fn receive_low_water(fd: RawFd, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option value is a c_int that lives through the call, and its size is given.
    let outcome = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    done(outcome)
}

/// Ends both directions of a socket at once, whoever else still holds its descriptor.
pub fn shutdown(fd: RawFd, how: libc::c_int) {
    // SAFETY: shutdown takes integers only. An error (not connected any more) leaves nothing to do.
    unsafe { libc::shutdown(fd, how) };
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: kill takes integers only.
    done(unsafe { libc::kill(pid, signal) })
}

/// Gives memory that has been freed for a while back to the system. The allocator does so by itself only while something
/// is allocated, and a relay whose streams all go on allocates nothing.
pub fn give_memory_back() {
    // SAFETY: it may be called at any time from any thread that is no destructor of thread-local data.
    unsafe { libmimalloc_sys::mi_collect(false) };
}

/// Lets go of the program's own code and constants, of which a start touches far more than a relay at rest: what is
/// needed again comes back from the page cache.
pub fn unmap_program() {
    unsafe extern "C" fn each(found: *mut libc::dl_phdr_info, _: libc::size_t, _: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the caller is `dl_iterate_phdr`, which passes a valid description with `dlpi_phnum` headers.
        let (base, headers) = unsafe {
            let found = &*found;
            (found.dlpi_addr, std::slice::from_raw_parts(found.dlpi_phdr, usize::from(found.dlpi_phnum)))
        };
        let is_clean = |header: &&libc::Elf64_Phdr| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0;
        for header in headers.iter().filter(is_clean) {
            const PAGE: u64 = 4096;
            let start = (base + header.p_vaddr).next_multiple_of(PAGE);
            let end = (base + header.p_vaddr + header.p_filesz) & !(PAGE - 1);
            if start < end {
                // SAFETY: the segment is mapped without write access, so each page is as the file has it, and reading
                // one again brings the same bytes. An error leaves the pages where they are.
                unsafe { libc::madvise(start as *mut libc::c_void, (end - start) as usize, libc::MADV_DONTNEED) };
            }
        }
        // The first is the program itself; libraries are others' pages as well.
        1
    }
    // SAFETY: the callback has the type that is asked for, keeps nothing, and cannot unwind.
    unsafe { libc::dl_iterate_phdr(Some(each), std::ptr::null_mut()) };
}

/// Binds the calling thread to one of the CPUs it is allowed to run on, counted round.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: all zeroes is an empty CPU set, and the calls write within the size given.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        done(libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut allowed))?;
        let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed)).collect();
        let Some(&cpu) = cpus.get(core % cpus.len().max(1)) else { return Ok(()) };
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut one);
        done(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one))
    }
}

/// How many CPUs this process may run on.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Blocks every signal on the calling thread, so that the kernel hands them to the control thread.
pub fn block_signals() -> io::Result<()> {
    // SAFETY: sigfillset initialises the set before it is read; the old mask is not asked for.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        match libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut()) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Whether SIGPIPE has come to the calling thread, which blocks it.
#[cfg(test)]
pub fn has_broken_pipe() -> bool {
    // SAFETY: sigpending initialises the set before it is read.
    unsafe {
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&mut pending) == 0 && libc::sigismember(&pending, libc::SIGPIPE) == 1
    }
}

/// Microseconds that the calling thread has had on a CPU: how long it takes, however busy the machine is.
#[cfg(test)]
pub fn thread_us() -> u64 {
    // SAFETY: all zeroes is a timespec, which the call writes within its size.
    let spent = unsafe {
        let mut spent: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut spent);
        spent
    };
    spent.tv_sec as u64 * 1_000_000 + spent.tv_nsec as u64 / 1_000
}

/// A soft and a hard limit of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is in force.
    pub soft: u64,
    /// What it may be raised to.
    pub hard: u64,
}

/// The limit on open descriptors.
pub fn descriptors() -> io::Result<Limit> {
    limit(libc::RLIMIT_NOFILE)
}

/// The limit on locked memory, in bytes; rings count against it before Linux 5.12.
pub fn locked_memory() -> io::Result<Limit> {
    limit(libc::RLIMIT_MEMLOCK)
}

/// Raises the soft limit on descriptors to the hard one and says what it is now.
pub fn raise_descriptors() -> io::Result<Limit> {
    let now = descriptors()?;
    let wanted = libc::rlimit { rlim_cur: now.hard, rlim_max: now.hard };
    // SAFETY: the structure is initialised and only read.
    done(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) })?;
    descriptors()
}

fn limit(which: libc::__rlimit_resource_t) -> io::Result<Limit> {
    let mut found = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours and is written by the call.
    done(unsafe { libc::getrlimit(which, &mut found) })?;
    Ok(Limit { soft: found.rlim_cur, hard: found.rlim_max })
}

fn done(outcome: libc::c_int) -> io::Result<()> {
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the operation has to be tried again later: nothing to read, no room to write, or a signal came.
pub fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Random bits from the kernel.
pub fn random_u32() -> u32 {
    let mut bytes = [0_u8; 4];
    // SAFETY: the buffer is ours and its length is given; with flags 0 a read of so few bytes is never short.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    u32::from_ne_bytes(bytes)
}

/// A timer that becomes readable every `ms` milliseconds.
pub fn timer(ms: u64) -> io::Result<OwnedFd> {
    let period =
        libc::timespec { tv_sec: (ms / 1_000) as libc::time_t, tv_nsec: (ms % 1_000 * 1_000_000) as libc::c_long };
    let setting = libc::itimerspec { it_interval: period, it_value: period };
    // SAFETY: the calls take integers and a structure that lives through them; the descriptor is checked before
    // it is owned.
    unsafe {
        let fd = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let timer = OwnedFd::from_raw_fd(fd);
        done(libc::timerfd_settime(fd, 0, &setting, std::ptr::null_mut())).map(|()| timer)
    }
}

/// Takes note of a timer's expiry; false if there was none.
pub fn expired(fd: RawFd) -> io::Result<bool> {
    let mut count = 0_u64;
    // SAFETY: a timer yields exactly the eight bytes of `count`.
    let read = unsafe { libc::read(fd, (&raw mut count).cast(), size_of::<u64>()) };
    match read {
        8 => Ok(true),
        _ => {
            let error = io::Error::last_os_error();
            if would_block(&error) { Ok(false) } else { Err(error) }
        }
    }
}

/// Keeps the kernel from backing this process with transparent huge pages.
pub fn no_huge_pages() -> io::Result<()> {
    // SAFETY: the call takes integers only.
    done(unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) })
}

/// Lets the process that `command` starts have the descriptors `kept` beside the standard three, and no other:
/// monoio accepts connections without FD_CLOEXEC, and one that lived on in a child would never look closed.
/// `kept` must stay open until the process has been started.
pub fn hand_down(command: &mut Command, kept: Vec<RawFd>) {
    let hand_down = move || {
        close_on_exec()?;
        // SAFETY: fcntl takes integers only.
        kept.iter().try_for_each(|&fd| done(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }))
    };
    // SAFETY: between fork and exec the closure makes system calls on integers and allocates nothing.
    unsafe { command.pre_exec(hand_down) };
}

/// Marks every descriptor but the standard three to be closed by exec.
fn close_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes integers only.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if marked == 0 {
        return Ok(());
    }
    // Before Linux 5.11: one by one. Most of the numbers name nothing, which is no failure.
    for fd in FIRST as libc::c_int..=libc::c_int::try_from(descriptors()?.soft).unwrap_or(libc::c_int::MAX) {
        // SAFETY: fcntl takes integers only.
        let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}
