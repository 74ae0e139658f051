/* Notifications: the body has more, the client took what was written, the client has gone. */
#include "serving.h"

#include <poll.h>
#include <stdlib.h>

/* What a notification was told. */
struct told {
    struct tally times, dropped, begun;
    oxb_exchange exchange;
    uint32_t kinds;
};
#define TOLD_INIT {TALLY_INIT, TALLY_INIT, TALLY_INIT, OXB_NO_EXCHANGE, 0}

static void tell(oxb_exchange exchange, uint32_t kinds, void *user_data) {
    struct told *told = user_data;
    CHECK_U64(exchange, told->exchange);
    told->kinds = kinds;
    tally_add(&told->times);
}

static void drop_told(void *user_data) { tally_add(&((struct told *)user_data)->dropped); }

static oxb_server *serve_unbuffered(oxb_handler handler, void *user_data) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_route(config, "/", handler, user_data);
    return start_server(config);
}

static void defer_and_watch_body(oxb_exchange x, void *user_data) {
    struct told *told = user_data;
    told->exchange = x;
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_READABLE, tell, told, drop_told));
    tally_add(&told->begun);
}

static void readable(void) {
    struct told told = TOLD_INIT;
    struct client client;
    struct answer answer;
    oxb_bytes body = {NULL, 0};
    oxb_server *server = serve_unbuffered(defer_and_watch_body, &told);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n");
    tally_wait(&told.begun, 1);
    CHECK_INT(tally_count(&told.times), 0);
    client_send(&client, "body");
    tally_wait(&told.times, 1);
    CHECK_INT(told.kinds, OXB_EVENT_READABLE);
    tally_wait(&told.dropped, 1); /* it runs once, and is done */
    CHECK_OK(oxb_request_body(told.exchange, &body));
    CHECK_BYTES(body, "body");
    /* The end of the body is something to read, too. */
    CHECK_OK(oxb_exchange_notify(told.exchange, OXB_EVENT_READABLE, tell, &told, drop_told));
    tally_wait(&told.times, 2);
    tally_wait(&told.dropped, 2);
    reply(told.exchange, "done");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    client_close(&client);
    CHECK_INT(tally_count(&told.times), 2);
    stop_and_free(server);
}

/* Over and over, with the bytes and the request for a notification under way at the same moment:
 * none is lost, and the library's own look at the exchange is nobody's second call. */
static void none_is_lost(void) {
    struct told told = TOLD_INIT;
    struct client client;
    struct answer answer;
    oxb_bytes body = {NULL, 0};
    bool is_gone = false;
    int rounds = scaled(300);
    oxb_server *server = serve_unbuffered(defer_and_watch_body, &told);
    client_open(&client, server);
    for (int round = 1; round <= rounds; round++) {
        client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n");
        if (!tally_wait(&told.begun, round)) {
            break;
        }
        client_send(&client, "body");
        for (int i = 0; i < 20 && tally_count(&told.times) < 2 * round - 1; i++) {
            CHECK_OK(oxb_exchange_is_gone(told.exchange, &is_gone));
        }
        if (!tally_wait(&told.times, 2 * round - 1)) {
            break;
        }
        CHECK_OK(oxb_request_body(told.exchange, &body));
        CHECK_OK(oxb_exchange_notify(told.exchange, OXB_EVENT_READABLE, tell, &told, drop_told));
        if (!tally_wait(&told.times, 2 * round)) {
            break;
        }
        reply(told.exchange, "done");
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "done");
        answer_free(&answer);
    }
    client_close(&client);
    stop_and_free(server);
}

/* A read that finds nothing yet takes nothing from the notification that was asked for before it.
 */
static void watch_then_read(oxb_exchange x, void *user_data) {
    struct told *told = user_data;
    char buffer[8];
    size_t count = 0;
    told->exchange = x;
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_READABLE, tell, told, drop_told));
    CHECK_STATUS(oxb_request_read(x, buffer, sizeof buffer, &count), OXB_ERR_WOULD_BLOCK);
    tally_add(&told->begun);
}

static void read_after_asking(void) {
    struct told told = TOLD_INIT;
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    CHECK_OK(oxb_config_driven(config, true)); /* where nothing waits */
    add_route(config, "/", watch_then_read, &told);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n");
    uint64_t deadline = now_ms() + PATIENCE_MS;
    while (tally_count(&told.begun) == 0 && CHECK(now_ms() < deadline)) {
        CHECK_OK(oxb_server_turn(server, 10, NULL));
    }
    client_send(&client, "body");
    while (tally_count(&told.times) == 0 && CHECK(now_ms() < deadline)) {
        CHECK_OK(oxb_server_turn(server, 10, NULL));
    }
    reply(told.exchange, "done");
    while (!client_readable(&client, 0) && CHECK(now_ms() < deadline)) {
        CHECK_OK(oxb_server_turn(server, 10, NULL));
    }
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "done");
    answer_free(&answer);
    client_close(&client);
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    oxb_server_free(server);
}

