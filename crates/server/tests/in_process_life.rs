//! A server as a service, without any socket between: which requests it takes, what a host's task sees of
//! its handlers' life, and how it stops.

mod gate;
mod wheel;
mod wire;

use std::convert::Infallible;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gate::{Gate, eventually};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Empty, Full};
use oxbridge::{
    Body, BodyError, Builder, Exchange, Host, InProcess, Limits, Server, WriteError, block_on,
};
use tower::{Service as _, ServiceExt as _};
use wire::PATIENCE;

#[test]
fn a_server_that_listens_nowhere_starts_serves_and_stops() {
    let server = hello().start().unwrap();
    assert_eq!(server.addresses(), []);
    assert_eq!(server.url(), None);
    assert_eq!(text(&server.in_process(), get("/hello")), "hello");
    assert!(server.stop(PATIENCE));
    let server = hello().reactors(3).start().unwrap();
    for _ in 0..10 {
        assert_eq!(text(&server.in_process(), get("/hello")), "hello");
    }
    assert!(server.stop(PATIENCE));
}

#[test]
fn idle_it_uses_no_time() {
    /// Where Linux says what a thread has used.
    #[derive(Default)]
    struct Threads(Mutex<Vec<PathBuf>>);
    impl Host for Threads {
        fn thread(&self, work: &mut (dyn FnMut() + Send)) {
            let me = std::fs::read_link("/proc/thread-self").unwrap();
            self.0
                .lock()
                .unwrap()
                .push(Path::new("/proc").join(me).join("stat"));
            work();
        }
    }
    let threads = Arc::new(Threads::default());
    let server = hello().host(threads.clone()).start().unwrap();
    assert_eq!(text(&server.in_process(), get("/hello")), "hello");
    let used = || -> u64 {
        let stats = threads.0.lock().unwrap();
        stats.iter().map(|stat| ticks(stat)).sum()
    };
    let before = used();
    std::thread::sleep(Duration::from_secs(1));
    let used = used() - before;
    assert!(used <= 1, "{used} hundredths of a second in a second");
    assert!(server.stop(PATIENCE));
}

