//! Which node owns a key.

use md5::{Digest as _, Md5};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// How a cluster divides its keys. Every node must use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingKind {
    /// golang/groupcache: a ring of CRC-32 (IEEE) hashes.
    Crc32,
    /// mailgun/groupcache and groupcache-go: a ring of FNV-1 hashes, with nodes at the places of MD5
    /// sums. Sequential keys cluster: with three nodes one may own 99 of 100.
    Fnv1,
    /// Our own: no ring, but the highest of one XXH3 hash for each node (rendezvous hashing, D. Thaler and
    /// C. Ravishankar 1998). Every node owns its share to within a few percent, and a new node takes from
    /// each of the others what it needs and nothing else moves. A look-up costs a few nanoseconds for each
    /// node. Replicas mean nothing to it.
    Rendezvous,
}

/// Who owns which key. For golang/groupcache and its descendants that is consistent hashing after D.
/// Karger et al., with the hashes of the groupcache that the cluster speaks to.
///
/// ```
/// use oxbridge_cache::{Ring, RingKind};
///
/// let nodes = ["http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8003"];
/// let ring = Ring::new(RingKind::Crc32, 50, nodes);
/// assert_eq!(ring.owner(b"key-0"), Some("http://127.0.0.1:8002"));
/// ```
#[derive(Clone, Debug)]
pub struct Ring {
    kind: RingKind,
    nodes: Vec<String>,
    /// Places on the ring, in their order, and the node at each.
    points: Vec<(i64, u32)>,
    /// The seed of each node's hash, where there is no ring.
    seeds: Vec<u64>,
}

impl Ring {
    /// A ring on which each node has `replicas` places. groupcache's default is 50.
    pub fn new<A: Into<String>>(
        kind: RingKind,
        replicas: usize,
        nodes: impl IntoIterator<Item = A>,
    ) -> Ring {
        let mut ring = Ring {
            kind,
            nodes: Vec::new(),
            points: Vec::new(),
            seeds: Vec::new(),
        };
        for node in nodes {
            let node = node.into();
            if ring.nodes.contains(&node) {
                continue;
            }
            if kind == RingKind::Rendezvous {
                ring.seeds.push(xxh3_64(node.as_bytes()));
                ring.nodes.push(node);
                continue;
            }
            // A cluster has fewer nodes than that.
            let number = u32::try_from(ring.nodes.len()).unwrap_or(u32::MAX);
            for replica in 0..replicas {
                let place = kind.place(&format!("{replica}{node}"));
                ring.points.push((place, number));
            }
            ring.nodes.push(node);
        }
        // Where two nodes meet, the one that was added last has the place, as in Go's map.
        ring.points
            .sort_by_key(|(place, node)| (*place, std::cmp::Reverse(*node)));
        ring.points.dedup_by_key(|(place, _)| *place);
        ring
    }

    /// The node that owns a key; `None` on a ring without nodes.
    pub fn owner(&self, key: &[u8]) -> Option<&str> {
        self.owner_index(key).map(|node| self.nodes[node].as_str())
    }

    /// The nodes, in the order in which they were given.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The share of all keys that each node owns, in the order of [`nodes`](Self::nodes): between 0 and 1, and 1
    /// together. On a ring it is the length of the arcs before a node's places, if hashes were spread evenly over
    /// it; FNV-1's are not, and what a node is asked for may be far from that.
    pub fn shares(&self) -> Vec<f64> {
        if self.kind == RingKind::Rendezvous {
            return vec![1.0 / self.nodes.len() as f64; self.nodes.len()];
        }
        let mut shares = vec![0.0; self.nodes.len()];
        // In the order of the places, each node owns what lies between the place before and its own.
        let (least, size) = match self.kind {
            RingKind::Crc32 => (0, 2_f64.powi(32)),
            RingKind::Fnv1 | RingKind::Rendezvous => (i64::MIN, 2_f64.powi(64)),
        };
        let mut before = least;
        for (place, node) in &self.points {
            shares[*node as usize] += place.abs_diff(before) as f64 / size;
            before = *place;
        }
        // What lies after the last place is the first one's.
        if let Some((_, first)) = self.points.first() {
            let covered: f64 = shares.iter().sum();
            shares[*first as usize] += 1.0 - covered;
        }
        shares
    }

