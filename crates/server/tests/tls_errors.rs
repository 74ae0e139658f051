//! What is said about certificates, keys and authorities that cannot be used.

use std::path::Path;

use oxbridge::tls::{ClientAuth, TlsConfig, TlsError, TlsPart, TlsProblem};

mod authority;
mod scratch;
use authority::Authority;
use scratch::ScratchDir;

#[test]
fn every_fault_names_its_file_and_what_is_wrong_with_it() {
    let ca = Authority::new("ca");
    let (server, other) = (ca.server(), ca.server());
    let directory = ScratchDir::new();
    let cert = directory.write("cert", &server.chain);
    let key = directory.write("key", &server.key);
    let other = directory.write("other", &other.key);
    let empty = directory.write("empty", "");
    let garbage = directory.write("garbage", [0xff, 0x00, 0x30, 0x82]);
    let cut = directory.write("cut", cut(&server.chain));
    let cut_key = directory.write("cut-key", self::cut(&server.key));
    let hollow = directory.write("hollow", block("CERTIFICATE"));
    let hollow_key = directory.write("hollow-key", block("PRIVATE KEY"));
    let locked = directory.write("locked", block("ENCRYPTED PRIVATE KEY"));
    let openssl = directory.write(
        "openssl",
        block("RSA PRIVATE KEY").replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1),
    );
    let absent = directory.join("absent");

    let mismatch = TlsProblem::KeyMismatch(cert.display().to_string());
    let broken = TlsProblem::NotPem;
    for (chain, key, part, file, problem) in [
        (
            &absent,
            &key,
            TlsPart::Chain,
            &absent,
            TlsProblem::Unreadable,
        ),
        (
            &empty,
            &key,
            TlsPart::Chain,
            &empty,
            TlsProblem::NoCertificate,
        ),
        (
            &garbage,
            &key,
            TlsPart::Chain,
            &garbage,
            TlsProblem::NoCertificate,
        ),
        (&key, &key, TlsPart::Chain, &key, TlsProblem::NoCertificate),
        (&cut, &key, TlsPart::Chain, &cut, broken.clone()),
        (
            &hollow,
            &key,
            TlsPart::Chain,
            &hollow,
            TlsProblem::BadCertificate,
        ),
        (
            &cert,
            &absent,
            TlsPart::Key,
            &absent,
            TlsProblem::Unreadable,
        ),
        (
            &cert,
            &empty,
            TlsPart::Key,
            &empty,
            TlsProblem::NoPrivateKey,
        ),
        (
            &cert,
            &garbage,
            TlsPart::Key,
            &garbage,
            TlsProblem::NoPrivateKey,
        ),
        (&cert, &cert, TlsPart::Key, &cert, TlsProblem::NoPrivateKey),
        (&cert, &cut_key, TlsPart::Key, &cut_key, broken),
        (
            &cert,
            &hollow_key,
            TlsPart::Key,
            &hollow_key,
            TlsProblem::BadKey,
        ),
        (
            &cert,
            &locked,
            TlsPart::Key,
            &locked,
            TlsProblem::EncryptedKey,
        ),
        (
            &cert,
            &openssl,
            TlsPart::Key,
            &openssl,
            TlsProblem::OldEncryptedKey,
        ),
        (&cert, &other, TlsPart::Key, &other, mismatch),
    ] {
        let error = TlsConfig::from_pem_files(chain, key).build().unwrap_err();
        told(&error, part, file, &problem);
    }
    for (file, problem) in [
        (&absent, TlsProblem::Unreadable),
        (&empty, TlsProblem::NoCertificate),
        (&cut, TlsProblem::NotPem),
        (&hollow, TlsProblem::BadCertificate),
    ] {
        let config = TlsConfig::from_pem_files(&cert, &key).client_ca_file(file);
        told(
            &config.build().unwrap_err(),
            TlsPart::ClientCa,
            file,
            &problem,
        );
    }
}

#[test]
fn the_words_are_for_the_person_who_wrote_the_configuration() {
    let ca = Authority::new("ca");
    let (server, other) = (ca.server(), ca.server());
    let say = |config: TlsConfig| config.build().unwrap_err().to_string();

    assert_eq!(
        say(TlsConfig::from_pem_files(
            "/nowhere/cert.pem",
            "/nowhere/key.pem"
        )),
        "certificate /nowhere/cert.pem: cannot be read (No such file or directory (os error 2))"
    );
    assert_eq!(
        say(TlsConfig::from_pem_bytes(
            server.chain.as_str(),
            other.key.as_str()
        )),
        "private key: does not belong to the certificate (in memory)"
    );
    assert_eq!(
        say(TlsConfig::from_pem_bytes("garbage", server.key.as_str())),
        "certificate: no certificate in it; \
         wanted PEM with a line \"-----BEGIN CERTIFICATE-----\""
    );
    let config = TlsConfig::from_pem_bytes(server.chain.as_str(), server.key.as_str());
    assert_eq!(
        say(config.client_auth(ClientAuth::Optional)),
        "client CA: none given, but client certificates are to be checked"
    );
}

#[test]
fn a_key_in_memory_is_not_in_debug_output() {
    let server = Authority::new("ca").server();
    let secret = server.key.lines().nth(1).unwrap();
    let config = TlsConfig::from_pem_bytes(server.chain.as_str(), server.key.as_str());
    let shown = format!("{config:?}{:?}", config.clone().build().unwrap());
    assert!(!shown.contains(secret), "{shown}");
    assert!(
        shown.contains(&format!("{} bytes", server.key.len())),
        "{shown}"
    );
}

#[test]
fn chain_and_key_may_be_one_file() {
    let server = Authority::new("ca").server();
    let directory = ScratchDir::new();
    for both in [
        format!("{}{}", server.chain, server.key),
        format!("Words before it\n{}\r\n{}", server.key, server.chain),
    ] {
        let file = directory.write("both.pem", both);
        TlsConfig::from_pem_files(&file, &file).build().unwrap();
    }
}

fn told(error: &TlsError, part: TlsPart, file: &Path, problem: &TlsProblem) {
    assert_eq!((error.part(), error.file()), (part, Some(file)), "{error}");
    assert_eq!(error.problem(), problem, "{error}");
    let beginning = format!("{part} {}: {problem}", file.display());
    assert!(error.to_string().starts_with(&beginning), "{error}");
}

/// PEM without its last line.
fn cut(pem: &str) -> String {
    let lines: Vec<_> = pem.lines().collect();
    lines[..lines.len() - 1].join("\n")
}

/// PEM in form, but with nothing in it that is of the kind it claims.
fn block(kind: &str) -> String {
    format!("-----BEGIN {kind}-----\naGVsbG8gd29ybGQ=\n-----END {kind}-----\n")
}
