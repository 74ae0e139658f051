/* Python inside a C program: see README.md for how to build and run it. */
#define _GNU_SOURCE
#include <oxbridge.h>
#include <oxbridge_embed.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLAIN "text/plain; charset=utf-8"
#define STOP_GRACE_MS 5000

/* The two libraries know nothing of each other; bytes are bytes. */
static oxe_bytes to_python(oxb_bytes bytes) {
    oxe_bytes same = {bytes.data, bytes.len};
    return same;
}

static oxb_bytes to_client(oxe_bytes bytes) {
    oxb_bytes same = {bytes.data, bytes.len};
    return same;
}

/* Python has answered: on a thread of liboxbridge_embed. What can fail here is that the client has gone. */
static void answered(oxe_response *response, oxe_error *error, void *user_data) {
    oxb_exchange *exchange = user_data;
    oxb_exchange x = *exchange;
    size_t count = oxe_response_header_count(response);
    size_t i;
    uint16_t status;
    oxe_bytes body;

    free(exchange);
    if (response == NULL) {
        fprintf(stderr, "%s\n%s", oxe_error_message(error), oxe_error_traceback(error));
        (void)oxb_exchange_refuse(x, oxe_error_status(error) == OXE_ERR_TIMEOUT ? 504 : 500);
        oxe_error_free(error);
        return;
    }
    (void)oxe_response_status(response, &status);
    (void)oxb_response_set_status(x, status);
    for (i = 0; i < count; i++) {
        oxe_field field;

        (void)oxe_response_header_at(response, i, &field);
        (void)oxb_response_add_header(x, to_client(field.name), to_client(field.value));
    }
    (void)oxe_response_body(response, &body);
    (void)oxb_response_write(x, body.data, body.len);
    (void)oxb_exchange_end(x);
    oxe_response_free(response);
}

/* What the request holds, as Python gets it. */
static oxe_request *request_of(oxb_exchange x, oxb_bytes body) {
    oxe_request *request = NULL;
    oxb_bytes bytes;
    oxb_field field;
    size_t i;

    if (oxe_request_new(&request) != OXE_OK) {
        return NULL;
    }
    if (oxb_request_method(x, &bytes) == OXB_OK) {
        (void)oxe_request_method(request, to_python(bytes));
    }
    if (oxb_request_path(x, &bytes) == OXB_OK) {
        (void)oxe_request_path(request, to_python(bytes));
    }
    if (oxb_request_path_value(x, oxb_str("target"), &bytes) == OXB_OK) {
        (void)oxe_request_param(request, oxe_str("target"), to_python(bytes));
    }
    for (i = 0; oxb_request_query_at(x, i, &field) == OXB_OK; i++) {
        (void)oxe_request_query(request, to_python(field.name), to_python(field.value));
    }
    for (i = 0; oxb_request_header_at(x, i, &field) == OXB_OK; i++) {
        (void)oxe_request_header(request, to_python(field.name), to_python(field.value));
    }
    (void)oxe_request_body(request, to_python(body));
    return request;
}

static void python(oxb_exchange x, void *user_data) {
    oxb_exchange *exchange;
    oxb_bytes body;
    oxe_request *request;
    oxe_status began;

    if (oxb_request_body(x, &body) != OXB_OK) {
        (void)oxb_exchange_refuse(x, 400);
        return;
    }
    exchange = malloc(sizeof *exchange);
    request = request_of(x, body);
    if (exchange == NULL || request == NULL || oxb_exchange_defer(x) != OXB_OK) {
        free(exchange);
        oxe_request_free(request);
        return; /* nothing written: the client gets 500 */
    }
    *exchange = x;
    began = oxe_python_begin(user_data, request, answered, exchange, NULL, NULL);
    if (began != OXE_OK) {
        free(exchange);
        (void)oxb_exchange_refuse(x, 503); /* too many wait, or the program stops */
    }
}

static void native(oxb_exchange x, void *user_data) {
    oxb_bytes wanted;
    double seconds = 0;

    (void)user_data;
    if (oxb_request_header(x, oxb_str("X-Sleep"), &wanted) == OXB_OK && wanted.len < 32) {
        char text[32] = "";

        memcpy(text, wanted.data, wanted.len);
        seconds = strtod(text, NULL);
    }
    if (seconds > 0 && seconds < 60) {
        struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

        nanosleep(&time, NULL);
    }
    (void)oxb_exchange_reply(x, 200, PLAIN, oxb_str("ok"));
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "embed_c: %s: %s\n", what, why);
    exit(1);
}

