/* Settings: what is accepted, what is not, and what is there when nothing was set. */
#include "serving.h"

#define WANT_ARG(call) CHECK_STATUS(call, OXB_ERR_ARG)

/* Number and default of each limit; times in milliseconds. */
static const struct {
    int32_t limit;
    uint64_t standard;
} limits[] = {
    {OXB_LIMIT_HEAD_BYTES,         64 << 10     },
    {OXB_LIMIT_TARGET_BYTES,       16 << 10     },
    {OXB_LIMIT_HEADERS,            100          },
    {OXB_LIMIT_BODY_BYTES,         OXB_UNLIMITED},
    {OXB_LIMIT_BUFFER_BODY,        64 << 10     },
    {OXB_LIMIT_WRITE_AHEAD,        256 << 10    },
    {OXB_LIMIT_HEADER_TIMEOUT,     10000        },
    {OXB_LIMIT_BODY_TIMEOUT,       30000        },
    {OXB_LIMIT_KEEP_ALIVE_TIMEOUT, 75000        },
    {OXB_LIMIT_WRITE_TIMEOUT,      60000        },
    {OXB_LIMIT_CONNECTIONS,        OXB_UNLIMITED},
    {OXB_LIMIT_H2_STREAMS,         128          },
    {OXB_LIMIT_H2_RESETS,          20           },
    {OXB_LIMIT_WHOLE_BODY,         16 << 20     }
};
enum { LIMITS = sizeof limits / sizeof limits[0] };

static void limit_numbers(void) {
    for (int i = 0; i < LIMITS; i++) {
        CHECK_INT(limits[i].limit, i + 1);
    }
}

static void limit_defaults(void) {
    oxb_config *config = new_config();
    for (int i = 0; i < LIMITS; i++) {
        uint64_t value = 0;
        CHECK_OK(oxb_config_get_limit(config, limits[i].limit, &value));
        CHECK_U64(value, limits[i].standard);
    }
    oxb_config_free(config);
}

static void limit_round_trip(void) {
    oxb_config *config = new_config();
    for (int i = 0; i < LIMITS; i++) {
        CHECK_OK(oxb_config_limit(config, limits[i].limit, 9000 + (uint64_t)i));
    }
    for (int i = 0; i < LIMITS; i++) {
        uint64_t value = 0;
        CHECK_OK(oxb_config_get_limit(config, limits[i].limit, &value));
        CHECK_U64(value, 9000 + (uint64_t)i);
    }
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BODY_BYTES, OXB_UNLIMITED));
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_CONNECTIONS, OXB_UNLIMITED));
    oxb_config_free(config);
}

/* A refused value changes nothing. */
static void limit_refusals(void) {
    static const struct {
        int32_t limit;
        uint64_t value;
    } bad[] = {
        {OXB_LIMIT_HEAD_BYTES,         0                },
        {OXB_LIMIT_HEAD_BYTES,         8191             },
        {OXB_LIMIT_TARGET_BYTES,       0                },
        {OXB_LIMIT_HEADERS,            0                },
        {OXB_LIMIT_HEADER_TIMEOUT,     0                },
        {OXB_LIMIT_BODY_TIMEOUT,       0                },
        {OXB_LIMIT_KEEP_ALIVE_TIMEOUT, 0                },
        {OXB_LIMIT_WRITE_TIMEOUT,      0                },
        {OXB_LIMIT_CONNECTIONS,        0                },
        {OXB_LIMIT_H2_STREAMS,         0                },
        {OXB_LIMIT_H2_STREAMS,         UINT64_C(1) << 32}
    };
    oxb_config *config = new_config();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t before = 0, after = 1;
        CHECK_OK(oxb_config_get_limit(config, bad[i].limit, &before));
        WANT_ARG(oxb_config_limit(config, bad[i].limit, bad[i].value));
        CHECK_OK(oxb_config_get_limit(config, bad[i].limit, &after));
        CHECK_U64(after, before);
    }
    oxb_config_free(config);
}

static void read_late(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes body = {NULL, 0};
    CHECK_OK(oxb_request_body(x, &body));
    CHECK_OK(oxb_exchange_reply(x, 200, "text/plain", body));
}

