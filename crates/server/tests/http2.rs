//! HTTP/2: by prior knowledge and by ALPN, many streams at once, and what ends a stream or a connection.

mod authority;
mod gate;
mod wire;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use authority::Authority;
use bytes::Bytes;
use gate::{Gate, eventually};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use oxbridge::tls::TlsConfig;
use oxbridge::{Body, BodyError, Builder, Limits, Server, WriteError};
use tokio::task::JoinHandle;
use wire::{Client, PATIENCE};

#[test]
fn prior_knowledge_and_alpn_lead_to_http_2() {
    let authority = Authority::new("a test's");
    let identity = authority.server();
    let tls = TlsConfig::from_pem_bytes(identity.chain, identity.key)
        .build()
        .unwrap();
    let describing = || {
        let mut builder = Server::builder();
        builder
            .blocking("/{name}", |w, r| {
                let alpn = r.tls().and_then(|tls| tls.alpn.clone());
                let text = format!(
                    "{:?} {} {} {:?} {alpn:?}",
                    r.version(),
                    r.scheme(),
                    r.host(),
                    r.path_value("name")
                );
                w.write(text.as_bytes())
            })
            .unwrap();
        builder
    };
    let plain = serve(describing());
    let secret = serve(describing().tls(tls));
    let config = authority.trusting_client(rustls::ALL_VERSIONS, &["h2"], None);
    run(async {
        let (mut send, _) = connect(&plain).await;
        let (head, body) = get(&mut send, "/x").await;
        assert_eq!(
            (head.status.as_u16(), text(&body)),
            (200, "HTTP/2.0 http a.example Some(\"x\") None")
        );
        assert_eq!(head.headers["content-length"], body.len().to_string());
        assert!(head.headers.contains_key("date"));

        let tcp = tokio::net::TcpStream::connect(secret.addresses()[0].tcp().unwrap())
            .await
            .unwrap();
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect("localhost".try_into().unwrap(), tcp)
            .await
            .unwrap();
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let (_, body) = get(&mut send, "/y").await;
        assert_eq!(
            text(&body),
            "HTTP/2.0 https a.example Some(\"y\") Some(\"h2\")"
        );
    });
}

#[test]
fn streams_of_one_connection_do_not_wait_for_each_other() {
    let (builder, gate) = gated();
    let server = serve(builder);
    run(async {
        let (mut send, _) = connect(&server).await;
        let mut waiting = Vec::new();
        for _ in 0..50 {
            waiting.push(request(&mut send, "/wait", true).await.0);
        }
        while gate.arrived() < 50 {
            assert_eq!(text(&get(&mut send, "/quick").await.1), "quick");
        }
        assert_eq!(text(&get(&mut send, "/quick").await.1), "quick");
        gate.open();
        for answer in waiting {
            assert_eq!(text(&collect(answer).await.unwrap().1), "waited");
        }
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn bodies_stream_both_ways() {
    let server = serve(echo());
    run(async {
        let (mut send, _) = connect(&server).await;
        let (answer, mut up) = request(&mut send, "/echo", false).await;
        up.send_data("a".into(), false).unwrap();
        let mut down = answer.await.unwrap().into_body();
        assert_eq!(down.data().await.unwrap().unwrap(), "a");
        up.send_data("b".into(), false).unwrap();
        assert_eq!(down.data().await.unwrap().unwrap(), "b");
        down.flow_control().release_capacity(2).unwrap();
        // More than any window, so both sides must hand out new ones as they read.
        let piece = Bytes::from(vec![b'x'; 100_000]);
        let sending = tokio::spawn(async move {
            for _ in 0..30 {
                let mut rest = piece.clone();
                while !rest.is_empty() {
                    up.reserve_capacity(rest.len());
                    let room = std::future::poll_fn(|cx| up.poll_capacity(cx))
                        .await
                        .unwrap()
                        .unwrap();
                    up.send_data(rest.split_to(room.min(rest.len())), false)
                        .unwrap();
                }
            }
            let sum =
                HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("12"))]);
            up.send_trailers(sum).unwrap();
        });
        let (body, trailers) = drain(down).await.unwrap();
        sending.await.unwrap();
        assert_eq!(body.len(), 3_000_000);
        assert_eq!(trailers.unwrap()["x-sum"], "12");
    });
}

