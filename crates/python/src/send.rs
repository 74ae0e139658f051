//! Python bytes on their way into a response.

use bytes::Bytes;
use oxbridge::ResponseWriter;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::write_error;

/// From this size on, bytes are lent to the connection; smaller ones are copied, which costs less than
/// giving an object back.
const LENT: usize = 64 << 10;

/// Writes, outside the interpreter if that might wait. What is small is held until it is known whether
/// more comes.
pub(crate) fn write_bytes(
    py: Python<'_>,
    writer: &mut ResponseWriter,
    data: &Bound<'_, PyBytes>,
) -> PyResult<()> {
    let bytes = data.as_bytes();
    if writer.fits(bytes.len()) {
        return writer.write(bytes).map_err(write_error);
    }
    if bytes.len() < LENT {
        return py.detach(|| writer.write(bytes)).map_err(write_error);
    }
    let lent = Bytes::from_owner(PyBackedBytes::from(data.clone()));
    py.detach(|| writer.write_bytes(lent)).map_err(write_error)
}

/// Writes and sends it now.
pub(crate) fn send_bytes(
    py: Python<'_>,
    writer: &mut ResponseWriter,
    data: &Bound<'_, PyBytes>,
) -> PyResult<()> {
    write_bytes(py, writer, data)?;
    if writer.may_wait() {
        py.detach(|| writer.flush())
    } else {
        writer.flush()
    }
    .map_err(write_error)
}
