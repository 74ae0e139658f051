//! Notifications: an exchange has become readable or writable, or its client has gone.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use oxbridge_handles::AccessError;

use crate::entry::entry;
use crate::exchange::{EXCHANGES, Entry, enter_callback, oxb_exchange, with};
use crate::queue::{OXB_EVENT_GONE, OXB_EVENT_READABLE, OXB_EVENT_WRITABLE};
use crate::site::Site;
use crate::status::oxb_status::{self, *};
use crate::user::{UserData, oxb_drop};

/// Called when what `oxb_exchange_notify` waits for has come about; `kinds` says what. It runs as a handler
/// does: on a thread of the library, or in a turn. The exchange goes on.
pub type oxb_notify =
    Option<extern "C" fn(exchange: oxb_exchange, kinds: u32, user_data: *mut c_void)>;

/// Somebody waits for an exchange; see the module.
pub(crate) struct Notify {
    handle: oxb_exchange,
    kinds: u32,
    site: Arc<Site>,
    /// Taken when it is told.
    told: Mutex<Option<(oxb_notify, UserData)>>,
    /// A look at the exchange found it in use; whoever uses it looks again.
    missed: AtomicBool,
    /// A look is on its way: one is enough.
    scheduled: AtomicBool,
}

/// The exchanges that are being looked at, and how many looks have begun or ended, ever.
static LOOKING: Mutex<Vec<oxb_exchange>> = Mutex::new(Vec::new());
static LOOKED: AtomicU64 = AtomicU64::new(0);

/// The list of looks, locked.
pub(crate) type Looks = MutexGuard<'static, Vec<oxb_exchange>>;

/// Locks the list, so that a fork does not copy it in the hand of another thread. Nothing is locked
/// while it is held, so it comes last.
pub(crate) fn hold_looks() -> Looks {
    looking()
}

fn looking() -> Looks {
    LOOKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many looks have begun or ended, ever. To see whether one was there in between.
pub(super) fn looked() -> u64 {
    LOOKED.load(SeqCst)
}

/// Whether a look has this exchange now.
pub(super) fn is_looking_at(handle: oxb_exchange) -> bool {
    looking().contains(&handle)
}

/// A look under way, until it is dropped.
struct Look(oxb_exchange);

impl Look {
    fn begin(handle: oxb_exchange) -> Self {
        looking().push(handle);
        LOOKED.fetch_add(1, SeqCst);
        Look(handle)
    }
}

impl Drop for Look {
    /// After the exchange was let go.
    fn drop(&mut self) {
        // Before it leaves the list: whoever does not find it there any more finds this changed.
        LOOKED.fetch_add(1, SeqCst);
        let mut looking = looking();
        if let Some(place) = looking.iter().position(|handle| *handle == self.0) {
            looking.swap_remove(place);
        }
    }
}

impl Notify {
    /// Looks whether what is waited for has come about, and tells it. Runs as a handler does.
    fn look(self: &Arc<Self>) {
        // From here on a wake-up is news.
        self.scheduled.store(false, SeqCst);
        let look = Look::begin(self.handle);
        let mut guard = match EXCHANGES.acquire(self.handle) {
            Ok(guard) => guard,
            Err(AccessError::Stale) => return,
            Err(AccessError::Busy) => {
                self.missed.store(true, SeqCst);
                // Pairs with the fence of `look_again`: either that one sees `missed`, or this one finds
                // the exchange free.
                fence(SeqCst);
                match EXCHANGES.acquire(self.handle) {
                    Ok(guard) => guard,
                    Err(_) => return,
                }
            }
        };
        let Some(current) = guard.notify.as_ref().map(|notify| notify.0.clone()) else {
            return;
        };
        let is_current = Arc::ptr_eq(&current, self);
        let kinds = if is_current { self.poll(&mut guard) } else { 0 };
        if kinds == 0 {
            drop(guard);
            // Another look may have come meanwhile, and found the exchange in use by this one.
            current.look_again();
            return;
        }
        let told = self.take_told();
        guard.notify = None;
        drop(guard);
        drop(look);
        match told {
            Some((Some(callback), user)) => {
                let _calling = enter_callback(crate::exchange::OXB_NO_EXCHANGE);
                callback(self.handle, kinds, user.get());
            }
            Some((None, user)) => self.site.queue.push_notice(self.handle, kinds, user),
            None => {}
        }
    }

    fn take_told(&self) -> Option<(oxb_notify, UserData)> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Called under the guard of a call that is over: looks soon, if there is something to see.
    pub(super) fn look_soon_if_ready(self: &Arc<Self>, entry: &mut Entry) {
        if self.poll(entry) != 0 {
            self.clone().wake();
        }
    }

    /// Called after a call on the exchange.
    pub(super) fn look_again(self: &Arc<Self>) {
        fence(SeqCst);
        if self.missed.swap(false, SeqCst) {
            self.clone().wake();
        }
    }

    /// What has come about of what is waited for; for the rest, somebody will wake us.
    fn poll(self: &Arc<Self>, entry: &mut Entry) -> u32 {
        let waker = Waker::from(self.clone());
        let cx = &mut Context::from_waker(&waker);
        let mut kinds = 0;
        if self.kinds & OXB_EVENT_READABLE != 0
            && entry.request().body_mut().poll_readable(cx).is_ready()
        {
            kinds |= OXB_EVENT_READABLE;
        }
        if self.kinds & OXB_EVENT_WRITABLE != 0 && entry.response().poll_room(cx).is_ready() {
            kinds |= OXB_EVENT_WRITABLE;
        }
        if self.kinds & OXB_EVENT_GONE != 0 && entry.response().poll_gone(cx).is_ready() {
            kinds |= OXB_EVENT_GONE;
        }
        kinds
    }
}

/// A notification that an exchange has. When the exchange gives it up, the caller's data goes, however
/// long some waker keeps the rest.
pub(crate) struct Registered(pub(crate) Arc<Notify>);

impl Drop for Registered {
    fn drop(&mut self) {
        drop(self.0.take_told());
    }
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        if self.scheduled.swap(true, SeqCst) {
            return;
        }
        // Not here: this may be inside the reactor, or inside a call on the exchange.
        let runner = self.site.runner.wait().clone();
        runner.run(Box::new(move || self.look()));
    }
}

