//! Handlers that block cost their own clients only: sleepers, slow bodies, slow readers, and more of
//! them than there are threads.

mod gate;
mod wire;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use gate::{Gate, eventually};
use http::Response;
use oxbridge::{Body, Builder, Exchange, Host, Request, Server, WriteError, block_on};
use wire::{Client, get};

#[test]
fn sleepers_do_not_stall_another_route() {
    let (builder, gate) = mixed();
    let server = serve(builder);
    let mut sleepers = ask(&server, 60, "/wait");
    gate.await_arrivals(60);
    let mut client = Client::of(&server);
    for _ in 0..200 {
        assert_eq!(client.get("/quick").answer().text(), "quick");
        assert_eq!(get(&server, "/async").text(), "async");
    }
    assert_eq!(server.exchanges(), 60, "the sleepers still sleep");
    gate.open();
    assert!(
        sleepers
            .iter_mut()
            .all(|client| client.answer().text() == "waited")
    );
}

#[test]
fn more_sleepers_than_threads_leave_the_reactor_awake() {
    let (builder, gate) = mixed();
    let server = serve(builder.threads(4));
    let mut sleepers = ask(&server, 20, "/wait");
    gate.await_arrivals(4);
    let mut queued = ask(&server, 5, "/quick");
    for _ in 0..50 {
        // New connections, too.
        assert_eq!(get(&server, "/async").text(), "async");
        assert_eq!(get(&server, "/inline").text(), "inline");
    }
    eventually("everybody waits", || server.exchanges() == 25);
    assert_eq!(gate.arrived(), 4, "four threads run four handlers");
    gate.admit(1);
    gate.await_arrivals(5);
    gate.open();
    assert!(
        sleepers
            .iter_mut()
            .all(|client| client.answer().text() == "waited")
    );
    assert!(
        queued
            .iter_mut()
            .all(|client| client.answer().text() == "quick")
    );
    assert_eq!(get(&server, "/quick").text(), "quick");
}

#[test]
fn one_thread_is_enough_to_serve_what_needs_none() {
    let (builder, gate) = mixed();
    let server = serve(builder.threads(1));
    for round in 1..=3 {
        let mut sleeper = ask(&server, 1, "/wait");
        gate.await_arrivals(round);
        assert_eq!(get(&server, "/async").text(), "async");
        assert_eq!(get(&server, "/inline").text(), "inline");
        let mut queued = ask(&server, 1, "/quick");
        gate.admit(1);
        assert_eq!(sleeper[0].answer().text(), "waited");
        assert_eq!(queued[0].answer().text(), "quick");
    }
}

#[test]
fn never_more_handlers_than_threads() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (running.clone(), most.clone());
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(5));
            now.fetch_sub(1, SeqCst);
            w.write(b"done")
        })
        .unwrap();
    let server = serve(builder.threads(3));
    for _ in 0..5 {
        assert!(
            ask(&server, 20, "/")
                .iter_mut()
                .all(|client| client.answer().text() == "done")
        );
    }
    let most = most.load(SeqCst);
    assert!((2..=3).contains(&most), "{most} at a time");
}

#[test]
fn slow_bodies_do_not_stall_others() {
    let mut builder = mixed().0;
    builder.blocking("/echo", echo).unwrap();
    let server = serve(builder.threads(40));
    let mut slow: Vec<_> = (0..30).map(|_| Client::of(&server)).collect();
    for (n, client) in slow.iter_mut().enumerate() {
        // Half of them stream to a handler that waits, half are gathered before theirs begins.
        let framing = if n % 2 == 0 {
            "Transfer-Encoding: chunked"
        } else {
            "Content-Length: 20"
        };
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"
        ));
    }
    let mut client = Client::of(&server);
    for n in 0..20 {
        for (n, client) in slow.iter_mut().enumerate() {
            client.send(if n % 2 == 0 { "1\r\nx\r\n" } else { "x" });
        }
        assert_eq!(
            client.get("/quick").answer().text(),
            "quick",
            "after {n} bytes"
        );
    }
    for (n, client) in slow.iter_mut().enumerate() {
        if n % 2 == 0 {
            client.send("0\r\n\r\n");
        }
        assert_eq!(client.answer().text(), "x".repeat(20), "{n}");
    }
}

