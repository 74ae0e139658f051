//! What there is while a script runs, and what must be left when it is over: nothing.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::os::unix::net::UnixStream;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::calls::abi::*;
use crate::calls::arguments::{Out, Which};
use crate::calls::lent::Lent;
use crate::calls::script::Step;
use crate::calls::user::{self, Users};
use crate::calls::{clients, configs, descriptors, exchanges, lent, logs, servers};

/// Locked for moments, never during a call of the library.
pub(super) static WORLD: Mutex<World> = Mutex::new(World::new());

pub(super) struct World {
    pub(super) steps: VecDeque<Step>,
    /// The library has threads, so that calls come at any time.
    pub(super) threaded: bool,
    pub(super) users: Users,
    /// Every handle that was seen.
    pub(super) handles: Vec<Handle>,
    /// Those that are certainly stale.
    pub(super) ended: Option<HashSet<Handle>>,
    /// Those whose callbacks run and have not deferred them.
    pub(super) called: Vec<Handle>,
    pub(super) lent: Vec<Lent>,
    pub(super) configs: [configs::Slot; 2],
    pub(super) servers: [servers::Slot; 2],
    /// How many servers this script has started.
    pub(super) started: u32,
    pub(super) clients: [Option<UnixStream>; 4],
}

// SAFETY: its pointers are objects that any thread may use, or one at a time, which the slots see to.
unsafe impl Send for World {}

impl World {
    const fn new() -> Self {
        World {
            steps: VecDeque::new(),
            threaded: false,
            users: Users::new(),
            handles: Vec::new(),
            ended: None,
            called: Vec::new(),
            lent: Vec::new(),
            configs: [const { configs::Slot::empty() }; 2],
            servers: [const { servers::Slot::empty() }; 2],
            started: 0,
            clients: [const { None }; 4],
        }
    }

    pub(super) fn is_ended(&self, handle: Handle) -> bool {
        handle == 0
            || self
                .ended
                .as_ref()
                .is_some_and(|ended| ended.contains(&handle))
    }

    pub(super) fn end(&mut self, handle: Handle) {
        self.ended.get_or_insert_default().insert(handle);
        self.lent.retain(|lent| lent.handle != handle);
    }

    pub(super) fn saw(&mut self, handle: Handle) {
        assert_ne!(handle, 0, "no exchange has this number");
        assert!(!self.is_ended(handle), "a stale number was given again");
        if !self.handles.contains(&handle) {
            self.handles.push(handle);
        }
    }

    pub(super) fn handle(&self, which: Which) -> Handle {
        let seen = |n: u8| {
            let count = self.handles.len().max(1);
            self.handles
                .get(usize::from(n) % count)
                .copied()
                .unwrap_or(0)
        };
        match which {
            Which::Current | Which::Current2 => match PLACE.get().exchange {
                0 => self.handles.last().copied().unwrap_or(0),
                handle => handle,
            },
            Which::Seen(n) => seen(n),
            Which::Near(n, bit) => seen(n) ^ (1 << (bit % 64)),
            Which::Forged(number) => number,
            Which::Zero => 0,
        }
    }
}

pub(super) fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn is_threaded() -> bool {
    world().threaded
}

/// Where a thread is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// The exchange of the callback that runs; 0 if none does.
    pub(super) exchange: Handle,
    pub(super) deferred: bool,
    /// How many callbacks and drop functions are under way.
    pub(super) depth: u32,
    /// A drop function is among them.
    pub(super) dropping: bool,
}

impl Place {
    /// Inside a callback, and no drop function.
    pub(super) fn in_callback(self) -> bool {
        self.depth > 0 && !self.dropping
    }
}

thread_local! {
    pub(super) static PLACE: Cell<Place> = const {
        Cell::new(Place { exchange: 0, deferred: false, depth: 0, dropping: false })
    };
}

/// Deeper than this nothing is called any more.
const DEEPEST: u32 = 5;

/// Takes up to `count` steps, until one says to return. The outermost level takes them all.
pub(super) fn play(count: usize) {
    let depth = PLACE.get().depth;
    if depth > DEEPEST {
        return;
    }
    for _ in 0..count {
        let step = world().steps.pop_front();
        match step {
            None => return,
            Some(Step::Return) if depth > 0 => return,
            Some(step) => perform(step),
        }
    }
}

fn perform(step: Step) {
    match step {
        Step::Return => {}
        Step::Exchange(which, call) | Step::Exchange2(which, call) => {
            exchanges::perform(which, call)
        }
        Step::Client(client, act) => {
            clients::perform(client, act);
            clients::wait(client);
        }
        Step::Quietly(client, act) => clients::perform(client, act),
        Step::Server(server, call) => servers::perform(server, call),
        Step::Config(config, call) => configs::perform(config, call),
        Step::Start {
            config,
            server,
            out,
            error,
        } => servers::start(config, server, out, error),
        Step::Log {
            level,
            callback,
            user,
        } => logs::set(level, callback, user),
        Step::Facts { status, name } => logs::ask(status, &name),
    }
}

/// No call gives these, whatever its arguments are.
#[track_caller]
pub(super) fn check(status: Status) -> Status {
    assert!((ERR_PANIC + 1..=OK).contains(&status), "status {status}");
    assert!(status != ERR_FORKED && status != ERR_ABI, "status {status}");
    status
}

/// Runs a call that explains its failures, and looks at the explanation.
#[track_caller]
pub(super) fn explained(out: Out, call: impl FnOnce(ErrorOut) -> Status) -> Status {
    let mut error = null_mut();
    let place = out.at(&mut error);
    let status = check(call(place));
    if status == OK || place.is_null() {
        assert!(error.is_null(), "an error without a failure");
        return status;
    }
    assert!(!error.is_null(), "no error was written");
    // SAFETY: the error is ours, until we free it.
    unsafe {
        assert_eq!(oxb_error_status(error), status);
        let message = std::ffi::CStr::from_ptr(oxb_error_message(error));
        assert!(message.to_str().is_ok_and(|message| !message.is_empty()));
        assert!(oxb_error_os(error) >= 0);
        oxb_error_free(error);
    }
    status
}

/// Frees what is left, and sees that nothing stays.
pub(super) fn finish() {
    world().steps.clear();
    lent::check_all();
    clients::close_all();
    for slot in 0..2 {
        // A callback may be in a call, which is its last.
        while !servers::free(slot) {
            std::thread::yield_now();
        }
        configs::free(slot);
    }
    // One that a callback had taken.
    clients::close_all();
    logs::clear();
    // What a callback has freed may go on a thread of the library's, after the callback.
    let deadline = Instant::now() + PATIENCE;
    while !is_clean() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    // SAFETY: the function has no arguments.
    let alive = unsafe { oxb_live_exchanges() };
    assert_eq!(alive, 0, "exchanges are left");
    let handles = std::mem::take(&mut world().handles);
    for handle in handles {
        let mut gone = false;
        // SAFETY: `gone` is ours.
        let status = unsafe { oxb_exchange_is_gone(handle, &mut gone) };
        assert_eq!(status, ERR_STALE, "a server has gone, its exchange has not");
    }
    user::check_all();
    let mut world = world();
    world.ended = None;
    world.lent.clear();
    world.started = 0;
}

/// How long threads of the library may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

fn is_clean() -> bool {
    // SAFETY: the function has no arguments.
    let alive = unsafe { oxb_live_exchanges() };
    alive == 0 && world().users.all_dropped() && descriptors::is_clean()
}
