//! `Group`: keys, and where their values come from.

use std::sync::Arc;
use std::time::Duration;

use oxbridge_cache::{Loading, Lookup};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaits::{self, LoopParts, Wakeups};
use super::codec;
use super::getter::Source;
use super::home::{Inside, Waiter};
use super::key::{key_of, keys_of};
use super::listener::Listener;
use super::objects::Objects;
use super::{stats, waits};
use crate::options::seconds;

/// A group of an instance: see the crate's.
#[pyclass(frozen, generic, module = "oxbridge.cache")]
pub(crate) struct Group {
    pub(super) values: Objects,
    /// Changes go to other nodes, or to a second tier.
    pub(super) is_shared: bool,
}

impl Group {
    pub(crate) fn new(group: oxbridge_cache::Group, source: Arc<Source>, is_shared: bool) -> Group {
        Group {
            values: Objects { group, source },
            is_shared,
        }
    }
}

#[pymethods]
impl Group {
    #[getter]
    fn name(&self) -> &str {
        &self.values.source.name
    }

    /// Has a function told what happens to keys here.
    #[pyo3(signature = (function, /))]
    fn listen(&self, function: Py<PyAny>) -> PyResult<Listener> {
        let source = &self.values.source;
        source.home.check()?;
        let events = self.values.group.events();
        Ok(Listener::start(
            source.home.handle(),
            events,
            function,
            source.keys,
        ))
    }

    /// The value of a key.
    #[pyo3(signature = (key, /))]
    fn get(&self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = key.py();
        let key = key_of(key)?;
        self.values.source.home.check()?;
        // A getter that may not wait must not have begun a load either.
        let _waiter = if Inside::is() && self.values.group.peek(key).is_none() {
            Some(Waiter::new(
                &self.values.source.home,
                self.name(),
                std::iter::once(key),
            )?)
        } else {
            None
        };
        match self.values.group.look_up(key) {
            Lookup::Done(outcome) => self.values.decode(py, key, outcome),
            Lookup::Loading(loading) => self.wait_for(py, key, loading),
        }
    }

    /// The same for coroutines.
    #[pyo3(signature = (key, /))]
    fn aget(&self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = key.py();
        let bytes = key_of(key)?;
        self.values.source.home.check()?;
        let asked = [bytes];
        let is_here = self.values.source.is_async && self.values.group.peek(bytes).is_some();
        let waiting = self.waiting_for(py, &asked, is_here)?;
        match self.values.group.look_up(bytes) {
            Lookup::Done(outcome) => awaits::done(py, self.values.decode(py, bytes, outcome)),
            Lookup::Loading(loading) => {
                let (owned, values) = (bytes.to_vec(), self.values.clone());
                awaits::awaitable(
                    py,
                    loading.wait(),
                    move |py, outcome| values.decode(py, &owned, outcome),
                    waiting,
                )
            }
        }
    }

    /// The value of a key, if it is here.
    #[pyo3(signature = (key, /))]
    fn peek(&self, key: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        let py = key.py();
        let key = key_of(key)?;
        self.values.source.home.check()?;
        self.values
            .group
            .peek(key)
            .map(|value| self.values.decode(py, key, Ok(value)))
            .transpose()
    }

