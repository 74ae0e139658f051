//! How a response ends: whole, refused, aborted, or forgotten.

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, StatusCode};

use crate::body::Body;
use crate::error::WriteError;
use crate::response::{ResponseWriter, Stage, plain};

impl ResponseWriter {
    /// Ends the answer: what is buffered goes out, and nothing can be written any more. Does nothing
    /// after the end.
    ///
    /// # Errors
    /// [`WriteError::Length`] when less was written than declared; the client is told by a connection
    /// (a stream, in HTTP/2) that ends early. [`WriteError::BadHeader`] when Content-Length is none:
    /// the answer is 500 then.
    pub fn end(&mut self) -> Result<(), WriteError> {
        match self.stage {
            Stage::Ended => return Ok(()),
            Stage::Open if self.trailers.is_none() => return self.end_whole(),
            Stage::Open => self.send_buffered(true)?,
            Stage::Streaming if !self.buffer.is_empty() => {
                self.reply.push(self.buffer.split().freeze());
            }
            Stage::Streaming => {}
        }
        self.stage = Stage::Ended;
        if let Some(declared) = self.declared
            && declared != self.written
            && !self.has_no_body()
        {
            self.reply.abort();
            return Err(WriteError::Length {
                declared,
                written: self.written,
            });
        }
        self.reply.end(self.trailers.take().map(|t| *t));
        Ok(())
    }

    /// Ends an answer of which nothing has been sent.
    fn end_whole(&mut self) -> Result<(), WriteError> {
        let declared = match self.content_length() {
            Ok(declared) => declared,
            Err(e) => {
                self.fail();
                return Err(e);
            }
        };
        if let Some(declared) = declared
            && declared != self.written
            && !self.has_no_body()
        {
            self.send_buffered(true)?;
            self.stage = Stage::Ended;
            self.reply.abort();
            return Err(WriteError::Length {
                declared,
                written: self.written,
            });
        }
        if self.head_request && declared.is_none() && self.written > 0 {
            // A HEAD answer says what GET would have (RFC 9110 §9.3.2).
            self.headers
                .insert(CONTENT_LENGTH, HeaderValue::from(self.written));
        }
        let mut response = self.head(Body::empty());
        if !self.has_no_body() {
            *response.body_mut() = self.buffer.split().freeze().into();
        }
        self.stage = Stage::Ended;
        self.reply.send_head(response);
        Ok(())
    }

    /// Gives the answer up: an empty one with status 500 if nothing was sent yet, else an end that the
    /// client can tell from a whole one. Does nothing after the end.
    pub fn abort(&mut self) {
        match self.stage {
            Stage::Open => self.fail(),
            Stage::Streaming => {
                self.stage = Stage::Ended;
                self.reply.abort();
            }
            Stage::Ended => {}
        }
    }

    /// Answers a handler's failure with `status` (and its reason as text) if nothing was sent yet, else
    /// aborts. Does nothing after the end.
    pub fn refuse(&mut self, status: StatusCode) {
        if self.stage != Stage::Open {
            return self.abort();
        }
        let response = plain(status, self.head_request);
        self.status = status;
        self.stage = Stage::Ended;
        self.reply.send_head(response);
    }

    fn fail(&mut self) {
        self.refuse(StatusCode::INTERNAL_SERVER_ERROR);
    }
}

impl Drop for ResponseWriter {
    /// An answer that nobody ended is a failure, whatever the reason was.
    fn drop(&mut self) {
        if self.stage != Stage::Ended {
            if !self.reply.is_gone() {
                tracing::error!("a handler gave no answer: it panicked, or dropped its exchange");
            }
            self.abort();
        }
    }
}
