//! WSGI and ASGI applications in an axum program.

mod alone;
mod axum_host;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use alone::{alone, alone_with};
use axum::Router;
use axum::routing::get;
use axum_host::{Host, PATIENCE, answer, module};
use oxbridge::{Body, Limits, block_on};
use oxbridge_embed::pyo3::prelude::*;
use oxbridge_embed::{App, AppError, Asgi, Interpreter, Lifespan, Wsgi};
use tower::Service as _;

/// What WSGI is told, as text.
const WSGI: &str = r#"
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = ("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING", "SERVER_NAME", "SERVER_PORT")
    return [" ".join(environ[name] or "-" for name in names).encode("latin-1")]
"#;

/// What ASGI is told, as text.
const ASGI: &str = r#"
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise TypeError("unknown")
    told = (scope["root_path"], scope["path"], scope["raw_path"].decode(), scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": " ".join(text or "-" for text in told).encode()})
"#;

#[test]
fn wsgi_below_a_path_knows_where_it_is() {
    alone("wsgi_below_a_path_knows_where_it_is", || {
        let directory = module("wsgi_paths", WSGI);
        let import = || Wsgi::import("site_app:app").path(&directory);
        let nested = import().root_path("/o ld").start().unwrap();
        let whole = import()
            .root_path("/whole")
            .strip_root_path(true)
            .start()
            .unwrap();
        let root = import().start().unwrap();
        let host = Host::of(
            Router::new()
                .nest_service("/old", nested)
                .route_service("/whole", whole.clone())
                .route_service("/whole/{*rest}", whole)
                .fallback_service(root),
        );
        for (target, told) in [
            ("/old/x?y=1", "/o ld /x /o%20ld/x?y=1 y=1 a.example 80"),
            // Whatever it looks like, what the host has taken off is off.
            ("/old/old/x", "/o ld /old/x /o%20ld/old/x - a.example 80"),
            ("/old", "/o ld / /o%20ld/ - a.example 80"),
            (
                "/old/gr%C3%BC%C3%9Fe",
                "/o ld /gr\u{c3}\u{bc}\u{c3}\u{9f}e /o%20ld/gr%C3%BC%C3%9Fe - a.example 80",
            ),
            ("/whole/x?y=1", "/whole /x /whole/x?y=1 y=1 a.example 80"),
            (
                "/whole/whole/x",
                "/whole /whole/x /whole/whole/x - a.example 80",
            ),
            ("/whole", "/whole / /whole/ - a.example 80"),
            ("/x", "- /x /x - a.example 80"),
        ] {
            let (status, text) = get_latin1(&host, target);
            assert_eq!((status, text.as_str()), (200, told), "{target}");
        }
    });
}

/// The bytes of the answer as PEP 3333 has them in strings.
fn get_latin1(host: &Host, target: &str) -> (u16, String) {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    let mut all = Vec::new();
    host.send(&head).read_to_end(&mut all).unwrap();
    let text: String = all.iter().map(|&byte| char::from(byte)).collect();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[test]
fn asgi_below_a_path_knows_where_it_is() {
    alone("asgi_below_a_path_knows_where_it_is", || {
        let directory = module("asgi_paths", ASGI);
        let import = || Asgi::import("site_app:app").path(&directory);
        let nested = import().root_path("/api").start().unwrap();
        let whole = import()
            .root_path("/whole")
            .strip_root_path(true)
            .start()
            .unwrap();
        let root = import().start().unwrap();
        let host = Host::of(
            Router::new()
                .nest_service("/api", nested)
                .route_service("/whole/{*rest}", whole.clone())
                // Not where it believes to be.
                .route_service("/elsewhere", whole)
                .fallback_service(root),
        );
        for (target, told) in [
            ("/api/x?y=1", "/api /api/x /api/x y=1"),
            ("/api/api/x", "/api /api/api/x /api/api/x -"),
            ("/api", "/api /api/ /api/ -"),
            ("/whole/x%20y", "/whole /whole/x y /whole/x%20y -"),
            ("/x", "- /x /x -"),
        ] {
            assert_eq!(host.get(target), (200, told.to_owned()), "{target}");
        }
        assert_eq!(host.get("/elsewhere").0, 404);
    });
}

#[test]
fn what_cannot_start_says_so_in_one_sentence() {
    alone("what_cannot_start_says_so_in_one_sentence", || {
        let directory = module(
            "errors",
            r#"
import asyncio
def wsgi(environ, start_response): ...
async def asgi(scope, receive, send): ...
def make(): return wsgi
def broken_factory(): raise ValueError("no settings")
number = 7
async def refuses(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
async def knows_no_lifespan(scope, receive, send):
    assert scope["type"] == "http"
"#,
        );
        std::fs::write(directory.join("broken.py"), "def f():\n    1 / 0\nf()\n").unwrap();
        std::fs::write(directory.join("lacking.py"), "import not_installed_here\n").unwrap();
        std::fs::write(directory.join("exits.py"), "raise SystemExit(3)\n").unwrap();
        let wsgi = |text: &str| Wsgi::import(text).path(&directory).start().unwrap_err();
        let asgi = |text: &str| Asgi::import(text).path(&directory).start().unwrap_err();
        assert_eq!(
            wsgi("no_such:app"),
            AppError::ModuleMissing("there is no module no_such in sys.path".into())
        );
        assert_eq!(
            wsgi("site_app:wsg"),
            AppError::AttributeMissing("site_app has no attribute wsg; did you mean wsgi?".into())
        );
        assert!(matches!(wsgi("site_app"), AppError::AttributeMissing(_)));
        assert!(matches!(wsgi("not a name"), AppError::Name(_)));
        for (error, said) in [
            (wsgi("site_app:asgi"), "site_app:asgi is ASGI, not WSGI"),
            (asgi("site_app:wsgi"), "site_app:wsgi is WSGI, not ASGI"),
            (
                wsgi("site_app:number"),
                "site_app:number is no application: an object of int cannot be called",
            ),
            (
                wsgi("site_app:make"),
                "site_app:make takes no arguments, so it is no application; if it makes one, say that it is a factory",
            ),
        ] {
            assert_eq!(error, AppError::NotAnApplication(said.into()));
        }
        let AppError::Failed { message, traceback } = wsgi("broken:app") else {
            panic!("it failed");
        };
        assert_eq!(
            message,
            "broken could not be loaded: its own code raised ZeroDivisionError: division by zero"
        );
        assert!(
            traceback.contains("broken.py\", line 2, in f"),
            "{traceback}"
        );
        assert!(!traceback.contains("oxbridge"), "{traceback}");
        for (text, said) in [
            ("lacking:app", "ModuleNotFoundError"),
            ("site_app:broken_factory()", "no settings"),
            ("exits:app", "3"),
        ] {
            let error = wsgi(text);
            assert!(
                matches!(&error, AppError::Failed { message, .. } if message.contains(said)),
                "{text}: {error:?}"
            );
        }
        assert_eq!(
            asgi("site_app:refuses"),
            AppError::Startup("the application failed to start: no database".into())
        );
        let on = Asgi::import("site_app:knows_no_lifespan").lifespan(Lifespan::On);
        assert!(matches!(on.start(), Err(AppError::Startup(_))));
        let off = Asgi::import("site_app:refuses").lifespan(Lifespan::Off);
        off.start().unwrap();
        Wsgi::import("site_app:make").factory(true).start().unwrap();
        Wsgi::import("site_app:make()").start().unwrap();
        let error = Wsgi::import("site_app:wsgi").root_path("old").start();
        assert!(matches!(error, Err(AppError::Setting(_))), "{error:?}");
        let error = Wsgi::import("site_app:wsgi")
            .interpreter(Interpreter::new().venv("/nowhere"))
            .start();
        assert!(matches!(error, Err(AppError::Interpreter(_))), "{error:?}");
    });
}

#[test]
fn a_call_that_keeps_the_interpreter_holds_up_no_task_of_the_host() {
    alone(
        "a_call_that_keeps_the_interpreter_holds_up_no_task_of_the_host",
        || {
            let directory = module(
                "keeps",
                r#"
import ctypes
sleep = ctypes.PyDLL(None).usleep  # without letting go of the interpreter
def wsgi(environ, start_response):
    start_response("200 OK", [])
    print("it sleeps", flush=True)
    sleep(1_000_000)
    return [b"slept"]
async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    sleep(1_000_000)
    await send({"type": "http.response.body", "body": b"slept"})
"#,
            );
            let wsgi = Wsgi::import("site_app:wsgi")
                .path(&directory)
                .start()
                .unwrap();
            let asgi = Asgi::import("site_app:asgi")
                .lifespan(Lifespan::Off)
                .start()
                .unwrap();
            let host = Host::of(
                Router::new()
                    .route("/own", get(|| async { "the host's" }))
                    .route_service("/wsgi", wsgi)
                    .route_service("/asgi", asgi),
            );
            for target in ["/wsgi", "/asgi"] {
                let begun = Instant::now();
                let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                let sleeping = host.send(&head);
                let mut own = 0;
                // More come than threads would have let through one after the other.
                while begun.elapsed() < Duration::from_millis(800) {
                    assert_eq!(host.get("/own"), (200, "the host's".into()));
                    own += 1;
                }
                assert!(own > 20, "{own} answers of the host beside {target}");
                assert_eq!(answer(sleeping).0, 200);
            }
        },
    );
}

#[test]
fn bodies_stream_both_ways() {
    alone("bodies_stream_both_ways", || {
        let directory = module(
            "bodies",
            r#"
def wsgi(environ, start_response):
    start_response("200 OK", [])
    while line := environ["wsgi.input"].readline():
        yield line.upper()
async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
        await send({"type": "http.response.body", "body": event["body"].upper(), "more_body": more})
"#,
        );
        let wsgi = Wsgi::import("site_app:wsgi")
            .path(&directory)
            .start()
            .unwrap();
        let asgi = Asgi::import("site_app:asgi")
            .lifespan(Lifespan::Off)
            .start()
            .unwrap();
        let host = Host::of(
            Router::new()
                .route_service("/wsgi", wsgi)
                .route_service("/asgi", asgi),
        );
        for target in ["/wsgi", "/asgi"] {
            let mut stream = host.send(&format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"
            ));
            read_until(&mut stream, "4\r\nONE\n\r\n");
            stream.write_all(b"4\r\ntwo\n\r\n").unwrap();
            read_until(&mut stream, "4\r\nTWO\n\r\n");
            stream.write_all(b"0\r\n\r\n").unwrap();
            read_until(&mut stream, "0\r\n\r\n");
        }
    });
}

/// Reads until what came ends with `end`.
fn read_until(stream: &mut TcpStream, end: &str) {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let n = stream.read(&mut byte).unwrap();
        assert_eq!(
            n,
            1,
            "the end comes after {:?}",
            String::from_utf8_lossy(&text)
        );
        text.push(byte[0]);
    }
}

/// Tells what has happened through a list.
const EVENTS: &str = r#"
import asyncio, threading
events = []
changed = threading.Condition()
def note(what):
    with changed:
        events.append(what)
        changed.notify_all()
def await_event(what):
    with changed:
        assert changed.wait_for(lambda: what in events, 30), events
def wsgi(environ, start_response):
    write = start_response("200 OK", [])
    note("wsgi runs")
    try:
        while True:
            write(b"on and on")
    except OSError:
        note("wsgi sees it")
        raise
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            note(event["type"])
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"][::-1]})
        note(f"closed {event['code']}")
        return
    if scope["path"] == "/wait":
        note("asgi runs")
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
            note("asgi sees it")
        except asyncio.CancelledError:
            note("asgi is cancelled")
            raise
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})
"#;

