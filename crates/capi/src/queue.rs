//! The queue: exchanges that wait for the host to take them, for languages in which a callback is dear.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::exchange::oxb_exchange;
use crate::status::oxb_status::{self, *};
use crate::user::UserData;

/// A request: a new exchange.
pub const OXB_EVENT_REQUEST: u32 = 1;
/// A read would not wait.
pub const OXB_EVENT_READABLE: u32 = 2;
/// A write would not wait.
pub const OXB_EVENT_WRITABLE: u32 = 4;
/// The client has gone.
pub const OXB_EVENT_GONE: u32 = 8;

/// Something that has happened to an exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct oxb_event {
    /// The exchange. After `OXB_EVENT_REQUEST` it is the caller's to end.
    pub exchange: oxb_exchange,
    /// What was given to `oxb_config_handle_queue`, or to `oxb_exchange_notify`.
    pub user_data: *mut c_void,
    /// What has happened: `OXB_EVENT_REQUEST`, or others, by `|`.
    pub kinds: u32,
    /// 0.
    pub reserved: u32,
}

/// An event, and the data in it, which has to go if nobody takes it.
struct Waiting {
    event: oxb_event,
    user: Option<UserData>,
}

// SAFETY: the library only hands the pointer in the event around; the header says that it is used on any
// thread.
unsafe impl Send for Waiting {}

/// See the module.
pub(crate) struct Queue {
    state: Mutex<State>,
    came: Condvar,
    /// Requests that may wait.
    bound: usize,
    /// Readable while events wait. Made when it is asked for.
    signal: OnceLock<Option<OwnedFd>>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Waiting>,
    /// How many of them are requests.
    requests: usize,
    /// Calls of `oxb_server_next` that are to end with nothing.
    wakes: usize,
    stopped: bool,
}

impl Queue {
    pub(crate) fn new(bound: usize) -> Self {
        Queue {
            state: Mutex::default(),
            came: Condvar::new(),
            bound,
            signal: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another request may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().requests < self.bound
    }

    /// A new exchange waits.
    pub(crate) fn push_request(&self, exchange: oxb_exchange, user_data: *mut c_void) {
        let mut state = self.lock();
        state.requests += 1;
        state.events.push_back(Waiting {
            event: oxb_event {
                exchange,
                user_data,
                kinds: OXB_EVENT_REQUEST,
                reserved: 0,
            },
            user: None,
        });
        self.changed(state);
    }

    /// Something has happened to an exchange.
    pub(crate) fn push_notice(&self, exchange: oxb_exchange, kinds: u32, user: UserData) {
        let mut state = self.lock();
        state.events.push_back(Waiting {
            event: oxb_event {
                exchange,
                user_data: user.get(),
                kinds,
                reserved: 0,
            },
            user: Some(user),
        });
        self.changed(state);
    }

    /// Ends one call of `next`, under way or to come.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        state.wakes += 1;
        self.changed(state);
    }

    /// No more requests will come.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        drop(state);
        self.came.notify_all();
        self.set_signal(true);
    }

    /// After something was put in. The signal is on already if anything was there before.
    fn changed(&self, state: MutexGuard<'_, State>) {
        if state.events.len() + state.wakes == 1 {
            self.set_signal(true);
        }
        drop(state);
        self.came.notify_one();
    }

    /// Takes up to `events.len()` events, waiting for the first at most until `deadline`.
    pub(crate) fn next(
        &self,
        events: &mut [std::mem::MaybeUninit<oxb_event>],
        deadline: Option<Instant>,
    ) -> Result<usize, oxb_status> {
        let mut state = self.lock();
        loop {
            if !state.events.is_empty() {
                let mut count = 0;
                while let Some(place) = events.get_mut(count)
                    && let Some(waiting) = state.events.pop_front()
                {
                    state.requests -= usize::from(waiting.event.kinds & OXB_EVENT_REQUEST != 0);
                    if let Some(user) = waiting.user {
                        user.hand_over();
                    }
                    place.write(waiting.event);
                    count += 1;
                }
                self.settle(state);
                return Ok(count);
            }
            if state.wakes > 0 {
                state.wakes -= 1;
                self.settle(state);
                return Ok(0);
            }
            if state.stopped {
                return Err(OXB_ERR_STOPPED);
            }
            let left = match deadline {
                None => Duration::from_secs(3600),
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return Err(OXB_ERR_TIMEOUT);
            }
            state = self
                .came
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// After something was taken: the signal says what is left, and if there is more, another thread may
    /// have it.
    fn settle(&self, state: MutexGuard<'_, State>) {
        let more = !state.events.is_empty() || state.wakes > 0;
        if !more && !state.stopped {
            self.set_signal(false);
        }
        drop(state);
        if more {
            self.came.notify_one();
        }
    }

    /// The descriptor that is readable while something waits.
    pub(crate) fn signal(&self) -> Option<i32> {
        let made = self.signal.get_or_init(eventfd);
        let state = self.lock();
        if !state.events.is_empty() || state.wakes > 0 || state.stopped {
            self.set_signal(true);
        }
        made.as_ref().map(AsRawFd::as_raw_fd)
    }

    fn set_signal(&self, on: bool) {
        if let Some(Some(signal)) = self.signal.get() {
            set_eventfd(signal, on);
        }
    }

    /// Whether this platform has such descriptors.
    pub(crate) const HAS_SIGNAL: bool = cfg!(target_os = "linux");
}

#[cfg(target_os = "linux")]
fn eventfd() -> Option<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: no memory is involved.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(target_os = "linux")]
fn set_eventfd(fd: &OwnedFd, on: bool) {
    let mut number = 1u64.to_ne_bytes();
    // SAFETY: eight bytes of a local array are read or written. A full counter is readable, and an empty
    // one is not: in both cases there is nothing to do about the error.
    unsafe {
        if on {
            libc::write(fd.as_raw_fd(), number.as_ptr().cast(), number.len());
        } else {
            libc::read(fd.as_raw_fd(), number.as_mut_ptr().cast(), number.len());
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn eventfd() -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn set_eventfd(_: &OwnedFd, _: bool) {}
