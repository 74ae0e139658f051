/* Request bodies: whole, in pieces, too slow, cut off, malformed. */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>

enum { LONG = 1 << 20 };

/* A server whose handlers begin before the body has arrived. */
static oxb_server *serve_early(oxb_handler handler, void *user_data) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0));
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BODY_TIMEOUT, 200));
    add_route(config, "/", handler, user_data);
    return start_server(config);
}

static void echo_whole(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes body = oxb_str("before"), again = {NULL, 0};
    CHECK_OK(oxb_request_body(x, &body));
    CHECK_OK(oxb_request_body(x, &again));
    CHECK(again.len == body.len && again.data == body.data);
    CHECK_OK(oxb_exchange_reply(x, 200, "application/octet-stream", body));
}

static void whole(void) {
    oxb_server *server = serve_one("/", echo_whole, NULL);
    struct client client;
    struct answer answer;
    client_open(&client, server);
    client_send_bytes(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n\0a\0b\0",
                      sizeof "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n\0a\0b\0" - 1);
    client_read(&client, &answer);
    CHECK_U64(answer.body_len, 5);
    CHECK(memcmp(answer.body, "\0a\0b", 5) == 0);
    answer_free(&answer);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    client_read(&client, &answer);
    CHECK_U64(answer.body_len, 0);
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

static void whole_and_long(void) {
    char head[100];
    uint8_t *body = malloc(LONG);
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", echo_whole, NULL);
    fill_body(body, LONG, 0);
    snprintf(head, sizeof head, "POST / HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", LONG);
    client_open(&client, server);
    client_send(&client, head);
    client_send_bytes(&client, body, LONG);
    client_read(&client, &answer);
    CHECK_U64(answer.body_len, LONG);
    CHECK(is_body(answer.body, answer.body_len, 0));
    answer_free(&answer);
    client_close(&client);
    free(body);
    stop_and_free(server);
}

/* Reads in pieces that fit nothing, and counts. */
static void read_pieces(oxb_exchange x, void *unused) {
    (void)unused;
    uint8_t piece[777];
    size_t count = 0, total = 0;
    bool right = true;
    do {
        if (!CHECK_OK(oxb_request_read(x, piece, sizeof piece, &count))) {
            break;
        }
        right = right && is_body(piece, count, total);
        total += count;
    } while (count != 0);
    CHECK(right);
    CHECK_OK(oxb_request_read(x, piece, sizeof piece, &count)); /* the end stays the end */
    CHECK_U64(count, 0);
    char text[32];
    snprintf(text, sizeof text, "%zu", total);
    reply(x, text);
}

static void in_pieces(void) {
    enum { PIECE = 8000, PIECES = LONG / PIECE };
    static uint8_t piece[PIECE];
    struct client client;
    struct answer answer;
    char text[64];
    oxb_server *server = serve_early(read_pieces, NULL);
    client_open(&client, server);
    client_send(&client, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < PIECES; i++) {
        fill_body(piece, PIECE, (uint64_t)i * PIECE);
        snprintf(text, sizeof text, "%x\r\n", PIECE);
        client_send(&client, text);
        client_send_bytes(&client, piece, PIECE);
        client_send(&client, "\r\n");
    }
    client_send(&client, "0\r\n\r\n");
    client_read(&client, &answer);
    snprintf(text, sizeof text, "%d", PIECE * PIECES);
    CHECK_TEXT(answer.body, text);
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

static void read_some_then_rest(oxb_exchange x, void *unused) {
    (void)unused;
    char first[3] = "";
    size_t count = 0;
    oxb_bytes rest = {NULL, 0};
    CHECK_OK(oxb_request_read(x, first, 0, &count)); /* no room, no bytes: and not the end */
    CHECK_U64(count, 0);
    CHECK_OK(oxb_request_read(x, first, sizeof first, &count));
    CHECK_U64(count, 3);
    CHECK(memcmp(first, "abc", 3) == 0);
    CHECK_OK(oxb_request_body(x, &rest));
    CHECK_BYTES(rest, "defg");
    CHECK_OK(oxb_request_body(x, &rest));
    CHECK_BYTES(rest, "defg");
    reply(x, "checked");
}

static void some_then_rest(void) {
    oxb_server *server = serve_one("/", read_some_then_rest, NULL);
    struct answer answer =
        ask(server, "POST / HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\nabcdefg");
    CHECK_TEXT(answer.body, "checked");
    answer_free(&answer);
    stop_and_free(server);
}

static void read_trailers(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes got = {NULL, 0};
    CHECK_OK(oxb_request_body(x, &got));
    CHECK_BYTES(got, "abc");
    CHECK_OK(oxb_request_trailer(x, oxb_str("Checksum"), &got));
    CHECK_BYTES(got, "900150983cd24fb0");
    CHECK_STATUS(oxb_request_trailer(x, oxb_str("Other"), &got), OXB_ERR_NOT_FOUND);
    reply(x, "checked");
}

static void trailers(void) {
    oxb_server *server = serve_one("/", read_trailers, NULL);
    struct answer answer =
        ask(server, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTrailer: Checksum\r\n"
                    "\r\n3\r\nabc\r\n0\r\nChecksum: 900150983cd24fb0\r\n\r\n");
    CHECK_TEXT(answer.body, "checked");
    answer_free(&answer);
    stop_and_free(server);
}

/* The statuses of reads that cannot succeed, the second one too, and of the whole body after them.
 */
struct failing {
    struct tally begun, done;
    oxb_status read, body;
};

static void read_to_failure(oxb_exchange x, void *user_data) {
    struct failing *failing = user_data;
    char buffer[64];
    size_t count = 0;
    oxb_bytes body = {NULL, 0};
    tally_add(&failing->begun);
    do {
        failing->read = oxb_request_read(x, buffer, sizeof buffer, &count);
    } while (failing->read == OXB_OK && count != 0);
    failing->body = oxb_request_body(x, &body);
    oxb_exchange_refuse(x, 400); /* the client may have gone */
    tally_add(&failing->done);
}

static void fails_with(const char *head, const char *body, bool leave, oxb_status wanted) {
    struct failing failing = {TALLY_INIT, TALLY_INIT, OXB_OK, OXB_OK};
    struct client client;
    oxb_server *server = serve_early(read_to_failure, &failing);
    client_open(&client, server);
    client_send(&client, head);
    tally_wait(&failing.begun, 1);
    client_send(&client, body);
    if (leave) {
        client_close(&client);
    }
    if (tally_wait(&failing.done, 1)) {
        CHECK_STATUS(failing.read, wanted);
        CHECK_STATUS(failing.body, wanted); /* an error does not turn into an end */
    }
    client_close(&client);
    stop_and_free(server);
}

#define TEN_BYTES "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static void cut_off(void) { fails_with(TEN_BYTES, "abc", true, OXB_ERR_GONE); }
static void too_slow(void) { fails_with(TEN_BYTES, "abc", false, OXB_ERR_TIMEOUT); }
static void malformed(void) {
    fails_with(CHUNKED, "3\r\nabc\r\nxyz\r\n", false, OXB_ERR_MALFORMED);
}

/* A handler that does not read the body answers all the same, and the connection stays in order. */
static void unread(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", reply_done, NULL);
    client_open(&client, server);
    for (int i = 0; i < 3; i++) {
        client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "done");
        answer_free(&answer);
    }
    client_close(&client);
    stop_and_free(server);
}

/* Expect: 100-continue is answered by the first read. */
static void expect_continue(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", echo_whole, NULL);
    client_open(&client, server);
    client_send(&client,
                "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    client_read(&client, &answer);
    CHECK_INT(answer.status, 100);
    answer_free(&answer);
    client_send(&client, "abc");
    client_read(&client, &answer);
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer.body, "abc");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Both directions at once: each piece goes back before the next one is sent. */
static void echo_pieces(oxb_exchange x, void *unused) {
    (void)unused;
    uint8_t piece[4096];
    size_t count = 0;
    CHECK_OK(oxb_response_flush(x)); /* the head goes first */
    while (oxb_request_read(x, piece, sizeof piece, &count) == OXB_OK && count != 0) {
        CHECK_OK(oxb_response_write(x, piece, count));
        CHECK_OK(oxb_response_flush(x));
    }
    CHECK_OK(oxb_exchange_end(x));
}

static void both_ways(void) {
    struct client client;
    char back[512];
    oxb_server *server = serve_early(echo_pieces, NULL);
    client_open(&client, server);
    client_send(&client, CHUNKED);
    client_send(&client, "4\r\nping\r\n");
    size_t got = 0;
    while (got < sizeof back - 1) {
        got += client_read_some(&client, back + got, sizeof back - 1 - got);
        back[got] = '\0';
        if (got == 0 || strstr(back, "4\r\nping\r\n") != NULL) {
            break;
        }
    }
    CHECK_CONTAINS(back, "HTTP/1.1 200 OK\r\n");
    CHECK_CONTAINS(back, "4\r\nping\r\n");
    client_send(&client, "0\r\n\r\n");
    CHECK_U64(client_read_some(&client, back, sizeof back), 5);
    CHECK(memcmp(back, "0\r\n\r\n", 5) == 0);
    client_close(&client);
    stop_and_free(server);
}

CASES(body, {"body: whole, with NULs", whole}, {"body: whole and long", whole_and_long},
      {"body: in pieces", in_pieces}, {"body: some, then the rest", some_then_rest},
      {"body: trailers", trailers}, {"body: cut off", cut_off}, {"body: too slow", too_slow},
      {"body: malformed", malformed}, {"body: not read", unread},
      {"body: Expect: 100-continue", expect_continue}, {"body: both ways at once", both_ways});
