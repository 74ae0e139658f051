//! How a group is made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::error::Error;
use crate::getter::{Blocking, Getter};
use crate::instance::Instance;
use crate::latency::Latencies;
use crate::peers::Dialect;
use crate::stats::Counters;
use crate::store::Shard;
use crate::tier::Tier;
use crate::value::Value;

use super::{Group, Inner};

/// Bytes that a shard has at least, so that a small cache is one exact list of what was used last.
const SHARD_BYTES: usize = 4 << 20;
/// More shards would help nobody: that many threads seldom meet in one.
const MAX_SHARDS: usize = 32;
/// Events that a listener may be behind.
const EVENTS: usize = 1024;

/// Settings of a group that is being made: see [`Instance::group`].
#[derive(Debug)]
#[must_use = "a group is made by `getter` or `blocking_getter`"]
pub struct GroupBuilder<'a> {
    instance: &'a Instance,
    name: String,
    max_bytes: usize,
    ttl: Option<Duration>,
    negative_ttl: Option<Duration>,
    stale_for: Duration,
    tier: Option<Tier>,
}

impl<'a> GroupBuilder<'a> {
    pub(crate) fn new(instance: &'a Instance, name: String) -> GroupBuilder<'a> {
        GroupBuilder {
            instance,
            name,
            max_bytes: 64 << 20,
            ttl: None,
            negative_ttl: None,
            stale_for: Duration::ZERO,
            tier: None,
        }
    }

    /// How many bytes of keys and values this node keeps, main and hot cache together. Each entry takes
    /// some 130 to 170 bytes besides (131 with values of 16 bytes, 165 with values of 16 KiB). With 0 nothing is
    /// kept, and loads are still shared. Default: 64 MiB.
    ///
    /// From 8 MiB on the entries are divided over several locks, each with its share of the bytes; a
    /// value larger than that share (4 MiB at least) is not kept.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long values are good that say nothing themselves. Default: for ever.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long it is remembered that there is no such thing. Default: it is not.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// For how long after it has expired a value is still given, while one caller's load brings a new one
    /// (`stale-while-revalidate` of RFC 5861). Default: not at all.
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }

    /// Puts a Valkey or Redis between memory and the getter: see [`Tier`]. Every process that has the group must
    /// have it with the same tier. With peers, only in [`Dialect::Oxbridge`].
    pub fn second_tier(mut self, tier: &Tier) -> Self {
        self.tier = Some(tier.clone());
        self
    }

    /// Makes the group, filled by a getter.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn getter(self, getter: impl Getter) -> Result<Group, GroupError> {
        self.make(Box::new(getter))
    }

    /// Makes the group, filled by a function that may block.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn blocking_getter<F>(self, getter: F) -> Result<Group, GroupError>
    where
        F: Fn(&[u8]) -> Result<Value, Error> + Send + Sync + 'static,
    {
        self.make(Box::new(Blocking::new(getter)))
    }

    fn make(self, getter: Box<dyn Getter>) -> Result<Group, GroupError> {
        if self.name.contains('/') || self.name.is_empty() {
            return Err(GroupError::Name(self.name));
        }
        if self.tier.is_some()
            && let Some(peers) = self.instance.peers()
            && peers.dialect() != Dialect::Oxbridge
        {
            return Err(GroupError::TierAmongGo(peers.dialect()));
        }
        let shards = (self.max_bytes / SHARD_BYTES).clamp(1, MAX_SHARDS);
        let group = Group(Arc::new(Inner {
            getter,
            shards: (0..shards)
                .map(|_| Mutex::new(Shard::new(self.max_bytes / shards)))
                .collect(),
            seed: random(),
            stale_for: self.stale_for,
            negative_ttl: self.negative_ttl,
            ttl: self.ttl,
            runtime: self.instance.runtime().clone(),
            peers: self.instance.peers().cloned(),
            tier: self.tier,
            counters: Counters::default(),
            getter_took: Latencies::default(),
            peers_took: Latencies::default(),
            max_bytes: self.max_bytes,
            events: broadcast::Sender::new(EVENTS),
            name: self.name,
        }));
        self.instance.add(group.clone())?;
        if let Some(tier) = &group.0.tier {
            tier.register(group.name(), &group.0);
        }
        Ok(group)
    }
}

/// A number that nobody can foresee.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// Why there is no such group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// The name is empty or has a slash, which the path of a peer's request could not carry.
    Name(String),
    /// The instance has a group of this name.
    Exists(String),
    /// A second tier was asked for among nodes that may be Go's, which change values without telling it.
    TierAmongGo(Dialect),
}

impl std::fmt::Display for GroupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GroupError::Name(name) => write!(
                f,
                "a group's name must not be empty and must not contain \"/\", and this one is {name:?}"
            ),
            GroupError::TierAmongGo(dialect) => write!(
                f,
                "a second tier needs peers of the dialect Oxbridge, or none, and these speak {dialect:?}, in which \
                 other nodes may change values without telling it"
            ),
            GroupError::Exists(name) => write!(f, "there is a group {name:?} already"),
        }
    }
}

impl std::error::Error for GroupError {}
