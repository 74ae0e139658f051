/* Patterns, and routes that are added while the server runs. */
#include "serving.h"

#include <stdio.h>

static void patterns(void) {
    static char any[] = "any", get[] = "get", one[] = "one", rest[] = "rest", host[] = "host",
                exact[] = "exact";
    oxb_config *config = new_config();
    add_route(config, "/things/{id}", reply_text, any);
    add_route(config, "GET /things/{id}", reply_text, get);
    add_route(config, "GET /things/1", reply_text, one);
    add_route(config, "/tree/{rest...}", reply_text, rest);
    add_route(config, "example.org/things/2", reply_text, host);
    add_route(config, "/exact/{$}", reply_text, exact);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/things/7", 200, "get");
    CHECK_GET(server, "/things/1", 200, "one");
    CHECK_GET(server, "/things/2", 200, "host");
    CHECK_GET(server, "/tree/a/b/c", 200, "rest");
    CHECK_GET(server, "/exact/", 200, "exact");
    CHECK_GET(server, "/exact/more", 404, "404 page not found\n");
    struct answer answer = ask(server, "DELETE /things/7 HTTP/1.1\r\n" HOST "\r\n");
    CHECK_TEXT(answer.body, "any");
    answer_free(&answer);
    stop_and_free(server);
}

static void wrong_method(void) {
    oxb_server *server = serve_one("POST /only", reply_done, NULL);
    struct answer answer = ask_get(server, "/only");
    CHECK_INT(answer.status, 405);
    CHECK_TEXT(answer_header(&answer, "Allow"), "POST");
    answer_free(&answer);
    stop_and_free(server);
}

static void bad_patterns(void) {
    static const char *const bad[] = {"",      "GET",   "GET ",     "a",        "GET x",
                                      "/{",    "/{}",   "/{a}{b}",  "/{a}/{a}", "/{a...}/b",
                                      "/{$}/", "/x{a}", "GET  /{a", "G@T /",    "/{1a}"};
    oxb_config *config = new_config();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        oxb_error *error = NULL;
        check_row(bad[i]);
        CHECK_STATUS(oxb_config_handle(config, bad[i], reply_done, NULL, NULL, &error),
                     OXB_ERR_PATTERN);
        CHECK_CONTAINS(oxb_error_message(error), bad[i]);
        oxb_error_free(error);
    }
    check_row(NULL);
    oxb_config_free(config);
}

/* Each kind of route may come late; requests from then on find it. */
static void added_late(void) {
    static char late[] = "late";
    oxb_event event = {0};
    size_t count = 0;
    struct client client;
    struct answer answer;
    const char *directory = make_directory();
    make_file(directory, "file.txt", "a file", 6);
    oxb_server *server = serve_one("/first", reply_done, NULL);
    client_open(&client, server);
    client_send(&client, "GET /late HTTP/1.1\r\n" HOST "\r\n");
    client_read(&client, &answer);
    CHECK_INT(answer.status, 404);
    answer_free(&answer);

    CHECK_OK(oxb_server_handle(server, "/late", reply_text, late, NULL, NULL));
    client_send(&client, "GET /late HTTP/1.1\r\n" HOST "\r\n"); /* on the connection it has */
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "late");
    answer_free(&answer);

    CHECK_OK(oxb_server_handle_inline(server, "/inline", reply_text, late, NULL, NULL));
    CHECK_GET(server, "/inline", 200, "late");
    CHECK_OK(oxb_server_serve_dir(server, "/files/", directory, NULL));
    CHECK_GET(server, "/files/file.txt", 200, "a file");

    CHECK_OK(oxb_server_handle_queue(server, "/queue", late, NULL, NULL));
    client_send(&client, "GET /queue HTTP/1.1\r\n" HOST "\r\n");
    CHECK_OK(oxb_server_next(server, &event, 1, PATIENCE_MS, &count));
    CHECK(count == 1 && event.user_data == late);
    reply(event.exchange, "queued");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "queued");
    answer_free(&answer);
    CHECK_GET(server, "/first", 200, "done");
    client_close(&client);
    stop_and_free(server);
    remove_directory(directory);
}

static void conflicts_late(void) {
    oxb_error *error = NULL;
    oxb_server *server = serve_one("/a/{x}", reply_done, NULL);
    CHECK_STATUS(oxb_server_handle(server, "/{y}/b", reply_done, NULL, NULL, &error),
                 OXB_ERR_PATTERN);
    CHECK_CONTAINS(oxb_error_message(error), "\"/a/{x}\"");
    CHECK_CONTAINS(oxb_error_message(error), "\"/{y}/b\"");
    oxb_error_free(error);
    error = NULL;
    CHECK_STATUS(oxb_server_handle_inline(server, "no slash", reply_done, NULL, NULL, &error),
                 OXB_ERR_PATTERN);
    CHECK_CONTAINS(oxb_error_message(error), "no slash");
    oxb_error_free(error);
    CHECK_GET(server, "/a/b", 200, "done");
    stop_and_free(server);
}

/* A handler may add a route to its own server. */
static void add_another(oxb_exchange x, void *user_data) {
    oxb_server *_Atomic *server = user_data;
    CHECK_OK(oxb_server_handle(*server, "/added", reply_done, NULL, NULL, NULL));
    reply(x, "added");
}

static void added_by_a_handler(void) {
    oxb_server *_Atomic server = NULL; /* set when it runs already */
    oxb_config *config = new_config();
    add_route(config, "/add", add_another, &server);
    server = start_server(config);
    CHECK_GET(server, "/add", 200, "added");
    CHECK_GET(server, "/added", 200, "done");
    stop_and_free(server);
}

/* Many routes from several threads while requests come. */
struct adder {
    oxb_server *server;
    int number;
};

static void *add_many(void *user_data) {
    struct adder *adder = user_data;
    int times = scaled(100);
    for (int i = 0; i < times; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "/%d-%d", adder->number, i);
        CHECK_OK(oxb_server_handle(adder->server, pattern, reply_done, NULL, NULL, NULL));
        CHECK_GET(adder->server, pattern, 200, "done");
    }
    return NULL;
}

static void several_threads(void) {
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    struct adder adders[THREADS];
    oxb_server *server = serve_one("/{$}", reply_done, NULL);
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (struct adder){server, i};
        threads[i] = spawn(add_many, &adders[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

CASES(routes, {"routes: patterns", patterns}, {"routes: the wrong method", wrong_method},
      {"routes: bad patterns", bad_patterns}, {"routes: added late", added_late},
      {"routes: conflicts late", conflicts_late},
      {"routes: added by a handler", added_by_a_handler},
      {"routes: added by several threads", several_threads});
