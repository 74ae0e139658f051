//! The exceptions that users catch, and how the server's errors become them.

use oxbridge::{BodyError, WriteError};
use pyo3::create_exception;
use pyo3::exceptions::{
    PyConnectionError, PyFileNotFoundError, PyIsADirectoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;

create_exception!(
    oxbridge,
    PatternError,
    PyValueError,
    "A pattern is malformed, or conflicts with another one."
);
create_exception!(
    oxbridge,
    ResponseEnded,
    PyRuntimeError,
    "The response has ended, or its head has been sent: too late for this."
);
create_exception!(
    oxbridge,
    ClientGone,
    PyConnectionError,
    "The client closed the connection, or reset the stream."
);
create_exception!(
    oxbridge,
    BodyTooLarge,
    PyValueError,
    "The request body is longer than the limit. Unhandled, the answer is 413."
);
create_exception!(
    oxbridge,
    BadBody,
    PyValueError,
    "The request body is malformed. Unhandled, the answer is 400."
);

create_exception!(
    oxbridge,
    BodyTimeout,
    PyTimeoutError,
    "Nothing came of the request body for too long. Unhandled, the answer is 408."
);

pub(crate) fn write_error(e: WriteError) -> PyErr {
    match e {
        WriteError::Ended | WriteError::HeadSent => ResponseEnded::new_err(e.to_string()),
        WriteError::ClientGone => ClientGone::new_err(e.to_string()),
        e => PyValueError::new_err(e.to_string()),
    }
}

pub(crate) fn body_error(e: BodyError) -> PyErr {
    let text = e.to_string();
    match e {
        BodyError::TooLarge(_) => BodyTooLarge::new_err(text),
        BodyError::Malformed(_) => BadBody::new_err(text),
        BodyError::ClientGone => ClientGone::new_err(text),
        BodyError::TimedOut => BodyTimeout::new_err(text),
        _ => PyRuntimeError::new_err(text),
    }
}

/// The status that answers a handler which let this exception through.
pub(crate) fn status_of(py: Python<'_>, e: &PyErr) -> http::StatusCode {
    if e.is_instance_of::<BodyTooLarge>(py) {
        http::StatusCode::PAYLOAD_TOO_LARGE
    } else if e.is_instance_of::<BodyTimeout>(py) {
        http::StatusCode::REQUEST_TIMEOUT
    } else if e.is_instance_of::<BadBody>(py) {
        http::StatusCode::BAD_REQUEST
    } else {
        file_status(py, e).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A file that cannot be served, as the exception that `open` would raise. Let through, it is answered
/// as its status says: `file_status` finds that again.
pub(crate) fn file_error(py: Python<'_>, e: oxbridge::FileError, path: &std::path::Path) -> PyErr {
    use oxbridge::FileError as E;
    let status = e.status().as_u16();
    let text = e.to_string();
    let path = path.to_owned();
    let error = match e {
        E::Missing(_) => PyFileNotFoundError::new_err((2, text, path)),
        E::Directory(_) => PyIsADirectoryError::new_err((21, text, path)),
        E::Forbidden(_) => PyPermissionError::new_err((13, text, path)),
        E::Io(_, io) => PyOSError::new_err((io.raw_os_error(), text, path)),
        E::Write(e) => return write_error(e),
        _ => PyOSError::new_err((text,)),
    };
    // Exceptions take attributes, so this does not fail; if it did, the answer would be 500.
    let _ = error
        .value(py)
        .setattr(intern!(py, "_oxbridge_status"), status);
    error
}

/// The status that `file_error` left in an exception.
fn file_status(py: Python<'_>, e: &PyErr) -> Option<http::StatusCode> {
    if !e.is_instance_of::<PyOSError>(py) {
        return None;
    }
    let status = e
        .value(py)
        .getattr_opt(intern!(py, "_oxbridge_status"))
        .ok()??;
    http::StatusCode::from_u16(status.extract().ok()?).ok()
}

/// Whether an exception is, or was raised for, a client that has left.
pub(crate) fn is_about_client(py: Python<'_>, error: &PyErr) -> bool {
    let mut next = Some(error.clone_ref(py));
    // A chain of causes may lead back into itself.
    for _ in 0..16 {
        let Some(error) = next else { return false };
        if error.is_instance_of::<ClientGone>(py) {
            return true;
        }
        let value = error.value(py);
        next = ["__cause__", "__context__"]
            .iter()
            .filter_map(|name| value.getattr(*name).ok())
            .find(|cause| !cause.is_none())
            .map(PyErr::from_value);
    }
    false
}
