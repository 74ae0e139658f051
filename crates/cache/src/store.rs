//! What one group holds, in shards with a lock and a byte bound each.

mod lru;

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::flight::Flight;
use crate::value::{Expiry, Value};

pub(crate) use self::lru::{Known, Lru, cost};

/// Which of the two caches an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Keys that this node owns, and those that it loaded itself because their owner could not.
    Main,
    /// Copies of what other nodes own.
    Hot,
}

/// What a look at a shard gives.
#[derive(Debug)]
pub(crate) enum Found {
    Fresh(Known, Place),
    /// Expired, but not for longer than is allowed while it is loaded anew.
    Stale(Value),
    Nothing,
}

/// A share of a group's entries, behind one lock.
#[derive(Debug)]
pub(crate) struct Shard {
    main: Lru,
    hot: Lru,
    /// For both, in bytes. With 0 nothing is kept.
    max_bytes: usize,
    /// Loads under way. A load whose flight is no longer here was overtaken by a set or a delete: its
    /// result is not kept.
    pub(crate) flights: HashMap<Bytes, Arc<Flight>>,
    pub(crate) evictions: [u64; 2],
    gone: Gone,
}

/// What has left a shard, to be dropped when the shard is unlocked: that may run code which is not ours,
/// and which may ask the cache for something.
#[derive(Debug, Default)]
struct Gone {
    entries: Vec<Known>,
    caches: Vec<Lru>,
}

/// A shard, locked.
pub(crate) struct Held<'a> {
    // Dropped in this order.
    shard: MutexGuard<'a, Shard>,
    gone: Gone,
}

impl<'a> Held<'a> {
    pub(crate) fn lock(shard: &'a Mutex<Shard>) -> Held<'a> {
        Held {
            // A panic cannot leave a shard in between: nothing in there calls code from outside.
            shard: shard.lock().unwrap_or_else(PoisonError::into_inner),
            gone: Gone::default(),
        }
    }
}

impl Deref for Held<'_> {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gone = std::mem::take(&mut self.shard.gone);
    }
}

impl Shard {
    pub(crate) fn new(max_bytes: usize) -> Shard {
        Shard {
            main: Lru::default(),
            hot: Lru::default(),
            max_bytes,
            flights: HashMap::new(),
            evictions: [0; 2],
            gone: Gone::default(),
        }
    }

    /// Looks a key up. An entry that expired longer than `stale_for` ago is dropped.
    pub(crate) fn look(&mut self, key: &[u8], stale_for: Duration) -> Found {
        for place in [Place::Main, Place::Hot] {
            let cache = self.cache(place);
            let Some(known) = cache.get(key) else {
                continue;
            };
            // Most entries have no expiry, and are spared the look at the clock.
            let over = known.expires().and_then(|at| at.over_by(Expiry::now()));
            match (over, known) {
                (None, known) => return Found::Fresh(known.clone(), place),
                (Some(over), Known::Value(value)) if over <= stale_for => {
                    return Found::Stale(value.clone());
                }
                _ => {
                    let gone = cache.remove(key);
                    self.gone.entries.extend(gone);
                }
            }
        }
        Found::Nothing
    }

    /// Puts an entry in, and out what no longer fits. Gives what was evicted.
    pub(crate) fn insert(&mut self, place: Place, key: Bytes, known: Known) -> Vec<Bytes> {
        // One place at a time: a key that changes hands leaves no older copy behind.
        let elsewhere = self.cache(place.other()).remove(&key);
        self.gone.entries.extend(elsewhere);
        if cost(&key, &known) > self.max_bytes {
            // It would push everything else out, and then itself.
            let old = self.cache(place).remove(&key);
            self.gone.entries.extend(old.into_iter().chain([known]));
            return Vec::new();
        }
        let old = self.cache(place).insert(key, known);
        self.gone.entries.extend(old);
        let mut evicted = Vec::new();
        while self.main.bytes() + self.hot.bytes() > self.max_bytes {
            // groupcache's rule: hot copies may take an eighth of what is owned.
            let victim = if self.hot.bytes() > self.main.bytes() / 8 {
                Place::Hot
            } else {
                Place::Main
            };
            let Some((key, known)) = self.cache(victim).evict() else {
                break;
            };
            self.gone.entries.push(known);
            self.evictions[victim as usize] += 1;
            evicted.push(key);
        }
        evicted
    }

