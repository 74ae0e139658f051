//! Sockets that somebody else opened: descriptor numbers, and systemd's socket activation.
//!
//! Activation is read from a process's environment and descriptors, so those tests run this very
//! program again, as a child with both prepared, and name the one test it is to run.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::{env, fs, thread};

use oxbridge::Server;
use oxbridge::listen::{Accepted, Bind, ListenOptions, Listener};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;

mod scratch;
mod wire;
use scratch::ScratchDir;
use wire::Client;

#[test]
fn a_descriptor_is_adopted_and_stays_its_owners() {
    let owner = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = owner.local_addr().unwrap();
    // Twice: neither adoption may close what the other uses.
    for _ in 0..2 {
        let listener = adopt(owner.as_raw_fd()).unwrap();
        assert_eq!(listener.local_addr().tcp(), Some(address));
        let mut client = TcpStream::connect(address).unwrap();
        greet(listener);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "hello");
    }
    let _client = TcpStream::connect(address).unwrap();
    owner.set_nonblocking(false).unwrap();
    owner.accept().unwrap();
}

#[test]
fn an_adopted_unix_socket_keeps_its_file() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let owner = UnixListener::bind(&path).unwrap();
    let listener = adopt(owner.as_raw_fd()).unwrap();
    assert_eq!(
        listener.local_addr().to_string(),
        format!("unix:{}", path.display())
    );
    drop(listener);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn servers_that_share_a_socket_all_answer_also_where_an_owner_makes_it_block() {
    let directory = ScratchDir::new();
    let (path, tcp) = (
        directory.join("s"),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let unix = UnixListener::bind(&path).unwrap();
    for blocks in [false, true] {
        // As processes do that were handed the same descriptors.
        let start = |fd: RawFd| {
            let mut builder = Server::builder();
            builder.blocking("/", |w, _| w.write(b"hello")).unwrap();
            builder.bind(Bind::Fd(fd)).start().unwrap()
        };
        let mut servers: Vec<_> = (0..3)
            .flat_map(|_| [start(tcp.as_raw_fd()), start(unix.as_raw_fd())])
            .collect();
        tcp.set_nonblocking(!blocks).unwrap();
        unix.set_nonblocking(!blocks).unwrap();
        while !servers.is_empty() {
            // All of them wake for each client and one gets it; the others have to go on with theirs.
            for _ in 0..10 {
                let address = tcp.local_addr().unwrap();
                let mut all: Vec<Client<Box<dyn Stream>>> = vec![
                    client(TcpStream::connect(address).unwrap()),
                    client(UnixStream::connect(&path).unwrap()),
                ];
                for _ in 0..3 {
                    for client in &mut all {
                        assert_eq!(client.get("/").answer().text(), "hello");
                    }
                }
            }
            servers.truncate(servers.len() - 2);
        }
    }
}

/// A stream of either kind.
trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn client<S: Stream + AsFd + 'static>(stream: S) -> Client<Box<dyn Stream>> {
    let patience = Some(wire::PATIENCE);
    SockRef::from(&stream).set_read_timeout(patience).unwrap();
    Client::over(Box::new(stream))
}

#[test]
fn what_is_not_a_listening_stream_socket_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = File::open("/dev/null").unwrap();
    let wanted = "wanted a TCP or Unix socket that listens";
    for (fd, reason) in [
        (stream.as_raw_fd(), "is a socket that does not listen"),
        (datagrams.as_raw_fd(), "is not a stream socket"),
    ] {
        assert_eq!(
            adopt(fd).unwrap_err(),
            format!("cannot listen on fd:{fd}: descriptor {fd} {reason}; {wanted}")
        );
    }
    for (fd, reason) in [
        (file.as_raw_fd(), "is not a socket ("),
        (RawFd::MAX, "is not open ("),
        (-1, "is not open ("),
    ] {
        let message = adopt(fd).unwrap_err();
        let beginning = format!("cannot listen on fd:{fd}: descriptor {fd} {reason}");
        assert!(message.starts_with(&beginning), "{message}");
        assert!(message.ends_with(wanted), "{message}");
    }
    // Refused, and still whole.
    assert!(stream.peer_addr().is_ok());
}

