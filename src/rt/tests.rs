//! One test for each rule of monoio that bit us (design §8.2), on both drivers where the driver matters.
//! Rules that are about what may not be written at all (features, names) are checked by `tidy`.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::config::listen::Listen;

/// Runs `test` on a core of each driver that this machine has, each on a thread of its own: a runtime that
/// ends with work in flight must not meet another one.
fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F + Send + Copy + 'static) {
    for choice in [Choice::IoUring, Choice::Epoll] {
        let Ok(report) = probe(choice) else {
            eprintln!("skipped for {choice:?}: this machine does not offer it");
            continue;
        };
        std::thread::spawn(move || run(report.driver, test).expect("a runtime"))
            .join()
            .unwrap_or_else(|_| panic!("failed on {}", report.driver.name()));
    }
}

fn pair() -> (Socket, std::net::TcpStream) {
    let (near, far, _) = named_pair();
    (near, far)
}

fn named_pair() -> (Socket, std::net::TcpStream, PathBuf) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let far = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (near, _) = listener.accept().expect("the same connection");
    let name = name_of(&near);
    (Socket::new(near.into()).expect("a socket on this core"), far, name)
}

async fn readable(socket: &Socket) {
    poll_fn(|cx| socket.poll_readable(cx)).await;
}

async fn read_to(socket: &Socket, bytes: usize) -> Vec<u8> {
    let mut got = Vec::with_capacity(bytes.max(64));
    while got.len() < bytes {
        match socket.try_read(&mut got) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if sys::would_block(&error) => readable(socket).await,
            Err(error) => panic!("{error}"),
        }
    }
    got
}

/// What /proc calls a socket: other tests open descriptors at the same time, so counting them would tell nothing.
fn name_of(socket: &impl AsRawFd) -> PathBuf {
    std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("procfs")
}

fn still_open(names: &[PathBuf]) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("procfs").flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).filter(|link| names.contains(link)).count()
}

#[test]
fn rule_1_a_wait_that_is_given_up_loses_no_bytes() {
    on_both(|| async {
        let world = Monoio::new();
        let (near, mut far) = pair();
        // Armed, then abandoned for a timer in mid-flight.
        assert!(near.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending());
        far.write_all(b"hello").expect("a write");
        world.sleep(20).await;
        far.write_all(b"world").expect("a write");
        readable(&near).await;
        assert_eq!(read_to(&near, 10).await, b"helloworld");
    });
}

#[test]
fn rule_1_bytes_in_random_pieces_arrive_in_order_beside_a_ticking_clock() {
    on_both(|| async {
        let world = Monoio::new();
        let (near, mut far) = pair();
        let writer = std::thread::spawn(move || {
            let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
            let mut rest = &sent[..];
            for piece in (1..).map(|n: usize| 1 + n * 7919 % 1_500) {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                far.write_all(now).expect("a write");
                rest = later;
                if rest.is_empty() {
                    return sent;
                }
            }
            sent
        });
        let mut got = Vec::with_capacity(200_000);
        while got.len() < 200_000 {
            let mut tick = std::pin::pin!(world.sleep(1));
            poll_fn(|cx| match near.poll_readable(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => tick.as_mut().poll(cx),
            })
            .await;
            match near.try_read(&mut got) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert!(sys::would_block(&error), "{error}"),
            }
        }
        assert_eq!(got, writer.join().expect("the writer"));
    });
}

#[test]
fn rule_2_dropping_a_socket_with_a_wait_in_flight_ends_it_at_once_and_leaks_nothing() {
    on_both(|| async {
        let world = Monoio::new();
        let mut names = Vec::new();
        for _ in 0..50 {
            let (near, mut far, name) = named_pair();
            names.push(name);
            assert!(near.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending());
            drop(near);
            // Bounded: where the rule is broken nobody ends it.
            far.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a timeout");
            assert_eq!(far.read(&mut [0; 8]).expect("the end"), 0);
        }
        world.sleep(50).await;
        assert_eq!(still_open(&names), 0);
    });
}

#[test]
fn rule_4_a_closed_listener_frees_its_address_and_leaks_no_descriptor() {
    on_both(|| async {
        let world = Monoio::new();
        let mut names = Vec::new();
        for _ in 0..20 {
            let bound = bind(&Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).expect("a port");
            let Bound::Tcp(inner) = &bound else { unreachable!("TCP was asked for") };
            let address = inner.local_addr().expect("an address");
            names.push(name_of(inner));
            let listener = Rc::new(Listener::new(bound).expect("a listener"));
            let ended = Rc::new(Cell::new(false));
            let (accepting, flag) = (Rc::clone(&listener), Rc::clone(&ended));
            world.spawn(
                async move {
                    assert!(accepting.accept().await.is_err());
                    flag.set(true);
                },
                || panic!("the accept loop failed"),
            );
            world.sleep(2).await;
            listener.close();
            drop(listener);
            world.sleep(5).await;
            assert!(ended.get(), "the pending accept did not end");
            assert!(std::net::TcpStream::connect(address).is_err(), "the address still takes connections");
        }
        world.sleep(20).await;
        assert_eq!(still_open(&names), 0);
    });
}

