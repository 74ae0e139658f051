//! Who the other nodes are, and which of them owns a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::runtime::Handle;

use crate::breaker::Breaker;
use crate::error::{Error, Kind};
use crate::group::Group;
use crate::latency::Latencies;
use crate::ring::Ring;
use crate::snapshot::NodeSnapshot;
use crate::store::Place;
use crate::value::{Expiry, Value};

use super::client::{Client, Refusal};
use super::dialect::Dialect;
use super::secret::Secret;

/// How a node takes part in a cluster: see [`Instance::with_peers`](crate::Instance::with_peers).
#[derive(Clone, Debug)]
pub struct Peers {
    pub(super) dialect: Dialect,
    pub(super) me: String,
    pub(super) base_path: String,
    pub(super) replicas: usize,
    pub(super) timeout: Duration,
    pub(super) max_answer: usize,
    pub(super) secret: Option<Secret>,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) bounded_load: Option<f64>,
}

impl Peers {
    /// A node of a cluster that speaks `dialect`. `me` is its own address, exactly as the other nodes
    /// have it in their lists; see [`Instance::set_peers`](crate::Instance::set_peers).
    pub fn new(dialect: Dialect, me: impl Into<String>) -> Peers {
        Peers {
            dialect,
            me: me.into(),
            base_path: "/_groupcache/".to_owned(),
            replicas: 50,
            timeout: Duration::from_secs(2),
            max_answer: 256 << 20,
            secret: None,
            tls: None,
            bounded_load: None,
        }
    }

    /// How far above the mean a node may be loaded, in [`Dialect::Oxbridge`]: with 1.25, by a quarter. A key whose
    /// owner has more of this node's requests under way than that, and more than 128, is asked of the node with
    /// the next claim to it, which loads it by its own getter if it does not have it; so one slow node holds
    /// nobody up.
    ///
    /// This is for groups whose getters give what was set: a database that is written first. Elsewhere a value
    /// that was set may be missed while its owner has too much to do. Every node may choose for itself.
    /// Default: `None`, which bounds nothing.
    ///
    /// After V. Mirrokni, M. Thorup and M. Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2018), with the
    /// load that a node sees itself.
    ///
    /// # Panics
    /// If it is less than 1, or no number.
    #[must_use]
    pub fn bounded_load(mut self, factor: Option<f64>) -> Self {
        if let Some(factor) = factor {
            assert!(factor >= 1.0, "a load bound is 1 or more, not {factor}");
        }
        self.bounded_load = factor;
        self
    }

    /// What every node must say to be answered, in [`Dialect::Oxbridge`]; the dialects of Go have no place for
    /// it, and their nodes neither say nor ask for it. Over plain HTTP whoever can listen can read it: use
    /// TLS where others share the network.
    #[must_use]
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(Secret::new(secret.as_ref()));
        self
    }

    /// How nodes whose address begins with `https://` are spoken to, in [`Dialect::Oxbridge`]: whose
    /// certificates are believed, and the certificate that we show. The server's side is
    /// [`Instance::serve_tls`](crate::Instance::serve_tls).
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// The path under which every node answers, with a slash at both ends. Default: `/_groupcache/`.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// How many places each node has on the ring, the same on every node. Default: 50.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// How long a peer may take to answer, its getter included. A peer that takes longer has failed: the
    /// key is loaded here, and the peer is left alone for a while, until it answers again. Default: 2 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The most bytes that a peer's answer may have. Default: 256 MiB.
    #[must_use]
    pub fn max_answer(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }
}

/// Why the list of peers could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// The instance was made without peers.
    Alone,
    /// An address is not what the dialect wants.
    Address {
        /// What came.
        address: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Our own address is not in the list, so that no key would be ours.
    NotInIt(String),
}

impl std::fmt::Display for PeerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PeerError::Alone => f.write_str("the instance was made without peers"),
            PeerError::Address { address, wanted } => {
                write!(f, "the peer {address:?} is not {wanted}")
            }
            PeerError::NotInIt(me) => write!(
                f,
                "this node's own address, {me:?}, is not in the list of peers; it must stand there as it \
                 stands in the lists of the others"
            ),
        }
    }
}

