//! Getters: plain functions, on the cache's own threads, and coroutine functions, on an event loop.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use oxbridge_cache::{Error, Getter, GetterFuture, Kind, Value};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use tokio::sync::oneshot;
use tokio::task::{JoinError, spawn_blocking};

use super::codec::Codec;
use super::delivery::Delivery;
use super::errors::{closed, raised};
use super::home::{Home, Inside};
use super::key::KeyType;
use crate::context;
use crate::convert::lock;

/// Where the values of a group come from, and what they are in Python. Its group's Python object and
/// the getter in the crate share it.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) home: Arc<Home>,
    pub(crate) codec: Codec,
    pub(crate) keys: KeyType,
    pub(crate) is_async: bool,
    /// `oxbridge.cache._loops.Loops`.
    pub(crate) loops: Py<PyAny>,
    /// None once the garbage collector has taken the group.
    pub(crate) getter: Mutex<Option<Py<PyAny>>>,
}

impl Source {
    pub(crate) fn encode(&self, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        let whose = format!("what the getter of the group {:?} gives", self.name);
        self.codec.encode(value, &whose)
    }

    /// For the garbage collector, which sees this through the one Python object that owns it.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.loops)?;
        self.codec.traverse(visit)?;
        // Held by another thread it counts as in use, which it is.
        match self.getter.try_lock() {
            Ok(getter) => visit.call(&*getter),
            Err(_) => Ok(()),
        }
    }

    fn function(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let getter = lock(py, &self.getter);
        getter
            .as_ref()
            .map(|getter| getter.clone_ref(py))
            .ok_or_else(closed)
    }

    /// Calls a plain getter.
    fn call(&self, key: &[u8]) -> Result<Value, Error> {
        let outcome = Python::try_attach(|py| {
            let _inside = Inside::enter(self.home.clone(), &self.name, key);
            let load = || {
                let key = self.keys.object(py, key)?;
                let value = context::vectorcall(self.function(py)?.bind(py), [&key])?;
                self.encode(&value)
            };
            load().map_err(|e| raised(py, e))
        });
        // Without an interpreter there is nobody to load for.
        outcome.unwrap_or_else(|| Err(Kind::Closed.into()))
    }

    /// Has an event loop start a coroutine getter.
    fn launch(
        self: &Arc<Self>,
        key: &[u8],
        sender: oneshot::Sender<Result<Value, Error>>,
    ) -> Result<(), Error> {
        let launched = Python::try_attach(|py| {
            let launch = || {
                let key = self.keys.object(py, key)?;
                let delivery = Py::new(py, Delivery::new(self.clone(), sender))?;
                let launch = self.loops.bind(py).getattr(intern!(py, "launch"))?;
                let name = pyo3::types::PyString::new(py, &self.name);
                let getter = self.function(py)?;
                let arguments = [
                    getter.bind(py),
                    name.as_any(),
                    &key,
                    delivery.bind(py).as_any(),
                ];
                context::vectorcall(&launch, arguments).map(drop)
            };
            launch().map_err(|e| raised(py, e))
        });
        launched.unwrap_or_else(|| Err(Kind::Closed.into()))
    }
}

/// The getter of a group, as the crate calls it.
pub(crate) struct PythonGetter(pub(crate) Arc<Source>);

impl Getter for PythonGetter {
    fn load(&self, key: Bytes) -> GetterFuture {
        let source = self.0.clone();
        if !source.is_async {
            return Box::pin(async move {
                let call = spawn_blocking(move || source.call(&key));
                call.await.unwrap_or_else(|e| Err(unfinished(e)))
            });
        }
        Box::pin(async move {
            let (sender, outcome) = oneshot::channel();
            // Not on this thread, which serves others and must not wait for the interpreter.
            let launch = spawn_blocking(move || source.launch(&key, sender));
            launch.await.unwrap_or_else(|e| Err(unfinished(e)))?;
            outcome.await.unwrap_or_else(|_| {
                Err(Error::getter(
                    "the event loop of the getter ended before the getter did",
                ))
            })
        })
    }
}

/// Why a thread did not finish its work.
fn unfinished(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(_) => Kind::Panicked("in the call of a getter".to_owned()).into(),
        Err(_) => Kind::Closed.into(),
    }
}