/// Hundredths of a second that a thread has used (proc(5), `utime` and `stime`).
fn ticks(stat: &Path) -> u64 {
    let stat = std::fs::read_to_string(stat).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn targets_and_hosts_follow_the_rules_of_sockets() {
    let mut builder = Server::builder();
    builder.fallback_exchange(|mut exchange| {
        let request = exchange.request();
        let text = format!("{} {} {}", request.host(), request.target(), request.path());
        exchange.response().write(text.as_bytes()).unwrap();
        exchange.end().unwrap();
    });
    let entrance = builder
        .start()
        .map(|server| (server.in_process(), server))
        .unwrap();
    let ask = |request: http::request::Builder| {
        let answer = call(&entrance.0, request.body(Empty::new()).unwrap());
        (answer.0.as_u16(), answer.1)
    };
    let with_host = |target: &str| Request::get(target).header("host", "a.example");
    for (request, told) in [
        (with_host("/x?y"), "a.example /x?y /x"),
        (
            with_host("http://b.example/x"),
            "b.example http://b.example/x /x",
        ),
        (
            Request::get("http://b.example:8080"),
            "b.example:8080 http://b.example:8080/ /",
        ),
        (Request::get("/x").header("host", ""), " /x /x"),
        (Request::get("/x").version(Version::HTTP_10), " /x /x"),
        (
            Request::get("https://b.example/x").version(Version::HTTP_2),
            "b.example /x /x",
        ),
        (with_host("/x").version(Version::HTTP_2), "a.example /x /x"),
        (with_host("*").method("OPTIONS"), "a.example * *"),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(ask(request), (200, told.to_owned()), "{shown}");
    }
    for (request, why) in [
        (Request::get("/x"), "HTTP/1.1 request without a Host header"),
        (
            with_host("/x").header("host", "b.example"),
            "more than one Host header",
        ),
        (
            Request::get("/x").header("host", "a b"),
            "invalid Host header",
        ),
        (
            Request::get("/x").header("host", "u@a"),
            "invalid Host header",
        ),
        (
            Request::get("http://u@a.example/x"),
            "invalid host in the request target",
        ),
        (
            with_host("a.example"),
            "request target has none of the four forms",
        ),
        (with_host("*"), "request target has none of the four forms"),
        (
            with_host("a.example").method("CONNECT"),
            "CONNECT target is not host:port",
        ),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(
            ask(request),
            (400, format!("Bad Request: {why}\n")),
            "{shown}"
        );
    }
    assert_eq!(ask(Request::get("/x").version(Version::HTTP_2)).0, 400);
}

#[test]
fn heads_have_limits() {
    let limits = Limits {
        max_target_bytes: 20,
        max_headers: 3,
        max_head_bytes: 8 << 10,
        ..Limits::default()
    };
    let server = hello().limits(limits).start().unwrap();
    let ask = |request: http::request::Builder| {
        call(&server.in_process(), request.body(Empty::new()).unwrap())
            .0
            .as_u16()
    };
    let request = || Request::get("/hello").header("host", "a");
    assert_eq!(ask(request()), 200);
    assert_eq!(ask(request().header("b", "1").header("c", "2")), 200);
    assert_eq!(
        ask(request().header("b", "1").header("c", "2").header("d", "3")),
        431
    );
    assert_eq!(ask(request().header("b", "x".repeat(8 << 10))), 431);
    assert_eq!(ask(request().uri("/hello?x=123456789012")), 414);
}

#[test]
fn a_runtime_is_not_needed() {
    let mut builder = hello();
    builder
        .blocking("/echo", |w, r| {
            let body = r.body_mut().read_all_blocking().unwrap();
            w.write(&body)
        })
        .unwrap();
    let server = builder.start().unwrap();
    let mut entrance = server.in_process();
    let answer = block_on(entrance.call(get("/hello"))).unwrap();
    let body = block_on(answer.into_body().collect()).unwrap().to_bytes();
    assert_eq!(body, "hello");
    let request = Request::post("http://a/echo")
        .body(Full::<Bytes>::from("said"))
        .unwrap();
    let answer = block_on(entrance.call(request)).unwrap();
    assert_eq!(
        block_on(answer.into_body().collect()).unwrap().to_bytes(),
        "said"
    );
}

#[test]
fn a_body_with_timers_is_read_on_the_handlers_thread() {
    /// Says one word, after a moment.
    struct Late(Option<Pin<Box<tokio::time::Sleep>>>, bool);
    impl http_body::Body for Late {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.1 {
                return Poll::Ready(None);
            }
            let sleep = self
                .0
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
            std::task::ready!(sleep.as_mut().poll(cx));
            self.1 = true;
            Poll::Ready(Some(Ok(Frame::data("late".into()))))
        }
    }
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, r| {
            let body = r.body_mut().read_all_blocking().unwrap();
            w.write(&body)
        })
        .unwrap();
    let limits = Limits {
        // Else it would have been read before.
        buffer_body: 0,
        ..Limits::default()
    };
    let server = builder.limits(limits).start().unwrap();
    let request = Request::post("http://a/").body(Late(None, false)).unwrap();
    assert_eq!(call(&server.in_process(), request).1, "late");
}

#[test]
fn to_drop_the_future_or_the_body_is_to_leave() {
    let (said, heard) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/{when}",
            move |mut exchange: Exchange| {
                if exchange.request().path_value("when") == Some("later") {
                    exchange.response().flush().unwrap();
                }
                // Each of the ways to learn it.
                said.send("it runs").unwrap();
                block_on(poll_fn(|cx| exchange.response().poll_gone(cx)));
                assert!(exchange.response().is_client_gone());
                assert_eq!(exchange.response().write(b"x"), Err(WriteError::ClientGone));
                let read = exchange.request().body_mut().read_all_blocking();
                assert!(matches!(read, Err(BodyError::ClientGone)), "{read:?}");
                said.send("gone").unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let limits = Limits {
        buffer_body: 0,
        ..Limits::default()
    };
    let server = builder.limits(limits).start().unwrap();
    let mut entrance = server.in_process();
    let mut ask = |when: &str| {
        // A body that never comes.
        entrance.call(
            Request::post(format!("http://a/{when}"))
                .body(Never)
                .unwrap(),
        )
    };
    let now = ask("now");
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("it runs"));
    drop(now);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("gone"));
    let later = block_on(ask("later")).unwrap();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("it runs"));
    drop(later);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("gone"));
    eventually("nothing is left", || server.exchanges() == 0);
}

