//! What is wrong with a certificate, a key or an authority, and in which file.

use std::path::{Path, PathBuf};
use std::{error, fmt};

/// Says which part of a TLS configuration cannot be used, which file it came from, and what is
/// wrong with it.
///
/// [`source`](error::Error::source) is the error below it, where there was one.
#[derive(Debug)]
pub struct TlsError {
    part: TlsPart,
    file: Option<PathBuf>,
    problem: TlsProblem,
    cause: Option<Box<dyn error::Error + Send + Sync>>,
}

impl TlsError {
    /// Which part of the configuration it is about.
    pub fn part(&self) -> TlsPart {
        self.part
    }

    /// The file it was read from; `None` if it was given in memory.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &TlsProblem {
        &self.problem
    }

    pub(super) fn new(part: TlsPart, file: Option<PathBuf>, problem: TlsProblem) -> Self {
        Self {
            part,
            file,
            problem,
            cause: None,
        }
    }

    pub(super) fn caused_by(mut self, cause: impl error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part)?;
        if let Some(file) = &self.file {
            write!(f, " {}", file.display())?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl error::Error for TlsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn error::Error + 'static))
    }
}

/// A part of a TLS configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsPart {
    /// The server's certificate and those of its issuers.
    Chain,
    /// The private key of the server's certificate.
    Key,
    /// The authorities that clients' certificates must come from.
    ClientCa,
    /// The cryptography underneath.
    Provider,
}

impl fmt::Display for TlsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "certificate",
            Self::Key => "private key",
            Self::ClientCa => "client CA",
            Self::Provider => "TLS",
        })
    }
}

/// What is wrong with a part of a TLS configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The file cannot be read.
    Unreadable,
    /// It has PEM blocks, and one of them is broken.
    NotPem,
    /// There is no certificate in it.
    NoCertificate,
    /// A certificate in it is not one that can be used.
    BadCertificate,
    /// There is no private key in it.
    NoPrivateKey,
    /// The private key is locked with a passphrase.
    EncryptedKey,
    /// The private key is of a kind that cannot be used, or broken.
    BadKey,
    /// The private key belongs to another certificate than the one in the place named here.
    KeyMismatch(String),
    /// Client certificates are asked for, and no authority to check them by was given.
    NoClientCa,
    /// The cryptography does not work: it cannot make random numbers, for example.
    Provider,
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "cannot be read",
            Self::NotPem => "a PEM block in it is broken",
            Self::NoCertificate => {
                "no certificate in it; wanted PEM with a line \"-----BEGIN CERTIFICATE-----\""
            }
            Self::BadCertificate => "a certificate in it cannot be used",
            Self::NoPrivateKey => {
                "no private key in it; wanted PEM with a line like \"-----BEGIN PRIVATE KEY-----\""
            }
            Self::EncryptedKey => {
                "it is locked with a passphrase; wanted one without (`openssl pkey` removes it)"
            }
            Self::BadKey => "cannot be used; wanted an RSA, ECDSA or Ed25519 key",
            Self::KeyMismatch(chain) => {
                return write!(f, "does not belong to the certificate {chain}");
            }
            Self::NoClientCa => "none given, but client certificates are to be checked",
            Self::Provider => "the cryptography does not work",
        })
    }
}