#[test]
fn a_reset_reaches_the_handler_and_spares_the_connection() {
    let (send, receive) = mpsc::channel::<String>();
    let started = Gate::new();
    let mut builder = gated().0;
    let (handler, results) = (started.clone(), send.clone());
    builder
        .blocking("/read", move |w, r| {
            handler.mark();
            let result = r.body_mut().read_all_blocking();
            results
                .send(format!(
                    "{:?}",
                    matches!(result, Err(BodyError::ClientGone))
                ))
                .unwrap();
            w.abort();
            Ok(())
        })
        .unwrap();
    let handler = started.clone();
    builder
        .blocking("/write", move |w, _| {
            w.flush()?;
            handler.mark();
            let error = loop {
                if let Err(e) = w.write(&[0; 64 << 10]) {
                    break e;
                }
            };
            send.send(format!("{:?}", error == WriteError::ClientGone))
                .unwrap();
            Ok(())
        })
        .unwrap();
    let server = serve(builder.limits(Limits {
        buffer_body: 0,
        ..Limits::default()
    }));
    run(async {
        let (mut send, _) = connect(&server).await;
        let (answer, mut up) = request(&mut send, "/read", false).await;
        up.send_data("half".into(), false).unwrap();
        until(|| started.arrived() == 1).await;
        up.send_reset(Reason::CANCEL);
        drop(answer);
        let (answer, mut up) = request(&mut send, "/write", false).await;
        let down = answer.await.unwrap().into_body();
        until(|| started.arrived() == 2).await;
        up.send_reset(Reason::CANCEL);
        drop(down);
        assert_eq!(text(&get(&mut send, "/quick").await.1), "quick");
        for _ in 0..2 {
            until_some(|| receive.try_recv().ok())
                .await
                .parse::<bool>()
                .unwrap()
                .then_some(())
                .expect("the client has gone");
        }
    });
    eventually("no exchange is alive", || server.exchanges() == 0);
}

#[test]
fn a_failure_ends_its_stream_only() {
    let mut builder = gated().0;
    builder
        .blocking("/panic", |_, _| panic!("on purpose"))
        .unwrap();
    builder
        .blocking("/half", |w, _| {
            w.write(b"half")?;
            w.flush()?;
            panic!("on purpose")
        })
        .unwrap();
    builder
        .blocking("/short", |w, _| {
            w.headers_mut()?
                .insert("content-length", HeaderValue::from_static("10"));
            w.write(b"short")?;
            w.flush()
        })
        .unwrap();
    builder
        .blocking("/read", |w, r| {
            if let Err(e) = r.body_mut().read_all_blocking() {
                w.refuse(e.status());
            }
            Ok(())
        })
        .unwrap();
    let server = serve(builder.limits(Limits {
        max_body: Some(10),
        ..Limits::default()
    }));
    run(async {
        let (mut send, connection) = connect(&server).await;
        assert_eq!(get(&mut send, "/panic").await.0.status, 500);
        for target in ["/half", "/short"] {
            let (answer, _up) = request(&mut send, target, true).await;
            collect(answer).await.expect_err("the stream is reset");
        }
        assert_eq!(get(&mut send, "/none").await.0.status, 404);
        let (answer, mut up) = request(&mut send, "/read", false).await;
        // It may be refused before it is whole.
        let _ = up.send_data(vec![b'x'; 11].into(), true);
        assert_eq!(answer.await.unwrap().status(), 413);
        assert_eq!(text(&get(&mut send, "/quick").await.1), "quick");
        assert!(!connection.is_finished());
    });
}

