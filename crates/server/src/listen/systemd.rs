//! Socket activation: the sockets that systemd, or a supervisor that speaks its protocol, hands
//! over.
//!
//! The protocol is `sd_listen_fds(3)`: `LISTEN_FDS` counts the descriptors from 3 on, `LISTEN_PID`
//! says which process they are for, and `LISTEN_FDNAMES` names them, separated by colons. The
//! variables stay set: to change the environment of a process with threads is not safe.
//! `LISTEN_PID` keeps child processes from believing them.

use std::env;
use std::io::ErrorKind;
use std::os::fd::RawFd;

use super::error::BindError;
use super::{Listener, inherited};

/// A listener for every socket that was handed over, with its name.
pub(super) fn adopt_all() -> Result<Vec<Listener>, BindError> {
    let count = meant_for_us()?;
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':').map(Some).chain(std::iter::repeat(None));
    let mut listeners = Vec::new();
    for fd in FIRST..FIRST + count {
        let mut listener = inherited::adopt(fd).map_err(|refusal| refusal.at("systemd".into()))?;
        listener.name = names
            .next()
            .flatten()
            .filter(|name| !name.is_empty())
            .map(Into::into);
        listeners.push(listener);
    }
    Ok(listeners)
}

/// How many descriptors were handed to this process; never 0.
fn meant_for_us() -> Result<RawFd, BindError> {
    let wrong = |reason: String| BindError::new("systemd", ErrorKind::InvalidInput, reason);
    let number = |name: &str| match env::var_os(name) {
        None => Err(wrong(format!(
            "{name} is not set: this process was not started by socket activation"
        ))),
        Some(value) => value
            .to_str()
            .and_then(|value| value.parse::<u32>().ok())
            .ok_or_else(|| wrong(format!("{name} is {value:?}; wanted a number"))),
    };
    let meant = number("LISTEN_PID")?;
    let own = std::process::id();
    if meant != own {
        return Err(wrong(format!(
            "LISTEN_PID is {meant}, but this is process {own}: the sockets are for another one"
        )));
    }
    match number("LISTEN_FDS")? {
        0 => Err(wrong("LISTEN_FDS is 0: no socket was handed over".into())),
        count => RawFd::try_from(count)
            .ok()
            .filter(|count| count.checked_add(FIRST).is_some())
            .ok_or_else(|| wrong(format!("LISTEN_FDS is {count}: no process has that many"))),
    }
}

/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;
