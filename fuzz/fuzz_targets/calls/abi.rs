//! The C ABI as `include/oxbridge.h` declares it: written down once more, as any program that speaks C
//! without reading the header would.

use std::ffi::{c_char, c_int, c_void};

pub(super) type Status = i32;
pub(super) type Handle = u64;

pub(super) const OK: Status = 0;
pub(super) const ERR_ARG: Status = -1;
pub(super) const ERR_STALE: Status = -2;
pub(super) const ERR_BUSY: Status = -3;
pub(super) const ERR_BAD_STATUS: Status = -11;
pub(super) const ERR_FORKED: Status = -21;
pub(super) const ERR_ABI: Status = -22;
pub(super) const ERR_PANIC: Status = -24;

pub(super) const EVENT_REQUEST: u32 = 1;
pub(super) const TURN_HANDLED: u32 = 1;
pub(super) const LIMIT_HEADER_TIMEOUT: i32 = 7;
pub(super) const LIMIT_WRITE_TIMEOUT: i32 = 10;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    pub(super) data: *const u8,
    pub(super) len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: Bytes,
    pub(super) value: Bytes,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct TlsInfo {
    pub(super) texts: [Bytes; 5],
    pub(super) version_code: u16,
    pub(super) cipher_code: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) exchange: Handle,
    pub(super) user_data: *mut c_void,
    pub(super) kinds: u32,
    pub(super) reserved: u32,
}

#[repr(C)]
pub(super) struct Config([u8; 0]);
#[repr(C)]
pub(super) struct Server([u8; 0]);
#[repr(C)]
pub(super) struct Error([u8; 0]);

pub(super) type Handler = Option<extern "C" fn(Handle, *mut c_void)>;
pub(super) type Drop = Option<extern "C" fn(*mut c_void)>;
pub(super) type Notify = Option<extern "C" fn(Handle, u32, *mut c_void)>;
pub(super) type Log = Option<extern "C" fn(i32, Bytes, *mut c_void)>;

pub(super) type Text = *const c_char;
pub(super) type ErrorOut = *mut *mut Error;
/// How a header field is set.
pub(super) type SetField = unsafe extern "C" fn(Handle, Bytes, Bytes) -> Status;
/// A text of the request.
pub(super) type GetText = unsafe extern "C" fn(Handle, *mut Bytes) -> Status;
/// A text by its name.
pub(super) type FindText = unsafe extern "C" fn(Handle, Bytes, *mut Bytes) -> Status;