    /// The values of those keys that have one.
    #[pyo3(signature = (keys, /))]
    fn get_many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = keys.py();
        let (keys, objects) = keys_of(keys)?;
        self.values.source.home.check()?;
        self.refuse_loop(py)?;
        let outcomes = {
            let _waiter = Waiter::new(&self.values.source.home, self.name(), keys.iter())?;
            waits::wait(py, self.values.group.get_many(&keys))?
        };
        self.values.dictionary(py, &keys, objects.iter(), outcomes)
    }

    /// The same for coroutines.
    #[pyo3(signature = (keys, /))]
    fn aget_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = keys.py();
        let (keys, objects) = keys_of(keys)?;
        self.values.source.home.check()?;
        let (group, values, wanted) =
            (self.values.group.clone(), self.values.clone(), keys.clone());
        let objects: Vec<Py<PyAny>> = objects.into_iter().map(Bound::unbind).collect();
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let waiting = self.waiting_for(py, &asked, false)?;
        awaits::awaitable(
            py,
            async move { group.get_many(&wanted).await },
            {
                let keys = keys.clone();
                move |py, outcomes| {
                    let objects = objects.iter().map(|object| object.bind(py));
                    Ok(values
                        .dictionary(py, &keys, objects, outcomes)?
                        .into_any()
                        .unbind())
                }
            },
            waiting,
        )
    }

    /// Sets the value of a key.
    #[pyo3(signature = (key, value, /, ttl=None))]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<f64>,
    ) -> PyResult<()> {
        let py = key.py();
        match self.begin_set(key, value, ttl)? {
            Some(set) => self.finish(py, set),
            None => Ok(()),
        }
    }

    /// The same for coroutines.
    #[pyo3(signature = (key, value, /, ttl=None))]
    fn aset(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        ttl: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let py = key.py();
        match self.begin_set(key, value, ttl)? {
            Some(set) => self.finish_later(py, set),
            None => awaits::done(py, Ok(py.None())),
        }
    }

    /// Takes a key out.
    #[pyo3(signature = (key, /))]
    fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.begin_delete(vec![key_of(key)?.to_vec()])? {
            Some(delete) => self.finish(key.py(), delete),
            None => Ok(()),
        }
    }

    /// The same for coroutines.
    #[pyo3(signature = (key, /))]
    fn adelete(&self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match self.begin_delete(vec![key_of(key)?.to_vec()])? {
            Some(delete) => self.finish_later(key.py(), delete),
            None => awaits::done(key.py(), Ok(key.py().None())),
        }
    }

    /// Takes many keys out.
    #[pyo3(signature = (keys, /))]
    fn delete_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.begin_delete(keys_of(keys)?.0)? {
            Some(delete) => self.finish(keys.py(), delete),
            None => Ok(()),
        }
    }

    /// The same for coroutines.
    #[pyo3(signature = (keys, /))]
    fn adelete_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        match self.begin_delete(keys_of(keys)?.0)? {
            Some(delete) => self.finish_later(keys.py(), delete),
            None => awaits::done(keys.py(), Ok(keys.py().None())),
        }
    }

    /// Forgets what this node keeps.
    fn clear(&self) -> PyResult<()> {
        self.values.source.home.check()?;
        self.values.group.clear();
        Ok(())
    }

    /// Forgets what any node keeps.
    fn clear_everywhere(&self, py: Python<'_>) -> PyResult<()> {
        self.values.source.home.check()?;
        let change = self.begin_clear();
        self.finish(py, change)
    }

    /// The same for coroutines.
    fn aclear_everywhere(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.values.source.home.check()?;
        let change = self.begin_clear();
        self.finish_later(py, change)
    }

    /// Loads keys that will be wanted; says how many have a value.
    #[pyo3(signature = (keys, /, at_once=16))]
    fn warm(&self, keys: &Bound<'_, PyAny>, at_once: usize) -> PyResult<usize> {
        let py = keys.py();
        let keys = keys_of(keys)?.0;
        self.values.source.home.check()?;
        self.refuse_loop(py)?;
        let _waiter = Waiter::new(&self.values.source.home, self.name(), keys.iter())?;
        waits::wait(py, self.values.group.warm(&keys, at_once))
    }

    /// The same for coroutines.
    #[pyo3(signature = (keys, /, at_once=16))]
    fn awarm(&self, keys: &Bound<'_, PyAny>, at_once: usize) -> PyResult<Py<PyAny>> {
        let py = keys.py();
        let keys = keys_of(keys)?.0;
        self.values.source.home.check()?;
        let (group, wanted) = (self.values.group.clone(), keys.clone());
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let waiting = self.waiting_for(py, &asked, false)?;
        awaits::awaitable(
            py,
            async move { group.warm(wanted, at_once).await },
            |py, count| Ok(count.into_pyobject(py)?.into_any().unbind()),
            waiting,
        )
    }

    /// What the group has done.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::dictionary(py, &self.values.group.stats())
    }

    /// For `cached`: the object of a key, or else `default`.
    #[pyo3(signature = (key, default, /, counted=true))]
    fn _find(
        &self,
        key: &Bound<'_, PyAny>,
        default: Py<PyAny>,
        counted: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = key.py();
        let key = key_of(key)?;
        self.values.source.home.check()?;
        let group = &self.values.group;
        let object = if counted {
            group.find(key)
        } else {
            group.peek(key)
        };
        let object = object.and_then(|value| codec::object_of(py, &value));
        Ok(object.unwrap_or(default))
    }

    /// For `cached`: keeps an object in this process, counting for so many bytes.
    #[pyo3(signature = (key, value, weight, /))]
    fn _keep(&self, key: &Bound<'_, PyAny>, value: Py<PyAny>, weight: usize) -> PyResult<()> {
        let key = key_of(key)?;
        self.values.source.home.check()?;
        self.values
            .group
            .set_local(key, codec::of_object(value, weight));
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<Group {:?}>", self.values.source.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.values.source.traverse(&visit)
    }

    fn __clear__(&self) {
        // Held by another thread only while it takes a reference, and then there is no garbage.
        let getter = self
            .values
            .source
            .getter
            .try_lock()
            .ok()
            .and_then(|mut g| g.take());
        drop(getter);
    }
}

