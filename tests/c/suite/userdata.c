/* user_data: its drop runs exactly once, when nothing needs it any more, also where a call fails.
 */
#include "serving.h"

#include <stdio.h>

/* Each way to give user_data away; the handler is NULL where a row wants it so. */
typedef oxb_status (*registration)(oxb_config *config, const char *pattern, oxb_handler handler,
                                   void *user_data, oxb_drop drop);

static oxb_status by_handle(oxb_config *config, const char *pattern, oxb_handler handler,
                            void *user_data, oxb_drop drop) {
    return oxb_config_handle(config, pattern, handler, user_data, drop, NULL);
}

static oxb_status by_inline(oxb_config *config, const char *pattern, oxb_handler handler,
                            void *user_data, oxb_drop drop) {
    return oxb_config_handle_inline(config, pattern, handler, user_data, drop, NULL);
}

static oxb_status by_queue(oxb_config *config, const char *pattern, oxb_handler handler,
                           void *user_data, oxb_drop drop) {
    (void)handler;
    return oxb_config_handle_queue(config, pattern, user_data, drop, NULL);
}

static const registration registrations[] = {by_handle, by_inline, by_queue};
enum { REGISTRATIONS = sizeof registrations / sizeof registrations[0] };

static void refused(void) {
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct tally dropped = TALLY_INIT;
        oxb_config *config = new_config();
        CHECK_STATUS(registrations[i](config, "bad pattern", reply_done, &dropped, count_drop),
                     OXB_ERR_PATTERN);
        CHECK_INT(tally_count(&dropped), 1);
        CHECK_STATUS(registrations[i](config, "/\xff", reply_done, &dropped, count_drop),
                     OXB_ERR_ARG); /* no UTF-8 */
        CHECK_INT(tally_count(&dropped), 2);
        CHECK_STATUS(registrations[i](config, NULL, reply_done, &dropped, count_drop), OXB_ERR_ARG);
        CHECK_INT(tally_count(&dropped), 3);
        CHECK_STATUS(registrations[i](NULL, "/", reply_done, &dropped, count_drop), OXB_ERR_ARG);
        CHECK_INT(tally_count(&dropped), 4);
        oxb_config_free(config);
        CHECK_INT(tally_count(&dropped), 4);
    }
}

static void without_a_handler(void) {
    for (int i = 0; i < 2; i++) {
        struct tally dropped = TALLY_INIT;
        oxb_config *config = new_config();
        CHECK_STATUS(registrations[i](config, "/", NULL, &dropped, count_drop), OXB_ERR_ARG);
        CHECK_INT(tally_count(&dropped), 1);
        oxb_config_free(config);
    }
}

static void conflicting(void) {
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct tally kept = TALLY_INIT, dropped = TALLY_INIT;
        oxb_config *config = new_config();
        CHECK_OK(registrations[i](config, "/{a}", reply_done, &kept, count_drop));
        CHECK_STATUS(registrations[i](config, "/{b}", reply_done, &dropped, count_drop),
                     OXB_ERR_PATTERN);
        CHECK_INT(tally_count(&dropped), 1);
        CHECK_INT(tally_count(&kept), 0);
        oxb_config_free(config); /* one that was never started */
        CHECK_INT(tally_count(&dropped), 1);
        CHECK_INT(tally_count(&kept), 1);
    }
}

static void with_the_server(void) {
    for (int i = 0; i < REGISTRATIONS; i++) {
        struct tally dropped = TALLY_INIT;
        oxb_config *config = new_config();
        CHECK_OK(registrations[i](config, "/", reply_done, &dropped, count_drop));
        oxb_server *server = start_server(config);
        CHECK_INT(tally_count(&dropped), 0);
        oxb_server_free(server);
        CHECK_INT(tally_count(&dropped), 1);
    }
}

/* A stopped server may still be asked: its user_data goes with it, not before. */
static void stopped_then_freed(void) {
    struct tally dropped = TALLY_INIT;
    oxb_config *config = new_config();
    CHECK_OK(by_handle(config, "/", reply_done, &dropped, count_drop));
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "done");
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    oxb_server_free(server);
    CHECK_INT(tally_count(&dropped), 1);
}