static void counts(void) {
    oxb_config *config = new_config();
    WANT_ARG(oxb_config_reactors(config, 0));
    WANT_ARG(oxb_config_threads(config, 0));
    WANT_ARG(oxb_config_queue(config, 0));
    WANT_ARG(oxb_config_reactors(config, UINT32_MAX));
    WANT_ARG(oxb_config_backlog(config, 0));
    WANT_ARG(oxb_config_unix_mode(config, 010000));
    CHECK_OK(oxb_config_reactors(config, 1));
    CHECK_OK(oxb_config_threads(config, 1));
    CHECK_OK(oxb_config_queue(config, 1));
    CHECK_OK(oxb_config_backlog(config, 16));
    CHECK_OK(oxb_config_unix_mode(config, 0600));
    CHECK_OK(oxb_config_reuse_port(config, true));
    CHECK_OK(oxb_config_v6_only(config, true));
    CHECK_OK(oxb_config_driven(config, true));
    CHECK_OK(oxb_config_driven(config, false));
    add_route(config, "/", reply_done, NULL);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

static void bad_addresses(void) {
    static const char *const bad[] = {"",      "127.0.0.1", "127.0.0.1:",    "127.0.0.1:65536",
                                      "[::1]", "::1:80",    "host:http",     "127.0.0.1:-1",
                                      "unix:", "unix:@",    "fd:",           "fd:x",
                                      "fd:-1", "[::1:80",   "127.0.0.1:0x50"};
    oxb_config *config = NULL;
    CHECK_OK(oxb_config_new(&config));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        oxb_error *error = NULL;
        check_row(bad[i]);
        WANT_ARG(oxb_config_listen(config, bad[i], &error));
        CHECK_STATUS(oxb_error_status(error), OXB_ERR_ARG);
        CHECK_CONTAINS(oxb_error_message(error), bad[i]);
        oxb_error_free(error);
    }
    check_row(NULL);
    WANT_ARG(oxb_config_listen(config, "unix:/\xff", NULL)); /* no UTF-8 */
    oxb_config_free(config);
}

/* Well written, and impossible all the same: that is known when the server starts. */
static void impossible_addresses(void) {
    static const char *const bad[] = {"unix:/nonexistent/directory/socket", "fd:1000000",
                                      "203.0.113.1:0", "name.invalid:0", "systemd"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        oxb_config *config = NULL;
        oxb_server *server = NULL;
        oxb_error *error = NULL;
        check_row(bad[i]);
        CHECK_OK(oxb_config_new(&config));
        CHECK_OK(oxb_config_listen(config, bad[i], NULL));
        CHECK_STATUS(oxb_server_start(config, &server, &error), OXB_ERR_BIND);
        CHECK_CONTAINS(oxb_error_message(error), bad[i]);
        oxb_error_free(error);
    }
    check_row(NULL);
}

/* Numbers as large as they get are refused, or mean what they say: nothing overflows. */
static void huge(void) {
    oxb_event event;
    size_t count = 0;
    oxb_config *config = new_config();
    for (int i = 0; i < LIMITS; i++) {
        oxb_status status = oxb_config_limit(config, limits[i].limit, UINT64_MAX);
        CHECK(status == OXB_OK || status == OXB_ERR_ARG);
    }
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    CHECK_OK(oxb_config_threads(config, UINT32_MAX));
    CHECK_OK(oxb_config_queue(config, UINT32_MAX));
    add_route(config, "/", read_late, NULL);
    oxb_server *server = start_server(config);
    struct client client;
    struct answer answer;
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n");
    client_send(&client, "late");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "late");
    answer_free(&answer);
    client_close(&client);
    CHECK_OK(oxb_server_wake(server));
    CHECK_OK(oxb_server_next(server, &event, 1, INT64_MAX, &count));
    CHECK_OK(oxb_server_stop(server, UINT64_MAX - 1));
    CHECK_OK(oxb_server_wait(server, UINT64_MAX - 1));
    oxb_server_free(server);
}

static void tls_settings(void) {
    oxb_bytes protocols[] = {oxb_str("h2"), oxb_str("http/1.1")}, empty = oxb_str("");
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_min_version(config, OXB_TLS_1_3));
    CHECK_OK(oxb_config_tls_min_version(config, OXB_TLS_1_2));
    CHECK_OK(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_OPTIONAL));
    CHECK_OK(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_OFF));
    CHECK_OK(oxb_config_tls_alpn(config, protocols, 2));
    CHECK_OK(oxb_config_tls_alpn(config, NULL, 0));
    WANT_ARG(oxb_config_tls_alpn(config, &empty, 1));
    WANT_ARG(oxb_config_tls_files(config, "\xff", "key"));
    oxb_config_free(config);
}

CASES(config, {"config: limits keep their numbers", limit_numbers},
      {"config: limits have defaults", limit_defaults},
      {"config: limits, set and asked for", limit_round_trip},
      {"config: limits that are refused", limit_refusals}, {"config: counts", counts},
      {"config: bad addresses", bad_addresses},
      {"config: impossible addresses", impossible_addresses}, {"config: huge numbers", huge},
      {"config: TLS settings", tls_settings});
