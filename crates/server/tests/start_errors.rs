//! Why a server does not start, and that nothing of it is left then.

mod scratch;

use std::error::Error as _;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use oxbridge::{Server, StartError};
use scratch::ScratchDir;

#[test]
fn an_address_in_use_is_named_with_the_system_s_number() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for driven in [false, true] {
        let error = start(&[&address.to_string()], driven).unwrap_err();
        let bind = error.bind().expect("it is about an address");
        assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
        assert_eq!(bind.raw_os_error(), error.raw_os_error());
        assert_eq!(error.to_string(), bind.to_string());
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let source = error
            .source()
            .and_then(|source| source.downcast_ref::<std::io::Error>())
            .expect("the system's own error");
        assert_eq!(source.kind(), ErrorKind::AddrInUse);
    }
}

#[test]
fn what_is_no_address_here_is_an_error_of_that_address() {
    let directory = ScratchDir::new();
    let long = format!("unix:{}", directory.join(&"long".repeat(50)).display());
    let file = directory.write("file", "");
    let below = format!("unix:{}/socket", file.display());
    for (address, number) in [
        // TEST-NET-1 (RFC 5737): nobody's own.
        ("192.0.2.1:0", Some(libc::EADDRNOTAVAIL)),
        (&below, Some(libc::ENOTDIR)),
        (&long, None),
        ("fd:999", Some(libc::EBADF)),
    ] {
        let error = start(&[address], false).unwrap_err();
        assert!(error.bind().is_some(), "{error}");
        assert!(error.to_string().contains(address), "{error}");
        if number.is_some() {
            assert_eq!(error.raw_os_error(), number, "{error}");
        }
    }
}

#[test]
fn nothing_stays_bound_after_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = ScratchDir::new();
    let socket = directory.join("socket");
    let free: SocketAddr = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let addresses = [
        format!("unix:{}", socket.display()),
        free.to_string(),
        taken.local_addr().unwrap().to_string(),
    ];
    let error = start(&addresses.each_ref().map(String::as_str), false).unwrap_err();
    assert!(error.to_string().contains(&addresses[2]), "{error}");
    assert!(!socket.exists());
    let refused = TcpStream::connect(free).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_handlers_of_a_server_that_did_not_start_are_dropped() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut builder = Server::builder();
    for n in 0..5 {
        let count = Count(dropped.clone());
        let handler = move |_| {
            let _kept = &count;
        };
        builder
            .blocking_exchange(&format!("/{n}"), handler, "here".into())
            .unwrap();
    }
    builder.bind(address.parse().unwrap()).start().unwrap_err();
    assert_eq!(dropped.load(SeqCst), 5);
}

fn start(addresses: &[&str], driven: bool) -> Result<Server, StartError> {
    let mut builder = Server::builder().driven(driven);
    for address in addresses {
        builder = builder.bind(address.parse().unwrap());
    }
    builder.start()
}
