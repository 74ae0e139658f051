/* What `run.py leak` asks of C handlers: `checks 127.0.0.1:5000`.
 *
 * The routes of ../apps/oxbridge_checks.py that it loads, and one that is answered through the queue, on
 * a thread of this program.
 */
#include <inttypes.h>
#include <oxbridge.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEN_KIB = 10240, BLOCK = 65536, BATCH = 16 };

/* The bytes 0 to 255, over and over. */
static unsigned char bytes[BLOCK];

static void reply(oxb_exchange exchange, oxb_bytes body) {
    (void)oxb_exchange_reply(exchange, 200, "text/plain; charset=utf-8", body);
}

static void hello(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    reply(exchange, oxb_str("Hello, world.\n"));
}

static void hello_name(oxb_exchange exchange, void *user_data) {
    oxb_bytes name;
    (void)user_data;
    if (oxb_request_path_value(exchange, oxb_str("name"), &name) != OXB_OK)
        return;
    (void)oxb_response_set_header(exchange, oxb_str("Content-Type"), oxb_str("text/plain"));
    (void)oxb_response_write(exchange, "Hello, ", 7);
    (void)oxb_response_write(exchange, name.data, name.len);
    (void)oxb_response_write(exchange, "!\n", 2);
}

static void length(oxb_exchange exchange, void *user_data) {
    unsigned char part[1000];
    size_t count = 0, total = 0;
    char text[32];
    (void)user_data;
    do {
        if (oxb_request_read(exchange, part, sizeof part, &count) != OXB_OK)
            return;
        total += count;
    } while (count > 0);
    snprintf(text, sizeof text, "%zu", total);
    reply(exchange, oxb_str(text));
}

static void ten(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    reply(exchange, (oxb_bytes){bytes, TEN_KIB});
}

static void echo(oxb_exchange exchange, void *user_data) {
    oxb_bytes body;
    (void)user_data;
    if (oxb_request_body(exchange, &body) == OXB_OK)
        reply(exchange, body);
}

/* A handler that answers nothing: the library says 500 in its place. */
static void fail(oxb_exchange exchange, void *user_data) {
    (void)exchange;
    (void)user_data;
}

/* As many blocks as the path says, or until the client has gone. */
static void download(oxb_exchange exchange, void *user_data) {
    oxb_bytes blocks;
    (void)user_data;
    if (oxb_request_path_value(exchange, oxb_str("blocks"), &blocks) != OXB_OK)
        return;
    char text[16] = "";
    snprintf(text, sizeof text, "%.*s", (int)blocks.len, (const char *)blocks.data);
    for (long left = strtol(text, NULL, 10); left > 0; left--) {
        if (oxb_response_write(exchange, bytes, sizeof bytes) != OXB_OK)
            return;
    }
}

/* How many exchanges are alive besides this one. */
static void live(oxb_exchange exchange, void *user_data) {
    char text[32];
    (void)user_data;
    snprintf(text, sizeof text, "%" PRIu64, oxb_live_exchanges() - 1);
    reply(exchange, oxb_str(text));
}

static void *answer_queue(void *server) {
    oxb_event events[BATCH];
    size_t count;
    while (oxb_server_next(server, events, BATCH, -1, &count) == OXB_OK) {
        for (size_t i = 0; i < count; i++)
            hello(events[i].exchange, NULL);
    }
    return NULL;
}

static const struct {
    const char *pattern;
    oxb_handler handler;
} ROUTES[] = {
    {"/{$}", hello},        {"GET /hello/{name}", hello_name}, {"POST /length", length},
    {"GET /ten", ten},      {"POST /echo", echo},              {"GET /fail", fail},
    {"GET /live", live},    {"GET /download/{blocks}", download},
};

static oxb_server *start(const char *address, oxb_error **error) {
    oxb_config *config = NULL;
    oxb_server *server = NULL;
    if (oxb_config_new(&config) != OXB_OK
        || oxb_config_listen(config, address, error) != OXB_OK
        || oxb_config_handle_inline(config, "GET /inline", hello, NULL, NULL, error) != OXB_OK
        || oxb_config_handle_queue(config, "GET /queue", NULL, NULL, error) != OXB_OK)
        return NULL;
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        if (oxb_config_handle(config, ROUTES[i].pattern, ROUTES[i].handler, NULL, NULL, error)
            != OXB_OK)
            return NULL;
    }
    return oxb_server_start(config, &server, error) == OXB_OK ? server : NULL;
}

int main(int count, char **arguments) {
    oxb_error *error = NULL;
    pthread_t queue;
    if (count != 2) {
        fprintf(stderr, "usage: checks ADDRESS\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    oxb_server *server = start(arguments[1], &error);
    if (server == NULL || pthread_create(&queue, NULL, answer_queue, server) != 0) {
        fprintf(stderr, "checks: %s\n", oxb_error_message(error));
        return 1;
    }
    return oxb_server_wait(server, OXB_FOREVER) == OXB_OK ? 0 : 1;
}
