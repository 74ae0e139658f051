//! `Part`: one part of a multipart body (RFC 7578), streamed.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use futures_util::Stream;
use http::HeaderMap;
use multer::{Field, Multipart};
use oxbridge::{BodyError, RequestBody, block_on};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::lock;
use crate::errors::{BadBody, BodyTooLarge, body_error};
use crate::headers::Headers;
use crate::values::{MAX_FIELDS, too_many};

/// A request body as multer reads it.
struct Pieces {
    body: RequestBody,
    /// A piece was given: multer takes all it can get before it looks at any, so it gets one at a time,
    /// or a fast sender would fill the memory.
    gave: bool,
    /// How much multer may take before a part begins: it keeps a head, or what comes before the first
    /// part, until it is whole. Unlimited inside a part, which it hands on as it comes.
    quota: Quota,
}

type Quota = Arc<AtomicUsize>;

/// More than one piece of a body plus a generous head of a part.
const HEAD: usize = 1 << 20;

impl Stream for Pieces {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.gave) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let chunk = self.body.poll_chunk(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &chunk {
            let left = self.quota.load(Relaxed);
            if left != usize::MAX {
                let Some(left) = left.checked_sub(bytes.len()) else {
                    let fault = format!("the head of a part is longer than {HEAD} bytes");
                    return Poll::Ready(Some(Err(BodyError::Malformed(fault))));
                };
                self.quota.store(left, Relaxed);
            }
        }
        self.gave = matches!(chunk, Poll::Ready(Some(_)));
        chunk
    }
}

/// The parts of a multipart body, one after the other. What is not read of one is skipped when the next
/// is asked for.
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct Parts(Mutex<State>);

struct State {
    parts: Multipart<'static>,
    /// The part that was given last. It must be closed before the next can be read.
    current: Slot,
    quota: Quota,
}

/// A part's contents, while they can still be read.
type Slot = Arc<Mutex<Option<Field<'static>>>>;

impl Parts {
    pub(crate) fn new(body: RequestBody, boundary: String) -> Self {
        let quota = Quota::new(AtomicUsize::new(HEAD));
        let pieces = Pieces {
            body,
            gave: false,
            quota: quota.clone(),
        };
        Parts(Mutex::new(State {
            parts: Multipart::new(pieces, boundary),
            current: Slot::default(),
            quota,
        }))
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<Part>> {
        let mut state = lock(py, &self.0);
        let left_behind = lock(py, &state.current).take();
        let State { parts, quota, .. } = &mut *state;
        let field = py.detach(|| {
            block_on(async {
                if let Some(mut field) = left_behind {
                    // What nobody read of it, while it still streams.
                    while field.chunk().await?.is_some() {}
                }
                quota.store(HEAD, Relaxed);
                let field = parts.next_field().await;
                quota.store(usize::MAX, Relaxed);
                field
            })
        });
        Ok(field.map_err(part_error)?.map(|field| {
            let part = Part::new(field);
            state.current = part.field.clone();
            part
        }))
    }

    /// Reads the whole body as text fields, at most `limit` bytes of values.
    pub(crate) fn text_fields(
        &self,
        py: Python<'_>,
        limit: usize,
    ) -> PyResult<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        let mut left = limit;
        while let Some(part) = self.next(py)? {
            if pairs.len() == MAX_FIELDS {
                return Err(too_many());
            }
            left = left.saturating_sub(part.name.as_ref().map_or(0, String::len));
            if let Some(filename) = &part.filename {
                return Err(BadBody::new_err(format!(
                    "the form has a file ({filename:?}): read it with req.multipart(), which streams"
                )));
            }
            let mut value = Vec::new();
            loop {
                let chunk = part.chunk(py)?;
                if chunk.is_empty() {
                    break;
                }
                left = left.checked_sub(chunk.len()).ok_or_else(|| {
                    BodyTooLarge::new_err(format!(
                        "the form is longer than {limit} bytes; read it with req.multipart()"
                    ))
                })?;
                value.extend_from_slice(&chunk);
            }
            pairs.push((
                part.name.unwrap_or_default(),
                String::from_utf8_lossy(&value).into_owned(),
            ));
        }
        Ok(pairs)
    }
}

#[pymethods]
impl Parts {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Part>> {
        self.next(py)
    }
}

/// One part of a multipart body.
#[pyclass(frozen, module = "oxbridge")]
pub(crate) struct Part {
    field: Slot,
    headers: HeaderMap,
    ahead: Mutex<Bytes>,
    /// The name of the form's field.
    #[pyo3(get)]
    name: Option<String>,
    /// The name of the file at the client, if it is one. Never a safe path.
    #[pyo3(get)]
    filename: Option<String>,
    /// What the client says that it is.
    #[pyo3(get)]
    content_type: Option<String>,
}

impl Part {
    fn new(field: Field<'static>) -> Self {
        Part {
            name: field.name().map(str::to_owned),
            filename: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(ToString::to_string),
            headers: field.headers().clone(),
            field: Arc::new(Mutex::new(Some(field))),
            ahead: Mutex::new(Bytes::new()),
        }
    }

    fn chunk(&self, py: Python<'_>) -> PyResult<Bytes> {
        let ahead = std::mem::take(&mut *lock(py, &self.ahead));
        if !ahead.is_empty() {
            return Ok(ahead);
        }
        let mut field = lock(py, &self.field);
        let Some(field) = &mut *field else {
            return Err(PyRuntimeError::new_err(
                "this part has been left behind: the next one was asked for",
            ));
        };
        py.detach(|| block_on(field.chunk()))
            .map(Option::unwrap_or_default)
            .map_err(part_error)
    }
}

#[pymethods]
impl Part {
    #[getter]
    fn headers(&self) -> Headers {
        Headers::fixed(self.headers.clone())
    }

    /// At most `n` bytes of what is left of the part, b"" at its end; without `n` all of it.
    #[pyo3(signature = (n=-1))]
    fn read<'py>(&self, py: Python<'py>, n: isize) -> PyResult<Bound<'py, PyBytes>> {
        let Ok(n) = usize::try_from(n) else {
            let mut all = Vec::new();
            loop {
                let chunk = self.chunk(py)?;
                if chunk.is_empty() {
                    return Ok(PyBytes::new(py, &all));
                }
                all.extend_from_slice(&chunk);
            }
        };
        if n == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        let mut chunk = self.chunk(py)?;
        let n = n.min(chunk.len());
        let bytes = PyBytes::new(py, &chunk[..n]);
        chunk.advance(n);
        *lock(py, &self.ahead) = chunk;
        Ok(bytes)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let chunk = self.chunk(py)?;
        Ok((!chunk.is_empty()).then(|| PyBytes::new(py, &chunk)))
    }

    fn __repr__(&self) -> String {
        format!("<Part name={:?} filename={:?}>", self.name, self.filename)
    }
}

fn part_error(e: multer::Error) -> PyErr {
    match e {
        multer::Error::StreamReadFailed(inner) => match inner.downcast::<BodyError>() {
            Ok(e) => body_error(*e),
            Err(e) => BadBody::new_err(e.to_string()),
        },
        e => BadBody::new_err(format!("the multipart body is malformed: {e}")),
    }
}
