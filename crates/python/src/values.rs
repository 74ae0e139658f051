//! Query and form fields: names with one value or several.

use std::collections::HashSet;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::errors::BodyTooLarge;

/// How many fields a query or a form may have.
pub(crate) const MAX_FIELDS: usize = 10_000;

pub(crate) fn too_many() -> PyErr {
    BodyTooLarge::new_err(format!("there are more than {MAX_FIELDS} fields"))
}

/// A mapping of names to their first values, which knows the others too.
#[pyclass(frozen, mapping, module = "oxbridge")]
pub(crate) struct Values(Vec<(String, String)>);

impl Values {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Values(pairs)
    }

    /// Reads `a=1&b=2`, percent-decoded, `+` as a space (WHATWG URL, application/x-www-form-urlencoded).
    pub(crate) fn parse(encoded: &[u8]) -> PyResult<Vec<(String, String)>> {
        let pairs: Vec<_> = form_urlencoded::parse(encoded)
            .take(MAX_FIELDS + 1)
            .collect();
        if pairs.len() > MAX_FIELDS {
            return Err(too_many());
        }
        Ok(pairs
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    fn names(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.0
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| seen.insert(*name))
            .collect()
    }
}

#[pymethods]
impl Values {
    fn __getitem__(&self, name: &str) -> PyResult<&str> {
        self.first(name)
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
        name.cast::<PyString>()
            .ok()
            .and_then(|name| name.to_str().ok().map(|name| self.first(name).is_some()))
            .unwrap_or(false)
    }

    fn __len__(&self) -> usize {
        self.names().len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.names())?.try_iter()?.into_any())
    }

    /// The first value of the name, or the default.
    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        match self.first(name) {
            Some(value) => Some(PyString::new(py, value).into_any()),
            None => default,
        }
    }

    /// Every value of the name, in order.
    fn get_all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The names, each once.
    fn keys(&self) -> Vec<&str> {
        self.names()
    }

    /// The first value of each name.
    fn values(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.0
            .iter()
            .filter(|(name, _)| seen.insert(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Every pair, in order.
    fn items(&self) -> Vec<(String, String)> {
        self.0.clone()
    }

    fn __repr__(&self) -> String {
        format!("Values({:?})", self.0)
    }
}
