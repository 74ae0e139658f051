//! A Python function, as a program calls it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oxbridge::{Server, Work};

use crate::builder::Builder;
use crate::call::{Call, Outcome};
use crate::calls::Load;
use crate::claim::Claim;
use crate::engine::Engine;
use crate::error::Error;
use crate::function::Routes;
use crate::interpreter::outside;
use crate::request::Request;
use crate::response::Response;

/// What a request's body is in Python.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// `str`: UTF-8, in which each byte that is none becomes a lone surrogate (`surrogateescape`, PEP 383), as in
    /// `os.fsdecode`. No byte is lost, `body.encode("utf-8", "surrogateescape")` gives them all back, and a
    /// `str` that is returned is encoded so. Everything else that is text in Python (the path, parameters,
    /// header values) follows this rule whatever the body does.
    #[default]
    Text,
    /// `bytes`
    Bytes,
}

/// A Python function that answers requests. Clones are the same function; when the last one is dropped, Python
/// stops for it, as [`stop`](Self::stop) with no time.
///
/// The function is the one that [`Builder::request`] names. It is called as
/// `function(method, path, params, query, headers, body)`: `method`, `path` and `body` are `str`, and
/// `params`, `query` and `headers` are `dict[str, list[str]]`; it returns `(status, body, headers)`, an `int`,
/// a `str`, `bytes` or other buffer, and a `dict[str, list[str]]`.
///
/// Calls run on threads that have entered Python once for their whole life, so `threading.local` lasts from call
/// to call, and each in an empty `contextvars` context. They may block: as many as
/// [`threads`](Builder::threads) says at a time, and up to [`queue`](Builder::queue) more wait. An `async def`
/// function runs on an event loop in a thread of its own, up to [`tasks`](Builder::tasks) at a time.
///
/// ```
/// use oxbridge_embed::{Python, Request};
///
/// # let place = std::env::temp_dir().join(format!("oxbridge-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&place)?;
/// # std::fs::write(place.join("greeting.py"), "
/// # def answer(method, path, params, query, headers, body):
/// #     return 200, f'{method} {path}', {'X-Test': ['1']}
/// # ")?;
/// // greeting.py:  def answer(method, path, params, query, headers, body): …
/// let python = Python::builder()
///     .path(&place)
///     .request("greeting", "answer")
///     .start()?;
/// let response = python.request_blocking(Request {
///     path: "/hello".into(),
///     ..Request::default()
/// })?;
/// assert_eq!(response.status, 200);
/// assert_eq!(&response.body[..], b"GET /hello");
/// assert_eq!(response.headers["x-test"], "1");
/// # std::fs::remove_dir_all(place)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Python(Arc<Handle>);

/// Ends everything when it is dropped.
struct Handle {
    engine: Arc<Engine>,
    work: Work,
    server: Server,
    clock: Mutex<Option<JoinHandle<()>>>,
    routes: Routes,
    /// Until it has been stopped.
    claim: Mutex<Option<Claim>>,
}

/// What runs in this process.
static RUNNING: Mutex<Vec<Weak<Handle>>> = Mutex::new(Vec::new());

