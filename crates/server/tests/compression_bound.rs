//! How many responses are compressed as they stream: past the bound they are sent as they are.

mod gate;
mod wire;

use gate::{Gate, eventually};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use oxbridge::{Compression, Server};
use wire::{Answer, Client};

#[test]
fn past_the_bound_responses_are_not_compressed() {
    let (server, gate) = serve(2);
    let mut first = begun(&server);
    let mut second = begun(&server);
    assert_eq!(coding(&first.1), "gzip");
    assert_eq!(coding(&second.1), "gzip");
    let mut third = begun(&server);
    assert_eq!(coding(&third.1), "");
    // A cache must know that others get it compressed.
    assert_eq!(third.1.field("vary"), "Accept-Encoding");
    // What is done at once takes no place.
    assert_eq!(coding(&ask(&server, "/whole").1), "gzip");
    gate.open();
    for (client, answer) in [&mut first, &mut second, &mut third] {
        client.body(answer);
        assert!(answer.whole);
    }
    assert_eq!(third.1.text(), "begun\nended\n");
    // The places are free again.
    eventually("a stream is compressed", || {
        coding(&ask(&server, "/stream").1) == "gzip"
    });
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let (server, _gate) = serve(1);
    let first = begun(&server);
    assert_eq!(coding(&first.1), "gzip");
    assert_eq!(coding(&begun(&server).1), "");
    drop(first);
    eventually("a stream is compressed", || {
        coding(&begun(&server).1) == "gzip"
    });
}

#[test]
fn without_streams_whole_responses_are_compressed() {
    let (server, gate) = serve(0);
    gate.open();
    assert_eq!(coding(&ask(&server, "/stream").1), "");
    assert_eq!(coding(&ask(&server, "/whole").1), "gzip");
}

fn coding(answer: &Answer) -> &str {
    answer.field("content-encoding")
}

type Asked = (Client<std::net::TcpStream>, Answer);

/// A stream whose head has come: its place is taken by then.
fn begun(server: &Server) -> Asked {
    ask(server, "/stream")
}

fn ask(server: &Server, target: &str) -> Asked {
    let mut client = Client::of(server);
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
    ));
    let answer = client.head();
    (client, answer)
}

/// Streams that end when the gate is open, and whole answers.
fn serve(max_streams: usize) -> (Server, Gate) {
    let gate = Gate::new();
    let held = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/stream", move |w, _| {
            let kind = HeaderValue::from_static("text/plain");
            w.headers_mut()?.insert(CONTENT_TYPE, kind);
            w.write(b"begun\n")?;
            w.flush()?;
            held.pass();
            w.write(b"ended\n")
        })
        .unwrap()
        .blocking("/whole", |w, _| w.write(&[b'x'; 2000]))
        .unwrap();
    let server = builder
        .compression(Compression {
            max_streams,
            ..Compression::default()
        })
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, gate)
}
