//! A group: a name, a getter, and what of it this node keeps.

mod builder;
mod load;
mod lookup;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use crate::error::{Error, Kind};
use crate::events::Event;
use crate::flight::{Flight, Landing};
use crate::getter::Getter;
use crate::latency::{Latencies, Latency};
use crate::peers::Pool;
use crate::stats::{Counters, Stats};
use crate::store::{Found, Held, Known, Place, Shard};
use crate::tier::Tier;
use crate::value::{Expiry, Value};

pub use self::builder::{GroupBuilder, GroupError};
pub use self::lookup::{Loading, Lookup};

/// A namespace of keys, filled by one getter, of which every node of the cluster keeps the part that it
/// owns, and copies of what is asked for most. Cloning it is cheap and gives the same group.
///
/// Every method may be called from any thread, inside a runtime or not; futures may be polled on any
/// runtime.
#[derive(Clone)]
pub struct Group(Arc<Inner>);

pub(crate) struct Inner {
    name: String,
    getter: Box<dyn Getter>,
    shards: Box<[Mutex<Shard>]>,
    /// Keys come from strangers: they cannot choose to meet in one shard.
    seed: u64,
    stale_for: Duration,
    negative_ttl: Option<Duration>,
    ttl: Option<Duration>,
    runtime: Handle,
    peers: Option<Arc<Pool>>,
    tier: Option<Tier>,
    counters: Counters,
    getter_took: Latencies,
    peers_took: Latencies,
    max_bytes: usize,
    events: broadcast::Sender<Event>,
}

/// What asking for a key leads to.
pub(crate) enum Look {
    Done(Result<Value, Error>),
    Wait(Arc<Flight>),
}

impl Look {
    /// What comes of it, in the end.
    pub(crate) async fn outcome(self) -> Result<Value, Error> {
        match self {
            Look::Done(outcome) => outcome,
            Look::Wait(flight) => flight.wait().await,
        }
    }
}

impl Group {
    /// The name, which is the same on every node.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The value of a key: from here, from the node that owns it, or from the getter.
    ///
    /// However many ask for a key at once, here or elsewhere, it is loaded once. The load goes on when
    /// the caller drops the future.
    ///
    /// # Errors
    /// What the getter says; see [`Kind`](crate::Kind).
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Value, Error> {
        self.look(key.as_ref(), Reach::Cluster).outcome().await
    }

    /// The values of many keys, in their order, loaded at the same time.
    pub async fn get_many<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Vec<Result<Value, Error>> {
        // All looks first, so that every load is under way before the first is waited for.
        let mut looks = Vec::new();
        let mut begun = Vec::new();
        for key in keys {
            let key = key.as_ref();
            let (look, landing) = self.glance(key);
            if let (Look::Wait(flight), Some(landing)) = (&look, landing) {
                begun.push(Begun {
                    key: Bytes::copy_from_slice(key),
                    flight: flight.clone(),
                    landing,
                });
            }
            looks.push(look);
        }
        self.0.load_many(begun);
        let mut outcomes = Vec::with_capacity(looks.len());
        for look in looks {
            outcomes.push(look.outcome().await);
        }
        outcomes
    }

    /// As [`get`](Self::get), for code that may block.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Panics
    /// Inside a runtime, where nothing may block, if the key is not here.
    pub fn get_blocking(&self, key: impl AsRef<[u8]>) -> Result<Value, Error> {
        match self.look(key.as_ref(), Reach::Cluster) {
            Look::Done(outcome) => outcome,
            Look::Wait(flight) => self.0.runtime.block_on(flight.wait()),
        }
    }

