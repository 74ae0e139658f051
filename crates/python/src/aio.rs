//! The bridge to a server's asyncio loop: exchanges and wake-ups wait here until the loop's thread takes
//! them.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Acquire, Release},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Wake, Waker};

use oxbridge::{Exchange, Server};
use pyo3::intern;
use pyo3::prelude::*;

use crate::mounted::Application;
use crate::request::Request;
use crate::writer::Writer;

/// What waits for the loop.
pub(crate) enum Item {
    /// An exchange, and the coroutine function that handles it.
    Exchange(Arc<Py<PyAny>>, Box<Exchange>),
    /// An exchange of an application that runs on the loop.
    Application(Application, Box<Exchange>),
    /// Something that a coroutine waits for may have happened.
    Call(Arc<Py<PyAny>>),
    /// The same, for one that waits for an asyncio future.
    Resolve(Arc<Py<PyAny>>),
}

/// An exchange as the loop takes it: the coroutine function, and its arguments.
pub(crate) type Delivery = (Py<PyAny>, Py<Writer>, Py<Request>);

/// The queue of one loop. Any thread puts in, the loop's thread takes out.
pub(crate) struct Queue {
    items: Mutex<VecDeque<Item>>,
    /// Whether the loop has been told, so that a batch costs one telling.
    signalled: AtomicBool,
    bell: Bell,
}

/// How the loop is told that something waits.
enum Bell {
    /// A byte on a socket that the loop watches.
    Socket(UnixStream, UnixStream),
    /// The loop takes the server's turns: the turn under way ends.
    Turn(OnceLock<Weak<Server>>),
}

impl Queue {
    /// For a loop that watches a descriptor.
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self::with(Bell::Socket(reader, writer)))
    }

    /// For a loop that takes the turns of the server that [`serve`](Self::serve) names.
    pub(crate) fn of_turns() -> Arc<Self> {
        Self::with(Bell::Turn(OnceLock::new()))
    }

    fn with(bell: Bell) -> Arc<Self> {
        Arc::new(Queue {
            items: Mutex::default(),
            signalled: AtomicBool::new(false),
            bell,
        })
    }

    /// Names the server whose turns the loop takes.
    pub(crate) fn serve(&self, server: &Arc<Server>) {
        if let Bell::Turn(slot) = &self.bell {
            // A queue belongs to one server.
            let _ = slot.set(Arc::downgrade(server));
        }
    }

    /// What the loop watches, if it watches anything.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        match &self.bell {
            Bell::Socket(reader, _) => Some(reader.as_raw_fd()),
            Bell::Turn(_) => None,
        }
    }

    pub(crate) fn put(&self, item: Item) {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(item);
        if self.signalled.swap(true, AcqRel) {
            return;
        }
        match &self.bell {
            Bell::Socket(_, writer) => {
                // Full means that bytes are waiting already, which is all that is wanted.
                let mut writer = writer;
                let _ = writer.write(&[1]);
            }
            Bell::Turn(server) => {
                if let Some(server) = server.get().and_then(Weak::upgrade) {
                    server.wake();
                }
            }
        }
    }

    /// Whether something waits.
    pub(crate) fn is_due(&self) -> bool {
        self.signalled.load(Acquire)
    }

    /// Everything that waits.
    fn take(&self) -> VecDeque<Item> {
        if let Bell::Socket(reader, _) = &self.bell {
            let mut reader = reader;
            let mut scratch = [0; 64];
            while matches!(reader.read(&mut scratch), Ok(n) if n == scratch.len()) {}
        }
        // Before the items are taken: what comes later signals again.
        self.signalled.store(false, Release);
        std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls what is due and starts the applications' exchanges; gives the exchanges of coroutine
    /// functions, as `(function, w, req)`.
    pub(crate) fn take_exchanges(self: &Arc<Self>, py: Python<'_>) -> PyResult<Vec<Delivery>> {
        let mut exchanges = Vec::new();
        for item in self.take() {
            match item {
                Item::Call(callback) => {
                    if let Err(e) = callback.call0(py) {
                        crate::call::report(py, &e, "waking a coroutine");
                    }
                }
                Item::Resolve(future) => {
                    if let Err(e) = resolve(future.bind(py)) {
                        crate::call::report(py, &e, "waking a coroutine");
                    }
                }
                Item::Application(application, exchange) => {
                    application.start(py, *exchange, self);
                }
                Item::Exchange(function, exchange) => {
                    let (writer, request) = Writer::for_loop(py, *exchange, self)?;
                    exchanges.push((function.clone_ref(py), writer, request));
                }
            }
        }
        Ok(exchanges)
    }

    /// A waker that has the loop's thread call `callback`.
    pub(crate) fn waker(self: &Arc<Self>, callback: Py<PyAny>) -> Waker {
        self.make_waker(callback, Item::Call)
    }

    /// A waker that has the loop's thread give `future` a result.
    pub(crate) fn future_waker(self: &Arc<Self>, future: Py<PyAny>) -> Waker {
        self.make_waker(future, Item::Resolve)
    }

    fn make_waker(self: &Arc<Self>, object: Py<PyAny>, item: fn(Arc<Py<PyAny>>) -> Item) -> Waker {
        Waker::from(Arc::new(Callback {
            queue: self.clone(),
            object: Arc::new(object),
            item,
        }))
    }
}

/// Ends the wait for a future. The coroutine that waited may have been cancelled meanwhile.
fn resolve(future: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = future.py();
    if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
        future.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

struct Callback {
    queue: Arc<Queue>,
    object: Arc<Py<PyAny>>,
    item: fn(Arc<Py<PyAny>>) -> Item,
}

impl Wake for Callback {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue.put((self.item)(self.object.clone()));
    }
}
