/* Stops at awkward moments: inside a handler, while one sleeps, with answers still owed. */
#include "calls.h"
#include "serving.h"

#include <stdlib.h>

struct stopper {
    oxb_server *_Atomic server; /* set when it runs already */
    struct tally arrived, released, dropped;
    oxb_exchange exchange;
};
#define STOPPER_INIT {NULL, TALLY_INIT, TALLY_INIT, TALLY_INIT, OXB_NO_EXCHANGE}

static void drop_stopper(void *user_data) { tally_add(&((struct stopper *)user_data)->dropped); }

static void serve_stopper(struct stopper *stopper, oxb_handler handler) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_handle(config, "/", handler, stopper, drop_stopper, NULL));
    stopper->server = start_server(config);
}

/* It cannot wait for itself, so it only begins; its own answer still goes out. */
static void stop_here(oxb_exchange x, void *user_data) {
    struct stopper *stopper = user_data;
    CHECK_STATUS(oxb_server_wait(stopper->server, OXB_FOREVER), OXB_ERR_IN_CALLBACK);
    CHECK_STATUS(oxb_server_stop(stopper->server, PATIENCE_MS), OXB_ERR_IN_CALLBACK);
    reply(x, "good bye");
}

static void in_a_handler(void) {
    struct stopper stopper = STOPPER_INIT;
    serve_stopper(&stopper, stop_here);
    CHECK_GET(stopper.server, "/", 200, "good bye");
    CHECK_OK(oxb_server_wait(stopper.server, PATIENCE_MS));
    oxb_server_free(stopper.server);
    CHECK_INT(tally_count(&stopper.dropped), 1);
}

static void inside_the_reactor(void) {
    struct stopper stopper = STOPPER_INIT;
    oxb_config *config = new_config();
    add_inline(config, "/", stop_here, &stopper);
    stopper.server = start_server(config);
    CHECK_GET(stopper.server, "/", 200, "good bye");
    CHECK_OK(oxb_server_wait(stopper.server, PATIENCE_MS));
    oxb_server_free(stopper.server);
}

static void begin_here(oxb_exchange x, void *user_data) {
    struct stopper *stopper = user_data;
    CHECK_OK(oxb_server_begin_stop(stopper->server, PATIENCE_MS));
    reply(x, "good bye");
}

static void begun_in_a_handler(void) {
    struct stopper stopper = STOPPER_INIT;
    serve_stopper(&stopper, begin_here);
    CHECK_GET(stopper.server, "/", 200, "good bye");
    CHECK_OK(oxb_server_wait(stopper.server, PATIENCE_MS));
    oxb_server_free(stopper.server);
}

/* A handler may even free the server; it goes when the handler has returned. Meanwhile the exchange
 * may have ended, or not. */
static void free_here(oxb_exchange x, void *user_data) {
    struct stopper *stopper = user_data;
    oxb_server_free(stopper->server);
    oxb_status status = oxb_exchange_reply(x, 200, "text/plain", oxb_str("never mind"));
    CHECK(status == OXB_OK || status == OXB_ERR_STALE || status == OXB_ERR_GONE);
    check_all_calls(x, OXB_ERR_STALE);
    CHECK_INT(tally_count(&stopper->dropped), 0);
    tally_add(&stopper->arrived);
}

static void freed_in_a_handler(void) {
    struct stopper stopper = STOPPER_INIT;
    struct client client;
    serve_stopper(&stopper, free_here);
    client_open(&client, stopper.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&stopper.arrived, 1);
    tally_wait(&stopper.dropped, 1);
    client_close(&client);
}

/* The server of another handler is stopped and freed as from anywhere else. */
static void free_the_other(oxb_exchange x, void *user_data) {
    struct stopper *other = user_data;
    CHECK_OK(oxb_server_stop(other->server, PATIENCE_MS));
    oxb_server_free(other->server);
    reply(x, "freed");
}

static void by_another_server(void) {
    struct stopper other = STOPPER_INIT;
    serve_stopper(&other, reply_done);
    oxb_server *server = serve_one("/", free_the_other, &other);
    CHECK_GET(server, "/", 200, "freed");
    CHECK_INT(tally_count(&other.dropped), 1);
    stop_and_free(server);
}

/* Also when the other one is driven, and this handler runs inside a reactor. */
static void free_only(oxb_exchange x, void *user_data) {
    oxb_server_free(((struct stopper *)user_data)->server);
    reply(x, "freed");
}

static void driven_by_another_server(void) {
    struct stopper other = STOPPER_INIT;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_driven(config, true));
    CHECK_OK(oxb_config_handle(config, "/", reply_done, &other, drop_stopper, NULL));
    other.server = start_server(config);
    config = new_config();
    add_inline(config, "/", free_only, &other);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "freed");
    tally_wait(&other.dropped, 1);
    stop_and_free(server);
}

/* A handler that does not return in time: the stop says so, and the end comes with its return. */
static void sleep_here(oxb_exchange x, void *user_data) {
    struct stopper *stopper = user_data;
    tally_add(&stopper->arrived);
    tally_wait(&stopper->released, 1);
    oxb_exchange_end(x); /* the client may have been cut off */
}

