/* Requests that the host takes from a queue, in batches, on threads of its own. No callbacks. */
#include "serving.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

static oxb_server *queue_one(const char *pattern, void *user_data) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_handle_queue(config, pattern, user_data, NULL, NULL));
    return start_server(config);
}

static bool is_readable(int fd, int timeout_ms) {
    struct pollfd wait = {fd, POLLIN, 0};
    return poll(&wait, 1, timeout_ms) == 1 && (wait.revents & POLLIN) != 0;
}

static void one_by_one(void) {
    int mark = 0;
    oxb_event event = {0};
    size_t count = 0;
    struct client client;
    struct answer answer;
    oxb_server *server = queue_one("/{name}", &mark);
    client_open(&client, server);
    for (int i = 0; i < 3; i++) {
        client_send(&client, "GET /x HTTP/1.1\r\n" HOST "\r\n");
        CHECK_OK(oxb_server_next(server, &event, 1, PATIENCE_MS, &count));
        CHECK_U64(count, 1);
        CHECK(event.user_data == &mark);
        CHECK_INT(event.kinds, OXB_EVENT_REQUEST);
        CHECK_STATUS(oxb_exchange_defer(event.exchange), OXB_ERR_STATE); /* it is, already */
        reply(event.exchange, "from the queue");
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "from the queue");
        answer_free(&answer);
    }
    client_close(&client);
    stop_and_free(server);
}

/* Several wait: one call takes them all, or as many as there is room for. */
enum { CLIENTS = 8 };

static void batches(void) {
    static struct client clients[CLIENTS];
    oxb_event events[CLIENTS];
    int fd = -1, taken = 0, calls = 0;
    oxb_server *server = queue_one("/{id}", NULL);
    CHECK_OK(oxb_server_queue_fd(server, &fd));
    CHECK(!is_readable(fd, 0));
    for (int i = 0; i < CLIENTS; i++) {
        char text[64];
        client_open(&clients[i], server);
        snprintf(text, sizeof text, "GET /%d HTTP/1.1\r\n" HOST "\r\n", i);
        client_send(&clients[i], text);
    }
    for (; taken < CLIENTS && calls < CLIENTS; calls++) {
        size_t count = 0;
        CHECK(is_readable(fd, PATIENCE_MS));
        CHECK_OK(oxb_server_next(server, events + taken, 3, PATIENCE_MS, &count));
        CHECK(count >= 1 && count <= 3);
        taken += (int)count;
    }
    CHECK_INT(taken, CLIENTS);
    CHECK(!is_readable(fd, 0)); /* nothing waits any more */
    CHECK_U64(oxb_server_exchanges(server), CLIENTS);
    for (int i = taken - 1; i >= 0; i--) {
        oxb_bytes id = {NULL, 0};
        CHECK_OK(oxb_request_path_value(events[i].exchange, oxb_str("id"), &id));
        CHECK_OK(oxb_exchange_reply(events[i].exchange, 200, "text/plain", id));
    }
    for (int i = 0; i < CLIENTS; i++) {
        char text[16];
        struct answer answer;
        client_read(&clients[i], &answer);
        snprintf(text, sizeof text, "%d", i);
        CHECK_TEXT(answer.body, text);
        answer_free(&answer);
        client_close(&clients[i]);
    }
    stop_and_free(server);
}

static void timeouts(void) {
    oxb_event event = {0};
    size_t count = 77;
    oxb_server *server = queue_one("/", NULL);
    CHECK_STATUS(oxb_server_next(server, &event, 1, 0, &count), OXB_ERR_TIMEOUT);
    uint64_t before = now_ms();
    CHECK_STATUS(oxb_server_next(server, &event, 1, 50, &count), OXB_ERR_TIMEOUT);
    CHECK(now_ms() - before >= 49);
    stop_and_free(server);
}

static void *wake(void *server) {
    CHECK_OK(oxb_server_wake(server));
    return NULL;
}

static void woken(void) {
    oxb_event event = {0};
    size_t count = 77;
    oxb_server *server = queue_one("/", NULL);
    pthread_t thread = spawn(wake, server);
    CHECK_OK(oxb_server_next(server, &event, 1, -1, &count));
    CHECK_U64(count, 0);
    pthread_join(thread, NULL);
    stop_and_free(server);
}

/* Whoever waits is let go when the server stops. */
static void *wait_for_stop(void *server) {
    oxb_event event;
    size_t count = 0;
    CHECK_STATUS(oxb_server_next(server, &event, 1, -1, &count), OXB_ERR_STOPPED);
    return NULL;
}

static void stopped(void) {
    pthread_t threads[3];
    oxb_event event;
    size_t count = 0;
    oxb_server *server = queue_one("/", NULL);
    for (int i = 0; i < 3; i++) {
        threads[i] = spawn(wait_for_stop, server);
    }
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_STATUS(oxb_server_next(server, &event, 1, -1, &count), OXB_ERR_STOPPED);
    oxb_server_free(server);
}

/* A stop waits for what was taken from the queue and is not answered yet. */
static void answered_while_stopping(void) {
    oxb_event event = {0};
    size_t count = 0;
    struct client client;
    struct answer answer;
    oxb_server *server = queue_one("/", NULL);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK_OK(oxb_server_next(server, &event, 1, -1, &count));
    CHECK_OK(oxb_server_begin_stop(server, PATIENCE_MS));
    CHECK_STATUS(oxb_server_wait(server, 10), OXB_ERR_TIMEOUT);
    reply(event.exchange, "before the end");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "before the end");
    answer_free(&answer);
    CHECK(client_sees_end(&client));
    client_close(&client);
    CHECK_OK(oxb_server_wait(server, PATIENCE_MS));
    oxb_server_free(server);
}

