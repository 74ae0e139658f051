//! `wsgi.input`: the body of a request as a binary file.

use std::sync::Mutex;

use bytes::{Bytes, BytesMut};
use oxbridge::RequestBody;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};

use crate::convert::lock;
use crate::errors::body_error;

/// The body, to be read once from its start to its end. Reads wait for the client where they have to,
/// outside the interpreter, and end at the body's end, chunked or not (`wsgi.input_terminated`).
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct Input {
    state: Mutex<State>,
}

struct State {
    /// None for a body that has nothing in it.
    body: Option<RequestBody>,
    /// Read and not taken yet.
    ahead: Bytes,
    closed: bool,
}

impl Input {
    pub(crate) fn new(body: RequestBody) -> Self {
        Input {
            state: Mutex::new(State {
                body: Some(body),
                ahead: Bytes::new(),
                closed: false,
            }),
        }
    }

    /// The request is over: what the application keeps of it must not keep the client's connection, which
    /// waits for somebody to read the rest. What was read ahead can still be taken.
    pub(super) fn forsake(&self, py: Python<'_>) {
        let body = lock(py, &self.state).body.take();
        drop(body);
    }

    /// The input of every request without a body.
    pub(crate) fn empty() -> Self {
        Input {
            state: Mutex::new(State {
                body: None,
                ahead: Bytes::new(),
                closed: false,
            }),
        }
    }
}

impl State {
    /// Sees to it that there is something ahead; false at the end.
    fn fill(&mut self, py: Python<'_>) -> PyResult<bool> {
        if self.closed {
            return Err(PyValueError::new_err("I/O operation on closed file."));
        }
        while self.ahead.is_empty() {
            let Some(body) = &mut self.body else {
                return Ok(false);
            };
            let chunk = if body.is_readable() {
                body.chunk_blocking()
            } else {
                py.detach(|| body.chunk_blocking())
            };
            match chunk {
                None => return Ok(false),
                Some(chunk) => self.ahead = chunk.map_err(body_error)?,
            }
        }
        Ok(true)
    }

    /// At most `limit` bytes, up to and including a line end if `line`, fewer only at the end.
    fn take(&mut self, py: Python<'_>, limit: usize, line: bool) -> PyResult<Bytes> {
        let mut taken = BytesMut::new();
        while taken.len() < limit && self.fill(py)? {
            let most = self.ahead.len().min(limit - taken.len());
            let end = if line {
                memchr::memchr(b'\n', &self.ahead[..most]).map(|at| at + 1)
            } else {
                None
            };
            let piece = self.ahead.split_to(end.unwrap_or(most));
            let whole = end.is_some() || taken.len() + piece.len() == limit;
            if whole && taken.is_empty() {
                return Ok(piece);
            }
            taken.extend_from_slice(&piece);
            if whole {
                break;
            }
        }
        Ok(taken.freeze())
    }
}

/// None and negative numbers mean everything.
fn limit(size: Option<isize>) -> usize {
    size.map_or(usize::MAX, |size| {
        usize::try_from(size).unwrap_or(usize::MAX)
    })
}

#[pymethods]
impl Input {
    /// As many bytes as there are, at most `size`.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = lock(py, &self.state).take(py, limit(size), false)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// What one read of the socket brought, at most `size`.
    #[pyo3(signature = (size=None, /))]
    fn read1<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let mut state = lock(py, &self.state);
        if limit(size) == 0 || !state.fill(py)? {
            return Ok(PyBytes::new(py, b""));
        }
        let n = state.ahead.len().min(limit(size));
        Ok(PyBytes::new(py, &state.ahead.split_to(n)))
    }

    /// Reads into a buffer; says how many bytes.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view = PyMemoryView::from(buffer)?.call_method1("cast", ("B",))?;
        let bytes = lock(py, &self.state).take(py, view.len()?, false)?;
        let n = bytes.len();
        view.set_item(PySlice::new(py, 0, n as isize, 1), PyBytes::new(py, &bytes))?;
        Ok(n)
    }

    /// A line with its end, at most `size` bytes of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = lock(py, &self.state).take(py, limit(size), true)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Lines, until they are `hint` bytes together or the end is there.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(
        &self,
        py: Python<'py>,
        hint: Option<isize>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let enough = match hint {
            Some(hint) if hint > 0 => hint.unsigned_abs(),
            _ => usize::MAX,
        };
        let (mut lines, mut total) = (Vec::new(), 0);
        let mut state = lock(py, &self.state);
        while total < enough {
            let line = state.take(py, usize::MAX, true)?;
            if line.is_empty() {
                break;
            }
            total += line.len();
            lines.push(PyBytes::new(py, &line));
        }
        Ok(lines)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = lock(py, &self.state).take(py, usize::MAX, true)?;
        Ok((!line.is_empty()).then(|| PyBytes::new(py, &line)))
    }

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    fn isatty(&self) -> bool {
        false
    }

    fn fileno(&self) -> PyResult<i32> {
        // As `io.UnsupportedOperation`, which is both an OSError and a ValueError.
        Err(PyOSError::new_err(
            "the body of a request has no descriptor of its own",
        ))
    }

    fn flush(&self) {}

    /// Reads fail from here on. The body of a request without one is shared, and stays open.
    fn close(&self, py: Python<'_>) {
        let mut state = lock(py, &self.state);
        state.closed = state.body.is_some();
    }

    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        lock(py, &self.state).closed
    }
}
