//! Request bodies: what has arrived, what is still to come, and the bounds on both.

mod source;

use std::cell::OnceCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::conn::{Conn, Reading};
use crate::crew;
use crate::error::BodyError;
use crate::reactor::is_inside;

pub(crate) use self::source::Source;

/// The body of a request, read piece by piece.
///
/// It is at most [`Limits::max_body`](crate::Limits::max_body) long. What is not read stays with the
/// client: an unread body stops its sender. Reading makes a client that sent `Expect: 100-continue`
/// send (RFC 9110 §10.1.1).
#[derive(Debug)]
pub struct RequestBody {
    /// Arrived and not read yet.
    ready: Bytes,
    /// What is to come; none once the end or an error has been seen.
    inner: Option<Source>,
    trailers: Option<HeaderMap>,
    conn: Arc<Conn>,
    limit: u64,
    /// How much of `limit` is left.
    left: u64,
    timeout: Duration,
    may_wait: bool,
    /// While somebody waits for more of it, so that the sweep bounds the time.
    reading: Option<Reading>,
    /// An error that was found ahead of the read that reports it.
    failed: Option<BodyError>,
}

impl RequestBody {
    pub(crate) fn new(
        inner: Source,
        conn: Arc<Conn>,
        limit: Option<u64>,
        timeout: Duration,
    ) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        let inner = if inner.is_end_stream() {
            None
        } else {
            Some(inner)
        };
        RequestBody {
            ready: Bytes::new(),
            inner,
            trailers: None,
            conn,
            limit,
            left: limit,
            timeout,
            may_wait: true,
            reading: None,
            failed: None,
        }
    }

    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// The body, to be read elsewhere; an empty one stays in its place.
    pub fn take(&mut self) -> RequestBody {
        let empty = RequestBody {
            ready: Bytes::new(),
            inner: None,
            trailers: None,
            conn: self.conn.clone(),
            limit: self.limit,
            left: self.left,
            timeout: self.timeout,
            may_wait: self.may_wait,
            reading: None,
            failed: None,
        };
        std::mem::replace(self, empty)
    }

    /// Whether a read may wait; else one that would is an error.
    pub(crate) fn set_may_wait(&mut self, may_wait: bool) {
        self.may_wait = may_wait;
    }

    /// Puts back, in front, what was read ahead.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        debug_assert!(
            self.ready.is_empty(),
            "only what was taken from here comes back"
        );
        self.ready = bytes;
    }

    /// Whether the whole body has arrived (an empty one has).
    pub fn is_complete(&self) -> bool {
        self.inner.is_none()
    }

    /// How many bytes are left to read, if the client said so.
    pub fn remaining(&self) -> Option<u64> {
        let ready = self.ready.len() as u64;
        match &self.inner {
            None => Some(ready),
            Some(inner) => inner.size_hint().exact().map(|rest| rest + ready),
        }
    }

    /// The fields after a chunked body (RFC 9112 §7.1.2) or an HTTP/2 one; known at its end.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// The next piece; `None` at the end. After an error the body is at its end.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.ready))));
        }
        if let Some(e) = self.failed.take() {
            return Poll::Ready(Some(Err(e)));
        }
        loop {
            let Some(inner) = &mut self.inner else {
                return Poll::Ready(None);
            };
            let frame = match inner.poll_frame(cx) {
                Poll::Pending => {
                    if self.reading.is_none() {
                        self.reading = Some(self.conn.begin_reading());
                    } else if self.conn.is_late() {
                        self.inner = None;
                        self.reading = None;
                        return Poll::Ready(Some(Err(BodyError::TimedOut)));
                    }
                    self.conn.wake_when_late(cx.waker());
                    if self.conn.is_given_up() {
                        self.inner = None;
                        self.reading = None;
                        return Poll::Ready(Some(Err(BodyError::ClientGone)));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            self.reading = None;
            match frame.map(|f| f.map(Frame::into_data)) {
                None => self.inner = None,
                Some(Ok(Ok(data))) => {
                    if data.len() as u64 > self.left {
                        self.inner = None;
                        return Poll::Ready(Some(Err(BodyError::TooLarge(self.limit))));
                    }
                    self.left -= data.len() as u64;
                    if let Some(metrics) = &self.conn.metrics {
                        metrics.received(data.len());
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Ok(Err(frame))) => {
                    self.trailers = frame.into_trailers().ok().or(self.trailers.take())
                }
                Some(Err(e)) => {
                    self.inner = None;
                    let told = match self.conn.fault() {
                        Some(fault) => BodyError::Malformed(fault.to_owned()),
                        None => e.explain(),
                    };
                    return Poll::Ready(Some(Err(told)));
                }
            }
        }
    }

    /// The next piece, for async handlers; `None` at the end.
    ///
    /// # Errors
    /// See [`BodyError`]. Time is bounded by [`Limits::body_timeout`](crate::Limits::body_timeout),
    /// which closes the connection, if it is the server's.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// The next piece; `None` at the end. Waits, which blocks the thread, but no other client.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn chunk_blocking(&mut self) -> Option<Result<Bytes, BodyError>> {
        if let Poll::Ready(chunk) = self.poll_now() {
            return chunk;
        }
        if !self.may_wait || is_inside() {
            return Some(Err(BodyError::WouldBlock));
        }
        crew::step_down();
        let deadline = Instant::now() + self.timeout;
        loop {
            // The poll before this left the thread's waker behind: a wake-up is not lost.
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.inner = None;
                self.reading = None;
                return Some(Err(BodyError::TimedOut));
            }
            std::thread::park_timeout(left);
            if let Poll::Ready(chunk) = self.poll_now() {
                return chunk;
            }
        }
    }

    /// The next piece if it is here; pending leaves the calling thread's waker behind.
    fn poll_now(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        thread_waker(|waker| self.poll_chunk(&mut Context::from_waker(waker)))
    }

    /// Whether a read would return without waiting.
    pub fn is_readable(&mut self) -> bool {
        thread_waker(|waker| self.poll_readable(&mut Context::from_waker(waker))).is_ready()
    }

    /// Waits, as a future, until a read would return without waiting: with a piece, the end, or an error.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ready.is_empty() || self.failed.is_some() {
            return Poll::Ready(());
        }
        match ready!(self.poll_chunk(cx)) {
            Some(Ok(bytes)) => self.ready = bytes,
            Some(Err(e)) => self.failed = Some(e),
            None => {}
        }
        Poll::Ready(())
    }

    /// Reads at most `buf.len()` bytes; 0 at the end. Waits as [`chunk_blocking`](Self::chunk_blocking).
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn read_blocking(&mut self, buf: &mut [u8]) -> Result<usize, BodyError> {
        if buf.is_empty() {
            return Ok(0);
        }
        match self.chunk_blocking() {
            None => Ok(0),
            Some(Err(e)) => Err(e),
            Some(Ok(mut chunk)) => {
                let n = chunk.len().min(buf.len());
                chunk.copy_to_slice(&mut buf[..n]);
                self.ready = chunk;
                Ok(n)
            }
        }
    }

    /// Reads all that is left. Waits as [`chunk_blocking`](Self::chunk_blocking).
    ///
    /// # Errors
    /// See [`BodyError`].
    pub fn read_all_blocking(&mut self) -> Result<Bytes, BodyError> {
        let Some(first) = self.chunk_blocking().transpose()? else {
            return Ok(Bytes::new());
        };
        // Most bodies come in one piece, which need not be copied.
        let Some(second) = self.chunk_blocking().transpose()? else {
            return Ok(first);
        };
        let mut all = [first, second].concat();
        while let Some(chunk) = self.chunk_blocking() {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.into())
    }

    /// Reads all that is left, for async handlers.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub async fn read_all(&mut self) -> Result<Bytes, BodyError> {
        let Some(first) = self.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        // Most bodies come in one piece, which need not be copied.
        let Some(second) = self.chunk().await.transpose()? else {
            return Ok(first);
        };
        let mut all = [first, second].concat();
        while let Some(chunk) = self.chunk().await {
            all.extend_from_slice(&chunk?);
        }
        Ok(all.into())
    }
}

