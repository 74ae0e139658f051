//! The literal children of a node in the tree, found by what a request's segment says.

use crate::path::Decoded;

/// A map from literals to values, for a few literals or for thousands.
///
/// A few are compared one by one. For more there is a hash table with open addressing. The hash is
/// a plain one: the literals come from the program, so no client can make them collide.
#[derive(Clone, Debug)]
pub(crate) struct Literals<V> {
    entries: Vec<(Box<[u8]>, V)>,
    /// Empty for a few entries, else a power of two and at least twice as many.
    slots: Vec<Slot>,
}

/// A place in the table, which is free if `entry` is [`FREE`].
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    entry: u32,
}

const FREE: u32 = u32::MAX;

/// Up to this many literals are compared one by one.
const FEW: usize = 8;

impl<V> Literals<V> {
    /// Finds what a segment of a request leads to. `escaped` says that there may be escapes in it.
    pub(crate) fn get(&self, segment: &[u8], escaped: bool) -> Option<&V> {
        let at = if escaped && memchr::memchr(b'%', segment).is_some() {
            let decoded = Decoded::new(segment);
            self.position(
                || hash(decoded.clone()),
                |known| known.iter().copied().eq(decoded.clone()),
            )
        } else {
            self.position_of(segment)
        };
        Some(&self.entries[at?].1)
    }

    /// The value of a literal, made if it is new.
    pub(crate) fn get_or_insert_with(&mut self, literal: &[u8], new: impl FnOnce() -> V) -> &mut V {
        let at = self.position_of(literal).unwrap_or_else(|| {
            self.entries.push((literal.into(), new()));
            self.index_last();
            self.entries.len() - 1
        });
        &mut self.entries[at].1
    }

    /// Every literal with its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.entries
            .iter()
            .map(|(literal, value)| (&**literal, value))
    }

    fn position_of(&self, literal: &[u8]) -> Option<usize> {
        self.position(|| hash(literal.iter().copied()), |known| *known == *literal)
    }

    fn position(&self, hash: impl FnOnce() -> u32, is_it: impl Fn(&[u8]) -> bool) -> Option<usize> {
        if self.slots.is_empty() {
            return self.entries.iter().position(|(known, _)| is_it(known));
        }
        let hash = hash();
        let mut at = self.first_slot(hash);
        // Half of the slots are free, so this ends.
        loop {
            let slot = self.slots[at];
            if slot.entry == FREE {
                return None;
            }
            let entry = slot.entry as usize;
            if slot.hash == hash && is_it(&self.entries[entry].0) {
                return Some(entry);
            }
            at = self.next_slot(at);
        }
    }

    /// Enters the last of `entries` into the table, or all of them into a bigger one.
    fn index_last(&mut self) {
        let len = self.entries.len();
        if len <= FEW {
            return;
        }
        let mut first = len - 1;
        if self.slots.len() < 2 * len {
            self.slots = vec![
                Slot {
                    hash: 0,
                    entry: FREE
                };
                (4 * len).next_power_of_two()
            ];
            first = 0;
        }
        for entry in first..len {
            let hash = hash(self.entries[entry].0.iter().copied());
            let mut at = self.first_slot(hash);
            while self.slots[at].entry != FREE {
                at = self.next_slot(at);
            }
            // 2^32 literals do not fit into memory.
            self.slots[at] = Slot {
                hash,
                entry: entry as u32,
            };
        }
    }

    fn first_slot(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn next_slot(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }
}

impl<V> Default for Literals<V> {
    fn default() -> Self {
        Literals {
            entries: Vec::new(),
            slots: Vec::new(),
        }
    }
}

/// FNV-1a, which takes bytes one by one and so the decoded as they come.
fn hash(bytes: impl Iterator<Item = u8>) -> u32 {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32 ^ hash) as u32
}

#[cfg(test)]
mod tests {
    use super::{FEW, Literals};

    #[test]
    fn every_size_finds_what_is_there_and_no_more() {
        let mut literals = Literals::default();
        for len in 0..40 * FEW {
            let name = |i: usize| format!("seg {i}");
            for i in 0..len {
                assert_eq!(
                    literals.get(name(i).as_bytes(), false),
                    Some(&i),
                    "of {len}"
                );
                assert_eq!(
                    literals.get(format!("%73eg%20{i}").as_bytes(), true),
                    Some(&i),
                    "of {len}"
                );
            }
            for other in [
                name(len),
                format!("seg%20{}", len.saturating_sub(1)),
                String::new(),
            ] {
                assert_eq!(
                    literals.get(other.as_bytes(), false),
                    None,
                    "{other} of {len}"
                );
            }
            assert_eq!(
                *literals.get_or_insert_with(name(len).as_bytes(), || len),
                len
            );
            assert_eq!(
                *literals.get_or_insert_with(name(0).as_bytes(), || usize::MAX),
                0
            );
            assert_eq!(literals.iter().count(), len + 1);
        }
    }
}
