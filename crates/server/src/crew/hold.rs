//! What holds a thread up: its handler, or the system, which runs something else in its place.
//!
//! On a machine that is busy a thread may lose its processor for several milliseconds in the middle of
//! the quickest handler. Nobody is helped if its route counts as slow from then on.

use std::sync::OnceLock;
use std::time::Duration;

/// A thread, as others may ask the system about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    /// Its number, as `/proc` has it.
    id: u32,
    clock: libc::clockid_t,
}

/// What a thread does, seen twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It waits for something: a lock, a file, a socket, a time.
    Waits,
    /// It computes, or wants to; the processor time that it has had so far.
    Computes(Duration),
}

impl Thread {
    /// The calling thread; `None` where the system does not say enough of threads.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn current() -> Option<Thread> {
        None
    }

    /// The calling thread; `None` where the system does not say enough of threads.
    #[cfg(target_os = "linux")]
    pub(super) fn current() -> Option<Thread> {
        let mut clock: libc::clockid_t = 0;
        // SAFETY: `pthread_self` is the calling thread, which is alive, and `clock` is a place for the
        // answer, which is written before the call returns 0 and not kept.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) };
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        let thread = Thread {
            id: u32::try_from(id).ok()?,
            clock,
        };
        (failed == 0 && thread.look().is_some()).then_some(thread)
    }

    /// What the thread does now. `None` if it has ended.
    pub(super) fn look(self) -> Option<Hold> {
        let stat = std::fs::read(format!("/proc/self/task/{}/stat", self.id)).ok()?;
        // The name of a thread may hold anything, parentheses too; what follows it does not.
        let name_end = memchr::memrchr(b')', &stat)?;
        match stat.get(name_end + 2)? {
            b'R' => Some(Hold::Computes(self.ran()?)),
            _ => Some(Hold::Waits),
        }
    }

    /// The processor time that the thread has had.
    fn ran(self) -> Option<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a place for the answer, which is written before the call returns 0 and not
        // kept. The clock of a thread that has ended is an error, and nothing is written.
        if unsafe { libc::clock_gettime(self.clock, &raw mut time) } != 0 {
            return None;
        }
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            u32::try_from(time.tv_nsec).ok()?,
        ))
    }
}

/// The thread that runs this worker's handlers, once it has begun.
pub(super) type Place = OnceLock<Option<Thread>>;

/// A handler under suspicion, from one beat to the next.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// What the thread had of the processor when it was last looked at.
    ran: Option<Duration>,
    /// How many beats in a row the system has not run it.
    stalled: u32,
}

/// What is known of a handler that has held its thread for a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The handler holds it.
    Held,
    /// The system does not let the thread run; somebody else should do its work meanwhile.
    Stalled,
    /// Not clear yet.
    Unclear,
}

/// After this many beats another thread, perhaps on another processor, has better chances.
const PATIENCE: u32 = 8;

impl Suspicion {
    /// Looks once more, one `beat` after the last time.
    pub(super) fn look(&mut self, thread: Option<Thread>, beat: Duration) -> Verdict {
        let seen = thread.and_then(Thread::look);
        let Some(Hold::Computes(ran)) = seen else {
            // Where the system tells nothing, the clock alone decides.
            return Verdict::Held;
        };
        match self.ran.replace(ran) {
            Some(before) if ran.saturating_sub(before) * 2 >= beat => return Verdict::Held,
            Some(_) => self.stalled += 1,
            None => {}
        }
        if self.stalled >= PATIENCE {
            Verdict::Stalled
        } else {
            Verdict::Unclear
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// Runs `work` on a thread and gives that thread.
    fn on_thread(work: impl FnOnce() + Send + 'static) -> Thread {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let _ = tell.send(Thread::current());
            work();
        });
        told.recv()
            .expect("the thread says who it is")
            .expect("Linux tells of threads")
    }

    #[test]
    fn a_thread_that_waits_is_held() {
        let (_keep, wait) = channel::<()>();
        let thread = on_thread(move || {
            let _ = wait.recv();
        });
        while thread.look() != Some(Hold::Waits) {
            std::thread::yield_now();
        }
        let beat = Duration::from_millis(1);
        assert_eq!(Suspicion::default().look(Some(thread), beat), Verdict::Held);
    }

    #[test]
    fn a_thread_that_computes_is_held_as_soon_as_it_has_run_for_half_a_beat() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = on_thread(move || {
            while !told.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let mut suspicion = Suspicion::default();
        let beat = Duration::from_micros(10);
        let mut verdict = suspicion.look(Some(thread), beat);
        assert_eq!(
            verdict,
            Verdict::Unclear,
            "the first look has nothing to compare with"
        );
        while verdict != Verdict::Held {
            // However the system divides its time, it comes to that.
            verdict = suspicion.look(Some(thread), beat);
        }
        stop.store(true, Relaxed);
    }

    #[test]
    fn a_thread_that_gets_no_time_is_stalled_and_not_held() {
        // The clock of a thread that wants to run and is not run does not advance: a beat of an hour
        // is never half filled, which comes to the same.
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = on_thread(move || {
            while !told.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let mut suspicion = Suspicion::default();
        let looks: Vec<Verdict> = (0..=PATIENCE)
            .map(|_| suspicion.look(Some(thread), Duration::from_secs(3600)))
            .collect();
        stop.store(true, Relaxed);
        let unclear = vec![Verdict::Unclear; PATIENCE as usize];
        assert_eq!(looks[..PATIENCE as usize], unclear[..]);
        assert_eq!(looks[PATIENCE as usize], Verdict::Stalled);
    }

    #[test]
    fn of_a_thread_that_has_ended_nothing_is_known() {
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let _ = tell.send(Thread::current());
        })
        .join()
        .expect("the thread ends");
        let thread = told.recv().expect("it said who it was").expect("on Linux");
        // The number is free for a new thread only after the others; the clock is gone at once.
        assert_eq!(thread.ran(), None);
    }
}
