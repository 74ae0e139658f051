//! Header fields as a mapping: of a response, of its trailers, of a request, of a multipart part.

use http::HeaderMap;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::convert::{canonical, header_name, header_value, lock, text_of};
use crate::errors::write_error;
use crate::request::Request;
use crate::writer::Writer;

/// A view of header fields. Names are case-insensitive. Those of a request are read-only.
#[pyclass(frozen, mapping, module = "oxbridge")]
pub(crate) struct Headers(Source);

enum Source {
    Response(Py<Writer>),
    Trailers(Py<Writer>),
    Request(Py<Request>),
    Fixed(HeaderMap),
}

impl Headers {
    pub(crate) fn of_response(writer: Py<Writer>) -> Self {
        Headers(Source::Response(writer))
    }

    pub(crate) fn of_trailers(writer: Py<Writer>) -> Self {
        Headers(Source::Trailers(writer))
    }

    pub(crate) fn of_request(request: Py<Request>) -> Self {
        Headers(Source::Request(request))
    }

    pub(crate) fn fixed(headers: HeaderMap) -> Self {
        Headers(Source::Fixed(headers))
    }

    fn read<R>(&self, py: Python<'_>, f: impl FnOnce(&HeaderMap) -> R) -> R {
        match &self.0 {
            Source::Response(writer) => f(lock(py, &writer.get().inner).headers()),
            Source::Trailers(writer) => match lock(py, &writer.get().inner).trailers() {
                Some(trailers) => f(trailers),
                None => f(&HeaderMap::new()),
            },
            Source::Request(request) => f(lock(py, &request.get().inner).headers()),
            Source::Fixed(headers) => f(headers),
        }
    }

    fn change<R>(&self, py: Python<'_>, f: impl FnOnce(&mut HeaderMap) -> R) -> PyResult<R> {
        match &self.0 {
            Source::Response(writer) => lock(py, &writer.get().inner)
                .headers_mut()
                .map(f)
                .map_err(write_error),
            Source::Trailers(writer) => lock(py, &writer.get().inner)
                .trailers_mut()
                .map(f)
                .map_err(write_error),
            Source::Request(_) | Source::Fixed(_) => Err(PyTypeError::new_err(
                "the headers of a request cannot be changed",
            )),
        }
    }

    fn pairs(&self, py: Python<'_>) -> Vec<(String, String)> {
        self.read(py, |headers| {
            headers
                .iter()
                .map(|(name, value)| (canonical(name), text_of(value).into_owned()))
                .collect()
        })
    }
}

#[pymethods]
impl Headers {
    fn __getitem__(&self, py: Python<'_>, name: &str) -> PyResult<String> {
        self.lookup(py, name)
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __setitem__(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = header_name(name)?;
        let value = header_value(&name, value)?;
        self.change(py, |headers| {
            headers.insert(name, value);
        })
    }

    fn __delitem__(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        match self.change(py, |headers| headers.remove(name))? {
            Some(_) => Ok(()),
            None => Err(PyKeyError::new_err(name.to_owned())),
        }
    }

    fn __contains__(&self, py: Python<'_>, name: &Bound<'_, PyAny>) -> bool {
        name.cast::<PyString>()
            .ok()
            .and_then(|name| {
                name.to_str()
                    .ok()
                    .map(|name| self.read(py, |h| h.contains_key(name)))
            })
            .unwrap_or(false)
    }

    /// How many fields there are, each repetition counted.
    fn __len__(&self, py: Python<'_>) -> usize {
        self.read(py, HeaderMap::keys_len)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyList::new(py, self.keys(py))?.try_iter()?.into_any())
    }

    /// Adds a field beside those of the same name.
    fn add(&self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = header_name(name)?;
        let value = header_value(&name, value)?;
        self.change(py, |headers| {
            headers.append(name, value);
        })
    }

    /// The first value of the name, or the default.
    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        match self.lookup(py, name) {
            Some(value) => Some(PyString::new(py, &value).into_any()),
            None => default,
        }
    }

    /// Every value of the name, in the order they came or were added.
    fn get_all(&self, py: Python<'_>, name: &str) -> Vec<String> {
        self.read(py, |headers| {
            headers
                .get_all(name)
                .iter()
                .map(|value| text_of(value).into_owned())
                .collect()
        })
    }

    /// The names, each once.
    fn keys(&self, py: Python<'_>) -> Vec<String> {
        self.read(py, |headers| headers.keys().map(canonical).collect())
    }

    /// The first value of each name.
    fn values(&self, py: Python<'_>) -> Vec<String> {
        self.read(py, |headers| {
            headers
                .keys()
                .filter_map(|name| headers.get(name))
                .map(|v| text_of(v).into_owned())
                .collect()
        })
    }

    /// Every field: a name that is repeated comes repeatedly.
    fn items(&self, py: Python<'_>) -> Vec<(String, String)> {
        self.pairs(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Headers({:?})", self.pairs(py))
    }
}

impl Headers {
    fn lookup(&self, py: Python<'_>, name: &str) -> Option<String> {
        self.read(py, |headers| {
            headers.get(name).map(|value| text_of(value).into_owned())
        })
    }
}
