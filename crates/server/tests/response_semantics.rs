//! What a handler's writes become on the wire: status, framing, type, and what has no body.

mod wire;

use http::{HeaderName, HeaderValue};
use oxbridge::{Builder, Request, ResponseWriter, Server, WriteError};
use wire::{Client, get};

#[test]
fn a_small_answer_is_200_with_its_length_and_type() {
    let server = answering(|w, _| {
        w.write(b"Hello, ")?;
        assert_eq!(w.written(), 7);
        assert!(!w.head_sent());
        w.write(b"world.")
    });
    let answer = get(&server, "/");
    assert_eq!((answer.status, answer.text()), (200, "Hello, world."));
    assert_eq!(answer.field("content-length"), "13");
    assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
    assert!(answer.field("date").ends_with(" GMT"), "{answer:?}");
}

#[test]
fn a_handler_that_writes_nothing_answers_200_and_nothing() {
    let server = answering(|_, _| Ok(()));
    let mut client = Client::of(&server);
    for _ in 0..2 {
        let answer = client.get("/").answer();
        assert_eq!((answer.status, answer.field("content-length")), (200, "0"));
        assert!(!answer.has("content-type"), "{answer:?}");
    }
}

#[test]
fn a_long_answer_is_chunked() {
    // Around the 32 KiB up to which an answer is held.
    for (length, chunked) in [(32 << 10, false), ((32 << 10) + 1, true), (300_000, true)] {
        let server = answering(move |w, _| {
            let bytes = pattern(length);
            bytes.chunks(1000).try_for_each(|piece| w.write(piece))
        });
        let mut client = Client::of(&server);
        for _ in 0..2 {
            let answer = client.get("/").answer();
            assert_eq!(answer.has("transfer-encoding"), chunked, "{length}");
            assert!(answer.whole && answer.body == pattern(length), "{length}");
        }
    }
}

#[test]
fn one_long_write_arrives_whole() {
    let server = answering(|w, r| match r.path_value("how") {
        Some("borrowed") => w.write(&pattern(3_000_000)),
        _ => w.write_bytes(pattern(3_000_000).into()),
    });
    for target in ["/borrowed", "/given"] {
        let answer = get(&server, target);
        assert!(
            answer.whole && answer.body == pattern(3_000_000),
            "{target}"
        );
    }
}

#[test]
fn a_declared_length_is_kept_for_a_long_answer() {
    let server = answering(|w, _| {
        set(w, "content-length", "100000");
        w.write(&pattern(60_000))?;
        w.write(&pattern(40_000))
    });
    let answer = get(&server, "/");
    assert_eq!(answer.field("content-length"), "100000");
    assert!(!answer.has("transfer-encoding"));
    assert!(answer.whole && answer.body.len() == 100_000);
}

#[test]
fn statuses_and_headers_are_the_handlers() {
    let server = answering(|w, _| {
        w.set_status(418)?;
        set(w, "x-one", "1");
        set(w, "content-type", "application/x-tea");
        set(w, "transfer-encoding", "gzip, chunked");
        w.headers_mut()?
            .append("set-cookie", HeaderValue::from_static("a=1"));
        w.headers_mut()?
            .append("set-cookie", HeaderValue::from_static("b=2"));
        assert_eq!(w.status(), 418);
        w.write(b"<html>short and stout")
    });
    let answer = get(&server, "/");
    assert_eq!((answer.status, answer.field("x-one")), (418, "1"));
    assert_eq!(answer.field("content-type"), "application/x-tea");
    assert!(
        !answer.has("transfer-encoding"),
        "framing is the server's: {answer:?}"
    );
    let cookies: Vec<_> = answer
        .fields
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[test]
fn the_type_is_sniffed_unless_it_is_known() {
    let server = answering(|w, r| match r.path_value("how") {
        Some("html") => w.write(b"  <!DOCTYPE html><p>"),
        Some("png") => w.write(b"\x89PNG\r\n\x1a\n"),
        Some("pieces") => b"<html>".iter().try_for_each(|byte| w.write(&[*byte])),
        Some("late") => {
            w.write(&[b' '; 512])?;
            w.write(b"<html>")
        }
        _ => {
            set(w, "content-encoding", "gzip");
            w.write(b"\x1f\x8b\x08")
        }
    });
    for (target, wanted) in [
        ("/html", "text/html; charset=utf-8"),
        ("/png", "image/png"),
        ("/pieces", "text/html; charset=utf-8"),
        // Past the first 512 bytes nobody looks.
        ("/late", "text/plain; charset=utf-8"),
        // What is inside an encoding cannot be seen.
        ("/encoded", ""),
    ] {
        assert_eq!(
            get(&server, target).field("content-type"),
            wanted,
            "{target}"
        );
    }
}

#[test]
fn head_gets_the_head_of_get() {
    let server = answering(|w, r| match r.path_value("how") {
        Some("short") => w.write(b"<html>body"),
        Some("long") => pattern(100_000)
            .chunks(999)
            .try_for_each(|piece| w.write(piece)),
        Some("declared") => {
            set(w, "content-length", "77");
            Ok(())
        }
        _ => {
            w.write(b"<html>now")?;
            w.flush()?;
            w.write(b"and later")
        }
    });
    let mut client = Client::of(&server);
    for (target, length, kind) in [
        ("/short", "10", "text/html; charset=utf-8"),
        ("/long", "100000", "application/octet-stream"),
        ("/declared", "77", ""),
        ("/flushed", "", "text/html; charset=utf-8"),
    ] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.head();
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.field("content-length"), length, "{target}");
        assert_eq!(answer.field("content-type"), kind, "{target}");
    }
    // No body has come in between, or this would not be a head.
    let answer = client.get("/short").answer();
    assert_eq!(answer.text(), "<html>body");
}

