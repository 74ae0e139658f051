/* How checks are written down, and how threads wait for one another. */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "report.h"

static pthread_mutex_t record_mutex = PTHREAD_MUTEX_INITIALIZER;
static char first_failure[2048];
static int failures;
static const char *skipped;
static double scale = 1.0;
static _Thread_local const char *current_row;

void report_begin(void) {
    pthread_mutex_lock(&record_mutex);
    first_failure[0] = '\0';
    failures = 0;
    skipped = NULL;
    pthread_mutex_unlock(&record_mutex);
    current_row = NULL;
}

int report_failures(const char **first) {
    pthread_mutex_lock(&record_mutex);
    int count = failures;
    *first = first_failure;
    pthread_mutex_unlock(&record_mutex);
    return count;
}

const char *report_skipped(void) { return skipped; }

void report_scale(double factor) { scale = factor; }

void skip_case(const char *why) { skipped = why; }

int scaled(int times) {
    int result = (int)(times * scale);
    return result > 0 ? result : 1;
}

void check_row(const char *row) { current_row = row; }

/* Only the first failure of a case is told: what follows it is mostly its consequence. */
static bool fail(const char *file, int line, const char *what, const char *format, ...) {
    const char *slash = strrchr(file, '/');
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&record_mutex);
    if (failures++ == 0) {
        int used = snprintf(first_failure, sizeof first_failure,
                            "%s:%d: %s%s%s: ", slash ? slash + 1 : file, line,
                            current_row ? current_row : "", current_row ? ": " : "", what);
        if (used > 0 && (size_t)used < sizeof first_failure) {
            vsnprintf(first_failure + used, sizeof first_failure - (size_t)used, format, arguments);
        }
    }
    pthread_mutex_unlock(&record_mutex);
    va_end(arguments);
    return false;
}

bool check_true(bool held, const char *file, int line, const char *what) {
    return held || fail(file, line, what, "came false, wanted true");
}

bool check_int(long long got, long long wanted, const char *file, int line, const char *what) {
    return got == wanted || fail(file, line, what, "came %lld, wanted %lld", got, wanted);
}

bool check_u64(uint64_t got, uint64_t wanted, const char *file, int line, const char *what) {
    return got == wanted || fail(file, line, what, "came %llu, wanted %llu",
                                 (unsigned long long)got, (unsigned long long)wanted);
}

bool check_status(oxb_status got, oxb_status wanted, const char *file, int line, const char *what) {
    return got == wanted || fail(file, line, what, "came %d (%s), wanted %d (%s)", (int)got,
                                 oxb_strerror(got), (int)wanted, oxb_strerror(wanted));
}

bool check_bytes(oxb_bytes got, const char *wanted, size_t len, const char *file, int line,
                 const char *what) {
    bool same = got.len == len && (len == 0 || memcmp(got.data, wanted, len) == 0);
    return same ||
           fail(file, line, what, "came \"%.*s\" (%zu bytes), wanted \"%s\" (%zu bytes)",
                (int)(got.len < 200 ? got.len : 200), (const char *)got.data, got.len, wanted, len);
}

bool check_text(const char *got, const char *wanted, const char *file, int line, const char *what) {
    bool same = got != NULL && strcmp(got, wanted) == 0;
    return same || fail(file, line, what, "came \"%.300s\", wanted \"%.300s\"",
                        got ? got : "(none)", wanted);
}

bool check_contains(const char *got, const char *part, const char *file, int line,
                    const char *what) {
    bool has = got != NULL && strstr(got, part) != NULL;
    return has || fail(file, line, what, "came \"%.300s\", wanted it to contain \"%.300s\"",
                       got ? got : "(none)", part);
}

void tally_add(struct tally *tally) {
    pthread_mutex_lock(&tally->mutex);
    tally->count++;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->mutex);
}

int tally_count(struct tally *tally) {
    pthread_mutex_lock(&tally->mutex);
    int count = tally->count;
    pthread_mutex_unlock(&tally->mutex);
    return count;
}

bool tally_wait(struct tally *tally, int count) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&tally->mutex);
    int waited = 0;
    while (tally->count < count && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&tally->changed, &tally->mutex, &deadline);
    }
    int reached = tally->count;
    pthread_mutex_unlock(&tally->mutex);
    return reached >= count || fail(__FILE__, __LINE__, "a wait for other threads",
                                    "came %d of %d within %d ms", reached, count, PATIENCE_MS);
}

void count_drop(void *user_data) { tally_add(user_data); }

uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool eventually(bool (*holds)(void *context), void *context) {
    const struct timespec pause = {0, 2000000};
    uint64_t deadline = now_ms() + PATIENCE_MS;
    while (!holds(context)) {
        if (now_ms() > deadline) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

pthread_t spawn(void *(*run)(void *), void *argument) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, argument);
    CHECK_INT(error, 0);
    return thread;
}
