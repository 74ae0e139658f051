//! Versions and features: does the header fit the library?

use std::ffi::{CStr, c_char};

use crate::entry::{entry, guarded};
use crate::status::oxb_status::{self, *};

/// The major version that this header belongs to.
pub const OXB_VERSION_MAJOR: u32 = 0;
/// The minor version that this header belongs to.
pub const OXB_VERSION_MINOR: u32 = 1;
/// The patch level that this header belongs to.
pub const OXB_VERSION_PATCH: u32 = 0;
/// The number of the binary interface, which is also in the SONAME (`liboxbridge.so.1`). It goes up when
/// a program has to be compiled anew.
pub const OXB_ABI: u32 = 1;

/// The version of the library as one number that grows: `major << 16 | minor << 8 | patch`, as
/// `OXB_VERSION_NUMBER` is for the header.
///
/// Threads: any thread.
/// Returns: the number.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_version() -> u32 {
    OXB_VERSION_MAJOR << 16 | OXB_VERSION_MINOR << 8 | OXB_VERSION_PATCH
}

/// The version of the library as text, such as `"0.1.0"`.
///
/// Ownership: the text is the library's, valid for ever.
/// Threads: any thread.
/// Returns: NUL-terminated UTF-8, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_version_string() -> *const c_char {
    // concat! ends it with the NUL that it is taken to have.
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Whether a program that was compiled with this header can use the library that it has met at run time:
/// `oxb_abi_check(OXB_ABI)`.
///
/// Threads: any thread.
/// Returns: `OXB_OK` or `OXB_ERR_ABI`.
#[unsafe(no_mangle)]
pub extern "C" fn oxb_abi_check(abi: u32) -> oxb_status {
    entry(|| {
        if abi == OXB_ABI {
            Ok(())
        } else {
            Err(OXB_ERR_ABI)
        }
    })
}

/// Whether the library has a feature: `"http1"`, `"http2"`, `"tls"`, `"unix"` (Unix sockets), `"systemd"`
/// (socket activation), `"driven"` (`oxb_server_turn`), `"queue"` (`oxb_server_next`), `"queue_fd"`.
///
/// Ownership: `name` is borrowed until this returns.
/// Threads: any thread.
/// NULL: false.
/// Returns: true if it has; false for a name that it does not know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_has_feature(name: *const c_char) -> bool {
    const FEATURES: [&CStr; 7] = [
        c"http1", c"http2", c"tls", c"unix", c"systemd", c"driven", c"queue",
    ];
    guarded(|| {
        if name.is_null() {
            return false;
        }
        // SAFETY: not NULL, so NUL-terminated as the caller promises.
        let name = unsafe { CStr::from_ptr(name) };
        FEATURES.contains(&name) || (cfg!(target_os = "linux") && name == c"queue_fd")
    })
}
