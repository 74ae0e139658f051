//! Running a Python handler for an exchange.

use http::StatusCode;
use oxbridge::{Exchange, Host, ResponseWriter};
use pyo3::intern;
use pyo3::prelude::*;

use crate::context;
use crate::convert::lock;
use crate::errors::{ClientGone, status_of};
use crate::request::Request;
use crate::writer::Writer;

/// Worker threads that enter the interpreter once, for their whole life, and leave it to wait: a thread
/// state is made once for a thread and not once for a request, and `threading.local` lasts as long as in
/// any thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interpreter;

impl Host for Interpreter {
    fn thread(&self, work: &mut (dyn FnMut() + Send)) {
        // Fails only when the interpreter is going away, and then there is no work either.
        let _ = Python::try_attach(|py| context::with_context(py, work));
    }

    fn idle(&self, wait: &mut (dyn FnMut() + Send)) {
        let attached = Python::try_attach(|py| py.detach(&mut *wait));
        if attached.is_none() {
            wait();
        }
    }
}

/// Calls `function(w, req)` and ends the exchange.
pub(crate) fn run(function: &Py<PyAny>, exchange: Exchange) {
    // Without an interpreter the exchange is dropped, which answers 500.
    let _ = Python::try_attach(|py| {
        let (response, request) = exchange.into_parts();
        let made = Bound::new(py, Request::new(request, None)).and_then(|req| {
            let w = Bound::new(py, Writer::new(response, req.clone().unbind(), None))?;
            Ok((w, req))
        });
        let (w, req) = match made {
            Ok(made) => made,
            Err(e) => return report(py, &e, "making the arguments of a handler"),
        };
        let writer = w.get();
        let result = context::call(function.bind(py), [w.as_any(), req.as_any()]);
        let mut inner = lock(py, &writer.inner);
        match result {
            Ok(_) => {
                if let Err(e) = inner.end() {
                    drop(inner);
                    // The handler said one length and wrote another, or the like.
                    report_text(py, &format!("{} {}: {e}", method(py, &req), url(py, &req)));
                }
            }
            Err(e) => {
                let is_fault = refuse(py, &mut inner, &e);
                drop(inner);
                if is_fault {
                    report(py, &e, &format!("{} {}", method(py, &req), url(py, &req)));
                }
            }
        }
    });
}

/// Answers for a handler that raised `e`; says whether that is the handler's own fault, to be reported.
pub(crate) fn refuse(py: Python<'_>, writer: &mut ResponseWriter, e: &PyErr) -> bool {
    let status = status_of(py, e);
    writer.refuse(status);
    status == StatusCode::INTERNAL_SERVER_ERROR && !e.is_instance_of::<ClientGone>(py)
}

fn method(py: Python<'_>, req: &Bound<'_, Request>) -> String {
    lock(py, &req.get().inner).method().to_string()
}

fn url(py: Python<'_>, req: &Bound<'_, Request>) -> String {
    lock(py, &req.get().inner).uri().to_string()
}

/// Logs an exception with its traceback.
pub(crate) fn report(py: Python<'_>, e: &PyErr, what: &str) {
    let logged = logger(py).and_then(|logger| {
        let kwargs = pyo3::types::PyDict::new(py);
        kwargs.set_item(intern!(py, "exc_info"), e.clone_ref(py).into_value(py))?;
        logger.call_method(
            intern!(py, "error"),
            ("%s", format!("Exception in a handler: {what}")),
            Some(&kwargs),
        )
    });
    if let Err(failure) = logged {
        // Logging itself failed: the last resort of CPython's own threads.
        failure.write_unraisable(py, None);
    }
}

/// Logs an error that is no exception.
pub(crate) fn report_text(py: Python<'_>, text: &str) {
    if let Err(failure) =
        logger(py).and_then(|logger| logger.call_method1(intern!(py, "error"), ("%s", text)))
    {
        failure.write_unraisable(py, None);
    }
}

fn logger(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "logging"))?
        .call_method1(intern!(py, "getLogger"), (intern!(py, "oxbridge"),))
}