/// Asks to be told, once, when something has come about: `OXB_EVENT_READABLE` (a read would not wait:
/// there are bytes, the end, or an error), `OXB_EVENT_WRITABLE` (a write would not wait),
/// `OXB_EVENT_GONE` (the client has gone). For exchanges that must not wait, and for long answers.
///
/// `kinds` is one of them or several, by `|`. An exchange has one notification at a time: a new one takes
/// the place of the old one, whose `drop` runs. When the exchange ends first, only `drop` runs. It does
/// not defer the exchange: that is `oxb_exchange_defer`'s.
///
/// Ownership: `user_data` is kept until the callback has returned or the exchange has ended; `drop` runs
/// exactly once, also on failure. With a NULL `callback` it goes into an `oxb_event`, and is the caller's
/// again when `oxb_server_next` hands that out: `drop` runs only if it never does.
/// Threads: any thread.
/// NULL: a NULL `callback` asks for an event; `user_data` and `drop` may be NULL.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` for no kind, or one that is none; `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
/// `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_exchange_notify(
    exchange: oxb_exchange,
    kinds: u32,
    callback: oxb_notify,
    user_data: *mut c_void,
    drop: oxb_drop,
) -> oxb_status {
    let user = UserData::new(user_data, drop);
    entry(move || {
        const ALL: u32 = OXB_EVENT_READABLE | OXB_EVENT_WRITABLE | OXB_EVENT_GONE;
        if kinds == 0 || kinds & !ALL != 0 {
            return Err(OXB_ERR_ARG);
        }
        let old = with(exchange, |entry| {
            let notify = Arc::new(Notify {
                handle: exchange,
                kinds,
                site: entry.site.clone(),
                told: Mutex::new(Some((callback, user))),
                missed: AtomicBool::new(false),
                scheduled: AtomicBool::new(false),
            });
            // `with` looks whether it has come about already.
            Ok(entry.notify.replace(Registered(notify)))
        })?;
        // Its drop function may call us: nothing is locked here.
        std::mem::drop(old);
        Ok(())
    })
}
