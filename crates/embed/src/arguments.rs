//! A request as the arguments of a Python function: `(method, path, params, query, headers, body)`.

use bytes::Bytes;
use http::HeaderMap;
use oxbridge_python::names::{self, Names};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::python::Body;
use crate::request::{Request, Values};
use crate::text;

pub(crate) type Arguments<'py> = [Bound<'py, PyAny>; 6];

/// Makes them.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn of(py: Python<'_>, request: Request, body: Body) -> PyResult<Arguments<'_>> {
    Ok([
        names::method(py, &request.method).into_any(),
        text::decode(py, &request.path)?.into_any(),
        values(py, &request.params)?.into_any(),
        values(py, &request.query)?.into_any(),
        headers(py, &request.headers)?.into_any(),
        body_of(py, &request.body, body)?,
    ])
}

fn body_of<'py>(py: Python<'py>, bytes: &Bytes, body: Body) -> PyResult<Bound<'py, PyAny>> {
    Ok(match body {
        Body::Text => text::decode(py, bytes)?.into_any(),
        Body::Bytes => PyBytes::new(py, bytes).into_any(),
    })
}

fn values<'py>(py: Python<'py>, values: &Values) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in values.iter() {
        let name = text::decode(py, name)?;
        let value = text::decode(py, value)?;
        add(&dict, &name, value)?;
    }
    Ok(dict)
}

fn headers<'py>(py: Python<'py>, headers: &HeaderMap) -> PyResult<Bound<'py, PyDict>> {
    static NAMES: PyOnceLock<Names<PyString>> = PyOnceLock::new();
    let names = NAMES.get_or_init(py, Names::canonical);
    let dict = PyDict::new(py);
    let mut last = None;
    for (name, value) in headers {
        let value = text::decode(py, value.as_bytes())?;
        // The values of one name follow each other.
        match &last {
            Some((same, list)) if *same == name => Bound::<PyList>::append(list, value)?,
            _ => {
                let list = PyList::new(py, [value])?;
                dict.set_item(names.get(py, name), &list)?;
                last = Some((name, list));
            }
        }
    }
    Ok(dict)
}

/// Adds a value to those that the name has.
fn add<'py>(
    dict: &Bound<'py, PyDict>,
    name: &Bound<'py, PyString>,
    value: Bound<'py, PyString>,
) -> PyResult<()> {
    match dict.get_item(name)? {
        Some(list) => list.cast::<PyList>()?.append(value),
        None => dict.set_item(name, PyList::new(dict.py(), [value])?),
    }
}