impl std::io::Read for RequestBody {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.read_blocking(buf).map_err(std::io::Error::other)
    }
}

/// As tower services and hyper's own handlers read it.
impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_chunk(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(chunk)) => Poll::Ready(Some(chunk.map(Frame::data))),
            Poll::Ready(None) => Poll::Ready(self.trailers.take().map(|t| Ok(Frame::trailers(t)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none() && self.ready.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Wakes a thread that parks.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on a handler's thread, which blocks while the future waits; leadership is
/// given up first, so no other client waits.
///
/// ```
/// assert_eq!(oxbridge::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut poll = || thread_waker(|waker| future.as_mut().poll(&mut Context::from_waker(waker)));
    if let Poll::Ready(output) = poll() {
        return output;
    }
    crew::step_down();
    loop {
        // The poll before left the thread's waker behind, so a wake-up since then ends the park.
        std::thread::park();
        if let Poll::Ready(output) = poll() {
            return output;
        }
    }
}

/// Calls `f` with the waker of the calling thread, made once for each thread.
pub(crate) fn thread_waker<R>(f: impl FnOnce(&Waker) -> R) -> R {
    thread_local! {
        static WAKER: OnceCell<Waker> = const { OnceCell::new() };
    }
    WAKER.with(|cell| f(cell.get_or_init(|| Arc::new(Unpark(std::thread::current())).into())))
}
