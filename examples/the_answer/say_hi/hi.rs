use std::ffi::{CStr, CString, c_char};
use std::ptr;

/// See hi.h.
///
/// # Safety
///
/// `name` is null, or a string that ends in NUL and that nobody changes during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn say_hi(name: *const c_char) -> *mut c_char {
    if name.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    let name = unsafe { CStr::from_ptr(name) };
    let Ok(name) = name.to_str() else {
        return ptr::null_mut(); // no UTF-8
    };
    // An error would mean a NUL inside, and `name` ended at its first.
    CString::new(format!("Hi, {name}!")).map_or(ptr::null_mut(), CString::into_raw)
}

/// See hi.h.
///
/// # Safety
///
/// `hi` is null, or came from [`say_hi`] and has not been freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_hi(hi: *mut c_char) {
    if !hi.is_null() {
        // SAFETY: `say_hi` made it with `into_raw`, and the caller gives it back only once.
        drop(unsafe { CString::from_raw(hi) });
    }
}
