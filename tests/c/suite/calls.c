/* The table of calls that handles, threads and processes are tried with. */
#include "calls.h"

/* Where results go; nobody reads them. One for each thread, for calls may come from several. */
static _Thread_local oxb_bytes bytes;
static _Thread_local oxb_field field;
static _Thread_local oxb_tls_info tls;
static _Thread_local uint64_t number;
static _Thread_local uint16_t status;
static _Thread_local size_t count;
static _Thread_local bool flag;
static _Thread_local char buffer[16];

#define NAME oxb_str("name")
#define VALUE oxb_str("value")
#define CALL(function, ...)                                                                        \
    static oxb_status run_##function(oxb_exchange x) { return function(__VA_ARGS__); }

CALL(oxb_exchange_defer, x)
CALL(oxb_exchange_end, x)
CALL(oxb_exchange_refuse, x, 503)
CALL(oxb_exchange_abort, x)
CALL(oxb_exchange_reply, x, 200, "text/plain", VALUE)
CALL(oxb_exchange_notify, x, OXB_EVENT_READABLE, NULL, NULL, NULL)
CALL(oxb_exchange_is_gone, x, &flag)
CALL(oxb_request_method, x, &bytes)
CALL(oxb_request_target, x, &bytes)
CALL(oxb_request_path, x, &bytes)
CALL(oxb_request_path_value, x, NAME, &bytes)
CALL(oxb_request_pattern, x, &bytes)
CALL(oxb_request_query, x, &bytes)
CALL(oxb_request_query_value, x, NAME, &bytes)
CALL(oxb_request_query_at, x, 0, &field)
CALL(oxb_request_host, x, &bytes)
CALL(oxb_request_scheme, x, &bytes)
CALL(oxb_request_protocol, x, &bytes)
CALL(oxb_request_remote, x, &bytes)
CALL(oxb_request_local, x, &bytes)
CALL(oxb_request_header, x, NAME, &bytes)
CALL(oxb_request_header_nth, x, NAME, 0, &bytes)
CALL(oxb_request_header_count, x, &count)
CALL(oxb_request_header_at, x, 0, &field)
CALL(oxb_request_content_length, x, &number)
CALL(oxb_request_read, x, buffer, sizeof buffer, &count)
CALL(oxb_request_body, x, &bytes)
CALL(oxb_request_trailer, x, NAME, &bytes)
CALL(oxb_request_tls, x, &tls, sizeof tls)
CALL(oxb_response_set_status, x, 200)
CALL(oxb_response_inform, x, 103)
CALL(oxb_response_set_header, x, NAME, VALUE)
CALL(oxb_response_add_header, x, NAME, VALUE)
CALL(oxb_response_delete_header, x, NAME)
CALL(oxb_response_get_header, x, NAME, &bytes)
CALL(oxb_response_set_trailer, x, NAME, VALUE)
CALL(oxb_response_write, x, "value", 5)
CALL(oxb_response_flush, x)
CALL(oxb_response_status, x, &status)
CALL(oxb_response_write_fd, x, 0, 0, 0)
CALL(oxb_response_send_file, x, "name", NULL)
CALL(oxb_response_written, x, &number)
CALL(oxb_response_head_sent, x, &flag)
CALL(oxb_response_reset, x)

#define ROW(function) {#function, run_##function}

const struct exchange_call exchange_calls[] = {
    ROW(oxb_exchange_defer),         ROW(oxb_exchange_end),         ROW(oxb_exchange_refuse),
    ROW(oxb_exchange_abort),         ROW(oxb_exchange_reply),       ROW(oxb_exchange_notify),
    ROW(oxb_exchange_is_gone),       ROW(oxb_request_method),       ROW(oxb_request_target),
    ROW(oxb_request_path),           ROW(oxb_request_path_value),   ROW(oxb_request_pattern),
    ROW(oxb_request_query),          ROW(oxb_request_query_value),  ROW(oxb_request_query_at),
    ROW(oxb_request_host),           ROW(oxb_request_scheme),       ROW(oxb_request_protocol),
    ROW(oxb_request_remote),         ROW(oxb_request_local),        ROW(oxb_request_header),
    ROW(oxb_request_header_nth),     ROW(oxb_request_header_count), ROW(oxb_request_header_at),
    ROW(oxb_request_content_length), ROW(oxb_request_read),         ROW(oxb_request_body),
    ROW(oxb_request_trailer),        ROW(oxb_request_tls),          ROW(oxb_response_set_status),
    ROW(oxb_response_inform),        ROW(oxb_response_set_header),  ROW(oxb_response_add_header),
    ROW(oxb_response_delete_header), ROW(oxb_response_get_header),  ROW(oxb_response_set_trailer),
    ROW(oxb_response_write),         ROW(oxb_response_flush),       ROW(oxb_response_status),
    ROW(oxb_response_write_fd),      ROW(oxb_response_send_file),   ROW(oxb_response_written),
    ROW(oxb_response_head_sent),     ROW(oxb_response_reset),       {NULL, NULL}
};

void check_all_calls(oxb_exchange exchange, oxb_status wanted) {
    for (const struct exchange_call *call = exchange_calls; call->name != NULL; call++) {
        check_row(call->name);
        CHECK_STATUS(call->run(exchange), wanted);
    }
    check_row(NULL);
}
