//! The other nodes: who they are, what they are asked, and what they are answered.

mod client;
mod dialect;
mod handler;
mod node_tls;
mod pool;
mod secret;
mod wire;

pub use self::dialect::Dialect;
pub use self::handler::PeerHandler;
pub use self::node_tls::{NodeTls, NodeTlsError};
pub use self::pool::{PeerError, Peers};

pub(crate) use self::pool::{Answer, Pool};