static void defer_and_watch_client(oxb_exchange x, void *user_data) {
    struct told *told = user_data;
    told->exchange = x;
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_GONE, tell, told, drop_told));
    tally_add(&told->begun);
}

static void gone(void) {
    struct told told = TOLD_INIT;
    struct client client;
    bool is_gone = false;
    oxb_server *server = serve_one("/", defer_and_watch_client, &told);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&told.begun, 1);
    CHECK_OK(oxb_exchange_is_gone(told.exchange, &is_gone));
    CHECK(!is_gone);
    CHECK_INT(tally_count(&told.times), 0);
    client_close(&client);
    tally_wait(&told.times, 1);
    CHECK_INT(told.kinds, OXB_EVENT_GONE);
    tally_wait(&told.dropped, 1);
    CHECK_OK(oxb_exchange_is_gone(told.exchange, &is_gone));
    CHECK(is_gone);
    CHECK_STATUS(oxb_exchange_reply(told.exchange, 200, NULL, oxb_str("late")), OXB_ERR_GONE);
    CHECK_STATUS(oxb_exchange_end(told.exchange), OXB_ERR_STALE);
    stop_and_free(server);
}

/* A client that has all of its answer and stays has not gone. */
static void not_gone(void) {
    struct told told = TOLD_INIT;
    struct client client;
    struct answer answer;
    bool is_gone = true;
    oxb_server *server = serve_one("/{$}", defer_and_watch_client, &told);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&told.begun, 1);
    CHECK_OK(oxb_response_set_header(told.exchange, oxb_str("Content-Length"), oxb_str("5")));
    CHECK_OK(oxb_response_write(told.exchange, "whole", 5));
    CHECK_OK(oxb_response_flush(told.exchange));
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "whole");
    answer_free(&answer);
    CHECK_GET(server, "/other", 404, "404 page not found\n"); /* the server has had its turn */
    CHECK_OK(oxb_exchange_is_gone(told.exchange, &is_gone));
    CHECK(!is_gone);
    CHECK_INT(tally_count(&told.times), 0);
    CHECK_OK(oxb_exchange_end(told.exchange));
    tally_wait(&told.dropped, 1);
    client_close(&client);
    stop_and_free(server);
}

/* The exchange ends before there is anything to tell: only the drop runs. */
static void ended_first(void) {
    struct told told = TOLD_INIT;
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", defer_and_watch_client, &told);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&told.begun, 1);
    reply(told.exchange, "done");
    tally_wait(&told.dropped, 1);
    client_read(&client, &answer);
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
    CHECK_INT(tally_count(&told.times), 0);
    CHECK_INT(tally_count(&told.dropped), 1);
}

/* One at a time: a new one takes the place of the old one, whose drop runs. */
static void replaced(void) {
    struct told first = TOLD_INIT, second = TOLD_INIT;
    struct client client;
    oxb_server *server = serve_one("/", defer_and_watch_client, &first);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&first.begun, 1);
    second.exchange = first.exchange;
    CHECK_OK(oxb_exchange_notify(first.exchange, OXB_EVENT_GONE, tell, &second, drop_told));
    tally_wait(&first.dropped, 1);
    CHECK_INT(tally_count(&second.dropped), 0);
    client_close(&client);
    tally_wait(&second.times, 1);
    tally_wait(&second.dropped, 1);
    CHECK_INT(tally_count(&first.times), 0);
    CHECK_STATUS(oxb_exchange_abort(first.exchange), OXB_OK);
    stop_and_free(server);
    CHECK_INT(tally_count(&first.dropped), 1);
}

/* Refused notifications give their user_data back at once. */
static void refused(void) {
    struct told told = TOLD_INIT;
    CHECK_STATUS(oxb_exchange_notify(OXB_NO_EXCHANGE, OXB_EVENT_GONE, tell, &told, drop_told),
                 OXB_ERR_STALE);
    CHECK_INT(tally_count(&told.dropped), 1);
    CHECK_STATUS(oxb_exchange_notify(OXB_NO_EXCHANGE, 0, tell, &told, drop_told), OXB_ERR_ARG);
    CHECK_INT(tally_count(&told.dropped), 2);
    CHECK_INT(tally_count(&told.times), 0);
}

/* A slow client: what is written ahead of it is bounded, and a notification says when there is
 * room. */
enum { LONG = 16 << 20 };

