//! A driven server, and what takes its turns while a test does something else.
#![allow(
    dead_code,
    reason = "not every test file that has this module uses all of it"
)]

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use oxbridge::{Builder, Server, TurnError, Turned};

use crate::gate::eventually;
use crate::wire::PATIENCE;

/// Starts a driven server on a free port.
pub(crate) fn serve(builder: Builder) -> Server {
    builder
        .driven(true)
        .bind("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// A turn with enough time for what is to come.
pub(crate) fn turn(server: &Server) -> Turned {
    turn_for(server, Some(PATIENCE))
}

/// A turn that waits for nothing.
pub(crate) fn glance(server: &Server) -> Turned {
    turn_for(server, Some(Duration::ZERO))
}

/// A turn, after those of others: a thread in [`await_turn`] takes some in passing.
pub(crate) fn turn_for(server: &Server, time: Option<Duration>) -> Turned {
    loop {
        match server.turn(time) {
            Err(TurnError::Busy) => std::thread::yield_now(),
            turned => return turned.expect("a turn of our own"),
        }
    }
}

/// Takes turns on another thread while `work` runs.
pub(crate) fn while_driven<R>(server: &Server, work: impl FnOnce() -> R) -> R {
    /// Ends the turns also when the work panics: a scope waits for its threads.
    struct Rein<'a>(&'a Server, &'a AtomicBool);
    impl Drop for Rein<'_> {
        fn drop(&mut self) {
            self.1.store(true, SeqCst);
            self.0.wake();
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _rein = Rein(server, &done);
        scope.spawn(|| {
            while !done.load(SeqCst) {
                if turn(server).stopped {
                    break;
                }
            }
        });
        work()
    })
}

/// Returns once another thread is taking a turn.
pub(crate) fn await_turn(server: &Server) {
    eventually("another thread takes a turn", || {
        server.turn(Some(Duration::ZERO)) == Err(TurnError::Busy)
    });
}
