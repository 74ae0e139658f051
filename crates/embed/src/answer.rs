//! What a Python function has returned, as a response: `(status, body, headers)`.

use bytes::Bytes;
use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

use crate::error::Error;
use crate::response::Response;
use crate::{exception, text};

/// What is wanted.
const SHAPE: &str = "(status: int, body: str | bytes, headers: dict[str, list[str]])";

/// From this size on, a body of bytes is lent and not copied. What is lent goes back when a thread is in
/// Python again, so it is not for small change.
const LENT: usize = 1 << 20;

/// Reads it.
///
/// # Errors
/// [`Error::Answer`] says where another shape was found; [`Error::Python`], what reading it has raised.
pub(crate) fn read(returned: &Bound<'_, PyAny>, is_head: bool) -> Result<Response, Error> {
    let Ok(tuple) = returned.cast::<PyTuple>() else {
        return wrong(format!("expected {SHAPE}, got {}", type_of(returned)));
    };
    let parts = tuple.as_slice();
    let [status, body, headers] = parts else {
        return wrong(format!("expected {SHAPE}, got a {}-tuple", parts.len()));
    };
    let status = read_status(status)?;
    let body = read_body(body)?;
    let headers = read_headers(headers)?;
    check_length(&headers, &body, status, is_head)?;
    Ok(Response {
        status,
        headers,
        body,
    })
}

fn read_status(status: &Bound<'_, PyAny>) -> Result<StatusCode, Error> {
    let number = if status.is_instance_of::<PyInt>() && !status.is_instance_of::<PyBool>() {
        status.extract::<u16>().ok()
    } else {
        None
    };
    let number = number.filter(|number| (200..600).contains(number));
    match number.map(StatusCode::from_u16) {
        Some(Ok(status)) => Ok(status),
        _ => wrong(format!(
            "status must be an int from 200 to 599, got {}",
            shown(status)
        )),
    }
}

fn read_body(body: &Bound<'_, PyAny>) -> Result<Bytes, Error> {
    let py = body.py();
    if let Ok(text) = body.cast::<PyString>() {
        return text::encode(text).or_else(|_| {
            wrong("body has a lone surrogate that stands for no byte, so it is no text".to_owned())
        });
    }
    if let Ok(bytes) = body.cast::<PyBytes>() {
        if bytes.as_bytes().len() < LENT {
            return Ok(Bytes::copy_from_slice(bytes.as_bytes()));
        }
        return Ok(Bytes::from_owner(PyBackedBytes::from(bytes.clone())));
    }
    match PyBuffer::<u8>::get(body) {
        Ok(buffer) => buffer
            .to_vec(py)
            .map(Bytes::from)
            .map_err(exception::of(py)),
        Err(_) => wrong(format!(
            "body must be str, bytes or another buffer of bytes, got {}",
            type_of(body)
        )),
    }
}

fn read_headers(headers: &Bound<'_, PyAny>) -> Result<HeaderMap, Error> {
    let Ok(dict) = headers.cast::<PyDict>() else {
        return wrong(format!(
            "headers must be a dict[str, list[str]], got {}",
            type_of(headers)
        ));
    };
    let mut map = HeaderMap::with_capacity(dict.len().min(64));
    for (name, value) in dict {
        let Ok(key) = name.cast::<PyString>() else {
            return wrong(format!(
                "a key of headers must be a str, got {}",
                shown(&name)
            ));
        };
        let field = read_name(key)?;
        if let Ok(text) = value.cast::<PyString>() {
            append(&mut map, &field, text, || repr(key))?;
        } else if let Ok(list) = value.cast::<PyList>() {
            for (place, one) in list.iter().enumerate() {
                append_item(&mut map, &field, key, place, &one)?;
            }
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            for (place, one) in tuple.iter().enumerate() {
                append_item(&mut map, &field, key, place, &one)?;
            }
        } else {
            return wrong(format!(
                "headers[{}] must be a list of str or a str, got {}",
                repr(key),
                type_of(&value)
            ));
        }
    }
    Ok(map)
}

fn read_name(key: &Bound<'_, PyString>) -> Result<HeaderName, Error> {
    let field = text::with_bytes(key, |name| HeaderName::from_bytes(name).ok());
    let Ok(Some(field)) = field else {
        return wrong(format!(
            "{} is no name of a header field (RFC 9110, section 5.1: a token)",
            repr(key)
        ));
    };
    let is_hop_by_hop = [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE].contains(&field)
        || matches!(field.as_str(), "keep-alive" | "proxy-connection");
    if is_hop_by_hop {
        return wrong(format!(
            "headers[{}] belongs to the connection, which is the server's (RFC 9110, section 7.6.1)",
            repr(key)
        ));
    }
    Ok(field)
}

fn append_item(
    map: &mut HeaderMap,
    field: &HeaderName,
    key: &Bound<'_, PyString>,
    place: usize,
    value: &Bound<'_, PyAny>,
) -> Result<(), Error> {
    let Ok(text) = value.cast::<PyString>() else {
        return wrong(format!(
            "headers[{}][{place}] must be a str, got {}",
            repr(key),
            type_of(value)
        ));
    };
    append(map, field, text, || format!("{}][{place}", repr(key)))
}

fn append(
    map: &mut HeaderMap,
    field: &HeaderName,
    value: &Bound<'_, PyString>,
    place: impl Fn() -> String,
) -> Result<(), Error> {
    let read = text::with_bytes(value, |bytes| HeaderValue::from_bytes(trimmed(bytes)).ok());
    let Ok(Some(read)) = read else {
        return wrong(format!(
            "headers[{}] has a control character, or a surrogate that stands for no byte (RFC 9110, section 5.5): {}",
            place(),
            repr(value)
        ));
    };
    map.try_append(field, read)
        .map(drop)
        .or_else(|_| wrong("there are more than 24576 header fields".to_owned()))
}

/// Without the white space around it, which is none of the value (RFC 9110 §5.5).
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A length that is not the body's would break the connection's framing (RFC 9112 §6.3). To HEAD, and with 304,
/// it is the length that another answer would have (RFC 9110 §8.6).
fn check_length(
    headers: &HeaderMap,
    body: &Bytes,
    status: StatusCode,
    is_head: bool,
) -> Result<(), Error> {
    if is_head || status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    for value in headers.get_all(CONTENT_LENGTH) {
        let length = value.to_str().ok().and_then(|text| text.parse().ok());
        if length != Some(body.len()) {
            return wrong(format!(
                "Content-Length is {value:?}, and the body has {} bytes",
                body.len()
            ));
        }
    }
    Ok(())
}

fn wrong<T>(message: String) -> Result<T, Error> {
    Err(Error::Answer(message))
}

/// The name of a value's type; None is called None.
pub(crate) fn type_of(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".to_owned();
    }
    let name = value.get_type().qualname();
    name.map_or_else(|_| "an object".to_owned(), |name| text::lossy(&name))
}

/// A value and its type.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".to_owned();
    }
    format!("{} ({})", repr(value), type_of(value))
}

/// What `repr` gives, or the beginning of it.
fn repr(value: &Bound<'_, PyAny>) -> String {
    const LONGEST: usize = 80;
    let Ok(repr) = value.repr() else {
        return "an object whose __repr__ fails".to_owned();
    };
    let text = text::lossy(&repr);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
