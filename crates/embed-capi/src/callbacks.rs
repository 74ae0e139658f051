//! The thread that calls callbacks: one for each function that has been started, made with its first call.
//!
//! Answers come on threads that are inside Python, or that lead a server. What the host does with them is
//! nobody's business there, so they are left to this thread.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::null_mut;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;

use oxbridge_embed::{Error, Response};
use oxbridge_handles::Registry;

use crate::call::{OXE_NO_CALL, oxe_call};
use crate::fail::{Fail, oxe_error};
use crate::response::oxe_response;
use crate::status::oxe_status::{self, *};

/// Takes the answer of a call, or the error that it has got instead: one of them is NULL. Both are the
/// callback's to free, at any time, on any thread.
///
/// It is called on a thread of the library, which is not in Python: always the same one for one `oxe_python`, one
/// call after the other, in the order of the answers. It may wait, and may call every function of the library;
/// other callbacks wait meanwhile. It must not unwind: no C++ exception and no longjmp out of it. While the process
/// exits it may be called, too, unless `oxe_python_free` came first.
pub type oxe_answer = Option<
    extern "C" fn(response: *mut oxe_response, error: *mut oxe_error, user_data: *mut c_void),
>;

type Answer =
    extern "C" fn(response: *mut oxe_response, error: *mut oxe_error, user_data: *mut c_void);

type Future = Pin<Box<dyn std::future::Future<Output = Result<Response, Error>> + Send>>;

/// The calls whose callbacks have not been called, by their handles.
static CALLS: Registry<Arc<Call>, 24, 40> = Registry::new();

/// See the module.
pub(crate) struct Callbacks(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Rung when a call may have its answer, and when no more will come.
    came: Condvar,
}

#[derive(Default)]
struct State {
    /// Calls to look at.
    due: VecDeque<Arc<Call>>,
    /// Calls whose callbacks have not returned.
    open: usize,
    thread: Option<JoinHandle<()>>,
    is_closed: bool,
}

/// A call whose callback is owed.
struct Call {
    stage: Mutex<Stage>,
    answer: Answer,
    user_data: UserData,
    shared: Arc<Shared>,
}

enum Stage {
    /// Python has it.
    Running {
        future: Future,
        handle: oxe_call,
    },
    /// It waits for the thread.
    Settled(Result<Response, Fail>),
    Over,
}

/// The caller's data.
struct UserData(*mut c_void);

// SAFETY: the library only hands the pointer around; the header says that the callback, and with it the data,
// is used on another thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl Callbacks {
    pub(crate) fn new() -> Self {
        Callbacks(Arc::new(Shared {
            state: Mutex::default(),
            came: Condvar::new(),
        }))
    }

    /// Starts a call. `tell` gets its handle before the callback can be called.
    ///
    /// # Errors
    /// What the call gives up with at once; then the callback is never called.
    pub(crate) fn begin(
        &self,
        future: Future,
        answer: Answer,
        user_data: *mut c_void,
        tell: impl FnOnce(oxe_call),
    ) -> Result<(), Fail> {
        self.need_thread()?;
        let call = Arc::new(Call {
            stage: Mutex::new(Stage::Running {
                future,
                handle: OXE_NO_CALL,
            }),
            answer,
            user_data: UserData(user_data),
            shared: self.0.clone(),
        });
        // Held until all is in place: whoever delivers waits for it.
        let mut stage = lock(&call.stage);
        let outcome = match stage.poll(&call) {
            Poll::Ready(Err(fail)) if matches!(fail.status, OXE_ERR_BUSY | OXE_ERR_STOPPED) => {
                *stage = Stage::Over;
                return Err(fail);
            }
            polled => polled,
        };
        let Ok(handle) = CALLS.insert(0, call.clone()) else {
            // The future has a way to the call, and must not keep it.
            *stage = Stage::Over;
            return Err(Fail::new(OXE_ERR_LIMIT, "there are too many calls"));
        };
        tell(handle);
        self.0.state().open += 1;
        match outcome {
            Poll::Pending => {
                if let Stage::Running { handle: place, .. } = &mut *stage {
                    *place = handle;
                }
            }
            Poll::Ready(outcome) => {
                *stage = Stage::Settled(outcome);
                // Its answer is there, so there is nothing to cancel.
                let _ = CALLS.discard(handle);
                call.shared.add(call.clone());
            }
        }
        Ok(())
    }

    /// Whether this is the thread that calls callbacks.
    pub(crate) fn are_here(&self) -> bool {
        let here = std::thread::current().id();
        let state = self.0.state();
        state
            .thread
            .as_ref()
            .is_some_and(|t| t.thread().id() == here)
    }

    /// Lets the thread end when the last callback has returned.
    pub(crate) fn close(&self) {
        drop(self.take_thread());
    }

    /// The same, and waits for that.
    pub(crate) fn end(&self) {
        if let Some(thread) = self.take_thread() {
            // It lets no panic out.
            let _ = thread.join();
        }
    }

    fn take_thread(&self) -> Option<JoinHandle<()>> {
        let mut state = self.0.state();
        state.is_closed = true;
        let thread = state.thread.take();
        drop(state);
        self.0.came.notify_one();
        thread
    }

    fn need_thread(&self) -> Result<(), Fail> {
        let mut state = self.0.state();
        if state.thread.is_some() {
            return Ok(());
        }
        let shared = self.0.clone();
        let thread = std::thread::Builder::new()
            .name("oxbridge-answers".to_owned())
            .spawn(move || shared.deliver());
        let failed = |e| Fail::new(OXE_ERR_LIMIT, format!("cannot start a thread: {e}"));
        state.thread = Some(thread.map_err(failed)?);
        Ok(())
    }
}

