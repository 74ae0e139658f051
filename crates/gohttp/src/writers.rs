//! The response writers of the handlers that run, and the 32-bit numbers that stand for them in C.
//!
//! A number is checked, not trusted: once its handler has returned it stands for nothing, however many
//! requests come after.

use std::ffi::{c_int, c_uint};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;

use oxbridge::{ResponseWriter, WriteError};
use oxbridge_handles::{AccessError, Registry};

use crate::log;

/// Twelve bits of a number say which place the writer is in, twenty which of all those that have been
/// there it is.
static WRITERS: Registry<Arc<Writer>, 12, 20> = Registry::new();

/// A response writer that C may use by its number.
struct Writer(Mutex<State>);

struct State {
    /// None once the handler has returned.
    response: Option<ResponseWriter>,
    /// The status no longer changes: it was set, or something was written.
    settled: bool,
}

impl State {
    /// None after the end.
    fn write(&mut self, data: &[u8]) -> Option<Result<(), WriteError>> {
        let response = self.response.as_mut()?;
        self.settled = true;
        Some(response.write(data))
    }

    /// Does nothing after the end. An error is what Go would log.
    fn set_status(&mut self, status: c_int) -> Result<(), String> {
        let Some(response) = &mut self.response else {
            return Ok(());
        };
        if self.settled {
            let first = response.status().as_u16();
            return Err(format!(
                "superfluous response.WriteHeader call: {status}, but the status is {first} already"
            ));
        }
        let code = u16::try_from(status).unwrap_or(0);
        response.set_status(code).map_err(|e| match e {
            WriteError::BadStatus(_) => {
                format!("invalid WriteHeader code {status}: wanted 100 to 999, and not 101")
            }
            other => format!("ResponseWriter_WriteHeader: {other}"),
        })?;
        // An informational one is sent, and the status is still to come.
        self.settled = code >= 200;
        Ok(())
    }
}

impl Writer {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves the state whole before it calls what could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response writer in the registry, until it is closed or dropped.
pub(crate) struct Entry {
    number: c_uint,
    writer: Arc<Writer>,
}

impl Entry {
    /// Gives the writer a number. None, and an answer of 503, where more handlers run than there are
    /// numbers for.
    pub(crate) fn new(response: ResponseWriter) -> Option<Entry> {
        let state = State {
            response: Some(response),
            settled: false,
        };
        let writer = Arc::new(Writer(Mutex::new(state)));
        match WRITERS.insert(OWNER, writer.clone()) {
            // 12 and 20 bits.
            Ok(number) => Some(Entry {
                number: number as c_uint,
                writer,
            }),
            Err(_) => {
                log::line(format_args!("http: too many handlers run at the same time"));
                if let Some(mut response) = writer.lock().response.take() {
                    response.refuse(http::StatusCode::SERVICE_UNAVAILABLE);
                }
                None
            }
        }
    }

    /// What C gets to hold.
    pub(crate) fn number(&self) -> c_uint {
        self.number
    }

    /// Takes the writer out and ends the answer. A write of another thread that is under way finishes
    /// first; the number means nothing from here on.
    pub(crate) fn close(self) {
        let response = self.writer.lock().response.take();
        if let Some(mut response) = response {
            // A client that has gone is nobody's fault, and no Content-Length was declared.
            let _ = response.end();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Another thread has it only for as long as it takes to count one more reference.
        while let Err(AccessError::Busy) = WRITERS.remove(self.number.into()) {
            yield_now();
        }
    }
}

/// Writes to the writer with this number; says whether it could.
pub(crate) fn write(number: c_uint, data: &[u8]) -> bool {
    let Some(writer) = find(number) else {
        return false;
    };
    let written = writer.lock().write(data);
    match written {
        // The handler has returned, or the client has left: nobody's fault, and it would fill the log.
        None | Some(Err(WriteError::ClientGone)) => false,
        Some(Ok(())) => true,
        Some(Err(e)) => {
            log::line(format_args!("http: ResponseWriter_Write: {e}"));
            false
        }
    }
}

/// Sets the status of the answer of the writer with this number.
pub(crate) fn write_header(number: c_uint, status: c_int) {
    let Some(writer) = find(number) else {
        return;
    };
    let outcome = writer.lock().set_status(status);
    if let Err(problem) = outcome {
        log::line(format_args!("http: {problem}"));
    }
}

/// The writer with this number. It is taken out of the registry's hands at once, so that a write that
/// waits for a slow client keeps nobody waiting but its own handler.
fn find(number: c_uint) -> Option<Arc<Writer>> {
    loop {
        match WRITERS.acquire(number.into()) {
            Ok(writer) => return Some(Arc::clone(&writer)),
            Err(AccessError::Stale) => return None,
            // Another thread counts its reference.
            Err(AccessError::Busy) => yield_now(),
        }
    }
}

/// Whom the writers belong to: the library, which never closes.
const OWNER: u64 = 0;
