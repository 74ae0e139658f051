//! The data that callbacks get back: each must be dropped exactly once.

use std::ffi::c_void;
use std::ptr::null_mut;

use crate::calls::abi::{Drop, EVENT_REQUEST, Handle};
use crate::calls::arguments::User;
use crate::calls::lent;
use crate::calls::world::{PLACE, Place, play, world};

/// On the heap, so that the sanitizer sees whoever reads it after its end.
struct Token {
    id: usize,
}

pub(super) struct Users {
    /// How often each was dropped.
    drops: Vec<u32>,
    /// Those without a drop function: ours to free.
    kept: Vec<*mut Token>,
    /// How often NULL is to be dropped, less how often it was.
    nulls: i32,
}

impl Users {
    pub(super) const fn new() -> Self {
        Users {
            drops: Vec::new(),
            kept: Vec::new(),
            nulls: 0,
        }
    }

    pub(super) fn all_dropped(&self) -> bool {
        self.nulls == 0 && self.drops.iter().all(|drops| *drops == 1)
    }
}

/// What to give to a call that takes data.
pub(super) fn give(user: User) -> (*mut c_void, Drop) {
    let mut world = world();
    let users = &mut world.users;
    let token = || {
        Box::into_raw(Box::new(Token {
            id: users.drops.len(),
        }))
    };
    match user {
        User::Data | User::Data2 | User::Data3 => {
            let token = token();
            users.drops.push(0);
            (token.cast(), Some(dropped))
        }
        User::DataWithoutDrop => {
            let token = token();
            // Nobody else counts it.
            users.drops.push(1);
            users.kept.push(token);
            (token.cast(), None)
        }
        User::Nothing => (null_mut(), None),
        User::NullWithDrop => {
            users.nulls += 1;
            (null_mut(), Some(dropped))
        }
    }
}

/// For the log.
pub(super) fn give_for_log(user: User) -> (*mut c_void, Drop) {
    let (data, drop) = give(user);
    (data, drop.map(|_| dropped_by_log as extern "C" fn(_)))
}

/// For an event, which hands the data back: that is to tell by itself whether it is to be dropped.
pub(super) fn give_for_event(user: User) -> (*mut c_void, Drop) {
    give(match user {
        User::NullWithDrop => User::Data,
        user => user,
    })
}

/// Reads the data, which must not be dropped yet.
fn touch(user: *mut c_void) {
    if !user.is_null() {
        // SAFETY: the library was given tokens only, and says that this one is kept.
        let id = unsafe { (*user.cast::<Token>()).id };
        std::hint::black_box(id);
    }
}

/// Runs the steps of a callback.
fn call_back(exchange: Handle) -> Place {
    let before = PLACE.get();
    PLACE.set(Place {
        exchange,
        deferred: false,
        depth: before.depth + 1,
        ..before
    });
    play(usize::MAX);
    PLACE.replace(before)
}

/// Runs a step of a drop function, which is still inside the callback in which it is called.
fn drop_back() {
    let before = PLACE.get();
    PLACE.set(Place {
        depth: before.depth + 1,
        dropping: true,
        ..before
    });
    play(1);
    let deferred = PLACE.get().deferred;
    PLACE.set(Place { deferred, ..before });
}

extern "C" fn dropped(user: *mut c_void) {
    count_drop(user);
    // A drop function may call the library, too.
    drop_back();
}

/// That of the log's data must call nothing.
extern "C" fn dropped_by_log(user: *mut c_void) {
    count_drop(user);
}

fn count_drop(user: *mut c_void) {
    if user.is_null() {
        let mut world = world();
        world.users.nulls -= 1;
        assert!(world.users.nulls >= 0, "NULL was dropped once too often");
        return;
    }
    // SAFETY: the library drops a token once; the sanitizer sees the second time.
    let token = unsafe { Box::from_raw(user.cast::<Token>()) };
    let mut world = world();
    world.users.drops[token.id] += 1;
    assert_eq!(world.users.drops[token.id], 1, "dropped twice");
}

/// Answers requests as the script says.
pub(super) extern "C" fn handle(exchange: Handle, user: *mut c_void) {
    touch(user);
    {
        let mut world = world();
        world.saw(exchange);
        world.called.push(exchange);
    }
    let after = call_back(exchange);
    lent::check_all();
    touch(user);
    let mut world = world();
    world.called.retain(|called| *called != exchange);
    // With threads the library may not have ended it yet when another one looks.
    if !after.deferred && !world.threaded {
        world.end(exchange);
    }
}

pub(super) extern "C" fn notice(exchange: Handle, kinds: u32, user: *mut c_void) {
    assert!(kinds != 0 && kinds & !14 == 0, "kinds {kinds}");
    touch(user);
    call_back(0);
    // The exchange may be over by now; the data may not.
    std::hint::black_box(exchange);
    touch(user);
}

/// An event that was taken out of the queue.
pub(super) fn took(exchange: Handle, kinds: u32, user: *mut c_void) {
    assert!(kinds != 0 && kinds & !15 == 0, "kinds {kinds}");
    touch(user);
    if kinds & EVENT_REQUEST == 0 {
        // The data is ours again.
        let is_kept = world().users.kept.contains(&user.cast());
        if !user.is_null() && !is_kept {
            count_drop(user);
        }
        return;
    }
    assert_eq!(kinds, EVENT_REQUEST);
    let mut world = world();
    // A number that was made up may have met it in the queue.
    if !world.is_ended(exchange) {
        world.saw(exchange);
    }
}

/// Sees that everything was dropped, and frees what nobody drops.
pub(super) fn check_all() {
    let users = std::mem::replace(&mut world().users, Users::new());
    assert!(
        users.all_dropped(),
        "drops: {:?}, NULL {}",
        users.drops,
        users.nulls
    );
    for token in users.kept {
        // SAFETY: it is ours, and the library has let go of it with the server.
        drop(unsafe { Box::from_raw(token) });
    }
}