#[test]
fn rule_5_a_task_that_polls_itself_lets_others_run() {
    on_both(|| async {
        let world = Rc::new(Monoio::new());
        let order = Rc::new(RefCell::new(String::new()));
        for name in ['a', 'b'] {
            let (order, clock) = (Rc::clone(&order), Rc::clone(&world));
            world.spawn(
                async move {
                    for _ in 0..4 {
                        order.borrow_mut().push(name);
                        clock.sleep(1).await;
                    }
                },
                || panic!("the task failed"),
            );
        }
        world.sleep(100).await;
        let order = order.borrow();
        assert_eq!(order.len(), 8);
        assert!(!order.contains("aaaa") && !order.contains("bbbb"), "{order}");
    });
}

#[test]
fn rule_7_a_panic_ends_its_task_alone_even_with_a_wait_in_flight() {
    on_both(|| async {
        let world = Rc::new(Monoio::new());
        let panics = Rc::new(Cell::new(0));
        let (near, mut far) = pair();
        let count = Rc::clone(&panics);
        world.spawn(
            async move {
                assert!(near.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending());
                std::panic::resume_unwind(Box::new("contained"));
            },
            move || count.set(count.get() + 1),
        );
        world.sleep(20).await;
        assert_eq!(panics.get(), 1);
        assert_eq!(far.read(&mut [0; 8]).expect("the end"), 0, "the session's connection is closed");
        // The core goes on.
        let (near, mut far) = pair();
        far.write_all(b"on").expect("a write");
        assert_eq!(read_to(&near, 2).await, b"on");
    });
}

