//! An instance: the groups of one program, and the peers that it shares them with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use oxbridge::listen::Bind;
use oxbridge::tls::TlsAcceptor;
use oxbridge::{Server, StartError};
use tokio::runtime::Handle;

use crate::group::{Group, GroupBuilder, GroupError};
use crate::peers::{PeerError, PeerHandler, Peers, Pool};
use crate::snapshot::{GroupSnapshot, Snapshot};

/// Groups, and the peers that share them. There is no global one: several may live in one process, each
/// with its own. Cloning it is cheap and gives the same instance.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bytes::Bytes;
/// use oxbridge_cache::{Error, Instance, Value};
///
/// let cache = Instance::new();
/// let squares = cache.group("squares").getter(|key: Bytes| async move {
///     let number = std::str::from_utf8(&key).ok().and_then(|key| key.parse::<u64>().ok());
///     let number = number.ok_or_else(|| Error::not_found("not a number"))?;
///     Ok(Value::new((number * number).to_string()))
/// })?;
/// assert_eq!(squares.get("12").await?.bytes(), "144");
/// assert_eq!(squares.stats().local_loads, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

struct Inner {
    runtime: Handle,
    groups: Mutex<HashMap<String, Group>>,
    peers: Option<Arc<Pool>>,
    made: Instant,
}

impl Instance {
    /// An instance without peers, whose loads run on the runtime that this is called in.
    ///
    /// # Panics
    /// Outside a runtime: see [`on`](Self::on).
    pub fn new() -> Instance {
        Instance::on(Handle::current(), None)
    }

    /// An instance whose loads, and whose requests to peers, run on `runtime`.
    ///
    /// The runtime must live as long as values are wanted: after its end every load is
    /// [`Kind::Closed`](crate::Kind::Closed).
    pub fn on(runtime: Handle, peers: Option<Peers>) -> Instance {
        let peers = peers.map(|peers| Arc::new(Pool::new(peers, runtime.clone())));
        Instance(Arc::new(Inner {
            runtime,
            groups: Mutex::default(),
            peers,
            made: Instant::now(),
        }))
    }

    /// An instance with peers, on the runtime that this is called in. It is alone until
    /// [`set_peers`](Self::set_peers) says who the others are.
    ///
    /// # Panics
    /// Outside a runtime: see [`on`](Self::on).
    pub fn with_peers(peers: Peers) -> Instance {
        Instance::on(Handle::current(), Some(peers))
    }

    /// Begins a group of this name, which must be the same on every node.
    pub fn group(&self, name: impl Into<String>) -> GroupBuilder<'_> {
        GroupBuilder::new(self, name.into())
    }

    /// The group of this name, if it has been made.
    pub fn get_group(&self, name: &str) -> Option<Group> {
        self.groups().get(name).cloned()
    }

    /// Every group, by its name.
    pub fn all_groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups().values().cloned().collect();
        groups.sort_by(|a, b| a.name().cmp(b.name()));
        groups
    }

    /// Forgets a group: peers that ask for it are told that there is none. Whoever holds the [`Group`] may
    /// go on using it.
    pub fn remove_group(&self, name: &str) -> Option<Group> {
        self.groups().remove(name)
    }

    /// Says who shares the keys, ourselves included, in place of what was said before. Only the keys whose
    /// owner changes move; requests under way go on.
    ///
    /// Addresses are written as every other node of the cluster writes them: they decide who owns a key.
    /// `http://host:port` in the dialects of golang/groupcache and mailgun/groupcache, `host:port` in
    /// groupcache-go's.
    ///
    /// # Errors
    /// [`PeerError`]: nothing changes then.
    pub fn set_peers<A: AsRef<str>>(
        &self,
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<(), PeerError> {
        match &self.0.peers {
            Some(pool) => pool.set(addresses),
            None => Err(PeerError::Alone),
        }
    }

    /// The address of the node that owns a key; `None` without peers.
    pub fn owner(&self, key: impl AsRef<[u8]>) -> Option<String> {
        self.0.peers.as_ref()?.owner(key.as_ref())
    }

    /// What it is and has done, at this moment: see [`Snapshot`]. Other programs read it from the place where
    /// peers are answered: [`PeerHandler`] has the paths.
    pub fn snapshot(&self) -> Snapshot {
        let peers = self.0.peers.as_ref();
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            node: peers.map(|peers| peers.me().to_owned()),
            dialect: peers.map(|peers| peers.dialect().name()),
            uptime_seconds: self.0.made.elapsed().as_secs_f64(),
            groups: self.all_groups().iter().map(GroupSnapshot::of).collect(),
            nodes: peers.map(|peers| peers.snapshot()).unwrap_or_default(),
        }
    }

    /// What answers peers, for a server of the program's own: see [`PeerHandler`].
    pub fn handler(&self) -> PeerHandler {
        PeerHandler::new(self.clone())
    }

    /// Answers peers on a port of its own, until the server is dropped.
    ///
    /// # Errors
    /// [`StartError`], if it cannot listen there.
    pub fn serve(&self, bind: Bind) -> Result<Server, StartError> {
        self.server().bind(bind).start()
    }

    /// As [`serve`](Self::serve), over TLS: `tls` may ask the other nodes for certificates.
    ///
    /// # Errors
    /// As [`serve`](Self::serve).
    pub fn serve_tls(&self, bind: Bind, tls: TlsAcceptor) -> Result<Server, StartError> {
        self.server().tls(tls).bind(bind).start()
    }

    /// A server that answers peers and nobody else.
    fn server(&self) -> oxbridge::Builder {
        let handler = self.handler();
        let mut builder = Server::builder();
        builder.fallback_inline(move |exchange| handler.handle(exchange));
        builder
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    pub(crate) fn peers(&self) -> Option<&Arc<Pool>> {
        self.0.peers.as_ref()
    }

    pub(crate) fn add(&self, group: Group) -> Result<(), GroupError> {
        match self.groups().entry(group.name().to_owned()) {
            std::collections::hash_map::Entry::Occupied(taken) => {
                Err(GroupError::Exists(taken.key().clone()))
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(group);
                Ok(())
            }
        }
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, HashMap<String, Group>> {
        self.0.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Instance {
    fn default() -> Instance {
        Instance::new()
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("groups", &self.all_groups())
            .field("peers", &self.0.peers)
            .finish_non_exhaustive()
    }
}
