/* Handlers that promised never to block: they run inside the reactor, and nothing waits there. */
#include "serving.h"

struct seen {
    pthread_t thread;
    struct tally times;
};

static void see_thread(oxb_exchange x, void *user_data) {
    struct seen *seen = user_data;
    seen->thread = pthread_self();
    tally_add(&seen->times);
    reply(x, "seen");
}

static void same_thread(void) {
    struct seen seen = {pthread_self(), TALLY_INIT};
    oxb_config *config = new_config();
    add_inline(config, "/", see_thread, &seen);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/", 200, "seen");
    tally_wait(&seen.times, 1);
    CHECK(!pthread_equal(seen.thread, pthread_self()));
    stop_and_free(server);
}

/* What has not arrived cannot be waited for. */
static void read_at_once(oxb_exchange x, void *unused) {
    (void)unused;
    char buffer[8];
    size_t count = 0;
    oxb_bytes body = {NULL, 0};
    CHECK_STATUS(oxb_request_read(x, buffer, sizeof buffer, &count), OXB_ERR_WOULD_BLOCK);
    CHECK_STATUS(oxb_request_body(x, &body), OXB_ERR_WOULD_BLOCK);
    CHECK_OK(oxb_exchange_refuse(x, 411));
}

static void body_to_come(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    add_inline(config, "/", read_at_once, NULL);
    oxb_server *server = start_server(config);
    struct answer answer = ask(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    CHECK_INT(answer.status, 411);
    answer_free(&answer);
    stop_and_free(server);
}

/* A body that fits the buffer is there before the handler runs. */
static void read_whole(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes body = {NULL, 0};
    CHECK_OK(oxb_request_body(x, &body));
    CHECK_BYTES(body, "in two parts");
    reply(x, "checked");
}

static void body_that_arrived(void) {
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    add_inline(config, "/", read_whole, NULL);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\nin two");
    client_send(&client, " parts");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "checked");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Writes are queued for a client that does not read. */
enum { PIECE = 1 << 16, PIECES = 256 };

static void write_a_lot(oxb_exchange x, void *user_data) {
    static uint8_t piece[PIECE];
    for (int i = 0; i < PIECES; i++) {
        fill_body(piece, PIECE, (uint64_t)i * PIECE);
        CHECK_OK(oxb_response_write(x, piece, PIECE));
    }
    CHECK_OK(oxb_exchange_end(x));
    tally_add(user_data);
}

static void queued_writes(void) {
    struct tally returned = TALLY_INIT;
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    add_inline(config, "/", write_a_lot, &returned);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&returned, 1); /* before the client reads a byte */
    client_read(&client, &answer);
    CHECK_U64(answer.body_len, (uint64_t)PIECE * PIECES);
    CHECK(is_body(answer.body, answer.body_len, 0));
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

static void deferring(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    add_inline(config, "/later", hand_over, &handover);
    add_inline(config, "/nothing", do_nothing, NULL);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    reply(taken_over(&handover), "from another thread");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "from another thread");
    answer_free(&answer);
    client_close(&client);
    answer = ask_get(server, "/nothing");
    CHECK_INT(answer.status, 500);
    answer_free(&answer);
    stop_and_free(server);
}

CASES(inline, {"inline: not on the client's thread", same_thread},
      {"inline: a body that has not arrived", body_to_come},
      {"inline: a body that has", body_that_arrived}, {"inline: writes are queued", queued_writes},
      {"inline: deferred, nothing done", deferring});
