//! What happens to keys, for those who want to know.

use bytes::Bytes;

/// Something that happened to a key on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It was loaded, and is kept.
    Loaded(Bytes),
    /// It was set.
    Set(Bytes),
    /// It was deleted; it need not have been there.
    Deleted(Bytes),
    /// It had to make room.
    Evicted(Bytes),
    /// The whole group was cleared.
    Cleared,
}
