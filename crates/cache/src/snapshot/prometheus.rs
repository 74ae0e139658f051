//! The same as text for Prometheus (exposition format 0.0.4).

use std::fmt::{Display, Write as _};

use crate::latency::Latency;
use crate::stats::{CacheStats, Stats};

use super::{GroupSnapshot, NodeSnapshot, Snapshot};

/// One counter: its name, what it is, and where it stands.
type Row = (&'static str, &'static str, fn(&Stats) -> u64);

/// Those that are not the sum of others.
const COUNTERS: [Row; 13] = [
    ("gets", "Keys asked for.", |s| s.gets),
    (
        "stale_hits",
        "Keys answered by an expired value while it was loaded anew.",
        |s| s.stale_hits,
    ),
    ("loads", "Keys that were not in memory.", |s| s.loads),
    (
        "loads_deduped",
        "Loads that waited for another one of the same key.",
        |s| s.loads_deduped,
    ),
    (
        "local_loads",
        "Loads by the getter that gave a value.",
        |s| s.local_loads,
    ),
    ("local_load_errs", "Loads by the getter that failed.", |s| {
        s.local_load_errs
    }),
    (
        "peer_loads",
        "Loads answered by the owner of the key.",
        |s| s.peer_loads,
    ),
    (
        "peer_errors",
        "Loads that the owner of the key could not answer.",
        |s| s.peer_errors,
    ),
    ("tier_hits", "Loads answered by the second tier.", |s| {
        s.tier_hits
    }),
    (
        "tier_errors",
        "Loads for which the second tier could not be asked.",
        |s| s.tier_errors,
    ),
    ("server_requests", "Keys asked for by peers.", |s| {
        s.server_requests
    }),
    ("sets", "Values set.", |s| s.sets),
    ("deletes", "Keys deleted.", |s| s.deletes),
];

/// What each of the two caches has: its name, kind, text, and where it stands.
type CacheRow = (
    &'static str,
    &'static str,
    &'static str,
    fn(&CacheStats) -> u64,
);

const CACHES: [CacheRow; 4] = [
    ("bytes", "gauge", "Bytes of keys and values.", |c| c.bytes),
    ("items", "gauge", "Entries.", |c| c.items),
    ("hits_total", "counter", "Keys answered from memory.", |c| {
        c.hits
    }),
    (
        "evictions_total",
        "counter",
        "Entries that had to make room.",
        |c| c.evictions,
    ),
];

impl Snapshot {
    /// The text that a Prometheus server reads.
    pub fn prometheus(&self) -> String {
        let mut text = Text::default();
        let labelled = |name: &str, value: &str| format!("{name}=\"{}\"", escaped(value));
        let labels = self.groups.iter().map(|g| labelled("group", &g.name));
        let groups: Vec<(&GroupSnapshot, String)> = self.groups.iter().zip(labels).collect();
        let labels = self.nodes.iter().map(|n| labelled("node", &n.address));
        let nodes: Vec<(&NodeSnapshot, String)> = self.nodes.iter().zip(labels).collect();
        let others = || nodes.iter().filter(|(node, _)| !node.is_self);

        for (name, what, get) in COUNTERS {
            let samples = groups
                .iter()
                .map(|(group, label)| (label, get(&group.stats)));
            text.samples(&format!("{name}_total"), "counter", what, samples);
        }
        for (name, kind, what, get) in CACHES {
            let samples = groups.iter().flat_map(|(group, label)| {
                let caches = [("main", &group.stats.main), ("hot", &group.stats.hot)];
                caches.map(|(cache, numbers)| (format!("{label},cache=\"{cache}\""), get(numbers)))
            });
            text.samples(name, kind, what, samples);
        }
        text.samples(
            "max_bytes",
            "gauge",
            "Bytes of keys and values that are kept at most.",
            groups.iter().map(|(group, label)| (label, group.max_bytes)),
        );
        text.samples(
            "listening",
            "gauge",
            "1 if memory is believed, 0 if a second tier is not heard.",
            groups
                .iter()
                .map(|(group, label)| (label, u64::from(group.is_listening))),
        );
        text.histograms(
            "load_seconds",
            "How long loads took, by who was asked.",
            groups.iter().flat_map(|(group, label)| {
                let who = [("getter", &group.getter), ("peer", &group.peers)];
                who.map(|(by, latency)| (format!("{label},by=\"{by}\""), latency))
            }),
        );
        text.samples(
            "node_share",
            "gauge",
            "Share of all keys that a node owns.",
            nodes.iter().map(|(node, label)| (label, node.share)),
        );
        text.samples(
            "node_up",
            "gauge",
            "1 if a node has answered lately, 0 if it is left alone.",
            nodes
                .iter()
                .map(|(node, label)| (label, u64::from(node.answers))),
        );
        text.samples(
            "node_failed_total",
            "counter",
            "Requests that a node has not answered.",
            others().map(|(node, label)| (label, node.failed)),
        );
        text.histograms(
            "node_request_seconds",
            "How long a node took to answer.",
            others().map(|(node, label)| (label, &node.latency)),
        );
        text.text
    }
}

#[derive(Default)]
struct Text {
    text: String,
    name: String,
}

impl Text {
    /// Begins a family of samples.
    fn family(&mut self, name: &str, kind: &str, what: &str) {
        self.name = format!("oxbridge_cache_{name}");
        let name = &self.name;
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {what}\n# TYPE {name} {kind}");
    }

    /// A family whose samples are one number each.
    fn samples<L: Display, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        what: &str,
        samples: impl Iterator<Item = (L, V)>,
    ) {
        self.family(name, kind, what);
        for (labels, value) in samples {
            let _ = writeln!(self.text, "{}{{{labels}}} {value}", self.name);
        }
    }

    /// A family of histograms.
    fn histograms<'a, L: Display>(
        &mut self,
        name: &str,
        what: &str,
        samples: impl Iterator<Item = (L, &'a Latency)>,
    ) {
        self.family(name, "histogram", what);
        for (labels, latency) in samples {
            self.histogram(&labels, latency);
        }
    }

    fn histogram(&mut self, labels: &impl Display, latency: &Latency) {
        let name = &self.name;
        let mut sum = 0;
        for (class, count) in latency.counts.iter().enumerate() {
            sum += count;
            let end = (1_u64 << class) as f64 / 1e6;
            let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"{end}\"}} {sum}");
        }
        let _ = writeln!(self.text, "{name}_bucket{{{labels},le=\"+Inf\"}} {sum}");
        let seconds = latency.total_micros as f64 / 1e6;
        let _ = writeln!(self.text, "{name}_sum{{{labels}}} {seconds}");
        let _ = writeln!(self.text, "{name}_count{{{labels}}} {sum}");
    }
}

/// A label's value.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
