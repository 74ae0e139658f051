//! How a driven server stops: in turns that somebody takes, or when it is dropped.

mod gate;
mod wheel;
mod wire;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::time::{Duration, Instant};

use gate::{Gate, eventually};
use oxbridge::{Builder, Exchange, Server};
use wheel::{await_turn, glance, serve, turn, turn_for, while_driven};
use wire::{Client, PATIENCE};

#[test]
fn turns_bring_a_stop_to_its_end() {
    let (builder, held) = holding();
    let server = serve(builder);
    let (mut idle, mut running) = (Client::of(&server), Client::of(&server));
    idle.get("/quick");
    running.get("/held");
    let mut handled = 0;
    while handled < 2 {
        handled += turn(&server).handled;
    }
    assert_eq!(idle.answer().text(), "quick");
    server.begin_stop(PATIENCE);
    assert!(!glance(&server).stopped, "an exchange is under way");
    while_driven(&server, || idle.assert_end());
    held.recv_timeout(PATIENCE).unwrap().end().unwrap();
    while !turn(&server).stopped {}
    assert_eq!(running.answer().status, 200);
    running.assert_end();
    assert_eq!((server.connections(), server.exchanges()), (0, 0));
    assert_refused(server.addresses()[0].tcp().unwrap());
}

#[test]
fn a_stop_takes_the_turns_itself() {
    let server = serve(holding().0);
    let mut client = Client::of(&server);
    client.get("/quick");
    assert_eq!(turn(&server).handled, 1);
    let begun = Instant::now();
    assert!(server.stop(PATIENCE));
    assert!(
        begun.elapsed() < PATIENCE / 2,
        "nothing was left to wait for"
    );
    assert_eq!(client.answer().text(), "quick");
    client.assert_end();
    assert!(server.wait_until(Some(Instant::now())));
    server.wait();
}

#[test]
fn a_stop_waits_while_another_thread_takes_the_turns() {
    let server = serve(holding().0);
    std::thread::scope(|scope| {
        let driving = scope.spawn(|| turn_for(&server, None));
        await_turn(&server);
        assert!(server.stop(PATIENCE));
        assert!(driving.join().unwrap().stopped);
    });
}

#[test]
fn a_turn_after_the_end_says_so_and_does_not_wait() {
    let server = serve(holding().0);
    assert!(server.stop(PATIENCE));
    let begun = Instant::now();
    for _ in 0..5 {
        assert!(turn(&server).stopped);
        assert!(glance(&server).stopped);
    }
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
}

#[test]
fn what_does_not_finish_in_its_time_is_cut() {
    let (builder, held) = holding();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/held");
    assert_eq!(turn(&server).handled, 1);
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    let (begun, grace) = (Instant::now(), Duration::from_millis(60));
    assert!(server.stop(grace));
    let took = begun.elapsed();
    assert!(grace <= took && took < PATIENCE, "{took:?}");
    client.assert_end();
    assert!(exchange.response().is_client_gone());
    assert_eq!((server.connections(), server.exchanges()), (0, 1));
    drop(exchange);
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn the_time_of_a_stop_is_over_also_in_turns_without_a_bound() {
    let (builder, _held) = holding();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/held");
    assert_eq!(turn(&server).handled, 1);
    server.begin_stop(Duration::from_millis(20));
    while !server.turn(None).unwrap().stopped {}
    client.assert_end();
}

#[test]
fn a_handler_begins_to_stop_its_server_and_is_answered() {
    let own = Arc::new(OnceLock::<Weak<Server>>::new());
    let handler = own.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/stop", move |w, _| {
            let server = handler.get().and_then(Weak::upgrade).unwrap();
            server.begin_stop(PATIENCE);
            assert!(!server.stop(PATIENCE), "it cannot wait for itself");
            w.write(b"stopping")
        })
        .unwrap();
    let server = Arc::new(serve(builder));
    own.set(Arc::downgrade(&server)).unwrap();
    let mut client = Client::of(&server);
    client.get("/stop");
    while !turn(&server).stopped {}
    assert_eq!(client.answer().text(), "stopping");
    client.assert_end();
}

#[test]
fn dropping_a_driven_server_closes_its_connections() {
    let (builder, held) = holding();
    let server = serve(builder);
    let address = server.addresses()[0].tcp().unwrap();
    let (mut idle, mut running) = (Client::of(&server), Client::of(&server));
    idle.get("/quick");
    running.get("/held");
    let mut handled = 0;
    while handled < 2 {
        handled += turn(&server).handled;
    }
    assert_eq!(idle.answer().text(), "quick");
    let mut unheard = Client::of(&server);
    unheard.get("/quick");
    let mut exchange = held.recv_timeout(PATIENCE).unwrap();
    drop(server);
    idle.assert_end();
    running.assert_end();
    unheard.assert_end();
    assert_refused(address);
    assert!(exchange.response().is_client_gone());
    exchange.response().write(b"to nobody").unwrap_err();
}

#[test]
fn jobs_that_no_turn_has_run_are_dropped_with_the_server() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let server = serve(Server::builder());
    let runner = server.runner();
    for _ in 0..10 {
        let count = Count(dropped.clone());
        runner.run(Box::new(move || {
            let _ran = &count;
        }));
    }
    assert_eq!(dropped.load(SeqCst), 0);
    drop(server);
    assert_eq!(dropped.load(SeqCst), 10);
}

#[test]
fn a_driven_server_may_be_dropped_in_a_handler_of_another_server() {
    // Its runtime goes inside the other one's.
    for inline in [false, true] {
        let gone = Gate::new();
        let (told, driven) = (
            gone.clone(),
            std::sync::Mutex::new(Some(serve(holding().0))),
        );
        let end = move |exchange: Exchange| {
            drop(driven.lock().unwrap().take());
            told.mark();
            exchange.end().unwrap();
        };
        let mut builder = Server::builder();
        if inline {
            builder.inline_exchange("/", end, "here".into()).unwrap();
        } else {
            builder.blocking_exchange("/", end, "here".into()).unwrap();
        }
        let other = builder
            .bind("127.0.0.1:0".parse().unwrap())
            .start()
            .unwrap();
        assert_eq!(wire::get(&other, "/").status, 200, "inline: {inline}");
        gone.await_arrivals(1);
    }
}

/// A quick route, and one whose exchanges come out of the channel.
fn holding() -> (Builder, mpsc::Receiver<Exchange>) {
    let (send, held) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking("/quick", |w, _| w.write(b"quick"))
        .unwrap();
    builder
        .blocking_exchange(
            "/held",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    (builder, held)
}

fn assert_refused(address: std::net::SocketAddr) {
    eventually("new connections are refused", || {
        TcpStream::connect(address).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
    });
}
