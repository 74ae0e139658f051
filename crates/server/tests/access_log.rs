//! The access log: what its lines say, that no client can forge one, and that no sink holds up a request.

mod gate;
#[allow(dead_code, reason = "only a path is needed here")]
mod scratch;
mod wire;

use std::fs;
use std::io::{self, Read as _, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gate::{Gate, eventually};
use oxbridge::access_log::{AccessLog, Format, Sink};
use oxbridge::{Builder, Limits, Request, Server};
use scratch::ScratchDir;
use wire::{Client, PATIENCE};

/// Keeps what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// So many lines, once they are there; no more come with them.
    fn await_lines(&self, n: usize) -> Vec<String> {
        eventually("the lines are written", || self.lines().len() >= n);
        let lines = self.lines();
        assert_eq!(lines.len(), n, "{lines:#?}");
        lines
    }
}

#[test]
fn each_atom_says_what_it_is_named_for() {
    let pid = std::process::id();
    // Format, request, and the line, in which # is any digits.
    let cases: &[(&str, &str, &str)] = &[
        (
            "%(h)s %(l)s %(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "127.0.0.1 - -",
        ),
        (
            "%(r)s",
            "GET /a?b=%20c HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a?b=%20c HTTP/1.1",
        ),
        (
            "%(r)s",
            "GET http://x.example/a?b HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET http://x.example/a?b HTTP/1.1",
        ),
        (
            "%(m)s|%(U)s|%(q)s|%(H)s",
            "GET /a?b=c HTTP/1.0\r\n\r\n",
            "GET|/a|b=c|HTTP/1.0",
        ),
        (
            "%(m)s|%(U)s|%(q)s|%(H)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET|/a||HTTP/1.1",
        ),
        (
            "%(s)s %(B)s %(b)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "200 5 5",
        ),
        (
            "%(s)s %(B)s %(b)s",
            "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "200 0 -",
        ),
        (
            "%(s)s %(B)s %(b)s",
            "GET /none HTTP/1.1\r\nHost: a\r\n\r\n",
            "204 0 -",
        ),
        (
            "%(f)s %(a)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nReferer: http://r/\r\nUser-Agent: u/1 (x)\r\n\r\n",
            "http://r/ u/1 (x)",
        ),
        (
            "%(f)s %(a)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nReferer:\r\n\r\n",
            "- -",
        ),
        (
            "%({X-Id}i)s %({host}i)s %({x-none}i)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nX-ID: 7\r\n\r\n",
            "7 a -",
        ),
        (
            "%({Content-Type}o)s %({x-none}o)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "text/plain; charset=utf-8 -",
        ),
        (
            "100%% %(p)s é",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "100% <PID> é",
        ),
        (
            "%(T)s %(D)s %(M)s %(L)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "# # # #.######",
        ),
        (
            "%(t)s",
            "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
            "[##/Mon/####:##:##:## +####]",
        ),
        // The user of Basic authentication: alice:secret, alice without padding, al ice:x, no colon, no base64.
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n",
            "alice",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: bAsIc YWxpY2U6\r\n\r\n",
            "alice",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWwgaWNlOng=\r\n\r\n",
            "al\\x20ice",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWxpY2U=\r\n\r\n",
            "-",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic a!b\r\n\r\n",
            "-",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic A\r\n\r\n",
            "-",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer YWxpY2U6\r\n\r\n",
            "-",
        ),
        (
            "%(u)s",
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Basic OnNlY3JldA==\r\n\r\n",
            "-",
        ),
    ];
    for (format, request, wanted) in cases {
        let (server, page) = serve(Format::parse(format).unwrap(), site());
        let mut client = Client::of(&server);
        client.send(closing(request));
        client.rest();
        let mut line = page.await_lines(1).remove(0);
        if format.contains("%(t)s") {
            for month in "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(' ') {
                line = line.replace(month, "Mon");
            }
            line = line.replace(" -", " +");
        }
        let wanted = wanted.replace("PID", &pid.to_string());
        if wanted.contains('#') {
            let masked: String = line
                .chars()
                .map(|c| if c.is_ascii_digit() { '#' } else { c })
                .collect();
            let (masked, wanted) = if format.contains("%(D)s") {
                (squeeze(&masked), squeeze(&wanted))
            } else {
                (masked, wanted)
            };
            assert_eq!(masked, wanted, "{format}");
        } else {
            assert_eq!(line, wanted, "{format} of {request:?}");
        }
    }
}

