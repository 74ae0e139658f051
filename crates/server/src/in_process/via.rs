//! What a host program knows of the connection that a request came on.

use std::sync::Arc;

use crate::listen::{LocalAddr, PeerAddr};
use crate::request::Connection;
use crate::tls::TlsInfo;

/// The connection that a request came on to the host program: who is at the other end, where it was
/// accepted, and its TLS session. To be put among the extensions of requests for
/// [`InProcess`](crate::InProcess). Without it the addresses are unknown, and the scheme is `http`. Behind
/// a server of this crate it is not needed.
///
/// ```
/// use std::net::SocketAddr;
/// use oxbridge::Via;
///
/// let peer: SocketAddr = "192.0.2.1:40112".parse()?;
/// let mut request = http::Request::get("/").body(())?;
/// request.extensions_mut().insert(Via::new().peer(peer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Via {
    pub(super) peer: PeerAddr,
    pub(super) local: Option<Arc<LocalAddr>>,
    pub(super) tls: Option<TlsInfo>,
}

impl Default for Via {
    fn default() -> Self {
        Via {
            peer: PeerAddr::Unknown,
            local: None,
            tls: None,
        }
    }
}

impl Via {
    /// Nothing is known.
    pub fn new() -> Self {
        Via::default()
    }

    /// The address of the other end. Whether it may speak for others
    /// [`trust_forwarded`](crate::Builder::trust_forwarded) says.
    #[must_use]
    pub fn peer(mut self, peer: impl Into<PeerAddr>) -> Self {
        self.peer = peer.into();
        self
    }

    /// The address that the connection was accepted on.
    #[must_use]
    pub fn local(mut self, local: impl Into<LocalAddr>) -> Self {
        self.local = Some(Arc::new(local.into()));
        self
    }

    /// The connection is encrypted, which makes the scheme `https`. `TlsInfo::default()` says no more than
    /// that; [`TlsInfo::from_connection`] reads the facts off a connection of rustls.
    #[must_use]
    pub fn tls(mut self, tls: TlsInfo) -> Self {
        self.tls = Some(tls);
        self
    }

    /// That of a server of this crate.
    pub(super) fn of(connection: &Connection) -> Self {
        Via {
            peer: connection.peer().clone(),
            local: Some(connection.shared_local()),
            tls: connection.tls().cloned(),
        }
    }
}
