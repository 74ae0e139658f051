/* What the client asked for, as a handler sees it. */
#include "serving.h"

#include <stdio.h>

/* Asks with this request; the handler checks what it sees and answers "checked". */
static void seen_by(const char *pattern, oxb_handler handler, const char *request) {
    oxb_server *server = serve_one(pattern, handler, NULL);
    struct answer answer = ask(server, request);
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer.body, "checked");
    answer_free(&answer);
    stop_and_free(server);
}

static void see_facts(oxb_exchange x, void *user_data) {
    oxb_bytes got = {NULL, 0};
    CHECK(user_data == NULL);
    CHECK_OK(oxb_request_method(x, &got));
    CHECK_BYTES(got, "GET");
    CHECK_OK(oxb_request_target(x, &got));
    CHECK_BYTES(got, "/a%20b/c?x=1&y=2");
    CHECK_OK(oxb_request_path(x, &got));
    CHECK_BYTES(got, "/a b/c");
    CHECK_OK(oxb_request_pattern(x, &got));
    CHECK_BYTES(got, "GET /{dir}/{file}");
    CHECK_OK(oxb_request_path_value(x, oxb_str("dir"), &got));
    CHECK_BYTES(got, "a b");
    CHECK_OK(oxb_request_path_value(x, oxb_str("file"), &got));
    CHECK_BYTES(got, "c");
    CHECK_STATUS(oxb_request_path_value(x, oxb_str("other"), &got), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_path_value(x, oxb_str(""), &got), OXB_ERR_NOT_FOUND);
    CHECK_BYTES(got, "c"); /* written on success only */
    CHECK_OK(oxb_request_query(x, &got));
    CHECK_BYTES(got, "x=1&y=2");
    CHECK_OK(oxb_request_host(x, &got));
    CHECK_BYTES(got, "example.org:8080");
    CHECK_OK(oxb_request_scheme(x, &got));
    CHECK_BYTES(got, "http");
    CHECK_OK(oxb_request_protocol(x, &got));
    CHECK_BYTES(got, "HTTP/1.1");
    reply(x, "checked");
}

static void facts(void) {
    seen_by("GET /{dir}/{file}", see_facts,
            "GET /a%20b/c?x=1&y=2 HTTP/1.1\r\nHost: example.org:8080\r\n\r\n");
}

/* Any byte may stand in a path; it comes through as it is. */
static void see_bytes(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes got = {NULL, 0};
    CHECK_OK(oxb_request_path(x, &got));
    CHECK_BYTES(got, "/b/\0\xff/x/y\xc3\xa4");
    CHECK_OK(oxb_request_target(x, &got));
    CHECK_BYTES(got, "/b/%00%ff/x%2Fy%C3%A4");
    CHECK_OK(oxb_request_path_value(x, oxb_str("raw"), &got));
    CHECK_BYTES(got, "\0\xff");
    CHECK_OK(oxb_request_path_value(x, oxb_str("rest"), &got));
    CHECK_BYTES(got, "x/y\xc3\xa4");
    reply(x, "checked");
}

static void path_bytes(void) {
    seen_by("/b/{raw}/{rest...}", see_bytes, "GET /b/%00%ff/x%2Fy%C3%A4 HTTP/1.1\r\n" HOST "\r\n");
}

static void see_query(oxb_exchange x, void *unused) {
    static const struct {
        const char *name, *value;
    } wanted[] = {
        {"a",  "1"        },
        {"b",  "two words"},
        {"a",  "2"        },
        {"c",  ""         },
        {"d",  ""         },
        {"e+", "=&"       }
    };
    enum { COUNT = sizeof wanted / sizeof wanted[0] };
    (void)unused;
    oxb_bytes got = {NULL, 0};
    oxb_field field;
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(oxb_request_query_at(x, i, &field));
        check_bytes(field.name, wanted[i].name, strlen(wanted[i].name), __FILE__, __LINE__, "name");
        check_bytes(field.value, wanted[i].value, strlen(wanted[i].value), __FILE__, __LINE__,
                    "value");
    }
    CHECK_STATUS(oxb_request_query_at(x, COUNT, &field), OXB_ERR_NOT_FOUND);
    CHECK_OK(oxb_request_query_value(x, oxb_str("a"), &got));
    CHECK_BYTES(got, "1");
    CHECK_OK(oxb_request_query_value(x, oxb_str("e+"), &got));
    CHECK_BYTES(got, "=&");
    CHECK_STATUS(oxb_request_query_value(x, oxb_str("A"), &got), OXB_ERR_NOT_FOUND);
    reply(x, "checked");
}

