//! Entries in the order of their last use, bounded by their owner.

use bytes::Bytes;
use hashlink::LinkedHashMap;

use crate::value::{Expiry, Value};

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Its value.
    Value(Value),
    /// That it has none, until then (negative caching).
    Absent(String, Expiry),
}

impl Known {
    pub(crate) fn expires(&self) -> Option<Expiry> {
        match self {
            Known::Value(value) => value.expires(),
            Known::Absent(_, expires) => Some(*expires),
        }
    }

    fn len(&self) -> usize {
        match self {
            Known::Value(value) => value.weight(),
            Known::Absent(what, _) => what.len(),
        }
    }
}

/// The bytes that an entry counts for: its key and its value, as groupcache has it.
pub(crate) fn cost(key: &[u8], known: &Known) -> usize {
    key.len() + known.len()
}

/// Entries, the one used longest ago first. It has no bound of its own: see
/// [`Shard`](super::Shard).
#[derive(Debug, Default)]
pub(crate) struct Lru {
    entries: LinkedHashMap<Bytes, Known, Hasher>,
    bytes: usize,
}

/// Keys may come from strangers; the hash is seeded for each map, so that they cannot choose collisions.
type Hasher = hashlink::DefaultHashBuilder;

impl Lru {
    /// Bytes of all keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks a key up, and makes it the one used last.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Known> {
        match self.entries.raw_entry_mut().from_key(key) {
            hashlink::linked_hash_map::RawEntryMut::Occupied(mut entry) => {
                entry.to_back();
                Some(entry.into_mut())
            }
            hashlink::linked_hash_map::RawEntryMut::Vacant(_) => None,
        }
    }

    /// Puts an entry in, in the place of one with the same key, as the one used last. Gives the old one.
    pub(crate) fn insert(&mut self, key: Bytes, known: Known) -> Option<Known> {
        self.bytes += cost(&key, &known);
        let length = key.len();
        let old = self.entries.insert(key, known);
        if let Some(old) = &old {
            self.bytes -= length + old.len();
        }
        old
    }

    /// Puts `new` where `old` is, if it still is. Gives back what is not in there.
    pub(crate) fn exchange(&mut self, key: &[u8], old: &Value, new: Value) -> Value {
        match self.entries.get_mut(key) {
            Some(Known::Value(here)) if here.is(old) => {
                self.bytes = self.bytes - here.weight() + new.weight();
                std::mem::replace(here, new)
            }
            _ => new,
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Known> {
        let known = self.entries.remove(key)?;
        self.bytes -= cost(key, &known);
        Some(known)
    }

    /// Takes the entry out that was used longest ago.
    pub(crate) fn evict(&mut self) -> Option<(Bytes, Known)> {
        let (key, known) = self.entries.pop_front()?;
        self.bytes -= cost(&key, &known);
        Some((key, known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Get(u8),
        Insert(u8, usize),
        Remove(u8),
        Evict,
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => any::<u8>().prop_map(|k| Step::Get(k % 16)),
            4 => (any::<u8>(), 0..40_usize).prop_map(|(k, n)| Step::Insert(k % 16, n)),
            2 => any::<u8>().prop_map(|k| Step::Remove(k % 16)),
            2 => Just(Step::Evict),
            1 => Just(Step::Clear),
        ]
    }

    fn value(len: usize) -> Known {
        Known::Value(Value::new(vec![b'v'; len]))
    }

    proptest! {
        /// Against a list that is searched from one end to the other.
        #[test]
        fn it_does_what_a_list_does(steps in prop::collection::vec(step(), 0..200)) {
            let mut lru = Lru::default();
            let mut model: Vec<(u8, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Get(k) => {
                        let place = model.iter().position(|(key, _)| *key == k);
                        let expected = place.map(|place| {
                            let entry = model.remove(place);
                            model.push(entry);
                            value(entry.1)
                        });
                        prop_assert_eq!(lru.get(&[k]).cloned(), expected);
                    }
                    Step::Insert(k, len) => {
                        model.retain(|(key, _)| *key != k);
                        model.push((k, len));
                        lru.insert(Bytes::copy_from_slice(&[k]), value(len));
                    }
                    Step::Remove(k) => {
                        let place = model.iter().position(|(key, _)| *key == k);
                        let expected = place.map(|place| value(model.remove(place).1));
                        prop_assert_eq!(lru.remove(&[k]), expected);
                    }
                    Step::Evict => {
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        let expected = expected
                            .map(|(k, len)| (Bytes::copy_from_slice(&[k]), value(len)));
                        prop_assert_eq!(lru.evict(), expected);
                    }
                    Step::Clear => {
                        model.clear();
                        lru = Lru::default();
                    }
                }
                prop_assert_eq!(lru.len(), model.len());
                prop_assert_eq!(lru.bytes(), model.iter().map(|(_, len)| 1 + len).sum::<usize>());
            }
        }
    }
}
