//! Which functions are in use: one is started once at a time, since a function for the start sets up what there
//! is once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::function::Name;

static CLAIMED: Mutex<Vec<Name>> = Mutex::new(Vec::new());

/// Functions that nobody else starts until this is dropped.
#[derive(Debug)]
pub(crate) struct Claim(Vec<Name>);

impl Claim {
    /// # Errors
    /// [`Error::AlreadyStarted`].
    pub(crate) fn new(names: Vec<Name>) -> Result<Self, Error> {
        let mut claimed = claimed();
        if let Some(name) = names.iter().find(|name| claimed.contains(name)) {
            return Err(Error::AlreadyStarted {
                function: name.to_string(),
            });
        }
        claimed.extend(names.iter().cloned());
        Ok(Claim(names))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().retain(|name| !self.0.contains(name));
    }
}

fn claimed() -> MutexGuard<'static, Vec<Name>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}