#[test]
fn no_more_streams_than_announced() {
    let (builder, gate) = gated();
    let server = serve(builder.limits(Limits {
        h2_max_streams: 2,
        ..Limits::default()
    }));
    run(async {
        let (mut send, _) = connect(&server).await;
        get(&mut send, "/quick").await;
        assert_eq!(send.current_max_send_streams(), 2);
        let first = request(&mut send, "/wait", true).await.0;
        let second = request(&mut send, "/wait", true).await.0;
        until(|| gate.arrived() == 2).await;
        gate.open();
        for answer in [first, second] {
            assert_eq!(text(&collect(answer).await.unwrap().1), "waited");
        }
    });
    // One that does not keep to it is refused, stream by stream.
    let mut client = Client::of(&server);
    let streams: Vec<u8> = (0..3).flat_map(|n| headers(2 * n + 1)).collect();
    client.send([PREFACE, &streams].concat());
    let refused = until_frame(&mut client, 3);
    assert_eq!(refused, u32::from(Reason::REFUSED_STREAM));
}

#[test]
fn rapid_resets_end_the_connection() {
    let (builder, _) = gated();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.send(PREFACE);
    let attack: Vec<u8> = (0..2000)
        .flat_map(|n| [headers(2 * n + 1), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat())
        .collect();
    // The server may have closed before all of it is sent.
    let _ = client.try_send(attack);
    assert_eq!(
        until_frame(&mut client, 7),
        u32::from(Reason::ENHANCE_YOUR_CALM)
    );
    client.rest();
    run(async {
        let (mut send, _) = connect(&server).await;
        assert_eq!(
            text(&get(&mut send, "/quick").await.1),
            "quick",
            "others are served"
        );
    });
    eventually("nothing is left", || server.exchanges() == 0);
}

#[test]
fn large_heads_are_bounded() {
    let server = serve(gated().0);
    run(async {
        let (mut send, _) = connect(&server).await;
        for (size, status) in [(40 << 10, 200), (100 << 10, 431)] {
            let value = "x".repeat(size);
            let request = Request::get("http://a.example/quick")
                .header("x", value)
                .body(())
                .unwrap();
            send = send.ready().await.unwrap();
            let answer = send.send_request(request, true).unwrap().0;
            assert_eq!(answer.await.unwrap().status(), status, "{size}");
        }
    });
}

#[test]
fn a_stop_says_goaway_and_finishes_what_runs() {
    let (builder, gate) = gated();
    let server = serve(builder);
    run(async {
        let (mut send, connection) = connect(&server).await;
        let (mut idle, idle_connection) = connect(&server).await;
        get(&mut idle, "/quick").await;
        let (answer, _) = request(&mut send, "/wait", true).await;
        until(|| gate.arrived() == 1).await;
        server.begin_stop(PATIENCE);
        idle_connection.await.unwrap().expect("a good end");
        until_some(|| futures_ready(&mut send).err()).await;
        assert!(!connection.is_finished(), "a stream is under way");
        gate.open();
        assert_eq!(text(&collect(answer).await.unwrap().1), "waited");
        drop(send);
        connection.await.unwrap().expect("a good end");
    });
    assert!(server.stop(PATIENCE));
}

#[test]
fn a_client_that_reads_nothing_holds_its_writer_back() {
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let total: u64 = 16 << 20;
    let mut builder = gated().0;
    builder
        .blocking("/long", move |w, _| {
            while w.written() < total {
                w.write(&[b'x'; 10_000])?;
                counter.store(w.written(), SeqCst);
            }
            Ok(())
        })
        .unwrap();
    let server = serve(builder);
    run(async {
        let (mut send, _) = connect(&server).await;
        let (answer, _) = request(&mut send, "/long", true).await;
        let down = answer.await.unwrap().into_body();
        // The connection's window is full too, so others come on another one.
        let (mut other, _) = connect(&server).await;
        let mut last = 0;
        loop {
            assert_eq!(text(&get(&mut other, "/quick").await.1), "quick");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let now = written.load(SeqCst);
            if last > 0 && std::mem::replace(&mut last, now) == now {
                break;
            }
            last = now;
        }
        // The client's window is 64 KiB, and what may be written ahead a quarter of a megabyte.
        assert!(
            last < 2 << 20,
            "{last} bytes were written for a client that reads nothing"
        );
        assert!(drain(down).await.unwrap().0.len() as u64 >= total);
    });
}

type Down = (http::response::Parts, Bytes);

async fn connect(server: &Server) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let tcp = tokio::net::TcpStream::connect(server.addresses()[0].tcp().unwrap())
        .await
        .unwrap();
    let (send, connection) = h2::client::handshake(tcp).await.unwrap();
    (send, tokio::spawn(connection))
}

