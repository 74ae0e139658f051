#include "calls.h"

static void an_exception(void) {
    oxe_python *python = start_function("raises");
    struct outcome outcome = call_path(python, "/x");

    CHECK_STATUS(outcome.status, OXE_ERR_PYTHON);
    CHECK_TEXT(oxe_error_exception(outcome.error), "cases.Refused");
    CHECK_TEXT(oxe_error_message(outcome.error), "cases.Refused: no \xc3\xbcmlaut");
    CHECK_CONTAINS(oxe_error_traceback(outcome.error), "Traceback (most recent call last)");
    CHECK_CONTAINS(oxe_error_traceback(outcome.error), "KeyError: '/x'");
    CHECK_CONTAINS(oxe_error_traceback(outcome.error), "in raises");
    settle(outcome);
    oxe_python_free(python);
}

static void a_nul_in_its_message(void) {
    oxe_python *python = start_function("raises");
    struct outcome outcome = call_path(python, "/nul");

    CHECK_TEXT(oxe_error_message(outcome.error), "ValueError: a\\x00b");
    CHECK_CONTAINS(oxe_error_traceback(outcome.error), "ValueError: a\\x00b\n");
    settle(outcome);
    oxe_python_free(python);
}

static void sys_exit_ends_nothing(void) {
    oxe_python *python = start_function("raises");
    struct outcome outcome = call_path(python, "/exit");

    CHECK_STATUS(outcome.status, OXE_ERR_PYTHON);
    CHECK_TEXT(oxe_error_exception(outcome.error), "SystemExit");
    CHECK_TEXT(oxe_error_message(outcome.error), "SystemExit: 3");
    settle(outcome);
    oxe_python_free(python);
}

static void nobody_wants_it(void) {
    oxe_python *python = start_function("raises");
    oxe_response *response = NULL;

    CHECK_STATUS(oxe_python_call(python, request_for("/", BYTES("")), &response, NULL),
                 OXE_ERR_PYTHON);
    CHECK(response == NULL);
    oxe_python_free(python);
}

CASES(error, {"error: an exception", an_exception},
      {"error: a NUL in its message", a_nul_in_its_message},
      {"error: sys.exit ends nothing", sys_exit_ends_nothing},
      {"error: nobody wants it", nobody_wants_it});
