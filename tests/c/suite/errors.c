/* Statuses and error objects. */
#include "serving.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static const oxb_status statuses[] = {OXB_OK,
                                      OXB_ERR_ARG,
                                      OXB_ERR_STALE,
                                      OXB_ERR_BUSY,
                                      OXB_ERR_STATE,
                                      OXB_ERR_GONE,
                                      OXB_ERR_WOULD_BLOCK,
                                      OXB_ERR_TIMEOUT,
                                      OXB_ERR_TOO_LARGE,
                                      OXB_ERR_MALFORMED,
                                      OXB_ERR_BAD_HEADER,
                                      OXB_ERR_BAD_STATUS,
                                      OXB_ERR_LENGTH,
                                      OXB_ERR_NO_BODY,
                                      OXB_ERR_PATTERN,
                                      OXB_ERR_BIND,
                                      OXB_ERR_TLS,
                                      OXB_ERR_IO,
                                      OXB_ERR_NOT_FOUND,
                                      OXB_ERR_STOPPED,
                                      OXB_ERR_IN_CALLBACK,
                                      OXB_ERR_FORKED,
                                      OXB_ERR_ABI,
                                      OXB_ERR_LIMIT,
                                      OXB_ERR_PANIC};
enum { STATUSES = sizeof statuses / sizeof statuses[0] };

/* Programs keep the numbers, so they never change: 0, then -1 downwards. */
static void status_numbers(void) {
    for (int i = 0; i < STATUSES; i++) {
        CHECK_INT(statuses[i], -i);
    }
    CHECK_INT(sizeof(oxb_status), 4);
}

static void status_texts(void) {
    for (int i = 0; i < STATUSES; i++) {
        const char *text = oxb_strerror(statuses[i]);
        CHECK(text != NULL && text[0] != '\0');
        CHECK(text == oxb_strerror(statuses[i]));
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(text, oxb_strerror(statuses[j])) != 0);
        }
    }
}

static void unknown_statuses(void) {
    static const oxb_status unknown[] = {1, 42, -STATUSES, -1000, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        const char *text = oxb_strerror(unknown[i]);
        CHECK(text != NULL && text[0] != '\0');
        CHECK(strcmp(text, oxb_strerror(OXB_OK)) != 0);
    }
}

static void no_error(void) {
    CHECK_STATUS(oxb_error_status(NULL), OXB_ERR_ARG);
    CHECK_TEXT(oxb_error_message(NULL), "");
    CHECK_INT(oxb_error_os(NULL), 0);
    oxb_error_free(NULL);
}

/* The output parameter is written on failure only. */
static void untouched_on_success(void) {
    oxb_config *config = new_config();
    oxb_error *const mark = (oxb_error *)&config;
    oxb_error *error = mark;
    CHECK_OK(oxb_config_listen(config, "127.0.0.1:0", &error));
    CHECK(error == mark);
    CHECK_OK(oxb_config_handle(config, "/", reply_done, NULL, NULL, &error));
    CHECK(error == mark);
    oxb_server *server = NULL;
    CHECK_OK(oxb_server_start(config, &server, &error));
    CHECK(error == mark);
    stop_and_free(server);
}

static void bad_pattern_in_words(void) {
    oxb_config *config = new_config();
    oxb_error *error = NULL;
    CHECK_STATUS(oxb_config_handle(config, "GET /a/x{y}", reply_done, NULL, NULL, &error),
                 OXB_ERR_PATTERN);
    CHECK_STATUS(oxb_error_status(error), OXB_ERR_PATTERN);
    CHECK_CONTAINS(oxb_error_message(error), "\"GET /a/x{y}\"");
    CHECK_INT(oxb_error_os(error), 0);
    oxb_error_free(error);
    oxb_config_free(config);
}

static void conflict_in_words(void) {
    oxb_config *config = new_config();
    oxb_error *error = NULL;
    add_route(config, "/posts/{id}", reply_done, NULL);
    CHECK_STATUS(oxb_config_handle(config, "/{resource}/latest", reply_done, NULL, NULL, &error),
                 OXB_ERR_PATTERN);
    CHECK_CONTAINS(oxb_error_message(error), "\"/posts/{id}\"");
    CHECK_CONTAINS(oxb_error_message(error), "\"/{resource}/latest\"");
    CHECK_CONTAINS(oxb_error_message(error), "/posts/latest");
    oxb_error_free(error);
    /* The config is as it was. */
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/posts/latest", 200, "done");
    stop_and_free(server);
}

static void port_in_use(void) {
    oxb_server *first = serve_one("/", reply_done, NULL), *second = NULL;
    oxb_config *config = NULL;
    oxb_error *error = NULL;
    uint16_t port = 0;
    char address[32];
    CHECK_OK(oxb_server_port(first, &port));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    CHECK_OK(oxb_config_new(&config));
    CHECK_OK(oxb_config_listen(config, address, NULL));
    CHECK_STATUS(oxb_server_start(config, &second, &error), OXB_ERR_BIND);
    CHECK(second == NULL);
    CHECK_STATUS(oxb_error_status(error), OXB_ERR_BIND);
    CHECK_INT(oxb_error_os(error), EADDRINUSE);
    CHECK_CONTAINS(oxb_error_message(error), address);
    oxb_error_free(error);
    CHECK_GET(first, "/", 200, "done");
    stop_and_free(first);
}

/* Whoever does not want the words passes NULL. */
static void words_not_wanted(void) {
    oxb_config *config = new_config();
    oxb_server *server = NULL;
    CHECK_STATUS(oxb_config_listen(config, "127.0.0.1", NULL), OXB_ERR_ARG);
    CHECK_STATUS(oxb_config_handle(config, "no slash", reply_done, NULL, NULL, NULL),
                 OXB_ERR_PATTERN);
    CHECK_OK(oxb_config_listen(config, "unix:/nonexistent/directory/socket", NULL));
    CHECK_STATUS(oxb_server_start(config, &server, NULL), OXB_ERR_BIND);
}

CASES(errors, {"errors: statuses keep their numbers", status_numbers},
      {"errors: each status has a text of its own", status_texts},
      {"errors: unknown statuses have a text", unknown_statuses},
      {"errors: NULL is no error object", no_error},
      {"errors: success leaves the error pointer alone", untouched_on_success},
      {"errors: a bad pattern is named", bad_pattern_in_words},
      {"errors: a conflict names both patterns and an example", conflict_in_words},
      {"errors: a port in use has the system's number", port_in_use},
      {"errors: the error object may be unwanted", words_not_wanted});
