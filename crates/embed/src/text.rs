//! Bytes and `str`.
//!
//! The rule, for everything that is text in Python and bytes on the wire: UTF-8, and a byte that is none becomes
//! a lone surrogate (the error handler `surrogateescape`, PEP 383), which comes back as that byte. So no
//! byte is lost or changed on the way in and out, as in `os.fsdecode`.

use bytes::Bytes;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// Bytes as `str`.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text)),
        Err(_) => PyString::from_encoded_object(
            &PyBytes::new(py, bytes),
            Some(c"utf-8"),
            Some(c"surrogateescape"),
        ),
    }
}

/// Calls `f` with the bytes of a `str`.
///
/// # Errors
/// `UnicodeEncodeError` for a surrogate that stands for no byte.
pub(crate) fn with_bytes<R>(text: &Bound<'_, PyString>, f: impl FnOnce(&[u8]) -> R) -> PyResult<R> {
    if let Ok(utf8) = text.to_str() {
        return Ok(f(utf8.as_bytes()));
    }
    let py = text.py();
    let bytes = text.call_method1(intern!(py, "encode"), ("utf-8", "surrogateescape"))?;
    Ok(f(bytes.cast::<PyBytes>()?.as_bytes()))
}

/// The bytes of a `str`, copied.
///
/// # Errors
/// As [`with_bytes`].
pub(crate) fn encode(text: &Bound<'_, PyString>) -> PyResult<Bytes> {
    with_bytes(text, Bytes::copy_from_slice)
}

/// A `str` for a message to people.
pub(crate) fn lossy(text: &Bound<'_, PyString>) -> String {
    text.to_string_lossy().into_owned()
}
