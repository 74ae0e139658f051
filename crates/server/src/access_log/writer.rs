//! The buffer that lines wait in, and the thread that takes them to the sink.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access_log::sink::{self, Sink};
use crate::sync::lock;

/// Bytes that may wait for a sink; past it lines are dropped. Some 30,000 lines.
const BOUND: usize = 4 << 20;
/// Bytes that are worth a write at once.
const BATCH: usize = 64 << 10;
/// How long lines wait for others to go with.
const DELAY: Duration = Duration::from_millis(50);
/// How long to leave a sink alone that is full.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a sink that is full may keep the thread once the log has come to its end.
const LAST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Signalled when the thread has something to do.
    work: Condvar,
    /// Signalled when it has done something that somebody may wait for.
    done: Condvar,
    dropped: AtomicU64,
    path: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Numbers of the last flush that was asked for, and of the last that was done.
    asked: u64,
    flushed: u64,
    /// Takes the sink's place.
    reopened: Option<File>,
    stopping: bool,
    ended: bool,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(sink: Sink) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            dropped: AtomicU64::new(0),
            path: sink.path_of().map(Into::into),
        });
        let own = queue.clone();
        std::thread::Builder::new()
            .name("oxbridge-access".into())
            .spawn(move || {
                let _ended = Ended(&own);
                own.run(sink);
            })?;
        Ok(queue)
    }

    /// Puts a line into the buffer, or drops it when that is full.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        let before = state.lines.len();
        let after = before + line.len();
        if after > BOUND || state.ended {
            drop(state);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        state.lines.extend_from_slice(line);
        drop(state);
        // Between these two the thread sleeps for its time, or is at work.
        if before == 0 || before < BATCH && after >= BATCH {
            self.work.notify_one();
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    pub(super) fn reopen(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the access log was not opened by a path",
            ));
        };
        let file = sink::open(path)?;
        lock(&self.state).reopened = Some(file);
        self.work.notify_one();
        Ok(())
    }

    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        state.asked += 1;
        let mine = state.asked;
        drop(state);
        self.work.notify_one();
        self.wait(patience, |state| state.flushed >= mine)
    }

    /// Tells the thread to write what there is and end.
    pub(super) fn stop(&self) {
        lock(&self.state).stopping = true;
        self.work.notify_one();
    }

    pub(super) fn wait_ended(&self, patience: Duration) -> bool {
        self.wait(patience, |state| state.ended)
    }

    fn wait(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let state = self
            .done
            .wait_timeout_while(lock(&self.state), patience, |state| {
                !is_so(state) && !state.ended
            })
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        is_so(&state)
    }

    fn run(&self, mut sink: Sink) {
        let mut batch = Vec::new();
        let mut reporter = Reporter::default();
        loop {
            let state = lock(&self.state);
            let state = self
                .work
                .wait_while(state, |state| state.lines.is_empty() && !state.is_urgent())
                .unwrap_or_else(PoisonError::into_inner);
            let mut state = self
                .work
                .wait_timeout_while(state, DELAY, |state| {
                    state.lines.len() < BATCH && !state.is_urgent()
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            std::mem::swap(&mut state.lines, &mut batch);
            let (asked, stopping) = (state.asked, state.stopping);
            let reopened = state.reopened.take();
            drop(state);
            if let Some(file) = reopened {
                sink.replace(file);
            }
            let mut deadline = None;
            let written = sink.write(&batch, || self.may_wait(&mut deadline));
            if let Err((e, n)) = &written {
                let lost = memchr::memchr_iter(b'\n', &batch[*n..]).count();
                self.dropped.fetch_add(lost as u64, Relaxed);
                reporter.failed(e);
            }
            reporter.report(self.dropped(), written.is_ok() && !batch.is_empty());
            batch.clear();
            batch.shrink_to(BATCH);
            let mut state = lock(&self.state);
            state.flushed = asked;
            let over = stopping && state.lines.is_empty();
            drop(state);
            self.done.notify_all();
            if over {
                return;
            }
        }
    }

    /// Waits a little for a sink that is full; says whether to try it again. `deadline` is when not to any
    /// more, once the log comes to its end.
    fn may_wait(&self, deadline: &mut Option<Instant>) -> bool {
        std::thread::sleep(PAUSE);
        if lock(&self.state).stopping {
            let now = Instant::now();
            return now < *deadline.get_or_insert(now + LAST);
        }
        true
    }
}

impl State {
    /// Whether somebody waits for the thread.
    fn is_urgent(&self) -> bool {
        self.stopping || self.reopened.is_some() || self.asked != self.flushed
    }
}

/// Says that the thread has ended, also when the sink panics.
struct Ended<'a>(&'a Queue);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).ended = true;
        self.0.done.notify_all();
    }
}

/// Tells the server's own log about trouble, once for each time of it.
#[derive(Default)]
struct Reporter {
    in_trouble: bool,
    reported: u64,
}

impl Reporter {
    fn failed(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.in_trouble, true) {
            tracing::error!("cannot write the access log: {error}");
        }
    }

    /// `well` says that the sink takes lines again.
    fn report(&mut self, dropped: u64, well: bool) {
        if well {
            self.in_trouble = false;
        }
        if well && dropped > self.reported {
            let lost = dropped - self.reported;
            tracing::warn!(
                lines = lost,
                "the access log has a gap: its sink was too slow, or failed"
            );
            self.reported = dropped;
        }
    }
}
