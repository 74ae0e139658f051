//! Rules of one HTTP/1 connection: how long a body may be, versions, pipelining, and when it closes.

mod gate;
mod wire;

use gate::Gate;
use oxbridge::{Body, Builder, Limits, Request, ResponseWriter, Server, WriteError};
use wire::{Client, get};

#[test]
fn a_declared_body_past_the_limit_is_refused_unread() {
    let server = limited_to_ten();
    for path in ["/blocking", "/async"] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let mut client = Client::of(&server);
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 11\r\n\r\n"
            ));
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.field("connection")),
                (413, "close"),
                "{path} {expect}"
            );
            client.assert_end();
        }
    }
}

#[test]
fn a_declared_body_of_the_limit_is_taken() {
    let server = limited_to_ten();
    for path in ["/blocking", "/async"] {
        let mut client = Client::of(&server);
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
        ));
        assert_eq!(client.answer().text(), "10");
    }
}

#[test]
fn a_chunked_body_past_the_limit_is_413() {
    let server = limited_to_ten();
    for path in ["/blocking", "/async"] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut client = Client::of(&server);
        client.send(head.clone() + "5\r\n01234\r\n6\r\n012345\r\n0\r\n\r\n");
        assert_eq!(client.answer().status, 413, "{path}");
        // Without an end there is nothing that the connection could go on with.
        let mut client = Client::of(&server);
        client.send(head.clone() + "b\r\n01234567890\r\n");
        assert_eq!(client.answer().status, 413, "{path}");
        client.assert_end();
        let mut client = Client::of(&server);
        client.send(head + "5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n");
        assert_eq!(client.answer().text(), "10", "{path}");
    }
}

#[test]
fn a_bad_escape_in_the_path_is_400() {
    let server = echo();
    for target in ["/%", "/%4", "/%zz", "/a/%g0/b", "/a%2", "/%%20"] {
        let mut client = Client::of(&server);
        let answer = client.get(target).answer();
        assert_eq!(
            (answer.status, answer.field("connection")),
            (400, "close"),
            "{target}"
        );
        client.assert_end();
    }
    for target in ["/%2f", "/%C3%A9", "/?a=%zz"] {
        assert_eq!(get(&server, target).status, 200, "{target}: a good one");
    }
}

#[test]
fn what_the_patterns_decide_leaves_the_connection_open() {
    let mut builder = Server::builder();
    builder
        .blocking("GET /only", |w, _| w.write(b"got"))
        .unwrap();
    builder.blocking("/tree/", |w, _| w.write(b"leaf")).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.send("POST /only HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("allow")), (405, "GET, HEAD"));
    assert_eq!(client.get("/none").answer().status, 404);
    let answer = client.get("/tree?q=1").answer();
    assert!(matches!(answer.status, 301 | 307), "{answer:?}");
    assert_eq!(answer.field("location"), "/tree/?q=1");
    assert_eq!(client.get("/only").answer().text(), "got");
}

#[test]
fn http_10_closes_after_an_answer() {
    let server = echo();
    let mut client = Client::of(&server);
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "0");
    client.assert_end();
}

#[test]
fn http_10_may_ask_to_stay() {
    let server = echo();
    let mut client = Client::of(&server);
    for _ in 0..3 {
        client.send("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi");
        let answer = client.answer();
        assert_eq!(answer.text(), "2");
        assert!(
            answer
                .field("connection")
                .eq_ignore_ascii_case("keep-alive"),
            "{answer:?}"
        );
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().text(), "0");
    client.assert_end();
}

