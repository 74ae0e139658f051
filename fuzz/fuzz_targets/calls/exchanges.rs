//! Calls on exchanges.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use crate::calls::abi::*;
use crate::calls::arguments::{Descriptor, Out, User, Which};
use crate::calls::descriptors;
use crate::calls::lent;
use crate::calls::script::ExchangeCall;
use crate::calls::user;
use crate::calls::world::{PLACE, check, explained, world};

/// What a call does to the exchange if it succeeds, and after some failures.
#[derive(PartialEq)]
enum Effect {
    None,
    Defers,
    Ends,
    /// Ends, unless the status is not for a refusal.
    Refuses,
}

pub(super) fn perform(which: Which, call: ExchangeCall) {
    let (handle, was_ended, threaded) = {
        let world = world();
        let handle = world.handle(which);
        (handle, world.is_ended(handle), world.threaded)
    };
    let effect = match call {
        ExchangeCall::Defer => Effect::Defers,
        ExchangeCall::Refuse(_) => Effect::Refuses,
        ExchangeCall::End | ExchangeCall::Abort | ExchangeCall::Reply { .. } => Effect::Ends,
        _ => Effect::None,
    };
    let ends = matches!(effect, Effect::Ends | Effect::Refuses);
    if ends && threaded && !may_end(handle) {
        return;
    }
    if ends {
        lent::check_all();
    }
    let status = check(call_it(handle, call));
    assert!(!was_ended || status != OK, "a stale handle was taken");
    assert!(threaded || status != ERR_BUSY, "nobody else uses it");
    match effect {
        Effect::Defers if status == OK => {
            let mut place = PLACE.get();
            assert!(place.exchange == handle && !place.deferred);
            place.deferred = true;
            PLACE.set(place);
            world().called.retain(|called| *called != handle);
        }
        Effect::Refuses if status == ERR_BAD_STATUS => {}
        Effect::Ends | Effect::Refuses if has_ended(handle, status) => {
            world().end(handle);
            let mut gone = false;
            // SAFETY: the output is ours.
            let status = unsafe { oxb_exchange_is_gone(handle, &mut gone) };
            assert_eq!(status, ERR_STALE, "it has ended");
        }
        _ => {}
    }
}

/// What ends an exchange does so also when it fails, unless it says that it cannot. Of a number that was
/// made up nobody knows: it may be given to an exchange yet.
fn has_ended(handle: Handle, status: Status) -> bool {
    match status {
        OK => true,
        ERR_STALE | ERR_BUSY => false,
        _ => world().handles.contains(&handle),
    }
}

/// Before its callback has deferred it, another thread must not end an exchange.
fn may_end(handle: Handle) -> bool {
    PLACE.get().exchange == handle || !world().called.contains(&handle)
}

/// Keeps what was lent in mind.
fn lend(handle: Handle, out: Out, get: impl FnOnce(*mut Bytes) -> Status) -> Status {
    let mut bytes = Bytes {
        data: null(),
        len: 0,
    };
    let status = get(out.at(&mut bytes));
    if status == OK {
        lent::keep(handle, bytes);
    }
    status
}

const TEXTS: [GetText; 9] = [
    oxb_request_method,
    oxb_request_target,
    oxb_request_path,
    oxb_request_pattern,
    oxb_request_query,
    oxb_request_host,
    oxb_request_scheme,
    oxb_request_protocol,
    oxb_request_remote,
];
const FIND: [FindText; 4] = [
    oxb_request_path_value,
    oxb_request_query_value,
    oxb_request_trailer,
    oxb_request_header,
];
const FIELDS: [SetField; 3] = [
    oxb_response_set_header,
    oxb_response_add_header,
    oxb_response_set_trailer,
];