#[test]
fn rule_9_more_waits_than_the_ring_has_entries() {
    on_both(|| async {
        let wanted = crate::limits::RING_ENTRIES as usize + 100;
        let limit = sys::raise_descriptors().expect("a limit").soft as usize;
        if limit < 2 * wanted + 100 {
            eprintln!("skipped: {limit} descriptors are too few");
            return;
        }
        let mut pairs: Vec<_> = (0..wanted).map(|_| std::os::unix::net::UnixStream::pair().expect("a pair")).collect();
        let (near, far): (Vec<_>, Vec<_>) = pairs.drain(..).unzip();
        let near: Vec<Socket> = near.into_iter().map(|one| Socket::new(one.into()).expect("a socket")).collect();
        for socket in &near {
            assert!(socket.poll_readable(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        Monoio::new().sleep(10).await;
        for mut one in far.iter() {
            one.write_all(b"x").expect("a write");
        }
        for socket in &near {
            assert_eq!(read_to(socket, 1).await, b"x");
        }
    });
}

#[test]
fn rule_10_the_driver_is_chosen_by_building_it_and_says_why() {
    let epoll = probe(Choice::Epoll).expect("epoll is always there");
    assert_eq!((epoll.driver, epoll.driver.name()), (Driver::Epoll, "epoll"));
    let auto = probe(Choice::Auto).expect("auto never fails");
    assert!(!auto.why.is_empty());
    assert_eq!(probe(Choice::IoUring).is_ok(), auto.driver != Driver::Epoll, "auto takes io_uring where it can be had");
}

#[test]
fn rule_11_commands_cross_threads_by_the_doorbell() {
    on_both(|| async {
        let (mut bell, inbox) = inbox::<u32>(8).expect("a pair");
        let sender = std::thread::spawn(move || {
            for n in 0..100 {
                while bell.send(n).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut got = Vec::new();
        inbox.read(|n| got.push(n)).await.expect("until control is gone");
        sender.join().expect("the sender");
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn rule_12_dialing_never_blocks_and_tells_a_refusal() {
    on_both(|| async {
        let world = Monoio::new();
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = free.local_addr().expect("an address");
        let stream = world.dial(address).expect("a beginning");
        poll_fn(|cx| stream.poll_writable(cx)).await;
        world.connected(&stream).expect("a connection");
        drop(free);
        match world.dial(address) {
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
            Ok(stream) => {
                poll_fn(|cx| stream.poll_writable(cx)).await;
                world.connected(&stream).expect_err("nobody listens");
            }
        }
    });
}

/// What is written leaves at once, and a peer that does not read is noticed before the kernel has taken megabytes for it.
#[test]
fn accepted_connections_have_what_the_listener_was_given() {
    on_both(|| async {
        let own = bind(&Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).expect("a port");
        let given = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let given = Bound::adopt(given.into()).expect("a listener");
        for bound in [own, given] {
            let Bound::Tcp(inner) = &bound else { unreachable!("TCP was asked for") };
            let address = inner.local_addr().expect("an address");
            let listener = Listener::new(bound).expect("a listener");
            let mut far = std::net::TcpStream::connect(address).expect("a connection");
            let (near, _) = listener.accept().await.expect("the same connection");
            let mut sent = 0;
            while let Ok(more) = near.try_write(&[IoSlice::new(&[0; 16 * 1024])]) {
                sent += more;
                assert!(sent < 4 << 20, "nobody reads, and all is taken");
            }
            far.read_exact(&mut vec![0; sent]).expect("what was sent");
            let options = near.options().expect("options");
            assert_eq!(options, (true, crate::limits::SEND_BYTES_UNSENT_MAX));
        }
    });
}

/// An ignored signal would not be seen, so it is blocked here: it waits then, whether it is ignored or not.
#[test]
fn rule_16_writing_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    on_both(|| async {
        sys::block_signals().expect("a mask");
        let world = Monoio::new();
        for slices in [&[IoSlice::new(b"x")][..], &[IoSlice::new(b"x"), IoSlice::new(b"y")]] {
            let (near, far) = pair();
            drop(far);
            let mut last = Ok(0);
            for _ in 0..20 {
                last = near.try_write(slices);
                world.sleep(2).await;
            }
            last.expect_err("the peer is gone");
            assert!(!sys::has_broken_pipe(), "{} slices", slices.len());
        }
    });
}

#[test]
fn rules_8_and_9_the_ring_is_what_the_limits_say_and_no_thread_polls_it() {
    let Ok(report) = probe(Choice::IoUring) else {
        eprintln!("skipped: this machine does not offer it");
        return;
    };
    let ring = driver::ring(report.driver).build(crate::limits::RING_ENTRIES).expect("a ring");
    let told = ring.params();
    assert_eq!((told.sq_entries(), told.cq_entries()), (crate::limits::RING_ENTRIES, crate::limits::RING_COMPLETIONS));
    assert!(told.cq_entries() >= 4 * told.sq_entries());
    assert!(told.is_feature_nodrop(), "completions that find no room are kept");
    assert!(!told.is_setup_sqpoll());
}

/// The clock of a core is one timer of the kernel, and neither stops nor runs ahead.
#[test]
fn rule_13_a_core_has_one_coarse_clock() {
    on_both(|| async {
        let world = Monoio::new();
        let (start, ticks) = (std::time::Instant::now(), Rc::new(Cell::new(0_u128)));
        let (clock, count) = (Monoio::new(), Rc::clone(&ticks));
        let ticking = async move { drop(clock.every(5, || count.set(count.get() + 1)).await) };
        world.spawn(ticking, || panic!("the clock failed"));
        while ticks.get() < 10 {
            world.sleep(5).await;
            let due = start.elapsed().as_millis() / 5;
            assert!(ticks.get() <= due, "{} ticks, {due} were due", ticks.get());
            assert!(due < 4_000, "the clock stands still");
        }
    });
}

/// What a core sends leaves in a row: whoever is about to send waits for those who are ready, and not for the others.
#[test]
fn whoever_meets_the_others_goes_on_behind_all_that_were_ready() {
    on_both(|| async {
        let (world, said) = (Rc::new(Monoio::new()), Rc::new(RefCell::new(Vec::new())));
        for meeting in 0..3 {
            for name in ["a", "b", "c"] {
                let (there, say) = (Rc::clone(&world), Rc::clone(&said));
                let task = async move {
                    say.borrow_mut().push(format!("{name} comes"));
                    there.rendezvous().await;
                    say.borrow_mut().push(format!("{name} goes"));
                };
                world.spawn(task, || panic!("a task failed"));
            }
            // Not ready before the meeting is over.
            let (there, say) = (Rc::clone(&world), Rc::clone(&said));
            let late = async move {
                there.sleep(30).await;
                say.borrow_mut().push("late".to_owned());
            };
            world.spawn(late, || panic!("a task failed"));
            world.sleep(60).await;
            let order = ["a comes", "b comes", "c comes", "a goes", "b goes", "c goes", "late"];
            assert_eq!(said.take(), order, "meeting {meeting}");
        }
    });
}
