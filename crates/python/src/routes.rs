//! The handlers of a mux, registered with a server that is about to start.

use std::sync::Arc;

use oxbridge::{Builder, Exchange};
use pyo3::prelude::*;

use crate::aio::{Item, Queue};
use crate::call;
use crate::errors::PatternError;
use crate::mux::{Kind, Mux};
use crate::writer::Writer;

/// Registers the routes of `mux`, and what answers whatever none of them matches.
///
/// Coroutines run on the thread of an event loop. That thread either takes the server's turns, and `driver` is
/// what has the coroutine of a handler started, as `driver(function, w, req)`; or the server has threads of its
/// own, and what is for the loop waits in `queue`.
pub(crate) fn register(
    py: Python<'_>,
    builder: &mut Builder,
    mux: &Mux,
    queue: &Arc<Queue>,
    driver: Option<&Py<PyAny>>,
) -> PyResult<()> {
    for route in mux.routes(py) {
        let function = route.function;
        match (route.kind, driver) {
            (Kind::Blocking, _) => builder.blocking_exchange(
                &route.pattern,
                move |ex: Exchange| call::run(&function, ex),
                route.location,
            ),
            (Kind::Inline, _) => builder.inline_exchange(
                &route.pattern,
                move |ex: Exchange| call::run(&function, ex),
                route.location,
            ),
            (Kind::Async, Some(driver)) => {
                let (queue, driver) = (queue.clone(), driver.clone_ref(py));
                let start = move |ex: Exchange| start(&driver, &function, ex, &queue);
                // The loop's own thread runs what is ready between its turns.
                builder.blocking_exchange(&route.pattern, start, route.location)
            }
            (Kind::Async, None) => {
                let (queue, function) = (queue.clone(), Arc::new(function));
                let deliver =
                    move |ex: Exchange| queue.put(Item::Exchange(function.clone(), Box::new(ex)));
                builder.inline_exchange(&route.pattern, deliver, route.location)
            }
        }
        .map_err(|e| PatternError::new_err(e.to_string()))?;
    }
    let queue = queue.clone();
    match mux.application(py) {
        None => {}
        Some(app) if app.is_async() && driver.is_none() => {
            builder.fallback_inline(move |ex: Exchange| {
                queue.put(Item::Application(app.clone(), Box::new(ex)));
            });
        }
        Some(app) => {
            builder.fallback_exchange(move |ex: Exchange| {
                // Without an interpreter the exchange is dropped, which answers 500.
                let _ = Python::try_attach(|py| app.start(py, ex, &queue));
            });
        }
    }
    Ok(())
}

/// Has the coroutine of a handler started, on the loop's thread.
fn start(driver: &Py<PyAny>, function: &Py<PyAny>, exchange: Exchange, queue: &Arc<Queue>) {
    // Without an interpreter the exchange is dropped, which answers 500.
    let _ = Python::try_attach(|py| {
        let started = Writer::for_loop(py, exchange, queue)
            .and_then(|(w, req)| driver.call1(py, (function, w, req)));
        if let Err(e) = started {
            call::report(py, &e, "starting a coroutine");
        }
    });
}
