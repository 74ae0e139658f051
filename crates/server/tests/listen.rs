//! Addresses as users write them, and TCP sockets bound to them.

use std::io::{self, ErrorKind, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use oxbridge::listen::{
    Accepted, Bind, BindError, ListenOptions, Listener, PeerAddr, is_exhausted, is_transient,
};
use tokio::io::AsyncWriteExt;

#[test]
fn every_text_in_the_table_is_read_as_it_says() {
    let mut rows = 0;
    for line in include_str!("data/listen_addresses.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut columns = line.splitn(3, " ->").map(str::trim);
        let mut column = || columns.next().unwrap().replace("<empty>", "");
        let (text, kind, parts) = (column(), column(), column());
        let wanted = match kind.as_str() {
            "tcp" => {
                let (host, port) = parts.rsplit_once(' ').unwrap_or(("", &parts));
                Ok(Bind::Tcp {
                    host: host.to_owned(),
                    port: port.parse().unwrap(),
                })
            }
            "unix" => Ok(Bind::Unix(parts.into())),
            "fd" => Ok(Bind::Fd(parts.parse().unwrap())),
            "systemd" => Ok(Bind::Systemd),
            "error" => Err(parts),
            _ => panic!("{line}"),
        };
        match (text.parse::<Bind>(), wanted) {
            (Ok(bind), Ok(wanted)) => {
                assert_eq!(bind, wanted, "{line}");
                assert_eq!(bind.to_string(), text, "{line}");
            }
            (Err(error), Err(fault)) => {
                let message = error.to_string();
                assert!(message.contains(&fault), "{line}: {message}");
                assert!(
                    message.starts_with(&format!("{text:?} ")),
                    "{line}: {message}"
                );
                assert!(
                    message.contains("wanted \"host:port\""),
                    "{line}: {message}"
                );
            }
            (got, _) => panic!("{line}: {got:?}"),
        }
        rows += 1;
    }
    assert!(rows > 40);
}

#[test]
fn a_socket_address_becomes_the_same_bind() {
    for text in ["127.0.0.1:80", "[::1]:80"] {
        let address: SocketAddr = text.parse().unwrap();
        assert_eq!(Bind::from(address), text.parse().unwrap());
    }
}

#[test]
fn ipv4_accepts_and_tells_who_came() {
    let [listener] = bind("127.0.0.1:0");
    let address = listener.local_addr().tcp().unwrap();
    assert_ne!(address.port(), 0);
    assert_eq!(
        listener.local_addr().to_string(),
        format!("127.0.0.1:{}", address.port())
    );
    let (client, peer) = exchange(listener, address);
    assert_eq!(peer, PeerAddr::Tcp(client));
    assert_eq!(peer.to_string(), client.to_string());
}

#[test]
fn ipv6_accepts_and_tells_who_came() {
    if !has_ipv6() {
        let error = "[::1]:0"
            .parse::<Bind>()
            .unwrap()
            .bind(&ListenOptions::default());
        assert!(error.is_err());
        return;
    }
    let [listener] = bind("[::1]:0");
    let address = listener.local_addr().tcp().unwrap();
    assert_eq!(
        listener.local_addr().to_string(),
        format!("[::1]:{}", address.port())
    );
    let (client, peer) = exchange(listener, address);
    assert_eq!(peer, PeerAddr::Tcp(client));
}

#[test]
fn no_host_means_both_families() {
    for text in [":0", "*:0"] {
        let [listener] = bind(text);
        let port = listener.local_addr().tcp().unwrap().port();
        let clone = listener.try_clone().unwrap();
        let (client, peer) = exchange(listener, (Ipv4Addr::LOCALHOST, port).into());
        // Not as `::ffff:127.0.0.1`.
        assert_eq!(peer, PeerAddr::Tcp(client));
        if has_ipv6() {
            let (client, peer) = exchange(clone, (Ipv6Addr::LOCALHOST, port).into());
            assert_eq!(peer, PeerAddr::Tcp(client));
        }
    }
}

#[test]
fn v6_only_refuses_ipv4() {
    if !has_ipv6() {
        return;
    }
    let options = ListenOptions {
        v6_only: Some(true),
        ..ListenOptions::default()
    };
    let listeners = "[::]:0".parse::<Bind>().unwrap().bind(&options).unwrap();
    let port = listeners[0].local_addr().tcp().unwrap().port();
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
}

#[test]
fn a_name_listens_on_all_its_addresses_at_one_port() {
    let mut names: Vec<_> = ("localhost", 0).to_socket_addrs().unwrap().collect();
    names.sort();
    names.dedup();
    if !has_ipv6() {
        names.retain(SocketAddr::is_ipv4);
    }
    let listeners = "localhost:0".parse::<Bind>().unwrap();
    let listeners = listeners.bind(&ListenOptions::default()).unwrap();
    let mut bound: Vec<_> = listeners
        .iter()
        .map(|l| l.local_addr().tcp().unwrap())
        .collect();
    bound.sort();
    let port = bound[0].port();
    assert_ne!(port, 0);
    for name in &mut names {
        name.set_port(port);
    }
    assert_eq!(bound, names);
}

#[test]
fn a_port_in_use_is_named() {
    let [taken] = bind("127.0.0.1:0");
    let text = taken.local_addr().to_string();
    let error = failure(&text);
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {text}: address already in use")
    );
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    assert_eq!(error.address(), text);
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<io::Error>().is_some());

    let port = taken.local_addr().tcp().unwrap().port();
    let error = failure(&format!("localhost:{port}"));
    assert_eq!(
        error.to_string(),
        format!("cannot listen on localhost:{port} (127.0.0.1:{port}): address already in use")
    );
    let error = failure(&format!("*:{port}"));
    assert_eq!(
        error.to_string(),
        format!("cannot listen on *:{port}: address already in use")
    );
}

