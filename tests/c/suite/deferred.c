/* Answers that come later, from other threads. */
#include "serving.h"

#include <stdio.h>

static void *answer_later(void *handover) {
    oxb_exchange x = taken_over(handover);
    oxb_bytes path = {NULL, 0};
    CHECK_OK(oxb_request_path(x, &path));
    CHECK_BYTES(path, "/later");
    CHECK_OK(oxb_exchange_reply(x, 200, "text/plain", path));
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE);
    return NULL;
}

static void one(void) {
    struct handover handover = HANDOVER_INIT;
    oxb_server *server = serve_one("/", hand_over, &handover);
    pthread_t thread = spawn(answer_later, &handover);
    CHECK_GET(server, "/later", 200, "/later");
    pthread_join(thread, NULL);
    stop_and_free(server);
}

/* While it waits for its answer the server does other things, with one thread for all of them. */
static void others_meanwhile(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_threads(config, 1));
    add_route(config, "/later", hand_over, &handover);
    add_route(config, "/now", reply_done, NULL);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange x = taken_over(&handover);
    for (int i = 0; i < 10; i++) {
        CHECK_GET(server, "/now", 200, "done");
    }
    CHECK_U64(oxb_server_exchanges(server), 1);
    CHECK_U64(oxb_live_exchanges(), 1);
    reply(x, "at last");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "at last");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* To defer is the callback's to do, once. */
static void keep_and_defer(oxb_exchange x, void *user_data) {
    struct handover *handover = user_data;
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_STATUS(oxb_exchange_defer(x), OXB_ERR_STATE);
    handover->exchange = x;
    tally_add(&handover->arrived);
}

static void only_the_callback(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", keep_and_defer, &handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange x = taken_over(&handover);
    CHECK_STATUS(oxb_exchange_defer(x), OXB_ERR_STATE);
    reply(x, "once");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "once");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Another thread may be quicker than the return of the callback that deferred. */
struct race {
    struct handover handover;
    struct tally answered;
};

static void wait_until_answered(oxb_exchange x, void *user_data) {
    struct race *race = user_data;
    hand_over(x, &race->handover);
    tally_wait(&race->answered, 1);
    oxb_bytes path = {NULL, 0};
    CHECK_STATUS(oxb_request_path(x, &path), OXB_ERR_STALE);
}

static void quicker_than_the_callback(void) {
    struct race race = {HANDOVER_INIT, TALLY_INIT};
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", wait_until_answered, &race);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    reply(taken_over(&race.handover), "quick");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "quick");
    answer_free(&answer);
    tally_add(&race.answered);
    client_close(&client);
    stop_and_free(server);
}

/* Many at the same time: each answered by the first thread that takes it from a list. */
enum { CLIENTS = 32, ANSWERERS = 4 };

struct pending {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    oxb_exchange waiting[CLIENTS];
    int count;
    bool over;
};

static void put_on_list(oxb_exchange x, void *user_data) {
    struct pending *pending = user_data;
    CHECK_OK(oxb_exchange_defer(x));
    pthread_mutex_lock(&pending->mutex);
    pending->waiting[pending->count++] = x;
    pthread_cond_signal(&pending->changed);
    pthread_mutex_unlock(&pending->mutex);
}

static void *answer_from_list(void *user_data) {
    struct pending *pending = user_data;
    for (;;) {
        pthread_mutex_lock(&pending->mutex);
        while (pending->count == 0 && !pending->over) {
            pthread_cond_wait(&pending->changed, &pending->mutex);
        }
        oxb_exchange x = pending->count ? pending->waiting[--pending->count] : OXB_NO_EXCHANGE;
        pthread_mutex_unlock(&pending->mutex);
        if (x == OXB_NO_EXCHANGE) {
            return NULL;
        }
        oxb_bytes id = {NULL, 0};
        CHECK_OK(oxb_request_path_value(x, oxb_str("id"), &id));
        CHECK_OK(oxb_response_write(x, id.data, id.len));
        CHECK_OK(oxb_exchange_end(x));
    }
}

static void many(void) {
    struct pending pending = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, false};
    pthread_t answerers[ANSWERERS];
    static struct client clients[CLIENTS];
    oxb_server *server = serve_one("/{id}", put_on_list, &pending);
    for (int i = 0; i < ANSWERERS; i++) {
        answerers[i] = spawn(answer_from_list, &pending);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], server);
    }
    char text[100];
    int rounds = scaled(50);
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
    pthread_mutex_lock(&pending.mutex);
    pending.over = true;
    pthread_cond_broadcast(&pending.changed);
    pthread_mutex_unlock(&pending.mutex);
    for (int i = 0; i < ANSWERERS; i++) {
        pthread_join(answerers[i], NULL);
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    stop_and_free(server);
}

/* A deferred answer may stream, and read its request's body, as any other. */
static void *stream_later(void *user_data) {
    oxb_exchange x = taken_over(user_data);
    char piece[64];
    size_t count = 0;
    while (oxb_request_read(x, piece, sizeof piece, &count) == OXB_OK && count != 0) {
        CHECK_OK(oxb_response_write(x, piece, count));
        CHECK_OK(oxb_response_flush(x));
    }
    CHECK_OK(oxb_exchange_end(x));
    return NULL;
}

static void streamed(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", hand_over, &handover);
    oxb_server *server = start_server(config);
    pthread_t thread = spawn(stream_later, &handover);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\nfirst ");
    tally_wait(&handover.arrived, 1);
    client_send(&client, "second");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "first second");
    answer_free(&answer);
    client_close(&client);
    pthread_join(thread, NULL);
    stop_and_free(server);
}

CASES(deferred, {"deferred: one", one}, {"deferred: others meanwhile", others_meanwhile},
      {"deferred: only by the callback, once", only_the_callback},
      {"deferred: answered before the callback returns", quicker_than_the_callback},
      {"deferred: many at the same time", many}, {"deferred: streamed", streamed});