#[test]
fn a_wrong_format_is_an_error_that_says_where() {
    for (format, at, why) in [
        ("%(h)s %(z)s", 6, "\"%(z)s\" at byte 6 is no atom"),
        ("%h", 0, "\"%h\" at byte 0 does not begin with an atom"),
        (
            "a %(h)",
            2,
            "\"%(h)\" at byte 2 does not begin with an atom",
        ),
        ("50%", 2, "\"%\" at byte 2 does not begin with an atom"),
        (
            "%({X Y}i)s",
            0,
            "\"%({X Y}i)s\" at byte 0 names no header field",
        ),
        ("%({}o)s", 0, "\"%({}o)s\" at byte 0 names no header field"),
        ("%({X}z)s", 0, "\"%({X}z)s\" at byte 0 is no atom"),
        (
            "%({HOME}e)s",
            0,
            "\"%({HOME}e)s\" at byte 0 is of the application's environment, which is not seen here",
        ),
        ("é%(h)s\n", 7, "\"\\n\" at byte 7 is a control character"),
    ] {
        let error = Format::parse(format).unwrap_err();
        let text = error.to_string();
        let (first, known) = text.split_once('\n').unwrap();
        assert_eq!(first, format!("access log format: {why}"));
        assert!(known.contains("%({name}i)s"), "{known}");
        assert_eq!(error.at(), at, "{format}");
    }
}

#[test]
fn no_client_forges_a_line() {
    let evil = b"GET /a\"?b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: a\" \\ \xff\xc3\xa9\xc2\x9b\xe2\x80\xae\t1\r\nReferer: \"\r\n\r\n";
    let (server, page) = serve(Format::combined(), site());
    let mut client = Client::of(&server);
    client.send(evil);
    client.rest();
    let line = page.await_lines(1).remove(0);
    let (_, rest) = line.split_once("] ").unwrap();
    assert_eq!(
        rest,
        "\"GET /a\\\"?b HTTP/1.1\" 404 19 \"\\\"\" \"a\\\" \\\\ \\xffé\\xc2\\x9b\\xe2\\x80\\xae\\x091\""
    );

    let (server, page) = serve(Format::json(), site());
    let mut client = Client::of(&server);
    client.send(evil);
    client.rest();
    let line = page.await_lines(1).remove(0);
    assert!(
        line.contains(
            r#","path":"/a\"","query":"b","protocol":"HTTP/1.1","status":404,"bytes":19,"#
        ),
        "{line}"
    );
    assert!(
        line.contains("\"referer\":\"\\\"\",\"user_agent\":\"a\\\" \\\\ \u{fffd}é\\u009b\\u202e\\u00091\",\"complete\":true,"),
        "{line}"
    );
    assert!(line.starts_with("{\"time\":\"2"), "{line}");
    assert!(
        line.contains("\"user\":null,\"method\":\"GET\",\"host\":\"a\",\"path\":"),
        "{line}"
    );
}

