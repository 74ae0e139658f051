//! A server whose turns the program takes itself: what a turn does, and who may take one.

mod gate;
mod wheel;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use gate::eventually;
use oxbridge::{BodyError, Exchange, Server, TurnError, Turned};
use wheel::{await_turn, glance, serve, turn, turn_for, while_driven};
use wire::{Client, PATIENCE};

#[test]
fn handlers_run_on_the_turning_thread_and_their_answers_leave_in_the_same_turn() {
    let (send, ran_on) = mpsc::channel::<ThreadId>();
    let (blocking, inline) = (send.clone(), send);
    let mut builder = Server::builder();
    builder
        .blocking("/blocking", move |w, _| {
            blocking.send(std::thread::current().id()).unwrap();
            w.write(b"blocking")
        })
        .unwrap();
    builder
        .inline_exchange(
            "/inline",
            move |mut exchange| {
                inline.send(std::thread::current().id()).unwrap();
                exchange.response().write(b"inline").unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    builder.route("/async", |_| async { "async" }).unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    for _ in 0..3 {
        // One turn runs the handler; the answer is read when nobody drives any more.
        client.get("/blocking");
        assert_eq!(turn(&server).handled, 1);
        assert_eq!(client.answer().text(), "blocking");
        assert_eq!(
            ran_on.recv_timeout(PATIENCE).unwrap(),
            std::thread::current().id()
        );
    }
    // What runs inside the reactor ends no turn.
    for target in ["/inline", "/async"] {
        client.get(target);
        let answer = while_driven(&server, || client.answer());
        assert_eq!(answer.text(), &target[1..]);
    }
    assert_ne!(
        ran_on.recv_timeout(PATIENCE).unwrap(),
        std::thread::current().id(),
        "this thread took no turn for it"
    );
}

#[test]
fn a_turn_runs_all_that_is_ready() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = serve(builder);
    let mut clients: Vec<_> = (0..20).map(|_| Client::of(&server)).collect();
    for client in &mut clients {
        client.get("/");
    }
    let mut handled = 0;
    while handled < clients.len() {
        handled += turn(&server).handled;
    }
    assert_eq!(handled, clients.len());
    for client in &mut clients {
        assert_eq!(client.answer().text(), "served");
    }
    assert_eq!(server.exchanges(), 0);
}

#[test]
fn a_turn_with_no_time_waits_for_nothing_and_does_what_is_ready() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = serve(builder);
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(glance(&server), Turned::default());
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let mut client = Client::of(&server);
    for _ in 0..3 {
        client.get("/");
        // Nothing says when the bytes are here, so the turns come until they are.
        eventually("the handler has run", || glance(&server).handled == 1);
        assert_eq!(client.answer().text(), "served");
    }
}

#[test]
fn a_turn_ends_when_its_time_is_over() {
    let server = serve(Server::builder());
    let time = Duration::from_millis(30);
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(server.turn(Some(time)), Ok(Turned::default()));
        let took = begun.elapsed();
        assert!(time <= took && took < PATIENCE, "{took:?}");
    }
    // A time that no clock can tell is no bound.
    server.wake();
    assert!(server.turn(Some(Duration::MAX)).unwrap().woken);
}

#[test]
fn a_wake_up_ends_the_turn_under_way_or_else_the_next_one() {
    let server = serve(Server::builder());
    server.wake();
    server.wake();
    assert!(server.turn(None).unwrap().woken, "the next one");
    assert!(!glance(&server).woken, "one turn, not two");
    std::thread::scope(|scope| {
        let turning = scope.spawn(|| turn_for(&server, None));
        await_turn(&server);
        server.wake();
        assert!(turning.join().unwrap().woken, "the one under way");
    });
}

#[test]
fn only_one_thread_takes_turns_but_not_always_the_same() {
    let server = serve(Server::builder());
    while_driven(&server, || {
        await_turn(&server);
        assert_eq!(server.turn(None), Err(TurnError::Busy));
        let pair = std::os::unix::net::UnixStream::pair().unwrap();
        let watch = server.watch(Some(std::os::fd::AsFd::as_fd(&pair.0)));
        assert_eq!(watch.unwrap_err(), TurnError::Busy);
    });
    for _ in 0..3 {
        std::thread::scope(|scope| {
            let turned = scope.spawn(|| glance(&server)).join().unwrap();
            assert_eq!(turned, Turned::default());
        });
        assert_eq!(glance(&server), Turned::default());
    }
}

