//! A callback under way, and what becomes of its exchange when it returns.

use std::cell::Cell;

use crate::entry::entry;
use crate::exchange::{EXCHANGES, Entry, OXB_NO_EXCHANGE, acquire, oxb_exchange, with};
use crate::status::oxb_status::{self, *};

/// The callback that runs on this thread.
#[derive(Clone, Copy)]
struct Current {
    handle: oxb_exchange,
    deferred: bool,
}

const NONE: Current = Current {
    handle: OXB_NO_EXCHANGE,
    deferred: false,
};

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(NONE) };
}

/// Marks that a callback for this exchange runs on this thread, until it is dropped.
pub(crate) struct Calling(Current);

pub(crate) fn enter_callback(handle: oxb_exchange) -> Calling {
    Calling(CURRENT.replace(Current {
        handle,
        deferred: false,
    }))
}

impl Calling {
    /// Whether the callback has deferred its exchange.
    pub(crate) fn deferred(&self) -> bool {
        CURRENT.get().deferred
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Ends an exchange whose callback has returned without deferring it, unless it has ended already.
pub(crate) fn finish(handle: oxb_exchange) {
    match acquire(handle) {
        Ok(guard) => conclude(guard.take()),
        Err(OXB_ERR_BUSY) => match EXCHANGES.discard(handle) {
            Ok(Some(entry)) => conclude(entry),
            // When that call is over the exchange is aborted.
            Ok(None) => tracing::error!(
                "a callback returned without deferring an exchange that another thread is using"
            ),
            Err(_) => {}
        },
        // It has ended already.
        Err(_) => {}
    }
}

fn conclude(mut entry: Entry) {
    if !entry.touched {
        let path = entry.request().uri().path().to_owned();
        tracing::error!(path, "a callback returned without an answer");
        entry
            .exchange
            .refuse(http::StatusCode::INTERNAL_SERVER_ERROR);
    } else if let Err(e) = entry.exchange.end() {
        tracing::debug!("a callback's answer could not be ended: {e}");
    }
}

/// Keeps the exchange alive after its callback has returned. It must be ended later, by any thread:
/// with `oxb_exchange_end`, `_reply`, `_refuse` or `_abort`. Another thread may get the handle before
/// or after this call, but must not end the exchange before it.
///
/// Without it, an exchange ends when its callback returns: as `oxb_exchange_end` if anything of the
/// response was set or written, else with status 500.
///
/// Where the library has threads of its own, calls on a deferred exchange may wait, also when its route
/// is an inline one; not inside a callback of an inline route, though.
///
/// Threads: inside the callback that got this exchange, on its thread.
/// Returns: `OXB_OK`; `OXB_ERR_STALE`; `OXB_ERR_STATE` outside that callback, and the second time.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_exchange_defer(exchange: oxb_exchange) -> oxb_status {
    entry(|| {
        with(exchange, |entry| {
            let current = CURRENT.get();
            if current.handle != exchange || current.deferred {
                return Err(OXB_ERR_STATE);
            }
            CURRENT.set(Current {
                handle: exchange,
                deferred: true,
            });
            if !entry.site.driven {
                entry.exchange.set_may_wait(true);
            }
            Ok(())
        })
    })
}
