//! What a group's values are in Python.

use std::sync::Arc;

use oxbridge_cache::{Error, Value};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::errors::exception;
use super::getter::Source;

/// The values of a group, as objects. What outlives a call has a clone: the garbage collector sees the
/// Python objects in it through the [`Group`](super::group::Group) alone.
#[derive(Clone)]
pub(crate) struct Objects {
    pub(crate) group: oxbridge_cache::Group,
    pub(crate) source: Arc<Source>,
}

impl Objects {
    /// What a load came to.
    pub(crate) fn decode(
        &self,
        py: Python<'_>,
        key: &[u8],
        outcome: Result<Value, Error>,
    ) -> PyResult<Py<PyAny>> {
        match outcome {
            Ok(value) => self.source.codec.decode(py, &self.group, key, &value),
            Err(error) => Err(exception(py, &error)),
        }
    }

    /// The values of the keys that have one, under the objects that the keys came as.
    pub(crate) fn dictionary<'a, 'py: 'a>(
        &self,
        py: Python<'py>,
        keys: &[Vec<u8>],
        objects: impl Iterator<Item = &'a Bound<'py, PyAny>>,
        outcomes: Vec<Result<Value, Error>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for ((key, object), outcome) in keys.iter().zip(objects).zip(outcomes) {
            if !matches!(&outcome, Err(error) if error.is_not_found()) {
                found.set_item(object, self.decode(py, key, outcome)?)?;
            }
        }
        Ok(found)
    }
}
