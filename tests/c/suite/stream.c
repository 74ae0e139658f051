/* Answers that are sent in pieces: flush, lengths, trailers, informational heads, aborts. */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>

/* After the first flush the head is what it was. */
static void flush_then_try(oxb_exchange x, void *file) {
    bool sent = false;
    uint16_t status = 0;
    oxb_bytes name = oxb_str("X-Late");
    CHECK_OK(oxb_response_flush(x));
    CHECK_OK(oxb_response_head_sent(x, &sent));
    CHECK(sent);
    CHECK_OK(oxb_response_status(x, &status));
    CHECK_INT(status, 200);
    CHECK_STATUS(oxb_response_set_status(x, 404), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_inform(x, 103), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_set_header(x, name, name), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_add_header(x, name, name), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_delete_header(x, name), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_reset(x), OXB_ERR_STATE);
    CHECK_STATUS(oxb_response_send_file(x, file, NULL), OXB_ERR_STATE);
    CHECK_OK(oxb_response_write(x, "the body", 8));
    CHECK_OK(oxb_exchange_end(x));
}

static void head_is_sent(void) {
    const char *directory = make_directory();
    char path[200];
    snprintf(path, sizeof path, "%s", make_file(directory, "file", "content", 7));
    oxb_server *server = serve_one("/", flush_then_try, path);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK(answer_header(&answer, "X-Late") == NULL);
    CHECK_TEXT(answer_header(&answer, "Transfer-Encoding"), "chunked");
    CHECK_TEXT(answer.body, "the body");
    answer_free(&answer);
    stop_and_free(server);
    remove_directory(directory);
}

enum { LONG = 4 << 20, PIECE = 50000 };

static void write_long(oxb_exchange x, void *user_data) {
    static const char *const length = "4194304";
    uint8_t *piece = malloc(PIECE);
    if (user_data != NULL) {
        CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str(length)));
    }
    for (size_t at = 0; at < LONG; at += PIECE) {
        size_t len = LONG - at < PIECE ? LONG - at : PIECE;
        fill_body(piece, len, at);
        if (!CHECK_OK(oxb_response_write(x, piece, len))) {
            break;
        }
        memset(piece, 0, len); /* the library has its copy */
    }
    free(piece);
    uint64_t written = 0;
    CHECK_OK(oxb_response_written(x, &written));
    CHECK_U64(written, LONG);
    CHECK_OK(oxb_exchange_end(x));
}

static void long_bodies(void) {
    oxb_config *config = new_config();
    add_route(config, "/chunked", write_long, NULL);
    add_route(config, "/counted", write_long, &config);
    oxb_server *server = start_server(config);
    for (int i = 0; i < 2; i++) {
        struct answer answer = ask_get(server, i == 0 ? "/chunked" : "/counted");
        CHECK((answer_header(&answer, "Content-Length") != NULL) == (i == 1));
        CHECK(answer.whole);
        CHECK_U64(answer.body_len, LONG);
        CHECK(is_body(answer.body, answer.body_len, 0));
        answer_free(&answer);
    }
    stop_and_free(server);
}

static void all_at_once(oxb_exchange x, void *unused) {
    (void)unused;
    uint8_t *body = malloc(LONG);
    fill_body(body, LONG, 0);
    CHECK_OK(oxb_exchange_reply(x, 200, "text/plain", (oxb_bytes){body, LONG}));
    free(body);
}

static void one_long_reply(void) {
    oxb_server *server = serve_one("/", all_at_once, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_U64(answer.body_len, LONG);
    CHECK(is_body(answer.body, answer.body_len, 0));
    answer_free(&answer);
    stop_and_free(server);
}

/* A length that does not fit is an error for the handler, and for the client an answer cut short.
 */
static void too_much(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str("3")));
    CHECK_STATUS(oxb_response_write(x, "four", 4), OXB_ERR_LENGTH);
    CHECK_OK(oxb_response_write(x, "333", 3)); /* what was refused does not count */
    CHECK_STATUS(oxb_response_write(x, "4", 1), OXB_ERR_LENGTH);
    CHECK_OK(oxb_exchange_end(x));
}

static void too_little(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str("10")));
    CHECK_OK(oxb_response_write(x, "333", 3));
    CHECK_OK(oxb_response_flush(x));
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_LENGTH);
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE); /* it has ended all the same */
}

static void no_length(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str("ten")));
    CHECK_STATUS(oxb_response_write(x, "333", 3), OXB_ERR_BAD_HEADER);
    CHECK_OK(oxb_response_delete_header(x, oxb_str("Content-Length")));
    CHECK_OK(oxb_response_write(x, "333", 3));
    CHECK_OK(oxb_exchange_end(x));
}

static void declared_lengths(void) {
    oxb_config *config = new_config();
    add_route(config, "/much", too_much, NULL);
    add_route(config, "/little", too_little, NULL);
    add_route(config, "/none", no_length, NULL);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/much", 200, "333");
    CHECK_GET(server, "/none", 200, "333");
    struct answer answer = ask_get(server, "/little");
    CHECK_INT(answer.status, 200);
    CHECK(!answer.whole);
    answer_free(&answer);
    stop_and_free(server);
}

static void abort_sent(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_write(x, "half", 4));
    CHECK_OK(oxb_response_flush(x));
    CHECK_OK(oxb_exchange_abort(x));
}

