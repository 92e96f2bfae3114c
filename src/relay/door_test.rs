//! Nobody whom the kernel has let in is forgotten, whoever was woken for it.
//!
//! Of all who wait at one socket the kernel wakes one. On a ring these tests make sure which: waits are woken in the
//! order in which they began, and what a core was woken for it learns at its next entry into the kernel. On epoll all are
//! woken; the same must hold there.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use super::core::{Command, Core};
use super::turn_test::parts;
use crate::config::listen::Listen;
use crate::rt::{self, Accept as _, Bound, Choice, Listener, Monoio, Net as _};

/// Runs `test` with a core that does not listen yet, and a bound socket, on a thread of each driver.
fn on_both<F: Future<Output = ()>>(test: impl Fn(Rc<Core<Monoio>>, Bound, SocketAddr) -> F + Send + Copy + 'static) {
    for choice in [Choice::IoUring, Choice::Epoll] {
        let Ok(report) = rt::probe(choice) else {
            eprintln!("skipped for {choice:?}: this machine does not offer it");
            continue;
        };
        let core = move || async move {
            let bound = rt::bind(&Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).expect("a port");
            let address = bound.name().parse().expect("an address");
            test(Core::new(Monoio::new(), parts("chat")), bound, address).await;
        };
        std::thread::spawn(move || rt::run(report.driver, core).expect("a runtime"))
            .join()
            .unwrap_or_else(|_| panic!("failed on {}", report.driver.name()));
    }
}

fn listen(core: &Rc<Core<Monoio>>, bound: &Bound) {
    let listener = Listener::new(bound.duplicate().expect("a copy")).expect("a listener");
    core.command(Command::Listen("here".to_owned(), listener));
}

#[test]
fn who_came_as_a_core_left_its_door_is_let_in() {
    on_both(|core, bound, address| async move {
        let tally = Arc::clone(&core.tally);
        for round in 1..=20 {
            listen(&core, &bound);
            core.net.sleep(2).await;
            // The core is woken for it, and leaves before it knows. The successor, whose wait began later, sleeps.
            let client = TcpStream::connect(address).expect("the kernel connects");
            core.command(Command::<Listener>::Unlisten("here".to_owned()));
            core.net.sleep(10).await;
            assert_eq!(tally.sessions_total.get(), round, "the kernel has it, and nobody comes for it");
            assert_eq!(tally.doors_open.get(), 0);
            drop(client);
        }
    });
}

#[test]
fn who_came_as_another_process_was_killed_is_let_in() {
    on_both(|core, bound, address| async move {
        let other = Rc::new(Listener::new(bound.duplicate().expect("a copy")).expect("a listener"));
        let accepting = Rc::clone(&other);
        let dies = async move { assert!(accepting.accept().await.is_err(), "it was let in by the one that died") };
        core.net.spawn(dies, || std::process::abort());
        core.net.sleep(2).await;
        listen(&core, &bound);
        core.net.spawn(Rc::clone(&core).tick(), || std::process::abort());
        core.net.sleep(2).await;
        // The other's wait began first: it is woken, and is no more.
        let client = TcpStream::connect(address).expect("the kernel connects");
        other.close();
        core.net.sleep(3 * crate::limits::TICK_MS).await;
        assert_eq!(core.tally.sessions_total.get(), 1, "the kernel has it, and nobody comes for it");
        drop(client);
    });
}
