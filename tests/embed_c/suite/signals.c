/* Handlers are the host's: they are looked at before Python starts and after it has worked. */
#include "calls.h"

#include <signal.h>

static volatile sig_atomic_t came;

static void count(int number) {
    (void)number;
    came++;
}

static void stay_as_they_are(void) {
    struct sigaction before[NSIG];
    struct sigaction after;
    struct sigaction mine;
    oxe_python *python;
    int number;

    memset(&mine, 0, sizeof mine);
    mine.sa_handler = count;
    sigemptyset(&mine.sa_mask);
    sigaction(SIGINT, &mine, NULL);
    sigaction(SIGTERM, &mine, NULL);
    for (number = 1; number < NSIG; number++) {
        memset(&before[number], 0, sizeof before[number]);
        sigaction(number, NULL, &before[number]);
    }
    python = start_function("later"); /* asyncio's loop, too */
    settle(call_path(python, "/"));
    for (number = 1; number < NSIG; number++) {
        memset(&after, 0, sizeof after);
        sigaction(number, NULL, &after);
        if (!CHECK(after.sa_handler == before[number].sa_handler)) {
            CHECK_INT(number, 0);
        }
    }
    came = 0;
    raise(SIGINT);
    raise(SIGTERM);
    CHECK_INT(came, 2);
    settle(call_path(python, "/"));
    oxe_python_free(python);
}

static void a_broken_pipe_is_an_exception(void) {
    oxe_python *python;
    struct outcome outcome;
    struct sigaction before;
    struct sigaction ignored;

    memset(&ignored, 0, sizeof ignored);
    ignored.sa_handler = SIG_IGN;
    sigemptyset(&ignored.sa_mask);
    sigaction(SIGPIPE, &ignored, &before);
    python = start_function("breaks_a_pipe");
    outcome = call_path(python, "/");
    CHECK_TEXT(oxe_error_exception(outcome.error), "BrokenPipeError");
    settle(outcome);
    oxe_python_free(python);
    sigaction(SIGPIPE, &before, NULL);
}

CASES(signals, {"signals: handlers stay as they are", stay_as_they_are},
      {"signals: a broken pipe is an exception", a_broken_pipe_is_an_exception});
