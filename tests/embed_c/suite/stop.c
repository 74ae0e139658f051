#include "calls.h"

#include <stdio.h>

static void calls_after_it(void) {
    oxe_python *python = start_function("back");
    struct outcome outcome;

    CHECK_OK(oxe_python_stop(python, 1000));
    CHECK_OK(oxe_python_stop(python, 0));
    outcome = call_path(python, "/");
    CHECK_STATUS(outcome.status, OXE_ERR_STOPPED);
    settle(outcome);
    CHECK_STATUS(oxe_python_begin(python, request_for("/", BYTES("")), record, NULL, NULL, NULL),
                 OXE_ERR_STOPPED);
    oxe_python_free(python);
}

static void what_runs_may_finish(void) {
    oxe_python *python = start_function("leaves");
    struct record kept = RECORD_INIT;
    oxe_load load;

    begin(python, "/", &kept);
    do {
        CHECK_OK(oxe_python_load(python, &load));
    } while (load.running == 0);
    /* What has not finished in time is given up, and told so. */
    (void)oxe_python_stop(python, 10);
    oxe_python_free(python);
    CHECK_INT(kept.calls.count, 1); /* free has waited for the callback */
    CHECK_STATUS(kept.outcome.status, OXE_ERR_STOPPED);
    settle(kept.outcome);
}

static void freeing_ends_calls(void) {
    oxe_python *python = start_function("later");
    struct record kept[20];
    size_t i;

    for (i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const struct record fresh = RECORD_INIT;

        kept[i] = fresh;
        begin(python, "/never", &kept[i]);
    }
    oxe_python_free(python);
    for (i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        CHECK_INT(kept[i].calls.count, 1);
        CHECK_STATUS(kept[i].outcome.status, OXE_ERR_STOPPED);
        settle(kept[i].outcome);
    }
}

/* The function stops, or frees, what runs it. */
static void from_inside(const char *path, const char *keeps) {
    oxe_python *python = start_function("calls_back");
    oxe_request *request;
    struct outcome outcome;
    char address[32];

    snprintf(address, sizeof address, "%llu", (unsigned long long)(uintptr_t)python);
    request = request_for(path, oxe_str(address));
    CHECK_OK(oxe_request_header(request, oxe_str("X-Keeps"), oxe_str(keeps)));
    outcome = call(python, request);
    /* It ends with what it does, and its answer comes too late. */
    CHECK_STATUS(outcome.status, OXE_ERR_STOPPED);
    settle(outcome);
    if (strcmp(path, "/free") == 0) {
        oxe_python *another = start_function("waits_for_freed");

        outcome = call_path(another, "/");
        CHECK_BYTES(body_of(outcome), "True");
        settle(outcome);
        oxe_python_free(another);
    } else {
        oxe_python_free(python);
    }
}

static void from_inside_python(void) {
    from_inside("/stop", "0");
    from_inside("/stop", "1");
}

static void freeing_from_inside_python(void) {
    from_inside("/free", "0");
    from_inside("/free", "1");
}

CASES(stop, {"stop: calls after it", calls_after_it},
      {"stop: what runs may finish in time", what_runs_may_finish},
      {"stop: freeing ends calls, and waits for callbacks", freeing_ends_calls},
      {"stop: by the function itself", from_inside_python},
      {"stop: freeing by the function itself", freeing_from_inside_python});
