//! Locked keys, names, revocation, cipher suites: what a configuration of TLS may say, in handshakes
//! through memory, and what is said of it where it is wrong.

mod authority;
mod scratch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use authority::{Authority, Identity};
use oxbridge::tls::{TlsAcceptor, TlsConfig, TlsError, TlsInfo, TlsPart, TlsProblem, TlsVersion};
use rcgen::KeyPair;
use rustls::ALL_VERSIONS;
use rustls::client::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::{CertificateDer, ServerName};
use scratch::ScratchDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

// Locked keys

const PASSWORD: &str = "open-sesame";

#[test]
fn a_locked_key_is_unlocked_by_its_password() {
    for name in ["aes256", "aes128-sha512", "aes256-sha1", "des3", "scrypt"] {
        // That the key fits the certificate is checked.
        locked(name).key_password(PASSWORD).build().unwrap();
        let error = locked(name).key_password("close").build().unwrap_err();
        said(&error, name, TlsProblem::WrongPassword);
        let error = locked(name).key_password("").build().unwrap_err();
        said(&error, name, TlsProblem::WrongPassword);
        let error = locked(name).build().unwrap_err();
        said(&error, name, TlsProblem::EncryptedKey);
    }
    for password in [Some(PASSWORD), None] {
        let with = |config: TlsConfig| match password {
            Some(password) => config.key_password(password),
            None => config,
        };
        let error = with(locked("traditional")).build().unwrap_err();
        said(&error, "traditional", TlsProblem::OldEncryptedKey);
    }
    let error = locked("pbes1").key_password(PASSWORD).build().unwrap_err();
    said(&error, "pbes1", TlsProblem::UnknownEncryption);
}

