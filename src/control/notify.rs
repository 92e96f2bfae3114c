//! What systemd is told (sd_notify(3)), and what it asked for. Without `NOTIFY_SOCKET` nobody asked, and nothing is
//! sent; a service manager that is gone stops nothing.

use std::time::Duration;

use sd_notify::NotifyState::{self, MainPid, Ready, Reloading, Status, Stopping, Watchdog};

/// The process serves.
pub fn ready(status: &str) {
    tell(&[Ready, Status(status)]);
}

/// A reload begins, or an upgrade; `ready` or `succeeded` ends it. systemd wants the time with it (`Type=notify-reload`).
pub fn reloading(status: &str) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[Reloading, now, Status(status)]),
        Err(_no_clock) => tell(&[Status(status)]),
    }
}

/// The process ends once what is under way has ended.
pub fn stopping(status: &str) {
    tell(&[Stopping, Status(status)]);
}

/// From now on `pid` is the service. Said by the predecessor: systemd listens to the main process only.
pub fn succeeded(pid: u32) {
    tell(&[MainPid(pid), Ready, Status("a successor serves")]);
}

/// The process is well.
pub fn alive() {
    tell(&[Watchdog]);
}

/// How often `alive` has to be said at least.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn tell(states: &[NotifyState<'_>]) {
    let _nobody_listens = sd_notify::notify(states);
}
