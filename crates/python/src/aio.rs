//! The bridge to a server's asyncio loop: exchanges and wake-ups wait here, and a socket that the loop
//! watches becomes readable.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Release},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use oxbridge::Exchange;
use pyo3::prelude::*;

use crate::request::Request;
use crate::writer::Writer;

/// What waits for the loop.
pub(crate) enum Item {
    /// An exchange, and the coroutine function that handles it.
    Exchange(Arc<Py<PyAny>>, Box<Exchange>),
    /// Something that a coroutine waits for may have happened.
    Call(Arc<Py<PyAny>>),
}

/// An exchange as the loop takes it: the coroutine function, and its arguments.
pub(crate) type Delivery = (Py<PyAny>, Py<Writer>, Py<Request>);

/// The queue of one loop. Any thread puts in, the loop's thread takes out.
pub(crate) struct Queue {
    items: Mutex<VecDeque<Item>>,
    /// Whether a byte is on its way, so that a batch costs one.
    signalled: AtomicBool,
    reader: UnixStream,
    writer: UnixStream,
}

impl Queue {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Arc::new(Queue {
            items: Mutex::default(),
            signalled: AtomicBool::new(false),
            reader,
            writer,
        }))
    }

    /// What the loop watches.
    pub(crate) fn fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    pub(crate) fn put(&self, item: Item) {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(item);
        if !self.signalled.swap(true, AcqRel) {
            // Full means that bytes are waiting already, which is all that is wanted.
            let _ = (&self.writer).write(&[1]);
        }
    }

    /// Everything that waits.
    fn take(&self) -> VecDeque<Item> {
        let mut scratch = [0; 64];
        while matches!((&self.reader).read(&mut scratch), Ok(n) if n == scratch.len()) {}
        // Before the items are taken: what comes later signals again.
        self.signalled.store(false, Release);
        std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The exchanges that wait, as `(function, w, req)`; calls the callbacks that are due.
    pub(crate) fn take_exchanges(self: &Arc<Self>, py: Python<'_>) -> PyResult<Vec<Delivery>> {
        let mut exchanges = Vec::new();
        for item in self.take() {
            match item {
                Item::Call(callback) => {
                    if let Err(e) = callback.call0(py) {
                        crate::call::report(py, &e, "waking a coroutine");
                    }
                }
                Item::Exchange(function, exchange) => {
                    let (response, request) = exchange.into_parts();
                    let request = Py::new(py, Request::new(request, Some(self.clone())))?;
                    let writer = Writer::new(response, request.clone_ref(py), Some(self.clone()));
                    let writer = Py::new(py, writer)?;
                    exchanges.push((function.clone_ref(py), writer, request));
                }
            }
        }
        Ok(exchanges)
    }

    /// A waker that has the loop's thread call `callback`.
    pub(crate) fn waker(self: &Arc<Self>, callback: Py<PyAny>) -> Waker {
        Waker::from(Arc::new(Callback {
            queue: self.clone(),
            callback: Arc::new(callback),
        }))
    }
}

struct Callback {
    queue: Arc<Queue>,
    callback: Arc<Py<PyAny>>,
}

impl Wake for Callback {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.put(Item::Call(self.callback.clone()));
    }
}
