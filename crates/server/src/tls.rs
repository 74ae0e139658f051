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

mod ciphers;
mod error;
mod info;
mod locked;
mod names;
mod pair;
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

pub use error::{TlsError, TlsPart, TlsProblem};
pub use info::TlsInfo;
use locked::Password;
use names::Certificates;
use pair::Pair;
use pem::{Authorities, Source};
use resumption::Resumption;

/// Certificate chain, key and client-certificate policy of a server, before any of it is read.
///
/// Defaults: no client certificates, ALPN `h2` then `http/1.1`, TLS 1.2 and later, session
/// resumption on, early data (0-RTT) off.
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `build`"]
pub struct TlsConfig {
    pair: Pair,
    /// For clients that ask for their names.
    others: Vec<Pair>,
    password: Option<Password>,
    client_ca: Option<Source>,
    client_crls: Vec<Source>,
    client_auth: Option<ClientAuth>,
    alpn: Vec<Vec<u8>>,
    min_version: TlsVersion,
    ciphers: Option<String>,
}

impl TlsConfig {
    /// Certificate chain (the server's own certificate first) and private key (PKCS#8, PKCS#1 or
    /// SEC1) in PEM files. They may be the same file. [`TlsAcceptor::reload`] reads
    /// them again.
    pub fn from_pem_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(chain.into()), Source::File(key.into()))
    }

    /// The same from memory, for a program that gets its secrets in another way.
    pub fn from_pem_bytes(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self::new(Source::bytes(chain), Source::bytes(key))
    }

    /// Another certificate with its key, for clients that ask for one of the names in it (SNI); the
    /// first pair is for all others. Of several with the same name the first that the client can verify
    /// is shown: an ECDSA certificate and an RSA one, say. [`TlsAcceptor::reload`] reads them again.
    pub fn also_pem_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.others.push(Pair {
            chain: Source::File(chain.into()),
            key: Source::File(key.into()),
        });
        self
    }

    /// [`also_pem_files`](Self::also_pem_files) from memory.
    pub fn also_pem_bytes(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.others.push(Pair {
            chain: Source::bytes(chain),
            key: Source::bytes(key),
        });
        self
    }

    /// What unlocks the private keys that are locked: PKCS#8 (`-----BEGIN ENCRYPTED PRIVATE KEY-----`)
    /// with PBES2. It does nothing to those that are not.
    pub fn key_password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.password = Some(Password::new(password));
        self
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

    /// Certificates of clients that are no longer good: revocation lists (RFC 5280 §5) in a PEM file.
    /// Each call adds a file; [`TlsAcceptor::reload`] reads them again.
    ///
    /// With any list at all, every certificate below an authority has to be on none, and each of their
    /// issuers has to have a list here that has not expired: a client of which that cannot be told is
    /// refused. Does nothing where no client certificate is asked for.
    pub fn client_crl_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_crls.push(Source::File(path.into()));
        self
    }

    /// [`client_crl_file`](Self::client_crl_file) from memory.
    pub fn client_crl_bytes(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_crls.push(Source::bytes(pem));
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

    /// The cipher suites that may be agreed on, most wanted first: names of rustls, of IANA's registry or
    /// of OpenSSL, separated by colons, commas or spaces. `DEFAULT`, and OpenSSL's `TLSv1` and the like,
    /// are all that there are. Names are checked by [`build`](Self::build).
    pub fn ciphers(mut self, names: impl Into<String>) -> Self {
        self.ciphers = Some(names.into());
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
            pair: Pair { chain, key },
            others: Vec::new(),
            password: None,
            client_ca: None,
            client_crls: Vec::new(),
            client_auth: None,
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()],
            min_version: TlsVersion::V1_2,
            ciphers: None,
        }
    }

    /// What rustls needs, from what the sources hold now. On an error, `resumption` is as it was.
    fn read(&self, resumption: &mut Resumption) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = self.provider()?;
        let certificates = self.certificates(&provider)?;
        let (verifier, authorities) = self.client_verifier(&provider)?;

        let unusable =
            |cause| TlsError::new(TlsPart::Provider, None, TlsProblem::Provider).caused_by(cause);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min_version.and_later())
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols.clone_from(&self.alpn);
        // Whoever names suites has an order in mind; otherwise the client knows what it is quick at.
        config.ignore_client_order = self.ciphers.is_some();
        resumption
            .apply(&mut config, authorities)
            .map_err(unusable)?;
        Ok(Arc::new(config))
    }

    fn provider(&self) -> Result<Arc<CryptoProvider>, TlsError> {
        let mut provider = aws_lc_rs::default_provider();
        if let Some(names) = &self.ciphers {
            ciphers::choose(&mut provider, names)?;
        }
        let versions = self.min_version.and_later();
        let is_spoken = |suite: &rustls::SupportedCipherSuite| versions.contains(&suite.version());
        if !provider.cipher_suites.iter().any(is_spoken) {
            return Err(TlsError::new(TlsPart::Ciphers, None, TlsProblem::NoCipher));
        }
        Ok(Arc::new(provider))
    }

    fn certificates(&self, provider: &CryptoProvider) -> Result<Certificates, TlsError> {
        let password = self.password.as_ref();
        let mut certificates = Certificates::new(self.pair.certified_key(provider, password)?);
        for pair in &self.others {
            if !certificates.add(pair.certified_key(provider, password)?) {
                return Err(pair.chain.error(TlsPart::Chain, TlsProblem::NoNames));
            }
        }
        Ok(certificates)
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
        let mut authorities = source.authorities()?;
        for lists in &self.client_crls {
            authorities.revoked.extend(lists.revocation_lists()?);
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(
            authorities.roots.clone(),
            Arc::clone(provider),
        )
        .with_crls(authorities.revoked.iter().cloned())
        .enforce_revocation_expiration();
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
    /// Clients may resume sessions across a reload, except when the client CA or its revocation lists
    /// have changed: a resumed session does not show its certificate again, and it may no longer be
    /// trusted.
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