static void write_ahead(oxb_exchange x, void *user_data) {
    struct told *told = user_data;
    uint8_t *body = malloc(LONG);
    told->exchange = x;
    fill_body(body, LONG, 0);
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_response_write(x, body, LONG)); /* inline: queued, however long */
    free(body);
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_WRITABLE, tell, told, drop_told));
    tally_add(&told->begun);
}

static void writable(void) {
    struct told told = TOLD_INIT;
    struct client client;
    char address[64];
    oxb_bytes where = {NULL, 0};
    oxb_config *config = new_config();
    add_inline(config, "/", write_ahead, &told);
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_address(server, 0, &where));
    memcpy(address, where.data, where.len);
    address[where.len] = '\0';
    client_open_at(&client, address, 4096);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&told.begun, 1);
    CHECK(client_readable(&client, PATIENCE_MS));
    /* The client holds a few kilobytes and the kernels a few megabytes, at the most. */
    CHECK_INT(tally_count(&told.times), 0);
    size_t total = 0;
    char piece[4096];
    uint64_t deadline = now_ms() + PATIENCE_MS;
    while (tally_count(&told.times) == 0 && CHECK(now_ms() < deadline)) {
        if (client_readable(&client, 10)) { /* it may have all before the callback runs */
            total += client_read_some(&client, piece, sizeof piece);
        }
    }
    CHECK(total > 0);
    CHECK_INT(told.kinds, OXB_EVENT_WRITABLE);
    CHECK_OK(oxb_exchange_abort(told.exchange));
    tally_wait(&told.dropped, 1);
    client_close(&client);
    stop_and_free(server);
}

/* With no callback the notification comes out of the queue, and its user_data with it: whoever
 * takes the event has it from then on. What nobody takes is dropped. */
static void queued(void) {
    struct tally replaced = TALLY_INIT, taken = TALLY_INIT, left = TALLY_INIT;
    oxb_event event = {0};
    size_t count = 0;
    int fd = -1;
    struct client client;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_handle_queue(config, "/", NULL, NULL, NULL));
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_queue_fd(server, &fd));
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK_OK(oxb_server_next(server, &event, 1, PATIENCE_MS, &count));
    CHECK_U64(count, 1);
    oxb_exchange x = event.exchange;
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_GONE, NULL, &replaced, count_drop));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_GONE, NULL, &taken, count_drop));
    CHECK_INT(tally_count(&replaced), 1);
    CHECK_STATUS(oxb_server_next(server, &event, 1, 0, &count), OXB_ERR_TIMEOUT);
    client_close(&client);
    CHECK_OK(oxb_server_next(server, &event, 1, PATIENCE_MS, &count));
    CHECK_U64(count, 1);
    CHECK_U64(event.exchange, x);
    CHECK_INT(event.kinds, OXB_EVENT_GONE);
    CHECK(event.user_data == &taken);
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_GONE, NULL, &left, count_drop)); /* it has, already */
    struct pollfd wait = {fd, POLLIN, 0};
    CHECK_INT(poll(&wait, 1, PATIENCE_MS), 1);
    CHECK_OK(oxb_exchange_abort(x));
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    oxb_server_free(server);
    CHECK_INT(tally_count(&replaced), 1);
    CHECK_INT(tally_count(&taken), 0);
    CHECK_INT(tally_count(&left), 1);
}

/* A notification may end the exchange, or ask for the next one. */
static void end_it(oxb_exchange x, uint32_t kinds, void *user_data) {
    (void)kinds;
    reply(x, "ended by its notification");
    tally_add(user_data);
}

static void watch_and_end(oxb_exchange x, void *user_data) {
    CHECK_OK(oxb_exchange_defer(x));
    CHECK_OK(oxb_exchange_notify(x, OXB_EVENT_READABLE, end_it, user_data, NULL));
}

static void ends_the_exchange(void) {
    struct tally ended = TALLY_INIT;
    oxb_server *server = serve_one("/", watch_and_end, &ended);
    CHECK_GET(server, "/", 200, "ended by its notification");
    stop_and_free(server);
    CHECK_INT(tally_count(&ended), 1); /* counted after the answer, which may come sooner */
}

CASES(notify, {"notify: the body is readable", readable}, {"notify: the client has gone", gone},
      {"notify: none is lost", none_is_lost}, {"notify: a read in between", read_after_asking},
      {"notify: a client that stays", not_gone}, {"notify: the exchange ends first", ended_first},
      {"notify: replaced", replaced}, {"notify: refused", refused},
      {"notify: room for a slow client", writable}, {"notify: out of the queue", queued},
      {"notify: ends the exchange", ends_the_exchange});