fn call_it(handle: Handle, call: ExchangeCall) -> Status {
    // SAFETY: a handle may be any number; pointers are NULL or ours until the call returns, with as much
    // behind them as we say.
    unsafe {
        match call {
            ExchangeCall::Defer => oxb_exchange_defer(handle),
            ExchangeCall::End => oxb_exchange_end(handle),
            ExchangeCall::Refuse(status) => oxb_exchange_refuse(handle, status % 700),
            ExchangeCall::Abort => oxb_exchange_abort(handle),
            ExchangeCall::Reply {
                status,
                content_type,
                body,
            } => oxb_exchange_reply(handle, status.0, content_type.as_ptr(), body.get()),
            ExchangeCall::IsGone(out) => oxb_exchange_is_gone(handle, out.at(&mut false)),
            ExchangeCall::Notify {
                kinds,
                callback,
                user,
            } => notify(handle, u32::from(kinds % 16), callback, user),
            ExchangeCall::NotifyAnything { kinds, user } => notify(handle, kinds, true, user),
            ExchangeCall::GetText { which, out } => match TEXTS.get(usize::from(which) % 10) {
                Some(get) => lend(handle, out, |out| get(handle, out)),
                None => lend(handle, out, |out| oxb_request_local(handle, out)),
            },
            ExchangeCall::FindText { which, name, out } => match FIND.get(usize::from(which) % 5) {
                Some(find) => lend(handle, out, |out| find(handle, name.get(), out)),
                // Lent for a moment only.
                None => oxb_response_get_header(
                    handle,
                    name.get(),
                    out.at(&mut Bytes {
                        data: null(),
                        len: 0,
                    }),
                ),
            },
            ExchangeCall::HeaderNth { name, n, out } => lend(handle, out, |out| {
                oxb_request_header_nth(handle, name.get(), n.into(), out)
            }),
            ExchangeCall::FieldAt {
                headers,
                index,
                out,
            } => field_at(handle, headers, index.get(), out),
            ExchangeCall::HeaderCount(out) => oxb_request_header_count(handle, out.at(&mut 0)),
            ExchangeCall::ContentLength(out) => oxb_request_content_length(handle, out.at(&mut 0)),
            ExchangeCall::Read {
                capacity,
                buffer,
                count,
            } => read_body(handle, capacity, buffer, count),
            ExchangeCall::Body(out) => lend(handle, out, |out| oxb_request_body(handle, out)),
            ExchangeCall::Tls { size, out } => tls(handle, size.into(), out),
            ExchangeCall::SetStatus(status) => oxb_response_set_status(handle, status.0),
            ExchangeCall::Inform(status) => oxb_response_inform(handle, status.0),
            ExchangeCall::Write(data) => {
                let bytes = data.get();
                oxb_response_write(handle, bytes.data.cast(), bytes.len)
            }
            ExchangeCall::Flush => oxb_response_flush(handle),
            ExchangeCall::Status(out) => oxb_response_status(handle, out.at(&mut 0)),
            ExchangeCall::Written(out) => oxb_response_written(handle, out.at(&mut 0)),
            ExchangeCall::HeadSent(out) => oxb_response_head_sent(handle, out.at(&mut false)),
            ExchangeCall::Reset => oxb_response_reset(handle),
            ExchangeCall::WriteFd { fd, offset, length } => {
                oxb_response_write_fd(handle, descriptors::number(fd), offset, length)
            }
            ExchangeCall::WriteSmallFd { offset, length } => {
                let file = descriptors::number(Descriptor::File);
                oxb_response_write_fd(handle, file, offset.into(), length.into())
            }
            ExchangeCall::SendFile { path, error } => explained(error, |error| {
                oxb_response_send_file(handle, path.as_ptr(), error)
            }),
            ExchangeCall::SetField { how, name, value } => {
                FIELDS[usize::from(how) % FIELDS.len()](handle, name.get(), value.get())
            }
            ExchangeCall::DeleteHeader(name) => oxb_response_delete_header(handle, name.get()),
        }
    }
}

fn notify(handle: Handle, kinds: u32, callback: bool, user: User) -> Status {
    let (data, drop) = if callback {
        user::give(user)
    } else {
        user::give_for_event(user)
    };
    let callback = callback.then_some(user::notice as extern "C" fn(_, _, _));
    // SAFETY: the function is as the header wants it; the data is dropped by `drop`.
    unsafe { oxb_exchange_notify(handle, kinds, callback, data, drop) }
}

fn field_at(handle: Handle, headers: bool, index: usize, out: Out) -> Status {
    let none = Bytes {
        data: null(),
        len: 0,
    };
    let mut field = Field {
        name: none,
        value: none,
    };
    let get = if headers {
        oxb_request_header_at
    } else {
        oxb_request_query_at
    };
    // SAFETY: the output is NULL or ours.
    let status = unsafe { get(handle, index, out.at(&mut field)) };
    if status == OK {
        lent::keep(handle, field.name);
        lent::keep(handle, field.value);
    }
    status
}

fn read_body(handle: Handle, capacity: u16, buffer: Out, count: Out) -> Status {
    let capacity = usize::from(capacity % 4096);
    let mut room: Vec<u8> = Vec::with_capacity(capacity.max(1));
    let mut length = 0;
    let place: *mut c_void = match buffer.at(&mut length).is_null() {
        true => null_mut(),
        false => room.as_mut_ptr().cast(),
    };
    // SAFETY: room for `capacity` bytes, or NULL.
    let status = unsafe { oxb_request_read(handle, place, capacity, count.at(&mut length)) };
    assert!(status != OK || length <= capacity);
    status
}

fn tls(handle: Handle, size: usize, out: Out) -> Status {
    // More than a later library's struct has.
    let mut room = [0u64; 40];
    // The lengths around the real one are the interesting ones.
    let size = if size < 200 {
        size
    } else {
        size_of::<TlsInfo>()
    };
    // SAFETY: the output is NULL or has room for `size` bytes.
    unsafe { oxb_request_tls(handle, out.at(&mut room).cast(), size) }
}
