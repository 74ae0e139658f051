//! Calls on servers.

use std::ffi::CString;
use std::ptr::null_mut;

use crate::calls::abi::*;
use crate::calls::arguments::{self, Few, Out, Time, User};
use crate::calls::configs;
use crate::calls::descriptors;
use crate::calls::lent::{self, read};
use crate::calls::script::{ConfigCall, ServerCall};
use crate::calls::user;
use crate::calls::world::{PLACE, check, explained, is_threaded, world};

pub(super) struct Slot {
    server: *mut Server,
    /// Which of the script's servers this is; its socket has this number in its name.
    pub(super) number: u32,
    /// Calls under way in which callbacks run: turns, and what takes turns.
    driving: u32,
    /// Other calls under way.
    using: u32,
}

impl Slot {
    pub(super) const fn empty() -> Self {
        Slot {
            server: null_mut(),
            number: 0,
            driving: 0,
            using: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.server.is_null()
    }
}

/// The name of a server's socket, which is no file's.
pub(super) fn socket_name(number: u32) -> String {
    format!("oxbridge-fuzz-{}-{number}", std::process::id())
}

/// Uses a server as long as this lives, so that nobody frees it meanwhile.
struct Lease {
    slot: usize,
    number: u32,
    server: *mut Server,
    driving: bool,
}

/// From number 240 on it is NULL; where there is no server, it is none.
fn lease(number: u8, driving: bool) -> Option<Lease> {
    let slot = slot_of(number);
    let mut world = world();
    if number >= 240 {
        return Some(Lease {
            slot,
            number: 0,
            server: null_mut(),
            driving,
        });
    }
    let held = &mut world.servers[slot];
    if held.is_empty() {
        return None;
    }
    *if driving {
        &mut held.driving
    } else {
        &mut held.using
    } += 1;
    Some(Lease {
        slot,
        number: held.number,
        server: held.server,
        driving,
    })
}

/// With threads of the library there is one server, so that two do not wait for each other.
pub(super) fn slot_of(number: u8) -> usize {
    if is_threaded() {
        0
    } else {
        usize::from(number) % 2
    }
}

impl std::ops::Drop for Lease {
    fn drop(&mut self) {
        let held = &mut world().servers[self.slot];
        // A callback may have freed it, and another one may be in its place.
        if held.number == self.number && !held.is_empty() {
            *if self.driving {
                &mut held.driving
            } else {
                &mut held.using
            } -= 1;
        }
    }
}

/// The first server has a route of each kind.
pub(super) fn start_first(setup: Few<ConfigCall>) {
    let config = configs::new();
    for call in setup.0 {
        configs::change(config, call);
    }
    let (folder, out) = (arguments::folder(), null_mut());
    let handler = Some(user::handle as extern "C" fn(_, _));
    let give = || user::give(User::Data);
    // SAFETY: the config is ours, the texts are until the calls return. Where the setup has taken a
    // pattern, its own route stays.
    unsafe {
        let (data, drop) = give();
        check(oxb_config_handle(
            config,
            c"/cb/{x}".as_ptr(),
            handler,
            data,
            drop,
            out,
        ));
        let (data, drop) = give();
        check(oxb_config_handle_inline(
            config,
            c"/in/{rest...}".as_ptr(),
            handler,
            data,
            drop,
            out,
        ));
        let (data, drop) = give();
        check(oxb_config_handle_queue(
            config,
            c"/q/".as_ptr(),
            data,
            drop,
            out,
        ));
        check(oxb_config_serve_dir(
            config,
            c"GET /d/{p...}".as_ptr(),
            folder.as_ptr(),
            out,
        ));
    }
    let mut server = null_mut();
    // SAFETY: the output is ours.
    let (number, _) = begin(config, |config| unsafe {
        oxb_server_start(config, &mut server, out)
    });
    put(0, number, server);
}

pub(super) fn start(config: u8, server: u8, out: Out, error: Out) {
    let slot = slot_of(server);
    if !world().servers[slot].is_empty() {
        return;
    }
    let config = if config < 240 {
        configs::take(usize::from(config) % 2)
    } else {
        null_mut()
    };
    let mut server = null_mut();
    let place = out.at(&mut server);
    // SAFETY: the output is NULL or ours.
    let (number, status) = begin(config, |config| {
        explained(error, |error| unsafe {
            oxb_server_start(config, place, error)
        })
    });
    assert_eq!(status == OK, !server.is_null());
    put(slot, number, server);
}

/// Sees to it that clients find the server, and that it runs as this script wants it; gives its number.
fn begin(config: *mut Config, start: impl FnOnce(*mut Config) -> Status) -> (u32, Status) {
    let (number, threaded) = {
        let mut world = world();
        world.started += 1;
        (world.started, world.threaded)
    };
    // A name has no NUL.
    let address = CString::new(format!("unix:@{}", socket_name(number))).unwrap();
    // SAFETY: the config is NULL or ours.
    unsafe {
        oxb_config_listen(config, address.as_ptr(), null_mut());
        oxb_config_driven(config, !threaded);
        if threaded {
            oxb_config_reactors(config, 1);
            oxb_config_threads(config, 3);
            for limit in LIMIT_HEADER_TIMEOUT..=LIMIT_WRITE_TIMEOUT {
                oxb_config_limit(config, limit, 20);
            }
        }
    }
    (number, check(start(config)))
}

fn put(slot: usize, number: u32, server: *mut Server) {
    if server.is_null() {
        return;
    }
    let mut guard = world();
    let held = &mut guard.servers[slot];
    // A drop function that ran meanwhile may have put another one there.
    if held.is_empty() {
        *held = Slot {
            server,
            number,
            driving: 0,
            using: 0,
        };
        return;
    }
    drop(guard);
    // SAFETY: the server is ours, and nobody uses it.
    unsafe { oxb_server_free(server) };
}

/// Frees a server if nobody uses it, except for the calls that the callback on this thread is in; says
/// whether it is gone.
pub(super) fn free(slot: usize) -> bool {
    lent::check_all();
    let server = {
        let mut world = world();
        let threaded = world.threaded;
        let held = &mut world.servers[slot];
        let in_its_callback = !threaded && PLACE.get().in_callback();
        if held.using > 0 || (held.driving > 0 && !in_its_callback) {
            return false;
        }
        std::mem::replace(held, Slot::empty()).server
    };
    // SAFETY: NULL or ours, and as the header wants it.
    unsafe { oxb_server_free(server) };
    true
}

/// Takes a few turns of every server, so that clients are served.
pub(super) fn settle() {
    if is_threaded() || PLACE.get().depth > 0 {
        return;
    }
    for number in 0..2 {
        for _ in 0..3 {
            let Some(lease) = lease(number, true) else {
                break;
            };
            let mut turned = 0;
            // SAFETY: the server is ours, and nobody frees it but a callback.
            let status = check(unsafe { oxb_server_turn(lease.server, 0, &mut turned) });
            if status != OK || turned & TURN_HANDLED == 0 {
                break;
            }
        }
    }
}

pub(super) fn perform(number: u8, call: ServerCall) {
    let call = match call {
        ServerCall::Free if number < 240 => {
            free(slot_of(number));
            return;
        }
        // SAFETY: NULL is nobody's.
        ServerCall::Free => return unsafe { oxb_server_free(null_mut()) },
        call => call,
    };
    let driving = matches!(
        call,
        ServerCall::Turn { .. } | ServerCall::Turn2 | ServerCall::Stop(_) | ServerCall::Wait(_)
    );
    // Only where it is sure that it is the server's own callback, a call may be asked to wait.
    let may_wait = !(PLACE.get().in_callback() && world().started == 1);
    let Some(lease) = lease(number, driving) else {
        return;
    };
    let status = call_it(lease.server, call, may_wait);
    assert!(
        !lease.server.is_null() || status == ERR_ARG,
        "NULL gave {status}"
    );
}

fn call_it(server: *mut Server, call: ServerCall, may_wait: bool) -> Status {
    let ms = |time: Time| time.get(may_wait) as u64;
    let mut bytes = Bytes {
        data: null_mut(),
        len: 0,
    };
    // SAFETY: the server is NULL or ours; what is given with it is NULL or ours until the call returns.
    let status = unsafe {
        match call {
            ServerCall::Turn { timeout, out } => {
                oxb_server_turn(server, timeout.get(may_wait), out.at(&mut 0))
            }
            ServerCall::Turn2 => oxb_server_turn(server, 0, &mut 0),
            ServerCall::Next {
                capacity,
                timeout,
                events,
                count,
            } => next(server, capacity, timeout.get(may_wait), events, count),
            ServerCall::Next2 => next(server, 4, 0, Out::YES, Out::YES),
            ServerCall::QueueFd(out) => oxb_server_queue_fd(server, out.at(&mut 0)),
            ServerCall::Address { index, out } => {
                oxb_server_address(server, index.get(), out.at(&mut bytes))
            }
            ServerCall::Port(out) => oxb_server_port(server, out.at(&mut 0)),
            ServerCall::Url(out) => oxb_server_url(server, out.at(&mut bytes)),
            ServerCall::Counts => {
                let counts = [
                    oxb_server_connections(server),
                    oxb_server_exchanges(server),
                    oxb_server_address_count(server) as u64,
                ];
                assert!(!server.is_null() || counts == [0; 3]);
                ERR_ARG
            }
            ServerCall::Handle {
                how,
                pattern,
                handler,
                user,
                error,
            } => {
                let (data, drop) = user::give(user);
                let handler = handler.then_some(user::handle as extern "C" fn(_, _));
                let pattern = pattern.as_ptr();
                explained(error, |error| match how % 3 {
                    0 => oxb_server_handle(server, pattern, handler, data, drop, error),
                    1 => oxb_server_handle_inline(server, pattern, handler, data, drop, error),
                    _ => oxb_server_handle_queue(server, pattern, data, drop, error),
                })
            }
            ServerCall::ServeDir {
                pattern,
                directory,
                error,
            } => explained(error, |error| {
                oxb_server_serve_dir(server, pattern.as_ptr(), directory.as_ptr(), error)
            }),
            ServerCall::Wake => oxb_server_wake(server),
            ServerCall::Watch(fd) => oxb_server_watch(server, descriptors::number(fd)),
            // This one never waits.
            ServerCall::BeginStop(grace) => oxb_server_begin_stop(server, grace.get(false) as u64),
            ServerCall::Stop(grace) => oxb_server_stop(server, ms(grace)),
            ServerCall::Wait(timeout) => oxb_server_wait(server, ms(timeout)),
            ServerCall::ReloadTls(error) => {
                explained(error, |error| oxb_server_reload_tls(server, error))
            }
            // Done before.
            ServerCall::Free => ERR_ARG,
        }
    };
    std::str::from_utf8(&read(bytes)).expect("text");
    check(status)
}

fn next(server: *mut Server, capacity: u8, timeout: i64, events: Out, count: Out) -> Status {
    let capacity = usize::from(capacity % 5);
    let mut taken: Vec<Event> = Vec::with_capacity(capacity.max(1));
    let mut first = std::ptr::NonNull::<Event>::dangling();
    let place = match events.at(&mut first).is_null() {
        true => null_mut(),
        false => taken.as_mut_ptr(),
    };
    let mut number = 0;
    // SAFETY: room for `capacity` events, or NULL.
    let status =
        unsafe { oxb_server_next(server, place, capacity, timeout, count.at(&mut number)) };
    if status == OK {
        assert!(number <= capacity);
        // SAFETY: the library has written so many.
        unsafe { taken.set_len(number) };
    }
    for event in taken {
        user::took(event.exchange, event.kinds, event.user_data);
    }
    status
}
