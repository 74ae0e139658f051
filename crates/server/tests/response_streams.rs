//! Answers that go out while they are written: flushes, informational heads, trailers, broken ends.

mod gate;
mod wire;

use std::sync::mpsc;

use gate::Gate;
use http::{HeaderName, HeaderValue};
use oxbridge::{Request, ResponseWriter, Server, WriteError};
use wire::{Client, PATIENCE};

#[test]
fn a_flush_sends_now() {
    let gate = Gate::new();
    let handler = gate.clone();
    let server = answering(move |w, _| {
        w.flush()?;
        handler.pass();
        w.write(b"one")?;
        w.flush()?;
        handler.pass();
        w.write(b"two")
    });
    let mut client = Client::of(&server);
    let mut answer = client.get("/").head();
    assert_eq!(
        (answer.status, answer.field("transfer-encoding")),
        (200, "chunked")
    );
    gate.admit(1);
    assert_eq!(client.take(8), b"3\r\none\r\n");
    gate.admit(1);
    client.body(&mut answer);
    assert_eq!((answer.text(), answer.whole), ("two", true));
}

#[test]
fn an_informational_head_goes_before_the_answer() {
    let gate = Gate::new();
    let handler = gate.clone();
    let server = answering(move |w, _| {
        set(w, "link", "</a.css>; rel=preload");
        w.set_status(103)?;
        assert_eq!(w.status().as_u16(), 200, "the final status stays");
        handler.pass();
        w.set_status(103)?;
        w.set_status(201)?;
        w.write(b"made")
    });
    let mut client = Client::of(&server);
    for _ in 0..2 {
        let early = client.get("/").answer();
        assert_eq!(
            (early.status, early.field("link")),
            (103, "</a.css>; rel=preload")
        );
        gate.admit(1);
        assert_eq!(client.answer().status, 103);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (201, "made"));
        assert!(answer.has("link"), "the headers stay: {answer:?}");
    }
}

