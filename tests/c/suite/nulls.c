/* NULL for every pointer, one at a time, and numbers that no enumeration has. */
#include "serving.h"

#include <limits.h>

#define WANT_ARG(call) CHECK_STATUS(call, OXB_ERR_ARG)
/* Bytes that are none: a length without data. */
static const oxb_bytes nothing = {NULL, 5};

static void request_outputs(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes bytes = {NULL, 0};
    oxb_field field;
    size_t count = 0;
    char buffer[4];
    WANT_ARG(oxb_request_method(x, NULL));
    WANT_ARG(oxb_request_target(x, NULL));
    WANT_ARG(oxb_request_path(x, NULL));
    WANT_ARG(oxb_request_path_value(x, oxb_str("name"), NULL));
    WANT_ARG(oxb_request_path_value(x, nothing, &bytes));
    WANT_ARG(oxb_request_pattern(x, NULL));
    WANT_ARG(oxb_request_query(x, NULL));
    WANT_ARG(oxb_request_query_value(x, oxb_str("a"), NULL));
    WANT_ARG(oxb_request_query_value(x, nothing, &bytes));
    WANT_ARG(oxb_request_query_at(x, 0, NULL));
    WANT_ARG(oxb_request_host(x, NULL));
    WANT_ARG(oxb_request_scheme(x, NULL));
    WANT_ARG(oxb_request_protocol(x, NULL));
    WANT_ARG(oxb_request_remote(x, NULL));
    WANT_ARG(oxb_request_local(x, NULL));
    WANT_ARG(oxb_request_header(x, oxb_str("host"), NULL));
    WANT_ARG(oxb_request_header(x, nothing, &bytes));
    WANT_ARG(oxb_request_header_nth(x, oxb_str("host"), 0, NULL));
    WANT_ARG(oxb_request_header_nth(x, nothing, 0, &bytes));
    WANT_ARG(oxb_request_header_count(x, NULL));
    WANT_ARG(oxb_request_header_at(x, 0, NULL));
    WANT_ARG(oxb_request_content_length(x, NULL));
    WANT_ARG(oxb_request_read(x, NULL, 4, &count));
    WANT_ARG(oxb_request_read(x, buffer, sizeof buffer, NULL));
    WANT_ARG(oxb_request_body(x, NULL));
    WANT_ARG(oxb_request_trailer(x, oxb_str("name"), NULL));
    WANT_ARG(oxb_request_trailer(x, nothing, &bytes));
    WANT_ARG(oxb_request_tls(x, NULL, sizeof(oxb_tls_info)));
    WANT_ARG(oxb_exchange_is_gone(x, NULL));
    /* An index past the end is no bad argument. */
    CHECK_STATUS(oxb_request_header_at(x, SIZE_MAX, &field), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_query_at(x, SIZE_MAX, &field), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_header_nth(x, oxb_str("host"), SIZE_MAX, &bytes), OXB_ERR_NOT_FOUND);
    reply(x, "checked");
}

static void response_inputs(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes value = oxb_str("value"), name = oxb_str("name");
    WANT_ARG(oxb_response_set_header(x, nothing, value));
    WANT_ARG(oxb_response_set_header(x, name, nothing));
    WANT_ARG(oxb_response_add_header(x, nothing, value));
    WANT_ARG(oxb_response_add_header(x, name, nothing));
    WANT_ARG(oxb_response_delete_header(x, nothing));
    WANT_ARG(oxb_response_get_header(x, nothing, &value));
    WANT_ARG(oxb_response_get_header(x, name, NULL));
    WANT_ARG(oxb_response_set_trailer(x, nothing, value));
    WANT_ARG(oxb_response_set_trailer(x, name, nothing));
    WANT_ARG(oxb_response_write(x, NULL, 1));
    WANT_ARG(oxb_response_send_file(x, NULL, NULL));
    WANT_ARG(oxb_response_written(x, NULL));
    WANT_ARG(oxb_response_head_sent(x, NULL));
    WANT_ARG(oxb_response_status(x, NULL));
    /* Nothing is what NULL and 0 say, and it is allowed. */
    CHECK_OK(oxb_response_write(x, NULL, 0));
    reply(x, "checked");
}

