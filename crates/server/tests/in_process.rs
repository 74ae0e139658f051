//! A server as a service of an axum router that hyper serves: what comes of each kind of request and
//! handler, seen from the other end of a socket.

mod gate;
mod host;
mod wire;

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use bytes::Bytes;
use gate::{Gate, eventually};
use host::{Host, Peer, Speaks};
use http::{HeaderValue, Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use oxbridge::forwarded::Trust;
use oxbridge::{
    Body, BodyError, Builder, Compression, Exchange, InProcess, Limits, Request, RequestBody,
    Server, Via, WriteError, block_on,
};
use tower::service_fn;
use wire::Client;

#[test]
fn handlers_of_every_kind_answer_beside_the_hosts_own() {
    let server = site().start().unwrap();
    let router = Router::new()
        .route("/own", on_get(|| async { "the host's" }))
        .fallback_service(server.in_process());
    let host = Host::of(router);
    let mut client = Client::to(host.address);
    for (target, text) in [
        ("/own", "the host's"),
        ("/blocking/J%C3%BCrgen?x=1", "blocking Jürgen x=1"),
        ("/inline", "inline"),
        ("/async", "async"),
        ("/service", "service"),
        ("/nowhere/at/all", "fallback /nowhere/at/all"),
    ] {
        let answer = client.get(target).answer();
        assert_eq!((answer.status, answer.text()), (200, text), "{target}");
        assert!(answer.has("date"), "hyper adds it");
    }
    assert_eq!(server.connections(), 0, "the connection is the host's");
    eventually("nothing is left", || server.exchanges() == 0);
}

#[test]
fn without_a_fallback_the_server_answers_as_over_a_socket() {
    let mut builder = Server::builder();
    builder
        .route("GET /here/", |_: Request| async { "here" })
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    assert_eq!(client.get("/nowhere").answer().status, 404);
    let answer = client.get("/here").answer();
    assert_eq!((answer.status, answer.field("location")), (307, "/here/"));
    client.send("DELETE /here/ HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("allow")), (405, "GET, HEAD"));
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn answers_without_a_body_have_none() {
    let mut builder = Server::builder();
    builder
        .blocking("/write", |w, _| w.write(b"twelve bytes"))
        .unwrap();
    builder
        .route("/async", |_| async { "twelve bytes" })
        .unwrap();
    builder.blocking("/none", |w, _| w.set_status(204)).unwrap();
    builder
        .route("/async/none", |_| async {
            (StatusCode::NO_CONTENT, "never seen")
        })
        .unwrap();
    builder
        .blocking("/unchanged", |w, _| {
            w.headers_mut()?
                .insert("etag", HeaderValue::from_static("\"1\""));
            w.set_status(304)
        })
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    for target in ["/write", "/async"] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.head();
        assert_eq!((answer.status, answer.field("content-length")), (200, "12"));
    }
    assert_eq!(client.get("/none").answer().status, 204);
    assert_eq!(client.get("/async/none").answer().status, 204);
    let answer = client.get("/unchanged").answer();
    assert_eq!((answer.status, answer.field("etag")), (304, "\"1\""));
    // Nothing came too much: the connection is where it should be.
    assert_eq!(client.get("/write").answer().text(), "twelve bytes");
}

#[test]
fn failures_stay_what_they_are_and_the_server_lives() {
    let mut builder = site();
    builder
        .blocking_exchange("/drops", drop, "here".into())
        .unwrap();
    builder
        .blocking_exchange("/panics", |_| panic!("on purpose"), "here".into())
        .unwrap();
    builder
        .inline_exchange("/inline/panics", |_| panic!("on purpose"), "here".into())
        .unwrap();
    builder
        .route("/async/panics", |_| async {
            if true { panic!("on purpose") } else { "never" }
        })
        .unwrap();
    builder
        .blocking("/midway", |w, _| {
            w.write(b"some of it")?;
            w.flush()?;
            panic!("on purpose")
        })
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    for target in ["/drops", "/panics", "/inline/panics", "/async/panics"] {
        assert_eq!(client.get(target).answer().status, 500, "{target}");
    }
    let answer = client.get("/midway").answer();
    assert_eq!(
        (answer.status, answer.text(), answer.whole),
        (200, "some of it", false)
    );
    let mut client = Client::to(host.address);
    assert_eq!(client.get("/async").answer().text(), "async");
}

#[test]
fn handlers_that_block_hold_up_neither_host_nor_others() {
    let gate = Gate::new();
    let (mut builder, waits) = (site(), gate.clone());
    builder
        .blocking("/wait", move |w, _| {
            waits.pass();
            w.write(b"waited")
        })
        .unwrap();
    let server = builder.threads(40).start().unwrap();
    let router = Router::new()
        .route("/own", on_get(|| async { "the host's" }))
        .fallback_service(server.in_process());
    let host = Host::of(router);
    let mut sleepers: Vec<_> = (0..30).map(|_| Client::to(host.address)).collect();
    for client in &mut sleepers {
        client.get("/wait");
    }
    gate.await_arrivals(30);
    let mut client = Client::to(host.address);
    for _ in 0..50 {
        assert_eq!(client.get("/own").answer().text(), "the host's");
        assert_eq!(client.get("/blocking/x").answer().text(), "blocking x ");
    }
    assert_eq!(server.exchanges(), 30);
    gate.open();
    for client in &mut sleepers {
        assert_eq!(client.answer().text(), "waited");
    }
}

#[test]
fn past_the_queue_clients_get_503() {
    let gate = Gate::new();
    let (mut builder, waits) = (Server::builder(), gate.clone());
    builder
        .blocking("/", move |w, _| {
            waits.pass();
            w.write(b"waited")
        })
        .unwrap();
    let server = builder.threads(1).queue(1).start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut busy = Client::to(host.address);
    busy.get("/");
    gate.await_arrivals(1);
    let mut queued = Client::to(host.address);
    queued.get("/");
    eventually("one waits", || server.exchanges() == 2);
    let mut client = Client::to(host.address);
    let answer = client.get("/").answer();
    assert_eq!((answer.status, answer.field("retry-after")), (503, "1"));
    gate.open();
    assert_eq!(busy.answer().text(), "waited");
    assert_eq!(queued.answer().text(), "waited");
    assert_eq!(client.get("/").answer().text(), "waited");
}

#[test]
fn an_answer_streams_and_ends_with_trailers() {
    let gate = Gate::new();
    let (mut builder, waits) = (Server::builder(), gate.clone());
    builder
        .blocking("/", move |w, _| {
            let name = HeaderValue::from_static("x-sum");
            w.headers_mut()?.insert("trailer", name);
            w.write(b"first")?;
            w.flush()?;
            waits.pass();
            w.write(b"second")?;
            w.trailers_mut()?
                .insert("x-sum", HeaderValue::from_static("11"));
            Ok(())
        })
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    let mut answer = client.head();
    assert_eq!(
        client.take(10),
        b"5\r\nfirst\r\n",
        "it comes before the rest is written"
    );
    gate.open();
    client.body(&mut answer);
    assert_eq!((answer.text(), answer.whole), ("second", true));
    assert_eq!(answer.trailers, [("x-sum".into(), "11".into())]);
}

#[test]
fn a_slow_reader_bounds_what_a_handler_writes_ahead() {
    let written = Arc::new(Mutex::new(0));
    let (mut builder, counter) = (Server::builder(), written.clone());
    builder
        .blocking("/", move |w, _| {
            for _ in 0..2048 {
                w.write(&[b'x'; 32 << 10])?;
                *counter.lock().unwrap() += 32 << 10;
            }
            Ok(())
        })
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    client.get("/");
    let mut answer = client.head();
    // Where the sockets hold no more, it stops: two looks that agree, and far from the 64 MiB.
    let mut before = usize::MAX;
    eventually("the handler waits", || {
        std::thread::sleep(Duration::from_millis(50));
        let now = *written.lock().unwrap();
        std::mem::replace(&mut before, now) == now
    });
    assert!(before < 32 << 20, "{before} bytes were written ahead");
    client.body(&mut answer);
    assert_eq!((answer.body.len(), answer.whole), (64 << 20, true));
}

#[test]
fn a_client_that_leaves_is_gone_for_the_handler() {
    let seen = Gate::new();
    let (mut builder, gone) = (Server::builder(), seen.clone());
    builder
        .blocking("/", move |w, _| {
            loop {
                if let Err(e) = w.write(b"on and on").and_then(|()| w.flush()) {
                    assert_eq!(e, WriteError::ClientGone);
                    gone.mark();
                    return Err(e);
                }
            }
        })
        .unwrap();
    let waits = seen.clone();
    builder
        .blocking_exchange(
            "/watch",
            move |mut exchange: Exchange| {
                block_on(std::future::poll_fn(|cx| exchange.response().poll_gone(cx)));
                waits.mark();
            },
            "here".into(),
        )
        .unwrap();
    let server = builder.start().unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    client.get("/").head();
    drop(client);
    seen.await_arrivals(1);
    let mut client = Client::to(host.address);
    client.get("/watch");
    eventually("its handler runs", || server.exchanges() == 1);
    drop(client);
    seen.await_arrivals(2);
    eventually("nothing is left", || server.exchanges() == 0);
}

#[test]
fn uploads_stream_and_the_small_ones_are_read_ahead() {
    let gate = Gate::new();
    let (mut builder, arrives) = (Server::builder(), gate.clone());
    builder
        .blocking("/ahead", move |w, r| {
            arrives.mark();
            assert!(r.body().is_complete(), "it was read ahead");
            let body = r.body_mut().read_all_blocking().unwrap();
            w.write(&body)
        })
        .unwrap();
    builder
        .blocking("/echo", |w, r| {
            while let Some(chunk) = r.body_mut().chunk_blocking() {
                let chunk = chunk.map_err(|_| WriteError::ClientGone)?;
                w.write_bytes(chunk)?;
                w.flush()?;
            }
            Ok(())
        })
        .unwrap();
    builder
        .blocking("/sum", |w, r| {
            let body = r.body_mut().read_all_blocking().unwrap();
            let trailers = r.body().trailers().map_or(0, http::HeaderMap::len);
            w.write(format!("{} bytes, {trailers} trailers", body.len()).as_bytes())
        })
        .unwrap();
    let server = builder.start().unwrap();
    // The router's own body around hyper's, and hyper's as it is.
    let plain = Host::whole(Speaks::Http1, server.in_process());
    for host in [&plain, &boxed(server.in_process())] {
        let before = gate.arrived();
        let mut client = Client::to(host.address);
        client.send("POST /ahead HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
        eventually("it has come", || server.exchanges() == 0);
        assert_eq!(gate.arrived(), before, "a slow sender holds no thread");
        client.send("def");
        assert_eq!(client.answer().text(), "abcdef");

        client
            .send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        let mut answer = client.head();
        assert_eq!(
            client.take(6),
            b"1\r\na\r\n",
            "it comes back before the rest is sent"
        );
        client.send("2\r\nbc\r\n0\r\n\r\n");
        client.body(&mut answer);
        assert_eq!(answer.text(), "bc");

        client.send("POST /sum HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n");
        assert_eq!(client.answer().text(), "3 bytes, 1 trailers");

        let mut large = client.stream.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            let head = format!(
                "POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                8 << 20
            );
            large.write_all(head.as_bytes()).unwrap();
            large.write_all(&vec![b'x'; 8 << 20]).unwrap();
        });
        assert_eq!(
            client.answer().text(),
            format!("{} bytes, 0 trailers", 8 << 20)
        );
        sending.join().unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_body_reaches_the_handler() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let (mut builder, noted) = (Server::builder(), errors.clone());
    builder
        .blocking_exchange(
            "/",
            move |mut exchange: Exchange| match exchange.request().body_mut().read_all_blocking() {
                Ok(_) => exchange.end().unwrap(),
                Err(e) => {
                    let status = e.status();
                    noted.lock().unwrap().push(e);
                    exchange.refuse(status);
                }
            },
            "here".into(),
        )
        .unwrap();
    let limits = Limits {
        max_body: Some(1000),
        body_timeout: Duration::from_millis(300),
        buffer_body: 0,
        ..Limits::default()
    };
    let server = builder.limits(limits).start().unwrap();
    let whole = Host::whole(Speaks::Http1, server.in_process());
    // The host's own limit is met first.
    let limited = service_fn({
        let entrance = server.in_process();
        move |request: HttpRequest<axum::body::Body>| {
            let limit = |body| http_body_util::Limited::new(body, 10);
            let mut entrance = entrance.clone();
            async move { tower::Service::call(&mut entrance, request.map(limit)).await }
        }
    });
    let limiting = Host::of(Router::new().fallback_service(limited));
    let last = || errors.lock().unwrap().pop().expect("an error");
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    let mut client = Client::to(whole.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
    assert_eq!(client.answer().status, 413, "before any of it is read");
    let mut client = Client::to(whole.address);
    client.send(format!("{chunked}3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001)));
    assert_eq!(client.answer().status, 413);
    assert!(matches!(last(), BodyError::TooLarge(1000)));

    let mut client = Client::to(limiting.address);
    client.send(format!("{chunked}b\r\nhello world\r\n0\r\n\r\n"));
    assert_eq!(client.answer().status, 413);
    assert!(matches!(last(), BodyError::TooLarge(10)));

    for host in [&whole, &limiting] {
        let mut client = Client::to(host.address);
        client.send(format!("{chunked}z\r\n"));
        assert_eq!(client.answer().status, 400);
        assert!(matches!(last(), BodyError::Malformed(_)));

        let mut client = Client::to(host.address);
        client.send(format!("{chunked}5\r\nhel"));
        assert_eq!(client.answer().status, 408, "no connection of ours was cut");
        assert!(matches!(last(), BodyError::TimedOut));

        let mut client = Client::to(host.address);
        client.send(format!("{chunked}5\r\nhel"));
        eventually("it is read", || server.exchanges() == 1);
        drop(client);
        eventually("the handler is done", || server.exchanges() == 0);
        let gone = last();
        assert!(matches!(gone, BodyError::ClientGone), "{gone:?}");
    }
}

#[test]
fn the_host_says_who_the_client_is() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, r| {
            let text = format!("{} {} {} {}", r.peer(), r.client(), r.local(), r.scheme());
            w.write(text.as_bytes())
        })
        .unwrap();
    let server = builder
        .trust_forwarded(Trust::parse("127.0.0.1, unix").unwrap())
        .start()
        .unwrap();
    let ask = |host: &Host| {
        let mut client = Client::to(host.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n");
        let peer = client.stream.local_addr().unwrap();
        (client.answer().text().to_owned(), peer)
    };
    let silent = Host::whole(Speaks::Http1, server.in_process());
    assert_eq!(ask(&silent).0, "unknown unknown unknown http");

    let told = server.in_process().via(|extensions| {
        let Peer(peer) = extensions.get()?;
        let local: std::net::SocketAddr = "10.1.1.1:443".parse().ok()?;
        Some(Via::new().peer(*peer).local(local))
    });
    let (text, peer) = ask(&Host::whole(Speaks::Http1, told.clone()));
    assert_eq!(text, format!("{peer} 192.0.2.7:0 10.1.1.1:443 https"));

    // What stands with the request goes before.
    let mine = axum::middleware::from_fn(
        |mut request: axum::extract::Request, next: axum::middleware::Next| async {
            let far: std::net::SocketAddr = "[::ffff:203.0.113.9]:5".parse().unwrap();
            let via = Via::new().peer(far).tls(oxbridge::tls::TlsInfo::default());
            request.extensions_mut().insert(via);
            next.run(request).await
        },
    );
    let host = Host::of(Router::new().fallback_service(told).layer(mine));
    assert_eq!(ask(&host).0, "203.0.113.9:5 203.0.113.9:5 unknown https");
}

#[test]
fn compression_and_default_fields_are_the_servers() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| w.write("again and ".repeat(500).as_bytes()))
        .unwrap();
    let mut fields = http::HeaderMap::new();
    fields.insert("x-from", HeaderValue::from_static("oxbridge"));
    let server = builder
        .compression(Compression::default())
        .default_headers(fields)
        .start()
        .unwrap();
    let host = Host::whole(Speaks::Http1, server.in_process());
    let mut client = Client::to(host.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.field("content-encoding"), "gzip");
    assert_eq!(answer.field("x-from"), "oxbridge");
    assert!(answer.body.len() < 500);
    assert!(answer.whole);
}

#[test]
fn a_server_of_ours_is_a_host_too() {
    let inner = site().start().unwrap();
    let mut builder = Server::builder();
    builder.service("/", inner.in_process()).unwrap();
    builder
        .blocking("/own", |w, _| w.write(b"the host's"))
        .unwrap();
    let outer = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let mut client = Client::of(&outer);
    assert_eq!(client.get("/own").answer().text(), "the host's");
    assert_eq!(client.get("/blocking/x").answer().text(), "blocking x ");
    assert_eq!(client.get("/async").answer().text(), "async");
    let (peer, local) = (
        client.stream.local_addr().unwrap(),
        client.stream.peer_addr().unwrap(),
    );
    assert_eq!(
        client.get("/who").answer().text(),
        format!("{peer} {local}")
    );
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
}

/// The entrance behind a layer that puts the body into another one, as many do.
fn boxed(entrance: InProcess) -> Host {
    let service = service_fn(move |request: HttpRequest<axum::body::Body>| {
        let mut entrance = entrance.clone();
        let request = request.map(|body| body.boxed_unsync());
        async move { tower::Service::call(&mut entrance, request).await }
    });
    Host::of(Router::new().fallback_service(service))
}

/// One handler of each kind.
fn site() -> Builder {
    let mut builder = Server::builder();
    builder
        .blocking("/blocking/{name}", |w, r| {
            let text = format!(
                "blocking {} {}",
                r.path_value("name").unwrap(),
                r.query().unwrap_or("")
            );
            w.write(text.as_bytes())
        })
        .unwrap();
    builder
        .blocking("/who", |w, r| {
            w.write(format!("{} {}", r.peer(), r.local()).as_bytes())
        })
        .unwrap();
    builder
        .inline_exchange(
            "/inline",
            |mut exchange: Exchange| {
                exchange.response().write(b"inline").unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    builder.route("/async", |_| async { "async" }).unwrap();
    builder
        .route("/echo", |mut request: Request| async move {
            let body = request.body_mut().read_all().await;
            Response::new(Body::from(body.unwrap()))
        })
        .unwrap();
    let service = service_fn(|_: HttpRequest<RequestBody>| async {
        Ok::<_, BodyError>(Response::new(Full::<Bytes>::from("service")))
    });
    builder.service("/service", service).unwrap();
    builder.fallback_exchange(|mut exchange| {
        let text = format!("fallback {}", exchange.request().uri().path());
        exchange.response().write(text.as_bytes()).unwrap();
        exchange.end().unwrap();
    });
    builder
}
