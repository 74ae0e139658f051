#include "calls.h"

static void an_answer(void) {
    oxe_python *python = start_function("back");
    struct record first = RECORD_INIT;
    struct record second = RECORD_INIT;
    oxe_call started = begin(python, "/", &first);

    tally_wait(&first.calls, 1);
    CHECK_OK(first.outcome.status);
    CHECK_STATUS(oxe_call_cancel(started), OXE_ERR_STALE);
    CHECK(!pthread_equal(first.thread, pthread_self()));
    CHECK(begin(python, "/", &second) != started);
    tally_wait(&second.calls, 1);
    CHECK(pthread_equal(first.thread, second.thread));
    settle(first.outcome);
    settle(second.outcome);
    oxe_python_free(python);
    CHECK_INT(first.calls.count, 1);
}

static void an_exception(void) {
    oxe_python *python = start_function("raises");
    struct record kept = RECORD_INIT;

    begin(python, "/", &kept);
    tally_wait(&kept.calls, 1);
    CHECK_STATUS(kept.outcome.status, OXE_ERR_PYTHON);
    CHECK_TEXT(oxe_error_exception(kept.outcome.error), "cases.Refused");
    settle(kept.outcome);
    oxe_python_free(python);
}

static void a_coroutine(void) {
    oxe_python *python = start_function("later");
    struct record kept = RECORD_INIT;
    struct record never = RECORD_INIT;
    oxe_call started;

    begin(python, "/a", &kept);
    started = begin(python, "/never", &never);
    tally_wait(&kept.calls, 1);
    CHECK_BYTES(body_of(kept.outcome), "later /a");
    CHECK_OK(oxe_call_cancel(started));
    tally_wait(&never.calls, 1);
    CHECK_STATUS(never.outcome.status, OXE_ERR_CANCELLED);
    settle(kept.outcome);
    settle(never.outcome);
    oxe_python_free(python);
}

static void cancelling(void) {
    oxe_python *python = start_function("leaves");
    struct record kept = RECORD_INIT;
    oxe_call started = begin(python, "/", &kept);
    struct outcome outcome;

    /* A call that is cancelled before its function begins never does. */
    outcome = call_path(python, "/began");
    CHECK_BYTES(body_of(outcome), "True");
    settle(outcome);
    CHECK_OK(oxe_call_cancel(started));
    CHECK_STATUS(oxe_call_cancel(started), OXE_ERR_STALE);
    tally_wait(&kept.calls, 1);
    CHECK_STATUS(kept.outcome.status, OXE_ERR_CANCELLED);
    CHECK_TEXT(oxe_error_message(kept.outcome.error), oxe_strerror(OXE_ERR_CANCELLED));
    outcome = call_path(python, "/asks"); /* whether Python was told */
    CHECK_BYTES(body_of(outcome), "True");
    settle(outcome);
    settle(kept.outcome);
    oxe_python_free(python);
    CHECK_INT(kept.calls.count, 1);
}

static void handles_that_are_none(void) {
    CHECK_STATUS(oxe_call_cancel(OXE_NO_CALL), OXE_ERR_STALE);
    CHECK_STATUS(oxe_call_cancel(1), OXE_ERR_STALE);
    CHECK_STATUS(oxe_call_cancel(UINT64_MAX), OXE_ERR_STALE);
}

static void a_callback_cancels_another_call(void) {
    oxe_python *python = start_function("gate");
    struct record kept = RECORD_INIT;
    struct record other = RECORD_INIT;

    settle(call_path(python, "/close"));
    kept.cancels = begin(python, "/1", &other);
    begin(python, "/open", &kept);
    tally_wait(&kept.calls, 1);
    tally_wait(&other.calls, 1);
    /* The gate may have let it through first. */
    CHECK(kept.cancelled == (other.outcome.status == OXE_OK ? OXE_ERR_STALE : OXE_OK));
    settle(kept.outcome);
    settle(other.outcome);
    oxe_python_free(python);
}

/* A callback may call Python again, and wait. */
static oxe_python *again;

static void call_again(oxe_response *response, oxe_error *error, void *user_data) {
    struct outcome outcome = call_path(again, "/nested");

    CHECK_BYTES(body_of(outcome), "");
    settle(outcome);
    record(response, error, user_data);
}

static void a_callback_calls(void) {
    struct record kept = RECORD_INIT;

    again = start_function("back");
    CHECK_OK(oxe_python_begin(again, request_for("/", BYTES("")), call_again, &kept, NULL, NULL));
    tally_wait(&kept.calls, 1);
    CHECK_OK(kept.outcome.status);
    settle(kept.outcome);
    oxe_python_free(again);
}

static void free_it(oxe_response *response, oxe_error *error, void *user_data) {
    CHECK_OK(oxe_python_stop(again, 1000));
    oxe_python_free(again);
    record(response, error, user_data);
}

static void a_callback_frees(void) {
    struct record kept = RECORD_INIT;

    again = start_function("back");
    CHECK_OK(oxe_python_begin(again, request_for("/", BYTES("")), free_it, &kept, NULL, NULL));
    tally_wait(&kept.calls, 1);
    CHECK_OK(kept.outcome.status);
    settle(kept.outcome);
}

enum { THREADS = 4, EACH = 50 };

struct load_of_one {
    oxe_python *python;
    struct tally answers;
    int cancelled; /* guarded by the tally's mutex, as is the next */
    int answered;
};

static void count(oxe_response *response, oxe_error *error, void *user_data) {
    struct load_of_one *mine = user_data;

    pthread_mutex_lock(&mine->answers.mutex);
    mine->answered += response != NULL;
    mine->cancelled += error != NULL && oxe_error_status(error) == OXE_ERR_CANCELLED;
    pthread_mutex_unlock(&mine->answers.mutex);
    oxe_response_free(response);
    oxe_error_free(error);
    tally_add(&mine->answers);
}

static void *begin_and_cancel(void *user_data) {
    struct load_of_one *mine = user_data;
    int said = 0;
    int i;

    for (i = 0; i < EACH; i++) {
        oxe_call started = OXE_NO_CALL;
        oxe_status status;

        CHECK_OK(oxe_python_begin(mine->python, request_for("/", BYTES("x")), count, mine, &started,
                                  NULL));
        if (i % 2 == 0) {
            status = oxe_call_cancel(started);
            CHECK(status == OXE_OK || status == OXE_ERR_STALE);
            said += status == OXE_OK;
        }
    }
    tally_wait(&mine->answers, EACH);
    /* Each call has its answer or has been cancelled, and cancelling has told the truth. */
    CHECK_INT(mine->cancelled, said);
    CHECK_INT(mine->answered, EACH - said);
    return NULL;
}

static void many_threads_begin_and_cancel(void) {
    struct load_of_one loads[THREADS];
    pthread_t threads[THREADS];
    oxe_python *python = start_function("back");
    int i;

    for (i = 0; i < THREADS; i++) {
        const struct load_of_one fresh = {python, TALLY_INIT, 0, 0};

        loads[i] = fresh;
        CHECK_INT(pthread_create(&threads[i], NULL, begin_and_cancel, &loads[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    oxe_python_free(python);
}

CASES(callback, {"callback: an answer", an_answer}, {"callback: an exception", an_exception},
      {"callback: a coroutine", a_coroutine}, {"callback: cancelling", cancelling},
      {"callback: handles that are none", handles_that_are_none},
      {"callback: it cancels another call", a_callback_cancels_another_call},
      {"callback: it calls Python", a_callback_calls}, {"callback: it frees", a_callback_frees},
      {"callback: many threads begin and cancel", many_threads_begin_and_cancel});
