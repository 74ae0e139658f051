//! A driven server beside another event loop: turns end when a descriptor of the program's is readable.

mod gate;
mod wheel;
mod wire;

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _, pipe};
use std::os::fd::AsFd as _;

use oxbridge::Server;
use wheel::{await_turn, glance, serve, turn};
use wire::Client;

#[test]
fn a_pipe_that_is_readable_already_ends_the_turn() {
    let server = serve(Server::builder());
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(b"x").unwrap();
    watch(&server, &reader);
    assert!(turn(&server).readable);
}

#[test]
fn a_pipe_that_becomes_readable_ends_the_turn_under_way() {
    let server = serve(Server::builder());
    let (reader, mut writer) = pipe().unwrap();
    watch(&server, &reader);
    for round in 0..20 {
        assert!(!glance(&server).readable, "nothing came in round {round}");
        let turned = std::thread::scope(|scope| {
            scope.spawn(|| {
                await_turn(&server);
                writer.write_all(b"x").unwrap();
            });
            turn(&server)
        });
        assert!(turned.readable, "round {round}");
        read_one(&reader);
    }
}

#[test]
fn it_is_readable_until_it_has_been_read() {
    let server = serve(Server::builder());
    let (reader, mut writer) = pipe().unwrap();
    watch(&server, &reader);
    writer.write_all(b"abc").unwrap();
    for left in (1..=3).rev() {
        for _ in 0..5 {
            assert!(turn(&server).readable, "{left} bytes are left");
            assert!(glance(&server).readable, "{left} bytes are left");
        }
        read_one(&reader);
    }
    assert!(!glance(&server).readable);
    // More of it is noticed as the first was.
    writer.write_all(b"d").unwrap();
    assert!(turn(&server).readable);
    read_one(&reader);
    assert!(!glance(&server).readable);
    drop(writer);
    for _ in 0..5 {
        assert!(turn(&server).readable, "the end is there to be read");
    }
}

#[test]
fn requests_are_served_while_it_is_readable_all_the_time() {
    let mut builder = Server::builder();
    builder.blocking("/", |w, _| w.write(b"served")).unwrap();
    let server = serve(builder);
    let (reader, mut writer) = pipe().unwrap();
    watch(&server, &reader);
    writer.write_all(b"x").unwrap();
    let mut client = Client::of(&server);
    for _ in 0..5 {
        client.get("/");
        gate::eventually("the handler has run", || {
            let turned = turn(&server);
            assert!(turned.readable);
            turned.handled == 1
        });
        assert_eq!(client.answer().text(), "served");
    }
}

#[test]
fn another_one_takes_its_place_or_none() {
    let server = serve(Server::builder());
    let (first, mut to_first) = pipe().unwrap();
    let (second, mut to_second) = pipe().unwrap();
    to_first.write_all(b"x").unwrap();
    watch(&server, &first);
    assert!(glance(&server).readable);
    watch(&server, &second);
    assert!(!glance(&server).readable);
    to_second.write_all(b"x").unwrap();
    assert!(glance(&server).readable);
    server.watch(None).unwrap().unwrap();
    assert!(!glance(&server).readable);
    watch(&server, &first);
    assert!(glance(&server).readable, "the same one again");
}

#[test]
fn a_duplicate_is_kept_so_that_the_program_may_close_its_own() {
    let server = serve(Server::builder());
    let (reader, mut writer) = pipe().unwrap();
    watch(&server, &reader);
    drop(reader);
    writer
        .write_all(b"x")
        .expect("somebody has the other end still");
    assert!(turn(&server).readable);
    server.watch(None).unwrap().unwrap();
    let error = writer.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    // And it goes with the server.
    let (reader, mut writer) = pipe().unwrap();
    watch(&server, &reader);
    drop((reader, server));
    assert!(writer.write_all(b"x").is_err());
}

#[test]
fn what_cannot_be_watched_is_an_error_and_nothing_is_watched_then() {
    let server = serve(Server::builder());
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(b"x").unwrap();
    watch(&server, &reader);
    let file = File::open("/proc/self/exe").unwrap();
    let error = server.watch(Some(file.as_fd())).unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(!glance(&server).readable);
}

#[test]
fn a_server_can_be_watched_by_no_event_loop_but_its_turns_watch_one() {
    // Two servers in one thread: the epoll of an inner loop is what the outer one watches.
    let server = serve(Server::builder());
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let data = rustix::event::epoll::EventData::new_u64(7);
    rustix::event::epoll::add(&epoll, &reader, data, rustix::event::epoll::EventFlags::IN).unwrap();
    server.watch(Some(epoll.as_fd())).unwrap().unwrap();
    assert!(!glance(&server).readable);
    writer.write_all(b"x").unwrap();
    assert!(turn(&server).readable);
    read_one(&reader);
    assert!(!glance(&server).readable);
}

fn watch(server: &Server, reader: &PipeReader) {
    server.watch(Some(reader.as_fd())).unwrap().unwrap();
}

fn read_one(mut reader: &PipeReader) {
    reader.read_exact(&mut [0]).unwrap();
}
