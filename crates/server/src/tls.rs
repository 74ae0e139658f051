//! TLS: certificates from PEM, replaced while the server runs, and who the client proved to be.
//!
//! A [`TlsConfig`] collects what a user chose; [`TlsConfig::build`] reads it and gives a
//! [`TlsAcceptor`], which every reactor shares. A connection takes [`TlsAcceptor::current`] once,
//! when its handshake begins, and keeps it; a [`TlsAcceptor::reload`] is seen by the connections
//! after it.
//!
//! Cryptography is aws-lc through rustls, chosen here and for this server only: no process-wide
//! default is installed, so a program may use rustls with another provider beside it.
//!
//! ```no_run
//! use oxbridge::tls::TlsConfig;
//!
//! # async fn serve(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//! let acceptor = TlsConfig::from_pem_files("cert.pem", "key.pem").build()?;
//! let handshake = tokio_rustls::TlsAcceptor::from(acceptor.current());
//! let stream = handshake.accept(stream).await?;
//! # Ok(()) }
//! ```

mod error;
mod info;
mod pem;
mod resumption;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

pub use error::{TlsError, TlsPart, TlsProblem};
pub use info::TlsInfo;
use pem::{Authorities, Source};
use resumption::Resumption;

/// Certificate chain, key and client-certificate policy of a server, before any of it is read.
///
/// Defaults: no client certificates, ALPN `h2` then `http/1.1`, TLS 1.2 and later, session
/// resumption on, early data (0-RTT) off.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `build`"]
pub struct TlsConfig {
    chain: Source,
    key: Source,
    client_ca: Option<Source>,
    client_auth: Option<ClientAuth>,
    alpn: Vec<Vec<u8>>,
    min_version: TlsVersion,
}

impl TlsConfig {
    /// Certificate chain (the server's own certificate first) and private key (PKCS#8, PKCS#1 or
    /// SEC1, not encrypted) in PEM files. They may be the same file. [`TlsAcceptor::reload`] reads
    /// them again.
    pub fn from_pem_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(chain.into()), Source::File(key.into()))
    }

    /// The same from memory, for a program that gets its secrets in another way.
    pub fn from_pem_bytes(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self::new(Source::bytes(chain), Source::bytes(key))
    }

    /// The authorities whose client certificates are accepted, in a PEM file.
    /// [`TlsAcceptor::reload`] reads it again.
    ///
    /// Client certificates are then required, unless [`client_auth`](Self::client_auth) says
    /// otherwise.
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(Source::File(path.into()));
        self
    }

    /// [`client_ca_file`](Self::client_ca_file) from memory.
    pub fn client_ca_bytes(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_ca = Some(Source::bytes(pem));
        self
    }

    /// What is asked of clients. Without this call: [`Required`](ClientAuth::Required) if there is
    /// a client CA, [`Off`](ClientAuth::Off) if there is none.
    pub fn client_auth(mut self, policy: ClientAuth) -> Self {
        self.client_auth = Some(policy);
        self
    }

    /// The application protocols offered, most wanted first, in place of `h2` and `http/1.1`. None
    /// at all switches ALPN off, and then clients speak HTTP/1.1.
    pub fn alpn<I>(mut self, protocols: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Vec<u8>>,
    {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The oldest version of TLS that is spoken.
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Reads everything and checks that it fits together. Blocks while it reads files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn build(self) -> Result<TlsAcceptor, TlsError> {
        let mut resumption = Resumption::default();
        let current = self.read(&mut resumption)?;
        Ok(TlsAcceptor {
            shared: Arc::new(Shared {
                current: ArcSwap::new(current),
                config: self,
                resumption: Mutex::new(resumption),
            }),
        })
    }

    fn new(chain: Source, key: Source) -> Self {
        Self {
            chain,
            key,
            client_ca: None,
            client_auth: None,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()],
            min_version: TlsVersion::V1_2,
        }
    }

    /// What rustls needs, from what the sources hold now. On an error, `resumption` is as it was.
    fn read(&self, resumption: &mut Resumption) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = self.certified_key(&provider)?;
        let (verifier, authorities) = self.client_verifier(&provider)?;

        let unusable =
            |cause| TlsError::new(TlsPart::Provider, None, TlsProblem::Provider).caused_by(cause);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.and_later())
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols.clone_from(&self.alpn);
        resumption
            .apply(&mut config, authorities)
            .map_err(unusable)?;
        Ok(Arc::new(config))
    }

    fn certified_key(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = self.chain.certificates(TlsPart::Chain)?;
        let key = self.key.private_key()?;
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

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Arc<dyn ClientCertVerifier>, Authorities), TlsError> {
        let policy = self.client_auth.unwrap_or(match self.client_ca {
            Some(_) => ClientAuth::Required,
            None => ClientAuth::Off,
        });
        if policy == ClientAuth::Off {
            return Ok((Arc::new(NoClientAuth), Authorities::default()));
        }
        let source = self
            .client_ca
            .as_ref()
            .ok_or_else(|| TlsError::new(TlsPart::ClientCa, None, TlsProblem::NoClientCa))?;
        let authorities = source.authorities()?;
        let mut builder = WebPkiClientVerifier::builder_with_provider(
            authorities.roots.clone(),
            Arc::clone(provider),
        );
        if policy == ClientAuth::Optional {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|cause| {
            source
                .error(TlsPart::ClientCa, TlsProblem::BadCertificate)
                .caused_by(cause)
        })?;
        Ok((verifier, authorities))
    }
}

/// What is asked of clients about certificates of their own (mutual TLS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// Nothing; none is asked for.
    #[default]
    Off,
    /// One is asked for. A client may have none, but one that it shows must be valid.
    Optional,
    /// A client without a valid one is refused in the handshake.
    Required,
}

/// A version of TLS, as the oldest to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[default]
    V1_2,
    /// TLS 1.3, RFC 8446.
    V1_3,
}

impl TlsVersion {
    fn and_later(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        match self {
            Self::V1_2 => rustls::ALL_VERSIONS,
            Self::V1_3 => TLS13_ONLY,
        }
    }
}

/// The certificates in force, shared by everything that accepts connections.
///
/// Cheap to clone; clones share one state, so a reload through one is seen through all. Any thread
/// may use it.
#[derive(Clone)]
pub struct TlsAcceptor {
    shared: Arc<Shared>,
}

impl TlsAcceptor {
    /// What a handshake that begins now uses. Takes no lock. The caller may keep it as long as it
    /// likes.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.shared.current.load_full()
    }

    /// Reads the files again; handshakes that begin afterwards use what they hold. Connections that
    /// are open go on as they are. Sources in memory stay what they were.
    ///
    /// Clients may resume sessions across a reload, except when the client CA has changed: a
    /// resumed session does not show its certificate again, and the old authorities may no longer
    /// be trusted.
    ///
    /// Blocks while it reads; two reloads at once happen one after the other.
    ///
    /// # Errors
    ///
    /// As [`TlsConfig::build`]. The old certificates stay in force then. Files that are replaced
    /// one after the other may be caught in between, when key and certificate do not match: call
    /// again.
    pub fn reload(&self) -> Result<(), TlsError> {
        // `read` changes it in its last step or not at all, so a panic left it whole.
        let mut resumption = self
            .shared
            .resumption
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = self.shared.config.read(&mut resumption)?;
        self.shared.current.store(fresh);
        Ok(())
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

struct Shared {
    current: ArcSwap<ServerConfig>,
    config: TlsConfig,
    /// Held during a whole reload, so that the last to begin is the one that remains.
    resumption: Mutex<Resumption>,
}

static TLS13_ONLY: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
