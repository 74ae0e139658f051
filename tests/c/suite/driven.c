/* A server that the host drives: it has no threads, and does something only in oxb_server_turn. */
#include "serving.h"

#include <sys/eventfd.h>
#include <unistd.h>

static oxb_config *driven_config(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_driven(config, true));
    return config;
}

static oxb_server *drive_one(const char *pattern, oxb_handler handler, void *user_data) {
    oxb_config *config = driven_config();
    add_route(config, pattern, handler, user_data);
    return start_server(config);
}

/* Turns until one reports one of these. */
static uint32_t turn_until(oxb_server *server, uint32_t wanted) {
    uint64_t deadline = now_ms() + PATIENCE_MS;
    uint32_t turned = 0;
    do {
        if (!CHECK_OK(oxb_server_turn(server, 100, &turned)) || !CHECK(now_ms() < deadline)) {
            break;
        }
    } while ((turned & wanted) == 0);
    return turned;
}

static void turn_until_readable(oxb_server *server, struct client *client) {
    uint64_t deadline = now_ms() + PATIENCE_MS;
    while (!client_readable(client, 0)) {
        if (!CHECK_OK(oxb_server_turn(server, 100, NULL)) || !CHECK(now_ms() < deadline)) {
            break;
        }
    }
}

/* A stop takes turns too. */
static void stop_driven(oxb_server *server) {
    CHECK_OK(oxb_server_begin_stop(server, 1000));
    CHECK((turn_until(server, OXB_TURN_STOPPED) & OXB_TURN_STOPPED) != 0);
    uint32_t turned = 0;
    CHECK_OK(oxb_server_turn(server, -1, &turned)); /* it says so again, and does not wait */
    CHECK((turned & OXB_TURN_STOPPED) != 0);
    CHECK_OK(oxb_server_wait(server, OXB_FOREVER));
    oxb_server_free(server);
}

static void on_the_host(oxb_exchange x, void *host) {
    CHECK(pthread_equal(*(pthread_t *)host, pthread_self()));
    reply(x, "on the host's thread");
}

static void hello(void) {
    pthread_t host = pthread_self();
    struct client client;
    struct answer answer;
    oxb_server *server = drive_one("/", on_the_host, &host);
    client_open(&client, server);
    for (int i = 0; i < 3; i++) {
        client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
        CHECK((turn_until(server, OXB_TURN_HANDLED) & OXB_TURN_HANDLED) != 0);
        turn_until_readable(server, &client);
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "on the host's thread");
        answer_free(&answer);
    }
    client_close(&client);
    stop_driven(server);
}

static void timeouts(void) {
    uint32_t turned = 77;
    oxb_server *server = drive_one("/", reply_done, NULL);
    uint64_t before = now_ms();
    CHECK_OK(oxb_server_turn(server, 0, &turned));
    CHECK_INT(turned, 0);
    CHECK_OK(oxb_server_turn(server, 0, NULL));
    before = now_ms();
    CHECK_OK(oxb_server_turn(server, 50, &turned));
    CHECK_INT(turned, 0);
    CHECK(now_ms() - before >= 49);
    stop_driven(server);
}

