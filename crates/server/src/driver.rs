//! A server whose turns the host takes, on threads of its own: no thread of ours exists.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::crew;
use crate::reactor::{Reactor, Wait, is_inside};
use crate::sync::lock;

/// What a turn brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turned {
    /// Handlers that ran.
    pub handled: usize,
    /// The descriptor that turns watch is readable.
    pub readable: bool,
    /// Somebody called [`Server::wake`](crate::Server::wake).
    pub woken: bool,
    /// The server has stopped; there is nothing to turn any more.
    pub stopped: bool,
}

/// Why a turn could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TurnError {
    /// The server has threads of its own.
    NotDriven,
    /// Another thread takes a turn.
    Busy,
    /// The caller is a handler that the turn under way has called.
    Inside,
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TurnError::NotDriven => "the server has threads of its own, which take its turns",
            TurnError::Busy => "another thread is taking a turn",
            TurnError::Inside => "a handler cannot take a turn of its own server",
        })
    }
}

impl std::error::Error for TurnError {}

/// How often a thread that waits for the end looks, while another one takes the turns.
const PATIENCE: Duration = Duration::from_millis(2);

/// See the module.
pub(crate) struct Driver {
    reactor: Reactor,
    /// The wake-ups that the next turn owes.
    owed: Arc<Mutex<Vec<Waker>>>,
    /// Locked during a turn.
    watched: Mutex<Option<Watched>>,
    woken: AtomicBool,
}

impl Driver {
    pub(crate) fn new(reactor: Reactor) -> Arc<Self> {
        Arc::new(Driver {
            reactor,
            owed: Arc::default(),
            watched: Mutex::new(None),
            woken: AtomicBool::new(false),
        })
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Whether a turn of this driver is up the calling thread's stack.
    pub(crate) fn is_aboard(&self) -> bool {
        TURNING.with_borrow(|turning| turning.contains(&std::ptr::from_ref(self)))
    }

    /// Drives I/O until handlers have run, or one of the other things of [`Turned`] has come about, or
    /// `timeout` is over.
    pub(crate) fn turn(&self, timeout: Option<Duration>) -> Result<Turned, TurnError> {
        let mut watched = self.take_wheel()?;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let _turning = Turning::begin(self);
        loop {
            let mut turned = Turned::default();
            if self.reactor.is_over() {
                self.reactor.shared().stopped();
                turned.stopped = true;
                return Ok(turned);
            }
            let is_late = self.drive(watched.as_mut(), deadline, &mut turned);
            turned.handled = self.run_handlers();
            if turned.handled != 0 {
                // Their answers leave now, however long the host takes until its next turn.
                self.pass();
            }
            turned.woken = self.woken.swap(false, SeqCst);
            turned.stopped = self.reactor.is_over();
            if turned.stopped {
                self.reactor.shared().stopped();
            }
            if turned != Turned::default() || is_late {
                return Ok(turned);
            }
        }
    }

    /// Drives I/O until handlers are ready to run, or one of the other things of [`Turned`] has come
    /// about, or `timeout` is over; runs no handler. `readable` tells of changes only: see
    /// [`Server::turn_io`](crate::Server::turn_io).
    pub(crate) fn turn_io(&self, timeout: Option<Duration>) -> Result<Turned, TurnError> {
        let mut watched = self.take_wheel()?;
        let _turning = Turning::begin(self);
        let mut turned = Turned::default();
        if self.reactor.is_over() {
            self.reactor.shared().stopped();
            turned.stopped = true;
            return Ok(turned);
        }
        if timeout == Some(Duration::ZERO) {
            self.pass();
            if let Some(watched) = watched.as_mut() {
                turned.readable = watched.forget();
            }
        } else {
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            self.wait_io(watched.as_mut(), deadline, &mut turned);
            if turned.readable
                && let Some(watched) = watched.as_mut()
            {
                watched.forget();
            }
        }
        turned.handled = self.reactor.ready();
        turned.woken = self.woken.swap(false, SeqCst);
        turned.stopped = self.reactor.is_over();
        if turned.stopped {
            self.reactor.shared().stopped();
        }
        Ok(turned)
    }

    /// Runs the handlers that are ready, on this thread; says how many.
    pub(crate) fn run_ready(&self) -> Result<usize, TurnError> {
        let _wheel = self.take_wheel()?;
        let _turning = Turning::begin(self);
        Ok(self.run_handlers())
    }

    /// Makes what this thread wakes wait for its next turn, until the guard is dropped.
    pub(crate) fn sit(&self) -> AtTheWheel {
        AtTheWheel {
            _seats: crew::sit_at_the_wheel(self.owed.clone()),
            _stays: PhantomData,
        }
    }

    /// From the next turn on, turns end when `fd`, of which a duplicate is kept, is readable.
    pub(crate) fn watch(&self, fd: Option<BorrowedFd<'_>>) -> Result<io::Result<()>, TurnError> {
        let mut watched = self.take_wheel()?;
        *watched = None;
        let Some(fd) = fd else { return Ok(Ok(())) };
        let _runtime = self.reactor.handle().enter();
        Ok(Watched::new(fd).map(|new| *watched = Some(new)))
    }

    /// Ends the turn under way, or the next one. Any thread may call it.
    pub(crate) fn wake(&self) {
        self.woken.store(true, SeqCst);
        self.reactor.interrupt();
    }

    /// Takes turns until the server has stopped, or `deadline`; says whether it has.
    pub(crate) fn wait_ended(&self, deadline: Option<Instant>) -> bool {
        loop {
            if self.reactor.is_over() {
                return true;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            match self.turn(left) {
                Ok(_) => {}
                // Whoever takes the turns brings the server to its end.
                Err(TurnError::Busy) => std::thread::sleep(PATIENCE),
                Err(_) => return false,
            }
        }
    }

    fn take_wheel(&self) -> Result<MutexGuard<'_, Option<Watched>>, TurnError> {
        if is_inside() || self.is_aboard() {
            return Err(TurnError::Inside);
        }
        match self.watched.try_lock() {
            Ok(watched) => Ok(watched),
            Err(TryLockError::Poisoned(poisoned)) => Ok(PoisonError::into_inner(poisoned)),
            Err(TryLockError::WouldBlock) => Err(TurnError::Busy),
        }
    }

    /// Drives I/O; says whether the time is over.
    fn drive(
        &self,
        mut watched: Option<&mut Watched>,
        deadline: Option<Instant>,
        turned: &mut Turned,
    ) -> bool {
        if let Some(watched) = &mut watched {
            watched.forget();
            turned.readable = watched.is_readable();
        }
        if turned.readable || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            // One pass to run what is ready and to learn what else is, one to run that.
            self.pass();
            self.pass();
            return true;
        }
        self.wait_io(watched, deadline, turned)
    }

