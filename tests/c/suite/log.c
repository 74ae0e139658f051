/* The log: where the library says what nobody asked for. Silence, until a callback is set. */
#include "serving.h"

#include <stdatomic.h>

struct heard {
    struct tally messages, dropped;
    atomic_int worst, noisiest;
};

static void listen_in(int32_t level, oxb_bytes message, void *user_data) {
    struct heard *heard = user_data;
    CHECK(level >= OXB_LOG_ERROR && level <= OXB_LOG_DEBUG);
    CHECK(message.data != NULL && message.len != 0);
    if (level < atomic_load(&heard->worst)) {
        atomic_store(&heard->worst, level);
    }
    if (level > atomic_load(&heard->noisiest)) {
        atomic_store(&heard->noisiest, level);
    }
    tally_add(&heard->messages);
}

static void drop_heard(void *user_data) { tally_add(&((struct heard *)user_data)->dropped); }

static void init(struct heard *heard) {
    const struct tally zero = TALLY_INIT;
    heard->messages = zero;
    heard->dropped = zero;
    atomic_init(&heard->worst, 99);
    atomic_init(&heard->noisiest, 0);
}

/* Something to complain of: a handler that gives no answer. */
static void provoke(void) {
    oxb_server *server = serve_one("/", do_nothing, NULL);
    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 500);
    answer_free(&answer);
    stop_and_free(server);
}

static void errors(void) {
    struct heard heard;
    init(&heard);
    CHECK_OK(oxb_log_set(OXB_LOG_ERROR, listen_in, &heard, drop_heard));
    provoke();
    tally_wait(&heard.messages, 1);
    CHECK_INT(atomic_load(&heard.worst), OXB_LOG_ERROR);
    CHECK_INT(atomic_load(&heard.noisiest), OXB_LOG_ERROR);
    CHECK_INT(tally_count(&heard.dropped), 0);
    CHECK_OK(oxb_log_set(OXB_LOG_ERROR, NULL, NULL, NULL));
    CHECK_INT(tally_count(&heard.dropped), 1);
    int before = tally_count(&heard.messages);
    provoke();
    CHECK_INT(tally_count(&heard.messages), before);
    CHECK_OK(oxb_log_set(OXB_LOG_ERROR, NULL, NULL, NULL));
    CHECK_INT(tally_count(&heard.dropped), 1);
}

static void everything(void) {
    struct heard heard;
    init(&heard);
    CHECK_OK(oxb_log_set(OXB_LOG_DEBUG, listen_in, &heard, drop_heard));
    provoke();
    tally_wait(&heard.messages, 1);
    CHECK_INT(atomic_load(&heard.worst), OXB_LOG_ERROR);
    CHECK_OK(oxb_log_set(OXB_LOG_ERROR, NULL, NULL, NULL));
}

static void replaced(void) {
    struct heard first, second;
    init(&first);
    init(&second);
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, listen_in, &first, drop_heard));
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, listen_in, &second, drop_heard));
    CHECK_INT(tally_count(&first.dropped), 1);
    provoke();
    tally_wait(&second.messages, 1);
    CHECK_INT(tally_count(&first.messages), 0);
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, NULL, NULL, NULL));
    CHECK_INT(tally_count(&second.dropped), 1);
}

/* A refused call keeps the log that is there, and drops what it was given. */
static void refused(void) {
    struct heard kept, refused;
    init(&kept);
    init(&refused);
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, listen_in, &kept, drop_heard));
    CHECK_STATUS(oxb_log_set(0, listen_in, &refused, drop_heard), OXB_ERR_ARG);
    CHECK_STATUS(oxb_log_set(5, listen_in, &refused, drop_heard), OXB_ERR_ARG);
    CHECK_INT(tally_count(&refused.dropped), 2);
    provoke();
    tally_wait(&kept.messages, 1);
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, NULL, NULL, NULL));
    CHECK_INT(tally_count(&kept.dropped), 1);
    CHECK_INT(tally_count(&refused.dropped), 2);
}

/* No log: the user_data is not needed. */
static void none(void) {
    struct tally dropped = TALLY_INIT;
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, NULL, &dropped, count_drop));
    CHECK_INT(tally_count(&dropped), 1);
    CHECK_OK(oxb_log_set(OXB_LOG_INFO, NULL, NULL, NULL));
    CHECK_INT(tally_count(&dropped), 1);
}

/* Replaced over and over while threads write to it: each user_data is dropped once, and never used
 * afterwards. */
static void *provoke_often(void *over) {
    oxb_server *server = serve_one("/", do_nothing, NULL);
    while (!atomic_load((atomic_bool *)over)) {
        struct answer answer = ask_get(server, "/");
        CHECK_INT(answer.status, 500);
        answer_free(&answer);
    }
    stop_and_free(server);
    return NULL;
}

static void count_if_alive(int32_t level, oxb_bytes message, void *user_data) {
    struct heard *heard = user_data;
    CHECK(level >= OXB_LOG_ERROR && message.len != 0);
    CHECK_INT(tally_count(&heard->dropped), 0);
    tally_add(&heard->messages);
}

static void replaced_while_used(void) {
    enum { THREADS = 2, LOGS = 64 };
    static struct heard heard[LOGS];
    pthread_t threads[THREADS];
    atomic_bool over;
    atomic_init(&over, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = spawn(provoke_often, &over);
    }
    int logs = scaled(LOGS) < LOGS ? scaled(LOGS) : LOGS;
    for (int i = 0; i < logs; i++) {
        init(&heard[i]);
        CHECK_OK(oxb_log_set(OXB_LOG_ERROR, count_if_alive, &heard[i], drop_heard));
        tally_wait(&heard[i].messages, 1);
    }
    CHECK_OK(oxb_log_set(OXB_LOG_ERROR, NULL, NULL, NULL));
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < logs; i++) {
        tally_wait(&heard[i].dropped, 1);
        CHECK_INT(tally_count(&heard[i].dropped), 1);
    }
}

CASES(log, {"log: errors", errors}, {"log: everything", everything}, {"log: replaced", replaced},
      {"log: refused", refused}, {"log: none", none},
      {"log: replaced while it is used", replaced_while_used});