/* Several threads take from one queue: each request goes to exactly one of them. */
struct crew {
    oxb_server *server;
    atomic_int answered;
};

static void *work(void *user_data) {
    struct crew *crew = user_data;
    oxb_event events[4];
    size_t count = 0;
    oxb_status status;
    while ((status = oxb_server_next(crew->server, events, 4, -1, &count)) == OXB_OK) {
        for (size_t i = 0; i < count; i++) {
            oxb_bytes id = {NULL, 0};
            CHECK_OK(oxb_request_path_value(events[i].exchange, oxb_str("id"), &id));
            CHECK_OK(oxb_exchange_reply(events[i].exchange, 200, "text/plain", id));
            atomic_fetch_add(&crew->answered, 1);
        }
    }
    CHECK_STATUS(status, OXB_ERR_STOPPED);
    return NULL;
}

static void several_threads(void) {
    enum { THREADS = 3 };
    static struct client clients[CLIENTS];
    struct crew crew = {.server = queue_one("/{id}", NULL)};
    pthread_t threads[THREADS];
    char text[64];
    int rounds = scaled(200);
    atomic_init(&crew.answered, 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(work, &crew);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], crew.server);
    }
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            snprintf(text, sizeof text, "GET /%d-%d HTTP/1.1\r\n" HOST "\r\n", round, i);
            client_send(&clients[i], text);
        }
        for (int i = 0; i < CLIENTS; i++) {
            struct answer answer;
            client_read(&clients[i], &answer);
            snprintf(text, sizeof text, "%d-%d", round, i);
            CHECK_TEXT(answer.body, text);
            answer_free(&answer);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    CHECK_OK(oxb_server_stop(crew.server, PATIENCE_MS));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    /* Only now: an answer reaches its client before the thread that gave it has counted it. */
    CHECK_INT(atomic_load(&crew.answered), rounds * CLIENTS);
    oxb_server_free(crew.server);
}

/* Past the bound of the queue clients are told to come again. */
static void full(void) {
    static struct client clients[4];
    oxb_event events[4];
    size_t count = 0;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_queue(config, 2));
    CHECK_OK(oxb_config_handle_queue(config, "/", NULL, NULL, NULL));
    oxb_server *server = start_server(config);
    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], server);
        client_send(&clients[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
    }
    /* Two are refused, whichever: the others stay silent. */
    int refused = 0;
    uint64_t deadline = now_ms() + PATIENCE_MS;
    while (refused < 2 && CHECK(now_ms() < deadline)) {
        for (int i = 0; i < 4; i++) {
            if (clients[i].fd >= 0 && client_readable(&clients[i], 5)) {
                struct answer answer;
                client_read(&clients[i], &answer);
                CHECK_INT(answer.status, 503);
                CHECK(answer_header(&answer, "Retry-After") != NULL);
                answer_free(&answer);
                client_close(&clients[i]);
                refused++;
            }
        }
    }
    CHECK_OK(oxb_server_next(server, events, 4, 0, &count));
    CHECK_U64(count, 2);
    for (size_t i = 0; i < count; i++) {
        reply(events[i].exchange, "in time");
    }
    for (int i = 0; i < 4; i++) {
        if (clients[i].fd >= 0) {
            struct answer answer;
            client_read(&clients[i], &answer);
            CHECK_TEXT(answer.body, "in time");
            answer_free(&answer);
            client_close(&clients[i]);
        }
    }
    stop_and_free(server);
}

/* A callback must not wait for its own server's queue; it may look. */
struct looking {
    oxb_server *_Atomic server; /* set when it runs already */
};

static void look(oxb_exchange x, void *user_data) {
    struct looking *looking = user_data;
    oxb_event event;
    size_t count = 0;
    CHECK_STATUS(oxb_server_next(looking->server, &event, 1, 10, &count), OXB_ERR_IN_CALLBACK);
    CHECK_STATUS(oxb_server_next(looking->server, &event, 1, -1, &count), OXB_ERR_IN_CALLBACK);
    CHECK_STATUS(oxb_server_next(looking->server, &event, 1, 0, &count), OXB_ERR_TIMEOUT);
    reply(x, "looked");
}

static void in_a_callback(void) {
    struct looking looking = {NULL};
    looking.server = serve_one("/", look, &looking);
    CHECK_GET(looking.server, "/", 200, "looked");
    stop_and_free(looking.server);
}

/* What is in the queue when its server is freed is nobody's any more. */
static void freed_full(void) {
    int fd = -1;
    struct client client;
    struct tally dropped = TALLY_INIT;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_handle_queue(config, "/", &dropped, count_drop, NULL));
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_queue_fd(server, &fd));
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK(is_readable(fd, PATIENCE_MS));
    oxb_server_free(server);
    CHECK_INT(tally_count(&dropped), 1);
    client_close(&client);
}

CASES(queue, {"queue: one by one", one_by_one}, {"queue: batches", batches},
      {"queue: timeouts", timeouts}, {"queue: woken", woken}, {"queue: stopped", stopped},
      {"queue: answered while stopping", answered_while_stopping},
      {"queue: several threads", several_threads}, {"queue: full", full},
      {"queue: in a callback", in_a_callback}, {"queue: freed with requests in it", freed_full});
