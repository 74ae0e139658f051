//! The log, and questions about the library itself.

use std::ffi::{CStr, c_void};
use std::ptr::null_mut;

use crate::calls::abi::*;
use crate::calls::arguments::{Text, User};
use crate::calls::lent::read;
use crate::calls::user;
use crate::calls::world::check;

extern "C" fn line(level: i32, message: Bytes, _user: *mut c_void) {
    assert!((1..=4).contains(&level), "level {level}");
    assert!(String::from_utf8(read(message)).is_ok_and(|line| !line.ends_with('\n')));
}

pub(super) fn set(level: u8, callback: bool, user: User) {
    // Four of these are levels.
    let level = i32::from(level % 6);
    let (data, drop) = user::give_for_log(user);
    // SAFETY: the functions are as the header wants them, the data is dropped by `drop`.
    unsafe { check(oxb_log_set(level, callback.then_some(line), data, drop)) };
}

pub(super) fn clear() {
    // SAFETY: no pointer is given.
    unsafe { assert_eq!(oxb_log_set(1, None, null_mut(), None), OK) };
}

pub(super) fn ask(status: i8, name: &Text) {
    // SAFETY: the library's texts are there for ever, ours until this returns.
    unsafe {
        for text in [oxb_strerror(status.into()), oxb_version_string()] {
            assert!(
                CStr::from_ptr(text)
                    .to_str()
                    .is_ok_and(|text| !text.is_empty())
            );
        }
        oxb_version();
        oxb_abi_check(status as u32);
        oxb_has_feature(name.as_ptr());
    }
}