#[test]
fn a_handler_that_waits_for_its_client_gives_the_lead_away() {
    let mut builder = mixed().0;
    let begun = Gate::new();
    let (reading, writing) = (begun.clone(), begun.clone());
    builder
        .blocking("/read", move |w, r| {
            reading.mark();
            echo(w, r)
        })
        .unwrap();
    builder
        .blocking("/write", move |w, _| {
            writing.mark();
            (0..1000).try_for_each(|_| w.write(&[b'x'; 64 << 10]))
        })
        .unwrap();
    let server = serve(builder.threads(3));
    let mut reader = Client::of(&server);
    reader.send("POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut writer = Client::of(&server);
    writer.get("/write");
    begun.await_arrivals(2);
    let mut client = Client::of(&server);
    for _ in 0..100 {
        assert_eq!(client.get("/quick").answer().text(), "quick");
    }
    reader.send("2\r\nhi\r\n0\r\n\r\n");
    assert_eq!(reader.answer().text(), "hi");
    let answer = writer.answer();
    assert!(answer.whole && answer.body.len() == 1000 * (64 << 10));
}

#[test]
fn a_handler_waits_for_a_future_that_the_reactor_completes() {
    let (send, receive) = tokio::sync::oneshot::channel::<&'static str>();
    let (send, receive) = (Mutex::new(Some(send)), Mutex::new(Some(receive)));
    let begun = Gate::new();
    let handler = begun.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/wait", move |w, _| {
            let receive = receive.lock().unwrap().take().unwrap();
            handler.mark();
            w.write(block_on(receive).unwrap().as_bytes())
        })
        .unwrap();
    builder
        .route("/send", move |_: Request| {
            let send = send.lock().unwrap().take().unwrap();
            async move {
                send.send("brought").unwrap();
                Response::new(Body::empty())
            }
        })
        .unwrap();
    let server = serve(builder.threads(1));
    let mut waiting = ask(&server, 1, "/wait");
    begun.await_arrivals(1);
    assert_eq!(get(&server, "/send").status, 200);
    assert_eq!(waiting[0].answer().text(), "brought");
}

#[test]
fn handlers_of_all_kinds_serve_many_clients_at_once() {
    for reactors in [1, 2] {
        let mut builder = mixed().0.reactors(reactors).threads(4);
        builder
            .blocking("/napper", |w, _| {
                std::thread::sleep(std::time::Duration::from_millis(2));
                w.write(b"napped")
            })
            .unwrap();
        let server = serve(builder);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let mut client = Client::of(server);
                    for turn in 0..150 {
                        let (target, text) = match (number + turn) % 5 {
                            0 => ("/quick", "quick"),
                            1 => ("/async", "async"),
                            2 => ("/inline", "inline"),
                            3 => ("/later", "later"),
                            _ => ("/napper", "napped"),
                        };
                        assert_eq!(client.get(target).answer().text(), text);
                    }
                });
            }
        });
        eventually("no exchange is alive", || server.exchanges() == 0);
    }
}

#[test]
fn each_reactor_has_threads_of_its_own() {
    let (builder, gate) = mixed();
    let server = serve(builder.reactors(2).threads(1));
    let mut sleepers = Vec::new();
    // Which reactor gets a connection is the kernel's choice.
    eventually("two handlers run at once", || {
        sleepers.append(&mut ask(&server, 1, "/wait"));
        gate.arrived() == 2
    });
    assert_eq!(get(&server, "/async").text(), "async");
    assert_eq!(gate.arrived(), 2);
    gate.open();
    assert!(
        sleepers
            .iter_mut()
            .all(|client| client.answer().text() == "waited")
    );
}