#[test]
fn systemds_sockets_are_taken_with_their_names() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let unix = UnixListener::bind(&path).unwrap();

    let mut child = activated("child_serves_what_it_was_given", "$$");
    child
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "web:admin")
        .env(
            "EXPECTED",
            format!("web {address}\nadmin unix:{}", path.display()),
        )
        .stdin(OwnedFd::from(tcp))
        .stdout(OwnedFd::from(unix));
    let child = child.spawn().unwrap();

    let client = thread::spawn(move || {
        let mut answers = [String::new(), String::new()];
        let mut tcp = TcpStream::connect(address).unwrap();
        tcp.read_to_string(&mut answers[0]).unwrap();
        let mut unix = UnixStream::connect(&path).unwrap();
        unix.read_to_string(&mut answers[1]).unwrap();
        answers
    });
    // Should the child fail, its end closes the sockets, and so ends the client's wait too.
    let report = finished(child);
    assert!(report.contains("1 passed"), "{report}");
    assert_eq!(client.join().unwrap(), ["hello", "hello"]);
}

#[test]
fn child_serves_what_it_was_given() {
    if !is_child() {
        return;
    }
    let listeners = Bind::Systemd.bind(&ListenOptions::default()).unwrap();
    let given: Vec<String> = listeners
        .iter()
        .map(|listener| format!("{} {}", listener.name().unwrap(), listener.local_addr()))
        .collect();
    assert_eq!(given.join("\n"), env::var("EXPECTED").unwrap());
    for fd in [3, 4] {
        let flags = flags(fd);
        assert_ne!(flags & libc::O_CLOEXEC, 0, "descriptor {fd}: {flags:o}");
        assert_ne!(flags & libc::O_NONBLOCK, 0, "descriptor {fd}: {flags:o}");
    }
    for listener in listeners {
        greet(listener);
    }
}

#[test]
fn activation_that_is_not_for_this_process_is_explained() {
    let not_set = "is not set: this process was not started by socket activation";
    let another = "the sockets are for another one";
    for (pid, count, reason) in [
        (
            "$$",
            Some("0"),
            "LISTEN_FDS is 0: no socket was handed over",
        ),
        ("$$", Some("two"), "LISTEN_FDS is \"two\"; wanted a number"),
        (
            "$$",
            Some("4000000000"),
            "LISTEN_FDS is 4000000000: no process has that many",
        ),
        ("$$", Some("2"), "descriptor 4 is not a socket"),
        ("$$", None, &format!("LISTEN_FDS {not_set}")),
        ("1", Some("1"), another),
        ("me", Some("1"), "LISTEN_PID is \"me\"; wanted a number"),
    ] {
        let mut child = activated("child_is_refused", pid);
        if let Some(count) = count {
            child.env("LISTEN_FDS", count);
        }
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        child.env("EXPECTED", reason).stdin(OwnedFd::from(socket));
        child.stdout(Stdio::null());
        let report = finished(child.spawn().unwrap());
        assert!(report.contains("1 passed"), "{reason}: {report}");
    }
}

#[test]
fn child_is_refused() {
    if !is_child() {
        return;
    }
    let error = Bind::Systemd.bind(&ListenOptions::default()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("cannot listen on systemd: "),
        "{message}"
    );
    assert!(
        message.contains(&env::var("EXPECTED").unwrap()),
        "{message}"
    );
}

/// Whether the test above started this process: the other half of that test runs in the child alone.
fn is_child() -> bool {
    env::var_os("EXPECTED").is_some()
}

fn adopt(fd: RawFd) -> Result<Listener, String> {
    let bound = Bind::Fd(fd).bind(&ListenOptions::default());
    let mut listeners = bound.map_err(|error| error.to_string())?;
    assert_eq!(listeners.len(), 1);
    Ok(listeners.remove(0))
}

/// This program, to run `test` with its stdin and stdout as descriptors 3 and 4. The shell is there
/// because the process's own number, for `LISTEN_PID`, is known only once the process exists.
fn activated(test: &str, pid: &str) -> Command {
    let script = format!(
        "exec 3<&0 4>&1 0</dev/null 1>&2; \
         LISTEN_PID={pid} exec \"$0\" --exact {test} --nocapture"
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_FDNAMES")
        .stderr(Stdio::piped());
    command
}

/// What the child printed, once it has ended.
fn finished(child: std::process::Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Accepts one client and greets it.
fn greet(listener: Listener) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let greeted: io::Result<()> = runtime.block_on(async {
        let listener = listener.into_tokio()?;
        match listener.accept().await?.0 {
            Accepted::Tcp(mut stream) => stream.write_all(b"hello").await,
            Accepted::Unix(mut stream) => stream.write_all(b"hello").await,
        }
    });
    greeted.unwrap();
}

/// The status and descriptor flags of `fd`, as Linux shows them.
fn flags(fd: RawFd) -> i32 {
    let shown = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    let line = shown
        .lines()
        .find(|line| line.starts_with("flags:"))
        .unwrap();
    i32::from_str_radix(line["flags:".len()..].trim(), 8).unwrap()
}
