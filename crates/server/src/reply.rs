//! The one thing that a handler and its connection share: the response on its way from one to the
//! other, with back-pressure in bytes.
//!
//! A handler runs on a thread of its own choice, the connection inside the reactor. The handler puts a
//! head and pieces of a body in; the connection takes them out and is woken when there is something to
//! take. When the client is gone the connection drops its half, and the handler learns it.

mod chunk;

use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::body::Body;
use crate::conn::Conn;
use crate::crew;
use crate::error::WriteError;
use crate::stream::FileParts;
use crate::sync::lock;

use self::chunk::Chunk;
pub(crate) use self::chunk::{FilePart, read_at};

/// The shared half; see the module. One allocation for each exchange.
#[derive(Debug)]
pub(crate) struct Reply {
    state: Mutex<State>,
    /// Signalled when a blocked handler may write again, or never will.
    room: Condvar,
    /// Mirrors `State::gone`, to be read without the lock.
    gone: AtomicBool,
    /// Where an HTTP/2 connection keeps account of what its client does not take.
    account: Option<Arc<Conn>>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Response<Body>>,
    chunks: VecDeque<Chunk>,
    /// What `chunks` weigh, in bytes.
    queued: usize,
    /// How many pieces the connection has taken.
    taken: u64,
    end: Option<End>,
    /// The connection's half is dropped.
    gone: bool,
    /// Handler threads in [`Reply::wait_room`].
    blocked: usize,
    /// The connection's task, while it waits.
    task: Option<Waker>,
    /// An async handler that waits for room.
    writer: Option<Waker>,
    /// Whoever waits for the client to go.
    watcher: Option<Waker>,
}

/// How a streamed response ends.
#[derive(Debug)]
enum End {
    Whole(Option<HeaderMap>),
    Aborted,
}

/// A streamed response that its handler did not finish, or that was cut.
#[derive(Debug)]
pub(crate) struct Aborted;

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the response was given up half-way")
    }
}

impl std::error::Error for Aborted {}

impl Reply {
    pub(crate) fn new(account: Option<Arc<Conn>>) -> Arc<Self> {
        Arc::new(Reply {
            state: Mutex::default(),
            room: Condvar::new(),
            gone: AtomicBool::new(false),
            account,
        })
    }

    /// Whether the client has gone, or the connection gave the exchange up.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }

