//! What a client may use.

use std::time::Duration;

use crate::config::{change, oxb_config};
use crate::entry::{entry, put, wanted};
use crate::status::oxb_status::{self, *};

/// For `OXB_LIMIT_BODY_BYTES` and `OXB_LIMIT_CONNECTIONS`: no limit.
pub const OXB_UNLIMITED: u64 = u64::MAX;

/// A limit on what a client, or all of them together, may use.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum oxb_limit {
    /// Bytes of a request head; past it 431. 8192 to 1073741824; default 65536.
    OXB_LIMIT_HEAD_BYTES = 1,
    /// Bytes of a request target; past it 414. 1 to 1073741824; default 16384.
    OXB_LIMIT_TARGET_BYTES = 2,
    /// Header fields of a request; past it 431. 1 to 65535; default 100.
    OXB_LIMIT_HEADERS = 3,
    /// Bytes of a request body; past it 413. 0 and more; default `OXB_UNLIMITED`, since bodies stream.
    OXB_LIMIT_BODY_BYTES = 4,
    /// A body up to this many bytes is read before its callback runs, so that a slow client holds no
    /// thread. 0, which starts every callback at once, to 1073741824; default 65536.
    OXB_LIMIT_BUFFER_BODY = 5,
    /// Bytes that may be written ahead of a slow client before a write waits. 0 to 1073741824; default
    /// 262144.
    OXB_LIMIT_WRITE_AHEAD = 6,
    /// Milliseconds for a request head, from its first byte or the accept to its end, and for a TLS
    /// handshake. As all times here 1 to 31536000000, a year; default 10000.
    OXB_LIMIT_HEADER_TIMEOUT = 7,
    /// Milliseconds without a byte of a body that somebody waits for. Default 30000.
    OXB_LIMIT_BODY_TIMEOUT = 8,
    /// Milliseconds that a connection may stay without a request. Default 75000.
    OXB_LIMIT_KEEP_ALIVE_TIMEOUT = 9,
    /// Milliseconds in which a client takes none of the bytes that are due to it. Default 60000.
    OXB_LIMIT_WRITE_TIMEOUT = 10,
    /// Open connections; past it new ones wait. 1 and more; default `OXB_UNLIMITED`.
    OXB_LIMIT_CONNECTIONS = 11,
    /// Concurrent streams of an HTTP/2 connection (RFC 9113 §5.1.2). 1 to 4294967295; default 128.
    OXB_LIMIT_H2_STREAMS = 12,
    /// Streams that an HTTP/2 client may reset before they are handled; past it the connection ends
    /// (CVE-2023-44487). 0 and more; default 20.
    OXB_LIMIT_H2_RESETS = 13,
    /// Bytes of a request body that `oxb_request_body` takes into memory; past it `OXB_ERR_TOO_LARGE`.
    /// Default 16777216.
    OXB_LIMIT_WHOLE_BODY = 14,
}

use oxb_limit::*;

const ALL: [oxb_limit; 14] = [
    OXB_LIMIT_HEAD_BYTES,
    OXB_LIMIT_TARGET_BYTES,
    OXB_LIMIT_HEADERS,
    OXB_LIMIT_BODY_BYTES,
    OXB_LIMIT_BUFFER_BODY,
    OXB_LIMIT_WRITE_AHEAD,
    OXB_LIMIT_HEADER_TIMEOUT,
    OXB_LIMIT_BODY_TIMEOUT,
    OXB_LIMIT_KEEP_ALIVE_TIMEOUT,
    OXB_LIMIT_WRITE_TIMEOUT,
    OXB_LIMIT_CONNECTIONS,
    OXB_LIMIT_H2_STREAMS,
    OXB_LIMIT_H2_RESETS,
    OXB_LIMIT_WHOLE_BODY,
];

/// The smallest bound on a head: what any client's own request may need.
const LEAST_HEAD: u64 = 8192;
/// The largest bound on what is held in memory for one client.
const MOST_BYTES: u64 = 1 << 30;
/// The most header fields that are counted.
const MOST_HEADERS: u64 = u16::MAX as u64;
/// The longest time, in milliseconds.
const MOST_TIME: u64 = 365 * 24 * 3600 * 1000;

fn limit(number: i32) -> Result<oxb_limit, oxb_status> {
    ALL.into_iter()
        .find(|limit| *limit as i32 == number)
        .ok_or(OXB_ERR_ARG)
}