/// Waits for an event of the module above.
fn await_event(what: &str) {
    Python::attach(|py| {
        let module = py.import("site_app").unwrap();
        module.call_method1("await_event", (what,)).unwrap();
    });
}

#[test]
fn a_client_that_leaves_is_gone_for_the_application() {
    alone("a_client_that_leaves_is_gone_for_the_application", || {
        let directory = module("leaves", EVENTS);
        let wsgi = Wsgi::import("site_app:wsgi")
            .path(&directory)
            .start()
            .unwrap();
        let asgi = Asgi::import("site_app:asgi").start().unwrap();
        let host = Host::of(
            Router::new()
                .route_service("/wsgi", wsgi)
                .fallback_service(asgi),
        );
        for (target, runs, sees) in [
            ("/wsgi", "wsgi runs", "wsgi sees it"),
            ("/wait", "asgi runs", "asgi sees it"),
        ] {
            let stream = host.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            await_event(runs);
            drop(stream);
            await_event(sees);
        }
    });
}

#[test]
fn websockets_converse_through_axum() {
    alone("websockets_converse_through_axum", || {
        let directory = module("sockets", EVENTS);
        let asgi = Asgi::import("site_app:asgi")
            .path(&directory)
            .start()
            .unwrap();
        let host = Host::of(Router::new().nest_service("/ws", asgi.clone()));
        let connect = || {
            let stream = TcpStream::connect(host.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            tungstenite::client("ws://localhost/ws/", stream).unwrap().0
        };
        let mut client = connect();
        for text in ["", "abc", &"xy".repeat(100_000)] {
            client.send(tungstenite::Message::text(text)).unwrap();
            let back: String = text.chars().rev().collect();
            assert!(client.read().unwrap() == tungstenite::Message::text(back));
        }
        let close = tungstenite::protocol::CloseFrame {
            code: 4001.into(),
            reason: "".into(),
        };
        client.close(Some(close)).unwrap();
        while client.read().is_ok() {}
        await_event("closed 4001");
        let mut client = connect();
        client.send(tungstenite::Message::text("ab")).unwrap();
        assert_eq!(client.read().unwrap(), tungstenite::Message::text("ba"));
        // A shutdown tells both sides.
        let ending = std::thread::spawn(move || block_on(asgi.shutdown(PATIENCE)));
        assert!(
            matches!(client.read().unwrap(), tungstenite::Message::Close(Some(close)) if u16::from(close.code) == 1012)
        );
        assert!(client.read().is_err());
        assert!(ending.join().unwrap());
        await_event("closed 1012");
    });
}

#[test]
fn a_shutdown_lets_finish_what_runs_and_then_cuts() {
    alone("a_shutdown_lets_finish_what_runs_and_then_cuts", || {
        let directory = module(
            "shutdown",
            &format!(
                "{EVENTS}
go_on = threading.Event()
def patient(environ, start_response):
    if environ['QUERY_STRING'] != 'at-once':
        note('it waits')
        go_on.wait()
    start_response('200 OK', [])
    return [b'in time']
"
            ),
        );
        let wsgi = Wsgi::import("site_app:patient")
            .path(&directory)
            .start()
            .unwrap();
        let asgi = Asgi::import("site_app:asgi")
            .lifespan(Lifespan::On)
            .start()
            .unwrap();
        await_event("lifespan.startup");
        let host = Host::of(
            Router::new()
                .route_service("/wsgi", wsgi.clone())
                .fallback_service(asgi.clone()),
        );
        let head =
            |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let waiting = host.send(&head("/wsgi"));
        await_event("it waits");
        let ending = {
            let wsgi = wsgi.clone();
            std::thread::spawn(move || block_on(wsgi.shutdown(PATIENCE)))
        };
        // One that comes before the stop must not wait with the other.
        while host.get("/wsgi?at-once").0 != 503 {
            assert!(!ending.is_finished());
        }
        Python::attach(|py| {
            let go_on = py.import("site_app").unwrap().getattr("go_on").unwrap();
            go_on.call_method0("set").unwrap();
        });
        assert_eq!(answer(waiting), (200, "in time".into()));
        assert!(ending.join().unwrap());

        let cut = host.send(&head("/wait"));
        await_event("asgi runs");
        assert!(block_on(asgi.shutdown(Duration::ZERO)));
        await_event("lifespan.shutdown");
        assert_eq!(answer(cut).0, 503);
        assert_eq!(host.get("/").0, 503);
        assert!(
            block_on(asgi.shutdown(Duration::ZERO)),
            "once more is no matter"
        );
    });
}

#[test]
fn the_last_clone_takes_the_application_along() {
    alone("the_last_clone_takes_the_application_along", || {
        let directory = module("last_clone", EVENTS);
        let asgi = Asgi::import("site_app:asgi")
            .path(&directory)
            .start()
            .unwrap();
        let clone = asgi.clone();
        drop(asgi);
        assert_eq!(here(&clone), "here");
        // A call that is under way counts.
        let mut last = clone.clone();
        drop(clone);
        let request = http::Request::get("http://a/")
            .body(http_body_util::Empty::new())
            .unwrap();
        let answering = last.call(request);
        drop(last);
        let answer = block_on(answering).unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
        await_event("lifespan.shutdown");
    });
}

#[test]
fn the_end_of_the_process_is_told_to_the_application() {
    let name = "the_end_of_the_process_is_told_to_the_application";
    let body = || {
        let directory = module(
            "process_end",
            &format!(
                "{EVENTS}
def note(what): print(what, flush=True)
"
            ),
        );
        let asgi = Asgi::import("site_app:asgi")
            .path(&directory)
            .start()
            .unwrap();
        assert_eq!(here(&asgi), "here");
        // It is alive when `main` returns.
        std::mem::forget(asgi);
    };
    let output = alone_with(name, |_| {}, body);
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("lifespan.startup\n") && said.contains("lifespan.shutdown\n"),
        "{said}"
    );
}