#[test]
fn a_client_that_expects_it_is_told_to_continue_when_the_body_is_read() {
    let gate = Gate::new();
    let handler = gate.clone();
    let server = answering(move |w, r| {
        handler.pass();
        if r.path_value("how") == Some("refused") {
            w.set_status(403)?;
            return w.write(b"no");
        }
        let body = r.body_mut().read_all_blocking().unwrap();
        w.write(&body)
    });
    let head = |target: &str| {
        format!(
            "POST /{target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut client = Client::of(&server);
    client.send(head("taken"));
    // The handler runs, so nothing was waited for; and it has not read, so nothing was asked for.
    gate.await_arrivals(1);
    client.stream.set_nonblocking(true).unwrap();
    let quiet = std::io::Read::read(&mut client.stream, &mut [0; 1]);
    assert_eq!(quiet.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    client.stream.set_nonblocking(false).unwrap();
    gate.admit(1);
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");

    gate.admit(1);
    client.send(head("refused"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "no"));
    // Whether the body will come nobody knows, so nothing can follow.
    client.assert_end();
}

#[test]
fn trailers_go_to_clients_that_take_them() {
    let server = answering(|w, r| {
        set(w, "trailer", "x-sum, x-count");
        if r.path_value("how") == Some("streamed") {
            w.write(b"abc")?;
            w.flush()?;
        } else {
            w.write(b"abc")?;
        }
        let trailers = w.trailers_mut()?;
        trailers.insert("x-sum", HeaderValue::from_static("294"));
        trailers.insert("x-count", HeaderValue::from_static("3"));
        Ok(())
    });
    let mut client = Client::of(&server);
    for target in ["/streamed", "/short"] {
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n"
        ));
        let mut answer = client.answer();
        assert_eq!((answer.text(), answer.whole), ("abc", true), "{target}");
        answer.trailers.sort();
        let wanted =
            [("x-count", "3"), ("x-sum", "294")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(answer.trailers, wanted, "{target}");
        // One that did not say so may have no place for them (RFC 9110 §6.5.1).
        let answer = client.get(target).answer();
        assert_eq!(
            (answer.text(), answer.trailers.len()),
            ("abc", 0),
            "{target}"
        );
    }
}

#[test]
fn trailers_of_a_request_reach_the_handler() {
    let server = answering(|w, r| {
        let body = r.body_mut().read_all_blocking().unwrap();
        let sum = r
            .body()
            .trailers()
            .and_then(|t| t.get("x-sum"))
            .expect("a trailer")
            .clone();
        w.write(&body)?;
        w.write(sum.as_bytes())
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::of(&server);
    client.send(format!("{head}3\r\nabc\r\n0\r\nX-Sum: 294\r\n\r\n"));
    assert_eq!(client.answer().text(), "abc294");
    client
        .send(head)
        .send("3\r\nabc\r\n")
        .send("0\r\nX-Sum: 295\r\n\r\n");
    assert_eq!(client.answer().text(), "abc295");
}

#[test]
fn more_than_declared_is_an_error_and_the_client_gets_what_was_declared() {
    let (results, seen) = errors();
    let server = answering(move |w, _| {
        set(w, "content-length", "5");
        w.write(b"hello")?;
        results.send(w.write(b"!")).unwrap();
        Ok(())
    });
    let mut client = Client::of(&server);
    let answer = client.get("/").answer();
    assert_eq!(
        (answer.text(), answer.field("content-length")),
        ("hello", "5")
    );
    assert_eq!(
        seen(),
        Err(WriteError::Length {
            declared: 5,
            written: 6
        })
    );
}

#[test]
fn less_than_declared_is_an_error_and_a_cut_connection() {
    for (flush, size) in [(false, 4), (true, 4), (false, 50_000)] {
        let (results, seen) = errors();
        let server = answering(move |w, _| {
            set(w, "content-length", "100000");
            w.write(&vec![b'x'; size])?;
            if flush {
                w.flush()?;
            }
            results.send(w.end()).unwrap();
            Ok(())
        });
        let mut client = Client::of(&server);
        let mut answer = client.get("/").head();
        client.body(&mut answer);
        assert!(!answer.whole, "{answer:?}");
        client.assert_end();
        let wanted = WriteError::Length {
            declared: 100_000,
            written: size as u64,
        };
        assert_eq!(seen(), Err(wanted), "flush: {flush}");
    }
}

#[test]
fn an_aborted_stream_is_seen_to_be_broken() {
    let server = answering(|w, _| {
        w.write(b"half")?;
        w.flush()?;
        w.abort();
        assert_eq!(w.write(b"the rest"), Err(WriteError::Ended));
        Ok(())
    });
    let mut client = Client::of(&server);
    let answer = client.get("/").answer();
    assert_eq!((answer.status, answer.whole), (200, false));
    client.assert_end();
}

#[test]
fn an_abort_before_the_head_is_500() {
    let server = answering(|w, _| {
        w.set_status(201)?;
        w.write(b"nothing of this")?;
        w.abort();
        Ok(())
    });
    let mut client = Client::of(&server);
    for _ in 0..2 {
        let answer = client.get("/").answer();
        assert_eq!(
            (answer.status, answer.text()),
            (500, "Internal Server Error\n")
        );
    }
}

#[test]
fn a_refusal_says_why() {
    let server = answering(|w, r| {
        w.write(b"nothing of this")?;
        if r.path_value("how") == Some("late") {
            w.flush()?;
        }
        w.refuse(http::StatusCode::TOO_MANY_REQUESTS);
        Ok(())
    });
    let mut client = Client::of(&server);
    let answer = client.get("/early").answer();
    assert_eq!((answer.status, answer.text()), (429, "Too Many Requests\n"));
    let answer = client.get("/late").answer();
    assert_eq!((answer.status, answer.whole), (200, false));
    client.assert_end();
}

#[test]
fn a_handler_reads_while_it_writes() {
    let server = answering(|w, r| {
        while let Some(chunk) = r.body_mut().chunk_blocking() {
            w.write(&chunk.unwrap().to_ascii_uppercase())?;
            w.flush()?;
        }
        Ok(())
    });
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    let mut answer = client.head();
    assert_eq!(client.take(6), b"1\r\nA\r\n");
    for letter in "bcdefgh".chars() {
        client.send(format!("1\r\n{letter}\r\n"));
        assert_eq!(
            client.take(6),
            format!("1\r\n{}\r\n", letter.to_ascii_uppercase()).as_bytes()
        );
    }
    client.send("0\r\n\r\n");
    client.body(&mut answer);
    assert!(answer.whole && answer.body.is_empty(), "{answer:?}");
}

fn answering<H>(handler: H) -> Server
where
    H: Fn(&mut ResponseWriter, &mut Request) -> Result<(), WriteError> + Send + Sync + 'static,
{
    let mut builder = Server::builder();
    builder.blocking("/{how...}", handler).unwrap();
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

fn set(w: &mut ResponseWriter, name: &'static str, value: &'static str) {
    w.headers_mut().unwrap().insert(
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    );
}

type Outcome = Result<(), WriteError>;

/// Brings results from a handler to its test.
fn errors() -> (mpsc::Sender<Outcome>, impl Fn() -> Outcome) {
    let (send, receive) = mpsc::channel();
    (send, move || receive.recv_timeout(PATIENCE).unwrap())
}