    /// The value of a key, if it is here and good. Loads nothing and never waits.
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        let key = key.as_ref();
        match self.0.look_at(&mut self.0.shard(key), key, Duration::ZERO) {
            Found::Fresh(Known::Value(value), _) => Some(value),
            _ => None,
        }
    }

    /// Loads keys that will be wanted, at most `at_once` at a time; says how many have a value.
    pub async fn warm<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        at_once: usize,
    ) -> usize {
        use futures_util::StreamExt as _;
        futures_util::stream::iter(keys)
            .map(|key| self.get(key))
            .buffer_unordered(at_once.max(1))
            .filter(|outcome| std::future::ready(outcome.is_ok()))
            .count()
            .await
    }

    /// Sets the value of a key for the whole cluster. When it returns, the node that owns the key has it,
    /// and a load that was under way does not put an older one in its place.
    ///
    /// Copies that other nodes keep stay what they are until they expire or are evicted, except in the
    /// dialect of groupcache-go 3, which tells every node.
    ///
    /// # Errors
    /// [`Kind::Peer`](crate::Kind::Peer) if the owner cannot be told: nothing is set then.
    /// [`Kind::Tier`](crate::Kind::Tier) if a second tier cannot be told: it may have been set, and others may not
    /// know.
    /// [`Kind::Unsupported`](crate::Kind::Unsupported) if it speaks golang/groupcache's dialect, which
    /// knows no set.
    pub async fn set(&self, key: impl AsRef<[u8]>, value: impl Into<Value>) -> Result<(), Error> {
        let (key, value) = (Bytes::copy_from_slice(key.as_ref()), value.into());
        let value = self.0.with_default_ttl(value);
        if let Some(tier) = &self.0.tier {
            let told = tier.set(self.name(), &key, value).await;
            // Memory takes it from there: whoever sets at the same time, all agree on what the engine has. Also
            // where it is not known whether the engine has it: what we have may be older.
            let forgotten = self.forget(&[key]).await;
            told?;
            self.0.counters.sets.add(1);
            return forgotten;
        }
        let Some(peers) = &self.0.peers else {
            self.0.set_here(&key, value, Place::Main);
            return Ok(());
        };
        peers.set_key(self, &key, value).await
    }

    /// Takes a key out of the caches of the whole cluster. When it returns, every node that can be reached
    /// has forgotten it.
    ///
    /// # Errors
    /// [`Kind::Peer`](crate::Kind::Peer) with the first node that could not be told, when all others have
    /// been.
    /// [`Kind::Tier`](crate::Kind::Tier) as for [`set`](Self::set).
    /// [`Kind::Unsupported`](crate::Kind::Unsupported) as for [`set`](Self::set).
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<(), Error> {
        self.delete_many([key]).await
    }

    /// Takes many keys out, as [`delete`](Self::delete) does one.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn delete_many<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), Error> {
        let keys: Vec<Bytes> = keys
            .into_iter()
            .map(|key| Bytes::copy_from_slice(key.as_ref()))
            .collect();
        let told = match &self.0.tier {
            Some(tier) => tier.delete(self.name(), &keys).await,
            None => Ok(()),
        };
        told.and(self.forget(&keys).await)
    }

    /// Takes keys out of the memory of every node.
    async fn forget(&self, keys: &[Bytes]) -> Result<(), Error> {
        if let Some(peers) = &self.0.peers {
            return peers.delete(self, keys).await;
        }
        for key in keys {
            self.0.delete_here(key);
        }
        Ok(())
    }

    /// Forgets everything that this node keeps of the group. Other nodes keep theirs.
    pub fn clear(&self) {
        self.0.clear_here();
    }

    /// Forgets everything that any node of the cluster keeps of the group. When it returns, nothing that was there
    /// when it was called is given any more, by any node that can be reached.
    ///
    /// # Errors
    /// [`Kind::Peer`](crate::Kind::Peer) with the first node that could not be told, when all others have been.
    /// [`Kind::Unsupported`](crate::Kind::Unsupported) with other nodes in the dialects of Go's groupcaches, and
    /// with a second tier.
    pub async fn clear_everywhere(&self) -> Result<(), Error> {
        if self.0.tier.is_some() {
            return Err(Kind::Unsupported(
                "a second tier is not cleared with the memory of its processes: let its keys expire, or delete them",
            )
            .into());
        }
        if let Some(peers) = &self.0.peers {
            return peers.clear(self).await;
        }
        self.clear();
        Ok(())
    }

    /// What the group has done.
    pub fn stats(&self) -> Stats {
        let mut stats = self.0.counters.snapshot();
        for shard in &self.0.shards {
            let shard = Held::lock(shard);
            for (place, sum) in [(Place::Main, &mut stats.main), (Place::Hot, &mut stats.hot)] {
                let (bytes, items) = shard.size(place);
                sum.bytes += bytes as u64;
                sum.items += items as u64;
                sum.evictions += shard.evictions[place as usize];
            }
        }
        stats
    }

    /// How long loads took: by the getter, and by other nodes.
    pub(crate) fn latencies(&self) -> (Latency, Latency) {
        (self.0.getter_took.snapshot(), self.0.peers_took.snapshot())
    }

    pub(crate) fn max_bytes(&self) -> usize {
        self.0.max_bytes
    }

    /// Whether memory is believed.
    pub(crate) fn is_listening(&self) -> bool {
        let tier = self.0.tier.as_ref();
        tier.is_none_or(|tier| tier.is_listening())
    }

    /// What happens to keys here, from now on. A receiver that falls more than 1,024 events behind loses
    /// the oldest, and is told how many.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// For a peer that says we own the key: from here or from the getter, never from another peer, so that
    /// nodes whose rings differ do not ask each other in circles.
    pub(crate) fn get_for_peer(&self, key: &[u8]) -> Look {
        self.0.counters.server_requests.add(1);
        self.look(key, Reach::Here)
    }

    /// Looks a key up, and sees to it that it is loaded if it is not there.
    fn look(&self, key: &[u8], reach: Reach) -> Look {
        let (look, landing) = self.glance(key);
        if let (Look::Wait(flight), Some(landing)) = (&look, landing) {
            let begun = Begun {
                key: Bytes::copy_from_slice(key),
                flight: flight.clone(),
                landing,
            };
            self.0.load(begun, reach);
        }
        look
    }

    /// Looks a key up. With a landing, whoever gets it must see to it that the flight lands.
    fn glance(&self, key: &[u8]) -> (Look, Option<Landing>) {
        let inner = &self.0;
        inner.counters.gets.add(1);
        let mut shard = inner.shard(key);
        match inner.look_at(&mut shard, key, inner.stale_for) {
            Found::Fresh(known, place) => {
                drop(shard);
                inner.counters.cache_hits.add(1);
                inner.counters.hits[place as usize].add(1);
                let outcome = match known {
                    Known::Value(value) => Ok(value),
                    Known::Absent(what, _) => Err(Error::not_found(what)),
                };
                (Look::Done(outcome), None)
            }
            Found::Stale(value) => {
                let (flight, landing) = begin(&mut shard, key, inner.oldest_flight());
                drop(shard);
                if let Some(landing) = landing {
                    let key = Bytes::copy_from_slice(key);
                    let begun = Begun {
                        key,
                        flight,
                        landing,
                    };
                    inner.load(begun, Reach::Cluster);
                }
                inner.counters.stale_hits.add(1);
                (Look::Done(Ok(value)), None)
            }
            Found::Nothing => {
                let (flight, landing) = begin(&mut shard, key, inner.oldest_flight());
                drop(shard);
                inner.counters.loads.add(1);
                if landing.is_none() {
                    inner.counters.loads_deduped.add(1);
                }
                (Look::Wait(flight), landing)
            }
        }
    }
}