/* Lengths that reach past the address space are caught before the memory is looked at. */
static void absurd_lengths(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes absurd = {(const uint8_t *)"x", SIZE_MAX}, bytes = {NULL, 0};
    WANT_ARG(oxb_response_write(x, "x", SIZE_MAX));
    WANT_ARG(oxb_response_write(x, "x", (SIZE_MAX >> 1) + 1));
    WANT_ARG(oxb_response_set_header(x, oxb_str("a"), absurd));
    WANT_ARG(oxb_response_set_header(x, absurd, oxb_str("a")));
    WANT_ARG(oxb_request_header(x, absurd, &bytes));
    reply(x, "checked");
}

static void bad_kinds(oxb_exchange x, void *unused) {
    (void)unused;
    WANT_ARG(oxb_exchange_notify(x, 0, NULL, NULL, NULL));
    WANT_ARG(oxb_exchange_notify(x, OXB_EVENT_REQUEST, NULL, NULL, NULL));
    WANT_ARG(oxb_exchange_notify(x, 16, NULL, NULL, NULL));
    WANT_ARG(oxb_exchange_notify(x, OXB_EVENT_READABLE | 0x80000000u, NULL, NULL, NULL));
    reply(x, "checked");
}

static void in_a_handler(oxb_handler handler) {
    oxb_server *server = serve_one("/{name}", handler, NULL);
    CHECK_GET(server, "/x?a=1", 200, "checked");
    stop_and_free(server);
}

static void requests(void) { in_a_handler(request_outputs); }
static void responses(void) { in_a_handler(response_inputs); }
static void lengths(void) { in_a_handler(absurd_lengths); }
static void kinds(void) { in_a_handler(bad_kinds); }