fn set(config: &mut oxb_config, limit: oxb_limit, value: u64) -> Result<(), oxb_status> {
    let limits = &mut config.limits;
    let within = |least: u64, most: u64| {
        if (least..=most).contains(&value) {
            usize::try_from(value).map_err(|_| OXB_ERR_ARG)
        } else {
            Err(OXB_ERR_ARG)
        }
    };
    let time = || within(1, MOST_TIME).map(|_| Duration::from_millis(value));
    match limit {
        OXB_LIMIT_HEAD_BYTES => limits.max_head_bytes = within(LEAST_HEAD, MOST_BYTES)?,
        OXB_LIMIT_TARGET_BYTES => limits.max_target_bytes = within(1, MOST_BYTES)?,
        OXB_LIMIT_HEADERS => limits.max_headers = within(1, MOST_HEADERS)?,
        OXB_LIMIT_BODY_BYTES => limits.max_body = (value != OXB_UNLIMITED).then_some(value),
        OXB_LIMIT_BUFFER_BODY => limits.buffer_body = within(0, MOST_BYTES)?,
        OXB_LIMIT_WRITE_AHEAD => limits.write_ahead = within(0, MOST_BYTES)?,
        OXB_LIMIT_HEADER_TIMEOUT => limits.header_timeout = time()?,
        OXB_LIMIT_BODY_TIMEOUT => limits.body_timeout = time()?,
        OXB_LIMIT_KEEP_ALIVE_TIMEOUT => limits.keep_alive_timeout = time()?,
        OXB_LIMIT_WRITE_TIMEOUT => limits.write_timeout = time()?,
        OXB_LIMIT_CONNECTIONS if value == OXB_UNLIMITED => limits.max_connections = None,
        OXB_LIMIT_CONNECTIONS => limits.max_connections = Some(within(1, u64::MAX)?),
        OXB_LIMIT_H2_STREAMS => {
            within(1, u64::from(u32::MAX))?;
            limits.h2_max_streams = u32::try_from(value).map_err(|_| OXB_ERR_ARG)?;
        }
        OXB_LIMIT_H2_RESETS => limits.h2_max_resets = within(0, u64::MAX)?,
        OXB_LIMIT_WHOLE_BODY => config.whole_body = value,
    }
    Ok(())
}

fn get(config: &oxb_config, limit: oxb_limit) -> u64 {
    let limits = &config.limits;
    // Whole milliseconds were set, and the defaults are seconds.
    let time = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match limit {
        OXB_LIMIT_HEAD_BYTES => limits.max_head_bytes as u64,
        OXB_LIMIT_TARGET_BYTES => limits.max_target_bytes as u64,
        OXB_LIMIT_HEADERS => limits.max_headers as u64,
        OXB_LIMIT_BODY_BYTES => limits.max_body.unwrap_or(OXB_UNLIMITED),
        OXB_LIMIT_BUFFER_BODY => limits.buffer_body as u64,
        OXB_LIMIT_WRITE_AHEAD => limits.write_ahead as u64,
        OXB_LIMIT_HEADER_TIMEOUT => time(limits.header_timeout),
        OXB_LIMIT_BODY_TIMEOUT => time(limits.body_timeout),
        OXB_LIMIT_KEEP_ALIVE_TIMEOUT => time(limits.keep_alive_timeout),
        OXB_LIMIT_WRITE_TIMEOUT => time(limits.write_timeout),
        OXB_LIMIT_CONNECTIONS => limits.max_connections.map_or(OXB_UNLIMITED, |n| n as u64),
        OXB_LIMIT_H2_STREAMS => u64::from(limits.h2_max_streams),
        OXB_LIMIT_H2_RESETS => limits.h2_max_resets as u64,
        OXB_LIMIT_WHOLE_BODY => config.whole_body,
    }
}

/// Sets a limit. `limit` is one of `oxb_limit`, which also tells the unit and range of `value`.
///
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for a limit that is none and a value out of its range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_limit(
    config: *mut oxb_config,
    limit: i32,
    value: u64,
) -> oxb_status {
    let change_it = |config: &mut oxb_config| set(config, self::limit(limit)?, value);
    // SAFETY: NULL, or a config that only this thread uses now.
    unsafe { change(config, change_it) }
}

/// The value of a limit, one of `oxb_limit`.
///
/// Ownership: `out` is written on success.
/// Threads: one thread at a time for one config.
/// NULL: `OXB_ERR_ARG`.
/// Returns: `OXB_OK`; `OXB_ERR_ARG` also for a limit that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn oxb_config_get_limit(
    config: *const oxb_config,
    limit: i32,
    out: *mut u64,
) -> oxb_status {
    entry(|| {
        wanted(out)?;
        // SAFETY: NULL, or a config that only this thread uses now.
        let config = unsafe { config.as_ref() }.ok_or(OXB_ERR_ARG)?;
        let value = get(config, self::limit(limit)?);
        // SAFETY: `out` is NULL or the caller's to be written.
        unsafe { put(out, value) }
    })
}