static void during_a_sleep(void) {
    struct stopper stopper = STOPPER_INIT;
    struct client client;
    serve_stopper(&stopper, sleep_here);
    client_open(&client, stopper.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&stopper.arrived, 1);
    CHECK_STATUS(oxb_server_stop(stopper.server, 20), OXB_ERR_TIMEOUT);
    CHECK_STATUS(oxb_server_stop(stopper.server, 0), OXB_ERR_TIMEOUT);
    CHECK_STATUS(oxb_server_wait(stopper.server, 20), OXB_ERR_TIMEOUT);
    tally_add(&stopper.released);
    CHECK_OK(oxb_server_wait(stopper.server, PATIENCE_MS));
    oxb_server_free(stopper.server);
    CHECK_INT(tally_count(&stopper.dropped), 1);
    client_close(&client);
}

/* The end of the server waits for the handler. */
static void *release_later(void *user_data) {
    struct stopper *stopper = user_data;
    tally_wait(&stopper->arrived, 1);
    CHECK_INT(tally_count(&stopper->dropped), 0);
    tally_add(&stopper->released);
    return NULL;
}

static void freed_during_a_sleep(void) {
    struct stopper stopper = STOPPER_INIT;
    struct client client;
    serve_stopper(&stopper, sleep_here);
    client_open(&client, stopper.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&stopper.arrived, 1);
    pthread_t thread = spawn(release_later, &stopper);
    oxb_server_free(stopper.server);
    CHECK_INT(tally_count(&stopper.released), 1);
    CHECK_INT(tally_count(&stopper.dropped), 1);
    pthread_join(thread, NULL);
    client_close(&client);
}

static void defer_here(oxb_exchange x, void *user_data) {
    struct stopper *stopper = user_data;
    CHECK_OK(oxb_exchange_defer(x));
    stopper->exchange = x;
    tally_add(&stopper->arrived);
}

/* Answers that are owed when the server is freed: their handles go stale, their clients are told.
 */
static void owing(void) {
    enum { CLIENTS = 5 };
    struct stopper stopper = STOPPER_INIT;
    struct client clients[CLIENTS];
    oxb_exchange owed[CLIENTS];
    serve_stopper(&stopper, defer_here);
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], stopper.server);
        client_send(&clients[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
        tally_wait(&stopper.arrived, i + 1);
        owed[i] = stopper.exchange;
    }
    CHECK_OK(oxb_response_write(owed[0], "half", 4));
    CHECK_OK(oxb_response_flush(owed[0]));
    CHECK_U64(oxb_live_exchanges(), CLIENTS);
    oxb_server_free(stopper.server);
    CHECK_U64(oxb_live_exchanges(), 0);
    for (int i = 0; i < CLIENTS; i++) {
        struct answer answer;
        check_all_calls(owed[i], OXB_ERR_STALE);
        client_read(&clients[i], &answer);
        CHECK(!answer.whole || answer.status >= 500);
        answer_free(&answer);
        client_close(&clients[i]);
    }
}

/* A stop with grace lets an answer that is owed come; then the connection closes. */
static void within_grace(void) {
    struct stopper stopper = STOPPER_INIT;
    struct client client;
    struct answer answer;
    serve_stopper(&stopper, defer_here);
    client_open(&client, stopper.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&stopper.arrived, 1);
    CHECK_OK(oxb_server_begin_stop(stopper.server, PATIENCE_MS));
    CHECK_STATUS(oxb_server_wait(stopper.server, 10), OXB_ERR_TIMEOUT);
    reply(stopper.exchange, "in time");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "in time");
    answer_free(&answer);
    CHECK(client_sees_end(&client));
    client_close(&client);
    CHECK_OK(oxb_server_wait(stopper.server, PATIENCE_MS));
    oxb_server_free(stopper.server);
}

/* The grace is over and the answer is owed still: the client is cut off, and the owner told. */
static void past_grace(void) {
    struct stopper stopper = STOPPER_INIT;
    struct client client;
    struct answer answer;
    serve_stopper(&stopper, defer_here);
    client_open(&client, stopper.server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&stopper.arrived, 1);
    CHECK_OK(oxb_server_stop(stopper.server, 20)); /* no callback runs */
    client_read(&client, &answer);
    CHECK(answer.status == 0 || !answer.whole);
    answer_free(&answer);
    client_close(&client);
    CHECK_STATUS(oxb_exchange_reply(stopper.exchange, 200, NULL, oxb_str("late")), OXB_ERR_GONE);
    CHECK_STATUS(oxb_exchange_end(stopper.exchange), OXB_ERR_STALE);
    oxb_server_free(stopper.server);
}

CASES(stopping, {"stopping: in a handler", in_a_handler},
      {"stopping: inside the reactor", inside_the_reactor},
      {"stopping: begun in a handler", begun_in_a_handler},
      {"stopping: freed in a handler", freed_in_a_handler},
      {"stopping: by another server's handler", by_another_server},
      {"stopping: a driven one by another's inline handler", driven_by_another_server},
      {"stopping: while a handler sleeps", during_a_sleep},
      {"stopping: freed while a handler sleeps", freed_during_a_sleep},
      {"stopping: with answers owed", owing}, {"stopping: within the grace", within_grace},
      {"stopping: past the grace", past_grace});
