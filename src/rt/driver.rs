//! Which driver a core runs on, and why.
//!
//! The real ring is tried, not a probe of one: containers' seccomp filters, `kernel.io_uring_disabled` and
//! memory limits each refuse at another step. The ladder goes from the ring that costs least (completions run
//! when the core asks for them, Linux 6.1) over cooperative ones (5.19) to a plain ring, then to epoll. With a
//! plain ring the kernel interrupts the core for each completion: measured 30 % more CPU per request.

use std::fmt;
use std::future::Future;
use std::io;

use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use crate::limits;

/// What the configuration asks for.
pub use crate::config::snapshot::DriverChoice as Choice;

/// What a core runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A ring whose completions run when the core waits (IORING_SETUP_DEFER_TASKRUN).
    RingDeferred,
    /// A ring whose completions run at the core's next system call (IORING_SETUP_COOP_TASKRUN).
    RingCooperative,
    /// A ring without either.
    RingPlain,
    /// epoll.
    Epoll,
}

impl Driver {
    /// The name the configuration uses: `io_uring` or `epoll`.
    pub fn name(self) -> &'static str {
        match self {
            Driver::RingDeferred | Driver::RingCooperative | Driver::RingPlain => "io_uring",
            Driver::Epoll => "epoll",
        }
    }
}

/// The driver that was chosen and the reason, for the start line, `/health` and `weir doctor`.
#[derive(Clone, Debug)]
pub struct Report {
    /// What runs.
    pub driver: Driver,
    /// Why this one: what was asked and what refused.
    pub why: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.driver.name(), self.why)
    }
}

const LADDER: [Driver; 3] = [Driver::RingDeferred, Driver::RingCooperative, Driver::RingPlain];

/// Finds the driver for `choice` by building the ring that a core would build. An error where io_uring was
/// asked for in so many words and cannot be had.
pub fn probe(choice: Choice) -> io::Result<Report> {
    if choice == Choice::Epoll {
        return Ok(Report { driver: Driver::Epoll, why: "asked for".to_owned() });
    }
    let mut refused = String::new();
    for driver in LADDER {
        match ring(driver).build(limits::RING_ENTRIES) {
            Ok(_built_and_dropped_idle) if !monoio::utils::detect_uring() => {
                refused = "the kernel lacks operations that monoio needs".to_owned();
                break;
            }
            Ok(_built_and_dropped_idle) => return Ok(Report { driver, why: describe(driver, choice) }),
            Err(error) => refused = reason(&error),
        }
    }
    match choice {
        Choice::IoUring => Err(io::Error::other(format!("io_uring was asked for and cannot be had: {refused}"))),
        Choice::Auto | Choice::Epoll => {
            Ok(Report { driver: Driver::Epoll, why: format!("io_uring cannot be had: {refused}") })
        }
    }
}

fn describe(driver: Driver, choice: Choice) -> String {
    let asked = if choice == Choice::IoUring { "asked for" } else { "auto" };
    let kind = match driver {
        Driver::RingDeferred => "deferred completions",
        Driver::RingCooperative => "cooperative completions; Linux 6.1 has cheaper ones",
        Driver::RingPlain => "plain ring; Linux 6.1 has a cheaper one",
        Driver::Epoll => "no ring",
    };
    format!("{asked}, {kind}")
}

fn reason(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EPERM) => ": kernel.io_uring_disabled or a seccomp filter (containers) forbids it",
        Some(libc::ENOSYS) => ": the kernel has none, or a seccomp filter hides it",
        Some(libc::ENOMEM) => ": the limit on locked memory is too low for a ring",
        Some(libc::EMFILE | libc::ENFILE) => ": no descriptors left",
        _ => "",
    };
    format!("{error}{hint}")
}

/// The ring of `driver`, not built yet.
pub(super) fn ring(driver: Driver) -> io_uring::Builder {
    let mut builder = io_uring::IoUring::builder();
    builder.setup_cqsize(limits::RING_COMPLETIONS);
    match driver {
        Driver::RingDeferred => {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        Driver::RingCooperative => {
            builder.setup_coop_taskrun();
        }
        Driver::RingPlain | Driver::Epoll => {}
    }
    builder
}

/// Runs `main` on a new runtime of the calling thread. It does not return while `main` is pending, and `main`
/// of a core never ends: a runtime that is dropped with work in flight leaks or worse.
pub fn run<F: Future>(driver: Driver, main: impl FnOnce() -> F) -> io::Result<F::Output> {
    match driver {
        Driver::Epoll => {
            let mut runtime =
                RuntimeBuilder::<LegacyDriver>::new().with_entries(limits::EPOLL_EVENTS).enable_timer().build()?;
            Ok(runtime.block_on(async { main().await }))
        }
        Driver::RingDeferred | Driver::RingCooperative | Driver::RingPlain => {
            let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
                .uring_builder(ring(driver))
                .with_entries(limits::RING_ENTRIES)
                .enable_timer()
                .build()?;
            Ok(runtime.block_on(async { main().await }))
        }
    }
}