#[test]
fn a_handler_takes_no_turn_of_its_own_server_and_does_not_wait_for_it() {
    fn refused(own: &OnceLock<Weak<Server>>) -> bool {
        let server = own.get().and_then(Weak::upgrade).unwrap();
        server.turn(None) == Err(TurnError::Inside)
            && matches!(server.watch(None), Err(TurnError::Inside))
            && server.is_inside()
            && !server.wait_until(None)
    }
    let own = Arc::new(OnceLock::<Weak<Server>>::new());
    let (blocking, inline) = (own.clone(), own.clone());
    let mut builder = Server::builder();
    builder
        .blocking("/blocking", move |w, _| {
            w.write(refused(&blocking).to_string().as_bytes())
        })
        .unwrap();
    builder
        .inline_exchange(
            "/inline",
            move |mut exchange: Exchange| {
                let refused = refused(&inline).to_string();
                exchange.response().write(refused.as_bytes()).unwrap();
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = Arc::new(serve(builder));
    own.set(Arc::downgrade(&server)).unwrap();
    assert!(!server.is_inside());
    let mut client = Client::of(&server);
    for target in ["/blocking", "/inline"] {
        client.get(target);
        let answer = while_driven(&server, || client.answer());
        assert_eq!(answer.text(), "true", "{target}");
    }
    assert!(!server.is_inside());
}

#[test]
fn a_handler_may_take_turns_of_another_server() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"inner")).unwrap();
    let inner = Arc::new(serve(builder));
    let address = inner.addresses()[0].tcp().unwrap();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, _| {
            let mut client = Client::to(address);
            client.get("/");
            assert_eq!(turn(&inner).handled, 1);
            w.write(b"outer, ")?;
            w.write(client.answer().text().as_bytes())
        })
        .unwrap();
    let outer = serve(builder);
    let mut client = Client::of(&outer);
    client.get("/");
    assert_eq!(turn(&outer).handled, 1);
    assert_eq!(client.answer().text(), "outer, inner");
}

#[test]
fn a_server_with_threads_of_its_own_is_not_driven() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    assert_eq!(server.turn(None), Err(TurnError::NotDriven));
    assert!(matches!(server.watch(None), Err(TurnError::NotDriven)));
    server.wake();
    assert_eq!(wire::get(&server, "/").text(), "served");
}

#[test]
fn a_driven_server_has_one_reactor_and_no_threads() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let name = "a_driven_server_has_one_reactor_and_no_threads";
    if std::env::var_os("ALONE").is_none() {
        // The other tests of this file have threads, so this one is run on its own.
        let output = std::process::Command::new("/proc/self/exe")
            .args(["--exact", name])
            .env("ALONE", "yes")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let before = threads();
    let server = serve(builder.reactors(4).threads(50));
    let mut client = Client::of(&server);
    client.get("/");
    assert_eq!(turn(&server).handled, 1);
    assert_eq!(client.answer().text(), "served");
    assert_eq!(threads(), before);
}

#[test]
fn a_body_that_has_not_arrived_is_an_error_and_not_a_wait() {
    let (send, read) = mpsc::channel();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |w, r| {
            send.send(r.body_mut().read_all_blocking()).unwrap();
            w.write(b"done")
        })
        .unwrap();
    let server = serve(builder);
    // A short one is gathered before the handler runs, however it comes.
    let mut client = Client::of(&server);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    assert_eq!(glance(&server).handled, 0);
    client.send("llo");
    assert_eq!(turn(&server).handled, 1);
    assert_eq!(read.recv_timeout(PATIENCE).unwrap().unwrap(), "hello");
    assert_eq!(client.answer().text(), "done");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhe");
    assert_eq!(turn(&server).handled, 1);
    let result = read.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(result, Err(BodyError::WouldBlock)), "{result:?}");
}

#[test]
fn a_slow_client_does_not_hold_a_turn() {
    const LENGTH: usize = 32 << 20;
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, _| w.write(&vec![b'x'; LENGTH]))
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    let server = serve(builder);
    let mut slow = Client::of(&server);
    slow.get("/");
    assert_eq!(turn(&server).handled, 1);
    let mut other = Client::of(&server);
    other.get("/well");
    assert_eq!(turn(&server).handled, 1);
    assert_eq!(other.answer().text(), "well");
    let answer = while_driven(&server, || slow.answer());
    assert!(
        answer.whole && answer.body.len() == LENGTH,
        "{}",
        answer.body.len()
    );
}

#[test]
fn another_thread_answers_while_a_turn_waits() {
    let (send, receive) = mpsc::channel::<Exchange>();
    let mut builder = Server::builder();
    builder
        .blocking_exchange(
            "/",
            move |exchange| send.send(exchange).unwrap(),
            "here".into(),
        )
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    client.get("/");
    assert_eq!(turn(&server).handled, 1);
    let mut exchange = receive.recv_timeout(PATIENCE).unwrap();
    while_driven(&server, || {
        await_turn(&server);
        exchange.response().write(b"later").unwrap();
        exchange.end().unwrap();
        assert_eq!(client.answer().text(), "later");
    });
}

#[test]
fn a_panic_in_a_handler_is_500_and_the_turn_goes_on() {
    let panicked = Arc::new(AtomicBool::new(false));
    let handler = panicked.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/", move |_, _| {
            handler.store(true, SeqCst);
            panic!("on purpose")
        })
        .unwrap();
    builder.blocking("/well", |w, _| w.write(b"well")).unwrap();
    let server = serve(builder);
    let (mut bad, mut good) = (Client::of(&server), Client::of(&server));
    for _ in 0..3 {
        bad.get("/");
        good.get("/well");
        let mut handled = 0;
        while handled < 2 {
            handled += turn(&server).handled;
        }
        assert_eq!(bad.answer().status, 500);
        assert_eq!(good.answer().text(), "well");
    }
    assert!(panicked.load(SeqCst));
    assert_eq!(server.exchanges(), 0);
}