    /// Takes a key out of both caches; says whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        let found = [self.main.remove(key), self.hot.remove(key)];
        let was_there = found.iter().any(Option::is_some);
        self.gone.entries.extend(found.into_iter().flatten());
        was_there
    }

    /// Puts `new` where `old` is, if it still is: the same bytes and expiry, in another form.
    pub(crate) fn exchange(&mut self, key: &[u8], old: &Value, new: Value) {
        let left = self.main.exchange(key, old, new);
        let left = self.hot.exchange(key, old, left);
        self.gone.entries.push(Known::Value(left));
    }

    pub(crate) fn clear(&mut self) {
        for cache in [&mut self.main, &mut self.hot] {
            self.gone.caches.push(std::mem::take(cache));
        }
    }

    /// Bytes and entries of one cache.
    pub(crate) fn size(&self, place: Place) -> (usize, usize) {
        let cache = match place {
            Place::Main => &self.main,
            Place::Hot => &self.hot,
        };
        (cache.bytes(), cache.len())
    }

    fn cache(&mut self, place: Place) -> &mut Lru {
        match place {
            Place::Main => &mut self.main,
            Place::Hot => &mut self.hot,
        }
    }
}

impl Place {
    fn other(self) -> Place {
        match self {
            Place::Main => Place::Hot,
            Place::Hot => Place::Main,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(len: usize) -> Known {
        Known::Value(Value::new(vec![b'v'; len]))
    }

    fn key(name: &str) -> Bytes {
        Bytes::copy_from_slice(name.as_bytes())
    }

    fn has(shard: &mut Shard, name: &str) -> bool {
        !matches!(shard.look(name.as_bytes(), Duration::ZERO), Found::Nothing)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut shard = Shard::new(30);
        for name in ["a", "b", "c"] {
            assert!(shard.insert(Place::Main, key(name), value(9)).is_empty());
        }
        assert!(has(&mut shard, "a"));
        assert_eq!(shard.insert(Place::Main, key("d"), value(9)), [key("b")]);
        assert!(has(&mut shard, "a") && has(&mut shard, "c") && has(&mut shard, "d"));
        assert_eq!(shard.evictions, [1, 0]);
    }

    #[test]
    fn hot_copies_go_first_past_an_eighth() {
        for (hot, victim) in [(9, "m"), (19, "h")] {
            let mut shard = Shard::new(80 + 1 + hot);
            shard.insert(Place::Main, key("m"), value(79));
            shard.insert(Place::Hot, key("h"), value(hot));
            let evicted = shard.insert(Place::Main, key("n"), value(9));
            assert_eq!(evicted, [key(victim)], "copies of {} bytes", 1 + hot);
        }
    }

    #[test]
    fn the_bytes_are_those_of_keys_and_values() {
        let mut shard = Shard::new(1 << 10);
        for (value_len, bytes) in [(8, 9), (18, 19), (14, 15)] {
            shard.insert(Place::Main, key("k"), value(value_len));
            assert_eq!(shard.size(Place::Main), (bytes, 1));
        }
        shard.insert(Place::Hot, key("k"), value(3));
        assert_eq!(shard.size(Place::Main), (0, 0));
        assert_eq!(shard.size(Place::Hot), (4, 1));
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept_and_costs_nobody_their_place() {
        let mut shard = Shard::new(30);
        shard.insert(Place::Main, key("a"), value(9));
        shard.insert(Place::Main, key("b"), value(9));
        assert!(shard.insert(Place::Main, key("b"), value(30)).is_empty());
        assert!(has(&mut shard, "a"));
        assert!(
            !has(&mut shard, "b"),
            "the old value must not stand for the new one"
        );
    }

    #[test]
    fn what_has_expired_is_stale_for_a_while_and_then_gone() {
        let past = Expiry::from_unix_nanos(Expiry::now().unix_nanos() - 1_000_000_000);
        let old = Known::Value(Value::new("v").with_expiry(past));
        let mut shard = Shard::new(30);
        shard.insert(Place::Main, key("a"), old);
        let stale = shard.look(b"a", Duration::from_secs(60));
        assert!(matches!(stale, Found::Stale(value) if value.bytes() == "v"));
        assert!(matches!(shard.look(b"a", Duration::ZERO), Found::Nothing));
        assert_eq!(shard.size(Place::Main), (0, 0));
    }
}