/// Begins a request; a POST if a body follows.
async fn request(
    send: &mut SendRequest<Bytes>,
    target: &str,
    is_whole: bool,
) -> (ResponseFuture, h2::SendStream<Bytes>) {
    let method = if is_whole { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://a.example{target}"))
        .body(())
        .unwrap();
    *send = send.clone().ready().await.unwrap();
    send.send_request(request, is_whole).unwrap()
}

async fn get(send: &mut SendRequest<Bytes>, target: &str) -> Down {
    collect(request(send, target, true).await.0).await.unwrap()
}

async fn collect(answer: ResponseFuture) -> Result<Down, h2::Error> {
    let (head, down) = answer.await?.into_parts();
    Ok((head, drain(down).await?.0))
}

async fn drain(mut down: RecvStream) -> Result<(Bytes, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(data) = down.data().await {
        let data = data?;
        down.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok((all.into(), down.trailers().await?))
}

fn text(body: &Bytes) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// Whether another request may be sent: an error once the server has said GOAWAY.
fn futures_ready(send: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
    let waker = std::task::Waker::noop();
    match send.poll_ready(&mut std::task::Context::from_waker(waker)) {
        std::task::Poll::Ready(ready) => ready,
        std::task::Poll::Pending => Ok(()),
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    until_some(|| is_so().then_some(())).await;
}

/// Asks again until there is an answer, while the client's connections go on.
async fn until_some<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// Runs a client.
fn run(client: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE * 2, client)
            .await
            .expect("the client hangs")
    });
}

/// What a client says first, and settings that change nothing (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// A GET of `/wait`, whole.
fn headers(stream: u32) -> Vec<u8> {
    // :method GET, :scheme http, :path /wait, :authority a (RFC 7541 §6).
    frame(1, 0x5, stream, b"\x82\x86\x04\x05/wait\x01\x01a")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads up to a frame of a kind that ends something, and gives the reason in it.
fn until_frame(client: &mut Client<std::net::TcpStream>, kind: u8) -> u32 {
    loop {
        let head = client.take(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = client.take(length.try_into().unwrap());
        if head[3] == kind {
            // GOAWAY has the last stream in front of it (RFC 9113 §6.8).
            let at = if kind == 7 { 4 } else { 0 };
            return u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        }
    }
}

fn echo() -> Builder {
    let mut builder = Server::builder();
    builder
        .blocking("/echo", |w, r| {
            while let Some(chunk) = r.body_mut().chunk_blocking() {
                w.write(&chunk.map_err(|_| WriteError::ClientGone)?)?;
                w.flush()?;
            }
            if let Some(trailers) = r.body().trailers() {
                *w.trailers_mut()? = trailers.clone();
            }
            Ok(())
        })
        .unwrap();
    builder
}

fn gated() -> (Builder, Gate) {
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
        .route("/quick", |_| async { Response::new(Body::from("quick")) })
        .unwrap();
    (builder, gate)
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