/// A body that stays silent.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[test]
fn a_stop_lets_finish_what_is_under_way_and_refuses_the_rest() {
    let gate = Gate::new();
    let server = gated(&gate).start().unwrap();
    let mut entrance = server.in_process();
    let waiting = entrance.call(get("/wait"));
    let streaming = block_on(entrance.call(get("/stream"))).unwrap();
    gate.await_arrivals(2);
    server.begin_stop(PATIENCE);
    let (status, said) = call(&entrance, get("/wait"));
    assert_eq!(
        (status.as_u16(), said.as_str()),
        (503, "Service Unavailable\n")
    );
    assert!(!server.wait_until(Some(Instant::now() + Duration::from_millis(100))));
    gate.open();
    assert_eq!(block_on(collect(block_on(waiting).unwrap())).1, "waited");
    assert_eq!(block_on(collect(streaming)).1, "firstlast");
    assert!(server.wait_until(Some(Instant::now() + PATIENCE)));
    assert_eq!(
        call(&entrance, get("/wait")).0,
        503,
        "also when it has stopped"
    );
    drop(server);
    assert_eq!(call(&entrance, get("/wait")).0, 503, "also when it is gone");
}

#[test]
fn what_is_left_when_a_server_goes_ends_and_the_hosts_tasks_go_on() {
    let gate = Gate::new();
    let server = gated(&gate).start().unwrap();
    let mut entrance = server.in_process();
    let waiting = entrance.call(get("/wait"));
    let streaming = block_on(entrance.call(get("/stream"))).unwrap();
    let future = entrance.call(get("/async"));
    let gathering = entrance.call(
        Request::post("http://a/wait")
            .header("content-length", "5")
            .body(Never)
            .unwrap(),
    );
    gate.await_arrivals(2);
    drop(server);
    for (what, answer) in [("/wait", waiting), ("/async", future)] {
        let answer = block_on(answer).unwrap();
        assert_eq!(answer.status(), 503, "{what}");
    }
    assert_eq!(block_on(gathering).unwrap().status(), 503);
    let mut body = streaming.into_body();
    let error = block_on(async {
        loop {
            match body.frame().await.expect("no clean end") {
                Ok(_) => {}
                Err(e) => return e.to_string(),
            }
        }
    });
    assert_eq!(error, "the response was given up half-way");
    gate.open();
}

#[test]
fn a_host_that_takes_nothing_and_drops_nothing_is_not_waited_for() {
    let gate = Gate::new();
    let server = gated(&gate).start().unwrap();
    let mut entrance = server.in_process();
    // Never polled again, and kept.
    let _waiting = entrance.call(get("/wait"));
    let _streaming = block_on(entrance.call(get("/stream"))).unwrap();
    let _future = entrance.call(get("/async"));
    gate.await_arrivals(2);
    gate.open();
    assert!(server.stop(Duration::ZERO), "its handlers are done");
}

