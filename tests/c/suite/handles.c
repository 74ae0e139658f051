/* Handles: a number that names an exchange for as long as it lives, and nothing afterwards. */
#include "calls.h"
#include "serving.h"

#include <stdatomic.h>

static void zero(void) { check_all_calls(OXB_NO_EXCHANGE, OXB_ERR_STALE); }

/* A handle that a handler leaves behind; atomic, since another thread looks at it. */
typedef _Atomic oxb_exchange kept_handle;

/* The callback did not defer, so its exchange ended with it. */
static void keep_handle(oxb_exchange exchange, void *user_data) {
    atomic_store((kept_handle *)user_data, exchange);
    reply(exchange, "kept");
    check_all_calls(exchange, OXB_ERR_STALE);
}

static void keep_without_answer(oxb_exchange exchange, void *user_data) {
    atomic_store((kept_handle *)user_data, exchange);
    CHECK_OK(oxb_response_write(exchange, "kept", 4));
}

static void after_reply(void) {
    kept_handle kept = OXB_NO_EXCHANGE;
    oxb_server *server = serve_one("/", keep_handle, &kept);
    CHECK_GET(server, "/", 200, "kept");
    CHECK(kept != OXB_NO_EXCHANGE);
    check_all_calls(kept, OXB_ERR_STALE);
    stop_and_free(server);
    check_all_calls(kept, OXB_ERR_STALE);
}

static void after_callback(void) {
    kept_handle kept = OXB_NO_EXCHANGE;
    oxb_server *server = serve_one("/", keep_without_answer, &kept);
    CHECK_GET(server, "/", 200, "kept");
    check_all_calls(kept, OXB_ERR_STALE);
    stop_and_free(server);
}

/* Each way to end an exchange works once. */
static void ended_twice(void) {
    static const char *const ends[] = {"oxb_exchange_end", "oxb_exchange_refuse",
                                       "oxb_exchange_abort", "oxb_exchange_reply"};
    struct handover handover = HANDOVER_INIT;
    oxb_server *server = serve_one("/", hand_over, &handover);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const struct exchange_call *end = exchange_calls;
        while (strcmp(end->name, ends[i]) != 0) {
            end++;
        }
        struct client client;
        struct answer answer;
        client_open(&client, server);
        client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
        tally_wait(&handover.arrived, (int)i + 1);
        oxb_exchange exchange = handover.exchange;
        check_row(end->name);
        CHECK_OK(end->run(exchange));
        CHECK_STATUS(end->run(exchange), OXB_ERR_STALE);
        check_all_calls(exchange, OXB_ERR_STALE);
        check_row(NULL);
        client_read(&client, &answer);
        CHECK(answer.status >= 200);
        answer_free(&answer);
        client_close(&client);
    }
    stop_and_free(server);
}

/* A number that differs from a live handle in a single bit names nothing. */
static void forged(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_server *server = serve_one("/", hand_over, &handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange exchange = taken_over(&handover);
    for (int bit = 0; bit < 64; bit++) {
        check_all_calls(exchange ^ (UINT64_C(1) << bit), OXB_ERR_STALE);
    }
    check_all_calls(exchange + 1, OXB_ERR_STALE);
    check_all_calls(exchange - 1, OXB_ERR_STALE);
    check_all_calls(~exchange, OXB_ERR_STALE);
    /* The real one is none the worse for it. */
    oxb_bytes path = {NULL, 0};
    CHECK_OK(oxb_request_path(exchange, &path));
    CHECK_BYTES(path, "/");
    reply(exchange, "still here");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "still here");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Numbers that other programs, other libraries and accidents would pass. */
static void foreign(void) {
    int variable = 0;
    const uint64_t numbers[] = {1,
                                2,
                                0xffffffff,
                                UINT64_MAX,
                                UINT64_C(1) << 63,
                                (uint64_t)(uintptr_t)&variable,
                                UINT64_C(0xdeadbeefdeadbeef)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        check_all_calls(numbers[i], OXB_ERR_STALE);
    }
    uint64_t random = 88172645463325252; /* xorshift64 */
    for (int i = 0; i < scaled(2000); i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        check_all_calls(random, OXB_ERR_STALE);
    }
}

/* A place in the registry that is used again does not bring old handles back. */
static void used_again(void) {
    enum { KEPT = 64 };
    kept_handle last = OXB_NO_EXCHANGE;
    oxb_exchange kept[KEPT] = {0};
    oxb_server *server = serve_one("/", keep_without_answer, &last);
    int rounds = scaled(2000);
    for (int i = 0; i < rounds; i++) {
        CHECK_GET(server, "/", 200, "kept");
        for (int j = 0; j < KEPT; j++) {
            CHECK(kept[j] != last);
        }
        kept[i % KEPT] = last;
    }
    for (int j = 0; j < KEPT; j++) {
        CHECK_STATUS(oxb_exchange_end(kept[j]), OXB_ERR_STALE);
    }
    stop_and_free(server);
}

/* A handle is good in the whole process: also in a callback of another server. */
static void answer_another(oxb_exchange exchange, void *user_data) {
    reply(taken_over(user_data), "from next door");
    reply(exchange, "told them");
}

static void of_another_server(void) {
    struct handover handover = HANDOVER_INIT;
    struct client client;
    struct answer answer;
    oxb_server *first = serve_one("/", hand_over, &handover);
    oxb_server *second = serve_one("/", answer_another, &handover);
    client_open(&client, first);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    taken_over(&handover);
    CHECK_GET(second, "/", 200, "told them");
    client_read(&client, &answer);
    CHECK_TEXT(answer.body, "from next door");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(first);
    stop_and_free(second);
}

CASES(handles, {"handles: zero", zero}, {"handles: stale after the answer", after_reply},
      {"handles: stale after a callback that did not defer", after_callback},
      {"handles: ended twice", ended_twice}, {"handles: forged", forged},
      {"handles: foreign", foreign}, {"handles: a place is used again", used_again},
      {"handles: used in a callback of another server", of_another_server});