#[test]
fn a_failing_application_is_500_and_past_the_queue_is_503() {
    alone(
        "a_failing_application_is_500_and_past_the_queue_is_503",
        || {
            let directory = module(
                "failing",
                &format!(
                    "{EVENTS}
go_on = threading.Event()
def fails(environ, start_response):
    raise SystemExit(3)
def blocks(environ, start_response):
    note(f'in {{environ[\"PATH_INFO\"]}}')
    go_on.wait()
    start_response('200 OK', [])
    return [b'done']
"
                ),
            );
            let fails = Wsgi::import("site_app:fails")
                .path(&directory)
                .start()
                .unwrap();
            let limits = Limits {
                max_concurrency: Some(2),
                ..Limits::default()
            };
            let blocks = Wsgi::import("site_app:blocks")
                .threads(2)
                .limits(limits)
                .start()
                .unwrap();
            let host = Host::of(
                Router::new()
                    .route_service("/fails", fails)
                    .fallback_service(blocks),
            );
            assert_eq!(host.get("/fails").0, 500);
            let head = |target: &str| {
                format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            };
            let busy = [host.send(&head("/1")), host.send(&head("/2"))];
            await_event("in /1");
            await_event("in /2");
            assert_eq!(host.get("/3").0, 503);
            Python::attach(|py| {
                let go_on = py.import("site_app").unwrap().getattr("go_on").unwrap();
                go_on.call_method0("set").unwrap();
            });
            for stream in busy {
                assert_eq!(answer(stream), (200, "done".into()));
            }
        },
    );
}

/// The text of the answer to `GET /`.
fn here(app: &App) -> String {
    let request = http::Request::get("http://a/")
        .body(http_body_util::Empty::new())
        .unwrap();
    let answer: http::Response<Body> = block_on(app.clone().call(request)).unwrap();
    let body = block_on(http_body_util::BodyExt::collect(answer.into_body())).unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}
