//! Unix sockets: whose file it is, and which files are left alone.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;

use oxbridge::listen::{Accepted, Bind, BindError, ListenOptions, Listener, LocalAddr, PeerAddr};
use tokio::io::AsyncWriteExt;

mod scratch;
use scratch::ScratchDir;

#[test]
fn a_client_is_accepted_and_the_file_removed_with_the_last_clone() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let listener = bind(&path).unwrap();
    assert_eq!(listener.local_addr(), &LocalAddr::Unix(Some(path.clone())));
    assert_eq!(
        listener.local_addr().to_string(),
        format!("unix:{}", path.display())
    );

    let clone = listener.try_clone().unwrap();
    assert_eq!(
        greeting(listener, || UnixStream::connect(&path).unwrap()),
        "hello"
    );
    assert!(path.exists(), "a clone still listens");
    drop(clone);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file behind");
    let listener = bind(&path).unwrap();
    assert_eq!(
        greeting(listener, || UnixStream::connect(&path).unwrap()),
        "hello"
    );
}

#[test]
fn a_socket_in_use_is_left_alone() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let other = UnixListener::bind(&path).unwrap();
    let error = bind(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on unix:{}: address already in use: a process listens on that socket",
            path.display()
        )
    );
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    UnixStream::connect(&path).unwrap();
    drop(other);
}

#[test]
fn a_datagram_socket_in_use_is_left_alone() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let other = UnixDatagram::bind(&path).unwrap();
    assert_eq!(bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    UnixDatagram::unbound()
        .unwrap()
        .send_to(b"x", &path)
        .unwrap();
    drop(other);
}

#[test]
fn a_file_that_is_not_a_socket_is_left_alone() {
    let directory = ScratchDir::new();
    let file = directory.write("file", "precious");
    let folder = directory.join("folder");
    fs::create_dir(&folder).unwrap();
    let link = directory.join("link");
    symlink(&file, &link).unwrap();
    for path in [&file, &folder, &link] {
        let error = bind(path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on unix:{}: a file of that name exists and is not a socket; \
                 it was left as it is",
                path.display()
            )
        );
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
    assert!(folder.is_dir());
}

#[test]
fn a_file_that_took_the_place_of_ours_is_not_removed() {
    let directory = ScratchDir::new();
    let path = directory.join("s");
    let listener = bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let successor = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    drop(listener);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    drop(successor);
}

#[test]
fn the_file_gets_the_mode_that_was_asked_for() {
    let directory = ScratchDir::new();
    for mode in [0o600, 0o660, 0o777] {
        let path = directory.join("s");
        let options = ListenOptions {
            unix_mode: Some(mode),
            ..ListenOptions::default()
        };
        let listeners = Bind::Unix(path.clone()).bind(&options).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            mode
        );
        drop(listeners);
        assert!(!path.exists());
    }
}

#[test]
fn a_path_that_cannot_be_is_explained() {
    let directory = ScratchDir::new();
    let absent = directory.join("no").join("s");
    let error = bind(&absent).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": its directory does not exist"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);

    let long = directory.join(&"x".repeat(200));
    let error = bind(&long).unwrap_err();
    let length = long.as_os_str().len();
    let wanted = format!(": its path is {length} bytes long; at most 107 fit");
    assert!(error.to_string().ends_with(&wanted), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_needs_no_file() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("oxb-{}", std::process::id());
    let bind: Bind = format!("unix:@{name}").parse().unwrap();
    let mut listeners = bind.bind(&ListenOptions::default()).unwrap();
    let listener = listeners.pop().unwrap();
    assert_eq!(listener.local_addr().to_string(), format!("unix:@{name}"));
    assert!(!Path::new(&format!("@{name}")).exists());

    let error = bind.bind(&ListenOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on unix:@{name}: address already in use")
    );
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let connect = || UnixStream::connect_addr(&address).unwrap();
    assert_eq!(greeting(listener, connect), "hello");
}

fn bind(path: &Path) -> Result<Listener, BindError> {
    let mut listeners = Bind::Unix(path.to_owned()).bind(&ListenOptions::default())?;
    assert_eq!(listeners.len(), 1);
    Ok(listeners.remove(0))
}

/// What a client reads that connects while `listener` accepts and greets one.
fn greeting(listener: Listener, connect: impl FnOnce() -> UnixStream) -> String {
    let mut client = connect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = listener.into_tokio().unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, PeerAddr::Unix(None));
        let Accepted::Unix(mut stream) = accepted else {
            panic!("{accepted:?}");
        };
        stream.write_all(b"hello").await.unwrap();
    });
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}
