//! How an exchange ends: by its handler, by a panic, by a client that goes, on another thread; and how
//! much of it may wait in memory.

mod gate;
mod wire;

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use gate::{Gate, eventually};
use http::Response;
use oxbridge::{Body, BodyError, Builder, Exchange, Limits, Request, Server, WriteError};
use wire::{Client, PATIENCE, get};

#[test]
fn a_panic_before_the_head_is_500_and_the_connection_stays() {
    let mut builder = Server::builder();
    builder
        .blocking("/blocking", |w, _| {
            w.write(b"nothing of this")?;
            panic!("on purpose")
        })
        .unwrap();
    builder
        .inline_exchange("/inline", |_| panic!("on purpose"), "here".into())
        .unwrap();
    builder
        .route("/call", |_| -> std::future::Ready<Response<Body>> {
            panic!("on purpose")
        })
        .unwrap();
    builder
        .route("/poll", |_| async {
            if true {
                panic!("on purpose");
            }
            "never said"
        })
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for target in ["/blocking", "/inline", "/call", "/poll"] {
        let answer = client.get(target).answer();
        assert_eq!(
            (answer.status, answer.text()),
            (500, "Internal Server Error\n"),
            "{target}"
        );
        assert_eq!(
            client.get("/well").answer().text(),
            "well",
            "after {target}"
        );
    }
    eventually("no exchange is alive", || server.exchanges() == 0);
}

#[test]
fn a_panic_after_the_head_cuts_the_answer() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.write(b"half")?;
            w.flush()?;
            panic!("on purpose")
        })
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    let server = serve(builder);
    for _ in 0..3 {
        let mut client = Client::of(&server);
        let answer = client.get("/").answer();
        assert_eq!((answer.status, answer.whole), (200, false));
        client.assert_end();
    }
    assert_eq!(get(&server, "/well").text(), "well");
}

#[test]
fn an_error_that_a_handler_returns_is_500() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |_, _| Err(WriteError::BadStatus(7)))
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for _ in 0..2 {
        assert_eq!(client.get("/").answer().status, 500);
    }
}

