/* Answers: status, headers, body, end. The place to begin reading. */
#include "serving.h"

#include <stdio.h>

/* The shortest handler. oxb_exchange_reply sets status and type, writes, and ends the exchange. */
static void hello(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    oxb_exchange_reply(exchange, 200, "text/plain; charset=utf-8", oxb_str("Hello, world.\n"));
}

static void whole_program(void) {
    oxb_config *config = NULL;
    oxb_server *server = NULL;
    oxb_error *error = NULL;
    CHECK_OK(oxb_config_new(&config));
    CHECK_OK(oxb_config_listen(config, "127.0.0.1:0", &error));
    CHECK_OK(oxb_config_handle(config, "GET /{$}", hello, NULL, NULL, &error));
    CHECK_OK(oxb_server_start(config, &server, &error)); /* config is the server's now */

    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer_header(&answer, "Content-Type"), "text/plain; charset=utf-8");
    CHECK_TEXT(answer_header(&answer, "Content-Length"), "14");
    CHECK(answer_header(&answer, "Date") != NULL);
    CHECK_TEXT(answer.body, "Hello, world.\n");
    answer_free(&answer);
    CHECK_GET(server, "/other", 404, "404 page not found\n");

    CHECK_OK(oxb_server_stop(server, 1000));
    oxb_server_free(server);
}

/* What a handler writes goes out when it returns; status 200 and the type are implied. */
static void write_and_return(oxb_exchange x, void *unused) {
    (void)unused;
    uint64_t written = 0;
    bool sent = true;
    CHECK_OK(oxb_response_write(x, "<html>", 6));
    CHECK_OK(oxb_response_write(x, "\0", 1));
    CHECK_OK(oxb_response_written(x, &written));
    CHECK_U64(written, 7);
    CHECK_OK(oxb_response_head_sent(x, &sent));
    CHECK(!sent);
}

