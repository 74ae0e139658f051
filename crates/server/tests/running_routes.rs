//! Routes that are added while the server runs.

mod gate;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock, Weak, mpsc};

use gate::Gate;
use oxbridge::{Builder, Exchange, Server};
use wire::{Client, PATIENCE, get};

#[test]
fn a_route_is_there_from_the_next_request_on() {
    let server = serve(Server::builder());
    let mut client = Client::of(&server);
    for (n, target) in ["/blocking", "/inline", "/blocking/deeper"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(client.get(target).answer().status, 404, "{target}");
        let handler = saying(target);
        if n % 2 == 0 {
            server.blocking_exchange(target, handler, "here".into())
        } else {
            server.inline_exchange(target, handler, "here".into())
        }
        .unwrap();
        // On the connection that was there before, and on a new one.
        assert_eq!(client.get(target).answer().text(), target);
        assert_eq!(get(&server, target).text(), target);
    }
    assert_eq!(client.get("/blocking").answer().text(), "/blocking");
}

#[test]
fn a_more_special_pattern_takes_over() {
    let mut builder = Server::builder();
    builder
        .blocking("GET /{name}", |w, r| {
            w.write(r.path_value("name").unwrap().as_bytes())
        })
        .unwrap();
    let server = serve(builder);
    let mut client = Client::of(&server);
    assert_eq!(client.get("/special").answer().text(), "special");
    server
        .inline_exchange("GET /special", saying("its own"), "here".into())
        .unwrap();
    assert_eq!(client.get("/special").answer().text(), "its own");
    assert_eq!(client.get("/other").answer().text(), "other");
}

#[test]
fn a_conflict_leaves_the_table_as_it_was() {
    let mut builder = Server::builder();
    builder
        .blocking_exchange("/taken", saying("first"), "the first place".into())
        .unwrap();
    let server = serve(builder);
    server
        .inline_exchange("/late", saying("late"), "the second place".into())
        .unwrap();
    let mut client = Client::of(&server);
    for (pattern, place) in [("/taken", "the first place"), ("/late", "the second place")] {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = DropFlag(dropped.clone());
        let never = move |_: Exchange| assert!(!flag.0.load(SeqCst), "this handler never runs");
        let error = server
            .blocking_exchange(pattern, never, "the third place".into())
            .unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(place) && said.contains("the third place"),
            "{said}"
        );
        assert!(dropped.load(SeqCst), "nobody keeps the handler");
    }
    for malformed in ["", "no-slash", "/{", "/{a}/{a}", "GET"] {
        server
            .inline_exchange(malformed, drop, "here".into())
            .unwrap_err();
    }
    assert_eq!(client.get("/taken").answer().text(), "first");
    assert_eq!(client.get("/late").answer().text(), "late");
    server
        .blocking_exchange("/free", saying("free"), "here".into())
        .unwrap();
    assert_eq!(client.get("/free").answer().text(), "free");
}

#[test]
fn a_thousand_requests_while_another_thread_adds_routes() {
    const REQUESTS: usize = 1000;
    let mut builder = Server::builder();
    builder
        .blocking("/base/{n}", |w, r| {
            w.write(r.path_value("n").unwrap().as_bytes())
        })
        .unwrap();
    let server = serve(builder.reactors(2));
    let (done, added) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::of(&server);
            // At least some, however quick the requests are.
            while !done.load(SeqCst) || added.load(SeqCst) < 20 {
                let target = format!("/added/{}", added.load(SeqCst));
                server
                    .inline_exchange(&target, saying(&target), "here".into())
                    .unwrap();
                assert_eq!(client.get(&target).answer().text(), target);
                added.fetch_add(1, SeqCst);
            }
        });
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::of(&server);
                    for n in 0..REQUESTS / 2 {
                        let answer = client.get(&format!("/base/{n}")).answer();
                        assert_eq!((answer.status, answer.text()), (200, &*n.to_string()));
                    }
                })
            })
            .collect();
        asking.into_iter().for_each(|asking| asking.join().unwrap());
        done.store(true, SeqCst);
    });
    let mut client = Client::of(&server);
    for n in 0..added.load(SeqCst) {
        let target = format!("/added/{n}");
        assert_eq!(client.get(&target).answer().text(), target);
    }
}

#[test]
fn what_is_under_way_stays_with_the_handler_that_has_it() {
    let gate = Gate::new();
    let handler = gate.clone();
    let mut builder = Server::builder();
    builder
        .blocking("/{rest...}", move |w, _| {
            handler.pass();
            w.write(b"old")
        })
        .unwrap();
    let server = serve(builder);
    let mut old = Client::of(&server);
    old.get("/x");
    gate.await_arrivals(1);
    server
        .inline_exchange("/x", saying("new"), "here".into())
        .unwrap();
    assert_eq!(get(&server, "/x").text(), "new");
    gate.open();
    assert_eq!(old.answer().text(), "old");
}

#[test]
fn a_handler_adds_routes_itself() {
    let own = Arc::new(OnceLock::<Weak<Server>>::new());
    let add = |own: &OnceLock<Weak<Server>>, target: &str| {
        let server = own.get().and_then(Weak::upgrade).unwrap();
        server
            .blocking_exchange(target, saying(target), "a handler".into())
            .unwrap();
    };
    let (blocking, inline) = (own.clone(), own.clone());
    let mut builder = Server::builder();
    builder
        .blocking("/add-blocking", move |w, _| {
            add(&blocking, "/from-blocking");
            w.write(b"added")
        })
        .unwrap();
    builder
        .inline_exchange(
            "/add-inline",
            move |exchange| {
                add(&inline, "/from-inline");
                exchange.end().unwrap();
            },
            "here".into(),
        )
        .unwrap();
    let server = Arc::new(serve(builder));
    own.set(Arc::downgrade(&server)).unwrap();
    for kind in ["blocking", "inline"] {
        assert_eq!(get(&server, &format!("/add-{kind}")).status, 200);
        let target = format!("/from-{kind}");
        assert_eq!(get(&server, &target).text(), target);
    }
}

#[test]
fn a_refused_handler_whose_drop_adds_a_route_does_not_wait_for_itself() {
    struct Adds(Arc<Server>, mpsc::Sender<()>);
    impl Drop for Adds {
        fn drop(&mut self) {
            self.0
                .inline_exchange("/from-drop", saying("from drop"), "a drop".into())
                .unwrap();
            self.1.send(()).unwrap();
        }
    }
    let mut builder = Server::builder();
    builder.blocking("/taken", |w, _| w.write(b"x")).unwrap();
    let server = Arc::new(serve(builder));
    let (send, added) = mpsc::channel();
    let adds = Adds(server.clone(), send);
    let adding = server.clone();
    // On a thread that may be left behind, so that a deadlock fails the test.
    std::thread::spawn(move || {
        let handler = move |_: Exchange| {
            let _kept = &adds;
        };
        adding
            .blocking_exchange("/taken", handler, "here".into())
            .unwrap_err();
    });
    added
        .recv_timeout(PATIENCE)
        .expect("the drop came to its end");
    assert_eq!(get(&server, "/from-drop").text(), "from drop");
}

/// Tells when it is dropped.
struct DropFlag(Arc<AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A handler that says `text`.
fn saying(text: &str) -> impl Fn(Exchange) + Send + Sync + 'static {
    let text = text.to_owned();
    move |mut exchange| {
        exchange.response().write(text.as_bytes()).unwrap();
        exchange.end().unwrap();
    }
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