#[test]
fn panics_cost_no_thread() {
    let mut builder = mixed().0;
    builder
        // Without the hook: twenty backtraces would hide what the test itself has to say.
        .blocking("/panic", |_, _| {
            std::panic::resume_unwind(Box::new("on purpose"))
        })
        .unwrap();
    let server = serve(builder.threads(2));
    for n in 0..20 {
        let answer = get(&server, "/panic");
        assert_eq!(answer.status, 500, "request {n}: {answer:?}");
    }
    assert_eq!(get(&server, "/quick").text(), "quick");
    assert!(
        server.stop(wire::PATIENCE),
        "not all threads came home; {} exchanges are alive",
        server.exchanges()
    );
}

#[test]
fn servers_whose_threads_were_all_busy_stop_at_once() {
    // Each round gives the turns to and fro between two threads and the watchdog, up to the moment of
    // the stop.
    for round in 0..200 {
        let mut builder = Server::builder();
        builder
            .blocking("/nap", |w, _| {
                std::thread::sleep(std::time::Duration::from_millis(2));
                w.write(b"napped")
            })
            .unwrap();
        let server = serve(builder.threads(2));
        for client in &mut ask(&server, 4, "/nap") {
            assert_eq!(client.answer().text(), "napped");
        }
        assert!(
            server.stop(wire::PATIENCE),
            "round {round}: {} exchanges are alive",
            server.exchanges()
        );
    }
}

#[test]
fn handlers_run_inside_their_host_and_waits_do_not() {
    thread_local! {
        static AT_HOME: Cell<bool> = const { Cell::new(false) };
    }
    struct Home;
    impl Host for Home {
        fn thread(&self, work: &mut (dyn FnMut() + Send)) {
            AT_HOME.set(true);
            work();
            AT_HOME.set(false);
        }
        fn idle(&self, wait: &mut (dyn FnMut() + Send)) {
            assert!(
                AT_HOME.replace(false),
                "a thread waits that has not entered"
            );
            wait();
            AT_HOME.set(true);
        }
    }
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            std::thread::sleep(std::time::Duration::from_millis(3));
            w.write(if AT_HOME.get() { b"home" } else { b"away" })
        })
        .unwrap();
    // In the reactor no language's handler runs, so it is not entered there.
    builder
        .route("/async", |_| async {
            Response::new(Body::from(if AT_HOME.get() { "home" } else { "away" }))
        })
        .unwrap();
    let server = serve(builder.host(Arc::new(Home)).threads(3));
    for _ in 0..3 {
        assert!(
            ask(&server, 10, "/")
                .iter_mut()
                .all(|client| client.answer().text() == "home")
        );
        assert_eq!(get(&server, "/async").text(), "away");
    }
}

/// A server with handlers of all kinds, and the gate at which those of `/wait` wait.
fn mixed() -> (Builder, Gate) {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/wait", move |w, _| {
            handler.pass();
            w.write(b"waited")
        })
        .unwrap();
    builder
        .blocking("/quick", |w, _| w.write(b"quick"))
        .unwrap();
    builder
        .route("/async", |_| async { Response::new(Body::from("async")) })
        .unwrap();
    let answer = |mut exchange: Exchange, text: &str| {
        exchange.response().write(text.as_bytes()).unwrap();
        exchange.end().unwrap();
    };
    builder
        .inline_exchange(
            "/inline",
            move |exchange| answer(exchange, "inline"),
            "here".into(),
        )
        .unwrap();
    let later = move |exchange| drop(std::thread::spawn(move || answer(exchange, "later")));
    builder
        .inline_exchange("/later", later, "here".into())
        .unwrap();
    (builder, gate)
}

fn echo(w: &mut oxbridge::ResponseWriter, r: &mut Request) -> Result<(), WriteError> {
    while let Some(chunk) = r.body_mut().chunk_blocking() {
        w.write(&chunk.map_err(|_| WriteError::ClientGone)?)?;
    }
    Ok(())
}

/// As many clients, each of which has asked for `target`.
fn ask(server: &Server, clients: usize, target: &str) -> Vec<Client<std::net::TcpStream>> {
    let mut clients: Vec<_> = (0..clients).map(|_| Client::of(server)).collect();
    for client in &mut clients {
        client.get(target);
    }
    clients
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
