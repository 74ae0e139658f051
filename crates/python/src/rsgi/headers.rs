//! Header fields in the forms of RSGI: a mapping of text to read, a list of pairs of text to send.

use std::sync::Arc;

use http::HeaderMap;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::convert::{header_name, header_value, lock, text_of, type_name};
use crate::rsgi::Rsgi;
use crate::rsgi::http::HttpProtocol;

/// The header fields of a request. A name is looked up in any case, and comes in lower case.
#[pyclass(frozen, mapping, name = "RSGIHeaders", module = "oxbridge._oxbridge")]
pub(super) struct Headers {
    rsgi: Arc<Rsgi>,
    source: Source,
}

enum Source {
    Http(Py<HttpProtocol>),
    Fixed(Arc<HeaderMap>),
}

impl Headers {
    pub(super) fn of(rsgi: Arc<Rsgi>, protocol: Py<HttpProtocol>) -> Self {
        Headers {
            rsgi,
            source: Source::Http(protocol),
        }
    }

    pub(super) fn fixed(rsgi: Arc<Rsgi>, headers: Arc<HeaderMap>) -> Self {
        Headers {
            rsgi,
            source: Source::Fixed(headers),
        }
    }

    fn read<R>(&self, py: Python<'_>, f: impl FnOnce(&HeaderMap) -> R) -> R {
        match &self.source {
            Source::Http(protocol) => f(lock(py, &protocol.get().inner).request.headers()),
            Source::Fixed(headers) => f(headers),
        }
    }

    fn name<'py>(&self, py: Python<'py>, name: &http::HeaderName) -> Bound<'py, PyString> {
        self.rsgi.names.get(py, name)
    }

    /// The names, each once, without the lock that reads them.
    fn names(&self, py: Python<'_>) -> Vec<http::HeaderName> {
        self.read(py, |headers| headers.keys().cloned().collect())
    }
}

#[pymethods]
impl Headers {
    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> bool {
        key.extract::<&str>()
            .is_ok_and(|key| self.read(py, |headers| headers.contains_key(key)))
    }

    fn __getitem__(&self, py: Python<'_>, key: &str) -> PyResult<String> {
        self.read(py, |headers| {
            headers.get(key).map(|value| text_of(value).into_owned())
        })
        .ok_or_else(|| PyKeyError::new_err(key.to_owned()))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.read(py, HeaderMap::keys_len)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys(py)?.try_iter()?.into_any())
    }

    /// The first value, or the default.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &str,
        default: Option<Bound<'py, PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        let value = self.read(py, |headers| {
            headers.get(key).map(|value| text_of(value).into_owned())
        });
        match value {
            Some(value) => Some(PyString::new(py, &value).into_any()),
            None => default,
        }
    }

    /// Every value of a name.
    fn get_all(&self, py: Python<'_>, key: &str) -> Vec<String> {
        self.read(py, |headers| {
            headers
                .get_all(key)
                .iter()
                .map(|value| text_of(value).into_owned())
                .collect()
        })
    }

    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let names = self.names(py);
        PyList::new(py, names.iter().map(|name| self.name(py, name)))
    }

    fn values(&self, py: Python<'_>) -> Vec<String> {
        self.read(py, |headers| {
            headers
                .values()
                .map(|value| text_of(value).into_owned())
                .collect()
        })
    }

    fn items(&self, py: Python<'_>) -> Vec<(String, String)> {
        self.read(py, |headers| {
            headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), text_of(value).into_owned()))
                .collect()
        })
    }
}

/// A list of `(name, value)`, both text, as header fields.
pub(super) fn parse(headers: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut fields = HeaderMap::new();
    for pair in headers.try_iter()? {
        let pair = pair?;
        let (name, value) = match pair.cast_exact::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
            _ => pair.extract().map_err(|_| {
                PyTypeError::new_err(format!(
                    "a header is {}; RSGI wants a tuple of two str",
                    type_name(&pair)
                ))
            })?,
        };
        let name = header_name(name.cast::<PyString>()?.to_str()?)?;
        let value = header_value(&name, &value)?;
        fields.append(name, value);
    }
    Ok(fields)
}