static void implied(void) {
    oxb_server *server = serve_one("/", write_and_return, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8");
    CHECK_U64(answer.body_len, 7);
    CHECK(memcmp(answer.body, "<html>", 7) == 0);
    answer_free(&answer);
    stop_and_free(server);
}

static void set_everything(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes got = {NULL, 0}, name = oxb_str("X-Name");
    uint16_t status = 0;
    CHECK_STATUS(oxb_response_get_header(x, name, &got), OXB_ERR_NOT_FOUND);
    CHECK_OK(oxb_response_status(x, &status));
    CHECK_INT(status, 200);
    CHECK_OK(oxb_response_set_status(x, 418));
    CHECK_OK(oxb_response_status(x, &status));
    CHECK_INT(status, 418);
    CHECK_OK(oxb_response_set_header(x, name, oxb_str("first")));
    CHECK_OK(oxb_response_set_header(x, oxb_str("x-name"), oxb_str("second"))); /* replaces */
    CHECK_OK(oxb_response_add_header(x, name, oxb_str("third")));
    CHECK_OK(oxb_response_get_header(x, oxb_str("X-NAME"), &got));
    CHECK_BYTES(got, "second");
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-Gone"), oxb_str("value")));
    CHECK_OK(oxb_response_delete_header(x, oxb_str("x-gone")));
    CHECK_OK(oxb_response_delete_header(x, oxb_str("x-never-there")));
    CHECK_STATUS(oxb_response_get_header(x, oxb_str("X-Gone"), &got), OXB_ERR_NOT_FOUND);
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-Empty"), oxb_str("")));
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-Bytes"), oxb_str("\xff\xe4\ttab")));
    CHECK_OK(oxb_response_write(x, "short and stout", 15));
    CHECK_OK(oxb_exchange_end(x));
}

static void headers(void) {
    oxb_server *server = serve_one("/", set_everything, NULL);
    struct answer answer = ask_get(server, "/");
    int named = 0;
    CHECK_INT(answer.status, 418);
    for (int i = 0; i < answer.field_count; i++) {
        if (strcasecmp(answer.fields[i].name, "x-name") == 0) {
            CHECK_TEXT(answer.fields[i].value, named++ == 0 ? "second" : "third");
        }
    }
    CHECK_INT(named, 2);
    CHECK(answer_header(&answer, "X-Gone") == NULL);
    CHECK_TEXT(answer_header(&answer, "X-Empty"), "");
    CHECK_TEXT(answer_header(&answer, "X-Bytes"), "\xff\xe4\ttab");
    CHECK_TEXT(answer.body, "short and stout");
    answer_free(&answer);
    stop_and_free(server);
}

/* Nothing of a refused call changes the answer: no response splitting, no made-up status. */
static void try_bad_values(oxb_exchange x, void *unused) {
    static const char *const names[] = {"", "a b", "a:", "a\r\nb", "\xc3\xa4", "a\x01"};
    static const char *const values[] = {"a\r\nSet-Cookie: b", "a\nb", "a\rb", "\x7f", "\x01"};
    static const uint16_t statuses[] = {0, 1, 99, 100, 101, 103, 199, 1000, UINT16_MAX};
    (void)unused;
    oxb_bytes good = oxb_str("good"), nul = {(const uint8_t *)"a\0b", 3};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_row(names[i]);
        CHECK_STATUS(oxb_response_set_header(x, oxb_str(names[i]), good), OXB_ERR_BAD_HEADER);
        CHECK_STATUS(oxb_response_add_header(x, oxb_str(names[i]), good), OXB_ERR_BAD_HEADER);
        CHECK_STATUS(oxb_response_set_trailer(x, oxb_str(names[i]), good), OXB_ERR_BAD_HEADER);
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        check_row(values[i]);
        CHECK_STATUS(oxb_response_set_header(x, good, oxb_str(values[i])), OXB_ERR_BAD_HEADER);
        CHECK_STATUS(oxb_response_add_header(x, good, oxb_str(values[i])), OXB_ERR_BAD_HEADER);
        CHECK_STATUS(oxb_response_set_trailer(x, good, oxb_str(values[i])), OXB_ERR_BAD_HEADER);
    }
    check_row(NULL);
    CHECK_STATUS(oxb_response_set_header(x, good, nul), OXB_ERR_BAD_HEADER);
    CHECK_STATUS(oxb_response_set_header(x, nul, good), OXB_ERR_BAD_HEADER);
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        CHECK_STATUS(oxb_response_set_status(x, statuses[i]), OXB_ERR_BAD_STATUS);
    }
    CHECK_STATUS(oxb_response_inform(x, 101), OXB_ERR_BAD_STATUS);
    CHECK_STATUS(oxb_response_inform(x, 99), OXB_ERR_BAD_STATUS);
    CHECK_STATUS(oxb_response_inform(x, 200), OXB_ERR_BAD_STATUS);
    reply(x, "as if nothing had been");
}

