/* The tests of liboxbridge, as a C program uses it.
 *
 *   suite               runs every case and prints TAP: "ok N - name", "not ok N - name: why",
 * "1..N" suite NAME          only cases whose name contains NAME suite --list        names them
 *   suite --stress N    scales the loops (0.1 for slow tools such as valgrind); also
 * OXB_SUITE_SCALE
 *
 * The exit code is 0 only if all passed. Each file is about one subject of oxbridge.h and shows how
 * that is used; begin with response.c.
 *
 * The library must write nothing to standard output or error, so both lead to a file while the
 * cases run, and the last case looks into it. OXB_SUITE_CAPTURE=0 leaves them alone: for a
 * sanitizer that reports there and ends the process. Signals are left as a program finds them:
 * SIGPIPE would end it.
 */
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "report.h"

extern const struct test_case version_cases[], errors_cases[], config_cases[], limits_cases[],
    routes_cases[], userdata_cases[], handles_cases[], nulls_cases[], busy_cases[], request_cases[],
    body_cases[], response_cases[], stream_cases[], files_cases[], deferred_cases[], inline_cases[],
    driven_cases[], queue_cases[], notify_cases[], lifecycle_cases[], stopping_cases[],
    cycles_cases[], listen_cases[], tls_cases[], log_cases[], fork_cases[];

static const struct test_case *const groups[] = {
    version_cases, errors_cases,    config_cases,   limits_cases,  routes_cases, userdata_cases,
    handles_cases, nulls_cases,     busy_cases,     request_cases, body_cases,   response_cases,
    stream_cases,  files_cases,     deferred_cases, inline_cases,  driven_cases, queue_cases,
    notify_cases,  lifecycle_cases, stopping_cases, cycles_cases,  listen_cases, tls_cases,
    log_cases,     fork_cases};

static FILE *tap;
static int tap_fd, error_fd;
static int cases_run, cases_failed;

/* A case that takes longer, in seconds, hangs; so slow is no tool. */
enum { HANGS = 200 };
static const char *volatile running;

static void bail_out(int signal) {
    (void)signal;
    ssize_t wrote = write(tap_fd, "Bail out! hangs: ", 17);
    wrote += write(tap_fd, running, strlen(running));
    wrote += write(tap_fd, "\n", 1);
    _exit(wrote > 0 ? 3 : 4);
}

static void report_case(const char *name) {
    const char *why = NULL;
    cases_run++;
    int failures = report_failures(&why);
    if (failures != 0) {
        cases_failed++;
        fprintf(tap, "not ok %d - %s: %s", cases_run, name, why);
        fprintf(tap, failures > 1 ? " (and %d more)\n" : "\n", failures - 1);
    } else if (report_skipped() != NULL) {
        fprintf(tap, "ok %d - %s # skip %s\n", cases_run, name, report_skipped());
    } else {
        fprintf(tap, "ok %d - %s\n", cases_run, name);
    }
    fflush(tap);
}

static bool no_exchange_lives(void *unused) {
    (void)unused;
    return oxb_live_exchanges() == 0;
}

static void run_case(const struct test_case *test) {
    report_begin();
    running = test->name;
    alarm(HANGS);
    test->run();
    /* Each case ends what it began. */
    if (!eventually(no_exchange_lives, NULL)) {
        CHECK_U64(oxb_live_exchanges(), 0);
    }
    alarm(0);
    report_case(test->name);
}

/* Sends standard output and error into a file, and TAP to where standard output led. NULL: it does
 * not. */
static FILE *capture(void) {
    const char *wanted = getenv("OXB_SUITE_CAPTURE");
    if (wanted != NULL && strcmp(wanted, "0") == 0) {
        tap = stdout;
        tap_fd = STDOUT_FILENO;
        return NULL;
    }
    FILE *captured = tmpfile();
    tap_fd = dup(STDOUT_FILENO);
    error_fd = dup(STDERR_FILENO);
    tap = fdopen(tap_fd, "w");
    if (captured == NULL || tap == NULL || error_fd < 0) {
        perror("cannot capture the output");
        exit(2);
    }
    fflush(stdout);
    dup2(fileno(captured), STDOUT_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
    return captured;
}

static void check_silence(FILE *captured) {
    char text[1024];
    running = "main";
    report_begin();
    fflush(NULL);
    rewind(captured);
    text[fread(text, 1, sizeof text - 1, captured)] = '\0';
    fclose(captured);
    /* What a tool has to say at the exit is heard again. */
    dup2(tap_fd, STDOUT_FILENO);
    dup2(error_fd, STDERR_FILENO);
    CHECK_TEXT(text, "");
    report_case("main: the library wrote nothing to standard output or error");
}

int main(int argc, char **argv) {
    const char *only = "", *factor = getenv("OXB_SUITE_SCALE");
    bool list = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list = true;
        } else if (strcmp(argv[i], "--stress") == 0 && i + 1 < argc) {
            factor = argv[++i];
        } else {
            only = argv[i];
        }
    }
    report_scale(factor ? strtod(factor, NULL) : 1.0);
    FILE *captured = list ? NULL : capture();
    int chosen = 0;
    signal(SIGALRM, bail_out);
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        for (const struct test_case *test = groups[g]; test->run != NULL; test++) {
            if (strstr(test->name, only) == NULL) {
                continue;
            }
            chosen++;
            if (list) {
                puts(test->name);
            } else {
                run_case(test);
            }
        }
    }
    if (list) {
        return 0;
    }
    if (captured != NULL) {
        check_silence(captured);
    }
    fprintf(tap, "1..%d\n", cases_run);
    fflush(tap);
    return chosen > 0 && cases_failed == 0 ? 0 : 1;
}
