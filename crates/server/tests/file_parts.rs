//! Files, and parts of them, from handlers that may wait and from those that must not.

mod fetch;
mod gate;
mod scratch;
mod wire;

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use fetch::{ask, fetch, read_head};
use gate::eventually;
use oxbridge::files::{FileError, serve_file, write_part};
use oxbridge::{Exchange, Request, ResponseWriter, Server, WriteError};
use scratch::ScratchDir;
use wire::{Client, PATIENCE, get};

const DIGITS: &str = "0123456789";
const KINDS: [&str; 2] = ["/inline", "/blocking"];

#[test]
fn a_part_stands_where_it_was_written() {
    let files = ScratchDir::new();
    let path = files.write("digits", DIGITS);
    let (server, outcomes) = serve(move |w, _| {
        let mut file = File::open(&path).unwrap();
        file.seek(std::io::SeekFrom::Start(7)).unwrap();
        w.write(b"<")?;
        for (offset, length) in [(2, 3), (0, 10), (9, 1), (4, 0)] {
            write_part(w, &file, &path, offset, length)?;
            w.write(b",")?;
        }
        w.write(b">")?;
        assert_eq!(file.stream_position().unwrap(), 7, "it is not moved");
        assert_eq!(w.written(), 1 + 14 + 4 + 1);
        Ok(())
    });
    for kind in KINDS {
        let answer = get(&server, kind);
        assert!(answer.whole, "{kind}");
        assert_eq!(answer.text(), "<234,0123456789,9,,>", "{kind}");
        outcomes.recv_timeout(PATIENCE).unwrap().unwrap();
    }
}

