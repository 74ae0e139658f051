//! TLS between the nodes of a cluster: each shows a certificate, and asks the others for theirs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbridge::tls::{ClientAuth, TlsAcceptor, TlsConfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// What a node needs to talk to the others and to nobody else: its certificate, and the authority that has
/// signed those of all nodes. A certificate must be good for the host in the node's address, for both sides
/// of a connection.
///
/// ```no_run
/// use oxbridge_cache::{Dialect, Instance, NodeTls, Peers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = NodeTls::from_pem_files("ca.pem", "node.pem", "node.key")?;
/// let peers = Peers::new(Dialect::Oxbridge, "https://10.0.0.1:7000").tls(tls.client());
/// let cache = Instance::with_peers(peers);
/// let server = cache.serve_tls("10.0.0.1:7000".parse()?, tls.server())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NodeTls {
    client: Arc<ClientConfig>,
    server: TlsAcceptor,
}

/// Certificates that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTlsError(String);

impl std::fmt::Display for NodeTlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NodeTlsError {}

impl NodeTls {
    /// Reads the certificate of the authority (or several), the node's own chain, and its key.
    ///
    /// # Errors
    /// [`NodeTlsError`]: a file cannot be read or holds something else, or key and certificate do not fit.
    pub fn from_pem_files(
        authority: impl Into<PathBuf>,
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<NodeTls, NodeTlsError> {
        let (authority, chain, key) = (authority.into(), chain.into(), key.into());
        let server = TlsConfig::from_pem_files(&chain, &key)
            .client_ca_file(&authority)
            .client_auth(ClientAuth::Required)
            .build()
            .map_err(|error| NodeTlsError(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&authority)? {
            roots
                .add(certificate)
                .map_err(|error| about(&authority, &error))?;
        }
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| about(&key, &error))?;
        let client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&chain)?, secret)
            .map_err(|error| about(&key, &error))?;
        Ok(NodeTls {
            client: Arc::new(client),
            server,
        })
    }

    /// For [`Peers::tls`](super::Peers::tls): how the others are asked.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// For [`Instance::serve_tls`](crate::Instance::serve_tls): how the others are answered.
    pub fn server(&self) -> TlsAcceptor {
        self.server.clone()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, NodeTlsError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| about(file, &error))
}

fn about(file: &Path, problem: &dyn std::fmt::Display) -> NodeTlsError {
    NodeTlsError(format!("{}: {problem}", file.display()))
}