static void refuse_sent(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_write(x, "half", 4));
    CHECK_OK(oxb_response_flush(x));
    CHECK_OK(oxb_exchange_refuse(x, 500));
}

static void reply_sent(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_write(x, "half", 4));
    CHECK_OK(oxb_response_flush(x));
    CHECK_STATUS(oxb_exchange_reply(x, 200, NULL, oxb_str("late")), OXB_ERR_STATE);
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE);
}

/* The client can tell an answer that was cut off from one that is whole. */
static void aborted(void) {
    oxb_config *config = new_config();
    add_route(config, "/aborted", abort_sent, NULL);
    add_route(config, "/refused", refuse_sent, NULL);
    add_route(config, "/late", reply_sent, NULL);
    oxb_server *server = start_server(config);
    static const char *const paths[] = {"/aborted", "/refused", "/late"};
    for (int i = 0; i < 3; i++) {
        struct answer answer = ask_get(server, paths[i]);
        CHECK_INT(answer.status, 200);
        CHECK(!answer.whole);
        answer_free(&answer);
    }
    stop_and_free(server);
}

static void write_trailers(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes late = oxb_str("X-Late");
    CHECK_OK(oxb_response_set_header(x, oxb_str("Trailer"), oxb_str("Checksum, X-Late")));
    CHECK_OK(oxb_response_write(x, "abc", 3));
    CHECK_OK(oxb_response_flush(x));
    /* Trailers may be set when the head has long been sent: that is what they are for. */
    CHECK_OK(oxb_response_set_trailer(x, oxb_str("Checksum"), oxb_str("1234")));
    CHECK_OK(oxb_response_set_trailer(x, late, oxb_str("first")));
    CHECK_OK(oxb_response_set_trailer(x, late, oxb_str("second")));
    CHECK_OK(oxb_exchange_end(x));
}

static void trailers(void) {
    oxb_server *server = serve_one("/", write_trailers, NULL);
    struct answer answer = ask(server, "GET / HTTP/1.1\r\n" HOST "TE: trailers\r\n\r\n");
    CHECK_TEXT(answer.body, "abc");
    for (char *c = answer.trailers; c != NULL && *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c); /* names compare without case */
    }
    CHECK_CONTAINS(answer.trailers, "checksum: 1234\r\n");
    CHECK_CONTAINS(answer.trailers, "x-late: second\r\n");
    CHECK(answer.trailers != NULL && strstr(answer.trailers, "first") == NULL);
    answer_free(&answer);
    stop_and_free(server);
}

static void early_hints(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes link = oxb_str("Link");
    CHECK_OK(oxb_response_set_header(x, link, oxb_str("</style.css>; rel=preload")));
    CHECK_OK(oxb_response_inform(x, 103));
    CHECK_OK(oxb_response_inform(x, 102));
    CHECK_OK(oxb_response_delete_header(x, link));
    reply(x, "final");
}

static void informational(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", early_hints, NULL);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    client_read(&client, &answer);
    CHECK_INT(answer.status, 103);
    CHECK_TEXT(answer_header(&answer, "Link"), "</style.css>; rel=preload");
    answer_free(&answer);
    client_read(&client, &answer);
    CHECK_INT(answer.status, 102);
    answer_free(&answer);
    client_read(&client, &answer);
    CHECK_INT(answer.status, 200);
    CHECK(answer_header(&answer, "Link") == NULL);
    CHECK_TEXT(answer.body, "final");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* The client leaves; the handler learns of it from its writes, and from the question. */
struct leaving {
    struct tally flushed, left, learned;
};

static bool client_is_gone(void *exchange) {
    bool gone = false;
    CHECK_OK(oxb_exchange_is_gone(*(oxb_exchange *)exchange, &gone));
    return gone;
}

static void write_to_nobody(oxb_exchange x, void *user_data) {
    struct leaving *leaving = user_data;
    CHECK(!client_is_gone(&x));
    CHECK_OK(oxb_response_write(x, "first", 5));
    CHECK_OK(oxb_response_flush(x));
    tally_add(&leaving->flushed);
    tally_wait(&leaving->left, 1);
    CHECK(eventually(client_is_gone, &x));
    CHECK_STATUS(oxb_response_write(x, "more", 4), OXB_ERR_GONE);
    CHECK_STATUS(oxb_response_flush(x), OXB_ERR_GONE);
    CHECK_OK(oxb_exchange_end(x)); /* to give up what nobody waits for is no error */
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE);
    tally_add(&leaving->learned);
}

static void gone(void) {
    struct leaving leaving = {TALLY_INIT, TALLY_INIT, TALLY_INIT};
    struct client client;
    oxb_server *server = serve_one("/", write_to_nobody, &leaving);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    tally_wait(&leaving.flushed, 1);
    client_close(&client);
    tally_add(&leaving.left);
    tally_wait(&leaving.learned, 1);
    stop_and_free(server);
}

CASES(stream, {"stream: after the head", head_is_sent}, {"stream: long bodies", long_bodies},
      {"stream: one long reply", one_long_reply}, {"stream: declared lengths", declared_lengths},
      {"stream: aborted", aborted}, {"stream: trailers", trailers},
      {"stream: informational heads", informational}, {"stream: the client leaves", gone});
