//! What the library has lent: it must stay as it was until the exchange ends.

use crate::calls::abi::{Bytes, Handle, OK, oxb_exchange_is_gone};
use crate::calls::world::world;

pub(super) struct Lent {
    pub(super) handle: Handle,
    bytes: Bytes,
    copy: Vec<u8>,
}

/// As many as are kept in mind.
const MOST: usize = 24;

/// Reads bytes that are lent for now.
pub(super) fn read(bytes: Bytes) -> Vec<u8> {
    if bytes.len == 0 {
        return Vec::new();
    }
    // SAFETY: the library says so; that it is right the sanitizer sees.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }.to_vec()
}

/// Keeps in mind what is lent until the exchange ends. With threads nobody knows when that is.
pub(super) fn keep(handle: Handle, bytes: Bytes) {
    let mut world = world();
    if !world.threaded && world.lent.len() < MOST {
        world.lent.push(Lent {
            handle,
            bytes,
            copy: read(bytes),
        });
    }
}

/// Compares what is lent with what it was.
pub(super) fn check_all() {
    let mut lent = std::mem::take(&mut world().lent);
    lent.retain(|lent| {
        let mut gone = false;
        // SAFETY: `gone` is ours.
        let alive = unsafe { oxb_exchange_is_gone(lent.handle, &mut gone) } == OK;
        assert!(
            !alive || read(lent.bytes) == lent.copy,
            "what was lent has changed"
        );
        alive
    });
    world().lent = lent;
}