static void start_fails(void) {
    struct tally dropped = TALLY_INIT;
    uint16_t port = 0;
    char address[32];
    oxb_server *first = serve_one("/", reply_done, NULL), *second = NULL;
    CHECK_OK(oxb_server_port(first, &port));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    for (int i = 0; i < REGISTRATIONS; i++) {
        oxb_config *config = NULL;
        CHECK_OK(oxb_config_new(&config));
        CHECK_OK(oxb_config_listen(config, address, NULL));
        CHECK_OK(registrations[i](config, "/", reply_done, &dropped, count_drop));
        CHECK_STATUS(oxb_server_start(config, &second, NULL), OXB_ERR_BIND);
        CHECK_INT(tally_count(&dropped), i + 1);
    }
    /* And with nowhere to put the server. */
    oxb_config *config = new_config();
    CHECK_OK(by_handle(config, "/", reply_done, &dropped, count_drop));
    CHECK_STATUS(oxb_server_start(config, NULL, NULL), OXB_ERR_ARG);
    CHECK_INT(tally_count(&dropped), REGISTRATIONS + 1);
    stop_and_free(first);
}

/* On a running server it is the same. */
static void on_a_running_server(void) {
    struct tally kept = TALLY_INIT, dropped = TALLY_INIT;
    oxb_server *server = serve_one("/{a}", reply_done, NULL);
    CHECK_STATUS(oxb_server_handle(server, "/{b}", reply_done, &dropped, count_drop, NULL),
                 OXB_ERR_PATTERN);
    CHECK_STATUS(oxb_server_handle_inline(server, "/{b", reply_done, &dropped, count_drop, NULL),
                 OXB_ERR_PATTERN);
    CHECK_STATUS(oxb_server_handle_queue(server, "/{b}", &dropped, count_drop, NULL),
                 OXB_ERR_PATTERN);
    CHECK_INT(tally_count(&dropped), 3);
    CHECK_STATUS(oxb_server_handle(server, NULL, reply_done, &dropped, count_drop, NULL),
                 OXB_ERR_ARG);
    CHECK_STATUS(oxb_server_handle(NULL, "/c", reply_done, &dropped, count_drop, NULL),
                 OXB_ERR_ARG);
    CHECK_INT(tally_count(&dropped), 5);
    CHECK_OK(oxb_server_handle(server, "/1/", reply_done, &kept, count_drop, NULL));
    CHECK_OK(oxb_server_handle_inline(server, "/2/", reply_done, &kept, count_drop, NULL));
    CHECK_OK(oxb_server_handle_queue(server, "/3/", &kept, count_drop, NULL));
    CHECK_INT(tally_count(&kept), 0);
    stop_and_free(server);
    CHECK_INT(tally_count(&kept), 3);
    CHECK_INT(tally_count(&dropped), 5);
}

/* One user_data for several routes is dropped once for each. No drop, no user_data: both allowed.
 */
static void shared(void) {
    struct tally dropped = TALLY_INIT;
    oxb_config *config = new_config();
    CHECK_OK(by_handle(config, "/a", reply_done, &dropped, count_drop));
    CHECK_OK(by_handle(config, "/b", reply_done, &dropped, count_drop));
    CHECK_OK(by_handle(config, "/c", reply_done, &dropped, NULL));
    CHECK_OK(by_handle(config, "/d", reply_done, NULL, NULL));
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/c", 200, "done");
    CHECK_GET(server, "/d", 200, "done");
    stop_and_free(server);
    CHECK_INT(tally_count(&dropped), 2);
}

/* A drop may call the library: it runs with nothing locked. */
struct registering {
    oxb_server *server;
    struct tally dropped;
};

static void register_another(void *user_data) {
    struct registering *registering = user_data;
    CHECK_OK(oxb_server_handle(registering->server, "/added", reply_done, NULL, NULL, NULL));
    tally_add(&registering->dropped);
}

static void drop_that_registers(void) {
    struct registering registering = {serve_one("/{a}", reply_done, NULL), TALLY_INIT};
    CHECK_STATUS(oxb_server_handle(registering.server, "/{b}", reply_done, &registering,
                                   register_another, NULL),
                 OXB_ERR_PATTERN);
    CHECK_INT(tally_count(&registering.dropped), 1);
    CHECK_GET(registering.server, "/added", 200, "done");
    stop_and_free(registering.server);
}

CASES(userdata, {"userdata: refused patterns", refused},
      {"userdata: no handler", without_a_handler},
      {"userdata: conflict, and a config that is freed", conflicting},
      {"userdata: with the server", with_the_server},
      {"userdata: stopped, then freed", stopped_then_freed},
      {"userdata: the start fails", start_fails},
      {"userdata: on a running server", on_a_running_server}, {"userdata: shared", shared},
      {"userdata: a drop that registers a route", drop_that_registers});
