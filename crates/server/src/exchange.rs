//! One request and the response that it is owed.

use http::StatusCode;

use crate::error::WriteError;
use crate::request::Request;
use crate::response::ResponseWriter;

/// A [`Request`] and the [`ResponseWriter`] that it is owed. It has one owner at a time, may move to
/// another thread, and ends exactly once: by [`end`](Self::end), [`refuse`](Self::refuse), or by being
/// dropped, which counts as a failure of its handler.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    response: ResponseWriter,
}

impl Exchange {
    pub(crate) fn new(request: Request, response: ResponseWriter) -> Self {
        Exchange { request, response }
    }

    /// The path that was asked for, as it came, without the query.
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The request.
    pub fn request(&mut self) -> &mut Request {
        &mut self.request
    }

    /// The response.
    pub fn response(&mut self) -> &mut ResponseWriter {
        &mut self.response
    }

    /// Both, for a handler that reads while it writes.
    pub fn parts(&mut self) -> (&mut ResponseWriter, &mut Request) {
        (&mut self.response, &mut self.request)
    }

    /// Both, each on its own. The response must be ended as the exchange's.
    pub fn into_parts(self) -> (ResponseWriter, Request) {
        (self.response, self.request)
    }

    /// From here on, reads and writes that would wait do not: a read is an error, a write is queued.
    pub(crate) fn never_wait(&mut self) {
        self.set_may_wait(false);
    }

    /// Whether reads and writes may wait. They start as their handler is: one that may block may. An
    /// inline handler that hands its exchange to another thread may say yes; inside a reactor nothing
    /// waits all the same.
    pub fn set_may_wait(&mut self, may_wait: bool) {
        self.request.body_mut().set_may_wait(may_wait);
        self.response.set_may_wait(may_wait);
    }

    /// Ends the exchange: the response is whole.
    ///
    /// # Errors
    /// As [`ResponseWriter::end`].
    pub fn end(mut self) -> Result<(), WriteError> {
        self.response.end()
    }

    /// Ends the exchange with a failure: `status` if nothing has been sent yet, else an aborted stream.
    pub fn refuse(mut self, status: StatusCode) {
        self.response.refuse(status);
    }
}