/* Without a limit a turn ends when there is something to tell. */
static void *send_request(void *client) {
    client_send(client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    return NULL;
}

static void no_limit(void) {
    struct client client;
    struct answer answer;
    uint32_t turned = 0;
    oxb_server *server = drive_one("/", reply_done, NULL);
    client_open(&client, server);
    pthread_t thread = spawn(send_request, &client);
    CHECK_OK(oxb_server_turn(server, -1, &turned));
    CHECK((turned & OXB_TURN_HANDLED) != 0);
    pthread_join(thread, NULL);
    turn_until_readable(server, &client);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    client_close(&client);
    stop_driven(server);
}

/* The host's own descriptor ends turns: an epoll that has the host's events, for example. */
static void watch(void) {
    uint32_t turned = 0;
    uint64_t one = 1;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    oxb_server *server = drive_one("/", reply_done, NULL);
    CHECK_OK(oxb_server_watch(server, fd));
    CHECK_OK(oxb_server_turn(server, 0, &turned));
    CHECK_INT(turned & OXB_TURN_READABLE, 0);
    CHECK_INT(write(fd, &one, sizeof one), sizeof one);
    CHECK_OK(oxb_server_turn(server, -1, &turned));
    CHECK((turned & OXB_TURN_READABLE) != 0);
    /* Nobody but the host reads it: it is readable still. */
    CHECK_OK(oxb_server_turn(server, PATIENCE_MS, &turned));
    CHECK((turned & OXB_TURN_READABLE) != 0);
    CHECK_INT(read(fd, &one, sizeof one), sizeof one);
    CHECK_OK(oxb_server_turn(server, 0, &turned));
    CHECK_INT(turned & OXB_TURN_READABLE, 0);
    CHECK_INT(write(fd, &one, sizeof one), sizeof one);
    CHECK_OK(oxb_server_watch(server, -1));
    CHECK_OK(oxb_server_turn(server, 0, &turned));
    CHECK_INT(turned & OXB_TURN_READABLE, 0);
    CHECK_STATUS(oxb_server_watch(server, 1 << 20), OXB_ERR_IO); /* not open */
    close(fd);
    stop_driven(server);
}

static void *wake(void *server) {
    CHECK_OK(oxb_server_wake(server));
    return NULL;
}

static void woken(void) {
    uint32_t turned = 0;
    oxb_server *server = drive_one("/", reply_done, NULL);
    pthread_t thread = spawn(wake, server);
    CHECK_OK(oxb_server_turn(server, -1, &turned)); /* whichever of the two comes first */
    CHECK((turned & OXB_TURN_WOKEN) != 0);
    pthread_join(thread, NULL);
    CHECK_OK(oxb_server_wake(server));
    CHECK_OK(oxb_server_wake(server)); /* two before a turn are one */
    CHECK_OK(oxb_server_turn(server, -1, &turned));
    CHECK((turned & OXB_TURN_WOKEN) != 0);
    CHECK_OK(oxb_server_turn(server, 0, &turned));
    CHECK_INT(turned & OXB_TURN_WOKEN, 0);
    oxb_event event;
    size_t count = 77;
    CHECK_OK(oxb_server_next(server, &event, 1, 0, &count)); /* whoever waited there is woken too */
    CHECK_U64(count, 0);
    stop_driven(server);
}

/* One turn at a time. */
struct second_turn {
    oxb_server *server;
    struct tally entered, tried;
};

static void wait_in_turn(oxb_exchange x, void *user_data) {
    struct second_turn *second = user_data;
    CHECK_STATUS(oxb_server_turn(second->server, 0, NULL), OXB_ERR_IN_CALLBACK);
    tally_add(&second->entered);
    tally_wait(&second->tried, 1);
    reply(x, "done");
}

static void *try_turn(void *user_data) {
    struct second_turn *second = user_data;
    tally_wait(&second->entered, 1);
    CHECK_STATUS(oxb_server_turn(second->server, 0, NULL), OXB_ERR_BUSY);
    tally_add(&second->tried);
    return NULL;
}

static void one_at_a_time(void) {
    struct second_turn second = {NULL, TALLY_INIT, TALLY_INIT};
    struct client client;
    struct answer answer;
    second.server = drive_one("/", wait_in_turn, &second);
    client_open(&client, second.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    pthread_t thread = spawn(try_turn, &second);
    turn_until(second.server, OXB_TURN_HANDLED);
    pthread_join(thread, NULL);
    turn_until_readable(second.server, &client);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    client_close(&client);
    stop_driven(second.server);
}

/* Nothing waits in a turn: an upload is read piece by piece, as it arrives. */
struct upload {
    size_t total;
    bool waited;
};

static void read_what_is_there(oxb_exchange x, uint32_t kinds, void *user_data) {
    struct upload *upload = user_data;
    uint8_t piece[1000];
    size_t count = 0;
    oxb_status status;
    CHECK_INT(kinds, OXB_EVENT_READABLE);
    while ((status = oxb_request_read(x, piece, sizeof piece, &count)) == OXB_OK && count != 0) {
        CHECK(is_body(piece, count, upload->total));
        upload->total += count;
    }
    if (status == OXB_ERR_WOULD_BLOCK) {
        upload->waited = true;
        CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_READABLE, read_what_is_there, upload, NULL));
    } else if (CHECK_OK(status)) {
        reply(x, "uploaded");
    }
}

static void begin_upload(oxb_exchange x, void *upload) {
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_READABLE, read_what_is_there, upload, NULL));
}

static void uploads(void) {
    enum { PIECE = 3000, PIECES = 100 };
    static uint8_t piece[PIECE];
    struct upload upload = {0, false};
    struct client client;
    struct answer answer;
    oxb_config *config = driven_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", begin_upload, &upload);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n");
    for (int i = 0; i < PIECES; i++) {
        fill_body(piece, PIECE, (uint64_t)i * PIECE);
        client_send_bytes(&client, piece, PIECE);
        CHECK_OK(oxb_server_turn(server, 10, NULL));
    }
    turn_until_readable(server, &client);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "uploaded");
    CHECK_U64(upload.total, PIECE * PIECES);
    CHECK(upload.waited);
    answer_free(&answer);
    client_close(&client);
    stop_driven(server);
}

