//! `CacheListener`: a function of Python's that is told what happens to keys.

use std::sync::{Arc, Mutex};

use oxbridge_cache::Event;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::runtime::Handle;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::{AbortHandle, spawn_blocking};

use super::key::KeyType;
use crate::convert::lock;

/// At most so many events are told in one go, so that `close` takes effect soon.
const AT_ONCE: usize = 256;

/// What is told: its kind, the key, and how many events were lost.
type Told = (&'static str, Option<Vec<u8>>, u64);

/// Tells until it is closed, or the group is gone.
#[pyclass(frozen, name = "CacheListener", module = "oxbridge._oxbridge")]
pub(crate) struct Listener {
    function: Arc<Mutex<Option<Py<PyAny>>>>,
    task: AbortHandle,
}

#[pymethods]
impl Listener {
    /// The function is not called any more, but for a call that is under way.
    fn close(&self, py: Python<'_>) {
        self.task.abort();
        let function = lock(py, &self.function).take();
        drop(function);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Nobody holds the lock while Python code runs; where it is held, the next collection looks again.
        match self.function.try_lock() {
            Ok(function) => visit.call(&*function),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.task.abort();
        if let Ok(mut function) = self.function.try_lock() {
            drop(function.take());
        }
    }
}

impl Listener {
    /// Calls `function(kind, key, lost)` on the runtime's threads for blocking work, one event after the other.
    pub(crate) fn start(
        runtime: &Handle,
        mut events: Receiver<Event>,
        function: Py<PyAny>,
        keys: KeyType,
    ) -> Listener {
        let function = Arc::new(Mutex::new(Some(function)));
        let weak = Arc::downgrade(&function);
        let task = runtime.spawn(async move {
            loop {
                let mut told = Vec::new();
                match events.recv().await {
                    Ok(event) => told.push(describe(event)),
                    Err(RecvError::Lagged(lost)) => told.push(("lost", None, lost)),
                    Err(RecvError::Closed) => return,
                }
                while told.len() < AT_ONCE {
                    match events.try_recv() {
                        Ok(event) => told.push(describe(event)),
                        Err(TryRecvError::Lagged(lost)) => told.push(("lost", None, lost)),
                        Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                    }
                }
                let Some(function) = weak.upgrade() else {
                    return;
                };
                // A panic in there is told by the hook; what comes next is told all the same.
                let _ = spawn_blocking(move || tell(&function, keys, told)).await;
            }
        });
        Listener {
            function,
            task: task.abort_handle(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn describe(event: Event) -> Told {
    match event {
        Event::Loaded(key) => ("loaded", Some(key.to_vec()), 0),
        Event::Set(key) => ("set", Some(key.to_vec()), 0),
        Event::Deleted(key) => ("deleted", Some(key.to_vec()), 0),
        Event::Evicted(key) => ("evicted", Some(key.to_vec()), 0),
        Event::Cleared => ("cleared", None, 0),
        _ => ("other", None, 0),
    }
}

fn tell(function: &Mutex<Option<Py<PyAny>>>, keys: KeyType, told: Vec<Told>) {
    // Without an interpreter there is nobody to be told.
    let _ = Python::try_attach(|py| {
        for (kind, key, lost) in told {
            let function = lock(py, function).as_ref().map(|f| f.clone_ref(py));
            let Some(function) = function else { return };
            let key = key.map(|key| {
                // What is no text for a getter is a key all the same.
                let object = keys.object(py, &key);
                object.unwrap_or_else(|_| PyBytes::new(py, &key).into_any())
            });
            if let Err(error) = function.call1(py, (kind, key, lost)) {
                error.write_unraisable(py, Some(function.bind(py)));
            }
        }
    });
}
