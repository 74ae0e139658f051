//! A certificate and the key that belongs to it.

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::error::{TlsError, TlsPart, TlsProblem};
use super::locked::Password;
use super::pem::Source;

/// A certificate chain and the private key of its first certificate.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) chain: Source,
    pub(super) key: Source,
}

impl Pair {
    /// Reads both and checks that they belong together.
    pub(super) fn certified_key(
        &self,
        provider: &CryptoProvider,
        password: Option<&Password>,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = self.chain.certificates(TlsPart::Chain)?;
        let key = self.key.private_key(password)?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|cause| {
                self.key
                    .error(TlsPart::Key, TlsProblem::BadKey)
                    .caused_by(cause)
            })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(self.key.error(
                TlsPart::Key,
                TlsProblem::KeyMismatch(self.chain.to_string()),
            )),
            Err(cause) => Err(self
                .chain
                .error(TlsPart::Chain, TlsProblem::BadCertificate)
                .caused_by(cause)),
        }
    }
}
