/* Thousands of calls of every kind, on several threads at once; then, what memory they have left behind.
 *
 *     soak COUNT [GROWTH]
 *
 * COUNT calls are made, in four quarters, after a tenth as many. With GROWTH, there must be a quarter in which
 * the heap in use has grown by less than so many bytes: PYTHONMALLOC=malloc puts Python's objects on that heap.
 * Exit code 0: each call had the end that it should have, and the heap does not grow.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <limits.h>
#include <malloc.h>
#include <oxbridge_embed.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, WINDOWS = 4 };

struct soak {
    oxe_python *plain;
    oxe_python *later;
    int each;
};

static atomic_int wrong;
static atomic_int begun;
static atomic_int answers;

static void expect(int held, const char *what, int i) {
    if (!held) {
        fprintf(stderr, "call %d: %s\n", i, what);
        atomic_fetch_add(&wrong, 1);
    }
}

static oxe_bytes body_of(int i) {
    /* A NUL, UTF-8, a byte that is none. */
    static const char *const bodies[] = {"", "text", "a\0b\0", "\xc3\xbc", "\xff\xfe\0\x80"};
    static const size_t lengths[] = {0, 4, 4, 2, 4};
    oxe_bytes body;

    body.data = (const uint8_t *)(const void *)bodies[i % 5];
    body.len = lengths[i % 5];
    return body;
}

static oxe_request *request_for(const char *path, int i) {
    oxe_request *request = NULL;

    (void)oxe_request_new(&request);
    (void)oxe_request_method(request, oxe_str(i % 2 == 0 ? "GET" : "POST"));
    (void)oxe_request_path(request, oxe_str(path));
    (void)oxe_request_param(request, oxe_str("target"), body_of(i));
    (void)oxe_request_query(request, oxe_str("q"), oxe_str("1"));
    (void)oxe_request_query(request, oxe_str("q"), body_of(i + 1));
    (void)oxe_request_header(request, oxe_str("accept"), oxe_str("text/html"));
    (void)oxe_request_header(request, oxe_str("accept"), oxe_str("\xe9"));
    (void)oxe_request_header(request, oxe_str("x-number"), oxe_str("7"));
    (void)oxe_request_body(request, body_of(i));
    return request;
}

static void look(oxe_response *response, int i) {
    size_t count = oxe_response_header_count(response);
    size_t at;
    oxe_field field;
    oxe_bytes body;

    expect(oxe_response_body(response, &body) == OXE_OK, "no body", i);
    for (at = 0; at < count; at++) {
        expect(oxe_response_header_at(response, at, &field) == OXE_OK, "no field", i);
    }
    oxe_response_free(response);
}

static void call(oxe_python *python, const char *path, oxe_status wanted, int i) {
    oxe_response *response = NULL;
    oxe_error *error = NULL;
    oxe_status status = oxe_python_call(python, request_for(path, i), &response, &error);

    expect(status == wanted, oxe_error_message(error), i);
    if (wanted == OXE_ERR_PYTHON) {
        expect(strstr(oxe_error_traceback(error), "Traceback") != NULL, "no traceback", i);
    }
    oxe_error_free(error);
    if (response != NULL) {
        look(response, i);
    }
}

static void answered(oxe_response *response, oxe_error *error, void *user_data) {
    const int *i = user_data;

    if (response != NULL) {
        look(response, *i);
    } else {
        oxe_status status = oxe_error_status(error);

        expect(status == OXE_ERR_CANCELLED || status == OXE_ERR_PYTHON, oxe_strerror(status), *i);
        oxe_error_free(error);
    }
    free(user_data);
    atomic_fetch_add(&answers, 1);
}

static void begin(oxe_python *python, const char *path, int cancels, int i) {
    int *number = malloc(sizeof *number);
    oxe_call started = OXE_NO_CALL;
    oxe_status status;

    *number = i;
    status = oxe_python_begin(python, request_for(path, i), answered, number, &started, NULL);
    if (status != OXE_OK) {
        expect(status == OXE_ERR_BUSY, oxe_strerror(status), i);
        free(number);
        return;
    }
    atomic_fetch_add(&begun, 1);
    if (cancels) {
        status = oxe_call_cancel(started);
        expect(status == OXE_OK || status == OXE_ERR_STALE, oxe_strerror(status), i);
    }
}

static void *work(void *user_data) {
    const struct soak *soak = user_data;
    int i;

    for (i = 0; i < soak->each; i++) {
        switch (i % 10) {
        case 0: call(soak->plain, "/shared", OXE_OK, i); break;
        case 1: call(soak->plain, "/fresh", OXE_OK, i); break;
        case 2: call(soak->plain, "/bytes", OXE_OK, i); break;
        case 3: call(soak->plain, "/raise", OXE_ERR_PYTHON, i); break;
        case 4: call(soak->plain, "/exit", OXE_ERR_PYTHON, i); break;
        case 5: call(soak->plain, "/wrong", OXE_ERR_ANSWER, i); break;
        case 6: call(soak->later, i % 4 == 0 ? "/raise" : "/", i % 4 == 0 ? OXE_ERR_PYTHON : OXE_OK, i); break;
        case 7: begin(soak->plain, "/fresh", 0, i); break;
        case 8: begin(soak->plain, "/raise", 1, i); break;
        default: begin(soak->later, "/", i % 4 != 0, i); break;
        }
    }
    return NULL;
}

static oxe_python *start(const char *function) {
    oxe_options *options = NULL;
    oxe_python *python = NULL;
    oxe_error *error = NULL;

    (void)oxe_options_new(&options);
    (void)oxe_options_path(options, getenv("WORKERS"));
    (void)oxe_options_request(options, "soak", function);
    (void)oxe_options_threads(options, THREADS);
    if (oxe_python_start(options, &python, &error) != OXE_OK) {
        fprintf(stderr, "%s\n%s", oxe_error_message(error), oxe_error_traceback(error));
        exit(2);
    }
    return python;
}

static int is_busy(oxe_python *python) {
    oxe_load load = {0, 0, 0};

    (void)oxe_python_load(python, &load);
    return load.waiting + load.running + load.abandoned != 0;
}

static void run(struct soak *soak, int count) {
    pthread_t threads[THREADS];
    int i;

    soak->each = count / THREADS;
    for (i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, work, soak);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    /* Until every callback has been called, and nothing runs for nobody any more. */
    while (atomic_load(&answers) != atomic_load(&begun) || is_busy(soak->plain) || is_busy(soak->later)) {
        sched_yield();
    }
    call(soak->plain, "/collect", OXE_OK, 0);
}

int main(int argc, char **argv) {
    struct soak soak;
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    long least = LONG_MAX;
    int window;

    soak.plain = start("answer");
    soak.later = start("later");
    run(&soak, count / 10 + THREADS);
    /* Queues grow to what is needed once, and caches fill. What leaks does so in every window. */
    for (window = 0; window < WINDOWS; window++) {
        size_t before = mallinfo2().uordblks;
        long growth;

        run(&soak, count / WINDOWS);
        growth = (long)mallinfo2().uordblks - (long)before;
        least = growth < least ? growth : least;
    }
    if (argc > 2) {
        printf("%d calls, %d callbacks; in the best quarter the heap grew by %ld bytes\n", count,
               atomic_load(&answers), least);
        expect(least < atol(argv[2]), "the heap grows", count);
    }
    oxe_python_free(soak.later);
    oxe_python_free(soak.plain);
    expect(oxe_finish(20000) == OXE_OK, "Python does not finish", count);
    return atomic_load(&wrong) != 0;
}
