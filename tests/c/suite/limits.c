/* What limits do to clients, and what handlers see of it. */
#include "serving.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static oxb_server *serve_limited(int32_t limit, uint64_t value, oxb_handler handler, void *data) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, limit, value));
    add_route(config, "/", handler, data);
    return start_server(config);
}

static int status_of(const oxb_server *server, const char *request) {
    struct answer answer = ask(server, request);
    int status = answer.status;
    answer_free(&answer);
    return status;
}

/* A head with so many bytes of header, or of target, or so many fields. */
static char *long_request(size_t target, size_t value, int fields) {
    size_t size = target + value + (size_t)fields * 16 + 200;
    char *request = malloc(size), *end = request;
    end += sprintf(end, "GET /");
    memset(end, 'a', target);
    end += target;
    end += sprintf(end, " HTTP/1.1\r\n" HOST "X-Long: ");
    memset(end, 'b', value);
    end += value;
    end += sprintf(end, "\r\n");
    for (int i = 0; i < fields; i++) {
        end += sprintf(end, "X-%d: y\r\n", i);
    }
    sprintf(end, "\r\n");
    return request;
}

static void heads(void) {
    static const struct {
        int32_t limit;
        uint64_t value;
        size_t target, header;
        int fields, status;
    } rows[] = {
        {OXB_LIMIT_HEAD_BYTES,   8192, 1,   7000, 0, 200},
        {OXB_LIMIT_HEAD_BYTES,   8192, 1,   9000, 0, 431},
        {OXB_LIMIT_TARGET_BYTES, 100,  99,  1,    0, 200},
        {OXB_LIMIT_TARGET_BYTES, 100,  100, 1,    0, 414},
        {OXB_LIMIT_HEADERS,      10,   1,   1,    8, 200},
        {OXB_LIMIT_HEADERS,      10,   1,   1,    9, 431}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        oxb_server *server = serve_limited(rows[i].limit, rows[i].value, reply_done, NULL);
        char *request = long_request(rows[i].target, rows[i].header, rows[i].fields);
        CHECK_INT(status_of(server, request), rows[i].status);
        free(request);
        stop_and_free(server);
    }
}

/* A length past the limit is refused before the handler runs. */
static void count_calls(oxb_exchange x, void *user_data) {
    tally_add(user_data);
    reply(x, "ran");
}

static void declared_too_large(void) {
    struct tally ran = TALLY_INIT;
    oxb_server *server = serve_limited(OXB_LIMIT_BODY_BYTES, 10, count_calls, &ran);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789"),
              200);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n0123456789a"),
              413);
    CHECK_INT(tally_count(&ran), 1);
    stop_and_free(server);
}

/* One that turns out to be longer as it comes is an error for who reads it. */
static void read_too_large(oxb_exchange x, void *user_data) {
    char buffer[64];
    size_t count = 0;
    oxb_status status;
    do {
        status = oxb_request_read(x, buffer, sizeof buffer, &count);
    } while (status == OXB_OK && count != 0);
    CHECK_STATUS(status, OXB_ERR_TOO_LARGE);
    CHECK_OK(oxb_exchange_refuse(x, 413));
    tally_add(user_data);
}

static void chunked_too_large(void) {
    struct tally ran = TALLY_INIT;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BODY_BYTES, 10));
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", read_too_large, &ran);
    oxb_server *server = start_server(config);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                "8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n"),
              413);
    tally_wait(&ran, 1);
    stop_and_free(server);
}

/* What is taken into memory as a whole has a bound of its own; reading in pieces has not. */
static void take_whole(oxb_exchange x, void *user_data) {
    oxb_bytes body = {NULL, 0};
    CHECK_STATUS(oxb_request_body(x, &body), atomic_load((_Atomic oxb_status *)user_data));
    reply(x, "ran");
}

static void whole_too_large(void) {
    _Atomic oxb_status wanted = OXB_OK;
    oxb_server *server = serve_limited(OXB_LIMIT_WHOLE_BODY, 10, take_whole, &wanted);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789"),
              200);
    atomic_store(&wanted, OXB_ERR_TOO_LARGE);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n0123456789a"),
              200);
    CHECK_INT(status_of(server, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                "8\r\n01234567\r\n8\r\n89abcdef\r\n0\r\n\r\n"),
              200);
    stop_and_free(server);
}

