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
    /// The lists of clients' certificates that are no longer good.
    ClientCrl,
    /// The cipher suites.
    Ciphers,
    /// The cryptography underneath.
    Provider,
}

impl fmt::Display for TlsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "certificate",
            Self::Key => "private key",
            Self::ClientCa => "client CA",
            Self::ClientCrl => "revocation list",
            Self::Ciphers => "cipher suites",
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
    /// The private key is locked with a password, and none was given.
    EncryptedKey,
    /// The private key is locked with another password than the one given.
    WrongPassword,
    /// The private key is locked in the form that OpenSSL had before PKCS#8.
    OldEncryptedKey,
    /// The private key is locked in a way that is not known.
    UnknownEncryption,
    /// The private key is of a kind that cannot be used, or broken.
    BadKey,
    /// The private key belongs to another certificate than the one in the place named here.
    KeyMismatch(String),
    /// The certificate is for clients that ask for one of its names, and it has none.
    NoNames,
    /// There is no revocation list in it.
    NoCrl,
    /// A revocation list in it is not one that can be used.
    BadCrl,
    /// There is no cipher suite of that name.
    UnknownCipher {
        /// What came.
        name: String,
        /// The names that there are, separated by commas.
        known: String,
    },
    /// It is one of OpenSSL's rules about cipher suites, not the name of one.
    CipherRule(String),
    /// None of the cipher suites is of a version of TLS that is spoken.
    NoCipher,
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
            Self::EncryptedKey => "it is locked with a password, and none was given",
            Self::WrongPassword => "the password does not unlock it",
            Self::OldEncryptedKey => {
                "it is locked in OpenSSL's old form; wanted PKCS#8 (`openssl pkcs8 -topk8` makes it)"
            }
            Self::UnknownEncryption => {
                "it is locked in a way that is not known; wanted PBES2 with AES (`openssl pkcs8 -topk8 -v2 aes256`)"
            }
            Self::NoNames => {
                "it names no host (subject alternative name), so no client would be shown it"
            }
            Self::NoCrl => {
                "no revocation list in it; wanted PEM with a line \"-----BEGIN X509 CRL-----\""
            }
            Self::BadCrl => "a revocation list in it cannot be used",
            Self::UnknownCipher { name, known } => {
                return write!(f, "none is called {name:?}; known are {known}");
            }
            Self::CipherRule(rule) => {
                return write!(
                    f,
                    "{rule:?} is one of OpenSSL's rules; wanted \"DEFAULT\" or names of suites, of which no weak one is there to be ruled out"
                );
            }
            Self::NoCipher => "none of them is for a version of TLS that is spoken",
            Self::BadKey => "cannot be used; wanted an RSA, ECDSA or Ed25519 key",
            Self::KeyMismatch(chain) => {
                return write!(f, "does not belong to the certificate {chain}");
            }
            Self::NoClientCa => "none given, but client certificates are to be checked",
            Self::Provider => "the cryptography does not work",
        })
    }
}
