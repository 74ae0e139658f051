//! Handshakes through memory: which certificates are shown, asked for, replaced and refused.

use std::io;
use std::sync::Arc;

use oxbridge::tls::{ClientAuth, TlsAcceptor, TlsConfig, TlsInfo, TlsVersion};
use rustls::client::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, HandshakeKind};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

mod authority;
mod scratch;
use authority::{Authority, Identity};
use scratch::ScratchDir;

#[tokio::test]
async fn what_was_agreed_on_is_told() {
    let ca = Authority::new("ca");
    let acceptor = config(&ca.server()).build().unwrap();
    for (version, name, code) in [(&TLS13, "TLSv1.3", 0x0304), (&TLS12, "TLSv1.2", 0x0303)] {
        let client = ca.trusting_client(&[version], &["http/1.1", "h2"], None);
        let info = connect(&acceptor, &client).await.unwrap().info;
        assert_eq!((info.version, info.version_code), (name, code));
        // The names of IANA's registry, where TLS 1.3 suites do not name a key exchange.
        let tls13 = info.cipher.starts_with("TLS_AES_") || info.cipher.starts_with("TLS_CHACHA20_");
        assert_eq!(tls13, code == 0x0304, "{}", info.cipher);
        assert!(
            tls13 || info.cipher.starts_with("TLS_ECDHE_"),
            "{}",
            info.cipher
        );
        assert_ne!(info.cipher_code, 0);
        assert_eq!(info.server_name.as_deref(), Some("localhost"));
        // The server's order counts.
        assert_eq!(info.alpn.as_deref(), Some("h2"));
        assert_eq!(info.client_cert, None);
    }
    let client = ca.trusting_client(ALL_VERSIONS, &[], None);
    assert_eq!(connect(&acceptor, &client).await.unwrap().info.alpn, None);
}

#[tokio::test]
async fn the_protocols_offered_can_be_chosen() {
    let ca = Authority::new("ca");
    let acceptor = config(&ca.server()).alpn(["http/1.1"]).build().unwrap();
    let both = ca.trusting_client(ALL_VERSIONS, &["h2", "http/1.1"], None);
    let info = connect(&acceptor, &both).await.unwrap().info;
    assert_eq!(info.alpn.as_deref(), Some("http/1.1"));
    let other = ca.trusting_client(ALL_VERSIONS, &["h2"], None);
    assert!(connect(&acceptor, &other).await.is_err());
}

#[tokio::test]
async fn an_old_version_can_be_refused() {
    let ca = Authority::new("ca");
    let acceptor = config(&ca.server())
        .min_version(TlsVersion::V1_3)
        .build()
        .unwrap();
    let old = ca.trusting_client(&[&TLS12], &[], None);
    assert!(connect(&acceptor, &old).await.is_err());
    let new = ca.trusting_client(&[&TLS13], &[], None);
    connect(&acceptor, &new).await.unwrap();
}

#[tokio::test]
async fn a_reload_is_for_new_connections_and_the_old_ones_go_on() {
    let ca = Authority::new("ca");
    let directory = ScratchDir::new();
    let (first, second) = (ca.server(), ca.server());
    let acceptor = TlsConfig::from_pem_files(
        directory.write("cert.pem", &first.chain),
        directory.write("key.pem", &first.key),
    )
    .build()
    .unwrap();
    let shared = acceptor.clone();
    let mut old = connect(&acceptor, &client_of(&ca)).await.unwrap();
    assert_eq!(old.server_cert, first.der());

    directory.write("cert.pem", &second.chain);
    directory.write("key.pem", &second.key);
    let unseen = connect(&acceptor, &client_of(&ca)).await.unwrap();
    assert_eq!(
        unseen.server_cert,
        first.der(),
        "nothing changes before the reload"
    );

    acceptor.reload().unwrap();
    for acceptor in [&acceptor, &shared] {
        let new = connect(acceptor, &client_of(&ca)).await.unwrap();
        assert_eq!(new.server_cert, second.der());
    }
    old.echo().await.unwrap();
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let ca = Authority::new("ca");
    let directory = ScratchDir::new();
    let (first, second) = (ca.server(), ca.server());
    let acceptor = TlsConfig::from_pem_files(
        directory.write("cert.pem", &first.chain),
        directory.write("key.pem", &first.key),
    )
    .build()
    .unwrap();

    // Half-way through a replacement: the certificate is new, the key is not yet.
    directory.write("cert.pem", &second.chain);
    acceptor.reload().unwrap_err();
    let still = connect(&acceptor, &client_of(&ca)).await.unwrap();
    assert_eq!(still.server_cert, first.der());

    directory.write("key.pem", &second.key);
    acceptor.reload().unwrap();
    let new = connect(&acceptor, &client_of(&ca)).await.unwrap();
    assert_eq!(new.server_cert, second.der());
}

