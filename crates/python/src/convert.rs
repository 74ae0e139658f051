//! Python values as bytes and header fields.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderName, HeaderValue};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyString};

/// Locks without holding on to the interpreter while it waits, also after a panic of another holder.
pub(crate) fn lock<'a, T>(py: Python<'_>, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
    mutex
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The bytes of a `str` (as UTF-8), of `bytes`, or of any contiguous buffer, which is copied since its
/// owner may change it.
pub(crate) fn bytes_of<'a>(data: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(Cow::Borrowed(bytes.as_bytes()));
    }
    if let Ok(text) = data.cast::<PyString>() {
        return Ok(Cow::Borrowed(text.to_str()?.as_bytes()));
    }
    match PyBuffer::<u8>::get(data) {
        Ok(buffer) => Ok(Cow::Owned(buffer.to_vec(data.py())?)),
        Err(_) => Err(PyTypeError::new_err(format!(
            "a body is written as str, bytes or another buffer of bytes, not {}",
            type_name(data)
        ))),
    }
}

/// A header name, from `str`.
pub(crate) fn header_name(name: &str) -> PyResult<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        PyValueError::new_err(format!(
            "{name:?} is no header name (RFC 9110, section 5.1: a token)"
        ))
    })
}

/// A header value without the white space around it, which is none of it (RFC 9110 §5.5), and which
/// makes an HTTP/2 message malformed (RFC 9113 §8.2.1). Django's cookies begin with a space.
pub(crate) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A header value, from `str` (Latin-1), `bytes` or `int`.
pub(crate) fn header_value(name: &HeaderName, value: &Bound<'_, PyAny>) -> PyResult<HeaderValue> {
    let bytes: Cow<'_, [u8]> = if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_str()?;
        if text.is_ascii() {
            Cow::Borrowed(text.as_bytes())
        } else {
            let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
            Cow::Owned(latin.ok_or_else(|| {
                PyValueError::new_err(format!(
                    "the value of {name} has characters beyond Latin-1: {text:?}; encode it"
                ))
            })?)
        }
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        Cow::Borrowed(bytes.as_bytes())
    } else if let Ok(number) = value.extract::<i64>() {
        Cow::Owned(number.to_string().into_bytes())
    } else {
        return Err(PyTypeError::new_err(format!(
            "the value of {name} is {}; wanted str, bytes or int",
            type_name(value)
        )));
    };
    HeaderValue::from_bytes(trimmed(&bytes)).map_err(|_| {
        PyValueError::new_err(format!(
            "the value of {name} has a control character (RFC 9110, section 5.5): {:?}",
            String::from_utf8_lossy(&bytes)
        ))
    })
}

/// A header value as `str`: UTF-8 if it is, else Latin-1, which any bytes are.
pub(crate) fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().map(|&b| char::from(b)).collect()),
    }
}

/// `Content-Type` for `content-type`, as Go writes names.
pub(crate) fn canonical(name: &HeaderName) -> String {
    let mut upper = true;
    name.as_str()
        .chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c };
            upper = c == '-';
            c
        })
        .collect()
}

/// How an error calls the type of a value.
pub(crate) fn type_name(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .name()
        .map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}
