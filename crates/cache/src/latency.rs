//! How long something takes, in classes: cheap to count, and good enough for percentiles.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Classes: up to 1, 2, 4, … microseconds; the last one, past half an hour, has no end.
const CLASSES: usize = 32;

/// Counts of durations.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    counts: [AtomicU64; CLASSES],
    micros: AtomicU64,
}

/// Counts of durations, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The n-th number counts those of at most 2^n microseconds that are none of the numbers before. Numbers of
    /// 0 at the end are left out.
    pub counts: Vec<u64>,
    /// All of them together, in microseconds.
    pub total_micros: u64,
}

impl Latencies {
    pub(crate) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.counts[class(micros)].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Latency {
        let mut counts: Vec<u64> = self
            .counts
            .iter()
            .map(|count| count.load(Relaxed))
            .collect();
        while counts.last() == Some(&0) {
            counts.pop();
        }
        Latency {
            counts,
            total_micros: self.micros.load(Relaxed),
        }
    }
}

impl Latency {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What so many of them (0 to 1) do not exceed: the end of their class. `None` of none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let mut left = (self.count() as f64 * share).ceil().max(1.0);
        for (class, count) in self.counts.iter().enumerate() {
            left -= *count as f64;
            if left <= 0.0 {
                return Some(Duration::from_micros(1 << class));
            }
        }
        None
    }
}

/// The class of a duration: the smallest power of two that is not less.
fn class(micros: u64) -> usize {
    let class = u64::BITS - micros.saturating_sub(1).leading_zeros();
    (class as usize).min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_ends_with_a_power_of_two() {
        for (micros, expected) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (1024, 10),
            (1025, 11),
        ] {
            assert_eq!(class(micros), expected, "{micros}");
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn quantiles_are_the_ends_of_classes() {
        let latencies = Latencies::default();
        assert_eq!(latencies.snapshot().quantile(0.5), None);
        for micros in [1, 3, 3, 100] {
            latencies.add(Duration::from_micros(micros));
        }
        let told = latencies.snapshot();
        assert_eq!((told.count(), told.total_micros), (4, 107));
        assert_eq!(told.counts, [1, 0, 2, 0, 0, 0, 0, 1]);
        for (share, micros) in [
            (0.0, 1),
            (0.25, 1),
            (0.5, 4),
            (0.75, 4),
            (0.99, 128),
            (1.0, 128),
        ] {
            assert_eq!(
                told.quantile(share),
                Some(Duration::from_micros(micros)),
                "{share}"
            );
        }
    }
}
