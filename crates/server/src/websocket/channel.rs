//! What a handler and the pump of its WebSocket share: messages on their way in both directions, bounded
//! in bytes, and how the conversation ends.
//!
//! The handler runs on a thread of its own choice, the pump inside the reactor. Frames are made on the
//! sender's thread, so that compressing costs the reactor nothing.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use crate::crew;
use crate::sync::lock;
use crate::websocket::codec::{self, Encoder};
use crate::websocket::{Event, Message, Options, SendError};

/// See the module. One allocation for each WebSocket.
pub(super) struct Channel {
    state: Mutex<State>,
    /// Locked before the state, from a message's encoding until it is queued: that is the order on the
    /// wire.
    encoder: Mutex<Encoder>,
    read_ahead: usize,
    write_ahead: usize,
}

#[derive(Default)]
struct State {
    /// Messages that the handler has not received.
    incoming: VecDeque<Event>,
    /// What they weigh, in bytes.
    held: usize,
    /// The pump has stopped reading until some are received.
    paused: bool,
    /// Whoever waits for a message.
    reader: Option<Waker>,
    /// How the conversation ended.
    closed: Option<(u16, String)>,
    /// Frames for the pump to take, and after them those in `tail`.
    outgoing: VecDeque<Segment>,
    tail: BytesMut,
    /// Bytes of frames that the socket has not taken.
    queued: usize,
    /// Those who wait for that to become less.
    writers: Vec<Waker>,
    /// A close frame is the last of the frames, or has been sent.
    closing: bool,
    /// There is no handle left: nobody will receive.
    abandoned: bool,
    /// There is no pump any more.
    over: bool,
    /// The pump's task, while it waits.
    task: Option<Waker>,
}

/// Bytes on their way out.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) bytes: Bytes,
    /// Another frame may follow it.
    pub(super) ends_frame: bool,
    /// It is counted as queued.
    pub(super) counted: bool,
}

impl Channel {
    pub(super) fn new(options: &Options, encoder: Encoder) -> Self {
        Channel {
            state: Mutex::default(),
            encoder: Mutex::new(encoder),
            read_ahead: options.read_ahead,
            write_ahead: options.write_ahead,
        }
    }

    /// The next message, or how the conversation ended.
    pub(super) fn poll_recv(&self, cx: Option<&mut Context<'_>>) -> Poll<Event> {
        let mut state = lock(&self.state);
        let Some(event) = state.incoming.pop_front() else {
            if let Some((code, reason)) = state.closed.clone() {
                return Poll::Ready(Event::Closed { code, reason });
            }
            if let Some(cx) = cx {
                park(&mut state.reader, cx);
            }
            return Poll::Pending;
        };
        state.held -= weight(&event);
        let mut task = None;
        if state.paused && state.held <= self.read_ahead / 2 {
            state.paused = false;
            task = state.task.take();
        }
        drop(state);
        wake(task);
        Poll::Ready(event)
    }

    /// Queues a message.
    pub(super) fn send(&self, message: Message) -> Result<(), SendError> {
        let mut encoder = lock(&self.encoder);
        if !lock(&self.state).is_open() {
            return Err(SendError::Closed);
        }
        let (text, payload) = match message {
            Message::Text(text) => (true, text.into_bytes()),
            Message::Binary(bytes) => (false, bytes),
        };
        let mut head = BytesMut::with_capacity(10);
        let payload = encoder.message(text, payload, &mut head);
        self.put(|state| {
            state.queued += head.len() + payload.len();
            state.tail.extend_from_slice(&head);
            if payload.len() < APART {
                state.tail.extend_from_slice(&payload);
            } else {
                state.cut(false);
                state.outgoing.push_back(Segment {
                    bytes: payload,
                    ends_frame: true,
                    counted: true,
                });
            }
        })
    }

    /// Queues a close frame, after which nothing is sent.
    pub(super) fn close(&self, code: Option<u16>, reason: &str) -> Result<(), SendError> {
        let frame = codec::close_frame(code, reason);
        self.put(|state| {
            state.closing = true;
            state.queued += frame.len();
            state.tail.extend_from_slice(&frame);
        })
    }

    /// Changes what is queued, if the conversation is open, and wakes the pump.
    fn put(&self, change: impl FnOnce(&mut State)) -> Result<(), SendError> {
        let mut state = lock(&self.state);
        if !state.is_open() {
            return Err(SendError::Closed);
        }
        change(&mut state);
        let task = state.task.take();
        drop(state);
        wake(task);
        Ok(())
    }