static void query(void) {
    seen_by("/", see_query, "GET /?a=1&b=two+words&a=2&c=&d&e%2B=%3D%26 HTTP/1.1\r\n" HOST "\r\n");
}

static void see_no_query(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes got = oxb_str("before");
    oxb_field field;
    CHECK_OK(oxb_request_query(x, &got));
    CHECK_BYTES(got, "");
    CHECK_STATUS(oxb_request_query_at(x, 0, &field), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_query_value(x, oxb_str("a"), &got), OXB_ERR_NOT_FOUND);
    reply(x, "checked");
}

static void no_query(void) { seen_by("/", see_no_query, "GET / HTTP/1.1\r\n" HOST "\r\n"); }

static void see_headers(oxb_exchange x, void *unused) {
    static const char *const values[] = {"one", "two", "\xe4 three"};
    (void)unused;
    oxb_bytes got = {NULL, 0};
    oxb_field field;
    size_t count = 0, several = 0;
    CHECK_OK(oxb_request_header(x, oxb_str("X-Several"), &got));
    CHECK_BYTES(got, "one");
    CHECK_OK(oxb_request_header(x, oxb_str("x-sEVERAL"), &got));
    CHECK_BYTES(got, "one");
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(oxb_request_header_nth(x, oxb_str("X-Several"), i, &got));
        check_bytes(got, values[i], strlen(values[i]), __FILE__, __LINE__, "the nth value");
    }
    CHECK_STATUS(oxb_request_header_nth(x, oxb_str("X-Several"), 3, &got), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_header(x, oxb_str("X-Other"), &got), OXB_ERR_NOT_FOUND);
    /* What no header can be named is not there, either. */
    CHECK_STATUS(oxb_request_header(x, oxb_str("no token"), &got), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_header(x, oxb_str(""), &got), OXB_ERR_NOT_FOUND);
    CHECK_OK(oxb_request_header(x, oxb_str("Empty"), &got));
    CHECK_BYTES(got, "");

    /* All of them, one after the other: repeated names once for each value. */
    CHECK_OK(oxb_request_header_count(x, &count));
    CHECK_U64(count, 5);
    for (size_t i = 0; i < count; i++) {
        CHECK_OK(oxb_request_header_at(x, i, &field));
        for (size_t j = 0; j < field.name.len; j++) {
            CHECK(field.name.data[j] < 'A' || field.name.data[j] > 'Z');
        }
        if (field.name.len == 9 && memcmp(field.name.data, "x-several", 9) == 0) {
            check_bytes(field.value, values[several], strlen(values[several]), __FILE__, __LINE__,
                        "the next value");
            several++;
        }
    }
    CHECK_U64(several, 3);
    CHECK_STATUS(oxb_request_header_at(x, count, &field), OXB_ERR_NOT_FOUND);
    reply(x, "checked");
}

static void headers(void) {
    seen_by("/", see_headers,
            "GET / HTTP/1.1\r\n" HOST "X-Several: one\r\nX-SEVERAL: two\r\nEmpty:\r\n"
            "x-several:  \xe4 three \r\n\r\n");
}

static void see_old_protocol(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes got = oxb_str("before");
    CHECK_OK(oxb_request_protocol(x, &got));
    CHECK_BYTES(got, "HTTP/1.0");
    CHECK_OK(oxb_request_host(x, &got));
    CHECK_BYTES(got, "");
    reply(x, "checked");
}

static void old_protocol(void) { seen_by("/", see_old_protocol, "GET / HTTP/1.0\r\n\r\n"); }

static void see_methods(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes method = {NULL, 0};
    CHECK_OK(oxb_request_method(x, &method));
    CHECK_OK(oxb_exchange_reply(x, 200, "text/plain", method));
}

static void methods(void) {
    static const char *const names[] = {"GET",     "POST",  "PUT",  "DELETE",
                                        "OPTIONS", "PATCH", "BREW", "get"};
    oxb_server *server = serve_one("/", see_methods, NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char request[100];
        snprintf(request, sizeof request, "%s / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
                 names[i]);
        struct answer answer = ask(server, request);
        CHECK_TEXT(answer.body, names[i]);
        answer_free(&answer);
    }
    stop_and_free(server);
}