#[test]
fn a_large_file_is_whole_and_stays_outside_of_memory_while_its_client_is_slow() {
    const SIZE: u64 = 256 << 20;
    const STEP: u64 = 1 << 20;
    let files = ScratchDir::new();
    let path = files.join("large");
    let file = File::create(&path).unwrap();
    file.set_len(SIZE).unwrap();
    for mark in 0..SIZE / STEP {
        file.write_all_at(&mark.to_be_bytes(), mark * STEP).unwrap();
    }
    let (server, outcomes) = serve(move |w, r| match r.query() {
        // All of it, but in two parts.
        Some("parts") => {
            let file = File::open(&path).unwrap();
            w.headers_mut()?
                .insert(http::header::CONTENT_LENGTH, SIZE.into());
            write_part(w, &file, &path, 0, STEP)?;
            write_part(w, &file, &path, STEP, SIZE - STEP)
        }
        _ => serve_file(w, r, &path),
    });
    let before = peak_memory();
    let targets = ["/inline", "/inline?parts"];
    // Both read nothing at first; the handlers are done long before.
    let mut readers = targets.map(|target| ask(&server, "GET", target, &[]));
    for reader in &mut readers {
        assert_eq!(read_head(reader).field("content-length"), SIZE.to_string());
        outcomes.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    let mut block = vec![0; 4096];
    for reader in &mut readers {
        for offset in (0..SIZE).step_by(block.len()) {
            reader.read_exact(&mut block).unwrap();
            if offset % STEP == 0 {
                assert_eq!(block[..8], (offset / STEP).to_be_bytes(), "at {offset}");
            }
        }
        assert_eq!(reader.read(&mut block).unwrap(), 0);
    }
    // The kernel keeps it approximately: it may be a little less than it was.
    let grown = peak_memory().saturating_sub(before);
    assert!(
        grown < SIZE / 8,
        "{grown} bytes of memory for {SIZE} of file"
    );
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_cuts_the_answer() {
    const SIZE: u64 = 64 << 20;
    let files = ScratchDir::new();
    let path = files.join("shrinks");
    let own = path.clone();
    let (server, outcomes) = serve(move |w, r| {
        if r.query() == Some("file") {
            return serve_file(w, r, &own);
        }
        let file = File::open(&own).unwrap();
        write_part(w, &file, &own, 0, SIZE)?;
        w.write(b"the tail")?;
        write_part(w, &file, &own, 0, 1)?;
        Ok(())
    });
    for kind in KINDS {
        for query in ["file", "part"] {
            let file = File::create(&path).unwrap();
            file.set_len(SIZE).unwrap();
            let mut client = Client::of(&server);
            let mut answer = client.get(&format!("{kind}?{query}")).head();
            // More than the socket buffers take is still to come.
            file.set_len(1 << 20).unwrap();
            client.body(&mut answer);
            assert!(!answer.whole, "{kind} {query}");
            assert!(
                answer.body.iter().all(|byte| *byte == 0),
                "nothing comes after what is missing: {kind} {query}"
            );
            client.assert_end();
            // One that waits is told; one that does not has left it to the reactor.
            let outcome = outcomes.recv_timeout(PATIENCE).unwrap();
            if kind == "/blocking" {
                let error = outcome.unwrap_err();
                assert!(matches!(error, FileError::Shrunk { .. }), "{error:?}");
            } else {
                outcome.unwrap();
            }
        }
    }
    eventually("the exchanges are over", || server.exchanges() == 0);
}

#[test]
fn a_part_past_the_end_of_its_file_is_never_made_up() {
    let files = ScratchDir::new();
    let path = files.write("digits", DIGITS);
    let (server, _outcomes) = serve(move |w, r| {
        let length = r.query().unwrap().parse().unwrap();
        let file = File::open(&path).unwrap();
        w.flush()?;
        write_part(w, &file, &path, 5, length)
    });
    for kind in KINDS {
        for length in [6, 1 << 20, u64::MAX - 5] {
            let mut client = Client::of(&server);
            let answer = client.get(&format!("{kind}?{length}")).answer();
            assert!(!answer.whole, "{kind} {length}");
            assert!("56789".starts_with(answer.text()), "{kind} {answer:?}");
            client.assert_end();
        }
        assert_eq!(get(&server, &format!("{kind}?5")).text(), "56789");
    }
}

#[test]
fn a_head_request_gets_the_head_and_no_file() {
    let files = ScratchDir::new();
    let path = files.write("digits.txt", DIGITS);
    let (server, _outcomes) = serve(move |w, r| {
        if r.query() == Some("file") {
            return serve_file(w, r, &path);
        }
        write_part(w, &File::open(&path).unwrap(), &path, 3, 4)
    });
    for kind in KINDS {
        for (query, length) in [("file", "10"), ("part", "4")] {
            let answer = fetch(&server, "HEAD", &format!("{kind}?{query}"), &[]);
            assert_eq!(answer.status, 200);
            assert_eq!(answer.field("content-length"), length, "{kind} {query}");
        }
    }
}

#[test]
fn ranges_and_conditions_are_the_same_wherever_the_handler_runs() {
    let files = ScratchDir::new();
    let path = files.write("digits.txt", DIGITS);
    let (server, _outcomes) = serve(move |w, r| serve_file(w, r, &path));
    let tag = fetch(&server, "GET", "/blocking", &[])
        .field("last-modified")
        .to_owned();
    for (fields, status, body) in [
        (vec![("Range", "bytes=2-4")], 206, "234"),
        (vec![("Range", "bytes=-3")], 206, "789"),
        (vec![("Range", "bytes=7-")], 206, "789"),
        (vec![("Range", "bytes=10-")], 416, ""),
        (vec![("Range", "nonsense")], 200, DIGITS),
        (vec![("If-Modified-Since", tag.as_str())], 304, ""),
    ] {
        for kind in KINDS {
            let answer = fetch(&server, "GET", kind, &fields);
            assert_eq!(answer.status, status, "{kind} {fields:?}");
            if status != 416 {
                assert_eq!(answer.text(), body, "{kind} {fields:?}");
            }
        }
    }
    for kind in KINDS {
        let answer = fetch(&server, "GET", kind, &[("Range", "bytes=0-1,5-5")]);
        let boundary = answer
            .field("content-type")
            .strip_prefix("multipart/byteranges; boundary=")
            .expect("several parts");
        let parts: Vec<&str> = answer.text().split(&format!("--{boundary}")).collect();
        let content = |part: &str| part.split("\r\n\r\n").nth(1).unwrap().to_owned();
        assert_eq!(parts.len(), 4, "{answer:?}");
        assert_eq!(
            (&*content(parts[1]), &*content(parts[2])),
            ("01\r\n", "5\r\n")
        );
        assert_eq!(parts[3], "--\r\n");
        assert_eq!(fetch(&server, "POST", kind, &[]).status, 405);
    }
}

#[test]
fn a_part_that_does_not_fit_is_an_error_and_nothing_of_it_is_sent() {
    let files = ScratchDir::new();
    let path = files.write("digits", DIGITS);
    let (server, outcomes) = serve(move |w, r| {
        let file = File::open(&path).unwrap();
        let refused = match r.query() {
            Some("204") => {
                w.set_status(204)?;
                write_part(w, &file, &path, 0, 1)
            }
            _ => {
                w.headers_mut()?
                    .insert(http::header::CONTENT_LENGTH, 4.into());
                w.write(b"full")?;
                write_part(w, &file, &path, 0, u64::MAX)
            }
        };
        assert!(refused.is_err());
        refused.or_else(|e| match e {
            FileError::Write(WriteError::NoBody(204) | WriteError::Length { declared: 4, .. }) => {
                Ok(())
            }
            e => Err(e),
        })
    });
    for kind in KINDS {
        assert_eq!(get(&server, &format!("{kind}?204")).status, 204);
        let answer = get(&server, &format!("{kind}?4"));
        assert_eq!((answer.text(), answer.whole), ("full", true));
        for _ in 0..2 {
            outcomes.recv_timeout(PATIENCE).unwrap().unwrap();
        }
    }
}

#[test]
fn a_file_is_closed_when_its_client_has_gone() {
    let files = ScratchDir::new();
    let path = files.join("large");
    File::create(&path).unwrap().set_len(256 << 20).unwrap();
    let own = path.clone();
    let (server, outcomes) = serve(move |w, r| serve_file(w, r, &own));
    let mut clients: Vec<_> = (0..5).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.get("/inline").head();
        outcomes.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    assert_eq!(open_descriptors(&path), 5, "each has one");
    drop(clients);
    eventually("all are closed", || open_descriptors(&path) == 0);
    assert_eq!(server.exchanges(), 0);
}

/// How often this process has the file open.
fn open_descriptors(path: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter(|entry| {
            let entry = entry.as_ref().unwrap();
            fs::read_link(entry.path()).is_ok_and(|target| target == path)
        })
        .count()
}

/// The most memory that this process has had at once, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib = line.trim().strip_suffix(" kB").unwrap();
    kib.parse::<u64>().unwrap() << 10
}

/// A server that runs `handler` inline and blocking, and what it returned. Its answer ends whole if that
/// was nothing bad, else it is refused.
fn serve<H>(handler: H) -> (Server, Receiver<Result<(), FileError>>)
where
    H: Fn(&mut ResponseWriter, &mut Request) -> Result<(), FileError> + Send + Sync + 'static,
{
    let (sender, outcomes) = mpsc::channel();
    let answer = move |mut exchange: Exchange| {
        let (response, request) = exchange.parts();
        let outcome = handler(response, request);
        match outcome.as_ref().map_err(FileError::status) {
            // A length that does not fit is the client's to see.
            Ok(()) => drop(exchange.end()),
            Err(status) => exchange.refuse(status),
        }
        // A test that does not want to know has no receiver any more.
        let _ = sender.send(outcome);
    };
    let mut builder = Server::builder();
    let answer = std::sync::Arc::new(answer);
    let inline = answer.clone();
    builder
        .inline_exchange("/inline", move |x| inline(x), "here".into())
        .unwrap();
    builder
        .blocking_exchange("/blocking", move |x| answer(x), "here".into())
        .unwrap();
    let server = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    (server, outcomes)
}