    /// Ready when a sender need not wait.
    pub(super) fn poll_room(&self, cx: Option<&mut Context<'_>>) -> Poll<Result<(), SendError>> {
        let mut state = lock(&self.state);
        if !state.is_open() {
            return Poll::Ready(Err(SendError::Closed));
        }
        if state.queued <= self.write_ahead {
            return Poll::Ready(Ok(()));
        }
        if let Some(cx) = cx
            && !state.writers.iter().any(|w| w.will_wake(cx.waker()))
        {
            state.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Bytes that the socket has not taken.
    pub(super) fn queued(&self) -> usize {
        lock(&self.state).queued
    }

    /// Whether messages can be sent.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.state).is_open()
    }

    /// The last handle is gone.
    pub(super) fn abandon(&self) {
        let incoming = {
            let mut state = lock(&self.state);
            state.abandoned = true;
            state.held = 0;
            state.paused = false;
            std::mem::take(&mut state.incoming)
        };
        drop(incoming);
        // Where that is over already there is nothing to say; else the pump has to be woken all the same.
        if self.close(Some(1011), "").is_err() {
            let task = lock(&self.state).task.take();
            wake(task);
        }
    }

    // What follows is the pump's.

    /// A message has come. Says whether another one may.
    pub(super) fn deliver(&self, event: Event) -> bool {
        let mut state = lock(&self.state);
        if state.closing || state.abandoned {
            // Nobody wants to know any more; but the client's close frame is waited for.
            return true;
        }
        state.held += weight(&event);
        state.incoming.push_back(event);
        let room = state.held <= self.read_ahead;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        room
    }

    /// Whether the pump may read; if not, it is woken when it may.
    pub(super) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut state = lock(&self.state);
        state.paused = state.held > self.read_ahead && !state.closing && !state.abandoned;
        if state.paused {
            park(&mut state.task, cx);
        }
        !state.paused
    }

    /// Moves all frames that wait to `out`. The task is woken when there are more.
    pub(super) fn take(&self, out: &mut VecDeque<Segment>, cx: &Context<'_>) {
        let mut state = lock(&self.state);
        park(&mut state.task, cx);
        state.cut(true);
        out.append(&mut state.outgoing);
    }

    /// Whether the close frame is among the frames that have been queued.
    pub(super) fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }

    /// The socket has taken this many bytes of the frames.
    pub(super) fn wrote(&self, bytes: usize) {
        let mut state = lock(&self.state);
        // Less is queued if it has been cut meanwhile.
        state.queued = state.queued.saturating_sub(bytes);
        if state.queued > self.write_ahead / 2 || state.writers.is_empty() {
            return;
        }
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }

    /// How the conversation ended, if that is not known yet. What came before can still be received.
    pub(super) fn end(&self, code: u16, reason: String) {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return;
        }
        state.closed = Some((code, reason));
        let waiting = state.everybody();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// There is no pump any more.
    pub(super) fn cut(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        if state.closed.is_none() {
            state.closed = Some((1006, String::new()));
        }
        state.queued = 0;
        let unsent = (
            std::mem::take(&mut state.outgoing),
            std::mem::take(&mut state.tail),
            state.task.take(),
        );
        let waiting = state.everybody();
        drop(state);
        drop(unsent);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn is_open(&self) -> bool {
        !self.closing && !self.over && self.closed.is_none()
    }

    /// Makes a segment of the tail.
    fn cut(&mut self, ends_frame: bool) {
        if !self.tail.is_empty() {
            self.outgoing.push_back(Segment {
                bytes: self.tail.split().freeze(),
                ends_frame,
                counted: true,
            });
        }
    }

    fn everybody(&mut self) -> Vec<Waker> {
        let mut waiting = std::mem::take(&mut self.writers);
        waiting.extend(self.reader.take());
        waiting
    }
}

fn park(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        crew::wake(task);
    }
}

/// The memory that a message takes while it waits: also an empty one takes some.
fn weight(event: &Event) -> usize {
    size_of::<Event>()
        + match event {
            Event::Text(text) => text.len(),
            Event::Binary(bytes) => bytes.len(),
            Event::Closed { reason, .. } => reason.len(),
        }
}

/// A payload of so many bytes is sent from where it is; a shorter one is copied behind its head.
const APART: usize = 16 << 10;
