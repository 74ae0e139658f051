/* A child without exec has none of the threads: it is told so, and waits for nothing. */
#include "calls.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_the_child(oxe_python *python, oxe_call started) {
    oxe_options *options = options_for("echo");
    oxe_python *another = NULL;
    oxe_response *response = NULL;
    oxe_request *request = NULL;
    oxe_bytes bytes;
    oxe_load load;

    CHECK_STATUS(oxe_python_start(options, &another, NULL), OXE_ERR_FORKED);
    CHECK_OK(oxe_request_new(&request));
    CHECK_STATUS(oxe_python_call(python, request, &response, NULL), OXE_ERR_FORKED);
    CHECK_OK(oxe_request_new(&request));
    CHECK_STATUS(oxe_python_begin(python, request, record, NULL, NULL, NULL), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_call_cancel(started), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_python_load(python, &load), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_python_reload(python, NULL, NULL), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_python_route(python, 0, &bytes), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_python_method(python, 0, 0, &bytes), OXE_ERR_FORKED);
    CHECK_INT(oxe_python_route_count(python), 0);
    CHECK_INT(oxe_python_method_count(python, 0), 0);
    CHECK_STATUS(oxe_python_stop(python, 1000), OXE_ERR_FORKED);
    CHECK_STATUS(oxe_finish(1000), OXE_ERR_FORKED);
    oxe_python_free(python);
    return failed_checks() != 0;
}

static void a_child(void) {
    oxe_python *python = start_function("later");
    struct record kept = RECORD_INIT;
    oxe_call started = begin(python, "/never", &kept);
    char result = 'x';
    int pipes[2];
    pid_t child;

    CHECK_INT(pipe(pipes), 0);
    child = fork();
    if (child == 0) {
        result = in_the_child(python, started) == 0 ? '0' : '1';
        (void)!write(pipes[1], &result, 1);
        /* At an exit, valgrind would look for what the threads that are not here have held. */
        raise(SIGKILL);
    }
    close(pipes[1]);
    CHECK_INT(read(pipes[0], &result, 1), 1);
    CHECK_INT(result, '0');
    close(pipes[0]);
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    CHECK_OK(oxe_call_cancel(started));
    tally_wait(&kept.calls, 1);
    settle(kept.outcome);
    oxe_python_free(python);
}

CASES(fork, {"fork: a child is told", a_child});
