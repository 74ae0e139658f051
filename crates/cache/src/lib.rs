//! groupcache for Rust: a cache inside the processes that use it, which fills itself once per key across a
//! whole cluster, spreads hot keys, needs no server, and can also set, delete and expire.
//!
//! An [`Instance`] owns [`Group`]s. A group has a name, a getter, and a bound in bytes. Whoever asks for a
//! key gets it from memory, or from the node of the cluster that owns it, or from the getter; however many
//! ask at once, it is loaded once. With [`Peers`], instances in several processes are a cluster, and may
//! share it with Go programs that use golang/groupcache, mailgun/groupcache or groupcache-go: see
//! [`Dialect`].

#![deny(missing_docs)]

/// The examples of the guide, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/cache.md")]
struct Guide;

mod breaker;
mod error;
mod events;
mod flight;
mod getter;
mod group;
mod instance;
mod latency;
mod membership;
mod peers;
mod ring;
mod snapshot;
mod stats;
mod store;
mod tier;
mod value;

pub use error::{Error, Kind};
pub use events::Event;
pub use getter::{Getter, GetterFuture};
pub use group::{Group, GroupBuilder, GroupError, Loading, Lookup};
pub use instance::Instance;
pub use latency::Latency;
pub use membership::{Following, Source};
pub use peers::{Dialect, NodeTls, NodeTlsError, PeerError, PeerHandler, Peers};
pub use ring::{Ring, RingKind};
pub use snapshot::{GroupSnapshot, NodeSnapshot, Snapshot};
pub use stats::{CacheStats, Stats};
pub use store::Place;
pub use tier::{Invalidation, Redis, Tier, TierError};
pub use value::{Expiry, Form, Value};