    /// The nodes by their claim to a key, its owner first. Where there is no ring: each node has a claim of its own.
    pub(crate) fn ranked(&self, key: &[u8]) -> Vec<usize> {
        let mut ranked: Vec<usize> = (0..self.seeds.len()).collect();
        ranked.sort_by_key(|node| {
            std::cmp::Reverse((xxh3_64_with_seed(key, self.seeds[*node]), *node))
        });
        ranked
    }

    pub(crate) fn owner_index(&self, key: &[u8]) -> Option<usize> {
        if self.kind == RingKind::Rendezvous {
            let scores = self.seeds.iter().enumerate();
            let scores = scores.map(|(node, seed)| (xxh3_64_with_seed(key, *seed), node));
            return scores.max().map(|(_, node)| node);
        }
        let hash = self.kind.hash(key);
        let next = self.points.partition_point(|(place, _)| *place < hash);
        // Past the last place the ring begins anew.
        let (_, node) = self.points.get(next).or_else(|| self.points.first())?;
        Some(*node as usize)
    }
}

impl RingKind {
    /// The place of a replica of a node.
    fn place(self, replica: &str) -> i64 {
        match self {
            RingKind::Crc32 | RingKind::Rendezvous => self.hash(replica.as_bytes()),
            RingKind::Fnv1 => {
                let sum = Md5::digest(replica.as_bytes());
                let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
                self.hash(hex.as_bytes())
            }
        }
    }

    fn hash(self, bytes: &[u8]) -> i64 {
        match self {
            RingKind::Crc32 => i64::from(crc32fast::hash(bytes)),
            // Go keeps the hash in an `int`, so its order is that of signed numbers.
            RingKind::Fnv1 => fnv1(bytes).cast_signed(),
            RingKind::Rendezvous => xxh3_64(bytes).cast_signed(),
        }
    }
}