static void bad_values(void) {
    oxb_server *server = serve_one("/", try_bad_values, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK(answer_header(&answer, "good") == NULL);
    CHECK(answer_header(&answer, "Set-Cookie") == NULL);
    CHECK_TEXT(answer.body, "as if nothing had been");
    answer_free(&answer);
    stop_and_free(server);
}

static void nothing_done(void) {
    oxb_server *server = serve_one("/", do_nothing, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 500);
    answer_free(&answer);
    stop_and_free(server);
}

/* What failed was not done, and what was taken back neither. */
static void fail_to_answer(oxb_exchange x, void *way) {
    oxb_bytes body = oxb_str("body");
    switch (*(const char *)way) {
    case 'f':
        CHECK_STATUS(oxb_response_send_file(x, "no-such-file", NULL), OXB_ERR_NOT_FOUND);
        break;
    case 'b':
        CHECK_STATUS(oxb_exchange_reply(x, 204, NULL, body), OXB_ERR_NO_BODY);
        break;
    case 'h':
        CHECK_STATUS(oxb_response_set_header(x, oxb_str("a b"), body), OXB_ERR_BAD_HEADER);
        break;
    default:
        CHECK_OK(oxb_response_write(x, "body", 4));
        CHECK_OK(oxb_response_reset(x));
    }
}

static void nothing_achieved(void) {
    static char ways[] = "fbhr";
    for (char *way = ways; *way != '\0'; way++) {
        const char row[] = {*way, '\0'};
        check_row(row);
        oxb_server *server = serve_one("/", fail_to_answer, way);
        struct answer answer = ask_get(server, "/");
        CHECK_INT(answer.status, 500);
        answer_free(&answer);
        stop_and_free(server);
        check_row(NULL);
    }
}

/* More fields than anybody needs, and than there is room for. */
static void set_many(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_status status = OXB_OK;
    for (int i = 0; i < 40000 && status == OXB_OK; i++) {
        char name[16];
        snprintf(name, sizeof name, "x-%d", i);
        status = oxb_response_set_header(x, oxb_str(name), oxb_str("value"));
    }
    CHECK(status == OXB_OK || status == OXB_ERR_LIMIT || status == OXB_ERR_BAD_HEADER);
    CHECK_OK(oxb_response_reset(x));
    reply(x, "enough");
}

static void many_headers(void) {
    oxb_server *server = serve_one("/", set_many, NULL);
    CHECK_GET(server, "/", 200, "enough");
    stop_and_free(server);
}

/* To end it is to do something: an empty answer is an answer. */
static void end_empty(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_exchange_end(x));
}

static void only_status(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_set_status(x, 202));
}

static void empty(void) {
    oxb_config *config = new_config();
    add_route(config, "/end", end_empty, NULL);
    add_route(config, "/status", only_status, NULL);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/end", 200, "");
    CHECK_GET(server, "/status", 202, "");
    stop_and_free(server);
}

static void no_content(oxb_exchange x, void *user_data) {
    uint16_t status = *(uint16_t *)user_data;
    CHECK_OK(oxb_response_set_status(x, status));
    CHECK_STATUS(oxb_response_write(x, "body", 4), OXB_ERR_NO_BODY);
    CHECK_OK(oxb_exchange_end(x));
}

static void statuses_without_body(void) {
    uint16_t statuses[] = {204, 304};
    for (int i = 0; i < 2; i++) {
        oxb_server *server = serve_one("/", no_content, &statuses[i]);
        CHECK_GET(server, "/", statuses[i], "");
        stop_and_free(server);
    }
}