#[test]
fn a_host_that_takes_nothing_for_too_long_loses_its_handler() {
    let (said, heard) = mpsc::channel();
    let mut builder = Server::builder();
    let blocking = said.clone();
    builder
        .blocking("/blocking", move |w, _| {
            let written = (0..100).try_for_each(|_| w.write(&[b'x'; 64 << 10]));
            blocking.send(written.err()).unwrap();
            Ok(())
        })
        .unwrap();
    // As an asyncio application waits: by a future that nobody else would wake.
    builder
        .blocking_exchange(
            "/waiting",
            move |mut exchange: Exchange| {
                exchange.set_may_wait(false);
                let written = loop {
                    if let Err(e) = exchange.response().write(&[b'x'; 64 << 10]) {
                        break e;
                    }
                    let room = poll_fn(|cx| exchange.response().poll_room(cx));
                    if let Err(e) = block_on(room) {
                        break e;
                    }
                };
                said.send(Some(written)).unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let limits = Limits {
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = builder.limits(limits).start().unwrap();
    for target in ["/blocking", "/waiting"] {
        let answer = block_on(server.in_process().call(get(target))).unwrap();
        assert_eq!(
            heard.recv_timeout(PATIENCE),
            Ok(Some(WriteError::ClientGone))
        );
        let end = block_on(answer.into_body().collect());
        assert!(end.is_err(), "{target}: it is not whole");
    }
}

#[test]
fn a_driven_server_answers_in_its_turns() {
    let gate = Gate::new();
    let server = gated(&gate).driven(true).start().unwrap();
    let mut entrance = server.in_process();
    let woken = Woken::new(|| 1);
    let waker = Waker::from(woken.clone());
    let mut answer = pin!(entrance.call(get("/hello")));
    assert!(
        answer
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let turned = wheel::turn(&server);
    assert_eq!(turned.handled, 1);
    assert!(
        woken.first().is_some(),
        "its answer wakes the host's task in that turn"
    );
    assert_eq!(block_on(collect(block_on(answer).unwrap())).1, "hello");
    // From another thread, while a turn is under way.
    wheel::while_driven(&server, || {
        for _ in 0..100 {
            assert_eq!(text(&server.in_process(), get("/hello")), "hello");
        }
    });
    let left = entrance.call(get("/hello"));
    drop(server);
    assert_eq!(
        block_on(left).unwrap().status(),
        503,
        "nobody takes its turn"
    );
}

/// Remembers that it was woken first when `now` said so.
struct Woken<F>(F, Mutex<Option<usize>>);

impl<F: Fn() -> usize + Send + Sync + 'static> Woken<F> {
    fn new(now: F) -> Arc<Self> {
        Arc::new(Woken(now, Mutex::default()))
    }

    fn first(&self) -> Option<usize> {
        *self.1.lock().unwrap()
    }
}

impl<F: Fn() -> usize + Send + Sync + 'static> Wake for Woken<F> {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().get_or_insert_with(&self.0);
    }
}

#[test]
fn answers_leave_while_more_requests_keep_coming() {
    // Requests of other threads come while handlers run, so that the leader might never find the queue
    // empty. Here each handler brings the next request.
    const MANY: usize = 10_000;
    let entrance = Arc::new(Mutex::new(None::<InProcess>));
    let started = Arc::new(AtomicUsize::new(0));
    let (again, count) = (entrance.clone(), started.clone());
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            if count.fetch_add(1, SeqCst) < MANY {
                let entrance = again.lock().unwrap().clone();
                // Nobody waits for its answer, but it is handled.
                drop(entrance.map(|mut entrance| entrance.call(get("/"))));
            }
            w.write(b"done")
        })
        .unwrap();
    let server = builder.start().unwrap();
    *entrance.lock().unwrap() = Some(server.in_process());
    let now = started.clone();
    let woken = Woken::new(move || now.load(SeqCst));
    let waker = Waker::from(woken.clone());
    let mut first = pin!(server.in_process().call(get("/")));
    if first
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_pending()
    {
        eventually("it is woken", || woken.first().is_some());
        let handled = woken.first().unwrap();
        assert!(
            handled < 100,
            "the first answer left after {handled} handlers"
        );
    }
    eventually("all have been handled", || started.load(SeqCst) > MANY);
    *entrance.lock().unwrap() = None;
}

