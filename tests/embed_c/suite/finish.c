/* The end comes last: nothing starts after it. */
#include "calls.h"

static void nothing_comes_after(void) {
    oxe_python *python = start_function("back");
    oxe_python *another = NULL;
    oxe_error *error = NULL;
    struct outcome outcome;

    CHECK_OK(oxe_finish(20000));
    CHECK_OK(oxe_finish(0));
    outcome = call_path(python, "/");
    CHECK_STATUS(outcome.status, OXE_ERR_STOPPED);
    settle(outcome);
    CHECK_STATUS(oxe_python_start(options_for("echo"), &another, &error), OXE_ERR_STOPPED);
    CHECK_CONTAINS(oxe_error_message(error), "finished");
    oxe_error_free(error);
    oxe_python_free(python);
}

CASES(finish, {"finish: nothing comes after it", nothing_comes_after});