static void see_addresses(oxb_exchange x, void *user_data) {
    oxb_bytes remote = {NULL, 0}, local = {NULL, 0};
    CHECK(user_data == NULL);
    CHECK_OK(oxb_request_remote(x, &remote));
    CHECK_OK(oxb_request_local(x, &local));
    char text[200];
    snprintf(text, sizeof text, "%.*s %.*s", (int)remote.len, (const char *)remote.data,
             (int)local.len, (const char *)local.data);
    reply(x, text);
}

static void addresses(void) {
    oxb_server *server = serve_one("/", see_addresses, NULL);
    uint16_t port = 0;
    unsigned client_port = 0, local_port = 0;
    CHECK_OK(oxb_server_port(server, &port));
    struct answer answer = ask_get(server, "/");
    CHECK_INT(sscanf(answer.body, "127.0.0.1:%u 127.0.0.1:%u", &client_port, &local_port), 2);
    CHECK_INT(local_port, port);
    CHECK(client_port != 0 && client_port != port);
    answer_free(&answer);
    stop_and_free(server);
}

static void see_lengths(oxb_exchange x, void *unused) {
    (void)unused;
    uint64_t length = 77;
    char text[32];
    oxb_status status = oxb_request_content_length(x, &length);
    snprintf(text, sizeof text, "%d %llu", (int)status, (unsigned long long)length);
    reply(x, text);
}

static void content_length(void) {
    char unknown[32];
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", see_lengths, NULL);
    oxb_server *server = start_server(config);
    struct answer answer = ask(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    CHECK_TEXT(answer.body, "0 3");
    answer_free(&answer);
    answer = ask(server, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "3\r\nabc\r\n0\r\n\r\n");
    snprintf(unknown, sizeof unknown, "%d 77", OXB_ERR_NOT_FOUND);
    CHECK_TEXT(answer.body, unknown);
    answer_free(&answer);
    stop_and_free(server);
}

static void see_no_tls(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_tls_info info;
    CHECK_STATUS(oxb_request_tls(x, &info, sizeof info), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_request_tls(x, &info, 0), OXB_ERR_ARG);
    reply(x, "checked");
}

static void no_tls(void) { seen_by("/", see_no_tls, "GET / HTTP/1.1\r\n" HOST "\r\n"); }

/* The bytes stay where they are while the exchange lives, whatever else is asked. */
static void stays_put(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_bytes path = {NULL, 0}, host = {NULL, 0}, value = {NULL, 0}, query = {NULL, 0}, again;
    oxb_server *server = serve_one("/{name}", hand_over, &handover);
    client_open(&client, server);
    client_send(&client, "GET /a%20b?c=d%20e HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange x = taken_over(&handover);
    CHECK_OK(oxb_request_path(x, &path));
    CHECK_OK(oxb_request_host(x, &host));
    CHECK_OK(oxb_request_path_value(x, oxb_str("name"), &value));
    CHECK_OK(oxb_request_query_value(x, oxb_str("c"), &query));
    for (int i = 0; i < 50; i++) {
        CHECK_OK(oxb_request_path(x, &again));
        CHECK_OK(oxb_request_query_value(x, oxb_str("c"), &again));
        CHECK_OK(oxb_response_add_header(x, oxb_str("x-many"), oxb_str("value")));
    }
    CHECK_OK(oxb_response_flush(x));
    CHECK_BYTES(path, "/a b");
    CHECK_BYTES(host, "example.org");
    CHECK_BYTES(value, "a b");
    CHECK_BYTES(query, "d e");
    CHECK_OK(oxb_exchange_end(x));
    client_read(&client, &answer);
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

CASES(request, {"request: method, target, path, query, host", facts},
      {"request: any byte in a path", path_bytes}, {"request: query parameters", query},
      {"request: no query", no_query}, {"request: headers", headers},
      {"request: HTTP/1.0", old_protocol}, {"request: methods", methods},
      {"request: remote and local address", addresses}, {"request: content length", content_length},
      {"request: no TLS", no_tls}, {"request: borrowed bytes stay put", stays_put});
