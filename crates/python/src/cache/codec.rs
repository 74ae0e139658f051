//! Values: Python objects outside, bytes inside and between nodes.

use bytes::Bytes;
use oxbridge_cache::{Form, Group, Value};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyString};

use crate::convert::type_name;

/// The object that a value is in this process: a hit gives a new reference to it.
struct Object {
    object: Py<PyAny>,
    weight: usize,
}

impl Form for Object {
    fn weight(&self) -> usize {
        self.weight
    }
}

/// How the values of a group become bytes and objects again.
pub(crate) enum Codec {
    /// They are bytes, and stay the object that they came as.
    Bytes,
    /// They are `str`, UTF-8 between nodes, and stay the object that they came as.
    Str,
    /// Functions do it, at each hit: what they make may be changed by whoever gets it.
    Functions { dumps: Py<PyAny>, loads: Py<PyAny> },
}

impl Codec {
    /// An object as a value; `whose` says in an error where it came from.
    pub(crate) fn encode(&self, value: &Bound<'_, PyAny>, whose: &str) -> PyResult<Value> {
        match self {
            Codec::Bytes => Ok(of_bytes(&exact_bytes(value, whose)?)),
            Codec::Str => match value.cast_exact::<PyString>() {
                Ok(text) => of_str(text),
                Err(_) => match value.cast::<PyString>() {
                    // A subclass may carry anything; what is kept is the text.
                    Ok(text) => of_str(&PyString::new(value.py(), text.to_str()?)),
                    Err(_) => Err(wrong(value, whose, "str")),
                },
            },
            Codec::Functions { dumps, .. } => {
                let dumped = dumps.bind(value.py()).call1((value,))?;
                let bytes = exact_bytes(&dumped, "what the serializer's dumps gives")?;
                Ok(Value::new(Bytes::from_owner(PyBackedBytes::from(bytes))))
            }
        }
    }

    /// A value as an object. What came from another node becomes one with the first hit, and stays it.
    pub(crate) fn decode(
        &self,
        py: Python<'_>,
        group: &Group,
        key: &[u8],
        value: &Value,
    ) -> PyResult<Py<PyAny>> {
        if let Some(object) = object_of(py, value) {
            return Ok(object);
        }
        let formed = match self {
            Codec::Bytes => of_bytes(&PyBytes::new(py, value.bytes())),
            Codec::Str => match std::str::from_utf8(value.bytes()) {
                Ok(text) => of_str(&PyString::new(py, text))?,
                Err(e) => {
                    return Err(PyValueError::new_err(format!(
                        "the value of b\"{}\" in the group {:?} is not UTF-8 ({e}), and the group's \
                         serializer is \"str\"",
                        key.escape_ascii(),
                        group.name()
                    )));
                }
            },
            Codec::Functions { loads, .. } => {
                return loads.call1(py, (PyBytes::new(py, value.bytes()),));
            }
        };
        let formed = formed.with_expiry(value.expires());
        let object = object_of(py, &formed);
        group.exchange(key, value, formed);
        object.ok_or_else(|| PyTypeError::new_err("a value without an object"))
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Codec::Functions { dumps, loads } => {
                visit.call(dumps)?;
                visit.call(loads)
            }
            Codec::Bytes | Codec::Str => Ok(()),
        }
    }
}

/// The object of a value that has one.
pub(crate) fn object_of(py: Python<'_>, value: &Value) -> Option<Py<PyAny>> {
    let object = value.form::<Object>()?;
    Some(object.object.clone_ref(py))
}

/// A value that is an object and nothing else, counting for so many bytes.
pub(crate) fn of_object(object: Py<PyAny>, weight: usize) -> Value {
    Value::new(Bytes::new()).with_form(std::sync::Arc::new(Object { object, weight }))
}

fn of_bytes(bytes: &Bound<'_, PyBytes>) -> Value {
    let object = bytes.clone().into_any().unbind();
    let bytes = Bytes::from_owner(PyBackedBytes::from(bytes.clone()));
    Value::new(bytes).with_form(std::sync::Arc::new(Object { object, weight: 0 }))
}

fn of_str(text: &Bound<'_, PyString>) -> PyResult<Value> {
    let object = text.clone().into_any().unbind();
    let bytes = Bytes::from_owner(PyBackedStr::try_from(text.clone())?);
    Ok(Value::new(bytes).with_form(std::sync::Arc::new(Object { object, weight: 0 })))
}

/// Bytes that nobody can change: the object itself, or a copy of another buffer.
fn exact_bytes<'py>(value: &Bound<'py, PyAny>, whose: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    match PyBuffer::<u8>::get(value) {
        Ok(buffer) => Ok(PyBytes::new(value.py(), &buffer.to_vec(value.py())?)),
        Err(_) => Err(wrong(value, whose, "bytes")),
    }
}

fn wrong(value: &Bound<'_, PyAny>, whose: &str, wanted: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{whose} is {}; wanted {wanted}, or a group with another serializer",
        type_name(value)
    ))
}
