//! The functions that a program names: found, called at the start, exchanged while they are in use.

use arc_swap::{ArcSwap, Guard};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::sync::Arc;

use crate::answer::{shown, type_of};
use crate::error::Error;
use crate::{exception, text};

/// The name of a function: `worker`, `go_request`. Dots in the second part lead to attributes of classes and
/// instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) module: String,
    pub(crate) function: String,
}

impl Name {
    /// Imports the module and finds the function.
    pub(crate) fn find<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>, Error> {
        let mut found = py
            .import(self.module.as_str())
            .map_err(exception::of(py))?
            .into_any();
        for part in self.function.split('.') {
            let attribute = found.getattr_opt(part).map_err(exception::of(py))?;
            found = attribute.ok_or_else(|| Error::Missing {
                module: self.module.clone(),
                function: self.function.clone(),
            })?;
        }
        if found.is_callable() {
            return Ok(found);
        }
        Err(Error::NotCallable {
            module: self.module.clone(),
            function: self.function.clone(),
            found: type_of(&found),
        })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.module, self.function)
    }
}

/// A function that is called, and may be exchanged for another one meanwhile.
pub(crate) struct Function(ArcSwap<Current>);

pub(crate) struct Current {
    pub(crate) object: Py<PyAny>,
    /// It is declared `async`, or is an object whose `__call__` is.
    pub(crate) is_coroutine: bool,
}

impl Function {
    pub(crate) fn new(function: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Function(ArcSwap::from_pointee(Current::new(function)?)))
    }

    pub(crate) fn get(&self) -> Guard<Arc<Current>> {
        self.0.load()
    }

    pub(crate) fn set(&self, function: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.store(Arc::new(Current::new(function)?));
        Ok(())
    }
}

impl Current {
    fn new(function: &Bound<'_, PyAny>) -> PyResult<Self> {
        let is = function
            .py()
            .import("inspect")?
            .getattr("iscoroutinefunction")?;
        let is_coroutine = is.call1((function,))?.is_truthy()?
            || is.call1((function.getattr("__call__")?,))?.is_truthy()?;
        Ok(Current {
            object: function.clone().unbind(),
            is_coroutine,
        })
    }
}

/// What the function for the start has returned: names with a list each, in its own order.
pub(crate) type Routes = Vec<(String, Vec<String>)>;

/// Calls the function for the start.
pub(crate) fn call_init(py: Python<'_>, name: &Name) -> Result<Routes, Error> {
    let returned = name.find(py)?.call0().map_err(exception::of(py))?;
    let wrong = |message| Err(Error::Answer(message));
    let Ok(dict) = returned.cast::<PyDict>() else {
        return wrong(format!(
            "{name} must return a dict[str, list[str]], got {}",
            type_of(&returned)
        ));
    };
    let mut routes = Routes::with_capacity(dict.len());
    for (key, value) in dict {
        let Ok(route) = key.cast::<PyString>() else {
            return wrong(format!(
                "{name} must return a dict[str, list[str]], got the key {}",
                shown(&key)
            ));
        };
        let route = text::lossy(route);
        let items = match (value.cast::<PyList>(), value.cast::<PyTuple>()) {
            (Ok(list), _) => list.iter().collect::<Vec<_>>(),
            (_, Ok(tuple)) => tuple.iter().collect(),
            _ => {
                return wrong(format!(
                    "routes[{route:?}] of {name} must be a list of str, got {}",
                    type_of(&value)
                ));
            }
        };
        let mut methods = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let Ok(method) = item.cast::<PyString>() else {
                return wrong(format!(
                    "routes[{route:?}][{place}] of {name} must be a str, got {}",
                    type_of(item)
                ));
            };
            methods.push(text::lossy(method));
        }
        routes.push((route, methods));
    }
    Ok(routes)
}
