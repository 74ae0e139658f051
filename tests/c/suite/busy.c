/* One call at a time for one exchange: whoever comes second is turned away, and harms nothing. */
#include "calls.h"
#include "serving.h"

#include <stdatomic.h>

struct reading {
    struct tally begun;
    oxb_exchange exchange;
};

/* Waits, inside the library, for a body that has not arrived. */
static void read_slowly(oxb_exchange exchange, void *user_data) {
    struct reading *reading = user_data;
    char buffer[8];
    size_t count = 0;
    reading->exchange = exchange;
    tally_add(&reading->begun);
    CHECK_OK(oxb_request_read(exchange, buffer, sizeof buffer, &count));
    CHECK_U64(count, 5);
    reply(exchange, "read");
}

static bool is_busy(void *exchange) {
    bool flag = false;
    return oxb_response_head_sent(*(oxb_exchange *)exchange, &flag) == OXB_ERR_BUSY;
}

static void second_call(void) {
    struct reading reading = {TALLY_INIT, OXB_NO_EXCHANGE};
    struct client client;
    struct answer answer;
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_limit(config, OXB_LIMIT_BUFFER_BODY, 0)); /* handlers begin at once */
    add_route(config, "/", read_slowly, &reading);
    oxb_server *server = start_server(config);
    client_open(&client, server);
    client_send(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    if (tally_wait(&reading.begun, 1) && CHECK(eventually(is_busy, &reading.exchange))) {
        check_all_calls(reading.exchange, OXB_ERR_BUSY);
    }
    client_send(&client, "later");
    client_read(&client, &answer);
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer.body, "read");
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Several threads write to one exchange with no lock of their own: each write is whole, or refused.
 */
struct writers {
    struct handover handover;
    atomic_int written;
    atomic_int rounds;
};

static void *write_words(void *argument) {
    struct writers *writers = argument;
    while (atomic_fetch_sub(&writers->rounds, 1) > 0) {
        oxb_status status = oxb_response_write(writers->handover.exchange, "word ", 5);
        if (status == OXB_OK) {
            atomic_fetch_add(&writers->written, 1);
        } else {
            CHECK_STATUS(status, OXB_ERR_BUSY);
        }
    }
    return NULL;
}

static void several_writers(void) {
    enum { THREADS = 4 };
    struct writers writers = {.handover = HANDOVER_INIT};
    struct client client;
    struct answer answer;
    pthread_t threads[THREADS];
    atomic_init(&writers.written, 0);
    atomic_init(&writers.rounds, scaled(4000));
    oxb_server *server = serve_one("/", hand_over, &writers.handover);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange exchange = taken_over(&writers.handover);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(write_words, &writers);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_OK(oxb_exchange_end(exchange));
    client_read(&client, &answer);
    size_t words = (size_t)atomic_load(&writers.written);
    CHECK(words > 0);
    CHECK_U64(answer.body_len, words * 5);
    for (size_t i = 0; i + 5 <= answer.body_len; i += 5) {
        CHECK(memcmp(answer.body + i, "word ", 5) == 0);
    }
    answer_free(&answer);
    client_close(&client);
    stop_and_free(server);
}

/* Several threads end one exchange: exactly one of them does. */
static void *end_once(void *argument) {
    struct writers *writers = argument;
    oxb_status status;
    do {
        status = oxb_exchange_reply(writers->handover.exchange, 200, NULL, oxb_str("won"));
    } while (status == OXB_ERR_BUSY);
    if (status == OXB_OK) {
        atomic_fetch_add(&writers->written, 1);
    } else {
        CHECK_STATUS(status, OXB_ERR_STALE);
    }
    return NULL;
}

static void several_ends(void) {
    enum { THREADS = 4 };
    struct writers writers = {.handover = HANDOVER_INIT};
    oxb_server *server = serve_one("/", hand_over, &writers.handover);
    int rounds = scaled(200);
    for (int round = 1; round <= rounds; round++) {
        struct client client;
        struct answer answer;
        pthread_t threads[THREADS];
        atomic_init(&writers.written, 0);
        client_open(&client, server);
        client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
        if (!tally_wait(&writers.handover.arrived, round)) {
            client_close(&client);
            break;
        }
        for (int i = 0; i < THREADS; i++) {
            threads[i] = spawn(end_once, &writers);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
        CHECK_INT(atomic_load(&writers.written), 1);
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "won");
        answer_free(&answer);
        client_close(&client);
    }
    stop_and_free(server);
}

CASES(busy, {"busy: a second call while one waits for the body", second_call},
      {"busy: several threads write", several_writers},
      {"busy: several threads end", several_ends});
