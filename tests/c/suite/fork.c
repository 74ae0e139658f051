/* After fork: the parent's servers are out of a child's reach, and a child may have its own. */
#include "calls.h"
#include "serving.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

/* Runs this in a child. What fails there is written to a pipe, and fails here. The child ends as
 * another program, since a tool that looks for leaks would find in it what the parent's threads
 * held. */
static void in_a_child(void (*run)(void *), void *argument) {
    int ends[2], status = -1;
    if (!CHECK_INT(pipe(ends), 0)) {
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        const char *why = NULL;
        alarm(6 * PATIENCE_MS / 1000); /* no alarm is inherited */
        report_begin();
        run(argument);
        int failures = report_failures(&why);
        ssize_t wrote = write(ends[1], why, strlen(why) + 1);
        close(ends[1]);
        if (wrote >= 0) {
            execlp("true", "true", (char *)NULL);
        }
        _exit(failures != 0 ? 1 : 2);
    }
    CHECK(child > 0);
    close(ends[1]);
    char said[2048] = "it ended before it could say why";
    size_t got = 0;
    ssize_t piece;
    while ((piece = read(ends[0], said + got, sizeof said - 1 - got)) > 0) {
        got += (size_t)piece;
    }
    said[sizeof said - 1] = '\0';
    close(ends[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_TEXT(said, "");
    CHECK_INT(status, 0);
}

struct parents {
    oxb_server *server;
    oxb_exchange exchange;
};

static void try_parents(void *user_data) {
    const struct parents *parents = user_data;
    oxb_server *server = parents->server;
    oxb_bytes bytes = {NULL, 0};
    oxb_event event;
    size_t count = 0;
    uint16_t port = 0;
    int fd = -1;
    check_all_calls(parents->exchange, OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_begin_stop(server, 0), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_stop(server, 0), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_wait(server, OXB_FOREVER), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_reload_tls(server, NULL), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_address(server, 0, &bytes), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_port(server, &port), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_url(server, &bytes), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_turn(server, 0, NULL), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_watch(server, -1), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_wake(server), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_next(server, &event, 1, -1, &count), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_queue_fd(server, &fd), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_handle(server, "/x", reply_done, NULL, NULL, NULL), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_handle_inline(server, "/y", reply_done, NULL, NULL, NULL),
                 OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_handle_queue(server, "/z", NULL, NULL, NULL), OXB_ERR_FORKED);
    CHECK_STATUS(oxb_server_serve_dir(server, "/d/", ".", NULL), OXB_ERR_FORKED);
    oxb_server_free(server); /* touches nothing */
}

/* The child tries everything; the parent does not notice. */
static void out_of_reach(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    struct parents parents = {serve_one("/", hand_over, &handover), OXB_NO_EXCHANGE};
    client_open(&client, parents.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    parents.exchange = taken_over(&handover);
    in_a_child(try_parents, &parents);
    reply(parents.exchange, "unharmed");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "unharmed");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(parents.server);
}

/* An exchange that a thread of the parent uses at that moment is out of reach too, not busy. */
struct reading {
    struct tally begun;
    oxb_exchange exchange;
};

static void read_slowly(oxb_exchange x, void *user_data) {
    struct reading *reading = user_data;
    char buffer[8];
    size_t count = 0;
    reading->exchange = x;
    tally_add(&reading->begun);
    CHECK_OK(oxb_request_read(x, buffer, sizeof buffer, &count));
    reply(x, "unharmed");
}

static bool is_busy(void *exchange) {
    bool flag = false;
    return oxb_response_head_sent(*(oxb_exchange *)exchange, &flag) == OXB_ERR_BUSY;
}

static void try_busy(void *exchange) {
    check_all_calls(*(oxb_exchange *)exchange, OXB_ERR_FORKED);
    CHECK_U64(oxb_live_exchanges(), 0);
}

static void used_at_that_moment(void) {
    struct reading reading = {TALLY_INIT, OXB_NO_EXCHANGE};
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", read_slowly, &reading);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    if (tally_wait(&reading.begun, 1) && CHECK(eventually(is_busy, &reading.exchange))) {
        in_a_child(try_busy, &reading.exchange);
    }
    client_send(&client, "later");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "unharmed");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* A child that was forked inside a callback has no business in the server that called it. */
static void return_twice(oxb_exchange x, void *user_data) {
    int status = 0;
    pid_t child = fork();
    if (child != 0) { /* the child returns */
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        reply(x, user_data);
    }
}

static void in_a_callback(void) {
    static char text[] = "of the parent";
    oxb_server *server = serve_one("/", return_twice, text);
    CHECK_GET(server, "/", 200, "of the parent");
    CHECK_GET(server, "/", 200, "of the parent");
    stop_and_free(server);
}

/* The child's own server lives beside the parent's, of which it knows nothing. */
static void serve_in_child(void *unused) {
    static char text[] = "of the child";
    (void)unused;
    CHECK_U64(oxb_live_exchanges(), 0);
    oxb_server *server = serve_one("/", reply_text, text);
    for (int i = 0; i < 10; i++) {
        CHECK_GET(server, "/", 200, "of the child");
    }
    stop_and_free(server);
    CHECK_U64(oxb_live_exchanges(), 0);
}

static void own_server(void) {
    static char text[] = "of the parent";
    oxb_server *server = serve_one("/", reply_text, text);
    CHECK_GET(server, "/", 200, "of the parent");
    in_a_child(serve_in_child, NULL);
    CHECK_GET(server, "/", 200, "of the parent");
    stop_and_free(server);
}

/* A fork while there is no server changes nothing. */
static void while_none_runs(void) { in_a_child(serve_in_child, NULL); }

/* Handles of a child mean nothing to its parent. */
static void hand_up(void *user_data) {
    int *ends = user_data;
    struct handover handover = HANDOVER_INIT;
    struct client client;
    oxb_server *server = serve_one("/", hand_over, &handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange x = taken_over(&handover);
    CHECK_INT(write(ends[1], &x, sizeof x), sizeof x);
    oxb_server_free(server);
    client_close(&client);
}

static void handles_of_a_child(void) {
    int ends[2];
    oxb_exchange x = OXB_NO_EXCHANGE;
    CHECK_INT(pipe(ends), 0);
    in_a_child(hand_up, ends);
    CHECK_INT(read(ends[0], &x, sizeof x), sizeof x);
    CHECK(x != OXB_NO_EXCHANGE);
    check_all_calls(x, OXB_ERR_STALE);
    close(ends[0]);
    close(ends[1]);
}

/* A config that the parent was still writing may be started by the child. */
static void start_inherited(void *config) {
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

static void config_of_the_parent(void) {
    oxb_config *config = new_config();
    add_route(config, "/", reply_done, NULL);
    in_a_child(start_inherited, config);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

CASES(fork, {"fork: the parent's server is out of reach", out_of_reach},
      {"fork: an exchange in use", used_at_that_moment}, {"fork: in a callback", in_a_callback},
      {"fork: a child's own server", own_server}, {"fork: no server runs", while_none_runs},
      {"fork: handles of a child", handles_of_a_child},
      {"fork: a config of the parent", config_of_the_parent});
