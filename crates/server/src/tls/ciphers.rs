//! Cipher suites by name: rustls's, those of IANA's registry and OpenSSL's.

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;

use super::error::{TlsError, TlsPart, TlsProblem};
use super::info::suite_name;

/// Leaves the suites in `provider` that `wanted` names, in that order.
pub(super) fn choose(provider: &mut CryptoProvider, wanted: &str) -> Result<(), TlsError> {
    let names: Vec<&str> = wanted
        .split([':', ',', ' '])
        .filter(|name| !name.is_empty())
        .collect();
    if names.iter().all(|name| stands_for_all(name)) {
        return Ok(());
    }
    if let Some(rule) = names.iter().find(|name| is_rule(name)) {
        let problem = TlsProblem::CipherRule((*rule).to_owned());
        return Err(TlsError::new(TlsPart::Ciphers, None, problem));
    }
    let mut suites = Vec::new();
    for name in names {
        let suite = provider
            .cipher_suites
            .iter()
            .find(|suite| spellings(suite).any(|known| known.eq_ignore_ascii_case(name)))
            .ok_or_else(|| unknown(provider, name))?;
        if !suites.contains(suite) {
            suites.push(*suite);
        }
    }
    provider.cipher_suites = suites;
    Ok(())
}

fn unknown(provider: &CryptoProvider, name: &str) -> TlsError {
    let known = provider.cipher_suites.iter();
    let known: Vec<_> = known.filter_map(|suite| suite.suite().as_str()).collect();
    let problem = TlsProblem::UnknownCipher {
        name: name.to_owned(),
        known: known.join(", "),
    };
    TlsError::new(TlsPart::Ciphers, None, problem)
}

/// Whether OpenSSL would add, remove or sort suites by it, where we have only their names.
fn is_rule(name: &str) -> bool {
    let is_group = |name: &str| GROUPS.contains(&name) || stands_for_all(name);
    name.starts_with(['!', '+', '-', '@']) || name.split('+').any(is_group)
}

/// What OpenSSL calls its suites of a version, or all of them, stands for all of ours: none is older.
fn stands_for_all(name: &str) -> bool {
    ALL.iter().any(|all| all.eq_ignore_ascii_case(name))
}

/// What a suite is called.
fn spellings(suite: &SupportedCipherSuite) -> impl Iterator<Item = &'static str> {
    let suite = suite.suite();
    let iana = suite_name(suite);
    let openssl = OPENSSL.iter().find(|(name, _)| *name == iana);
    [suite.as_str(), Some(iana), openssl.map(|(_, name)| *name)]
        .into_iter()
        .flatten()
}

/// OpenSSL's words for every suite that is not broken. `TLSv1` is what uvicorn has for a default.
const ALL: &[&str] = &["DEFAULT", "ALL", "HIGH", "TLSv1", "TLSv1.0", "TLSv1.2"];

/// Words of OpenSSL for groups of suites.
const GROUPS: &[&str] = &[
    "aNULL",
    "eNULL",
    "NULL",
    "MD5",
    "RC4",
    "DES",
    "3DES",
    "EXPORT",
    "LOW",
    "MEDIUM",
    "SHA1",
    "SHA",
    "SHA256",
    "SHA384",
    "RSA",
    "kRSA",
    "aRSA",
    "DH",
    "DHE",
    "EDH",
    "ECDH",
    "ECDHE",
    "EECDH",
    "ECDSA",
    "AES",
    "AES128",
    "AES256",
    "AESGCM",
    "AESCCM",
    "CHACHA20",
    "PSK",
    "SRP",
    "CAMELLIA",
    "SSLv3",
    "COMPLEMENTOFDEFAULT",
    "COMPLEMENTOFALL",
];

/// The suites of TLS 1.2, which OpenSSL names in its own way.
const OPENSSL: &[(&str, &str)] = &[
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];
