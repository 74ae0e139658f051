//! `Delivery`: what a coroutine getter's task gives, on its way to the load that waits for it.

use std::sync::{Arc, Mutex};

use oxbridge_cache::{Error, Value};
use pyo3::prelude::*;
use tokio::sync::oneshot;

use super::errors::raised;
use super::getter::Source;
use crate::convert::lock;

/// Takes the outcome of one load, once. Dropped without one, it says that the load was given up.
#[pyclass(frozen, name = "CacheDelivery", module = "oxbridge._oxbridge")]
pub(crate) struct Delivery {
    source: Arc<Source>,
    sender: Mutex<Option<oneshot::Sender<Result<Value, Error>>>>,
}

impl Delivery {
    pub(crate) fn new(
        source: Arc<Source>,
        sender: oneshot::Sender<Result<Value, Error>>,
    ) -> Delivery {
        Delivery {
            source,
            sender: Mutex::new(Some(sender)),
        }
    }

    fn deliver(&self, py: Python<'_>, outcome: Result<Value, Error>) {
        let sender = lock(py, &self.sender).take();
        if let Some(sender) = sender {
            // Whoever waited may have been closed meanwhile.
            let _ = sender.send(outcome);
        }
    }
}

#[pymethods]
impl Delivery {
    /// The getter returned this.
    fn value(&self, value: &Bound<'_, PyAny>) {
        let py = value.py();
        let outcome = self.source.encode(value).map_err(|e| raised(py, e));
        self.deliver(py, outcome);
    }

    /// The getter raised this.
    fn error(&self, error: Bound<'_, PyAny>) {
        let py = error.py();
        let error = raised(py, PyErr::from_value(error));
        self.deliver(py, Err(error));
    }
}
