//! One load: by the owner of the key, or by the getter, and what is kept of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::error::{Error, Kind};
use crate::events::Event;
use crate::flight::Flight;
use crate::getter::panicked;
use crate::peers::Answer;
use crate::store::{Known, Place};
use crate::tier::Read;
use crate::value::{Expiry, Value};

use super::{Begun, Inner, Reach};

/// What a load gives, and where it belongs. `None` is kept nowhere.
struct Loaded {
    outcome: Result<Value, Error>,
    place: Option<Place>,
    /// Until when it is known that there is no such thing, where somebody else has found that out.
    absent_until: Option<Expiry>,
}

impl Loaded {
    /// What somebody else has found out.
    fn of(known: Known) -> Loaded {
        let absent_until = match &known {
            Known::Absent(_, until) => Some(*until),
            Known::Value(_) => None,
        };
        Loaded {
            outcome: match known {
                Known::Value(value) => Ok(value),
                Known::Absent(what, _) => Err(Error::not_found(what)),
            },
            place: Some(Place::Main),
            absent_until,
        }
    }
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
                    absent_until: None,
                })
            }
            Answer::Refused(error) => {
                self.counters.peer_errors.add(1);
                Some(Loaded {
                    outcome: Err(error),
                    place: None,
                    absent_until: None,
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
            let asked = Instant::now();
            let answer = peers.get(&self.name, key).await;
            if !matches!(answer, Answer::Ours) {
                self.peers_took.add(asked.elapsed());
            }
            if let Some(loaded) = self.take_answer(answer) {
                return loaded;
            }
        }
        let mut lease = None;
        let mut place = Some(Place::Main);
        if let Some(tier) = &self.tier {
            match tier.read(&self.name, key).await {
                Read::Known(known) => {
                    self.counters.tier_hits.add(1);
                    return Loaded::of(known);
                }
                Read::Nothing(seen) => lease = Some(seen),
                Read::Failed => {
                    self.counters.tier_errors.add(1);
                    // The engine may have something else, which others give.
                    place = None;
                }
            }
        }
        let asked = Instant::now();
        let outcome = AssertUnwindSafe(async { self.getter.load(key.clone()).await })
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(panicked(&*panic)));
        self.getter_took.add(asked.elapsed());
        match &outcome {
            Ok(_) => self.counters.local_loads.add(1),
            Err(_) => self.counters.local_load_errs.add(1),
        }
        let mut loaded = Loaded {
            outcome: outcome.map(|value| self.with_default_ttl(value)),
            place,
            absent_until: None,
        };
        if let (Some(tier), Some(lease), Some(known)) = (&self.tier, lease, self.known(&loaded))
            && !tier.fill(&self.name, key, &known, lease).await
        {
            loaded.place = None;
        }
        loaded
    }

    /// What of it can be kept.
    fn known(&self, loaded: &Loaded) -> Option<Known> {
        match &loaded.outcome {
            Ok(value) => Some(Known::Value(value.clone())),
            Err(error) => match error.kind() {
                Kind::NotFound(what) => {
                    let until = Expiry::after(self.negative_ttl?);
                    let until = loaded.absent_until.map_or(until, |told| told.min(until));
                    Some(Known::Absent(what.clone(), until))
                }
                _ => None,
            },
        }
    }

    /// Keeps what was loaded, unless a set, a delete or a clear came in between.
    fn keep(&self, key: &Bytes, flight: &Arc<Flight>, loaded: &Loaded) {
        let known = self.known(loaded);
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
