//! Versions and features: does the header fit the library, and which Python is in it?

use std::ffi::{CStr, c_char};

use oxbridge_embed::pyo3;

use crate::entry::{entry, guarded};
use crate::status::oxe_status::{self, *};

/// The major version that this header belongs to.
pub const OXE_VERSION_MAJOR: u32 = 0;
/// The minor version that this header belongs to.
pub const OXE_VERSION_MINOR: u32 = 1;
/// The patch level that this header belongs to.
pub const OXE_VERSION_PATCH: u32 = 0;
/// The number of the binary interface, which is also in the SONAME (`liboxbridge_embed.so.1`). It goes up
/// when a program has to be compiled anew.
pub const OXE_ABI: u32 = 1;

/// The version of the library as one number that grows: `major << 16 | minor << 8 | patch`, as
/// `OXE_VERSION_NUMBER` is for the header.
///
/// Threads: any thread.
/// Returns: the number.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_version() -> u32 {
    OXE_VERSION_MAJOR << 16 | OXE_VERSION_MINOR << 8 | OXE_VERSION_PATCH
}

/// The version of the library as text, such as `"0.1.0"`.
///
/// Ownership: the text is the library's, valid for ever.
/// Threads: any thread.
/// Returns: NUL-terminated UTF-8, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_version_string() -> *const c_char {
    // concat! ends it with the NUL that it is taken to have.
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The version of Python that the library is linked with, as `sys.version` has it: `"3.11.7 (main, …"`. Python
/// need not have been started.
///
/// Ownership: the text is the library's, valid for ever.
/// Threads: any thread.
/// Returns: NUL-terminated UTF-8, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_python_version() -> *const c_char {
    // SAFETY: may be called at any time; what it points to stays.
    unsafe { pyo3::ffi::Py_GetVersion() }
}

/// Whether a program that was compiled with this header can use the library that it has met at run time:
/// `oxe_abi_check(OXE_ABI)`.
///
/// Threads: any thread.
/// Returns: `OXE_OK` or `OXE_ERR_ABI`.
#[unsafe(no_mangle)]
pub extern "C" fn oxe_abi_check(abi: u32) -> oxe_status {
    entry(|| {
        if abi == OXE_ABI {
            Ok(())
        } else {
            Err(OXE_ERR_ABI)
        }
    })
}

/// Whether the library has a feature: `"functions"` (`oxe_python_call`), `"callbacks"` (`oxe_python_begin`),
/// `"coroutines"` (functions may be `async def`), `"reload"` (`oxe_python_reload`), `"free-threaded"` (its
/// Python has no GIL).
///
/// Ownership: `name` is borrowed until this returns.
/// Threads: any thread.
/// NULL: false.
/// Returns: true if it has; false for a name that it does not know.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxe_has_feature(name: *const c_char) -> bool {
    const FEATURES: [&CStr; 4] = [c"functions", c"callbacks", c"coroutines", c"reload"];
    guarded(|| {
        if name.is_null() {
            return false;
        }
        // SAFETY: not NULL, so NUL-terminated as the caller promises.
        let name = unsafe { CStr::from_ptr(name) };
        FEATURES.contains(&name) || (name == c"free-threaded" && is_free_threaded())
    })
}

/// Such a Python says so in its version (PEP 703).
fn is_free_threaded() -> bool {
    // SAFETY: what the function gives is NUL-terminated and stays.
    let version = unsafe { CStr::from_ptr(oxe_python_version()) };
    version
        .to_bytes()
        .windows(14)
        .any(|part| part == b"free-threading")
}