/// A load that somebody must do.
struct Begun {
    key: Bytes,
    flight: Arc<Flight>,
    landing: Landing,
}

/// Who may be asked for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The node that owns the key, and the getter.
    Cluster,
    /// The getter.
    Here,
}

/// The flight of a key: the one that is there, or a new one, which somebody must then land.
fn begin(
    shard: &mut Shard,
    key: &[u8],
    oldest: Option<Duration>,
) -> (Arc<Flight>, Option<Landing>) {
    if let Some(flight) = shard.flights.get(key)
        && !flight.is_lost()
        && oldest.is_none_or(|oldest| flight.age() < oldest)
    {
        return (flight.clone(), None);
    }
    let (flight, landing) = Flight::begin();
    shard
        .flights
        .insert(Bytes::copy_from_slice(key), flight.clone());
    (flight, Some(landing))
}

impl Inner {
    fn shard(&self, key: &[u8]) -> Held<'_> {
        let count = self.shards.len();
        let place = if count == 1 {
            0
        } else {
            // There are few shards, so the remainder fits.
            (xxhash_rust::xxh3::xxh3_64_with_seed(key, self.seed) % count as u64) as usize
        };
        Held::lock(&self.shards[place])
    }

    /// Looks a key up in its shard, unless memory is not believed.
    fn look_at(&self, shard: &mut Shard, key: &[u8], stale_for: Duration) -> Found {
        if self.tier.as_ref().is_some_and(|tier| !tier.trust().holds()) {
            return Found::Nothing;
        }
        shard.look(key, stale_for)
    }

    /// How old a load may be that others join: while changes are not told, no older than memory may be.
    fn oldest_flight(&self) -> Option<Duration> {
        let trust = self.tier.as_ref()?.trust();
        (!trust.holds()).then(|| trust.max_stale())
    }

    /// Forgets everything here. Overtakes the loads under way.
    pub(crate) fn clear_here(&self) {
        for shard in &self.shards {
            let mut shard = Held::lock(shard);
            shard.clear();
            shard.flights.clear();
        }
        self.tell(|| Event::Cleared);
    }

    /// Sets a key here, as its owner or as one who keeps a copy. Overtakes a load under way.
    pub(crate) fn set_here(&self, key: &Bytes, value: Value, place: Place) {
        let mut shard = self.shard(key);
        shard.flights.remove(key);
        let evicted = shard.insert(place, own(key), Known::Value(value));
        drop(shard);
        self.counters.sets.add(1);
        self.tell(|| Event::Set(key.clone()));
        self.tell_evicted(evicted);
    }

    /// Forgets a key here. Overtakes a load under way.
    pub(crate) fn delete_here(&self, key: &Bytes) {
        let mut shard = self.shard(key);
        shard.flights.remove(key);
        shard.remove(key);
        drop(shard);
        self.counters.deletes.add(1);
        self.tell(|| Event::Deleted(key.clone()));
    }

    fn with_default_ttl(&self, value: Value) -> Value {
        match (value.expires(), self.ttl) {
            (None, Some(ttl)) => value.with_expiry(Some(Expiry::after(ttl))),
            _ => value,
        }
    }

    fn tell_evicted(&self, evicted: Vec<Bytes>) {
        for key in evicted {
            self.tell(|| Event::Evicted(key));
        }
    }

    /// Tells who listens; makes no event if nobody does.
    fn tell(&self, event: impl FnOnce() -> Event) {
        if self.events.receiver_count() != 0 {
            // They may have gone meanwhile.
            let _ = self.events.send(event());
        }
    }
}

/// A copy of bytes that keeps nothing else alive: a key may be a piece of a large request.
fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.0.name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