/// FNV-1 with 64 bits (not FNV-1a): <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1(bytes: &[u8]) -> u64 {
    bytes.iter().fold(14_695_981_039_346_656_037, |hash, byte| {
        hash.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners<'a>(ring: &'a Ring, keys: &[&str]) -> Vec<&'a str> {
        keys.iter()
            .map(|key| ring.owner(key.as_bytes()).expect("the ring has nodes"))
            .collect()
    }

    /// The vectors of mailgun/groupcache's TestHashing.
    #[test]
    fn fnv1_places_keys_where_mailgun_has_them() {
        let keys = ["12,000", "11", "500,000", "1,000,000"];
        let three = Ring::new(RingKind::Fnv1, 512, ["6", "4", "2"]);
        assert_eq!(owners(&three, &keys), ["4", "6", "4", "2"]);
        let four = Ring::new(RingKind::Fnv1, 512, ["6", "4", "2", "8"]);
        assert_eq!(owners(&four, &keys), ["4", "8", "4", "8"]);
    }

    /// The vectors of groupcache-go's TestPickPeer.
    #[test]
    fn fnv1_places_keys_where_groupcache_go_has_them() {
        let ring = Ring::new(
            RingKind::Fnv1,
            512,
            ["a.svc.local", "b.svc.local", "c.svc.local"],
        );
        assert_eq!(
            owners(&ring, &["Bob", "Johnny", "Rick"]),
            ["a.svc.local", "b.svc.local", "c.svc.local"]
        );
    }

    #[test]
    fn the_owner_has_the_first_claim() {
        let ring = Ring::new(RingKind::Rendezvous, 0, ["a", "b", "c", "d"]);
        for key in 0..200_u8 {
            let mut ranked = ring.ranked(&[key]);
            assert_eq!(ring.owner_index(&[key]), ranked.first().copied());
            ranked.sort_unstable();
            assert_eq!(ranked, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn shares_are_what_keys_with_even_hashes_get() {
        let nodes: Vec<String> = (0..5).map(|n| format!("http://10.0.0.{n}:80")).collect();
        for kind in [RingKind::Crc32, RingKind::Rendezvous] {
            let ring = Ring::new(kind, 50, &nodes[..]);
            let shares = ring.shares();
            assert!(
                (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9,
                "{shares:?}"
            );
            let mut counts = vec![0_u32; nodes.len()];
            for n in 0..100_000_u64 {
                // CRC-32 of random bytes is even.
                let key = xxh3_64(&n.to_le_bytes()).to_le_bytes();
                counts[ring.owner_index(&key).expect("there are nodes")] += 1;
            }
            for (share, count) in shares.iter().zip(counts) {
                let counted = f64::from(count) / 100_000.0;
                assert!(
                    (share - counted).abs() < 0.01,
                    "{kind:?}: {share} and {counted}"
                );
            }
        }
        let one = Ring::new(RingKind::Fnv1, 50, ["a"]);
        assert!((one.shares()[0] - 1.0).abs() < 1e-9);
        assert!(Ring::new(RingKind::Fnv1, 50, [""; 0]).shares().is_empty());
    }

    #[test]
    fn splits_are_those_of_the_go_packages() {
        let urls = [
            "http://127.0.0.1:8001",
            "http://127.0.0.1:8002",
            "http://127.0.0.1:8003",
        ];
        let hosts = urls.map(|url| &url[7..]);
        for (kind, nodes, expected) in [
            (RingKind::Crc32, urls, [440, 265, 295]),
            (RingKind::Fnv1, urls, [0, 990, 10]),
            (RingKind::Fnv1, hosts, [900, 100, 0]),
        ] {
            let ring = Ring::new(kind, 50, nodes);
            let mut split = [0; 3];
            for i in 0..1000 {
                let owner = ring.owner_index(format!("key-{i}").as_bytes());
                split[owner.expect("the ring has nodes")] += 1;
            }
            assert_eq!(split, expected, "{kind:?}");
        }
    }

    #[test]
    fn the_order_of_the_nodes_does_not_matter_and_repetitions_neither() {
        let one = Ring::new(RingKind::Crc32, 50, ["Bill", "Bob", "Bonny"]);
        let other = Ring::new(RingKind::Crc32, 50, ["Bob", "Bonny", "Bill", "Bob"]);
        for i in 0..1000 {
            let key = format!("{i}");
            assert_eq!(one.owner(key.as_bytes()), other.owner(key.as_bytes()));
        }
    }

    #[test]
    fn a_ring_without_nodes_owns_nothing() {
        for kind in [RingKind::Fnv1, RingKind::Rendezvous] {
            assert_eq!(Ring::new(kind, 50, [""; 0]).owner(b"k"), None);
        }
    }

    /// Two nodes and a key, worked out by another implementation of XXH3: a cluster must agree on it.
    #[test]
    fn rendezvous_hashing_is_what_it_always_was() {
        assert_eq!(xxh3_64(b"http://10.0.0.1:80"), 0xbb50_608f_8063_4b8f);
        let ring = Ring::new(
            RingKind::Rendezvous,
            0,
            ["http://10.0.0.1:80", "http://10.0.0.2:80"],
        );
        let owners = (0..8).map(|i| ring.owner_index(format!("key-{i}").as_bytes()));
        let owners: Vec<usize> = owners.flatten().collect();
        assert_eq!(owners, [1, 0, 0, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn rendezvous_hashing_spreads_a_million_keys_and_moves_no_more_than_it_must() {
        const KEYS: usize = 1_000_000;
        for count in [3, 10, 100_usize] {
            let nodes = |count| (0..count).map(|i| format!("http://10.0.0.{i}:8080"));
            let ring = Ring::new(RingKind::Rendezvous, 0, nodes(count));
            let grown = Ring::new(RingKind::Rendezvous, 0, nodes(count + 1));
            let (mut split, mut moved) = (vec![0_usize; count], 0);
            // Fewer look-ups where each costs more: this also runs without optimisation.
            let keys = if cfg!(debug_assertions) {
                KEYS / count
            } else {
                KEYS
            };
            for i in 0..keys {
                let key = format!("key-{i}");
                let owner = ring.owner_index(key.as_bytes()).expect("there are nodes");
                split[owner] += 1;
                let after = grown.owner_index(key.as_bytes()).expect("there are nodes");
                assert!(after == owner || after == count, "only to the new node");
                moved += usize::from(after == count);
            }
            let mean = keys as f64 / count as f64;
            let most = split.iter().copied().max().unwrap_or(0) as f64;
            // What chance alone does to a share of that size, four times over.
            let allowed = (4.0 / mean.sqrt()).max(0.1);
            assert!(most / mean <= 1.0 + allowed, "{count}: {}", most / mean);
            let share = moved as f64 / keys as f64;
            assert!(
                share <= 1.2 / (count + 1) as f64 * (1.0 + allowed),
                "{count}: {share}"
            );
        }
    }
}