static void configs(void) {
    uint64_t value = 0;
    oxb_bytes pem = oxb_str("pem");
    WANT_ARG(oxb_config_new(NULL));
    oxb_config_free(NULL);
    WANT_ARG(oxb_config_listen(NULL, ":0", NULL));
    WANT_ARG(oxb_config_backlog(NULL, 1));
    WANT_ARG(oxb_config_reuse_port(NULL, true));
    WANT_ARG(oxb_config_unix_mode(NULL, 0600));
    WANT_ARG(oxb_config_v6_only(NULL, true));
    WANT_ARG(oxb_config_limit(NULL, OXB_LIMIT_HEADERS, 10));
    WANT_ARG(oxb_config_get_limit(NULL, OXB_LIMIT_HEADERS, &value));
    WANT_ARG(oxb_config_reactors(NULL, 1));
    WANT_ARG(oxb_config_threads(NULL, 1));
    WANT_ARG(oxb_config_queue(NULL, 1));
    WANT_ARG(oxb_config_driven(NULL, true));
    WANT_ARG(oxb_config_tls_files(NULL, "chain", "key"));
    WANT_ARG(oxb_config_tls_pem(NULL, pem, pem));
    WANT_ARG(oxb_config_tls_client_ca_file(NULL, "ca"));
    WANT_ARG(oxb_config_tls_client_ca_pem(NULL, pem));
    WANT_ARG(oxb_config_tls_client_auth(NULL, OXB_CLIENT_AUTH_OFF));
    WANT_ARG(oxb_config_tls_min_version(NULL, OXB_TLS_1_2));
    WANT_ARG(oxb_config_tls_alpn(NULL, &pem, 1));
    WANT_ARG(oxb_config_handle(NULL, "/", reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle_inline(NULL, "/", reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle_queue(NULL, "/", NULL, NULL, NULL));
    WANT_ARG(oxb_config_serve_dir(NULL, "/", ".", NULL));

    oxb_config *config = new_config();
    WANT_ARG(oxb_config_listen(config, NULL, NULL));
    WANT_ARG(oxb_config_get_limit(config, OXB_LIMIT_HEADERS, NULL));
    WANT_ARG(oxb_config_tls_files(config, NULL, "key"));
    WANT_ARG(oxb_config_tls_files(config, "chain", NULL));
    WANT_ARG(oxb_config_tls_pem(config, nothing, pem));
    WANT_ARG(oxb_config_tls_pem(config, pem, nothing));
    WANT_ARG(oxb_config_tls_client_ca_file(config, NULL));
    WANT_ARG(oxb_config_tls_client_ca_pem(config, nothing));
    WANT_ARG(oxb_config_tls_alpn(config, NULL, 1));
    WANT_ARG(oxb_config_handle(config, NULL, reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle(config, "/", NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle_inline(config, NULL, reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle_inline(config, "/", NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_config_handle_queue(config, NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_config_serve_dir(config, NULL, ".", NULL));
    WANT_ARG(oxb_config_serve_dir(config, "/", NULL, NULL));
    oxb_config_free(config);
}

static void servers(void) {
    oxb_server *server = NULL;
    oxb_event event;
    oxb_bytes bytes = {NULL, 0};
    size_t count = 0;
    uint16_t port = 0;
    int fd = -1;
    uint32_t turned = 0;
    WANT_ARG(oxb_server_start(NULL, &server, NULL));
    WANT_ARG(oxb_server_start(new_config(), NULL, NULL)); /* the config is taken, always */
    oxb_server_free(NULL);
    WANT_ARG(oxb_server_begin_stop(NULL, 0));
    WANT_ARG(oxb_server_stop(NULL, 0));
    WANT_ARG(oxb_server_wait(NULL, 0));
    WANT_ARG(oxb_server_reload_tls(NULL, NULL));
    CHECK_U64(oxb_server_address_count(NULL), 0);
    WANT_ARG(oxb_server_address(NULL, 0, &bytes));
    WANT_ARG(oxb_server_port(NULL, &port));
    WANT_ARG(oxb_server_url(NULL, &bytes));
    CHECK_U64(oxb_server_connections(NULL), 0);
    CHECK_U64(oxb_server_exchanges(NULL), 0);
    WANT_ARG(oxb_server_turn(NULL, 0, &turned));
    WANT_ARG(oxb_server_watch(NULL, -1));
    WANT_ARG(oxb_server_wake(NULL));
    WANT_ARG(oxb_server_next(NULL, &event, 1, 0, &count));
    WANT_ARG(oxb_server_queue_fd(NULL, &fd));
    WANT_ARG(oxb_server_handle(NULL, "/", reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle_inline(NULL, "/", reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle_queue(NULL, "/", NULL, NULL, NULL));
    WANT_ARG(oxb_server_serve_dir(NULL, "/", ".", NULL));

    server = serve_one("/", reply_done, NULL);
    WANT_ARG(oxb_server_address(server, 0, NULL));
    CHECK_STATUS(oxb_server_address(server, 1, &bytes), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_server_address(server, SIZE_MAX, &bytes), OXB_ERR_NOT_FOUND);
    WANT_ARG(oxb_server_port(server, NULL));
    WANT_ARG(oxb_server_url(server, NULL));
    WANT_ARG(oxb_server_next(server, NULL, 1, 0, &count));
    WANT_ARG(oxb_server_next(server, &event, 0, 0, &count));
    WANT_ARG(oxb_server_next(server, &event, 1, 0, NULL));
    WANT_ARG(oxb_server_queue_fd(server, NULL));
    WANT_ARG(oxb_server_handle(server, NULL, reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle(server, "/a", NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle_inline(server, NULL, reply_done, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle_inline(server, "/a", NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_server_handle_queue(server, NULL, NULL, NULL, NULL));
    WANT_ARG(oxb_server_serve_dir(server, NULL, ".", NULL));
    WANT_ARG(oxb_server_serve_dir(server, "/a/", NULL, NULL));
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

/* Numbers that no enumeration of the header has. */
static void enumerations(void) {
    static const int32_t wrong[] = {-1, 99, INT32_MAX, INT32_MIN};
    oxb_config *config = new_config();
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        WANT_ARG(oxb_config_limit(config, wrong[i], 1000));
        WANT_ARG(oxb_config_get_limit(config, wrong[i], &value));
        WANT_ARG(oxb_config_tls_client_auth(config, wrong[i]));
        WANT_ARG(oxb_config_tls_min_version(config, wrong[i]));
        WANT_ARG(oxb_log_set(wrong[i], NULL, NULL, NULL));
    }
    WANT_ARG(oxb_config_limit(config, 0, 1000));
    WANT_ARG(oxb_config_limit(config, OXB_LIMIT_WHOLE_BODY + 1, 1000));
    WANT_ARG(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_REQUIRED + 1));
    WANT_ARG(oxb_config_tls_min_version(config, 0x0302)); /* TLS 1.1 */
    WANT_ARG(oxb_log_set(0, NULL, NULL, NULL));
    WANT_ARG(oxb_log_set(OXB_LOG_DEBUG + 1, NULL, NULL, NULL));
    CHECK_U64(value, 7);
    oxb_config_free(config);
}

CASES(nulls, {"nulls: request functions", requests}, {"nulls: response functions", responses},
      {"nulls: lengths past the address space", lengths}, {"nulls: kinds of notification", kinds},
      {"nulls: config functions", configs}, {"nulls: server functions", servers},
      {"nulls: enumerations", enumerations});
