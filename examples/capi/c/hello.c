/* A small server in C: see ../README.md for how to build and run it. */
#include <jansson.h>
#include <oxbridge.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN "text/plain; charset=utf-8"
#define STOP_GRACE_MS 5000

/* Requests that GET /later has taken and nobody has answered yet. */
struct waiting {
    pthread_mutex_t lock;
    size_t count;                 /* guarded by lock */
    oxb_exchange exchanges[1000]; /* guarded by lock */
};

/* What can fail in a reply is that the client has gone, and then there is nobody left to tell. */
static void reply(oxb_exchange x, uint16_t status, const char *type, const char *body) {
    (void)oxb_exchange_reply(x, status, type, oxb_str(body));
}

static void hello(oxb_exchange x, void *user_data) {
    (void)user_data;
    reply(x, 200, PLAIN, "Hello, world.\n");
}

/* An answer in pieces. It ends when the handler returns. */
static void hello_name(oxb_exchange x, void *user_data) {
    oxb_bytes name; /* decoded, not NUL-terminated, valid until the exchange ends */

    (void)user_data;
    if (oxb_request_path_value(x, oxb_str("name"), &name) != OXB_OK) {
        return; /* nothing written: the client gets 500 */
    }
    (void)oxb_response_set_header(x, oxb_str("Content-Type"), oxb_str(PLAIN));
    (void)oxb_response_write(x, "Hello, ", 7);
    (void)oxb_response_write(x, name.data, name.len);
    (void)oxb_response_write(x, "!\n", 2);
}

static void echo(oxb_exchange x, void *user_data) {
    oxb_bytes body;
    json_error_t error;
    json_t *value;
    char *text;

    (void)user_data;
    switch (oxb_request_body(x, &body)) {
    case OXB_OK: break;
    case OXB_ERR_TOO_LARGE: (void)oxb_exchange_refuse(x, 413); return;
    default: (void)oxb_exchange_refuse(x, 400); return;
    }
    value = json_loadb((const char *)body.data, body.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        char sentence[JSON_ERROR_TEXT_LENGTH + 64];

        snprintf(sentence, sizeof sentence, "The body is not JSON: %s.\n", error.text);
        reply(x, 400, PLAIN, sentence);
        return;
    }
    text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(value);
    if (text != NULL) {
        reply(x, 200, "application/json", text);
        free(text);
    }
}

/* Answers nothing: the exchange outlives this function, and GET /release answers it. */
static void later(oxb_exchange x, void *user_data) {
    struct waiting *waiting = user_data;
    int full;

    pthread_mutex_lock(&waiting->lock);
    full = waiting->count == sizeof waiting->exchanges / sizeof waiting->exchanges[0];
    if (!full && oxb_exchange_defer(x) == OXB_OK) {
        waiting->exchanges[waiting->count++] = x;
    }
    pthread_mutex_unlock(&waiting->lock);
    if (full) {
        (void)oxb_exchange_refuse(x, 503);
    }
}

static oxb_exchange take(struct waiting *waiting) {
    oxb_exchange x = OXB_NO_EXCHANGE;

    pthread_mutex_lock(&waiting->lock);
    if (waiting->count > 0) {
        x = waiting->exchanges[--waiting->count];
    }
    pthread_mutex_unlock(&waiting->lock);
    return x;
}

/* Answers all that wait, from whatever thread calls it, and says how many there were. */
static size_t release_all(struct waiting *waiting) {
    size_t count = 0;
    oxb_exchange x;

    while ((x = take(waiting)) != OXB_NO_EXCHANGE) {
        reply(x, 200, PLAIN, "Here it is, later.\n");
        count++;
    }
    return count;
}

static void release(oxb_exchange x, void *user_data) {
    char sentence[64];

    snprintf(sentence, sizeof sentence, "%zu released\n", release_all(user_data));
    reply(x, 200, PLAIN, sentence);
}

static void fail(const char *what, oxb_error *error) {
    fprintf(stderr, "hello: %s: %s\n", what, oxb_error_message(error));
    oxb_error_free(error);
    exit(1);
}

static oxb_server *start(struct waiting *waiting) {
    const struct {
        const char *pattern;
        oxb_handler handler;
    } routes[] = {
        {"GET /{$}", hello},    {"GET /hello/{name}", hello_name}, {"POST /echo", echo},
        {"GET /later", later},  {"GET /release", release},
    };
    const char *host = getenv("HOST");
    const char *port = getenv("PORT");
    char address[256];
    oxb_config *config = NULL;
    oxb_server *server;
    oxb_error *error = NULL;
    size_t i;

    snprintf(address, sizeof address, "%s:%s", host != NULL ? host : "127.0.0.1",
             port != NULL ? port : "5000");
    if (oxb_abi_check(OXB_ABI) != OXB_OK || oxb_config_new(&config) != OXB_OK) {
        fail("liboxbridge does not fit its header", NULL);
    }
    if (oxb_config_listen(config, address, &error) != OXB_OK) {
        fail("cannot listen", error);
    }
    for (i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (oxb_config_handle(config, routes[i].pattern, routes[i].handler, waiting, NULL,
                              &error) != OXB_OK) {
            fail(routes[i].pattern, error);
        }
    }
    if (oxb_server_start(config, &server, &error) != OXB_OK) {
        fail("cannot start", error);
    }
    return server;
}

int main(void) {
    static struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    oxb_server *server;
    oxb_bytes url;
    sigset_t stop;
    int signal;

    /* Blocked before the server starts its threads, so that none of them is interrupted. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);

    server = start(&waiting);
    (void)oxb_server_url(server, &url);
    fprintf(stderr, "Serving on %.*s\n", (int)url.len, (const char *)url.data);

    sigwait(&stop, &signal);
    /* No new requests from here on; those that wait get their answer, and all get time to end. */
    (void)oxb_server_begin_stop(server, STOP_GRACE_MS);
    (void)release_all(&waiting);
    (void)oxb_server_wait(server, OXB_FOREVER);
    oxb_server_free(server);
    return 0;
}
