//! Calling a function: on a thread of the crew, or, for a coroutine function, on the event loop.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use oxbridge_python::context;
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::call::{Call, Outcome};
use crate::calls::Calls;
use crate::error::Error;
use crate::function::Function;
use crate::inbox::{Inbox, Taker};
use crate::python::Body;
use crate::reload::Reloader;
use crate::{answer, arguments, ask, exception};

/// What the threads that call a function share.
pub(crate) struct Engine {
    pub(crate) calls: Calls,
    pub(crate) function: Function,
    body: Body,
    /// How many coroutines may run at a time.
    tasks: usize,
    /// The way to the event loop, once there is one.
    inbox: OnceLock<Arc<Inbox>>,
    reloader: Option<Reloader>,
}

impl Engine {
    pub(crate) fn new(
        calls: Calls,
        function: Function,
        body: Body,
        tasks: usize,
        reloader: Option<Reloader>,
    ) -> Arc<Self> {
        Arc::new(Engine {
            calls,
            function,
            body,
            tasks,
            inbox: OnceLock::new(),
            reloader,
        })
    }

    pub(crate) fn reloader(&self) -> Option<&Reloader> {
        self.reloader.as_ref()
    }

    /// The event loop's inbox, if there is one.
    pub(crate) fn inbox(&self) -> Option<&Arc<Inbox>> {
        self.inbox.get()
    }

    /// Starts the event loop, unless it is there.
    pub(crate) fn need_loop(self: &Arc<Self>, py: Python<'_>) -> PyResult<&Arc<Inbox>> {
        if let Some(inbox) = self.inbox.get() {
            return Ok(inbox);
        }
        let inbox = Arc::new(Inbox::new()?);
        // Two threads may come here: the one whose inbox stays starts the loop.
        if self.inbox.set(inbox.clone()).is_ok() {
            let taker = Bound::new(py, Taker::new(self.clone(), inbox))?;
            py.import("oxbridge._calls")?
                .call_method1("start", (taker,))?;
        }
        match self.inbox.get() {
            Some(inbox) => Ok(inbox),
            None => unreachable!("it has just been set"),
        }
    }

    /// A run that was posted: the next call, on this thread.
    pub(crate) fn run(self: &Arc<Self>) {
        let Some(call) = self.calls.begin() else {
            return;
        };
        let ending = Ending(self, &call);
        let outcome = Python::try_attach(|py| self.call_here(py, &call));
        match outcome.unwrap_or(Some(Err(Error::Stopped))) {
            Some(outcome) => call.settle(outcome),
            // It goes on elsewhere.
            None => std::mem::forget(ending),
        }
    }

    /// The outcome; `None` if the event loop is to bring it about.
    fn call_here(self: &Arc<Self>, py: Python<'_>, call: &Arc<Call>) -> Option<Outcome> {
        if let Some(reloader) = &self.reloader {
            reloader.look(py, &self.function);
        }
        let returned = match self.call_function(py, call) {
            Ok(returned) => returned,
            Err(e) => return Some(Err(e)),
        };
        if is_awaitable(&returned) {
            return self.await_elsewhere(call, &returned);
        }
        Some(answer::read(&returned, call.is_head))
    }

