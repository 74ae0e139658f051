#include "calls.h"

static void out_of_range(void) {
    oxe_options *options = options_for("echo");

    CHECK_STATUS(oxe_options_threads(options, 0), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_tasks(options, 0), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_queue(options, 0), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_timeout(options, 0), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_body(options, 2), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(options, "", "echo"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(options, "cases", ""), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(options, "\xff", "echo"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(options, "cases", ""), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(options, "", "routes"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(options, "cases", "\xff"), OXE_ERR_ARG);
    oxe_options_free(options);
}

static void kind_of_body(void) {
    oxe_options *options = options_for("echo");
    oxe_python *python;
    struct outcome outcome;
    oxe_bytes kind = BYTES("");

    CHECK_OK(oxe_options_body(options, OXE_BODY_BYTES));
    python = start(options);
    outcome = call(python, request_for("/", BYTES("a\0\xff")));
    CHECK_BYTES(body_of(outcome), "('GET', '/', {}, {}, {}, b'a\\x00\\xff')");
    CHECK_OK(oxe_response_header(outcome.response, oxe_str("x-kind"), &kind));
    CHECK_BYTES(kind, "bytes");
    settle(outcome);
    oxe_python_free(python);

    options = options_for("echo");
    CHECK_OK(oxe_options_body(options, OXE_BODY_BYTES));
    CHECK_OK(oxe_options_body(options, OXE_BODY_TEXT));
    python = start(options);
    outcome = call(python, request_for("/", BYTES("a\0\xff")));
    CHECK_BYTES(body_of(outcome), "('GET', '/', {}, {}, {}, 'a\\x00\\udcff')");
    settle(outcome);
    oxe_python_free(python);
}

static void queue_is_bounded(void) {
    oxe_options *options = options_for("gate");
    oxe_python *python;
    struct record first = RECORD_INIT;
    struct record second = RECORD_INIT;
    struct outcome outcome;
    oxe_load load = {9, 9, 9};

    CHECK_OK(oxe_options_threads(options, 1));
    CHECK_OK(oxe_options_queue(options, 1));
    python = start(options);
    settle(call_path(python, "/close"));
    begin(python, "/1", &first);
    do {
        CHECK_OK(oxe_python_load(python, &load));
    } while (load.running == 0);
    begin(python, "/2", &second);
    CHECK_OK(oxe_python_load(python, &load));
    CHECK_INT(load.waiting, 1);
    CHECK_INT(load.running, 1);
    CHECK_INT(load.abandoned, 0);

    outcome = call_path(python, "/3");
    CHECK_STATUS(outcome.status, OXE_ERR_BUSY);
    CHECK_CONTAINS(oxe_error_message(outcome.error), "1 call");
    settle(outcome);
    /* The callback of a call that is refused at once is never called. */
    CHECK_STATUS(oxe_python_begin(python, request_for("/4", BYTES("")), record, &first, NULL, NULL),
                 OXE_ERR_BUSY);
    CHECK_INT(first.calls.count, 0);

    /* Both end by force: the gate is only opened by a call, for which there is no room. */
    CHECK_STATUS(oxe_python_stop(python, 0), OXE_ERR_TIMEOUT);
    tally_wait(&first.calls, 1);
    tally_wait(&second.calls, 1);
    CHECK_STATUS(first.outcome.status, OXE_ERR_STOPPED);
    CHECK_STATUS(second.outcome.status, OXE_ERR_STOPPED);
    settle(first.outcome);
    settle(second.outcome);
    oxe_python_free(python);

    python = start_function("gate");
    settle(call_path(python, "/open"));
    oxe_python_free(python);
}

static void time_is_bounded(void) {
    oxe_options *options = options_for("gate");
    oxe_python *python;
    struct outcome outcome;
    oxe_load load;

    CHECK_OK(oxe_options_timeout(options, 100));
    python = start(options);
    settle(call_path(python, "/close"));
    outcome = call_path(python, "/1");
    CHECK_STATUS(outcome.status, OXE_ERR_TIMEOUT);
    CHECK_CONTAINS(oxe_error_message(outcome.error), "100ms");
    settle(outcome);
    CHECK_OK(oxe_python_load(python, &load));
    CHECK_INT(load.abandoned, 1);
    settle(call_path(python, "/open"));
    oxe_python_free(python);

    options = options_for("gate");
    CHECK_OK(oxe_options_timeout(options, OXE_FOREVER));
    oxe_python_free(start(options));
}

static void arguments(void) {
    const char *argv[] = {"program", "\xff"};
    oxe_options *options = options_for("argv");
    oxe_error *error = NULL;
    oxe_python *python = NULL;

    /* Python runs already, with others. */
    CHECK_OK(oxe_options_argv(options, 2, argv));
    CHECK_STATUS(oxe_python_start(options, &python, &error), OXE_ERR_INTERPRETER);
    CHECK_CONTAINS(oxe_error_message(error), "argv");
    oxe_error_free(error);

    options = options_for("argv");
    CHECK_OK(oxe_options_isolated(options, true));
    CHECK_STATUS(oxe_python_start(options, &python, &error), OXE_ERR_INTERPRETER);
    CHECK_CONTAINS(oxe_error_message(error), "isolated");
    oxe_error_free(error);

    options = options_for("argv");
    CHECK_OK(oxe_options_venv(options, "/nowhere"));
    CHECK_STATUS(oxe_python_start(options, &python, &error), OXE_ERR_INTERPRETER);
    CHECK_CONTAINS(oxe_error_message(error), "/nowhere");
    oxe_error_free(error);
    CHECK(python == NULL);
}

static void the_rest(void) {
    oxe_options *options = options_for("echo");

    CHECK_OK(oxe_options_tasks(options, 1));
    CHECK_OK(oxe_options_isolated(options, false));
    CHECK_OK(oxe_options_reload(options, true));
    CHECK_OK(oxe_options_init(options, "cases", "routes"));
    CHECK_OK(oxe_options_init(options, "", ""));
    oxe_python_free(start(options));
}

CASES(options, {"options: what is out of range", out_of_range},
      {"options: the kind of body", kind_of_body},
      {"options: the queue is bounded", queue_is_bounded},
      {"options: the time is bounded", time_is_bounded},
      {"options: of the interpreter", arguments}, {"options: the rest", the_rest});
