//! What a server tells of itself.

use crate::entry::{entry, guarded, put, wanted};
use crate::server::{get, oxb_server};
use crate::status::oxb_status::{self, *};
use crate::text::oxb_bytes;

/// How many addresses the server listens on: a name with several addresses counts each.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number; 0 in a forked process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_address_count(server: *const oxb_server) -> usize {
    // SAFETY: NULL, or a server that is not freed meanwhile.
    guarded(|| unsafe { get(server) }.map_or(0, |server| server.addresses.len()))
}

/// The address at `index`, from 0 on, as `oxb_config_listen` reads it, with the port that the system
/// chose: `127.0.0.1:40123`.
///
/// Ownership: `out` is written on success; the bytes are borrowed until `oxb_server_free`.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_address(
    server: *const oxb_server,
    index: usize,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        let address = server.addresses.get(index).ok_or(OXB_ERR_NOT_FOUND)?;
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, oxb_bytes::of(address.as_bytes())) }
    })
}

/// The port of the first TCP address.
///
/// Ownership: `out` is written on success.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: it listens on no TCP port; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_port(server: *const oxb_server, out: *mut u16) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        let mut tcp = server.server.addresses().iter().filter_map(|a| a.tcp());
        let port = tcp.next().ok_or(OXB_ERR_NOT_FOUND)?.port();
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, port) }
    })
}

/// The URL of the first TCP address: `http://127.0.0.1:40123`. An unspecified address is written as a
/// loopback one, which reaches it.
///
/// Ownership: `out` is written on success; the bytes are borrowed until `oxb_server_free`.
/// Threads: any thread.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: it listens on no TCP port; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_url(
    server: *const oxb_server,
    out: *mut oxb_bytes,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: NULL, or a server that is not freed meanwhile.
        let server = unsafe { get(server) }?;
        if server.url.is_empty() {
            return Err(OXB_ERR_NOT_FOUND);
        }
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, oxb_bytes::of(server.url.as_bytes())) }
    })
}

/// How many connections are open.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number; 0 in a forked process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_connections(server: *const oxb_server) -> u64 {
    // SAFETY: NULL, or a server that is not freed meanwhile.
    guarded(|| unsafe { get(server) }.map_or(0, |server| server.server.connections() as u64))
}

/// How many exchanges are alive: begun, and not ended.
///
/// Threads: any thread.
/// NULL: 0.
/// Returns: the number; 0 in a forked process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_server_exchanges(server: *const oxb_server) -> u64 {
    // SAFETY: NULL, or a server that is not freed meanwhile.
    guarded(|| unsafe { get(server) }.map_or(0, |server| server.server.exchanges() as u64))
}