#[rustfmt::skip]
unsafe extern "C" {
    pub(super) fn oxb_config_new(out: *mut *mut Config) -> Status;
    pub(super) fn oxb_config_free(config: *mut Config);
    pub(super) fn oxb_config_limit(config: *mut Config, limit: i32, value: u64) -> Status;
    pub(super) fn oxb_config_get_limit(config: *const Config, limit: i32, out: *mut u64) -> Status;
    pub(super) fn oxb_config_listen(config: *mut Config, address: Text, error: ErrorOut) -> Status;
    pub(super) fn oxb_config_backlog(config: *mut Config, connections: u32) -> Status;
    pub(super) fn oxb_config_reuse_port(config: *mut Config, on: bool) -> Status;
    pub(super) fn oxb_config_unix_mode(config: *mut Config, mode: u32) -> Status;
    pub(super) fn oxb_config_v6_only(config: *mut Config, on: bool) -> Status;
    pub(super) fn oxb_config_handle(config: *mut Config, pattern: Text, handler: Handler, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_config_handle_inline(config: *mut Config, pattern: Text, handler: Handler, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_config_handle_queue(config: *mut Config, pattern: Text, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_config_serve_dir(config: *mut Config, pattern: Text, directory: Text, error: ErrorOut) -> Status;
    pub(super) fn oxb_config_reactors(config: *mut Config, count: u32) -> Status;
    pub(super) fn oxb_config_threads(config: *mut Config, count: u32) -> Status;
    pub(super) fn oxb_config_queue(config: *mut Config, exchanges: u32) -> Status;
    pub(super) fn oxb_config_driven(config: *mut Config, on: bool) -> Status;
    pub(super) fn oxb_config_tls_files(config: *mut Config, chain: Text, key: Text) -> Status;
    pub(super) fn oxb_config_tls_pem(config: *mut Config, chain: Bytes, key: Bytes) -> Status;
    pub(super) fn oxb_config_tls_client_ca_file(config: *mut Config, path: Text) -> Status;
    pub(super) fn oxb_config_tls_client_ca_pem(config: *mut Config, pem: Bytes) -> Status;
    pub(super) fn oxb_config_tls_client_auth(config: *mut Config, policy: i32) -> Status;
    pub(super) fn oxb_config_tls_min_version(config: *mut Config, version: i32) -> Status;
    pub(super) fn oxb_config_tls_alpn(config: *mut Config, protocols: *const Bytes, count: usize) -> Status;

    pub(super) fn oxb_live_exchanges() -> u64;
    pub(super) fn oxb_exchange_defer(exchange: Handle) -> Status;
    pub(super) fn oxb_exchange_end(exchange: Handle) -> Status;
    pub(super) fn oxb_exchange_refuse(exchange: Handle, status: u16) -> Status;
    pub(super) fn oxb_exchange_abort(exchange: Handle) -> Status;
    pub(super) fn oxb_exchange_reply(exchange: Handle, status: u16, content_type: Text, body: Bytes) -> Status;
    pub(super) fn oxb_exchange_is_gone(exchange: Handle, out: *mut bool) -> Status;
    pub(super) fn oxb_exchange_notify(exchange: Handle, kinds: u32, callback: Notify, user_data: *mut c_void, drop: Drop) -> Status;

    pub(super) fn oxb_error_status(error: *const Error) -> Status;
    pub(super) fn oxb_error_message(error: *const Error) -> Text;
    pub(super) fn oxb_error_os(error: *const Error) -> i32;
    pub(super) fn oxb_error_free(error: *mut Error);
    pub(super) fn oxb_log_set(level: i32, log: Log, user_data: *mut c_void, drop: Drop) -> Status;

    pub(super) fn oxb_request_method(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_target(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_path(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_path_value(exchange: Handle, name: Bytes, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_pattern(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_query(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_query_value(exchange: Handle, name: Bytes, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_query_at(exchange: Handle, index: usize, out: *mut Field) -> Status;
    pub(super) fn oxb_request_host(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_scheme(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_protocol(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_remote(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_local(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_content_length(exchange: Handle, out: *mut u64) -> Status;
    pub(super) fn oxb_request_read(exchange: Handle, buffer: *mut c_void, capacity: usize, count: *mut usize) -> Status;
    pub(super) fn oxb_request_body(exchange: Handle, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_trailer(exchange: Handle, name: Bytes, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_header(exchange: Handle, name: Bytes, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_header_nth(exchange: Handle, name: Bytes, n: usize, out: *mut Bytes) -> Status;
    pub(super) fn oxb_request_header_count(exchange: Handle, out: *mut usize) -> Status;
    pub(super) fn oxb_request_header_at(exchange: Handle, index: usize, out: *mut Field) -> Status;
    pub(super) fn oxb_request_tls(exchange: Handle, out: *mut TlsInfo, size: usize) -> Status;

    pub(super) fn oxb_response_set_status(exchange: Handle, status: u16) -> Status;
    pub(super) fn oxb_response_inform(exchange: Handle, status: u16) -> Status;
    pub(super) fn oxb_response_write(exchange: Handle, data: *const c_void, len: usize) -> Status;
    pub(super) fn oxb_response_flush(exchange: Handle) -> Status;
    pub(super) fn oxb_response_status(exchange: Handle, out: *mut u16) -> Status;
    pub(super) fn oxb_response_written(exchange: Handle, out: *mut u64) -> Status;
    pub(super) fn oxb_response_head_sent(exchange: Handle, out: *mut bool) -> Status;
    pub(super) fn oxb_response_reset(exchange: Handle) -> Status;
    pub(super) fn oxb_response_write_fd(exchange: Handle, fd: c_int, offset: u64, length: u64) -> Status;
    pub(super) fn oxb_response_send_file(exchange: Handle, path: Text, error: ErrorOut) -> Status;
    pub(super) fn oxb_response_set_header(exchange: Handle, name: Bytes, value: Bytes) -> Status;
    pub(super) fn oxb_response_add_header(exchange: Handle, name: Bytes, value: Bytes) -> Status;
    pub(super) fn oxb_response_delete_header(exchange: Handle, name: Bytes) -> Status;
    pub(super) fn oxb_response_get_header(exchange: Handle, name: Bytes, out: *mut Bytes) -> Status;
    pub(super) fn oxb_response_set_trailer(exchange: Handle, name: Bytes, value: Bytes) -> Status;

    pub(super) fn oxb_server_start(config: *mut Config, out: *mut *mut Server, error: ErrorOut) -> Status;
    pub(super) fn oxb_server_free(server: *mut Server);
    pub(super) fn oxb_server_begin_stop(server: *mut Server, grace_ms: u64) -> Status;
    pub(super) fn oxb_server_stop(server: *mut Server, grace_ms: u64) -> Status;
    pub(super) fn oxb_server_wait(server: *mut Server, timeout_ms: u64) -> Status;
    pub(super) fn oxb_server_reload_tls(server: *mut Server, error: ErrorOut) -> Status;
    pub(super) fn oxb_server_turn(server: *mut Server, timeout_ms: i64, out: *mut u32) -> Status;
    pub(super) fn oxb_server_watch(server: *mut Server, fd: c_int) -> Status;
    pub(super) fn oxb_server_wake(server: *mut Server) -> Status;
    pub(super) fn oxb_server_next(server: *mut Server, events: *mut Event, capacity: usize, timeout_ms: i64, count: *mut usize) -> Status;
    pub(super) fn oxb_server_queue_fd(server: *mut Server, out: *mut c_int) -> Status;
    pub(super) fn oxb_server_address_count(server: *const Server) -> usize;
    pub(super) fn oxb_server_address(server: *const Server, index: usize, out: *mut Bytes) -> Status;
    pub(super) fn oxb_server_port(server: *const Server, out: *mut u16) -> Status;
    pub(super) fn oxb_server_url(server: *const Server, out: *mut Bytes) -> Status;
    pub(super) fn oxb_server_connections(server: *const Server) -> u64;
    pub(super) fn oxb_server_exchanges(server: *const Server) -> u64;
    pub(super) fn oxb_server_handle(server: *mut Server, pattern: Text, handler: Handler, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_server_handle_inline(server: *mut Server, pattern: Text, handler: Handler, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_server_handle_queue(server: *mut Server, pattern: Text, user_data: *mut c_void, drop: Drop, error: ErrorOut) -> Status;
    pub(super) fn oxb_server_serve_dir(server: *mut Server, pattern: Text, directory: Text, error: ErrorOut) -> Status;

    pub(super) fn oxb_strerror(status: i32) -> Text;
    pub(super) fn oxb_version() -> u32;
    pub(super) fn oxb_version_string() -> Text;
    pub(super) fn oxb_abi_check(abi: u32) -> Status;
    pub(super) fn oxb_has_feature(name: Text) -> bool;
}
