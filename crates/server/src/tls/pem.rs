//! Certificates, keys and authorities, read from PEM (RFC 7468).

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, fs};

use rustls::RootCertStore;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use webpki::BorrowedCertRevocationList;

use super::error::{TlsError, TlsPart, TlsProblem};
use super::locked::{self, Password};

/// Where PEM comes from: a file, which a reload reads again, or memory.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Source {
    pub(super) fn bytes(pem: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(pem.into().into())
    }

    /// Every certificate in it, in order; at least one, and the first can be parsed.
    pub(super) fn certificates(
        &self,
        part: TlsPart,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let pem = self.read(part)?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, pem::Error>>()
            .map_err(|cause| self.error(part, TlsProblem::NotPem).caused_by(cause))?;
        let first = certificates
            .first()
            .ok_or_else(|| self.error(part, TlsProblem::NoCertificate))?;
        ParsedCertificate::try_from(first).map_err(|cause| {
            self.error(part, TlsProblem::BadCertificate)
                .caused_by(cause)
        })?;
        Ok(certificates)
    }

    /// The first private key in it, which `password` unlocks if it is locked.
    pub(super) fn private_key(
        &self,
        password: Option<&Password>,
    ) -> Result<PrivateKeyDer<'static>, TlsError> {
        let part = TlsPart::Key;
        let pem = self.read(part)?;
        let unlocked = locked::unlock(&pem, password).map_err(|(problem, cause)| {
            let error = self.error(part, problem);
            match cause {
                Some(cause) => error.caused_by(cause),
                None => error,
            }
        })?;
        if let Some(key) = unlocked {
            return Ok(key);
        }
        PrivateKeyDer::from_pem_slice(&pem).map_err(|cause| match cause {
            pem::Error::NoItemsFound => self.error(part, TlsProblem::NoPrivateKey),
            cause => self.error(part, TlsProblem::NotPem).caused_by(cause),
        })
    }

    /// Its certificates as authorities to trust.
    pub(super) fn authorities(&self) -> Result<Authorities, TlsError> {
        let part = TlsPart::ClientCa;
        let certificates = self.certificates(part)?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|cause| {
                self.error(part, TlsProblem::BadCertificate)
                    .caused_by(cause)
            })?;
        }
        Ok(Authorities {
            certificates,
            roots: Arc::new(roots),
            revoked: Vec::new(),
        })
    }

    /// Every revocation list in it, at least one.
    pub(super) fn revocation_lists(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let part = TlsPart::ClientCrl;
        let pem = self.read(part)?;
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&pem)
            .collect::<Result<_, pem::Error>>()
            .map_err(|cause| self.error(part, TlsProblem::NotPem).caused_by(cause))?;
        if lists.is_empty() {
            return Err(self.error(part, TlsProblem::NoCrl));
        }
        for list in &lists {
            BorrowedCertRevocationList::from_der(list)
                .map_err(|cause| self.error(part, TlsProblem::BadCrl).caused_by(cause))?;
        }
        Ok(lists)
    }

    pub(super) fn error(&self, part: TlsPart, problem: TlsProblem) -> TlsError {
        let file = match self {
            Self::File(path) => Some(path.clone()),
            Self::Bytes(_) => None,
        };
        TlsError::new(part, file, problem)
    }

    fn read(&self, part: TlsPart) -> Result<Cow<'_, [u8]>, TlsError> {
        match self {
            Self::Bytes(pem) => Ok(Cow::Borrowed(pem)),
            Self::File(path) => fs::read(path)
                .map(Cow::Owned)
                .map_err(|cause| self.error(part, TlsProblem::Unreadable).caused_by(cause)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(_) => f.write_str("(in memory)"),
        }
    }
}

impl fmt::Debug for Source {
    /// The path, or the length: what is in memory may be a private key, and logs are no place for
    /// it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Bytes(pem) => write!(f, "{} bytes", pem.len()),
        }
    }
}

/// The authorities whose client certificates are trusted, and those that are not any more. Equal if
/// they are the same certificates and lists in the same order.
#[derive(Clone)]
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    pub(super) roots: Arc<RootCertStore>,
    pub(super) revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Default for Authorities {
    /// None: no client certificate is asked for.
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            roots: Arc::new(RootCertStore::empty()),
            revoked: Vec::new(),
        }
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates && self.revoked == other.revoked
    }
}