static void head_request(void) {
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", write_and_return, NULL);
    client_open(&client, server);
    for (int i = 0; i < 2; i++) { /* twice, to see that no body came between */
        client_send(&client, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
        client_read_head(&client, &answer);
        CHECK_INT(answer.status, 200);
        CHECK_TEXT(answer_header(&answer, "Content-Length"), "7");
        CHECK_TEXT(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8");
        answer_free(&answer);
    }
    client_close(&client);
    stop_and_free(server);
}

/* Until something is sent a handler may think again. */
static void think_again(oxb_exchange x, void *unused) {
    (void)unused;
    uint64_t written = 1;
    CHECK_OK(oxb_response_set_status(x, 500));
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-First"), oxb_str("thought")));
    CHECK_OK(oxb_response_write(x, "first", 5));
    CHECK_OK(oxb_response_reset(x));
    CHECK_OK(oxb_response_written(x, &written));
    CHECK_U64(written, 0);
    CHECK_OK(oxb_response_write(x, "second", 6));
}

static void reset(void) {
    oxb_server *server = serve_one("/", think_again, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK(answer_header(&answer, "X-First") == NULL);
    CHECK_TEXT(answer.body, "second");
    answer_free(&answer);
    stop_and_free(server);
}

static void refuse(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_write(x, "not for you", 11)); /* nothing of it was sent: it is dropped */
    CHECK_OK(oxb_exchange_refuse(x, 403));
}

static void abort_unsent(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_write(x, "half", 4));
    CHECK_OK(oxb_exchange_abort(x));
}

static void bad_refusal(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_STATUS(oxb_exchange_refuse(x, 99), OXB_ERR_BAD_STATUS);
    CHECK_STATUS(oxb_exchange_refuse(x, 200), OXB_ERR_BAD_STATUS); /* that would be no refusal */
    CHECK_STATUS(oxb_exchange_refuse(x, 600), OXB_ERR_BAD_STATUS);
    reply(x, "still mine");
}

static void refusals(void) {
    oxb_config *config = new_config();
    add_route(config, "/refused", refuse, NULL);
    add_route(config, "/aborted", abort_unsent, NULL);
    add_route(config, "/bad", bad_refusal, NULL);
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/refused", 403, "Forbidden\n");
    struct answer answer = ask_get(server, "/aborted");
    CHECK_INT(answer.status, 500);
    answer_free(&answer);
    CHECK_GET(server, "/bad", 200, "still mine");
    stop_and_free(server);
}

/* A reply ends the exchange whatever comes of it: who answers in one call needs to make only one.
 */
static const struct bad_reply {
    uint16_t status;
    const char *type, *length;
    oxb_bytes body;
    oxb_status wanted;
} bad_replies[] = {
    {42,  NULL,   NULL,  {NULL, 0},                           OXB_ERR_BAD_STATUS},
    {103, NULL,   NULL,  {NULL, 0},                           OXB_ERR_BAD_STATUS},
    {200, "a\nb", NULL,  {NULL, 0},                           OXB_ERR_BAD_HEADER},
    {204, NULL,   NULL,  {(const uint8_t *)"body", 4},        OXB_ERR_NO_BODY   },
    {200, NULL,   "ten", {(const uint8_t *)"body", 4},        OXB_ERR_BAD_HEADER},
    {200, NULL,   "3",   {(const uint8_t *)"body", 4},        OXB_ERR_LENGTH    },
    {200, NULL,   NULL,  {NULL, 1},                           OXB_ERR_ARG       },
    {200, NULL,   NULL,  {(const uint8_t *)"body", SIZE_MAX}, OXB_ERR_ARG       },
};

static void reply_badly(oxb_exchange x, void *user_data) {
    const struct bad_reply *bad = user_data;
    if (bad->length != NULL) {
        CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str(bad->length)));
    }
    CHECK_STATUS(oxb_exchange_reply(x, bad->status, bad->type, bad->body), bad->wanted);
    CHECK_STATUS(oxb_exchange_end(x), OXB_ERR_STALE);
}

static void replies_that_fail(void) {
    for (size_t i = 0; i < sizeof bad_replies / sizeof bad_replies[0]; i++) {
        struct bad_reply bad = bad_replies[i];
        oxb_server *server = serve_one("/", reply_badly, &bad);
        struct answer answer = ask_get(server, "/");
        CHECK(answer.status == 500 || !answer.whole);
        answer_free(&answer);
        stop_and_free(server);
    }
}

/* The one call that answers also sniffs, and takes headers that were set before. */
static void sniffed_reply(oxb_exchange x, void *unused) {
    (void)unused;
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-Before"), oxb_str("kept")));
    CHECK_OK(oxb_exchange_reply(x, 404, NULL, oxb_str("%PDF-1.7")));
}

static void reply_sniffs(void) {
    oxb_server *server = serve_one("/", sniffed_reply, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 404);
    CHECK_TEXT(answer_header(&answer, "Content-Type"), "application/pdf");
    CHECK_TEXT(answer_header(&answer, "X-Before"), "kept");
    answer_free(&answer);
    stop_and_free(server);
}

CASES(response, {"response: a whole program", whole_program},
      {"response: status and type are implied", implied}, {"response: status and headers", headers},
      {"response: bad names, values and statuses", bad_values},
      {"response: a callback that does nothing", nothing_done},
      {"response: a callback that achieves nothing", nothing_achieved},
      {"response: more headers than there is room for", many_headers}, {"response: empty", empty},
      {"response: 204 and 304 have no body", statuses_without_body},
      {"response: HEAD", head_request}, {"response: reset", reset},
      {"response: refused, aborted", refusals}, {"response: reply sniffs", reply_sniffs},
      {"response: replies that fail", replies_that_fail});
