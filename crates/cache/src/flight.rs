//! Single flight: all who want a key while it is loaded wait for one load.
//!
//! The load is a task of its own. Nobody who waits for it owns it, so a caller that gives up takes
//! nothing from the others; and one that panics, or whose runtime ends, is an error for all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::error::{Error, Kind};
use crate::value::Value;

/// What a load came to.
pub(crate) type Outcome = Result<Value, Error>;

/// A load under way, for those who wait for it.
#[derive(Debug)]
pub(crate) struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    begun: Instant,
}

/// The other end: whoever loads says here what came of it. Dropped without a word it says that the load
/// was given up.
#[derive(Debug)]
pub(crate) struct Landing(watch::Sender<Option<Outcome>>);

impl Flight {
    pub(crate) fn begin() -> (Arc<Flight>, Landing) {
        let (landing, flight) = watch::channel(None);
        let flight = Flight {
            outcome: flight,
            begun: Instant::now(),
        };
        (Arc::new(flight), Landing(landing))
    }

    /// Whether nobody loads any more and nothing came of it.
    pub(crate) fn is_lost(&self) -> bool {
        self.outcome.has_changed().is_err() && self.outcome.borrow().is_none()
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits for the outcome.
    pub(crate) async fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Kind::Closed.into())),
            Err(_) => Err(Kind::Closed.into()),
        }
    }
}

impl Landing {
    pub(crate) fn land(self, outcome: Outcome) {
        self.0.send_replace(Some(outcome));
    }
}