/// Cancels the call with this handle.
pub(crate) fn cancel(handle: oxe_call) -> Result<(), oxe_status> {
    // Busy is a call that another thread is taking out at this moment.
    let call = CALLS.remove(handle).map_err(|_| OXE_ERR_STALE)?;
    let mut stage = lock(&call.stage);
    if !matches!(*stage, Stage::Running { .. }) {
        return Err(OXE_ERR_STALE);
    }
    let cancelled = Stage::Settled(Err(OXE_ERR_CANCELLED.into()));
    let running = std::mem::replace(&mut *stage, cancelled);
    drop(stage);
    // Dropping the future tells Python.
    drop(running);
    call.shared.add(call.clone());
    Ok(())
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn add(&self, call: Arc<Call>) {
        self.state().due.push_back(call);
        self.came.notify_one();
    }

    /// The thread's life.
    fn deliver(&self) {
        let mut state = self.state();
        loop {
            if let Some(call) = state.due.pop_front() {
                drop(state);
                let has_ended = call.deliver();
                drop(call);
                state = self.state();
                state.open -= usize::from(has_ended);
            } else if state.is_closed && state.open == 0 {
                return;
            } else {
                state = self
                    .came
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Call {
    /// Calls the callback, if there is something to call it with; says whether it has.
    fn deliver(self: &Arc<Self>) -> bool {
        let mut stage = lock(&self.stage);
        let handle = match &*stage {
            Stage::Running { handle, .. } => Some(*handle),
            _ => None,
        };
        let Poll::Ready(outcome) = stage.poll(self) else {
            return false;
        };
        let ended = std::mem::replace(&mut *stage, Stage::Over);
        drop(stage);
        drop(ended);
        if let Some(handle) = handle {
            // Whoever cancels at this moment takes it out instead, and finds that it is over.
            let _ = CALLS.discard(handle);
        }
        let (mut response, mut error) = (null_mut(), null_mut());
        match outcome {
            Ok(answered) => response = Box::into_raw(oxe_response::new(answered)),
            Err(fail) => error = Box::into_raw(Box::new(fail.into())),
        }
        (self.answer)(response, error, self.user_data.0);
        true
    }
}

impl Stage {
    fn poll(&mut self, call: &Arc<Call>) -> Poll<Result<Response, Fail>> {
        match self {
            Stage::Running { future, .. } => {
                let waker = Waker::from(call.clone());
                let mut context = Context::from_waker(&waker);
                let poll = || future.as_mut().poll(&mut context);
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(polled) => polled.map_err(Fail::from),
                    Err(_) => Poll::Ready(Err(OXE_ERR_PANIC.into())),
                }
            }
            Stage::Settled(_) => match std::mem::replace(self, Stage::Over) {
                Stage::Settled(outcome) => Poll::Ready(outcome),
                _ => Poll::Pending,
            },
            // Looked at twice.
            Stage::Over => Poll::Pending,
        }
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let shared = self.shared.clone();
        shared.add(self);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
