//! What a handler writes its answer to, with the semantics of Go's `net/http`.

mod end;
mod inform;
mod plain;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use crate::body::Body;
use crate::conn::Conn;
use crate::error::WriteError;
use crate::limits::Limits;
use crate::reactor::is_inside;
use crate::reply::{FilePart, Reply};
use crate::sniff;

pub(crate) use self::plain::plain;

/// Up to this many bytes a response waits for its end, to go out in one piece with its length known.
const HOLD: usize = 32 << 10;
/// Once a response streams, pieces are gathered up to this size unless the handler flushes.
const PIECE: usize = 16 << 10;

/// The answer to one request, as its handler writes it.
///
/// - The status is 200 unless [`set_status`](Self::set_status) says otherwise before the head is sent.
/// - The head is sent by the first [`flush`](Self::flush), by the 32 KiB that no longer fit the buffer,
///   or at the end; after that, status and headers no longer change.
/// - A response that ends before its head is sent gets a Content-Length; a longer one streams.
/// - Without a Content-Type one is derived from the first 512 bytes (WHATWG MIME sniffing).
/// - A write waits while [`Limits::write_ahead`](crate::Limits::write_ahead) bytes are queued for a
///   slow client, unless the handler promised not to block: then it is queued all the same.
/// - Responses to HEAD, and 204 and 304, have no body: writes to the first are counted and dropped,
///   writes to the others are errors (RFC 9110 §9.3.2, §15.3.5, §15.4.5).
#[derive(Debug)]
pub struct ResponseWriter {
    reply: Arc<Reply>,
    conn: Arc<Conn>,
    stage: Stage,
    status: StatusCode,
    headers: HeaderMap,
    trailers: Option<Box<HeaderMap>>,
    buffer: BytesMut,
    /// Bytes that the handler wrote.
    written: u64,
    /// What Content-Length said when the head was sent.
    declared: Option<u64>,
    head_request: bool,
    version: Version,
    write_ahead: usize,
    write_timeout: Duration,
    may_wait: bool,
    sniffs: bool,
    reason: Option<Box<hyper::ext::ReasonPhrase>>,
    /// Counts the exchanges that are alive, by its own references.
    live: Arc<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been sent.
    Open,
    /// The head is out.
    Streaming,
    Ended,
}

impl ResponseWriter {
    pub(crate) fn new(
        reply: Arc<Reply>,
        conn: Arc<Conn>,
        method: &Method,
        version: Version,
        limits: &Limits,
        live: Arc<()>,
    ) -> Self {
        ResponseWriter {
            reply,
            conn,
            stage: Stage::Open,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            trailers: None,
            buffer: BytesMut::new(),
            written: 0,
            declared: None,
            head_request: *method == Method::HEAD,
            version,
            write_ahead: limits.write_ahead,
            write_timeout: limits.write_timeout,
            may_wait: true,
            sniffs: true,
            reason: None,
            live,
        }
    }

    /// Whether nothing has been sent.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Ends with an answer made elsewhere, in place of the one that was being written. Gives whether
    /// the handler may wait, and what counts the exchange as alive.
    pub(crate) fn switch(mut self, response: Response<Body>) -> (bool, Arc<()>) {
        self.status = response.status();
        self.stage = Stage::Ended;
        self.reply.send_head(response);
        (self.may_wait, self.live.clone())
    }

    /// Whether a write may wait; else one that would is queued.
    pub(crate) fn set_may_wait(&mut self, may_wait: bool) {
        self.may_wait = may_wait;
    }

    /// Whether a write waits for a slow client. If not, what is written is queued.
    pub fn may_wait(&self) -> bool {
        self.may_wait && !is_inside()
    }

    /// Whether an answer without a Content-Type gets one that is derived from its first bytes. It does,
    /// unless the handler speaks an interface of its own that says otherwise (WSGI, ASGI).
    pub fn set_sniffs(&mut self, sniffs: bool) {
        self.sniffs = sniffs;
    }

    /// Whether this answers HEAD, so that what is written is counted and dropped.
    pub fn is_head(&self) -> bool {
        self.head_request
    }