/* An answer from another thread ends the turn that waits, so that it goes out at once. */
static void *answer_from_thread(void *handover) {
    reply(taken_over(handover), "from a thread");
    return NULL;
}

static void deferred(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_server *server = drive_one("/", hand_over, &handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    pthread_t thread = spawn(answer_from_thread, &handover);
    turn_until_readable(server, &client);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "from a thread");
    pthread_join(thread, NULL);
    answer_free(&answer);
    client_close(&client);
    stop_driven(server);
}

static void not_driven(void) {
    oxb_server *server = serve_one("/", reply_done, NULL);
    CHECK_STATUS(oxb_server_turn(server, 0, NULL), OXB_ERR_STATE);
    CHECK_STATUS(oxb_server_watch(server, -1), OXB_ERR_STATE);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

/* The simplest loop there is: to wait for the end is to take turns until then. */
static void stop_it(oxb_exchange x, void *user_data) {
    oxb_server **server = user_data;
    CHECK_STATUS(oxb_server_wait(*server, OXB_FOREVER), OXB_ERR_IN_CALLBACK);
    CHECK_STATUS(oxb_server_stop(*server, PATIENCE_MS), OXB_ERR_IN_CALLBACK);
    reply(x, "stopped");
}

static void *wait_for_end(void *server) {
    CHECK_OK(oxb_server_wait(server, OXB_FOREVER));
    return NULL;
}

static void waited_for(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = NULL;
    oxb_config *config = driven_config();
    add_route(config, "/", stop_it, &server);
    server = start_server(config);
    CHECK_STATUS(oxb_server_wait(server, 10), OXB_ERR_TIMEOUT);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    pthread_t thread = spawn(wait_for_end, server);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "stopped");
    answer_free(&answer);
    CHECK(client_sees_end(&client));
    client_close(&client);
    pthread_join(thread, NULL);
    oxb_server_free(server);
}

/* A callback frees the server whose turn has called it: the turn comes back, and says that it is
 * over. */
struct freeing {
    oxb_server *server;
    struct tally dropped;
};

static void free_it(oxb_exchange x, void *user_data) {
    struct freeing *freeing = user_data;
    (void)x;
    oxb_server_free(freeing->server);
    CHECK_INT(tally_count(&freeing->dropped), 0);
}

static void drop_freeing(void *user_data) { tally_add(&((struct freeing *)user_data)->dropped); }

static void freed_in_a_turn(void) {
    struct freeing freeing = {NULL, TALLY_INIT};
    struct client client;
    oxb_config *config = driven_config();
    CHECK_OK(oxb_config_handle(config, "/", free_it, &freeing, drop_freeing, NULL));
    freeing.server = start_server(config);
    client_open(&client, freeing.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK((turn_until(freeing.server, OXB_TURN_STOPPED) & OXB_TURN_STOPPED) != 0);
    CHECK_INT(tally_count(&freeing.dropped), 1);
    client_close(&client);
}

/* Queue routes of a driven server: its turns fill the queue. */
static void with_a_queue(void) {
    struct client client;
    struct answer answer;
    oxb_event event;
    size_t count = 0;
    uint64_t deadline = now_ms() + PATIENCE_MS;
    oxb_config *config = driven_config();
    CHECK_OK(oxb_config_handle_queue(config, "/", NULL, NULL, NULL));
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    while (oxb_server_next(server, &event, 1, 0, &count) == OXB_ERR_TIMEOUT &&
           CHECK(now_ms() < deadline)) {
        CHECK_OK(oxb_server_turn(server, 10, NULL));
    }
    CHECK_U64(count, 1);
    reply(event.exchange, "queued");
    turn_until_readable(server, &client);
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "queued");
    answer_free(&answer);
    client_close(&client);
    stop_driven(server);
}

/* The end of a driven server needs no turn. */
static void freed_unstopped(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    oxb_server *server = drive_one("/", hand_over, &handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    turn_until(server, OXB_TURN_HANDLED);
    oxb_exchange x = taken_over(&handover);
    oxb_server_free(server);
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE);
    client_close(&client);
}

CASES(driven, {"driven: on the host's thread", hello}, {"driven: timeouts", timeouts},
      {"driven: no limit", no_limit}, {"driven: the host's descriptor", watch},
      {"driven: woken", woken}, {"driven: one turn at a time", one_at_a_time},
      {"driven: uploads", uploads}, {"driven: deferred", deferred},
      {"driven: a server that is not", not_driven}, {"driven: waited for", waited_for},
      {"driven: freed in a turn", freed_in_a_turn}, {"driven: with a queue", with_a_queue},
      {"driven: freed without a stop", freed_unstopped});
