//! Until when memory is believed.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A moment that is put off again and again while changes are told.
#[derive(Debug)]
pub(crate) struct Trust {
    base: Instant,
    /// Nanoseconds after `base`.
    until: AtomicU64,
    /// How long a sign of life is good for.
    max_stale: Duration,
}

impl Trust {
    /// Nothing is believed yet.
    pub(super) fn new(max_stale: Duration) -> Trust {
        Trust {
            base: Instant::now(),
            until: AtomicU64::new(0),
            max_stale,
        }
    }

    /// Every change that was made before `asked` has been told.
    pub(super) fn extend(&self, asked: Instant) {
        let until = (asked + self.max_stale).saturating_duration_since(self.base);
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.until.store(until, Relaxed);
    }

    /// Changes may go untold from now on.
    pub(super) fn end(&self) {
        self.until.store(0, Relaxed);
    }

    /// Whether what is in memory may be given.
    pub(crate) fn holds(&self) -> bool {
        let now = u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX);
        now < self.until.load(Relaxed)
    }

    pub(crate) fn max_stale(&self) -> Duration {
        self.max_stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_from_a_sign_of_life_on_and_not_without_one() {
        let hour = Duration::from_secs(3600);
        let trust = Trust::new(hour);
        assert!(!trust.holds());
        trust.extend(Instant::now());
        assert!(trust.holds());
        trust.end();
        assert!(!trust.holds());
        let trust = Trust::new(Duration::ZERO);
        trust.extend(Instant::now());
        assert!(!trust.holds(), "it was good for no time");
    }
}
