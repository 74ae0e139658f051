//! Whether a client is still there, and how long it may take to close.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::websocket::Options;

/// Looks after one WebSocket with one timer, which moves only when it has run out.
pub(super) struct Keepalive {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    close_timeout: Duration,
    wait: Wait,
    /// When the next ping is due, counted from the last one.
    next: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What the timer runs for.
enum Wait {
    Nothing,
    /// The next ping.
    Ping(Instant),
    /// A sign of life after a ping.
    Pong(Instant),
    /// The end of the closing handshake.
    Close(Instant),
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    Ping,
    /// The client gave no sign of life after a ping.
    Dead,
    /// The closing handshake takes too long.
    Late,
}

impl Keepalive {
    pub(super) fn new(options: &Options) -> Self {
        let mut keepalive = Keepalive {
            interval: options.ping_interval,
            timeout: options.ping_timeout,
            close_timeout: options.close_timeout,
            wait: Wait::Nothing,
            next: None,
            timer: None,
        };
        keepalive.await_ping();
        keepalive
    }

    /// Something has come from the client.
    pub(super) fn heard(&mut self) {
        if let Wait::Pong(_) = self.wait {
            self.wait = self.next.map_or(Wait::Nothing, Wait::Ping);
        }
    }

    /// `closing` says that a close frame is on its way, `open` that a silence would be the client's: we
    /// read what it sends, and it takes what we send (else the write timeout is what bounds it).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, closing: bool, open: bool) -> Tick {
        if closing && !matches!(self.wait, Wait::Close(_)) {
            self.wait = after(self.close_timeout).map_or(Wait::Nothing, Wait::Close);
        }
        loop {
            let due = match self.wait {
                Wait::Nothing => return Tick::Nothing,
                Wait::Ping(due) | Wait::Pong(due) | Wait::Close(due) => due,
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Tick::Nothing;
            }
            match self.wait {
                Wait::Close(_) => return Tick::Late,
                Wait::Pong(_) if open => return Tick::Dead,
                Wait::Ping(_) if open => {
                    self.await_ping();
                    if let Some(due) = self.timeout.and_then(after) {
                        self.wait = Wait::Pong(due);
                    }
                    return Tick::Ping;
                }
                _ => self.await_ping(),
            }
        }
    }

    fn await_ping(&mut self) {
        self.next = self.interval.and_then(after);
        self.wait = self.next.map_or(Wait::Nothing, Wait::Ping);
    }
}

/// None if that is for ever, as far as the clock goes.
fn after(time: Duration) -> Option<Instant> {
    // A timer of no time at all would never let go.
    Instant::now().checked_add(time.max(Duration::from_millis(1)))
}
