//! The other nodes: who they are, what they are asked, and what they are answered.

mod breaker;
mod client;
mod dialect;
mod handler;
mod pool;
mod secret;
mod wire;

pub use self::dialect::Dialect;
pub use self::handler::PeerHandler;
pub use self::pool::{PeerError, Peers};

pub(crate) use self::pool::{Answer, Pool};