    fn call_function<'py>(
        &self,
        py: Python<'py>,
        call: &Arc<Call>,
    ) -> Result<Bound<'py, PyAny>, Error> {
        // Without one, nobody waits for this: the caller has just left.
        let request = call.request().ok_or(Error::Stopped)?;
        let arguments = arguments::of(py, request, self.body).map_err(exception::of(py))?;
        let function = self.function.get().object.clone_ref(py);
        let arguments = arguments.each_ref();
        ask::during(call, || context::call(function.bind(py), arguments)).map_err(exception::of(py))
    }

    fn await_elsewhere(
        self: &Arc<Self>,
        call: &Arc<Call>,
        awaitable: &Bound<'_, PyAny>,
    ) -> Option<Outcome> {
        let py = awaitable.py();
        let inbox = match self.need_loop(py) {
            Ok(inbox) => inbox,
            Err(e) => return Some(Err(exception::read(py, &e))),
        };
        inbox.hand_over(call.clone(), awaitable.clone().unbind())?;
        // Without this, Python would warn of a coroutine that was never awaited.
        let _ = awaitable.call_method0("close");
        Some(Err(Error::Stopped))
    }

    /// The next call for the event loop, if it may run one more.
    pub(crate) fn begin_on_loop(&self) -> Option<Arc<Call>> {
        self.calls.begin_within(self.tasks)
    }

    /// Calls the function on the event loop's thread; gives what is to be awaited.
    pub(crate) fn call_on_loop<'py>(
        self: &Arc<Self>,
        py: Python<'py>,
        call: &Arc<Call>,
    ) -> Option<Bound<'py, PyAny>> {
        let ending = Ending(self, call);
        if let Some(reloader) = &self.reloader {
            reloader.look(py, &self.function);
        }
        let outcome = match self.call_function(py, call) {
            Ok(returned) if is_awaitable(&returned) => {
                std::mem::forget(ending);
                return Some(returned);
            }
            Ok(returned) => answer::read(&returned, call.is_head),
            Err(e) => Err(e),
        };
        call.settle(outcome);
        None
    }

    /// Takes the result of a task that is done; says whether calls wait.
    pub(crate) fn end_on_loop(&self, task: &Bound<'_, PyAny>, call: &Call) -> bool {
        let ending = Ending(self, call);
        let py = task.py();
        let result = task.call_method0(intern!(py, "result"));
        let outcome = match result.and_then(|result| contained(&result)) {
            Ok(Ok(returned)) => answer::read(&returned, call.is_head),
            Ok(Err(e)) => Err(exception::read(py, &e)),
            Err(e) if self.calls.is_closed() && e.is_instance_of::<CancelledError>(py) => {
                Err(Error::Stopped)
            }
            Err(e) => Err(exception::read(py, &e)),
        };
        call.settle(outcome);
        drop(ending);
        self.calls.load().waiting != 0
    }

    /// Takes no more calls, waits until `deadline` for those that are there, and gives up the rest.
    pub(crate) fn drain(&self, deadline: Instant) {
        self.calls.close();
        for call in self.calls.drain(deadline) {
            call.settle(Err(Error::Stopped));
            call.leave();
            if let Some(inbox) = self.inbox.get() {
                inbox.cancel(&call);
            }
        }
    }

    /// Starts to end, and waits for nothing.
    pub(crate) fn close(&self) {
        self.drain(Instant::now());
        if let Some(inbox) = self.inbox.get() {
            inbox.close();
        }
    }

    /// Says that nobody waits for a call any more.
    pub(crate) fn leave(&self, call: &Call) {
        if self.calls.leave(call)
            && let Some(inbox) = self.inbox.get()
        {
            inbox.cancel(call);
        }
    }

    /// The clock's life.
    pub(crate) fn watch(&self) {
        self.calls.watch(|call, timeout: Duration| {
            call.settle(Err(Error::Timeout(timeout)));
            // It is no longer among those that run, which `leave` would look at.
            call.leave();
            if let Some(inbox) = self.inbox.get() {
                inbox.cancel(call);
            }
        });
    }
}

/// Ends a call, also when a panic passes.
struct Ending<'a>(&'a Engine, &'a Call);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.1.is_settled() {
            self.1.settle(Err(Error::Panicked));
        }
        self.0.calls.end(self.1);
    }
}

fn is_awaitable(returned: &Bound<'_, PyAny>) -> bool {
    // Nearly all are tuples.
    !returned.is_instance_of::<PyTuple>() && returned.hasattr("__await__").unwrap_or(false)
}

/// What `_calls._contained` has made of a coroutine's end.
fn contained<'py>(result: &Bound<'py, PyAny>) -> PyResult<Result<Bound<'py, PyAny>, PyErr>> {
    let (error, returned): (Bound<'py, PyAny>, Bound<'py, PyAny>) = result.extract()?;
    Ok(if error.is_none() {
        Ok(returned)
    } else {
        Err(PyErr::from_value(error))
    })
}