/* A client that does not finish its head is let go. */
static void slow_head(void) {
    struct client client;
    oxb_server *server = serve_limited(OXB_LIMIT_HEADER_TIMEOUT, 50, reply_done, NULL);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\nHost: exam");
    char some[256];
    size_t got = client_read_some(&client, some, sizeof some); /* 408, or nothing */
    CHECK(got == 0 || memcmp(some, "HTTP/1.1 408", 12) == 0);
    if (got != 0) {
        CHECK(client_sees_end(&client));
    }
    client_close(&client);
    stop_and_free(server);
}

/* So is one that has no further request. */
static void idle(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = serve_limited(OXB_LIMIT_KEEP_ALIVE_TIMEOUT, 50, reply_done, NULL);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    CHECK(client_sees_end(&client));
    client_close(&client);
    stop_and_free(server);
}

/* A client that takes nothing is given up, and its handler told. */
static void write_for_ever(oxb_exchange x, void *user_data) {
    static const char piece[1 << 16];
    oxb_status status;
    do {
        status = oxb_response_write(x, piece, sizeof piece);
    } while (status == OXB_OK);
    CHECK_STATUS(status, OXB_ERR_GONE);
    CHECK_OK(oxb_exchange_end(x));
    tally_add(user_data);
}

static void slow_reader(void) {
    struct tally told = TALLY_INIT;
    struct client client;
    oxb_server *server = serve_limited(OXB_LIMIT_WRITE_TIMEOUT, 100, write_for_ever, &told);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&told, 1);
    client_close(&client);
    stop_and_free(server);
}

/* A client that leaves in the middle of a long answer costs the program nothing: no SIGPIPE. */
static void client_leaves(void) {
    struct tally told = TALLY_INIT;
    struct client client;
    char some[1000];
    oxb_server *server = serve_one("/", write_for_ever, &told);
    int times = scaled(20);
    for (int i = 0; i < times; i++) {
        client_open(&client, server);
        client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
        CHECK(client_read_some(&client, some, sizeof some) > 0);
        client_close(&client);
        tally_wait(&told, i + 1);
    }
    stop_and_free(server);
}

/* Past the bound of connections new ones wait. */
static void connections(void) {
    struct client first, second;
    struct answer answer;
    oxb_server *server = serve_limited(OXB_LIMIT_CONNECTIONS, 1, reply_done, NULL);
    client_open(&first, server);
    client_send(&first, "GET / HTTP/1.1\r\n" HOST "\r\n");
    client_read(&first, &answer);
    answer_free(&answer);
    client_open(&second, server);
    client_send(&second, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(!client_readable(&second, 50));
    CHECK_U64(oxb_server_connections(server), 1);
    client_close(&first);
    client_read(&second, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    client_close(&second);
    stop_and_free(server);
}

/* With all threads taken requests wait in line, and past its end they are told to come again. */
struct line {
    struct tally begun, released;
};

static void wait_in_line(oxb_exchange x, void *user_data) {
    struct line *line = user_data;
    tally_add(&line->begun);
    tally_wait(&line->released, 1);
    reply(x, "done");
}

static void full(void) {
    enum { CLIENTS = 6 };
    struct line line = {TALLY_INIT, TALLY_INIT};
    struct client clients[CLIENTS];
    int refused = 0, done = 0;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_threads(config, 1));
    CHECK_OK(oxb_config_queue(config, 1));
    add_route(config, "/", wait_in_line, &line);
    oxb_server *server = start_server(config);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], server);
        client_send(&clients[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
    }
    tally_wait(&line.begun, 1);
    tally_add(&line.released);
    for (int i = 0; i < CLIENTS; i++) {
        struct answer answer;
        client_read(&clients[i], &answer);
        CHECK(answer.status == 200 || answer.status == 503);
        done += answer.status == 200;
        refused += answer.status == 503;
        answer_free(&answer);
        client_close(&clients[i]);
    }
    CHECK(done >= 1);
    CHECK_INT(done + refused, CLIENTS);
    stop_and_free(server);
}

CASES(limits, {"limits: heads", heads}, {"limits: a declared body", declared_too_large},
      {"limits: a chunked body", chunked_too_large}, {"limits: a whole body", whole_too_large},
      {"limits: a slow head", slow_head}, {"limits: an idle connection", idle},
      {"limits: a client that takes nothing", slow_reader},
      {"limits: a client that leaves", client_leaves}, {"limits: connections", connections},
      {"limits: threads and line", full});
