//! One load: by the owner of the key, or by the getter, and what is kept of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::error::{Error, Kind};
use crate::events::Event;
use crate::flight::Flight;
use crate::getter::panicked;
use crate::peers::Answer;
use crate::store::{Known, Place};
use crate::value::{Expiry, Value};

use super::{Begun, Inner, Reach};

/// What a load gives, and where it belongs. `None` is kept nowhere.
struct Loaded {
    outcome: Result<Value, Error>,
    place: Option<Place>,
}

impl Inner {
    /// Starts the task that does a load.
    pub(super) fn load(self: &Arc<Self>, begun: Begun, reach: Reach) {
        let inner = self.clone();
        self.runtime.spawn(async move {
            let loaded = inner.fetch(&begun.key, reach).await;
            inner.land(begun, loaded);
        });
    }

    /// Starts the tasks that do many loads: each owner is asked once for all of its keys, if the dialect
    /// has it.
    pub(super) fn load_many(self: &Arc<Self>, begun: Vec<Begun>) {
        let peers = self.peers.clone().filter(|_| begun.len() > 1);
        let Some(peers) = peers else {
            for begun in begun {
                self.load(begun, Reach::Cluster);
            }
            return;
        };
        let inner = self.clone();
        self.runtime.spawn(async move {
            let keys: Vec<Bytes> = begun.iter().map(|begun| begun.key.clone()).collect();
            let answers = peers.get_many(&inner.name, &keys).await;
            for (begun, answer) in begun.into_iter().zip(answers) {
                match answer.map(|answer| inner.take_answer(answer)) {
                    None => inner.load(begun, Reach::Cluster),
                    Some(Some(loaded)) => inner.land(begun, loaded),
                    Some(None) => inner.load(begun, Reach::Here),
                }
            }
        });
    }

    fn land(&self, begun: Begun, loaded: Loaded) {
        self.keep(&begun.key, &begun.flight, &loaded);
        begun.landing.land(loaded.outcome);
    }

    /// What the owner of a key said of it; `None` if that leaves it to us.
    fn take_answer(&self, answer: Answer) -> Option<Loaded> {
        match answer {
            Answer::Ours => None,
            Answer::Value(value, keep) => {
                self.counters.peer_loads.add(1);
                Some(Loaded {
                    outcome: Ok(value),
                    place: keep.then_some(Place::Hot),
                })
            }
            Answer::Refused(error) => {
                self.counters.peer_errors.add(1);
                Some(Loaded {
                    outcome: Err(error),
                    place: None,
                })
            }
            Answer::Failed(error) => {
                self.counters.peer_errors.add(1);
                tracing::debug!(group = self.name, "loading a peer's key here: {error}");
                None
            }
        }
    }

    async fn fetch(&self, key: &Bytes, reach: Reach) -> Loaded {
        if reach == Reach::Cluster
            && let Some(peers) = &self.peers
        {
            let answer = peers.get(&self.name, key).await;
            if let Some(loaded) = self.take_answer(answer) {
                return loaded;
            }
        }
        let outcome = AssertUnwindSafe(async { self.getter.load(key.clone()).await })
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(panicked(&*panic)));
        match &outcome {
            Ok(_) => self.counters.local_loads.add(1),
            Err(_) => self.counters.local_load_errs.add(1),
        }
        Loaded {
            outcome: outcome.map(|value| self.with_default_ttl(value)),
            place: Some(Place::Main),
        }
    }

    /// Keeps what was loaded, unless a set, a delete or a clear came in between.
    fn keep(&self, key: &Bytes, flight: &Arc<Flight>, loaded: &Loaded) {
        let known = match (&loaded.outcome, self.negative_ttl) {
            (Ok(value), _) => Some(Known::Value(value.clone())),
            (Err(error), Some(ttl)) => match error.kind() {
                Kind::NotFound(what) => Some(Known::Absent(what.clone(), Expiry::after(ttl))),
                _ => None,
            },
            (Err(_), None) => None,
        };
        let mut shard = self.shard(key);
        if !shard
            .flights
            .get(key)
            .is_some_and(|here| Arc::ptr_eq(here, flight))
        {
            return;
        }
        shard.flights.remove(key);
        let (Some(known), Some(place)) = (known, loaded.place) else {
            return;
        };
        let evicted = shard.insert(place, key.clone(), known);
        drop(shard);
        self.tell(|| Event::Loaded(key.clone()));
        self.tell_evicted(evicted);
    }
}