#[test]
fn http_10_gets_no_chunks_and_no_informational_answers() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.set_status(103)?;
            w.write(b"one")?;
            w.flush()?;
            w.write(b"two")
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "onetwo"));
    assert!(
        !answer.has("transfer-encoding") && !answer.has("content-length"),
        "{answer:?}"
    );
    client.assert_end();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut builder = Server::builder();
    builder
        .blocking("/blocking/{n}", |w, r| {
            w.write(r.path_value("n").unwrap().as_bytes())
        })
        .unwrap();
    builder
        .route("/async/{n}", |r: Request| async move {
            http::Response::new(Body::from(r.path_value("n").unwrap().to_owned()))
        })
        .unwrap();
    let server = serve(builder);
    let mut all = String::new();
    for n in 0..200 {
        let kind = if n % 3 == 0 { "async" } else { "blocking" };
        all += &format!("POST /{kind}/{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    }
    let mut client = Client::of(&server);
    client.send(all);
    for n in 0..200 {
        assert_eq!(client.answer().text(), n.to_string());
    }
}

#[test]
fn a_slow_answer_holds_back_the_ones_behind_it_and_the_verdict_too() {
    let gate = Gate::new();
    let mut builder = Server::builder();
    let slow = gate.clone();
    builder
        .blocking("/slow", move |w, _| {
            slow.pass();
            w.write(b"slow")
        })
        .unwrap();
    builder
        .route("/quick", |_: Request| async {
            http::Response::new(Body::from("quick"))
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client
        .get("/slow")
        .get("/quick")
        .send("GET / HTTP/1.1\r\nbad line\r\n\r\n");
    gate.await_arrivals(1);
    gate.open();
    assert_eq!(client.answer().text(), "slow");
    assert_eq!(client.answer().text(), "quick");
    assert_eq!(client.answer().status, 400);
    client.assert_end();
}

#[test]
fn nothing_follows_the_answer_that_closes() {
    let server = echo();
    let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for behind in [
        "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        "garbage\r\n\r\n",
        "GET / HTTP/3.0\r\n\r\n",
    ] {
        let mut client = Client::of(&server);
        client.send(format!("{close}{behind}"));
        let answer = client.answer();
        assert_eq!(
            (answer.text(), answer.field("connection")),
            ("0", "close"),
            "{behind:?}"
        );
        client.assert_end();
    }
}

#[test]
fn a_handler_may_close_the_connection() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.headers_mut()?
                .insert("connection", http::HeaderValue::from_static("close"));
            w.write(b"bye")
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/").get("/");
    assert_eq!(client.answer().text(), "bye");
    client.assert_end();
}

#[test]
fn an_answer_before_the_end_of_a_long_body_reaches_the_client() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| {
            w.set_status(403)?;
            w.write(b"no")
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    // More than the sockets hold, from a client that reads only afterwards: the server must neither
    // wait for all of it nor reset the connection before the answer is read.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let piece = [b'x'; 64 << 10];
    client
        .stream
        .set_write_timeout(Some(std::time::Duration::from_secs(5)))
        .unwrap();
    for _ in 0..8 {
        if client.try_send(piece).is_err() {
            break;
        }
    }
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "no"));
    client.assert_end();
}

#[test]
fn a_client_that_asks_to_close_has_its_answer_whatever_it_sends_besides() {
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| w.write(&[b'x'; 200_000]))
        .unwrap();
    let server = serve(builder);
    // RFC 9112 §9.6: nothing comes after such a request. What comes all the same is not served, and costs
    // nobody the answer to what came before.
    for besides in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /",
        "nonsense\r\n\r\n",
    ] {
        for close in ["close", " Close "] {
            let mut client = Client::of(&server);
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection:{close}\r\n\r\n{besides}"
            ));
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.body.len()),
                (200, 200_000),
                "{besides:?}"
            );
            assert_eq!(answer.field("connection"), "close");
            client.assert_end();
        }
    }
    // It ends when the server has answered, not when the client has closed its side.
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn a_short_body_that_nobody_reads_does_not_cost_the_connection() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"unread")).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.answer().text(), "unread");
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(client.answer().text(), "unread");
    }
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// Answers with the length of the body.
fn echo() -> Server {
    let mut builder = Server::builder();
    builder.blocking("/", measure).unwrap();
    serve(builder)
}

fn limited_to_ten() -> Server {
    let mut builder = Server::builder();
    builder.blocking("/blocking", measure).unwrap();
    builder
        .route("/async", |mut request: Request| async move {
            let mut response = http::Response::new(Body::empty());
            match request.body_mut().read_all().await {
                Ok(body) => *response.body_mut() = body.len().to_string().into(),
                Err(e) => *response.status_mut() = e.status(),
            }
            response
        })
        .unwrap();
    serve(builder.limits(Limits {
        max_body: Some(10),
        ..Limits::default()
    }))
}

fn measure(w: &mut ResponseWriter, r: &mut Request) -> Result<(), WriteError> {
    match r.body_mut().read_all_blocking() {
        Ok(body) => w.write(body.len().to_string().as_bytes()),
        Err(e) => {
            w.refuse(e.status());
            Ok(())
        }
    }
}
