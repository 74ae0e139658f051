//! The caller's data, which callbacks get back.

use std::ffi::c_void;

/// Called when data that was given with a callback is no longer needed: exactly once, also when the call
/// that took the data fails. On any thread.
pub type oxb_drop = Option<extern "C" fn(user_data: *mut c_void)>;

/// The caller's data. Its drop function runs when this is dropped.
pub(crate) struct UserData {
    data: *mut c_void,
    drop: oxb_drop,
}

// SAFETY: the library only hands the pointer around; the header says that callbacks, and with them the
// data, are used from any thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(data: *mut c_void, drop: oxb_drop) -> Self {
        UserData { data, drop }
    }

    /// Gives the data back to the caller, whose it is again.
    pub(crate) fn hand_over(mut self) {
        self.drop = None;
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            drop(self.data);
        }
    }
}
