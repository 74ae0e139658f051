//! Servers that come and go leave no descriptor and no thread behind. Alone in its file, since it counts
//! those of the whole process.
#![cfg(target_os = "linux")]

mod gate;
mod wire;

use gate::eventually;
use http::Response;
use oxbridge::{Body, Server};
use wire::{Client, PATIENCE};

#[test]
fn two_hundred_servers_leave_nothing_behind() {
    // What the process makes once and keeps is made by the first few.
    for _ in 0..5 {
        live_and_die();
    }
    eventually("the first threads have ended", || count("task") <= 2);
    let (descriptors, threads) = (count("fd"), count("task"));
    for _ in 0..200 {
        live_and_die();
    }
    eventually("no thread is left", || count("task") <= threads);
    eventually("no descriptor is left", || count("fd") <= descriptors);
}

/// Starts a server, uses it and stops it.
fn live_and_die() {
    let mut builder = Server::builder();
    builder
        .blocking("/blocking", |w, _| w.write(b"done"))
        .unwrap();
    builder
        .blocking("/sleep", |w, _| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            w.write(b"done")
        })
        .unwrap();
    builder
        .route("/async", |_| async { Response::new(Body::from("done")) })
        .unwrap();
    let server = builder
        .reactors(2)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap();
    let mut client = Client::of(&server);
    for target in ["/blocking", "/async", "/sleep"] {
        assert_eq!(client.get(target).answer().text(), "done");
    }
    drop(client);
    assert!(server.stop(PATIENCE));
}

/// How many entries the kernel lists for this process.
fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}"))
        .unwrap()
        .count()
}