#[tokio::test]
async fn sessions_are_resumed_also_across_a_reload() {
    let ca = Authority::new("ca");
    for version in [&TLS13, &TLS12] {
        let directory = ScratchDir::new();
        let first = ca.server();
        let acceptor = TlsConfig::from_pem_files(
            directory.write("cert.pem", &first.chain),
            directory.write("key.pem", &first.key),
        )
        .build()
        .unwrap();
        let client = ca.trusting_client(&[version], &[], None);
        assert_ne!(
            kind_of_handshake(&acceptor, &client).await,
            HandshakeKind::Resumed
        );
        assert_eq!(
            kind_of_handshake(&acceptor, &client).await,
            HandshakeKind::Resumed
        );

        let second = ca.server();
        directory.write("cert.pem", &second.chain);
        directory.write("key.pem", &second.key);
        acceptor.reload().unwrap();
        assert_eq!(
            kind_of_handshake(&acceptor, &client).await,
            HandshakeKind::Resumed
        );
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_the_authority_that_vouched_for_its_client() {
    let (ca, left) = (Authority::new("ca"), Authority::new("left"));
    let alice = left.client("alice");
    let server = ca.server();
    for version in [&TLS13, &TLS12] {
        let directory = ScratchDir::new();
        let acceptor = config(&server)
            .client_ca_file(directory.write("ca.pem", left.pem()))
            .build()
            .unwrap();
        let client = ca.trusting_client(&[version], &[], Some(&alice));
        assert_ne!(
            kind_of_handshake(&acceptor, &client).await,
            HandshakeKind::Resumed
        );
        let resumed = connect(&acceptor, &client).await.unwrap();
        assert_eq!(resumed.kind, HandshakeKind::Resumed);
        assert_eq!(resumed.info.client_cert.as_deref(), Some(&*alice.der()));

        // The same authorities again: nothing to forget.
        acceptor.reload().unwrap();
        assert_eq!(
            kind_of_handshake(&acceptor, &client).await,
            HandshakeKind::Resumed
        );

        directory.write("ca.pem", ca.pem());
        acceptor.reload().unwrap();
        assert!(connect(&acceptor, &client).await.is_err());
    }
}

#[tokio::test]
async fn a_required_client_certificate_is_checked() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let alice = people.client("alice");
    let stranger = Authority::new("people").client("alice");
    for version in [&TLS13, &TLS12] {
        // Required is what a client CA alone means.
        let acceptor = config(&ca.server())
            .client_ca_bytes(people.pem())
            .build()
            .unwrap();
        let known = ca.trusting_client(&[version], &[], Some(&alice));
        let info = connect(&acceptor, &known).await.unwrap().info;
        assert_eq!(info.client_cert.as_deref(), Some(&*alice.der()));
        for refused in [None, Some(&stranger)] {
            let client = ca.trusting_client(&[version], &[], refused);
            assert!(connect(&acceptor, &client).await.is_err());
        }
    }
}

#[tokio::test]
async fn an_optional_client_certificate_may_be_absent_but_not_false() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let alice = people.client("alice");
    let stranger = Authority::new("people").client("alice");
    let acceptor = config(&ca.server())
        .client_ca_bytes(people.pem())
        .client_auth(ClientAuth::Optional)
        .build()
        .unwrap();
    for version in [&TLS13, &TLS12] {
        for (identity, shown) in [(None, None), (Some(&alice), Some(alice.der().to_vec()))] {
            let client = ca.trusting_client(&[version], &[], identity);
            let info = connect(&acceptor, &client).await.unwrap().info;
            assert_eq!(info.client_cert, shown);
        }
        let client = ca.trusting_client(&[version], &[], Some(&stranger));
        assert!(connect(&acceptor, &client).await.is_err());
    }
}

#[tokio::test]
async fn without_the_policy_no_client_certificate_is_asked_for() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let acceptor = config(&ca.server())
        .client_ca_bytes(people.pem())
        .client_auth(ClientAuth::Off)
        .build()
        .unwrap();
    let alice = people.client("alice");
    let client = ca.trusting_client(ALL_VERSIONS, &[], Some(&alice));
    assert_eq!(
        connect(&acceptor, &client).await.unwrap().info.client_cert,
        None
    );
}

#[test]
fn no_process_wide_provider_is_installed() {
    let acceptor = config(&Authority::new("ca").server()).build().unwrap();
    acceptor.reload().unwrap();
    assert!(CryptoProvider::get_default().is_none());
}

/// Both ends of a connection whose handshake is complete.
struct Connection {
    client: tokio_rustls::client::TlsStream<DuplexStream>,
    server: tokio_rustls::server::TlsStream<DuplexStream>,
    info: TlsInfo,
    server_cert: CertificateDer<'static>,
    kind: HandshakeKind,
}

impl Connection {
    /// Sends a word there and back, which also carries the session tickets of TLS 1.3.
    async fn echo(&mut self) -> io::Result<()> {
        let mut word = [0; 4];
        self.client.write_all(b"ping").await?;
        self.server.read_exact(&mut word).await?;
        self.server.write_all(&word).await?;
        self.client.read_exact(&mut word).await?;
        assert_eq!(&word, b"ping");
        Ok(())
    }
}

/// An error is a handshake that one of both sides refused.
async fn connect(acceptor: &TlsAcceptor, client: &Arc<ClientConfig>) -> io::Result<Connection> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(client));
    let connecting = connector.connect(ServerName::try_from("localhost").unwrap(), near);
    let accepting = tokio_rustls::TlsAcceptor::from(acceptor.current()).accept(far);
    let (client, server) = tokio::try_join!(connecting, accepting)?;
    let shown = client.get_ref().1.peer_certificates().unwrap();
    Ok(Connection {
        info: TlsInfo::from_connection(server.get_ref().1),
        server_cert: shown[0].clone().into_owned(),
        kind: server.get_ref().1.handshake_kind().unwrap(),
        client,
        server,
    })
}

async fn kind_of_handshake(acceptor: &TlsAcceptor, client: &Arc<ClientConfig>) -> HandshakeKind {
    let mut connection = connect(acceptor, client).await.unwrap();
    connection.echo().await.unwrap();
    connection.kind
}

fn config(server: &Identity) -> TlsConfig {
    TlsConfig::from_pem_bytes(server.chain.as_str(), server.key.as_str())
}

/// A client that has no session to resume.
fn client_of(ca: &Authority) -> Arc<ClientConfig> {
    ca.trusting_client(ALL_VERSIONS, &[], None)
}