    /// Changes the state and wakes the connection's task, if it waits, after the lock is released.
    fn put(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        if state.gone {
            return;
        }
        change(&mut state);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            crew::wake(task);
        }
    }

    /// Sends the head, with the whole body in it or with a body that streams from here.
    pub(crate) fn send_head(&self, response: Response<Body>) {
        self.put(|state| state.head = Some(response));
    }

    /// Queues a piece of the body; never waits.
    pub(crate) fn push(&self, chunk: Bytes) {
        self.push_chunk(Chunk::Bytes(chunk));
    }

    /// Queues a part of a file, which the reactor reads as the client takes it; never waits.
    pub(crate) fn push_file(&self, part: FilePart) {
        self.push_chunk(Chunk::File(part));
    }

    fn push_chunk(&self, chunk: Chunk) {
        self.put(|state| {
            state.queued += chunk.weight();
            if let Some(conn) = &self.account {
                conn.owe(chunk.weight());
            }
            state.chunks.push_back(chunk);
        });
    }

    /// Ends the stream, with trailers where there are some (RFC 9110 §6.5).
    pub(crate) fn end(&self, trailers: Option<HeaderMap>) {
        self.put(|state| state.end = state.end.take().or(Some(End::Whole(trailers))));
    }

    /// Ends the stream so that the client knows that something is missing.
    pub(crate) fn abort(&self) {
        self.put(|state| state.end = state.end.take().or(Some(End::Aborted)));
    }

    /// Ends the exchange for both sides: to the handler the client has gone, and whoever takes the body out
    /// finds that something is missing.
    pub(crate) fn cut(&self) {
        let task = {
            let mut state = lock(&self.state);
            if state.gone {
                return;
            }
            state.end = Some(End::Aborted);
            state.task.take()
        };
        self.forsake();
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Nobody will take anything any more.
    fn forsake(&self) {
        let mut state = lock(&self.state);
        state.gone = true;
        self.gone.store(true, Release);
        // What nobody will take any more goes now, not when the handler is done.
        let chunks = std::mem::take(&mut state.chunks);
        let head = state.head.take();
        if let Some(conn) = &self.account
            && state.queued != 0
        {
            conn.pay(state.queued);
        }
        state.queued = 0;
        let waiting = [state.writer.take(), state.watcher.take()];
        let blocked = state.blocked != 0;
        drop(state);
        drop((chunks, head));
        if blocked {
            self.room.notify_all();
        }
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Waits while more than `limit` bytes are queued, and then until half of that is left, so that the
    /// connection works in larger steps. Blocks the thread; leadership is given up first. A client that
    /// takes nothing for `patience` counts as gone.
    pub(crate) fn wait_room(&self, limit: usize, patience: Duration) -> Result<(), WriteError> {
        if self.has_room(limit)? {
            return Ok(());
        }
        crew::step_down();
        let mut state = lock(&self.state);
        state.blocked += 1;
        let mut deadline = Instant::now() + patience;
        while !state.gone && state.queued > limit / 2 {
            let taken = state.taken;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.blocked -= 1;
                drop(state);
                self.abort();
                return Err(WriteError::ClientGone);
            }
            state = self
                .room
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if state.taken != taken {
                deadline = Instant::now() + patience;
            }
        }
        state.blocked -= 1;
        if state.gone {
            Err(WriteError::ClientGone)
        } else {
            Ok(())
        }
    }

    /// Whether a writer need not wait.
    pub(crate) fn has_room(&self, limit: usize) -> Result<bool, WriteError> {
        let state = lock(&self.state);
        if state.gone {
            Err(WriteError::ClientGone)
        } else {
            Ok(state.queued <= limit)
        }
    }

    /// As [`wait_room`](Self::wait_room), for a future.
    pub(crate) fn poll_room(
        &self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Result<(), WriteError>> {
        let mut state = lock(&self.state);
        if state.gone {
            return Poll::Ready(Err(WriteError::ClientGone));
        }
        if state.queued <= limit {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready once the client has gone; wakes the last one who asked.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.gone {
            return Poll::Ready(());
        }
        park(&mut state.watcher, cx);
        Poll::Pending
    }
}

/// The connection's half of a [`Reply`]. Dropping it tells the handler that nobody listens any more.
#[derive(Debug)]
pub(crate) struct Outlet {
    reply: Arc<Reply>,
    /// The protocol has had a chance to send what came before an abort.
    warned: bool,
}

impl Outlet {
    pub(crate) fn new(reply: Arc<Reply>) -> Self {
        Outlet {
            reply,
            warned: false,
        }
    }

    /// The response, once its handler has sent the head. A response whose body streams takes the
    /// outlet into its body: see [`Body::streamed`].
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Response<Body>> {
        let mut state = lock(&self.reply.state);
        match state.head.take() {
            Some(response) => Poll::Ready(response),
            None => {
                park(&mut state.task, cx);
                Poll::Pending
            }
        }
    }

    /// The next piece of a streamed body. `files` are those of a connection that sends files itself: then
    /// a piece of one is a stand-in.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        files: Option<&FileParts>,
    ) -> Poll<Option<Result<Piece, Aborted>>> {
        let mut state = lock(&self.reply.state);
        if let Some(chunk) = state.chunks.pop_front() {
            let weight = chunk.weight();
            let bytes = match chunk {
                Chunk::Bytes(bytes) => bytes,
                Chunk::File(mut part) => {
                    drop(state);
                    let read = match files {
                        Some(files) => part.promise(files),
                        None => part.read(),
                    };
                    state = lock(&self.reply.state);
                    match read {
                        Ok(bytes) if part.left != 0 => {
                            state.taken += 1;
                            if let Some(conn) = &self.reply.account {
                                // The next piece takes the place of this one: the client is taking.
                                conn.pay(weight);
                                conn.owe(weight);
                            }
                            state.chunks.push_front(Chunk::File(part));
                            return Poll::Ready(Some(Ok(Piece::Data(bytes))));
                        }
                        Ok(bytes) => bytes,
                        Err(e) => {
                            drop(state);
                            tracing::error!("cannot send the rest of a file: {e}");
                            state = lock(&self.reply.state);
                            // What was to follow would stand at the wrong place.
                            state.chunks.clear();
                            state.end = Some(End::Aborted);
                            let rest = std::mem::take(&mut state.queued);
                            if let Some(conn) = &self.reply.account {
                                conn.pay(rest);
                            }
                            let writer = state.writer.take();
                            drop(state);
                            self.reply.room.notify_all();
                            if let Some(writer) = writer {
                                writer.wake();
                            }
                            return self.poll_chunk(cx, files);
                        }
                    }
                }
            };
            state.queued -= weight;
            state.taken += 1;
            if let Some(conn) = &self.reply.account {
                conn.pay(weight);
            }
            let writer = state.writer.take();
            let blocked = state.blocked != 0;
            drop(state);
            if blocked {
                self.reply.room.notify_all();
            }
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(Piece::Data(bytes))));
        }
        match state.end.take() {
            Some(End::Whole(trailers)) => {
                // A further poll is answered with the end again.
                state.end = Some(End::Whole(None));
                Poll::Ready(trailers.map(|t| Ok(Piece::Trailers(t))))
            }
            Some(End::Aborted) => {
                state.end = Some(End::Aborted);
                if !std::mem::replace(&mut self.warned, true) {
                    // An error ends the connection with what is buffered, so that is flushed first.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(Aborted)))
            }
            None => {
                park(&mut state.task, cx);
                Poll::Pending
            }
        }
    }
}

/// A piece of a streamed body.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

fn park(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.reply.forsake();
    }
}
