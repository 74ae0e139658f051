//! Keys: `str`, as UTF-8, or `bytes`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::type_name;

/// The bytes of a key, which Python keeps for as long as the object is there.
pub(crate) fn key_of<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = key.cast::<PyString>() {
        return Ok(text.to_str()?.as_bytes());
    }
    if let Ok(bytes) = key.cast::<PyBytes>() {
        return Ok(bytes.as_bytes());
    }
    Err(PyTypeError::new_err(format!(
        "a key is str or bytes, not {}",
        type_name(key)
    )))
}

/// The bytes of many keys, and the keys themselves.
pub(crate) type Keys<'py> = (Vec<Vec<u8>>, Vec<Bound<'py, PyAny>>);

/// Reads many keys.
pub(crate) fn keys_of<'py>(keys: &Bound<'py, PyAny>) -> PyResult<Keys<'py>> {
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        // It could be iterated, and would be taken for many short keys.
        return Err(PyTypeError::new_err(format!(
            "many keys are wanted, in a list for example, not one {}",
            type_name(keys)
        )));
    }
    let mut bytes = Vec::new();
    let mut objects = Vec::new();
    for key in keys.try_iter()? {
        let key = key?;
        bytes.push(key_of(&key)?.to_vec());
        objects.push(key);
    }
    Ok((bytes, objects))
}

/// What a getter gets for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Str,
    Bytes,
}

impl KeyType {
    /// A key as the getter wants it.
    pub(crate) fn object<'py>(self, py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        match self {
            KeyType::Bytes => Ok(PyBytes::new(py, key).into_any()),
            KeyType::Str => match std::str::from_utf8(key) {
                Ok(text) => Ok(PyString::new(py, text).into_any()),
                Err(_) => Err(PyValueError::new_err(format!(
                    "the key b\"{}\" is not UTF-8, and the getter takes str; a group with \
                     keys=\"bytes\" has getters of bytes",
                    key.escape_ascii()
                ))),
            },
        }
    }
}

impl std::str::FromStr for KeyType {
    type Err = PyErr;

    fn from_str(name: &str) -> PyResult<KeyType> {
        match name {
            "str" => Ok(KeyType::Str),
            "bytes" => Ok(KeyType::Bytes),
            _ => Err(PyValueError::new_err(format!(
                "keys is {name:?}; wanted \"str\" or \"bytes\""
            ))),
        }
    }
}