#[test]
fn every_end_of_an_exchange_has_a_line() {
    let gate = Gate::new();
    let mut builder = site();
    let limits = Limits {
        max_body: Some(4),
        ..Limits::default()
    };
    let held = gate.clone();
    builder
        .blocking("/held", move |w, _| {
            held.pass();
            w.write(b"late")
        })
        .unwrap();
    let (server, page) = serve(
        Format::parse("%(m)s %(U)s %(s)s %(B)s").unwrap(),
        builder.limits(limits),
    );
    let mut wanted = Vec::new();
    for (request, line) in [
        ("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a 200 5"),
        (
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /nowhere 404 19",
        ),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "POST /a 405 19",
        ),
        ("GET /tree HTTP/1.1\r\nHost: a\r\n\r\n", "GET /tree 307 "),
        (
            "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            "POST /post 413 18",
        ),
        (
            "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /panic 500 22",
        ),
        (
            "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /broken 200 4",
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * 200 0"),
        ("GET /a HTTP/1.1\r\nHost: a\r\nbad line\r\n\r\n", "- - 400 "),
        ("GET /a?\" HTTP/1.1\r\nHost: a\r\n\r\n", "- - 400 0"),
    ] {
        let mut client = Client::of(&server);
        client.send(closing(request));
        client.rest();
        wanted.push(line);
        let lines = page.await_lines(wanted.len());
        let last = lines.last().unwrap();
        assert!(last.starts_with(line), "{last:?} for {request:?}");
    }
    // A client that leaves before there is an answer.
    let mut client = Client::of(&server);
    client.get("/held");
    gate.await_arrivals(1);
    drop(client);
    assert_eq!(
        page.await_lines(wanted.len() + 1).last().unwrap(),
        "GET /held 499 0"
    );
    gate.open();
    // Two on one connection are two lines, in order.
    let mut client = Client::of(&server);
    client.send("GET /a?1 HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    client.answer();
    client.answer();
    assert_eq!(
        page.await_lines(wanted.len() + 3)[wanted.len() + 1..],
        ["GET /a 200 5", "GET /none 204 0"]
    );
}

#[test]
fn json_says_whether_the_answer_was_complete() {
    let (server, page) = serve(Format::json(), site());
    for (n, (path, complete)) in [
        ("/a", true),
        ("/broken", false),
        ("/stream", true),
        ("/sized", true),
        ("/none", true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = Client::of(&server);
        client.send(closing(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")));
        client.rest();
        let line = page.await_lines(n + 1).pop().unwrap();
        assert!(
            line.contains(&format!("\"complete\":{complete},")),
            "{line}"
        );
    }
}

#[test]
fn http_2_is_logged_too() {
    let (server, page) = serve(Format::parse("%(r)s %(s)s %(B)s %(H)s").unwrap(), site());
    let address = server.addresses()[0].tcp().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        for path in ["/a?q", "/nowhere"] {
            let request = http::Request::get(format!("http://a.example{path}"))
                .body(())
                .unwrap();
            let (answer, _) = send.send_request(request, true).unwrap();
            let mut body = answer.await.unwrap().into_body();
            while let Some(data) = body.data().await {
                data.unwrap();
            }
        }
    });
    assert_eq!(
        page.await_lines(2),
        [
            "GET /a?q HTTP/2.0 200 5 HTTP/2.0",
            "GET /nowhere HTTP/2.0 404 19 HTTP/2.0"
        ]
    );
}

#[test]
fn a_stopped_server_has_written_its_lines() {
    let (server, page) = serve(Format::common(), site());
    wire::get(&server, "/a");
    assert!(server.stop(PATIENCE));
    assert_eq!(page.lines().len(), 1);
}

#[test]
fn a_file_is_appended_to_and_opened_again_after_a_rotation() {
    let dir = ScratchDir::new();
    let (path, old) = (dir.join("access.log"), dir.join("access.log.1"));
    fs::write(&path, "before\n").unwrap();
    let log = AccessLog::new(Format::parse("%(U)s").unwrap(), Sink::path(&path).unwrap()).unwrap();
    let server = start(site().access_log(log.clone()));
    wire::get(&server, "/a");
    assert!(log.flush(PATIENCE));
    fs::rename(&path, &old).unwrap();
    log.reopen().unwrap();
    wire::get(&server, "/none");
    assert!(server.stop(PATIENCE));
    assert_eq!(fs::read_to_string(&old).unwrap(), "before\n/a\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "/none\n");

    // A place where there is none: the old file stays in use.
    let server = start(site().access_log(log.clone()));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = log.reopen().unwrap_err();
    assert!(error.to_string().contains("access.log"), "{error}");
    wire::get(&server, "/a");
    assert!(log.flush(PATIENCE));
    assert_eq!(log.dropped(), 0);

    let (_, page) = serve(Format::common(), site());
    let log = AccessLog::new(Format::common(), Sink::writer(page)).unwrap();
    assert_eq!(log.reopen().unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[test]
fn a_sink_that_takes_nothing_holds_up_no_request() {
    let (mut reader, writer) = io::pipe().unwrap();
    // The pipe is full before the first line.
    let mut filler = writer.try_clone().unwrap();
    set_nonblocking(&filler, true);
    while filler.write(&[b'.'; 4096]).is_ok() {}
    set_nonblocking(&filler, false);
    drop(filler);
    let log = AccessLog::new(
        Format::parse("%({x-long}i)s").unwrap(),
        Sink::fd(writer.into()),
    )
    .unwrap();
    let server = start(site().access_log(log.clone()));
    let mut client = Client::of(&server);
    let request = format!(
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n",
        "x".repeat(16 << 10)
    );
    let begun = Instant::now();
    // The batch at the sink and the bound of the buffer: some five megabytes, then lines are dropped.
    let mut requests = 0u64;
    while log.dropped() == 0 {
        assert_eq!(client.send(&request).answer().status, 200);
        requests += 1;
        assert!(
            begun.elapsed() < PATIENCE,
            "{requests} lines are not too many"
        );
    }
    assert!(
        !log.flush(Duration::from_millis(1)),
        "nothing can be written"
    );
    // The reader comes back: what was kept arrives, whole lines all.
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        text
    });
    assert!(server.stop(PATIENCE));
    let dropped = log.dropped();
    assert!(log.flush(PATIENCE));
    drop((server, log));
    let text = reading.join().unwrap();
    let start = text.iter().position(|b| *b != b'.').unwrap();
    let lines: Vec<_> = text[start..].split_inclusive(|b| *b == b'\n').collect();
    assert!(lines.iter().all(|line| line.len() == (16 << 10) + 1));
    assert_eq!(lines.len() as u64 + dropped, requests);
}

#[test]
fn lines_that_a_sink_refuses_are_counted() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::new(Format::common(), Sink::writer(Full)).unwrap();
    let server = start(site().access_log(log.clone()));
    for _ in 0..3 {
        assert_eq!(wire::get(&server, "/a").status, 200);
    }
    assert!(server.stop(PATIENCE));
    assert_eq!(log.dropped(), 3);
}

fn site() -> Builder {
    let mut builder = Server::builder();
    builder
        .route("GET /a", |_: Request| async { "hello" })
        .unwrap();
    builder
        .route("GET /none", |_: Request| async {
            http::StatusCode::NO_CONTENT
        })
        .unwrap();
    builder
        .route("/tree/", |_: Request| async { "tree" })
        .unwrap();
    builder
        .blocking("POST /post", |w, r| {
            r.body_mut().read_all_blocking().ok();
            w.write(b"")
        })
        .unwrap();
    builder
        .blocking("/panic", |_, _| panic!("as asked"))
        .unwrap();
    builder
        .blocking("/broken", |w, _| {
            w.write(b"half")?;
            w.flush()?;
            w.abort();
            Ok(())
        })
        .unwrap();
    builder
        .blocking("/stream", |w, _| {
            w.write(b"one")?;
            w.flush()?;
            w.write(b"two")
        })
        .unwrap();
    builder
        .blocking("/sized", |w, _| {
            w.headers_mut()?
                .insert("content-length", http::HeaderValue::from_static("6"));
            w.write(b"one")?;
            w.flush()?;
            w.write(b"two")
        })
        .unwrap();
    builder
}

fn serve(format: Format, builder: Builder) -> (Server, Page) {
    let page = Page::default();
    let log = AccessLog::new(format, Sink::writer(page.clone())).unwrap();
    (start(builder.access_log(log)), page)
}

fn start(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// The request, asking for the end of its connection: one whose client has closed its side is given up.
fn closing(request: &str) -> String {
    request.replacen("Host: a\r\n", "Host: a\r\nConnection: close\r\n", 1)
}

/// Runs of # as one.
fn squeeze(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c != '#' || !out.ends_with('#') {
            out.push(c);
        }
    }
    out
}

fn set_nonblocking(fd: &impl std::os::fd::AsFd, on: bool) {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let mut flags = fcntl_getfl(fd).unwrap();
    flags.set(OFlags::NONBLOCK, on);
    fcntl_setfl(fd, flags).unwrap();
}
