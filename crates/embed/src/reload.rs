//! Development: modules that have changed are imported anew, and the function with them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::intern;
use pyo3::prelude::*;

use crate::error::Error;
use crate::exception;
use crate::function::{Function, Name};

/// Files are looked at no more often than this.
const EVERY: Duration = Duration::from_millis(250);

/// Knows the modules of a program in development.
pub(crate) struct Reloader {
    name: Name,
    /// `oxbridge._reload.Modules`
    modules: Py<PyAny>,
    looks_by_itself: bool,
    last: Mutex<Instant>,
}

impl Reloader {
    /// Knows the modules named, and those below `paths`, as they are now.
    pub(crate) fn new(
        py: Python<'_>,
        name: Name,
        named: Vec<String>,
        paths: &[PathBuf],
        looks_by_itself: bool,
    ) -> PyResult<Self> {
        let paths: Vec<_> = paths
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .map(PathBuf::into_os_string)
            .collect();
        let modules = py
            .import("oxbridge._reload")?
            .getattr("Modules")?
            .call1((named, paths))?;
        Ok(Reloader {
            name,
            modules: modules.unbind(),
            looks_by_itself,
            last: Mutex::new(Instant::now()),
        })
    }

    /// Before a call: looks whether something has changed, if it is time to. What cannot be used is logged, and
    /// the old function stays.
    pub(crate) fn look(&self, py: Python<'_>, function: &Function) {
        if !self.looks_by_itself {
            return;
        }
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() < EVERY {
                return;
            }
            *last = Instant::now();
        }
        if let Err(e) = self.reload(py, function) {
            let why = match e {
                Error::Python { traceback, .. } => traceback,
                other => other.to_string(),
            };
            let logger = py
                .import("logging")
                .and_then(|logging| logging.call_method1("getLogger", ("oxbridge",)));
            let logged = logger.and_then(|logger| {
                logger.call_method1(
                    "error",
                    ("Modules that have changed cannot be used:\n%s", why),
                )
            });
            if let Err(e) = logged {
                e.write_unraisable(py, None);
            }
        }
    }

    /// Imports what has changed, and exchanges the function if that went well; names what it was.
    pub(crate) fn reload(&self, py: Python<'_>, function: &Function) -> Result<Vec<String>, Error> {
        let raised = exception::of(py);
        let (names, before): (Vec<String>, Py<PyAny>) = self
            .modules
            .call_method0(py, intern!(py, "reload"))
            .and_then(|reloaded| reloaded.extract(py))
            .map_err(&raised)?;
        if names.is_empty() {
            return Ok(names);
        }
        let exchanged = self
            .name
            .find(py)
            .and_then(|found| function.set(&found).map_err(&raised));
        if let Err(e) = exchanged {
            py.import("oxbridge._reload")
                .and_then(|module| module.call_method1("restore", (before,)))
                .map_err(&raised)?;
            return Err(e);
        }
        Ok(names)
    }
}
