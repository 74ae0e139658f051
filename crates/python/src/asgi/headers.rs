//! Header fields in the form of ASGI: pairs of bytes.

use http::{HeaderMap, HeaderName, HeaderValue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::convert::{trimmed, type_name};

/// Room for the fields that the server adds.
const SPARE: usize = 3;

/// Any iterable of `[name, value]` as header fields.
pub(crate) fn parse(headers: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut fields = HeaderMap::new();
    if let Ok(list) = headers.cast_exact::<PyList>() {
        fields.reserve(list.len() + SPARE);
        for pair in list.iter() {
            append(&mut fields, &pair)?;
        }
    } else {
        for pair in headers.try_iter()? {
            append(&mut fields, &pair?)?;
        }
    }
    Ok(fields)
}

fn append(fields: &mut HeaderMap, pair: &Bound<'_, PyAny>) -> PyResult<()> {
    let (name, value) = match pair.cast_exact::<PyTuple>() {
        Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
        _ => two(pair).ok_or_else(|| wrong(pair))?,
    };
    let (Ok(name), Ok(value)) = (name.cast::<PyBytes>(), value.cast::<PyBytes>()) else {
        return Err(wrong(pair));
    };
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let shown = || String::from_utf8_lossy(name).into_owned();
    let field = HeaderName::from_bytes(name).map_err(|_| {
        PyValueError::new_err(format!(
            "{:?} is no header name (RFC 9110, section 5.1: a token)",
            shown()
        ))
    })?;
    let value = HeaderValue::from_bytes(trimmed(value)).map_err(|_| {
        PyValueError::new_err(format!(
            "the value of {} has a control character (RFC 9110, section 5.5): {:?}",
            shown(),
            String::from_utf8_lossy(value)
        ))
    })?;
    fields.append(field, value);
    Ok(())
}

/// The items of a pair that is no tuple; lists are what the specification itself has.
fn two<'py>(pair: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let mut items = pair.try_iter().ok()?;
    let (name, value) = (items.next()?.ok()?, items.next()?.ok()?);
    items.next().is_none().then_some((name, value))
}

fn wrong(pair: &Bound<'_, PyAny>) -> PyErr {
    let shown = pair
        .repr()
        .map_or_else(|_| type_name(pair), |shown| shown.to_string());
    PyTypeError::new_err(format!(
        "a header is {shown}; ASGI wants a pair of bytes, [name, value]"
    ))
}
