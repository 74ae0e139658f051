//! What a node is and does, at one moment: for people who look, and for programs that watch.

mod prometheus;

use crate::group::Group;
use crate::latency::Latency;
use crate::stats::Stats;

/// An [`Instance`](crate::Instance) at one moment. It serializes to JSON; names and units stay as they are.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The version of this library.
    pub version: &'static str,
    /// The node's own address, as the lists of the others have it; `None` without peers.
    pub node: Option<String>,
    /// `golang`, `mailgun`, `groupcache-go` or `oxbridge`; `None` without peers.
    pub dialect: Option<&'static str>,
    /// Since the instance was made.
    pub uptime_seconds: f64,
    /// Its groups, by name.
    pub groups: Vec<GroupSnapshot>,
    /// The nodes of the cluster, this one included, in the order of their list.
    pub nodes: Vec<NodeSnapshot>,
}

/// A group of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct GroupSnapshot {
    /// Its name.
    pub name: String,
    /// How many bytes of keys and values it may keep.
    pub max_bytes: u64,
    /// Its counters.
    pub stats: Stats,
    /// How long the getter took.
    pub getter: Latency,
    /// How long the other nodes took, for keys that they own.
    pub peers: Latency,
    /// Whether memory is believed: false where there is a second tier that is not heard.
    pub is_listening: bool,
}

/// A node of a [`Snapshot`], as this node sees it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct NodeSnapshot {
    /// Its address, as the list has it.
    pub address: String,
    /// Whether it is this node.
    pub is_self: bool,
    /// The share of all possible keys that it owns: between 0 and 1.
    pub share: f64,
    /// Whether it has answered lately; one that has not is left alone for a while.
    pub answers: bool,
    /// Requests to it that were answered, whatever the answer.
    pub answered: u64,
    /// Requests to it that were not.
    pub failed: u64,
    /// How long it took for those that were answered.
    pub latency: Latency,
}

impl GroupSnapshot {
    pub(crate) fn of(group: &Group) -> GroupSnapshot {
        let (getter, peers) = group.latencies();
        GroupSnapshot {
            name: group.name().to_owned(),
            max_bytes: group.max_bytes() as u64,
            stats: group.stats(),
            getter,
            peers,
            is_listening: group.is_listening(),
        }
    }
}
