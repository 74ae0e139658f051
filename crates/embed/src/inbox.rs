//! The way to the event loop that coroutines run on: what it is to do waits here, and a byte on a socket that the
//! loop watches tells it so, once for a batch.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Release},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::intern;
use pyo3::prelude::*;

use crate::call::Call;
use crate::engine::Engine;

/// See the module.
pub(crate) struct Inbox {
    orders: Mutex<Orders>,
    /// Whether the loop has been told.
    is_told: AtomicBool,
    reader: UnixStream,
    writer: UnixStream,
    has_ended: Mutex<bool>,
    ended: Condvar,
}

#[derive(Default)]
struct Orders {
    /// The numbers of calls that nobody waits for.
    cancel: Vec<u64>,
    /// What plain functions have returned, to be awaited.
    awaitables: Vec<(Arc<Call>, Py<PyAny>)>,
    is_closed: bool,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Inbox {
            orders: Mutex::default(),
            is_told: AtomicBool::new(false),
            reader,
            writer,
            has_ended: Mutex::new(false),
            ended: Condvar::new(),
        })
    }

    /// Tells the loop that calls wait.
    pub(crate) fn tell(&self) {
        if !self.is_told.swap(true, AcqRel) {
            // Full means that bytes are waiting already, which is all that is wanted.
            let _ = (&self.writer).write(&[1]);
        }
    }

    pub(crate) fn cancel(&self, call: &Call) {
        self.orders().cancel.push(call.number);
        self.tell();
    }

    /// Has the loop await what a plain function has returned; gives it back when the loop has closed.
    pub(crate) fn hand_over(&self, call: Arc<Call>, awaitable: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut orders = self.orders();
        if orders.is_closed {
            return Some(awaitable);
        }
        orders.awaitables.push((call, awaitable));
        drop(orders);
        self.tell();
        None
    }

    /// Ends the loop, which cancels what runs.
    pub(crate) fn close(&self) {
        self.orders().is_closed = true;
        self.tell();
    }

    /// Waits until the loop's thread has ended; says whether it has.
    pub(crate) fn wait_ended(&self, deadline: Instant) -> bool {
        let has_ended = self
            .has_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .ended
            .wait_timeout_while(has_ended, left, |has_ended| !*has_ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Takes what there is to do. The telling is taken first: what comes after that tells anew.
    fn take(&self) -> Orders {
        let mut bytes = [0; 16];
        // Nothing to read means that somebody has read it, which is as good.
        let _ = (&self.reader).read(&mut bytes);
        self.is_told.store(false, Release);
        let mut orders = self.orders();
        let is_closed = orders.is_closed;
        let taken = std::mem::take(&mut *orders);
        orders.is_closed = is_closed;
        taken
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's end of an inbox, in Python.
#[pyclass(frozen, module = "oxbridge._embed")]
pub(crate) struct Taker {
    engine: Arc<Engine>,
    inbox: Arc<Inbox>,
    /// What runs, by the number of its call.
    tasks: Arc<Mutex<HashMap<u64, Py<PyAny>>>>,
}

impl Taker {
    pub(crate) fn new(engine: Arc<Engine>, inbox: Arc<Inbox>) -> Self {
        Taker {
            engine,
            inbox,
            tasks: Arc::default(),
        }
    }
}

#[pymethods]
impl Taker {
    /// What the loop watches.
    fn fileno(&self) -> RawFd {
        self.inbox.reader.as_raw_fd()
    }

    /// Does what waits to be done: `spawn` makes a task of an awaitable. False when the loop is to end.
    fn take(&self, py: Python<'_>, spawn: &Bound<'_, PyAny>) -> PyResult<bool> {
        let orders = self.inbox.take();
        for number in orders.cancel {
            let task = lock(&self.tasks)
                .get(&number)
                .map(|task| task.clone_ref(py));
            if let Some(task) = task {
                task.call_method0(py, intern!(py, "cancel"))?;
            }
        }
        for (call, awaitable) in orders.awaitables {
            self.start(py, spawn, call, awaitable.bind(py))?;
        }
        while let Some(call) = self.engine.begin_on_loop() {
            // A panic ends one call, not what else is to be done.
            let call_it = AssertUnwindSafe(|| self.engine.call_on_loop(py, &call));
            if let Ok(Some(awaitable)) = catch_unwind(call_it) {
                self.start(py, spawn, call, &awaitable)?;
            }
        }
        Ok(!orders.is_closed)
    }

    /// Says that the loop's thread ends.
    fn ended(&self) {
        *self
            .inbox
            .has_ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.inbox.ended.notify_all();
    }
}

impl Taker {
    fn start(
        &self,
        py: Python<'_>,
        spawn: &Bound<'_, PyAny>,
        call: Arc<Call>,
        awaitable: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let number = call.number;
        let has_left = call.has_left();
        let done = Bound::new(
            py,
            Done {
                engine: self.engine.clone(),
                inbox: self.inbox.clone(),
                tasks: self.tasks.clone(),
                call,
            },
        )?;
        let task = spawn.call1((awaitable,))?;
        lock(&self.tasks).insert(number, task.clone().unbind());
        if has_left {
            // The order to cancel it may have come before it.
            task.call_method0(intern!(py, "cancel"))?;
        }
        task.call_method1(intern!(py, "add_done_callback"), (done,))?;
        Ok(())
    }
}

/// Called with a task that is done.
#[pyclass(frozen, module = "oxbridge._embed")]
struct Done {
    engine: Arc<Engine>,
    inbox: Arc<Inbox>,
    tasks: Arc<Mutex<HashMap<u64, Py<PyAny>>>>,
    call: Arc<Call>,
}

#[pymethods]
impl Done {
    fn __call__(&self, task: &Bound<'_, PyAny>) {
        let kept = lock(&self.tasks).remove(&self.call.number);
        drop(kept);
        if self.engine.end_on_loop(task, &self.call) {
            self.inbox.tell();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