    /// Drives I/O until something is ready; says whether the time is over.
    fn wait_io(
        &self,
        watched: Option<&mut Watched>,
        deadline: Option<Instant>,
        turned: &mut Turned,
    ) -> bool {
        let _runtime = self.reactor.handle().enter();
        let mut sleep =
            deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
        let mut is_late = false;
        let mut until = |cx: &mut Context<'_>| {
            if let Some(watched) = &watched
                && watched.poll_readable(cx)
            {
                turned.readable = true;
            }
            is_late = sleep
                .as_mut()
                .is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
            turned.readable || is_late
        };
        self.reactor.turn(
            Wait::Ready,
            &mut |owed| self.take_owed(owed),
            Some(&mut until),
        );
        is_late
    }

    /// Runs what is ready; waits for nothing.
    fn pass(&self) {
        self.reactor
            .turn(Wait::Pass, &mut |owed| self.take_owed(owed), None);
    }

    fn take_owed(&self, owed: &mut Vec<Waker>) {
        std::mem::swap(&mut *lock(&self.owed), owed);
    }

    /// Runs the handlers of what is ready now, not of what becomes ready meanwhile.
    fn run_handlers(&self) -> usize {
        let _wheel = crew::sit_at_the_wheel(self.owed.clone());
        let batch = self.reactor.ready();
        for _ in 0..batch {
            let Some(job) = self.reactor.next_job() else {
                break;
            };
            // The exchange is answered by its own drop when the handler panics.
            let _ = catch_unwind(AssertUnwindSafe(|| self.reactor.run(job)));
        }
        batch
    }
}

thread_local! {
    /// The drivers whose turns are up this thread's stack.
    static TURNING: RefCell<Vec<*const Driver>> = const { RefCell::new(Vec::new()) };
}

/// The seat of a thread that takes the turns of a driven server: while it lasts, what the thread wakes is
/// woken by its next turn, without a system call. Of the thread that made it.
#[must_use = "the seat is given back when this is dropped"]
pub struct AtTheWheel {
    _seats: (crew::Handling, crew::Seated),
    /// Seats are the thread's own.
    _stays: PhantomData<*const ()>,
}

impl fmt::Debug for AtTheWheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtTheWheel").finish_non_exhaustive()
    }
}

/// A turn under way on this thread, until it is dropped.
struct Turning;

impl Turning {
    fn begin(driver: &Driver) -> Self {
        TURNING.with_borrow_mut(|turning| turning.push(driver));
        Turning
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        TURNING.with_borrow_mut(Vec::pop);
    }
}

/// A descriptor of the host's, registered with the reactor.
struct Watched(AsyncFd<OwnedFd>);

impl Watched {
    /// Called inside the reactor's runtime.
    fn new(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let fd = fd.try_clone_to_owned()?;
        // SAFETY: `OwnedFd` is open until it is dropped, always gives the same number, and nobody else
        // has this duplicate, so nobody else closes it.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        fd.map(Watched).map_err(|e| e.into_parts().1)
    }

    /// Forgets that it was readable: the reactor is told of changes only, so what still holds is asked
    /// of the system, after this. Says whether it was.
    fn forget(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(mut guard)) = self.0.poll_read_ready(&mut cx) {
            guard.clear_ready();
            return true;
        }
        false
    }

    fn is_readable(&self) -> bool {
        let mut fds = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // A descriptor in error is reported too: the host will find out why.
        matches!(poll(&mut fds, Some(&now)), Ok(ready) if ready > 0)
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> bool {
        self.0.poll_read_ready(cx).is_ready()
    }
}
