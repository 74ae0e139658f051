//! Python's main thread, which belongs to the interpreter: it starts it, waits, and ends it.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Instant;

use pyo3::ffi;
use pyo3::prelude::*;

use super::config::Plan;
use super::{Interpreter, InterpreterError, signals};
use crate::package;

/// Bytes of stack: what the main thread of a program has on Linux.
const STACK: usize = 8 << 20;

/// The thread, as the others see it.
pub(super) struct MainThread(Sender<SyncSender<()>>);

impl MainThread {
    /// Starts the thread, and on it the interpreter.
    pub(super) fn start(settings: &Interpreter) -> Result<Self, InterpreterError> {
        let plan = Plan::new(settings)?;
        let (orders, inbox) = channel();
        let (tell, started) = sync_channel(1);
        std::thread::Builder::new()
            .name("oxbridge-python".to_owned())
            .stack_size(STACK)
            .spawn(move || live(&plan, &tell, &inbox))
            .map_err(|e| InterpreterError::Initialize(format!("cannot start a thread: {e}")))?;
        let lost = || InterpreterError::Initialize("its thread has ended".to_owned());
        started.recv().map_err(|_| lost()).flatten()?;
        Ok(MainThread(orders))
    }

    /// Does what a Python program's end does, and waits for that until `deadline`; says whether it is done.
    pub(super) fn end(self, deadline: Instant) -> bool {
        let (tell, done) = sync_channel(1);
        let left = || deadline.saturating_duration_since(Instant::now());
        self.0.send(tell).is_ok() && done.recv_timeout(left()).is_ok()
    }
}

fn live(
    plan: &Plan,
    tell: &SyncSender<Result<(), InterpreterError>>,
    inbox: &Receiver<SyncSender<()>>,
) {
    if let Err(e) = plan.initialize() {
        // Whoever waits is gone only if it has panicked.
        let _ = tell.send(Err(e));
        return;
    }
    // Within PyO3's count of who is attached: initialization has left this thread attached.
    let installed = Python::attach(|py| {
        // It takes the thread that imports it first for the main thread.
        py.import("threading")
            .and_then(|_| signals::keep(py))
            .map_err(|e| InterpreterError::Initialize(e.to_string()))?;
        package::install(py)
    });
    // SAFETY: this thread is attached, by the initialization alone, and nothing of Python's is in use here.
    // Its thread state stays the one that later attachments of this thread find.
    unsafe { ffi::PyEval_SaveThread() };
    let _ = tell.send(installed);
    if let Ok(done) = inbox.recv() {
        let _ = Python::try_attach(end);
        let _ = done.send(());
    }
    // A thread that ends takes its thread state along, and this one's is the interpreter's own.
    loop {
        std::thread::park();
    }
}

/// The order of `Py_FinalizeEx`: threads, then `atexit`, then the streams.
fn end(py: Python<'_>) {
    let steps: [(&str, &str); 2] = [("threading", "_shutdown"), ("atexit", "_run_exitfuncs")];
    for (module, function) in steps {
        let done = py
            .import(module)
            .and_then(|module| module.call_method0(function));
        if let Err(e) = done {
            e.write_unraisable(py, None);
        }
    }
    let Ok(sys) = py.import("sys") else { return };
    for name in ["stdout", "stderr"] {
        if let Ok(stream) = sys.getattr(name)
            && !stream.is_none()
        {
            // A stream that somebody has closed needs no flush, and a full disk has nobody to tell.
            let _ = stream.call_method0("flush");
        }
    }
}
