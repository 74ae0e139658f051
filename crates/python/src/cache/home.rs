//! What the groups of an instance run on: a runtime, and its threads for plain getters.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRecursionError, PyRuntimeError};
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use super::errors::{CacheClosed, closed};
use crate::convert::lock;

/// How often this process has come out of a fork. Threads do not: what was made before is of no use.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// What an instance's age is when it is closed.
const CLOSED: u32 = u32::MAX;

/// Every instance that runs, for the interpreter's exit.
static OPEN: Mutex<Vec<Weak<Home>>> = Mutex::new(Vec::new());

/// How long the interpreter's exit waits for getters.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// What the system gives Python's own threads.
const STACK: usize = 8 << 20;

/// The runtime of one instance.
pub(crate) struct Home {
    /// How many forks there had been when it was made; [`CLOSED`] since it was closed.
    age: AtomicU32,
    made: u32,
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    /// How many getters may run at a time.
    threads: usize,
    /// Of these, how many wait for other keys.
    waiting: AtomicUsize,
}

impl Home {
    pub(crate) fn new(py: Python<'_>, threads: usize, has_peers: bool) -> PyResult<Arc<Home>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(if has_peers { 2 } else { 1 })
            .max_blocking_threads(threads)
            .thread_stack_size(STACK)
            .thread_name("oxbridge-cache")
            .enable_all()
            .build()
            .map_err(|e| PyOSError::new_err(format!("cannot start the cache's threads: {e}")))?;
        let made = FORKS.load(Relaxed);
        let home = Arc::new(Home {
            age: AtomicU32::new(made),
            made,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            threads,
            waiting: AtomicUsize::new(0),
        });
        let mut open = lock(py, &OPEN);
        open.retain(|home| home.strong_count() > 0);
        open.push(Arc::downgrade(&home));
        Ok(home)
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// # Errors
    /// `CacheClosed`, if it is closed, or of the process that this one was forked from.
    pub(crate) fn check(&self) -> PyResult<()> {
        if self.age.load(Relaxed) == FORKS.load(Relaxed) {
            return Ok(());
        }
        Err(if self.is_of_parent() {
            CacheClosed::new_err(
                "this instance was made before a fork, and its threads are the parent's; make one in \
                 the child",
            )
        } else {
            closed()
        })
    }

    /// Whether it was made by the process that this one was forked from.
    pub(crate) fn is_of_parent(&self) -> bool {
        self.made != FORKS.load(Relaxed)
    }

    /// Ends the runtime: loads under way are given up, and getters that run are not waited for.
    pub(crate) fn close(&self) {
        self.end(Runtime::shutdown_background);
    }

    fn end(&self, how: impl FnOnce(Runtime)) {
        self.age.store(CLOSED, Relaxed);
        let mut slot = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(runtime) = slot.take() else { return };
        drop(slot);
        if self.is_of_parent() {
            // Its threads are not here to be joined.
            std::mem::forget(runtime);
        } else {
            how(runtime);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.close();
    }
}

thread_local! {
    /// What this thread loads, if it runs a getter.
    static LOADING: RefCell<Option<Load>> = const { RefCell::new(None) };
    /// Whether it does: quick to ask, at each hit.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct Load {
    home: Arc<Home>,
    group: String,
    key: Vec<u8>,
}

/// A thread that runs a getter, until this is dropped.
pub(crate) struct Inside;

impl Inside {
    pub(crate) fn enter(home: Arc<Home>, group: &str, key: &[u8]) -> Inside {
        let load = Load {
            home,
            group: group.to_owned(),
            key: key.to_vec(),
        };
        LOADING.set(Some(load));
        IS_INSIDE.set(true);
        Inside
    }

    /// Whether the calling thread runs a getter.
    pub(crate) fn is() -> bool {
        IS_INSIDE.get()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IS_INSIDE.set(false);
        drop(LOADING.take());
    }
}

/// A thread that waits for a load, until this is dropped.
pub(crate) struct Waiter(Option<Arc<Home>>);

impl Waiter {
    /// Says that this thread is going to wait for keys of a group of the instance at `home`.
    ///
    /// # Errors
    /// `RuntimeError` for a getter that asks for the key it loads, `RecursionError` where it would take the
    /// last thread that could load anything: both would wait for ever.
    pub(crate) fn new(
        home: &Arc<Home>,
        group: &str,
        mut keys: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> PyResult<Waiter> {
        LOADING.with_borrow(|load| {
            let Some(load) = load else {
                return Ok(Waiter(None));
            };
            // Another instance may have a group of this name, behind which this one stands.
            if Arc::ptr_eq(&load.home, home)
                && load.group == group
                && keys.any(|key| key.as_ref() == load.key)
            {
                return Err(own_key(group, &load.key));
            }
            let home = load.home.clone();
            if home.waiting.fetch_add(1, AcqRel) + 1 >= home.threads {
                home.waiting.fetch_sub(1, AcqRel);
                return Err(PyRecursionError::new_err(format!(
                    "getters ask for keys whose getters ask for keys, {} deep, and the cache has no \
                     thread left to load with; Instance(threads=…) gives it more",
                    home.threads
                )));
            }
            Ok(Waiter(Some(home)))
        })
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(home) = &self.0 {
            home.waiting.fetch_sub(1, AcqRel);
        }
    }
}

fn own_key(group: &str, key: &[u8]) -> PyErr {
    PyRuntimeError::new_err(format!(
        "the getter of the group {group:?} asks the group for b\"{}\", the key that it loads",
        key.escape_ascii()
    ))
}

/// Closes every instance, for the interpreter's exit: gives getters a moment.
#[pyfunction]
pub(crate) fn close_all(py: Python<'_>) {
    let open: Vec<Arc<Home>> = lock(py, &OPEN)
        .drain(..)
        .filter_map(|home| home.upgrade())
        .collect();
    py.detach(|| {
        for home in open {
            home.end(|runtime| runtime.shutdown_timeout(LAST_WAIT));
        }
    });
}

/// Notes that this process is a forked child.
#[pyfunction]
pub(crate) fn forked() {
    FORKS.fetch_add(1, Relaxed);
}