static oxe_python *start_python(void) {
    const char *workers = getenv("WORKERS");
    oxe_options *options = NULL;
    oxe_python *started = NULL;
    oxe_error *error = NULL;

    if (oxe_abi_check(OXE_ABI) != OXE_OK || oxe_options_new(&options) != OXE_OK ||
        oxe_options_path(options, workers != NULL ? workers : "examples/embed") != OXE_OK ||
        oxe_options_init(options, "worker", "go_init") != OXE_OK ||
        oxe_options_request(options, "worker", "go_request") != OXE_OK) {
        fail("liboxbridge_embed", "cannot be used");
    }
    if (oxe_python_start(options, &started, &error) != OXE_OK) {
        fail(oxe_error_message(error), oxe_error_traceback(error));
    }
    return started;
}

/* The worker's "/hello/:target" is "/hello/{target}" for the server; its "/" is that page alone, "/{$}". */
static void add_route(oxb_config *config, oxe_python *started, oxe_bytes method, oxe_bytes route) {
    char text[256];
    char pattern[sizeof text + 8];
    oxb_error *error = NULL;
    char *colon;

    if (method.len + route.len + 2 > sizeof text) {
        fail("a route of the worker", "is too long");
    }
    snprintf(text, sizeof text, "%.*s %.*s", (int)method.len, (const char *)method.data,
             (int)route.len, (const char *)route.data);
    colon = strchr(text, ':');
    if (colon != NULL) {
        *colon = '\0';
        snprintf(pattern, sizeof pattern, "%s{%s}", text, colon + 1);
    } else {
        bool is_page = text[strlen(text) - 1] == '/';

        snprintf(pattern, sizeof pattern, "%s%s", text, is_page ? "{$}" : "");
    }
    if (oxb_config_handle(config, pattern, python, started, NULL, &error) != OXB_OK) {
        fail(pattern, oxb_error_message(error));
    }
}

static void add_routes(oxb_config *config, oxe_python *started) {
    oxe_bytes route;
    oxe_bytes method;
    size_t i;
    size_t j;

    for (i = 0; oxe_python_route(started, i, &route) == OXE_OK; i++) {
        for (j = 0; oxe_python_method(started, i, j, &method) == OXE_OK; j++) {
            add_route(config, started, method, route);
        }
    }
}

int main(void) {
    const char *host = getenv("HOST");
    const char *port = getenv("PORT");
    char address[256];
    oxe_python *started;
    oxb_config *config = NULL;
    oxb_server *server = NULL;
    oxb_error *error = NULL;
    oxb_bytes url;
    sigset_t stop;
    int number;

    /* Blocked before any thread starts, so that none of them is interrupted. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    /* What Python functions write to a closed socket is an exception of theirs, and no end of this program. */
    signal(SIGPIPE, SIG_IGN);

    started = start_python();
    snprintf(address, sizeof address, "%s:%s", host != NULL ? host : "127.0.0.1",
             port != NULL ? port : "8080");
    if (oxb_abi_check(OXB_ABI) != OXB_OK || oxb_config_new(&config) != OXB_OK) {
        fail("liboxbridge", "does not fit its header");
    }
    if (oxb_config_listen(config, address, &error) != OXB_OK ||
        oxb_config_handle(config, "/python", python, started, NULL, &error) != OXB_OK ||
        oxb_config_handle(config, "/native", native, NULL, NULL, &error) != OXB_OK) {
        fail("cannot listen", oxb_error_message(error));
    }
    add_routes(config, started);
    if (oxb_server_start(config, &server, &error) != OXB_OK) {
        fail("cannot start", oxb_error_message(error));
    }
    (void)oxb_server_url(server, &url);
    fprintf(stderr, "Serving on %.*s\n", (int)url.len, (const char *)url.data);

    sigwait(&stop, &number);
    /* Python answers what the server still owes, then the server has ended, then Python may. */
    (void)oxb_server_stop(server, STOP_GRACE_MS);
    oxe_python_free(started);
    oxb_server_free(server);
    return oxe_finish(STOP_GRACE_MS) == OXE_OK ? 0 : 1;
}