#[test]
fn nothing_is_left_of_an_exchange_however_it_ends() {
    let token = Arc::new(());
    let kept = token.clone();
    let gate = Gate::new();
    let waits = gate.clone();
    let mut builder = Server::builder();
    // What is kept for the connection goes with what the server knows of the exchange.
    builder
        .blocking("/{how}", move |w, r| {
            r.keep_for_connection(|| kept.clone());
            match r.path_value("how") {
                Some("whole") => w.write(b"whole"),
                Some("streams") => {
                    w.write(b"first")?;
                    w.flush()?;
                    w.write(b"last")
                }
                _ => {
                    gate.pass();
                    Ok(())
                }
            }
        })
        .unwrap();
    let server = builder.start().unwrap();
    let mut entrance = server.in_process();
    // One of them is in the handler's closure.
    let left = || Arc::strong_count(&token) - 2;
    for _ in 0..20 {
        assert_eq!(text(&entrance, get("/whole")), "whole");
        assert_eq!(text(&entrance, get("/streams")), "firstlast");
        drop(block_on(entrance.call(get("/streams"))).unwrap());
        drop(entrance.call(get("/whole")));
    }
    eventually("those that ended are gone", || left() == 0);
    let (waiting, dropped) = (entrance.call(get("/wait")), entrance.call(get("/wait")));
    waits.await_arrivals(2);
    assert_eq!(left(), 2);
    drop(dropped);
    drop(server);
    assert_eq!(block_on(waiting).unwrap().status(), 503);
    waits.open();
    eventually("those that were cut are gone", || left() == 0);
}

#[test]
fn threads_enter_their_language_once_and_are_left_when_the_server_stops() {
    #[derive(Default)]
    struct Entered(Mutex<(usize, usize)>);
    impl Host for Entered {
        fn thread(&self, work: &mut (dyn FnMut() + Send)) {
            self.0.lock().unwrap().0 += 1;
            work();
            self.0.lock().unwrap().1 += 1;
        }
    }
    let entered = Arc::new(Entered::default());
    let server = hello().host(entered.clone()).start().unwrap();
    for _ in 0..100 {
        assert_eq!(text(&server.in_process(), get("/hello")), "hello");
    }
    assert!(server.stop(PATIENCE));
    let (entries, exits) = *entered.0.lock().unwrap();
    assert_eq!(entries, exits);
    assert!(entries < 10, "{entries} threads for one request at a time");
}

#[test]
fn many_hosts_threads_at_once() {
    let server = hello().threads(4).start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let entrance = server.in_process();
            scope.spawn(move || {
                for _ in 0..500 {
                    assert_eq!(text(&entrance, get("/hello")), "hello");
                }
            });
        }
    });
    eventually("nothing is left", || server.exchanges() == 0);
    assert!(server.stop(PATIENCE));
}

fn hello() -> Builder {
    let mut builder = Server::builder();
    builder
        .blocking("/hello", |w, _| w.write(b"hello"))
        .unwrap();
    builder
}

/// `/wait` and `/stream` wait at a gate, `/async` for ever.
fn gated(gate: &Gate) -> Builder {
    let mut builder = hello();
    let waits = gate.clone();
    builder
        .blocking("/wait", move |w, _| {
            waits.pass();
            w.write(b"waited")
        })
        .unwrap();
    let waits = gate.clone();
    builder
        .blocking("/stream", move |w, _| {
            w.write(b"first")?;
            w.flush()?;
            waits.pass();
            w.write(b"last")
        })
        .unwrap();
    builder
        .route("/async", |_| std::future::pending::<&'static str>())
        .unwrap();
    builder
}

fn get(target: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a.example{target}"))
        .body(Empty::new())
        .unwrap()
}

fn text(entrance: &InProcess, request: Request<Empty<Bytes>>) -> String {
    let (status, text) = call(entrance, request);
    assert_eq!(status, 200, "{text}");
    text
}

/// Calls from a task of a host's runtime.
fn call<B>(entrance: &InProcess, request: Request<B>) -> (StatusCode, String)
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let answer = entrance.clone().oneshot(request).await.unwrap();
        collect(answer).await
    })
}

async fn collect(answer: Response<Body>) -> (StatusCode, String) {
    let status = answer.status();
    let exact = answer.body().size_hint().exact();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(exact.is_none_or(|exact| exact == bytes.len() as u64));
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}