    /// The status that will be sent, or was.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Sets the status of the answer. Codes from 100 to 199 are informational: they are sent at once,
    /// with the headers set so far, and change nothing else (103 Early Hints, RFC 8297).
    ///
    /// # Errors
    /// [`WriteError::HeadSent`], [`WriteError::Ended`], or [`WriteError::BadStatus`] for 101 and for
    /// what is no status.
    pub fn set_status(&mut self, code: u16) -> Result<(), WriteError> {
        let status = StatusCode::from_u16(code).map_err(|_| WriteError::BadStatus(code))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(WriteError::BadStatus(code));
        }
        self.unsent()?;
        if status.is_informational() {
            self.inform(status);
        } else {
            self.status = status;
        }
        Ok(())
    }

    /// Sets the reason phrase, which HTTP/1 carries and nobody should rely on (RFC 9112 §4); the usual
    /// one of the status if it is empty.
    ///
    /// # Errors
    /// As [`set_status`](Self::set_status); [`WriteError::BadHeader`] for control characters.
    pub fn set_reason(&mut self, reason: Bytes) -> Result<(), WriteError> {
        self.unsent()?;
        let usual = self.status.canonical_reason().unwrap_or("");
        if reason.is_empty() || reason == usual.as_bytes() {
            self.reason = None;
            return Ok(());
        }
        let reason = hyper::ext::ReasonPhrase::try_from(reason)
            .map_err(|e| WriteError::BadHeader(format!("reason phrase: {e}")))?;
        self.reason = Some(Box::new(reason));
        Ok(())
    }

    fn unsent(&self) -> Result<(), WriteError> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Streaming => Err(WriteError::HeadSent),
            Stage::Ended => Err(WriteError::Ended),
        }
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers of the answer, to change them.
    ///
    /// # Errors
    /// [`WriteError::HeadSent`] or [`WriteError::Ended`]: too late.
    pub fn headers_mut(&mut self) -> Result<&mut HeaderMap, WriteError> {
        self.unsent()?;
        Ok(&mut self.headers)
    }

    /// Fields to send after the body (RFC 9110 §6.5): in HTTP/2, and in chunked HTTP/1.1 responses to
    /// clients that said `TE: trailers` when a `Trailer` header names them.
    ///
    /// # Errors
    /// [`WriteError::Ended`].
    pub fn trailers_mut(&mut self) -> Result<&mut HeaderMap, WriteError> {
        if self.stage == Stage::Ended {
            return Err(WriteError::Ended);
        }
        Ok(self.trailers.get_or_insert_default())
    }

    /// The fields to send after the body, if any were set.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }

    /// How many bytes the handler has written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether the head has been sent, so that status and headers no longer change.
    pub fn head_sent(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether the client has gone: what is written now, nobody reads.
    pub fn is_client_gone(&self) -> bool {
        self.reply.is_gone()
            && !(self.stage != Stage::Open && (self.has_no_body() || self.is_all_written()))
    }

    /// Whether the last byte of a declared length has been written. The protocol is done with the body
    /// then, and may let go of it before the handler is.
    fn is_all_written(&self) -> bool {
        self.declared == Some(self.written)
    }

    fn has_no_body(&self) -> bool {
        self.head_request || matches!(self.status.as_u16(), 204 | 304)
    }

    /// Writes a piece of the body. All of it is taken, or none and the error says why.
    ///
    /// # Errors
    /// [`WriteError::Ended`], [`WriteError::ClientGone`], [`WriteError::NoBody`] after status 204 or
    /// 304, [`WriteError::Length`] past a declared Content-Length.
    pub fn write(&mut self, data: &[u8]) -> Result<(), WriteError> {
        self.begin_write(data.len())?;
        if self.head_request {
            let room = sniff::PREFIX.saturating_sub(self.buffer.len());
            if self.stage == Stage::Open {
                self.buffer.extend_from_slice(&data[..room.min(data.len())]);
            }
            return Ok(());
        }
        if self.fits(data.len()) {
            self.buffer.extend_from_slice(data);
            return Ok(());
        }
        // In pieces, so that a slow client bounds the memory of a handler that writes a lot at once.
        let mut pieces = data.chunks(PIECE.max(self.write_ahead / 4)).peekable();
        while let Some(piece) = pieces.next() {
            self.buffer.extend_from_slice(piece);
            self.send_buffered(pieces.peek().is_none())?;
        }
        Ok(())
    }

    /// As [`write`](Self::write), without a copy.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bytes(&mut self, data: Bytes) -> Result<(), WriteError> {
        if data.len() <= PIECE || self.head_request {
            return self.write(&data);
        }
        self.begin_write(data.len())?;
        self.send_buffered(false)?;
        self.push(data, true)
    }

    /// Queues `length` bytes of a file from `offset` on. The reactor reads them as the client takes them,
    /// never more than 64 KiB at once; never waits. A file that turns out shorter aborts the response.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn queue_file(
        &mut self,
        file: std::fs::File,
        offset: u64,
        length: u64,
    ) -> Result<(), WriteError> {
        self.begin_write(usize::try_from(length).unwrap_or(usize::MAX))?;
        if self.head_request || length == 0 {
            return Ok(());
        }
        self.send_buffered(false)?;
        self.reply.push_file(FilePart::new(file, offset, length));
        Ok(())
    }

    /// Whether a write of `len` bytes only copies them, so that it cannot wait.
    pub fn fits(&self, len: usize) -> bool {
        let hold = if self.stage == Stage::Open {
            HOLD
        } else {
            PIECE
        };
        self.head_request || self.buffer.len() + len <= hold
    }

    /// Whether `len` more bytes may be written; counts them.
    fn begin_write(&mut self, len: usize) -> Result<(), WriteError> {
        if self.stage == Stage::Ended {
            return Err(WriteError::Ended);
        }
        if self.is_client_gone() {
            return Err(WriteError::ClientGone);
        }
        let code = self.status.as_u16();
        if len != 0 && matches!(code, 204 | 304) {
            return Err(WriteError::NoBody(code));
        }
        let written = self.written.saturating_add(len as u64);
        let declared = if self.stage == Stage::Open {
            self.content_length()?
        } else {
            self.declared
        };
        if let Some(declared) = declared
            && written > declared
        {
            return Err(WriteError::Length { declared, written });
        }
        self.written = written;
        Ok(())
    }

    /// What the handler declared, if anything.
    fn content_length(&self) -> Result<Option<u64>, WriteError> {
        if self.headers.is_empty() {
            return Ok(None);
        }
        let Some(value) = self.headers.get(CONTENT_LENGTH) else {
            return Ok(None);
        };
        let digits = value
            .to_str()
            .ok()
            .filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
        match digits.and_then(|v| v.parse().ok()) {
            Some(length) => Ok(Some(length)),
            None => Err(WriteError::BadHeader(format!(
                "Content-Length: {value:?} (wanted a number of bytes)"
            ))),
        }
    }

    /// Sends what has been written so far, now; the head too.
    ///
    /// # Errors
    /// [`WriteError::Ended`], [`WriteError::ClientGone`].
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.stage == Stage::Ended {
            return Err(WriteError::Ended);
        }
        if self.is_client_gone() {
            return Err(WriteError::ClientGone);
        }
        self.send_buffered(true)
    }

    /// `last` says that nothing of what has been counted as written comes after it.
    fn send_buffered(&mut self, last: bool) -> Result<(), WriteError> {
        let announced = if self.has_no_body() {
            Body::empty()
        } else {
            Body::announced()
        };
        self.open(announced)?;
        let data = self.buffer.split().freeze();
        if data.is_empty() || self.has_no_body() {
            Ok(())
        } else {
            self.push(data, last)
        }
    }

    fn push(&mut self, data: Bytes, last: bool) -> Result<(), WriteError> {
        self.reply.push(data);
        if self.may_wait() && !(last && self.is_all_written()) {
            self.reply.wait_room(self.write_ahead, self.write_timeout)
        } else {
            Ok(())
        }
    }

    /// Sends the head with `body`, unless it has been sent.
    fn open(&mut self, body: Body) -> Result<(), WriteError> {
        if self.stage == Stage::Open {
            self.declared = self.content_length()?;
            let response = self.head(body);
            self.stage = Stage::Streaming;
            self.reply.send_head(response);
        }
        Ok(())
    }

    /// The head, as it is now, over `body`.
    fn head(&mut self, body: Body) -> Response<Body> {
        let mut headers = std::mem::take(&mut self.headers);
        if !headers.is_empty() {
            // Framing is ours (RFC 9112 §6): what the handler says of it could only contradict.
            headers.remove(TRANSFER_ENCODING);
            if self.status == StatusCode::NO_CONTENT {
                // RFC 9110 §8.6.
                headers.remove(CONTENT_LENGTH);
            }
        }
        if self.sniffs
            && !self.buffer.is_empty()
            && !headers.contains_key(CONTENT_TYPE)
            && !headers.contains_key(CONTENT_ENCODING)
        {
            let sniffed = sniff::content_type(&self.buffer[..self.buffer.len().min(sniff::PREFIX)]);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(sniffed));
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        if let Some(reason) = self.reason.take() {
            response.extensions_mut().insert(*reason);
        } else if self.status.canonical_reason().is_none() {
            // A reason may be empty (RFC 9112 §4); hyper would write one of its own.
            response
                .extensions_mut()
                .insert(hyper::ext::ReasonPhrase::from_static(b""));
        }
        response
    }
    /// Forgets what was written and set, if nothing was sent yet; says whether it could.
    pub fn reset(&mut self) -> bool {
        if self.stage == Stage::Open {
            self.status = StatusCode::OK;
            self.reason = None;
            self.headers.clear();
            self.trailers = None;
            self.buffer.clear();
            self.written = 0;
        }
        self.stage == Stage::Open
    }

    /// Waits, as a future, until [`write`](Self::write) would not wait. For async handlers.
    ///
    /// # Errors
    /// [`WriteError::ClientGone`].
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        if self.stage != Stage::Streaming || self.has_no_body() {
            return Poll::Ready(Ok(()));
        }
        self.reply.poll_room(cx, self.write_ahead)
    }

    /// Waits, as a future, until the client has gone, or its connection gives the exchange up.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.reply.poll_gone(cx).is_ready() && self.is_client_gone() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