#[test]
fn an_exchange_that_is_dropped_is_500() {
    let mut builder = Server::builder();
    builder
        .inline_exchange("/inline", drop, "here".into())
        .unwrap();
    builder
        .blocking_exchange("/blocking", drop, "here".into())
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for target in ["/inline", "/blocking", "/inline"] {
        assert_eq!(client.get(target).answer().status, 500, "{target}");
    }
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn an_exchange_is_answered_later_by_another_thread() {
    let (send, receive) = mpsc::channel::<Exchange>();
    let mut builder = Server::builder();
    let keep = send.clone();
    builder
        .inline_exchange(
            "/inline/{n}",
            move |exchange| keep.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    builder
        .blocking_exchange(
            "/blocking/{n}",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let mut clients: Vec<_> = (0..10).map(|_| Client::of(&server)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.get(&format!(
            "/{}/{n}",
            if n % 2 == 0 { "inline" } else { "blocking" }
        ));
    }
    // All at once are under way; the last is answered first, in two pieces.
    let mut held: Vec<Exchange> = (0..10)
        .map(|_| receive.recv_timeout(PATIENCE).unwrap())
        .collect();
    assert_eq!(server.exchanges(), 10);
    let answering = std::thread::spawn(move || {
        while let Some(mut exchange) = held.pop() {
            let n = exchange.request().path_value("n").unwrap().to_owned();
            exchange.response().write(n.as_bytes()).unwrap();
            exchange.response().flush().unwrap();
            exchange.response().write(b"!").unwrap();
            exchange.end().unwrap();
        }
    });
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().text(), format!("{n}!"));
    }
    answering.join().unwrap();
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn a_writer_tells_that_the_client_has_gone() {
    let gate = Gate::new();
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    let handler = gate.clone();
    builder
        .blocking("/", move |w, _| {
            handler.pass();
            eventually("the writer knows", || w.is_client_gone());
            let results = [
                w.write(b"x"),
                w.write_bytes(vec![0; 50_000].into()),
                w.flush(),
            ];
            send.send(results).unwrap();
            Ok(())
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    gate.await_arrivals(1);
    drop(client);
    gate.open();
    for result in receive.recv_timeout(PATIENCE).unwrap() {
        assert_eq!(result, Err(WriteError::ClientGone));
    }
    eventually("the connection is off the books", || {
        server.connections() == 0 && server.exchanges() == 0
    });
}

#[test]
fn a_blocked_writer_learns_that_the_client_has_gone() {
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    let started = Gate::new();
    let handler = started.clone();
    builder
        .blocking("/", move |w, _| {
            w.flush()?;
            handler.mark();
            // Nobody reads this, so it ends by an error only.
            let error = loop {
                if let Err(e) = w.write(&[0; 64 << 10]) {
                    break e;
                }
            };
            send.send(error).unwrap();
            Ok(())
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    started.await_arrivals(1);
    drop(client);
    assert_eq!(
        receive.recv_timeout(PATIENCE).unwrap(),
        WriteError::ClientGone
    );
    eventually("the exchange is over", || server.exchanges() == 0);
}

#[test]
fn a_reader_learns_that_the_client_has_gone() {
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    let started = Gate::new();
    let (handler, blocking) = (started.clone(), send.clone());
    builder
        .blocking("/blocking", move |w, r| {
            handler.mark();
            blocking.send(r.body_mut().read_all_blocking()).unwrap();
            w.abort();
            Ok(())
        })
        .unwrap();
    let handler = started.clone();
    builder
        .route("/async", move |mut r: Request| {
            let (handler, send) = (handler.clone(), send.clone());
            async move {
                handler.mark();
                send.send(r.body_mut().read_all().await).unwrap();
                Response::new(Body::empty())
            }
        })
        .unwrap();
    // A body that is read ahead of a handler never reaches it if its client goes.
    let server = serve(builder.limits(Limits {
        buffer_body: 0,
        ..Limits::default()
    }));
    for (n, target) in ["/blocking", "/async"].into_iter().enumerate() {
        let mut client = Client::of(&server);
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345"
        ));
        started.await_arrivals(n + 1);
        client.stream.shutdown(Shutdown::Both).unwrap();
        let result = receive.recv_timeout(PATIENCE).unwrap();
        assert!(
            matches!(result, Err(BodyError::ClientGone)),
            "{target}: {result:?}"
        );
    }
}

#[test]
fn an_async_handler_is_dropped_when_its_client_goes() {
    struct Tell(mpsc::Sender<()>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (send, receive) = mpsc::channel();
    let started = Gate::new();
    let handler = started.clone();
    let mut builder = Server::builder();
    builder
        .route("/", move |_| {
            let tell = Tell(send.clone());
            handler.mark();
            async move {
                let _tell = tell;
                std::future::pending::<&str>().await
            }
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    started.await_arrivals(1);
    drop(client);
    receive
        .recv_timeout(PATIENCE)
        .expect("the future is dropped");
}

#[test]
fn a_fast_writer_waits_for_a_stalled_reader() {
    const AHEAD: usize = 64 << 10;
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let total: u64 = 64 << 20;
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            while w.written() < total {
                w.write(&[b'x'; 10_000])?;
                counter.store(w.written(), SeqCst);
            }
            Ok(())
        })
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    let server = serve(builder.limits(Limits {
        write_ahead: AHEAD,
        ..Limits::default()
    }));
    let mut client = Client::of(&server);
    let mut answer = client.get("/").head();
    // It stops by itself: what it wrote stays the same over answers to others.
    let mut last = 0;
    eventually("the writer waits", || {
        assert_eq!(get(&server, "/well").text(), "well");
        std::thread::sleep(std::time::Duration::from_millis(20));
        last == std::mem::replace(&mut last, written.load(SeqCst)) && last > 0
    });
    // What the kernel's socket buffers took is not the server's memory, but it is bounded too.
    assert!(
        last < total / 2,
        "{last} bytes were written for a client that reads nothing"
    );
    client.body(&mut answer);
    assert!(
        answer.whole && answer.body.len() as u64 >= total,
        "{}",
        answer.body.len()
    );
}

#[test]
fn an_unread_body_stops_its_sender() {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, r| {
            handler.pass();
            let mut total = 0;
            while let Some(chunk) = r.body_mut().chunk_blocking() {
                total += chunk.unwrap().len();
            }
            w.write(total.to_string().as_bytes())
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    let total: usize = 64 << 20;
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {total}\r\n\r\n"
    ));
    // Without blocking, until nothing has gone for a while: the sender is stopped.
    client
        .stream
        .set_write_timeout(Some(std::time::Duration::from_millis(500)))
        .unwrap();
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while sent < total {
        match client.stream.write(&piece[..piece.len().min(total - sent)]) {
            Ok(n) => sent += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => {
                assert!(
                    matches!(
                        e.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ),
                    "{e}"
                );
                break;
            }
        }
    }
    assert!(
        sent < total / 2,
        "{sent} bytes went to a handler that reads nothing"
    );
    client.stream.set_write_timeout(Some(PATIENCE)).unwrap();
    gate.open();
    while sent < total {
        sent += client
            .stream
            .write(&piece[..piece.len().min(total - sent)])
            .unwrap();
    }
    assert_eq!(client.answer().text(), total.to_string());
}

#[test]
fn an_inline_handler_cannot_wait_for_a_body() {
    let (send, receive) = mpsc::channel();
    let mut builder = Server::builder();
    let inline = move |mut exchange: Exchange| {
        let (response, request) = exchange.parts();
        let result = request.body_mut().read_all_blocking();
        if let Ok(body) = &result {
            response.write(body).unwrap();
        }
        send.send(result).unwrap();
        exchange.end().unwrap();
    };
    builder.inline_exchange("/", inline, "here".into()).unwrap();
    let server = serve(builder);
    // A short body is gathered first, however it comes.
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    client.send("llo");
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(receive.recv_timeout(PATIENCE).unwrap().unwrap(), "hello");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhe");
    let result = receive.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(result, Err(BodyError::WouldBlock)), "{result:?}");
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