#[test]
fn no_content_and_not_modified_have_no_body() {
    let server = answering(|w, r| {
        let code = r.path_value("how").unwrap().parse().unwrap();
        w.set_status(code)?;
        w.write(b"")?;
        assert_eq!(w.write(b"x"), Err(WriteError::NoBody(code)));
        assert_eq!(
            w.write_bytes(pattern(20_000).into()),
            Err(WriteError::NoBody(code))
        );
        Ok(())
    });
    let mut client = Client::of(&server);
    for code in [204, 304, 204] {
        let answer = client.get(&format!("/{code}")).head();
        assert_eq!(answer.status, code);
        assert!(
            !answer.has("content-length") && !answer.has("transfer-encoding"),
            "{answer:?}"
        );
    }
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    client.assert_end();
}

#[test]
fn what_comes_too_late_or_is_nonsense_is_an_error() {
    let server = answering(|w, _| {
        assert_eq!(w.set_status(99), Err(WriteError::BadStatus(99)));
        assert_eq!(w.set_status(1000), Err(WriteError::BadStatus(1000)));
        assert_eq!(w.set_status(101), Err(WriteError::BadStatus(101)));
        w.write(b"early")?;
        w.flush()?;
        assert!(w.head_sent());
        assert_eq!(w.set_status(404), Err(WriteError::HeadSent));
        assert_eq!(w.headers_mut().err(), Some(WriteError::HeadSent));
        assert!(!w.reset());
        w.write(b", late")?;
        w.end()?;
        assert_eq!(w.end(), Ok(()));
        assert_eq!(w.write(b"too late"), Err(WriteError::Ended));
        assert_eq!(
            w.write_bytes(pattern(20_000).into()),
            Err(WriteError::Ended)
        );
        assert_eq!(w.flush(), Err(WriteError::Ended));
        assert_eq!(w.set_status(404), Err(WriteError::Ended));
        assert_eq!(w.headers_mut().err(), Some(WriteError::Ended));
        assert_eq!(w.trailers_mut().err(), Some(WriteError::Ended));
        Ok(())
    });
    let mut client = Client::of(&server);
    for _ in 0..2 {
        let answer = client.get("/").answer();
        assert_eq!((answer.status, answer.text()), (200, "early, late"));
    }
}

#[test]
fn a_reset_forgets_everything() {
    let server = answering(|w, _| {
        w.set_status(404)?;
        set(w, "x-one", "1");
        set(w, "content-length", "3");
        w.write(b"abc")?;
        assert!(w.reset());
        assert_eq!((w.written(), w.status().as_u16()), (0, 200));
        w.write(b"anew")
    });
    let answer = get(&server, "/");
    assert_eq!(
        (answer.status, answer.text(), answer.has("x-one")),
        (200, "anew", false)
    );
}

#[test]
fn a_content_length_that_is_no_number_is_500() {
    let server = answering(|w, r| {
        set(w, "content-length", "many");
        match r.path_value("how") {
            Some("write") => w.write(b"x"),
            _ => Ok(()),
        }
    });
    let mut client = Client::of(&server);
    for target in ["/write", "/end"] {
        assert_eq!(client.get(target).answer().status, 500, "{target}");
    }
}

#[test]
fn every_request_leaves_its_exchange_behind() {
    let server = answering(|w, _| w.write(b"done"));
    let mut client = Client::of(&server);
    for _ in 0..100 {
        assert_eq!(client.get("/").answer().text(), "done");
    }
    assert!(
        server.exchanges() <= 1,
        "the last one's handler may still be returning"
    );
    assert_eq!(server.connections(), 1);
}

fn answering<H>(handler: H) -> Server
where
    H: Fn(&mut ResponseWriter, &mut Request) -> Result<(), WriteError> + Send + Sync + 'static,
{
    let mut builder: Builder = Server::builder();
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

/// Bytes that are no text, and of which no two places look the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .flat_map(|i| u32::try_from(i / 4).unwrap().to_be_bytes()[i % 4..=i % 4].to_vec())
        .collect()
}
