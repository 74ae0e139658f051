//! A place where handlers wait until their test lets them go on.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than a loaded machine needs; a wait that takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// How many have come to the gate, ever.
    arrived: usize,
    /// How many may still pass.
    tickets: usize,
    open: bool,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// For a handler: says that it is here, and waits until it may go on.
    pub(crate) fn pass(&self) {
        self.0.0.lock().unwrap().arrived += 1;
        self.0.1.notify_all();
        self.wait("nobody opened the gate", |state| {
            let may = state.open || state.tickets > 0;
            state.tickets = state.tickets.saturating_sub(usize::from(may));
            may
        });
    }

    /// Says that something has come this far, and does not wait.
    pub(crate) fn mark(&self) {
        self.0.0.lock().unwrap().arrived += 1;
        self.0.1.notify_all();
    }

    /// How many have come.
    pub(crate) fn arrived(&self) -> usize {
        self.0.0.lock().unwrap().arrived
    }

    /// Waits until `n` have come, ever.
    pub(crate) fn await_arrivals(&self, n: usize) {
        self.wait(&format!("fewer than {n} came to the gate"), |state| {
            state.arrived >= n
        });
    }

    /// Lets all pass who wait or come.
    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    /// Lets `n` pass.
    pub(crate) fn admit(&self, n: usize) {
        self.0.0.lock().unwrap().tickets += n;
        self.0.1.notify_all();
    }

    fn wait(&self, or_else: &str, mut until: impl FnMut(&mut State) -> bool) {
        let (state, changed) = &*self.0;
        let guard = state.lock().unwrap();
        let timeout = changed
            .wait_timeout_while(guard, PATIENCE, |state| !until(state))
            .unwrap()
            .1;
        assert!(!timeout.timed_out(), "{or_else}");
    }
}

/// Asks again until the answer is yes; for states that nobody announces.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