#[test]
fn a_foreign_address_and_an_unknown_host_are_named() {
    // 192.0.2.0/24 is TEST-NET-1 (RFC 5737). A name with an empty label is not even looked up.
    assert_eq!(
        failure("192.0.2.1:0").to_string(),
        "cannot listen on 192.0.2.1:0: no interface of this machine has that address"
    );
    let error = failure("no..host:80");
    let message = error.to_string();
    let wanted = "cannot listen on no..host:80: no address found for host \"no..host\"";
    assert!(message.starts_with(wanted), "{message}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn with_reuse_port_two_listeners_share_a_port_and_without_they_do_not() {
    let shared = ListenOptions {
        reuse_port: true,
        ..ListenOptions::default()
    };
    let first = "127.0.0.1:0"
        .parse::<Bind>()
        .unwrap()
        .bind(&shared)
        .unwrap();
    let same: Bind = first[0].local_addr().to_string().parse().unwrap();
    same.bind(&shared).unwrap();
    let error = same.bind(&ListenOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[test]
fn the_port_is_free_again_when_the_last_clone_is_dropped() {
    // An address of its own, so that no other test is given the port in between.
    let [listener] = bind("127.0.0.77:0");
    let address = listener.local_addr().tcp().unwrap();
    let clone = listener.try_clone().unwrap();
    drop(listener);
    TcpStream::connect(address).unwrap();
    drop(clone);
    TcpListener::bind(address).unwrap();
}

#[test]
fn outside_a_runtime_is_an_error_and_not_a_panic() {
    let [listener] = bind("127.0.0.1:0");
    assert!(listener.into_tokio().is_err());
}

#[test]
fn accept_errors_are_told_apart() {
    let told = |code| {
        let error = io::Error::from_raw_os_error(code);
        (is_transient(&error), is_exhausted(&error))
    };
    for at_once in [
        libc::ECONNABORTED,
        libc::EINTR,
        libc::EPROTO,
        libc::ENETDOWN,
    ] {
        assert_eq!(told(at_once), (true, false), "{at_once}");
    }
    for later in [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::EPERM,
    ] {
        assert_eq!(told(later), (true, true), "{later}");
    }
    for broken in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EOPNOTSUPP] {
        assert_eq!(told(broken), (false, false), "{broken}");
    }
    let ours = io::Error::other("not from the system");
    assert!(!is_transient(&ours) && !is_exhausted(&ours));
}

fn bind<const N: usize>(text: &str) -> [Listener; N] {
    let listeners = text
        .parse::<Bind>()
        .unwrap()
        .bind(&ListenOptions::default())
        .unwrap();
    listeners.try_into().unwrap()
}

fn failure(text: &str) -> BindError {
    text.parse::<Bind>()
        .unwrap()
        .bind(&ListenOptions::default())
        .unwrap_err()
}

/// A client connects to `address` and reads what the accepting side writes. Returns the client's own
/// address and whom the accepting side took it for.
fn exchange(listener: Listener, address: SocketAddr) -> (SocketAddr, PeerAddr) {
    let mut client = TcpStream::connect(address).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let peer = runtime.block_on(async {
        let listener = listener.into_tokio().unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        let Accepted::Tcp(mut stream) = accepted else {
            panic!("{accepted:?}");
        };
        assert!(stream.nodelay().unwrap());
        stream.write_all(b"hello").await.unwrap();
        peer
    });
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hello");
    (client.local_addr().unwrap(), peer)
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
