//! Exchanges: a request and the response that it is owed, behind a handle.
//!
//! The handle is a number, not a pointer: a stale, doubled, forged or foreign one is `OXB_ERR_STALE`.

mod calling;
mod ending;
mod notify;

use std::sync::Arc;

use bytes::Bytes;
use oxbridge::{Exchange, Request, ResponseWriter};
use oxbridge_handles::{AccessError, Registry};

use crate::entry::guarded;
use crate::fork;
use crate::site::{self, Site};
use crate::status::oxb_status::{self, *};

pub(crate) use self::calling::{enter_callback, finish};
pub(crate) use self::ending::turn_away;
use self::notify::Registered;
pub(crate) use self::notify::{Looks, hold_looks};

/// A handle of an exchange: a number that says which one is meant. It may be copied, and used on any
/// thread, by one call at a time: a second one at the same moment gets `OXB_ERR_BUSY`. Once the exchange
/// has ended, the number is stale for ever: it is never given to another one.
pub type oxb_exchange = u64;

/// A number that no exchange has.
pub const OXB_NO_EXCHANGE: u64 = 0;

/// Every exchange that is alive in this process.
pub(crate) static EXCHANGES: Registry<Entry, 24, 40> = Registry::new();

/// What is behind a handle.
pub(crate) struct Entry {
    exchange: Exchange,
    pub(crate) site: Arc<Site>,
    /// Something of the response was set or written.
    touched: bool,
    /// Why the request body ended before its end: it is never to look whole.
    pub(crate) body_failed: Option<oxb_status>,
    notify: Option<Registered>,
    pub(crate) lent: Option<Box<Lent>>,
}

/// A parameter of a query: its name and its value.
pub(crate) type Parameter = (Box<str>, Box<str>);

/// What was made for the caller to borrow; it stays until the exchange ends.
#[derive(Default)]
pub(crate) struct Lent {
    pub(crate) target: Option<Box<str>>,
    pub(crate) path: Option<Box<[u8]>>,
    pub(crate) query: Option<Box<[Parameter]>>,
    pub(crate) remote: Option<Box<str>>,
    pub(crate) local: Option<Box<str>>,
    pub(crate) body: Option<Bytes>,
    /// What has come of a body that is to be whole.
    pub(crate) gathered: Vec<u8>,
}

impl Entry {
    pub(crate) fn request(&mut self) -> &mut Request {
        self.exchange.request()
    }

    /// The request, and where to keep what is lent of it.
    pub(crate) fn lend(&mut self) -> (&mut Request, &mut Lent) {
        (
            self.exchange.request(),
            self.lent.get_or_insert_with(Box::default),
        )
    }

    /// The response.
    pub(crate) fn response(&mut self) -> &mut ResponseWriter {
        self.exchange.response()
    }

    /// Both, for what needs them at the same time.
    pub(crate) fn parts(&mut self) -> (&mut ResponseWriter, &mut Request) {
        self.exchange.parts()
    }

    /// Whether the response is more than nothing, so that the end of its callback ends it.
    pub(crate) fn set_touched(&mut self, touched: bool) {
        self.touched = touched;
    }
}

/// Gives an exchange a handle. If there is none left, the client gets 503.
pub(crate) fn admit(exchange: Exchange, site: &Arc<Site>) -> Option<oxb_exchange> {
    let entry = Entry {
        exchange,
        site: site.clone(),
        touched: false,
        body_failed: None,
        notify: None,
        lent: None,
    };
    match EXCHANGES.insert(site.id, entry) {
        Ok(handle) => Some(handle),
        Err(entry) => {
            tracing::error!("too many exchanges are alive: one is turned away");
            turn_away(entry.exchange);
            None
        }
    }
}

/// Runs `call` with the exchange, alone.
pub(crate) fn with<R>(
    handle: oxb_exchange,
    call: impl FnOnce(&mut Entry) -> Result<R, oxb_status>,
) -> Result<R, oxb_status> {
    let mut entry = acquire(handle)?;
    let result = call(&mut entry);
    release(entry);
    result
}

/// As [`with`], for a call that sets or writes something of the response if it succeeds.
pub(crate) fn answer<R>(
    handle: oxb_exchange,
    call: impl FnOnce(&mut Entry) -> Result<R, oxb_status>,
) -> Result<R, oxb_status> {
    with(handle, |entry| {
        let result = call(entry)?;
        entry.touched = true;
        Ok(result)
    })
}

type Acquired = oxbridge_handles::Guard<'static, Entry, 24, 40>;

/// Takes an exchange for a call. A look of the library's own is waited for: `OXB_ERR_BUSY` means another
/// call of the program's.
fn acquire(handle: oxb_exchange) -> Result<Acquired, oxb_status> {
    loop {
        let looked = notify::looked();
        match EXCHANGES.acquire(handle) {
            Ok(entry) => {
                entry.site.is_ours()?;
                return Ok(entry);
            }
            Err(AccessError::Stale) => return Err(OXB_ERR_STALE),
            Err(AccessError::Busy) if EXCHANGES.owner(handle).is_some_and(site::is_inherited) => {
                return Err(OXB_ERR_FORKED);
            }
            Err(AccessError::Busy)
                if notify::is_looking_at(handle) || notify::looked() != looked =>
            {
                std::thread::yield_now();
            }
            Err(AccessError::Busy) => return Err(OXB_ERR_BUSY),
        }
    }
}

/// Lets an exchange go after a call. The call may have brought about what a notification waits for, or
/// taken its place with whoever would wake it; and a look may have come meanwhile and found it in use.
fn release(mut entry: Acquired) {
    let Some(notify) = entry.notify.as_ref().map(|notify| notify.0.clone()) else {
        return;
    };
    notify.look_soon_if_ready(&mut entry);
    drop(entry);
    notify.look_again();
}

/// How many exchanges are alive in this process, of all servers: begun, and not ended. For programs that
/// look for leaks.
///
/// Threads: any thread.
/// Returns: the number; in a forked process, of its own.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_live_exchanges() -> u64 {
    guarded(|| (EXCHANGES.len() as u64).saturating_sub(fork::inherited_exchanges()))
}
