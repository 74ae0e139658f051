/* A thousand lives of a server leave nothing behind. */
#include "serving.h"

#include <dirent.h>

static int entries(const char *directory) {
    int count = 0;
    DIR *listing = opendir(directory);
    if (CHECK(listing != NULL)) {
        while (readdir(listing) != NULL) {
            count++;
        }
        closedir(listing);
    }
    return count;
}

/* Descriptors and threads of this process. */
struct footprint {
    int descriptors, threads;
};

static struct footprint footprint(void) {
    return (struct footprint){entries("/proc/self/fd"), entries("/proc/self/task")};
}

static bool is_back(void *user_data) {
    struct footprint now = footprint(), *before = user_data;
    return now.descriptors <= before->descriptors && now.threads <= before->threads;
}

static void leave_nothing(void (*live)(void), int times) {
    live(); /* what is made once for the process is no leak */
    struct footprint before = footprint();
    for (int i = 0; i < times; i++) {
        live();
    }
    if (!eventually(is_back, &before)) {
        struct footprint now = footprint();
        CHECK_INT(now.descriptors, before.descriptors);
        CHECK_INT(now.threads, before.threads);
    }
}

static void stop_and_go(void) { stop_and_free(serve_one("/", reply_done, NULL)); }

static void with_a_request(void) {
    oxb_server *server = serve_one("/", reply_done, NULL);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

static void only_freed(void) {
    struct client client;
    oxb_server *server = serve_one("/", reply_done, NULL);
    client_open(&client, server);
    oxb_server_free(server);
    client_close(&client);
}

static void driven(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_driven(config, true));
    add_route(config, "/", reply_done, NULL);
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_turn(server, 0, NULL));
    oxb_server_free(server);
}

static void queued(void) {
    int fd = -1;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_handle_queue(config, "/", NULL, NULL, NULL));
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_queue_fd(server, &fd));
    stop_and_free(server);
}

static void not_started(void) {
    oxb_config *config = new_config();
    oxb_server *server = NULL;
    CHECK_OK(oxb_config_listen(config, "unix:/nonexistent/directory/socket", NULL));
    CHECK_STATUS(oxb_server_start(config, &server, NULL), OXB_ERR_BIND);
}

static void thousand(void) { leave_nothing(stop_and_go, scaled(1000)); }
static void thousand_requests(void) { leave_nothing(with_a_request, scaled(1000)); }
static void thousand_freed(void) { leave_nothing(only_freed, scaled(200)); }
static void thousand_driven(void) { leave_nothing(driven, scaled(1000)); }
static void thousand_queues(void) { leave_nothing(queued, scaled(200)); }
static void thousand_failures(void) { leave_nothing(not_started, scaled(1000)); }

CASES(cycles, {"cycles: start, stop, free", thousand},
      {"cycles: with a request each", thousand_requests},
      {"cycles: freed without a stop", thousand_freed}, {"cycles: driven", thousand_driven},
      {"cycles: with a queue", thousand_queues}, {"cycles: starts that fail", thousand_failures});