impl Python {
    /// Starts to say which function, and how it is called.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        engine: Arc<Engine>,
        server: Server,
        clock: Option<JoinHandle<()>>,
        routes: Routes,
        claim: Claim,
    ) -> Self {
        let running = engine.clone();
        let work = server.work(move || running.run());
        let python = Python(Arc::new(Handle {
            engine,
            work,
            server,
            clock: Mutex::new(clock),
            routes,
            claim: Mutex::new(Some(claim)),
        }));
        let mut running = lock(&RUNNING);
        running.retain(|handle| handle.strong_count() > 0);
        running.push(Arc::downgrade(&python.0));
        drop(running);
        python
    }

    /// What the function for the start has returned, `{"route": ["method", …]}`, in its own order; nothing
    /// where there is none.
    pub fn routes(&self) -> &[(String, Vec<String>)] {
        &self.0.routes
    }

    /// Calls the function. Nothing here waits for Python: the task sleeps until the answer is there.
    ///
    /// Dropping the future cancels the call: one that waits never runs; one that runs can find out by
    /// `oxbridge.embed.cancelled()`, or, if it is a coroutine, has its task cancelled.
    ///
    /// # Errors
    /// [`Error::Python`], [`Error::Answer`], [`Error::Timeout`], [`Error::Busy`], [`Error::Stopped`] and
    /// [`Error::Panicked`].
    pub async fn request(&self, request: Request) -> Result<Response, Error> {
        self.0.call(request)?.await
    }

    /// The same for a program without tasks; the thread waits, outside Python if it is inside.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub fn request_blocking(&self, request: Request) -> Result<Response, Error> {
        let call = self.0.call(request)?;
        outside(|| oxbridge::block_on(call))
    }

    /// Imports those modules again whose files have changed since they were imported, and exchanges the
    /// function for its new version at once; gives their names. It looks at the modules that the builder
    /// names, and at all that have been imported from below its [`path`](Builder::path)s. For development:
    /// what other modules hold of the old ones stays old, and what a module keeps in its variables begins anew.
    /// Waits for Python.
    ///
    /// # Errors
    /// [`Error::Python`] when a module cannot be imported, [`Error::Missing`] when the function has gone;
    /// then everything is as it was before.
    pub fn reload(&self) -> Result<Vec<String>, Error> {
        let Some(reloader) = self.0.engine.reloader() else {
            return Ok(Vec::new());
        };
        let engine = &self.0.engine;
        pyo3::Python::try_attach(|py| {
            let reloaded = reloader.reload(py, &engine.function)?;
            if engine.function.get().is_coroutine {
                engine.need_loop(py).map_err(crate::exception::of(py))?;
            }
            Ok(reloaded)
        })
        .unwrap_or(Err(Error::Stopped))
    }

    /// How many calls there are.
    pub fn load(&self) -> Load {
        self.0.engine.calls.load()
    }

    /// Stops: new calls get [`Error::Stopped`], those that are there may finish. What has not finished after
    /// `grace` gets it, too. Waits for the threads to end; false if one still runs a moment after its time,
    /// because a function does, which cannot be stopped.
    ///
    /// Called from inside the function it waits for nothing, and returns false.
    pub fn stop(&self, grace: Duration) -> bool {
        self.0.stop(grace)
    }
}

impl fmt::Debug for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Python")
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

/// Stops everything that runs in this process; says whether it has stopped by `deadline`.
pub(crate) fn stop_all(deadline: Instant) -> bool {
    let running: Vec<_> = {
        let mut running = lock(&RUNNING);
        running
            .drain(..)
            .filter_map(|handle| handle.upgrade())
            .collect()
    };
    for handle in &running {
        handle.engine.calls.close();
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut has_ended = true;
    for handle in &running {
        // Each one, also after one that has not.
        has_ended &= handle.stop(left());
    }
    has_ended
}

impl Handle {
    fn call(&self, request: Request) -> Result<Waiting, Error> {
        let engine = self.engine.clone();
        let inbox = engine
            .inbox()
            .filter(|_| engine.function.get().is_coroutine);
        let (call, is_due) = engine.calls.add(request, inbox.is_none())?;
        match inbox {
            Some(inbox) => inbox.tell(),
            None if is_due => self.work.post(),
            None => {}
        }
        Ok(Waiting {
            engine,
            call,
            is_over: false,
        })
    }

    fn stop(&self, grace: Duration) -> bool {
        if self.server.is_aboard() {
            self.close();
            return false;
        }
        outside(|| {
            let deadline = Instant::now() + grace.min(Duration::from_secs(365 * 24 * 3600));
            self.engine.calls.close();
            self.engine.drain(deadline);
            let moment = deadline.max(Instant::now()) + MOMENT;
            let mut has_ended = true;
            if let Some(inbox) = self.engine.inbox() {
                inbox.close();
                has_ended = inbox.wait_ended(moment);
            }
            self.server.begin_stop(Duration::ZERO);
            has_ended &= self.server.wait_until(Some(moment));
            let clock = lock(&self.clock).take();
            if let Some(clock) = clock {
                // It ends with the last call that has a deadline, and there is none.
                has_ended &= clock.join().is_ok();
            }
            drop(lock(&self.claim).take());
            has_ended
        })
    }

    /// Starts to end, and waits for nothing.
    fn close(&self) {
        self.engine.close();
        self.server.begin_stop(Duration::ZERO);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long threads have to end when nothing runs on them any more.
const MOMENT: Duration = Duration::from_millis(500);

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

/// The answer to come. Dropping it cancels the call.
struct Waiting {
    engine: Arc<Engine>,
    call: Arc<Call>,
    is_over: bool,
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let polled = self.call.poll(cx);
        self.is_over |= polled.is_ready();
        polled
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.engine.leave(&self.call);
        }
    }
}
