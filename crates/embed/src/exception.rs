//! Python exceptions as errors.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::Error;
use crate::text;

/// Takes down what an exception says. Nothing of it stays alive: its traceback would keep every local
/// variable of the frames.
pub(crate) fn read(py: Python<'_>, e: &PyErr) -> Error {
    let kind = e.get_type(py);
    let exception = kind.fully_qualified_name().map_or_else(
        |_| "an exception without a name".to_owned(),
        |name| {
            text::lossy(&name)
                .trim_start_matches("builtins.")
                .to_owned()
        },
    );
    Error::Python {
        message: e.value(py).str().map_or_else(
            |_| "its __str__ fails".to_owned(),
            |message| text::lossy(&message),
        ),
        traceback: formatted(py, e).unwrap_or_default(),
        exception,
    }
}

fn formatted(py: Python<'_>, e: &PyErr) -> PyResult<String> {
    // Before CPython 3.12, the traceback is not in the exception yet.
    let value = e.clone_ref(py).into_value(py);
    let lines = py
        .import(intern!(py, "traceback"))?
        .call_method1(intern!(py, "format_exception"), (value,))?;
    let text = PyString::new(py, "").call_method1(intern!(py, "join"), (lines,))?;
    Ok(text::lossy(text.cast::<PyString>()?))
}

/// What a failure to read an answer or to make arguments becomes: an exception, as `MemoryError` is.
pub(crate) fn of(py: Python<'_>) -> impl Fn(PyErr) -> Error {
    move |e| read(py, &e)
}