impl std::error::Error for PeerError {}

/// The nodes of the cluster.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Peers,
    client: Client,
    members: ArcSwap<Members>,
}

#[derive(Debug)]
struct Members {
    ring: Ring,
    /// As the ring numbers them; `None` for ourselves.
    nodes: Vec<Option<Arc<Node>>>,
}

/// Another node.
#[derive(Debug)]
pub(super) struct Node {
    /// As the ring has it.
    pub(super) address: String,
    /// Where it answers: everything of a URL but group and key.
    pub(super) base: String,
    breaker: Breaker,
    answered: Latencies,
    failed: AtomicU64,
    /// Keys that it has been asked for and has not answered yet.
    under_way: AtomicUsize,
}

/// Keys that a node is being asked for, until this is dropped.
struct UnderWay<'a>(&'a Node, usize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(self.1, Relaxed);
    }
}

/// So many keys may be under way to a node whatever the others have: below that, the mean says little.
const AT_LEAST: usize = 128;

/// What the cluster says to a key.
pub(crate) enum Answer {
    /// We own it.
    Ours,
    /// The owner's value, and whether a copy of it is to be kept.
    Value(Value, bool),
    /// The owner was reached, and says that there is nothing to be had.
    Refused(Error),
    /// The owner could not be asked: it is for us to load.
    Failed(Error),
}

