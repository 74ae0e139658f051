//! What the crew remembers of the handlers that it runs: which of them hold up the thread that leads.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What the crew remembers of one route, of one part of an application, or of one kind of work.
pub(crate) struct Pace {
    /// What the watchdog knows it by.
    pub(crate) number: u32,
    /// How many quick runs are owed until it runs on the leader again.
    slow: AtomicU32,
}

impl Pace {
    pub(crate) fn new(number: u32) -> Self {
        Pace {
            number,
            slow: AtomicU32::new(0),
        }
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.slow.load(Relaxed) != 0
    }

    pub(crate) fn mark_slow(&self, penance: u32) {
        self.slow.store(penance, Relaxed);
    }

    pub(crate) fn was_quick(&self) {
        // Fails at 0, which is where it should stay.
        let _ = self
            .slow
            .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
    }

    /// After a run that was not quick, of what counts as slow: all that is owed is owed again.
    pub(crate) fn was_slow(&self, penance: u32) {
        if self.is_slow() {
            self.mark_slow(penance);
        }
    }
}

/// The paces of one route.
pub(crate) enum Paces {
    /// A handler for one thing.
    One(Pace),
    /// A whole application behind one route: what is slow below one path says nothing of another.
    Parts(Box<[Pace]>),
}

/// How many parts of an application are told apart. Two that meet in one place are slow together.
const PARTS: u32 = 64;
/// A number has its part above its route: a program registers fewer than sixteen million patterns, each a
/// line of code.
const PART_AT: u32 = 24;
const ROUTES: u32 = 1 << PART_AT;
/// How many segments of a path name a part: `/api/v1/reports` of `/api/v1/reports/17`.
const SEGMENTS: usize = 3;

impl Paces {
    /// Those of the route with this place in the order of registration.
    pub(crate) fn new(place: usize, is_application: bool) -> Self {
        let route = u32::try_from(place).map_or(ROUTES - 1, |place| place.min(ROUTES - 1));
        if is_application {
            Paces::Parts(
                (0..PARTS)
                    .map(|part| Pace::new(route | part << PART_AT))
                    .collect(),
            )
        } else {
            Paces::One(Pace::new(route))
        }
    }

    /// The place of the route that a number belongs to.
    pub(crate) fn place_of(number: u32) -> usize {
        (number & (ROUTES - 1)) as usize
    }

    /// The pace of requests with this path, which is asked for only where it counts.
    #[inline]
    pub(crate) fn of_path<'a>(&self, path: impl FnOnce() -> &'a str) -> &Pace {
        match self {
            Paces::One(pace) => pace,
            Paces::Parts(parts) => &parts[(hash(path()) % PARTS) as usize],
        }
    }

    /// The pace with this number.
    pub(crate) fn of_number(&self, number: u32) -> &Pace {
        match self {
            Paces::One(pace) => pace,
            Paces::Parts(parts) => &parts[((number >> PART_AT) % PARTS) as usize],
        }
    }
}

/// FNV-1a of the segments that name a part (RFC 9923 §2). Who chooses paths to meet in one place only makes
/// his own requests slow.
fn hash(path: &str) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut segments = 0;
    for &byte in path.as_bytes() {
        if byte == b'/' {
            segments += 1;
            if segments > SEGMENTS {
                break;
            }
        }
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // The low bits alone know too little of the first bytes.
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_by_its_first_segments() {
        let paces = Paces::new(7, true);
        let number = |path| paces.of_path(|| path).number;
        assert_eq!(number("/api/v1/reports"), number("/api/v1/reports/17"));
        assert_ne!(number("/"), number("/nap"));
        assert_ne!(number("/api/v1/reports"), number("/api/v1/users"));
        for path in ["/", "/nap", "", "*", "/a/b/c/d"] {
            let pace = paces.of_path(|| path);
            assert_eq!(Paces::place_of(pace.number), 7);
            assert!(std::ptr::eq(paces.of_number(pace.number), pace));
        }
    }

    #[test]
    fn a_handler_for_one_thing_has_one_pace() {
        let paces = Paces::new(3, false);
        let pace = paces.of_path(|| unreachable!("it does not count"));
        assert_eq!(pace.number, 3);
    }

    #[test]
    fn parts_spread() {
        let paces = Paces::new(0, true);
        let mut seen = std::collections::HashSet::new();
        for n in 0..640 {
            let path = format!("/page{n}");
            seen.insert(paces.of_path(|| &path).number);
        }
        assert!(seen.len() > 56, "{} of {PARTS}", seen.len());
    }

    #[test]
    fn slow_ones_owe_quick_runs() {
        let pace = Pace::new(0);
        pace.was_slow(2);
        assert!(!pace.is_slow(), "only the watchdog begins it");
        pace.mark_slow(2);
        pace.was_quick();
        pace.was_slow(2);
        pace.was_quick();
        assert!(pace.is_slow());
        pace.was_quick();
        pace.was_quick();
        assert!(!pace.is_slow());
    }
}