#[test]
fn what_is_said_of_locked_keys_is_one_sentence() {
    let file = |name: &str| data(name).display().to_string();
    for (name, password, words) in [
        (
            "aes256",
            None,
            "it is locked with a password, and none was given",
        ),
        ("aes256", Some("x"), "the password does not unlock it ("),
        (
            "traditional",
            Some(PASSWORD),
            "it is locked in OpenSSL's old form; wanted PKCS#8 (`openssl pkcs8 -topk8` makes it)",
        ),
    ] {
        let mut config = locked(name);
        if let Some(password) = password {
            config = config.key_password(password);
        }
        let error = config.build().unwrap_err().to_string();
        let expected = format!("private key {}: {words}", file(name));
        assert!(error.starts_with(&expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_password_does_nothing_to_a_key_that_is_not_locked_and_is_not_shown() {
    let server = Authority::new("ca").server();
    let config = config(&server).key_password("very secret");
    let shown = format!("{config:?}{:?}", config.clone().build().unwrap());
    assert!(!shown.contains("very secret"), "{shown}");
    assert!(!shown.contains("118, 101, 114, 121"), "{shown}");
}

#[test]
fn a_broken_locked_key_is_told_from_a_wrong_password() {
    let directory = ScratchDir::new();
    let whole = std::fs::read_to_string(data("aes256")).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let no_end = lines[..lines.len() - 1].join("\n");
    let no_base64 = whole.replacen("MIH", "M~H", 1);
    assert_ne!(no_base64, whole);
    let block = |content: &str| {
        format!(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{content}\n-----END ENCRYPTED PRIVATE KEY-----\n"
        )
    };
    for (text, problem) in [
        (no_end, TlsProblem::NotPem),
        (no_base64, TlsProblem::NotPem),
        (block(""), TlsProblem::UnknownEncryption),
        (block("MAA="), TlsProblem::UnknownEncryption),
        (whole.replace('\n', "\r\n"), TlsProblem::WrongPassword),
    ] {
        let key = directory.write("key.pem", &text);
        let config = TlsConfig::from_pem_files(data("cert"), &key).key_password("x");
        assert_eq!(config.build().unwrap_err().problem(), &problem, "{text}");
    }
}

#[test]
fn a_locked_key_may_stand_behind_its_chain_in_one_file() {
    let directory = ScratchDir::new();
    let both = [data("cert"), data("aes256")].map(|part| std::fs::read_to_string(part).unwrap());
    let both = directory.write("both.pem", both.concat());
    let acceptor = TlsConfig::from_pem_files(&both, &both).key_password(PASSWORD);
    acceptor.build().unwrap().reload().unwrap();
}

// Names

#[tokio::test]
async fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let ca = Authority::new("ca");
    let first = ca.server_of(&["localhost", "first.example"], None);
    let second = ca.server_of(&["second.example", "Alias.Example"], None);
    let wild = ca.server_of(&["*.wild.example", "second.example"], None);
    let exact = ca.server_of(&["exact.wild.example"], None);
    let acceptor = config(&first)
        .also_pem_bytes(second.chain.as_str(), second.key.as_str())
        .also_pem_bytes(wild.chain.as_str(), wild.key.as_str())
        .also_pem_bytes(exact.chain.as_str(), exact.key.as_str())
        .build()
        .unwrap();
    for (name, shown) in [
        ("localhost", &first),
        ("first.example", &first),
        ("second.example", &second),
        ("SECOND.example", &second),
        ("alias.example", &second),
        ("a.wild.example", &wild),
        ("exact.wild.example", &exact),
        // Of nobody: the first, which the client will not like.
        ("a.b.wild.example", &first),
        ("wild.example", &first),
        ("other.example", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(shown_to(&acceptor, name, None).await, shown.der(), "{name}");
    }
}

#[tokio::test]
async fn of_two_certificates_for_a_name_the_client_is_shown_one_that_it_can_verify() {
    let ca = Authority::new("ca");
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let modern = ca.server_of(&["both.example"], Some(ed25519));
    let usual = ca.server_of(&["both.example"], None);
    let first = ca.server();
    let acceptor = config(&first)
        .also_pem_bytes(modern.chain.as_str(), modern.key.as_str())
        .also_pem_bytes(usual.chain.as_str(), usual.key.as_str())
        .build()
        .unwrap();
    let name = "both.example";
    assert_eq!(shown_to(&acceptor, name, None).await, modern.der());
    let only = rustls::SignatureScheme::ECDSA_NISTP256_SHA256;
    assert_eq!(shown_to(&acceptor, name, Some(only)).await, usual.der());
}

#[tokio::test]
async fn a_reload_reads_every_pair_again() {
    let ca = Authority::new("ca");
    let directory = ScratchDir::new();
    let pair = |name: &str, identity: &Identity| {
        (
            directory.write(&format!("{name}.pem"), &identity.chain),
            directory.write(&format!("{name}.key"), &identity.key),
        )
    };
    let (chain, key) = pair("first", &ca.server());
    let old = ca.server_of(&["second.example"], None);
    let (other_chain, other_key) = pair("second", &old);
    let acceptor = TlsConfig::from_pem_files(chain, key)
        .also_pem_files(&other_chain, &other_key)
        .build()
        .unwrap();
    assert_eq!(shown_to(&acceptor, "second.example", None).await, old.der());

    let new = ca.server_of(&["second.example", "third.example"], None);
    directory.write("second.pem", &new.chain);
    let error = acceptor.reload().unwrap_err();
    assert_eq!(error.file(), Some(&*other_key));
    let problem = TlsProblem::KeyMismatch(other_chain.display().to_string());
    assert_eq!(error.problem(), &problem);
    assert_eq!(shown_to(&acceptor, "second.example", None).await, old.der());

    directory.write("second.key", &new.key);
    acceptor.reload().unwrap();
    for name in ["second.example", "third.example"] {
        assert_eq!(shown_to(&acceptor, name, None).await, new.der());
    }
}

#[test]
fn what_is_wrong_with_another_pair_names_its_file() {
    let ca = Authority::new("ca");
    let directory = ScratchDir::new();
    let nameless = ca.server_of(&[], None);
    let chain = directory.write("nameless.pem", &nameless.chain);
    let key = directory.write("nameless.key", &nameless.key);
    let error = config(&ca.server())
        .also_pem_files(&chain, &key)
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "certificate {}: it names no host (subject alternative name), so no client would be shown it",
            chain.display()
        )
    );
    let absent = directory.join("absent");
    let error = config(&ca.server())
        .also_pem_files(&absent, &key)
        .build()
        .unwrap_err();
    assert_eq!(
        (error.part(), error.file(), error.problem()),
        (TlsPart::Chain, Some(&*absent), &TlsProblem::Unreadable)
    );
    let error = config(&ca.server()).also_pem_files(data("cert"), data("aes256"));
    said(
        &error.build().unwrap_err(),
        "aes256",
        TlsProblem::EncryptedKey,
    );
}

// Revocation

#[tokio::test]
async fn a_revoked_client_is_refused_from_the_reload_on_that_brings_the_list() {
    let (ca, people) = (Authority::new("ca"), Authority::new("people"));
    let (alice, bob) = (people.numbered_client(1), people.numbered_client(2));
    let server = ca.server();
    for version in [&TLS13, &TLS12] {
        let directory = ScratchDir::new();
        let list = directory.write("crl.pem", people.revoking(&[1], 2200));
        let acceptor = config(&server)
            .client_ca_bytes(people.pem())
            .client_crl_file(&list)
            .build()
            .unwrap();
        let of = |identity| ca.trusting_client(&[version], &[], Some(identity));
        let (alices, bobs) = (of(&alice), of(&bob));
        connect(&acceptor, &alices, "localhost").await.unwrap_err();
        let info = connect(&acceptor, &bobs, "localhost").await.unwrap().0;
        assert_eq!(info.client_cert.as_deref(), Some(&*bob.der()));

        // Bob has a session now, and must not get in with that either.
        directory.write("crl.pem", people.revoking(&[2], 2200));
        acceptor.reload().unwrap();
        connect(&acceptor, &bobs, "localhost").await.unwrap_err();
        connect(&acceptor, &alices, "localhost").await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_no_list_vouches_for_is_refused() {
    let (ca, people, others) = (
        Authority::new("ca"),
        Authority::new("people"),
        Authority::new("others"),
    );
    let alice = people.numbered_client(1);
    let client = ca.trusting_client(ALL_VERSIONS, &[], Some(&alice));
    let with = |lists: &[String]| {
        let config = config(&ca.server()).client_ca_bytes(people.pem() + &others.pem());
        let add = |config: TlsConfig, list: &String| config.client_crl_bytes(list.as_str());
        lists.iter().fold(config, add).build().unwrap()
    };
    let (fresh, stale) = (people.revoking(&[], 2200), people.revoking(&[], 2021));
    let strange = others.revoking(&[1], 2200);
    for (lists, good) in [
        (vec![], true),
        (vec![fresh.clone()], true),
        (vec![strange.clone(), fresh.clone()], true),
        (vec![strange.clone() + &fresh], true),
        (vec![stale], false),
        (vec![strange], false),
    ] {
        let outcome = connect(&with(&lists), &client, "localhost").await;
        assert_eq!(outcome.is_ok(), good, "{}", lists.len());
    }
}

#[test]
fn what_is_wrong_with_a_list_names_its_file() {
    let ca = Authority::new("ca");
    let directory = ScratchDir::new();
    let block =
        |content: &str| format!("-----BEGIN X509 CRL-----\n{content}\n-----END X509 CRL-----\n");
    for (text, problem) in [
        (None, TlsProblem::Unreadable),
        (Some(String::new()), TlsProblem::NoCrl),
        (Some(ca.pem()), TlsProblem::NoCrl),
        (Some(block("~")), TlsProblem::NotPem),
        (Some(block("MAA=")), TlsProblem::BadCrl),
    ] {
        let file = match &text {
            Some(text) => directory.write("crl.pem", text),
            None => directory.join("absent"),
        };
        let config = config(&ca.server())
            .client_ca_bytes(ca.pem())
            .client_crl_file(&file);
        let error = config.build().unwrap_err();
        assert_eq!(
            (error.part(), error.file(), error.problem()),
            (TlsPart::ClientCrl, Some(&*file), &problem)
        );
        let beginning = format!("revocation list {}: {problem}", file.display());
        assert!(error.to_string().starts_with(&beginning), "{error}");
    }
}

// Cipher suites

#[tokio::test]
async fn only_the_suites_that_are_named_are_agreed_on() {
    let ca = Authority::new("ca");
    let server = ca.server();
    let client = |version| ca.trusting_client(&[version], &[], None);
    for (names, version, agreed) in [
        (
            "TLS13_AES_128_GCM_SHA256",
            &TLS13,
            Some("TLS_AES_128_GCM_SHA256"),
        ),
        (
            "TLS_CHACHA20_POLY1305_SHA256",
            &TLS13,
            Some("TLS_CHACHA20_POLY1305_SHA256"),
        ),
        (
            "tls_aes_128_gcm_sha256, TLS_AES_256_GCM_SHA384",
            &TLS13,
            Some("TLS_AES_128_GCM_SHA256"),
        ),
        (
            "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256",
            &TLS12,
            Some("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ),
        (
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            &TLS12,
            Some("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        ),
        ("TLS_AES_128_GCM_SHA256", &TLS12, None),
        // The key is no RSA key.
        ("ECDHE-RSA-AES128-GCM-SHA256", &TLS12, None),
    ] {
        let acceptor = config(&server).ciphers(names).build().unwrap();
        let outcome = connect(&acceptor, &client(version), "localhost").await;
        assert_eq!(outcome.ok().map(|(info, _)| info.cipher), agreed, "{names}");
    }
    for names in ["TLSv1", "DEFAULT", "default", "", "HIGH", "TLSv1.2"] {
        let acceptor = config(&server).ciphers(names).build().unwrap();
        for version in [&TLS12, &TLS13] {
            connect(&acceptor, &client(version), "localhost")
                .await
                .unwrap();
        }
    }
}

#[test]
fn what_is_no_suite_is_told_with_those_that_are() {
    let server = Authority::new("ca").server();
    let say = |names: &str| config(&server).ciphers(names).build().unwrap_err();
    let error = say("TLS_AES_128_GCM_SHA256:RC4-SHA7");
    assert_eq!(error.part(), TlsPart::Ciphers);
    let error = say("TLS_NULL").to_string();
    assert!(
        error.starts_with("cipher suites: none is called \"TLS_NULL\"; known are "),
        "{error}"
    );
    for known in aws_lc_rs::default_provider().cipher_suites {
        let name = known.suite().as_str().unwrap();
        assert!(error.contains(name), "{error}: {name}");
        config(&server).ciphers(name).build().unwrap();
    }
    for rule in [
        "HIGH:!aNULL",
        "kRSA",
        "@SECLEVEL=2",
        "ECDHE+AESGCM",
        "TLSv1:-MD5",
    ] {
        let error = say(rule).to_string();
        assert!(
            error.contains("is one of OpenSSL's rules; wanted"),
            "{rule}: {error}"
        );
    }
    let config = config(&server)
        .ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        .min_version(TlsVersion::V1_3);
    assert_eq!(
        config.build().unwrap_err().to_string(),
        "cipher suites: none of them is for a version of TLS that is spoken"
    );
}

// What the tests are made of

/// A file of `tests/data/locked`.
fn data(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/locked");
    directory.join(format!("{name}.pem"))
}

/// The certificate of `tests/data/locked` with its key, locked in one way.
fn locked(name: &str) -> TlsConfig {
    TlsConfig::from_pem_files(data("cert"), data(name))
}

fn said(error: &TlsError, name: &str, problem: TlsProblem) {
    assert_eq!(
        (error.part(), error.file(), error.problem()),
        (TlsPart::Key, Some(&*data(name)), &problem),
        "{error}"
    );
}

fn config(server: &Identity) -> TlsConfig {
    TlsConfig::from_pem_bytes(server.chain.as_str(), server.key.as_str())
}

/// A handshake, and a word there and back, which also carries session tickets and late refusals. Gives
/// what the server agreed on and which certificate the client saw.
async fn connect(
    acceptor: &TlsAcceptor,
    client: &Arc<ClientConfig>,
    name: &str,
) -> io::Result<(TlsInfo, CertificateDer<'static>)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connector = tokio_rustls::TlsConnector::from(client.clone());
    let connecting = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), near);
    let accepting = tokio_rustls::TlsAcceptor::from(acceptor.current()).accept(far);
    let (mut client, mut server) = tokio::try_join!(connecting, accepting)?;
    let mut word = [0; 4];
    client.write_all(b"ping").await?;
    server.read_exact(&mut word).await?;
    server.write_all(&word).await?;
    client.read_exact(&mut word).await?;
    let shown = client.get_ref().1.peer_certificates().unwrap();
    Ok((
        TlsInfo::from_connection(server.get_ref().1),
        shown[0].clone().into_owned(),
    ))
}

/// The certificate that a client is shown that asks for `name`, whether it likes it or not; one that
/// verifies only signatures of `scheme`, if that is given.
async fn shown_to(
    acceptor: &TlsAcceptor,
    name: &str,
    scheme: Option<rustls::SignatureScheme>,
) -> CertificateDer<'static> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Credulous(scheme));
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    connect(acceptor, &Arc::new(client), name).await.unwrap().1
}

/// Believes every certificate.
#[derive(Debug)]
struct Credulous(Option<rustls::SignatureScheme>);

mod credulous {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

    use super::{Credulous, aws_lc_rs};

    impl ServerCertVerifier for Credulous {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let all = aws_lc_rs::default_provider().signature_verification_algorithms;
            self.0
                .map_or_else(|| all.supported_schemes(), |one| vec![one])
        }
    }
}
