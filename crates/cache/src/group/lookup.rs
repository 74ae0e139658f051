//! Looking a key up in steps, for programs that wait in a way of their own: bindings of other languages.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::flight::Flight;
use crate::store::{Found, Known, Place};
use crate::value::Value;

use super::{Group, Look, Reach};

/// What is known of a key at once.
#[derive(Debug)]
pub enum Lookup {
    /// It was here.
    Done(Result<Value, Error>),
    /// It is being loaded.
    Loading(Loading),
}

/// A load under way. It goes on when this is dropped.
#[derive(Clone, Debug)]
pub struct Loading(Arc<Flight>);

impl Loading {
    /// Waits for the value, on any runtime or none.
    ///
    /// # Errors
    /// As [`Group::get`].
    pub async fn wait(self) -> Result<Value, Error> {
        self.0.wait().await
    }
}

impl Group {
    /// As [`get`](Self::get), but leaves it to the caller to wait.
    pub fn look_up(&self, key: impl AsRef<[u8]>) -> Lookup {
        match self.look(key.as_ref(), Reach::Cluster) {
            Look::Done(outcome) => Lookup::Done(outcome),
            Look::Wait(flight) => Lookup::Loading(Loading(flight)),
        }
    }

    /// The value of a key, if it is here and good, for callers that load what is not and keep it with
    /// [`set_local`](Self::set_local). It is counted among the gets, and as a hit or as a load.
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<Value> {
        let key = key.as_ref();
        let inner = self.inner();
        inner.counters.gets.add(1);
        let found = inner.look_at(&mut inner.shard(key), key, Duration::ZERO);
        match found {
            Found::Fresh(Known::Value(value), place) => {
                inner.counters.cache_hits.add(1);
                inner.counters.hits[place as usize].add(1);
                Some(value)
            }
            _ => {
                inner.counters.loads.add(1);
                None
            }
        }
    }

    /// As [`set`](Self::set), on this node alone and at once.
    pub fn set_local(&self, key: impl AsRef<[u8]>, value: impl Into<Value>) {
        let inner = self.inner();
        let key = bytes::Bytes::copy_from_slice(key.as_ref());
        inner.set_here(&key, inner.with_default_ttl(value.into()), Place::Main);
    }

    /// As [`delete`](Self::delete), on this node alone and at once.
    pub fn delete_local(&self, key: impl AsRef<[u8]>) {
        let key = bytes::Bytes::copy_from_slice(key.as_ref());
        self.inner().delete_here(&key);
    }

    /// Keeps, while no other has come for its key, a value in another [form](crate::Form): `new` in the
    /// place of `old`, which this group gave, and whose bytes and expiry it has.
    pub fn exchange(&self, key: impl AsRef<[u8]>, old: &Value, new: Value) {
        debug_assert_eq!(*old, new, "only the form may differ");
        let key = key.as_ref();
        self.inner().shard(key).exchange(key, old, new);
    }
}
