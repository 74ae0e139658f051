//! Work that a host posts: it runs as handlers run, also on a server that listens nowhere.

mod gate;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use gate::{Gate, eventually};
use oxbridge::{Builder, Server};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn each_post_is_a_run() {
    let server = serve(Server::builder());
    let runs = Arc::new(AtomicUsize::new(0));
    let counting = runs.clone();
    let work = server.work(move || {
        counting.fetch_add(1, SeqCst);
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| work.post()));
        }
    });
    eventually("all have run", || runs.load(SeqCst) == 4000);
    assert!(server.stop(PATIENCE));
    assert_eq!(runs.load(SeqCst), 4000);
}

#[test]
fn runs_that_wait_are_as_many_as_there_are_threads() {
    let server = serve(Server::builder().threads(20));
    let gate = Gate::new();
    let waiting = gate.clone();
    let work = server.work(move || waiting.pass());
    (0..50).for_each(|_| work.post());
    gate.await_arrivals(20);
    // Another kind has a thread as soon as one is free, and what waits is not lost.
    gate.open();
    gate.await_arrivals(50);
    assert!(server.stop(PATIENCE));
}

#[test]
fn what_is_known_to_be_slow_costs_no_promotion_each() {
    // Each run that holds the leader until the watchdog comes costs one to two milliseconds: 100 in a row
    // would cost 100 to 200 before the last one begins.
    let server = serve(Server::builder().threads(120));
    let gate = Gate::new();
    let waiting = gate.clone();
    let begun = Arc::new(Mutex::new(Vec::new()));
    let at = begun.clone();
    let work = server.work(move || {
        at.lock().unwrap().push(Instant::now());
        waiting.pass();
    });
    // It becomes known, and the threads are there.
    (0..100).for_each(|_| work.post());
    gate.await_arrivals(100);
    gate.admit(100);
    eventually("the threads wait for orders", || {
        begun.lock().unwrap().len() == 100
    });
    // The machine may be busy, but not each time.
    let (mut best, mut round) = (Duration::MAX, 1);
    while best >= Duration::from_millis(60) && round < 60 {
        round += 1;
        begun.lock().unwrap().clear();
        (0..100).for_each(|_| work.post());
        gate.await_arrivals(round * 100);
        let first_to_last = {
            let begun = begun.lock().unwrap();
            begun
                .iter()
                .max()
                .unwrap()
                .duration_since(*begun.iter().min().unwrap())
        };
        best = best.min(first_to_last);
        gate.admit(100);
    }
    assert!(best < Duration::from_millis(60), "{best:?}");
    gate.open();
    assert!(server.stop(PATIENCE));
}

#[test]
fn a_panic_ends_one_run() {
    let server = serve(Server::builder().threads(2));
    let (send, ran) = mpsc::channel();
    let work = server.work(move || {
        send.send(()).unwrap();
        panic!("on purpose");
    });
    for _ in 0..10 {
        work.post();
        ran.recv_timeout(PATIENCE).unwrap();
    }
    assert!(server.stop(PATIENCE));
}

#[test]
fn a_server_without_an_address_is_idle_and_stops() {
    let server = serve(Server::builder());
    let work = server.work(|| {});
    work.post();
    assert!(server.stop(PATIENCE));
    // Nobody is left to run it, and nothing hangs or panics.
    work.post();
    drop(server);
    work.post();
}

#[test]
fn wake_ups_of_work_come_at_the_latest_with_the_next_turn() {
    struct Tell(mpsc::Sender<()>);
    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let server = serve(Server::builder());
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tell(send)));
    let work = server.work(move || oxbridge::wake(waker.clone()));
    for _ in 0..100 {
        work.post();
        woken.recv_timeout(PATIENCE).unwrap();
    }
    // And off the server's threads, at once.
    let (send, woken) = mpsc::channel();
    oxbridge::wake(Waker::from(Arc::new(Tell(send))));
    woken.try_recv().unwrap();
}

#[test]
fn what_the_last_run_wakes_is_woken() {
    struct Tell(mpsc::Sender<()>);
    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let server = Arc::new(serve(Server::builder()));
    let (send, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tell(send)));
    let stopped = Arc::downgrade(&server);
    let work = server.work(move || {
        if let Some(server) = stopped.upgrade() {
            server.begin_stop(Duration::ZERO);
        }
        oxbridge::wake(waker.clone());
    });
    work.post();
    woken.recv_timeout(PATIENCE).unwrap();
    assert!(server.wait_until(Some(Instant::now() + PATIENCE)));
}

fn serve(builder: Builder) -> Server {
    builder.start().unwrap()
}