impl Pool {
    pub(crate) fn new(settings: Peers, runtime: Handle) -> Pool {
        Pool {
            client: Client::new(&settings, runtime),
            members: ArcSwap::from_pointee(Members {
                ring: Ring::new(settings.dialect.ring(), 0, [""; 0]),
                nodes: Vec::new(),
            }),
            settings,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.settings.dialect
    }

    pub(crate) fn me(&self) -> &str {
        &self.settings.me
    }

    pub(crate) fn base_path(&self) -> &str {
        &self.settings.base_path
    }

    /// Whether a request that says `said` comes from a node of ours.
    pub(crate) fn is_ours(&self, said: Option<&http::HeaderValue>) -> bool {
        let asks = self.settings.secret.as_ref();
        let asks = asks.filter(|_| self.dialect() == Dialect::Oxbridge);
        asks.is_none_or(|secret| said.is_some_and(|said| secret.is(said)))
    }

    pub(crate) fn set<A: AsRef<str>>(
        &self,
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<(), PeerError> {
        let mut known = Vec::new();
        for address in addresses {
            let address = address.as_ref();
            let base = self.base(address)?;
            known.push((address.to_owned(), base));
        }
        if !known.is_empty() && !known.iter().any(|(node, _)| *node == self.settings.me) {
            return Err(PeerError::NotInIt(self.settings.me.clone()));
        }
        let ring = Ring::new(
            self.settings.dialect.ring(),
            self.settings.replicas,
            known.iter().map(|(address, _)| address),
        );
        let before = self.members.load();
        let nodes = ring.nodes().iter().map(|address| {
            if *address == self.settings.me {
                return None;
            }
            // What is known of a node that stays, stays.
            let same = before.nodes.iter().flatten();
            let same = same.clone().find(|node| node.address == *address).cloned();
            same.or_else(|| {
                let base = known.iter().find(|(known, _)| known == address)?.1.clone();
                Some(Arc::new(Node {
                    address: address.clone(),
                    base,
                    breaker: Breaker::default(),
                    answered: Latencies::default(),
                    failed: AtomicU64::new(0),
                    under_way: AtomicUsize::new(0),
                }))
            })
        });
        let nodes = nodes.collect();
        self.members.store(Arc::new(Members { ring, nodes }));
        Ok(())
    }

    /// Where a node answers.
    fn base(&self, address: &str) -> Result<String, PeerError> {
        let https = self.settings.dialect == Dialect::Oxbridge && self.settings.tls.is_some();
        let wanted = if https {
            "\"https://host:port\" or \"http://host:port\""
        } else if self.settings.dialect.has_scheme() {
            "\"http://host:port\", as this dialect has it"
        } else {
            "\"host:port\", as this dialect has it"
        };
        let wrong = || PeerError::Address {
            address: address.to_owned(),
            wanted,
        };
        let url = if self.settings.dialect.has_scheme() {
            address.trim_end_matches('/').to_owned()
        } else {
            format!("http://{address}")
        };
        let secure = url.strip_prefix("https://").filter(|_| https);
        let host = url.strip_prefix("http://").or(secure).ok_or_else(wrong)?;
        let authority: http::uri::Authority = host.parse().map_err(|_| wrong())?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        Ok(url + &self.settings.base_path)
    }

    pub(crate) fn owner(&self, key: &[u8]) -> Option<String> {
        self.members.load().ring.owner(key).map(str::to_owned)
    }

    /// The nodes as we see them.
    pub(crate) fn snapshot(&self) -> Vec<NodeSnapshot> {
        let members = self.members.load();
        let nodes = members.ring.nodes().iter().zip(members.ring.shares());
        nodes
            .zip(&members.nodes)
            .map(|((address, share), node)| {
                let latency = node.as_ref().map(|node| node.answered.snapshot());
                let latency = latency.unwrap_or_default();
                NodeSnapshot {
                    address: address.clone(),
                    is_self: node.is_none(),
                    share,
                    answers: node.as_ref().is_none_or(|node| node.breaker.is_closed()),
                    answered: latency.count(),
                    failed: node.as_ref().map_or(0, |node| node.failed.load(Relaxed)),
                    latency,
                }
            })
            .collect()
    }

    /// The node that owns a key, and so is told of changes first; `None` if it is us, or nobody.
    fn owner_node(&self, key: &[u8]) -> Option<Arc<Node>> {
        let members = self.members.load();
        let owner = members.ring.owner_index(key)?;
        members.nodes[owner].clone()
    }

    /// The node to ask for a key: its owner, or, if that has too much to do, the one with the next claim to it.
    /// `None` if it is for us to load.
    fn node_for(&self, key: &[u8]) -> Option<Arc<Node>> {
        let members = self.members.load();
        let owner = members.ring.owner_index(key)?;
        let owner = members.nodes[owner].as_ref()?;
        match self.settings.bounded_load {
            Some(factor)
                if self.dialect() == Dialect::Oxbridge && members.is_full(owner, factor) =>
            {
                let ranked = members.ring.ranked(key).into_iter();
                let mut ranked = ranked.map(|place| members.nodes[place].as_ref());
                let free =
                    ranked.find(|node| node.is_none_or(|node| !members.is_full(node, factor)));
                // Somebody is below the mean; that all are full is a moment in between.
                free.unwrap_or(Some(owner)).cloned()
            }
            _ => Some(owner.clone()),
        }
    }

    fn others(&self) -> Vec<Arc<Node>> {
        self.members
            .load()
            .nodes
            .iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// The other nodes but one.
    fn others_than(&self, one: Option<&Arc<Node>>) -> impl Iterator<Item = Arc<Node>> {
        let others = self.others().into_iter();
        others.filter(move |node| one.is_none_or(|one| !Arc::ptr_eq(one, node)))
    }

    /// Asks the owner of a key.
    pub(crate) async fn get(&self, group: &str, key: &Bytes) -> Answer {
        let Some(node) = self.node_for(key) else {
            return Answer::Ours;
        };
        if !node.breaker.admits(Instant::now()) {
            return Answer::Failed(failure(&node, "it has not answered lately"));
        }
        let asked = Instant::now();
        let outcome = {
            let _under_way = node.begin(1);
            self.client.get(&node, group, key).await
        };
        node.note(asked, &outcome);
        match outcome {
            Ok(value) => Answer::Value(value, self.client.keeps_copy()),
            Err(Refusal::Final(error)) => Answer::Refused(error),
            Err(refusal) => Answer::Failed(refused(&node, refusal)),
        }
    }

    /// Asks owners for many keys at once; `None` for keys that are to be asked for one by one, or not at all.
    /// In the order of the keys.
    pub(crate) async fn get_many(&self, group: &str, keys: &[Bytes]) -> Vec<Option<Answer>> {
        let mut answers: Vec<Option<Answer>> = keys.iter().map(|_| None).collect();
        if self.dialect() != Dialect::Oxbridge {
            return answers;
        }
        let mut theirs: Vec<(Arc<Node>, Vec<usize>)> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let Some(node) = self.node_for(key) else {
                continue;
            };
            match theirs
                .iter_mut()
                .find(|(known, _)| Arc::ptr_eq(known, &node))
            {
                Some((_, places)) => places.push(place),
                None => theirs.push((node, vec![place])),
            }
        }
        let asked = theirs.into_iter().filter(|(_, places)| places.len() > 1);
        let asked = asked.map(async |(node, places)| {
            let wanted = places.iter().map(|place| keys[*place].clone()).collect();
            let outcomes = if node.breaker.admits(Instant::now()) {
                let _under_way = node.begin(places.len());
                told(&node, self.client.get_many(&node, group, wanted)).await
            } else {
                Err(failure(&node, "it has not answered lately"))
            };
            (node, places, outcomes)
        });
        for (node, places, outcomes) in join_all(asked).await {
            match outcomes {
                Ok(outcomes) => {
                    for (place, outcome) in places.into_iter().zip(outcomes) {
                        let now = Expiry::now();
                        answers[place] = Some(match outcome {
                            Ok(value) if value.expires().is_some_and(|at| at.is_past(now)) => {
                                Answer::Failed(failure(&node, "its value has expired"))
                            }
                            Ok(value) => Answer::Value(value, self.client.keeps_copy()),
                            Err(error) => Answer::Refused(error),
                        });
                    }
                }
                Err(error) => {
                    for place in places {
                        answers[place] = Some(Answer::Failed(error.clone()));
                    }
                }
            }
        }
        answers
    }

    /// Sets a key where the dialect has it set.
    pub(crate) async fn set_key(
        &self,
        group: &Group,
        key: &Bytes,
        value: Value,
    ) -> Result<(), Error> {
        let inner = group.inner();
        let owner = self.owner_node(key);
        if !self.dialect().can_change() && owner.is_some() {
            return Err(Kind::Unsupported(
                "golang/groupcache knows no set: the key belongs to another node",
            )
            .into());
        }
        // The owner first: if it cannot be told, nothing has changed.
        if let Some(node) = &owner {
            told(node, self.client.set(node, group.name(), key, &value)).await?;
        } else {
            inner.set_here(key, value.clone(), Place::Main);
        }
        if self.dialect() == Dialect::GroupcacheGo {
            // Every node gets it, we too.
            if owner.is_some() {
                inner.set_here(key, value.clone(), Place::Main);
            }
            let told = join_all(self.others_than(owner.as_ref()).map(async |node| {
                told(&node, self.client.set(&node, group.name(), key, &value)).await
            }));
            return told.await.into_iter().collect();
        }
        if owner.is_some() {
            // Our copy is older now.
            inner.delete_here(key);
        }
        if self.dialect() == Dialect::Oxbridge {
            // And so are those of the others, and what they have asked the owner for and not got yet.
            let keys = std::slice::from_ref(key);
            let told = join_all(self.others_than(owner.as_ref()).map(async |node| {
                told(&node, self.client.delete(&node, group.name(), keys)).await
            }));
            return told.await.into_iter().collect();
        }
        Ok(())
    }

    /// Deletes keys on every node.
    pub(crate) async fn delete(&self, group: &Group, keys: &[Bytes]) -> Result<(), Error> {
        let others = self.others();
        if !self.dialect().can_change() && !others.is_empty() {
            return Err(Kind::Unsupported(
                "golang/groupcache knows no delete: other nodes may keep the key",
            )
            .into());
        }
        // Asked once: the list of peers may change meanwhile, and every node is to be told of every key.
        let owned: Vec<(&Bytes, Option<Arc<Node>>)> =
            keys.iter().map(|key| (key, self.owner_node(key))).collect();
        // Owners first: a node that forgets its copy and is asked again must not get the old value from
        // the owner.
        let first = self.delete_on(group, &others, &owned, true).await;
        for key in keys {
            group.inner().delete_here(key);
        }
        let then = self.delete_on(group, &others, &owned, false).await;
        first.and(then)
    }

    /// Forgets a group on every node.
    pub(crate) async fn clear(&self, group: &Group) -> Result<(), Error> {
        let others = self.others();
        if self.dialect() != Dialect::Oxbridge && !others.is_empty() {
            return Err(Kind::Unsupported("the dialects of Go's groupcaches know no clear").into());
        }
        let mut problem = Ok(());
        // A node that has forgotten may still get a copy from one that has not. When all have, nothing old is
        // left but such copies.
        for _ in 0..2 {
            group.clear();
            let told = join_all(
                others
                    .iter()
                    .map(async |node| told(node, self.client.clear(node, group.name())).await),
            );
            problem = problem.and(told.await.into_iter().collect());
        }
        problem
    }

    /// Deletes on each node the keys that it owns, or those that it does not own.
    async fn delete_on(
        &self,
        group: &Group,
        nodes: &[Arc<Node>],
        keys: &[(&Bytes, Option<Arc<Node>>)],
        owned: bool,
    ) -> Result<(), Error> {
        let told = join_all(nodes.iter().map(async |node| {
            let theirs = keys.iter().filter(|(_, owner)| {
                let owns = owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, node));
                owns == owned
            });
            let theirs: Vec<Bytes> = theirs.map(|(key, _)| (*key).clone()).collect();
            if theirs.is_empty() {
                return Ok(());
            }
            told(node, self.client.delete(node, group.name(), &theirs)).await
        }));
        // Every node has been told by then; the first problem is the caller's.
        told.await.into_iter().collect()
    }
}

