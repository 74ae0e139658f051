//! Private keys that a password locks (PKCS#8 `ENCRYPTED PRIVATE KEY`, PBES2 of RFC 8018 §6.2).

use std::fmt;
use std::sync::Arc;

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::pkcs5::Error as Pkcs5Error;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::TlsProblem;

/// What unlocks private keys. Not shown in debug output.
#[derive(Clone)]
pub(super) struct Password(Arc<[u8]>);

impl Password {
    pub(super) fn new(password: impl Into<Vec<u8>>) -> Self {
        Password(password.into().into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The key in `pem` if a password locks it; none if it is not locked. What is wrong, with the cause.
pub(super) fn unlock(
    pem: &[u8],
    password: Option<&Password>,
) -> Result<Option<PrivateKeyDer<'static>>, (TlsProblem, Option<pkcs8::Error>)> {
    let is_line = |wanted: &[u8]| {
        pem.split(|&byte| byte == b'\n')
            .any(|line| line.trim_ascii_end() == wanted)
    };
    if is_line(b"Proc-Type: 4,ENCRYPTED") {
        return Err((TlsProblem::OldEncryptedKey, None));
    }
    if !is_line(BEGIN) {
        return Ok(None);
    }
    let Some(Password(password)) = password else {
        return Err((TlsProblem::EncryptedKey, None));
    };
    let der =
        PrivatePkcs8KeyDer::from_pem_slice(&block(pem)).map_err(|_| (TlsProblem::NotPem, None))?;
    let locked = EncryptedPrivateKeyInfoRef::try_from(der.secret_pkcs8_der())
        // The schemes before PBES2 have other parameters.
        .map_err(|cause| (TlsProblem::UnknownEncryption, Some(cause)))?;
    let key = locked.decrypt(password).map_err(|cause| {
        let problem = match cause {
            pkcs8::Error::EncryptedPrivateKey(
                Pkcs5Error::NoPbes1CryptSupport
                | Pkcs5Error::UnsupportedAlgorithm { .. }
                | Pkcs5Error::AlgorithmParametersInvalid { .. },
            ) => TlsProblem::UnknownEncryption,
            // A wrong password nearly always breaks the padding, and else what comes out is no key.
            _ => TlsProblem::WrongPassword,
        };
        (problem, Some(cause))
    })?;
    let key = PrivateKeyDer::try_from(key.as_bytes().to_vec());
    key.map(Some).map_err(|_| (TlsProblem::WrongPassword, None))
}

/// The first block of that kind, whose name the parser of PEM does not know, as one that it does.
fn block(pem: &[u8]) -> Vec<u8> {
    let lines = pem.split(|&byte| byte == b'\n');
    let mut block = BEGIN_KEY.to_vec();
    for line in lines
        .skip_while(|line| line.trim_ascii_end() != BEGIN)
        .skip(1)
    {
        block.push(b'\n');
        if line.trim_ascii_end() == END {
            block.extend_from_slice(END_KEY);
            break;
        }
        block.extend_from_slice(line);
    }
    block
}

const BEGIN: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &[u8] = b"-----END ENCRYPTED PRIVATE KEY-----";
const BEGIN_KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----";
const END_KEY: &[u8] = b"-----END PRIVATE KEY-----";