impl Group {
    #[cold]
    fn wait_for(&self, py: Python<'_>, key: &[u8], loading: Loading) -> PyResult<Py<PyAny>> {
        self.refuse_loop(py)?;
        let outcome = waits::wait(py, loading.wait())?;
        self.values.decode(py, key, outcome)
    }

    /// Refuses to wait for a coroutine getter on a thread whose event loop might have to run it.
    fn refuse_loop(&self, py: Python<'_>) -> PyResult<()> {
        if !self.values.source.is_async {
            return Ok(());
        }
        let asyncio = py.import(intern!(py, "asyncio"))?;
        let running = asyncio.call_method0(intern!(py, "_get_running_loop"))?;
        if running.is_none() {
            return Ok(());
        }
        Err(PyRuntimeError::new_err(format!(
            "a wait for the group {:?}, whose getter is a coroutine function, on the thread of a running \
             event loop would stop the loop; await aget, aget_many or awarm",
            self.values.source.name
        )))
    }

    /// What a coroutine waits with, if it has to. A coroutine getter must know the loop that asks before
    /// a load begins; for the others, and where no load will begin, there is time to look.
    fn waiting_for<'a>(
        &'a self,
        py: Python<'a>,
        keys: &'a [&'a [u8]],
        is_here: bool,
    ) -> PyResult<impl FnOnce() -> PyResult<LoopParts> + 'a> {
        let ahead = if self.values.source.is_async && !is_here {
            Some(self.waiting(py, keys)?)
        } else {
            None
        };
        Ok(move || ahead.map_or_else(|| self.waiting(py, keys), Ok))
    }

    /// The running loop's wake-ups and its `create_future`.
    pub(super) fn waiting(&self, py: Python<'_>, keys: &[&[u8]]) -> PyResult<LoopParts> {
        // A coroutine getter that asks for the key that it loads would wait for ever, as would a plain one.
        drop(Waiter::new(
            &self.values.source.home,
            self.name(),
            keys.iter(),
        )?);
        let loading = self
            .values
            .source
            .loops
            .bind(py)
            .call_method1(intern!(py, "waiting"), (self.name(),))?;
        let (wakeups, create_future, loading): (Py<Wakeups>, Py<PyAny>, Option<Bound<'_, PyAny>>) =
            loading.extract()?;
        if let Some(loading) = loading
            && keys.contains(&key_of(&loading)?)
        {
            return Err(PyRuntimeError::new_err(format!(
                "the getter of the group {:?} asks the group for {}, the key that it loads",
                self.values.source.name,
                loading.repr()?
            )));
        }
        Ok((wakeups, create_future))
    }
}

/// A time that something is good for.
pub(crate) fn time_to_live(name: &str, time: Option<f64>) -> PyResult<Option<Duration>> {
    match time {
        None => Ok(None),
        Some(time) if time > 0.0 => seconds(name, time).map(Some),
        Some(time) => Err(PyValueError::new_err(format!(
            "{name} is {time}; wanted seconds, more than 0, or None for no end"
        ))),
    }
}
