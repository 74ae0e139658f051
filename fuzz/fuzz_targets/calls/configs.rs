//! Calls on configs.

use std::ptr::null_mut;

use crate::calls::abi::*;
use crate::calls::arguments::{Out, Text, User};
use crate::calls::script::ConfigCall;
use crate::calls::user;
use crate::calls::world::{check, explained, world};

pub(super) struct Slot {
    config: *mut Config,
    /// It was told to listen at an address that must not be tried: a name that somebody would be asked
    /// for, a file, a descriptor of somebody else's.
    listens_anywhere: bool,
}

impl Slot {
    pub(super) const fn empty() -> Self {
        Slot {
            config: null_mut(),
            listens_anywhere: false,
        }
    }
}

/// Makes what the first config of a process makes for good.
pub(super) fn touch() {
    free_one(new());
}

pub(super) fn new() -> *mut Config {
    let mut config = null_mut();
    // SAFETY: `config` is ours.
    unsafe { assert_eq!(oxb_config_new(&mut config), OK) };
    config
}

fn free_one(config: *mut Config) {
    // SAFETY: NULL or ours, and not used from here on.
    unsafe { oxb_config_free(config) };
}

pub(super) fn free(slot: usize) {
    let old = std::mem::replace(&mut world().configs[slot], Slot::empty());
    free_one(old.config);
}

/// Takes a config that may be started.
pub(super) fn take(slot: usize) -> *mut Config {
    let old = std::mem::replace(&mut world().configs[slot], Slot::empty());
    if old.listens_anywhere {
        free_one(old.config);
        return null_mut();
    }
    old.config
}

/// The call has the config for itself: it is put back afterwards. From number 240 on it gets NULL.
pub(super) fn perform(number: u8, call: ConfigCall) {
    let slot = usize::from(number) % 2;
    let mut mine = if number < 240 {
        std::mem::replace(&mut world().configs[slot], Slot::empty())
    } else {
        Slot::empty()
    };
    match call {
        ConfigCall::New(out) => {
            let mut made = null_mut();
            // SAFETY: NULL or ours to be written.
            let status = check(unsafe { oxb_config_new(out.at(&mut made)) });
            assert_eq!(status == OK, !made.is_null());
            if !made.is_null() {
                free_one(mine.config);
                mine = Slot {
                    config: made,
                    listens_anywhere: false,
                };
            }
        }
        ConfigCall::Free => {
            free_one(mine.config);
            mine = Slot::empty();
        }
        ConfigCall::ListenAnywhere { address, error } => {
            listen(mine.config, &address, error);
            mine.listens_anywhere = true;
        }
        call => {
            let status = change(mine.config, call);
            assert!(
                !mine.config.is_null() || status == ERR_ARG,
                "NULL gave {status}"
            );
        }
    }
    if !mine.config.is_null() {
        let other = std::mem::replace(&mut world().configs[slot], mine);
        free_one(other.config);
    }
}

fn listen(config: *mut Config, address: &Text, error: Out) -> Status {
    // SAFETY: NULL or ours, each.
    explained(error, |error| unsafe {
        oxb_config_listen(config, address.as_ptr(), error)
    })
}

/// Addresses that may be tried.
const ADDRESSES: [&std::ffi::CStr; 6] = [
    c"127.0.0.1:0",
    c"[::1]:0",
    c"fd:999999",
    c"systemd",
    c"nonsense",
    c"unix:@",
];

/// Any call that leaves the config where it is.
pub(super) fn change(config: *mut Config, call: ConfigCall) -> Status {
    // SAFETY: the config is NULL or ours alone; so is everything that is given with it, until the call
    // returns.
    let status = unsafe {
        match call {
            ConfigCall::Limit { limit, value } => {
                oxb_config_limit(config, (limit % 16).into(), value)
            }
            ConfigCall::SmallLimit { limit, value } => {
                oxb_config_limit(config, (limit % 16).into(), value.into())
            }
            ConfigCall::AnyLimit { limit, value } => oxb_config_limit(config, limit, value),
            ConfigCall::GetLimit { limit, out } => {
                oxb_config_get_limit(config, (limit % 16).into(), out.at(&mut 0))
            }
            ConfigCall::Listen { address, error } => {
                let address = ADDRESSES[usize::from(address) % ADDRESSES.len()];
                explained(error, |error| {
                    oxb_config_listen(config, address.as_ptr(), error)
                })
            }
            ConfigCall::Backlog(connections) => {
                oxb_config_backlog(config, connections.get() as u32)
            }
            ConfigCall::ReusePort(on) => oxb_config_reuse_port(config, on),
            ConfigCall::UnixMode(mode) => oxb_config_unix_mode(config, mode.into()),
            ConfigCall::V6Only(on) => oxb_config_v6_only(config, on),
            ConfigCall::Handle {
                how,
                pattern,
                handler,
                user,
                error,
            } => handle(config, how, &pattern, handler, user, error),
            ConfigCall::ServeDir {
                pattern,
                directory,
                error,
            } => explained(error, |error| {
                oxb_config_serve_dir(config, pattern.as_ptr(), directory.as_ptr(), error)
            }),
            ConfigCall::Reactors(count) => oxb_config_reactors(config, count.get() as u32),
            ConfigCall::Threads(count) => oxb_config_threads(config, count.get() as u32),
            ConfigCall::Queue(exchanges) => oxb_config_queue(config, exchanges.get() as u32),
            ConfigCall::Driven(on) => oxb_config_driven(config, on),
            ConfigCall::TlsFiles { chain, key } => {
                oxb_config_tls_files(config, chain.as_ptr(), key.as_ptr())
            }
            ConfigCall::TlsPem { chain, key } => oxb_config_tls_pem(config, chain.get(), key.get()),
            ConfigCall::TlsClientCaFile(path) => {
                oxb_config_tls_client_ca_file(config, path.as_ptr())
            }
            ConfigCall::TlsClientCaPem(pem) => oxb_config_tls_client_ca_pem(config, pem.get()),
            ConfigCall::TlsClientAuth(policy) => {
                oxb_config_tls_client_auth(config, (policy % 4).into())
            }
            ConfigCall::TlsMinVersion(version) => oxb_config_tls_min_version(config, version),
            ConfigCall::TlsAlpn { protocols, given } => {
                let protocols: Vec<_> = protocols.0.iter().map(|protocol| protocol.get()).collect();
                let mut none = 0;
                let first = match given.at(&mut none).is_null() {
                    true => std::ptr::null(),
                    false => protocols.as_ptr(),
                };
                oxb_config_tls_alpn(config, first, protocols.len())
            }
            // These do not leave it where it is.
            ConfigCall::New(_) | ConfigCall::Free | ConfigCall::ListenAnywhere { .. } => ERR_ARG,
        }
    };
    check(status)
}

fn handle(
    config: *mut Config,
    how: u8,
    pattern: &Text,
    handler: bool,
    user: User,
    error: Out,
) -> Status {
    let (data, drop) = user::give(user);
    let handler = handler.then_some(user::handle as extern "C" fn(_, _));
    let pattern = pattern.as_ptr();
    // SAFETY: as above; the data is dropped by `drop`.
    explained(error, |error| unsafe {
        match how % 3 {
            0 => oxb_config_handle(config, pattern, handler, data, drop, error),
            1 => oxb_config_handle_inline(config, pattern, handler, data, drop, error),
            _ => oxb_config_handle_queue(config, pattern, data, drop, error),
        }
    })
}