impl Members {
    /// Whether one more key would be too much for a node, by what the others have.
    fn is_full(&self, node: &Node, factor: f64) -> bool {
        let under_way = node.under_way.load(Relaxed);
        if under_way < AT_LEAST {
            return false;
        }
        let others = self.nodes.iter().flatten();
        let (count, total) = others.fold((0, 1), |(count, total), node| {
            (count + 1, total + node.under_way.load(Relaxed))
        });
        (under_way + 1) as f64 > factor * total as f64 / f64::from(count)
    }
}

impl Node {
    /// Counts keys as under way.
    fn begin(&self, keys: usize) -> UnderWay<'_> {
        self.under_way.fetch_add(keys, Relaxed);
        UnderWay(self, keys)
    }

    /// What came of a request says whether the node is worth another one.
    fn note<T>(&self, asked: Instant, outcome: &Result<T, Refusal>) {
        match outcome {
            Err(Refusal::Silent(_)) => {
                self.breaker.failed(Instant::now());
                self.failed.fetch_add(1, Relaxed);
            }
            _ => {
                self.breaker.answered();
                self.answered.add(asked.elapsed());
            }
        }
    }
}

/// What came of telling a node something.
async fn told<T>(
    node: &Node,
    telling: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Error> {
    let asked = Instant::now();
    let outcome = telling.await;
    node.note(asked, &outcome);
    outcome.map_err(|refusal| refused(node, refusal))
}

fn refused(node: &Node, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Final(error) => error,
        Refusal::Answered(problem) | Refusal::Silent(problem) => failure(node, problem),
    }
}

fn failure(node: &Node, problem: impl Into<String>) -> Error {
    Kind::Peer {
        peer: node.address.clone(),
        problem: problem.into(),
    }
    .into()
}
