//! A circuit breaker: a peer that does not answer is left alone for a while.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// The first pause after a failure; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether a peer is worth a request. Its state is that of the last requests: closed while they are
/// answered; open, for a time, after one failed; then one request may try.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    pause: Option<Duration>,
    until: Option<Instant>,
    /// One request tries whether the peer answers again.
    trying: bool,
}

impl Breaker {
    /// Whether a request may be made at `now`. Whoever gets a yes says how it went.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.until {
            None => true,
            Some(until) if until <= now => {
                // This one tries. If nobody ever hears of it, another one does after the pause.
                state.until = state.pause.map(|pause| now + pause);
                state.trying = true;
                true
            }
            Some(_) => false,
        }
    }

    /// Whether requests are made, other than one that tries.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().pause.is_none()
    }

    /// A request was answered, whatever the answer.
    pub(crate) fn answered(&self) {
        *self.state() = State::default();
    }

    /// A request was not answered.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        if !state.trying && state.until.is_some_and(|until| until > now) {
            // One of many that were under way when the first failed: they are one failure.
            return;
        }
        let pause = state.pause.map_or(FIRST, |pause| (pause * 2).min(LONGEST));
        *state = State {
            pause: Some(pause),
            until: Some(now + pause),
            trying: false,
        };
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_fails_is_left_alone_and_tried_again_by_one() {
        let breaker = Breaker::default();
        let begin = Instant::now();
        assert!(breaker.admits(begin));
        breaker.failed(begin);
        assert!(!breaker.admits(begin));
        let later = begin + FIRST;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one at a time");
        breaker.failed(later);
        assert!(!breaker.admits(later + FIRST), "the pause grows");
        assert!(breaker.admits(later + FIRST * 2));
        breaker.answered();
        assert!(breaker.admits(later) && breaker.admits(later));
    }

    #[test]
    fn the_pause_has_a_bound() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for round in 0..100 {
            breaker.failed(now + LONGEST * 2 * round);
        }
        assert!(breaker.admits(now + LONGEST * 2 * 99 + LONGEST));
    }

    #[test]
    fn requests_that_fail_together_are_one_failure() {
        let breaker = Breaker::default();
        let now = Instant::now();
        for _ in 0..100 {
            breaker.failed(now);
        }
        assert!(breaker.admits(now + FIRST));
    }
}
