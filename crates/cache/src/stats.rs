//! What a group has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one group since it was made. The names are groupcache's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Keys asked for, by this process and by peers.
    pub gets: u64,
    /// Of these, answered from the main or the hot cache.
    pub cache_hits: u64,
    /// Of these, answered by what has expired, while it was loaded anew.
    pub stale_hits: u64,
    /// Keys that were not there: `gets` less `cache_hits`.
    pub loads: u64,
    /// Loads that waited for another one of the same key.
    pub loads_deduped: u64,
    /// Loads by the getter that gave a value.
    pub local_loads: u64,
    /// Loads by the getter that failed; that there is no such thing is one of them.
    pub local_load_errs: u64,
    /// Loads that the owner of the key answered.
    pub peer_loads: u64,
    /// Loads that the owner of the key could not answer.
    pub peer_errors: u64,
    /// Loads that the second tier answered.
    pub tier_hits: u64,
    /// Loads for which the second tier could not be asked.
    pub tier_errors: u64,
    /// Keys asked for by peers.
    pub server_requests: u64,
    /// Values set by this process or by peers.
    pub sets: u64,
    /// Keys deleted by this process or by peers.
    pub deletes: u64,
    /// The main cache: what this node owns.
    pub main: CacheStats,
    /// The hot cache: copies of what others own.
    pub hot: CacheStats,
}

/// Counters of one cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct CacheStats {
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// Entries.
    pub items: u64,
    /// Keys found here.
    pub hits: u64,
    /// Entries that had to make room.
    pub evictions: u64,
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// The same, as they are counted.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
            pub(crate) hits: [Counter; 2],
        }

        impl Counters {
            /// All of it but what the caches know of themselves.
            pub(crate) fn snapshot(&self) -> Stats {
                let mut stats = Stats { $($name: self.$name.get(),)* ..Stats::default() };
                stats.main.hits = self.hits[0].get();
                stats.hot.hits = self.hits[1].get();
                stats
            }
        }
    };
}

counters!(
    gets,
    cache_hits,
    stale_hits,
    loads,
    loads_deduped,
    local_loads,
    local_load_errs,
    peer_loads,
    peer_errors,
    tier_hits,
    tier_errors,
    server_requests,
    sets,
    deletes
);

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
