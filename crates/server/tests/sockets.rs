//! Servers on sockets other than one TCP port, and TLS in front of them.

mod authority;
mod gate;
mod scratch;
mod wire;

use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use authority::Authority;
use gate::eventually;
use http::Response;
use oxbridge::listen::{Bind, LocalAddr, PeerAddr};
use oxbridge::tls::{ClientAuth, TlsConfig};
use oxbridge::{Body, Builder, Request, Server};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use scratch::ScratchDir;
use wire::{Client, PATIENCE};

#[test]
fn a_unix_socket_serves_and_its_file_goes_with_the_server() {
    let scratch = ScratchDir::new();
    let path = scratch.join("s");
    let server = describing().bind(Bind::Unix(path.clone())).start().unwrap();
    assert_eq!(server.addresses(), [LocalAddr::Unix(Some(path.clone()))]);
    assert_eq!(server.url(), None, "no URL reaches it");
    let mut client = Client::over(UnixStream::connect(&path).unwrap());
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..2 {
        let answer = client.get("/").answer();
        assert_eq!(answer.text(), format!("http unix: unix:{}", path.display()));
    }
    drop(client);
    assert!(server.stop(PATIENCE));
    eventually("the file is gone", || !path.exists());
}

#[test]
fn an_inherited_socket_serves() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = describing()
        .bind(Bind::Fd(socket.as_raw_fd()))
        .start()
        .unwrap();
    assert_eq!(server.addresses()[0].tcp(), Some(address));
    assert!(
        Client::of(&server)
            .get("/")
            .answer()
            .text()
            .ends_with(&address.to_string())
    );
    assert!(server.stop(PATIENCE));
    // It is still ours: the next server goes on where that one stopped.
    let mut waiting = Client::to(address);
    waiting.get("/");
    let server = describing()
        .bind(Bind::Fd(socket.as_raw_fd()))
        .start()
        .unwrap();
    assert!(waiting.answer().text().ends_with(&address.to_string()));
    drop(waiting);
    assert!(server.stop(PATIENCE));
}

#[test]
fn one_socket_serves_both_families() {
    let server = describing().bind(":0".parse().unwrap()).start().unwrap();
    let port = server.addresses()[0].tcp().unwrap().port();
    for host in ["127.0.0.1", "::1"] {
        let Ok(stream) = TcpStream::connect((host, port)) else {
            assert_eq!(host, "::1", "IPv4 is everywhere");
            continue;
        };
        let local = stream.local_addr().unwrap();
        let mut client = Client::over(stream);
        // An IPv4 client is one, also on a socket for both.
        assert!(
            client
                .get("/")
                .answer()
                .text()
                .starts_with(&format!("http {local} ")),
            "{host}"
        );
    }
    let url = server.url().unwrap();
    assert!(
        url == format!("http://[::1]:{port}") || url == format!("http://127.0.0.1:{port}"),
        "{url}"
    );
}

#[test]
fn several_addresses_serve_at_once() {
    let scratch = ScratchDir::new();
    let path = scratch.join("s");
    let builder = describing().bind(Bind::Unix(path.clone()));
    let any: Bind = "127.0.0.1:0".parse().unwrap();
    let server = builder
        .bind(any.clone())
        .bind(any)
        .reactors(2)
        .start()
        .unwrap();
    let ports: Vec<_> = server
        .addresses()
        .iter()
        .filter_map(LocalAddr::tcp)
        .collect();
    assert_eq!((server.addresses().len(), ports.len()), (3, 2));
    assert_eq!(server.url(), Some(format!("http://{}", ports[0])));
    for port in ports {
        assert!(
            Client::to(port)
                .get("/")
                .answer()
                .text()
                .ends_with(&port.to_string())
        );
    }
    let mut client = Client::over(UnixStream::connect(&path).unwrap());
    assert!(client.get("/").answer().text().contains("unix:"));
}

#[test]
fn a_reload_is_seen_by_the_next_connection() {
    let scratch = ScratchDir::new();
    let (old, new) = (Authority::new("the old one"), Authority::new("the new one"));
    let identity = old.server();
    let chain = scratch.write("chain.pem", identity.chain);
    let key = scratch.write("key.pem", identity.key);
    let server = serve(describing().tls(TlsConfig::from_pem_files(&chain, &key).build().unwrap()));
    assert_eq!(
        server.url(),
        Some(format!("https://{}", server.addresses()[0]))
    );
    let trusting = |authority: &Authority| {
        authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], None)
    };
    let mut client = over_tls(&server, trusting(&old));
    assert!(client.get("/").answer().text().starts_with("https "));

    // What cannot be read changes nothing.
    scratch.write("chain.pem", "nonsense");
    server.reload_tls().unwrap_err();
    assert!(
        over_tls(&server, trusting(&old))
            .get("/")
            .answer()
            .text()
            .starts_with("https ")
    );

    let identity = new.server();
    scratch.write("chain.pem", identity.chain);
    scratch.write("key.pem", identity.key);
    server.reload_tls().unwrap();
    assert!(
        over_tls(&server, trusting(&new))
            .get("/")
            .answer()
            .text()
            .starts_with("https ")
    );
    over_tls(&server, trusting(&old))
        .try_send("GET / HTTP/1.1\r\n")
        .unwrap_err();
    assert!(
        client.get("/").answer().text().starts_with("https "),
        "an open connection goes on"
    );
}

#[test]
fn a_handler_sees_the_clients_certificate() {
    let authority = Authority::new("everybody's");
    let identity = authority.server();
    let tls =
        TlsConfig::from_pem_bytes(identity.chain, identity.key).client_ca_bytes(authority.pem());
    let mut builder = Server::builder();
    builder
        .blocking("/", |w, r| {
            let shown = r.tls().is_some_and(|tls| tls.client_cert.is_some());
            w.write(if shown { b"known" } else { b"nobody" })
        })
        .unwrap();
    let server = serve(builder.tls(tls.client_auth(ClientAuth::Optional).build().unwrap()));
    let known = authority.client("a client");
    for (identity, wanted) in [(Some(&known), "known"), (None, "nobody")] {
        let config = authority.trusting_client(rustls::ALL_VERSIONS, &["http/1.1"], identity);
        assert_eq!(over_tls(&server, config).get("/").answer().text(), wanted);
    }
}

#[test]
fn a_reload_without_tls_is_nothing() {
    serve(describing()).reload_tls().unwrap();
}

fn over_tls(
    server: &Server,
    config: Arc<ClientConfig>,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let tcp = TcpStream::connect(server.addresses()[0].tcp().unwrap()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let tls = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    Client::over(StreamOwned::new(tls, tcp))
}

/// Answers with what it knows of the connection.
fn describing() -> Builder {
    let mut builder = Server::builder();
    builder
        .route("/", |r: Request| async move {
            let peer = match r.peer() {
                PeerAddr::Tcp(address) => address.to_string(),
                other => other.to_string(),
            };
            Response::new(Body::from(format!("{} {peer} {}", r.scheme(), r.local())))
        })
        .unwrap();
    builder
}

fn serve(builder: Builder) -> Server {
    builder
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}
