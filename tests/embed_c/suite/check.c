#include "check.h"

#include <stdio.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int failed; /* guarded by mutex */

static void fail(const char *file, int line, const char *what) {
    pthread_mutex_lock(&mutex);
    failed++;
    pthread_mutex_unlock(&mutex);
    printf("# %s:%d: %s", file, line, what);
}

int failed_checks(void) {
    int count;

    pthread_mutex_lock(&mutex);
    count = failed;
    pthread_mutex_unlock(&mutex);
    return count;
}

void forget_failed_checks(void) {
    pthread_mutex_lock(&mutex);
    failed = 0;
    pthread_mutex_unlock(&mutex);
}

bool check_true(bool held, const char *file, int line, const char *what) {
    if (!held) {
        fail(file, line, what);
        printf(" does not hold\n");
    }
    return held;
}

bool check_int(long long got, long long wanted, const char *file, int line, const char *what) {
    if (got != wanted) {
        fail(file, line, what);
        printf(" is %lld, wanted %lld\n", got, wanted);
    }
    return got == wanted;
}

bool check_bytes(oxe_bytes got, const char *wanted, size_t len, const char *file, int line,
                 const char *what) {
    bool held = got.len == len && (len == 0 || memcmp(got.data, wanted, len) == 0);

    if (!held) {
        fail(file, line, what);
        printf(" is \"%.*s\" (%zu bytes), wanted \"%s\" (%zu bytes)\n", (int)got.len,
               (const char *)got.data, got.len, wanted, len);
    }
    return held;
}

bool check_text(const char *got, const char *wanted, const char *file, int line, const char *what) {
    bool held = got != NULL && strcmp(got, wanted) == 0;

    if (!held) {
        fail(file, line, what);
        printf(" is \"%s\", wanted \"%s\"\n", got != NULL ? got : "(NULL)", wanted);
    }
    return held;
}

bool check_contains(const char *got, const char *part, const char *file, int line,
                    const char *what) {
    bool held = got != NULL && strstr(got, part) != NULL;

    if (!held) {
        fail(file, line, what);
        printf(" is \"%s\", wanted \"%s\" in it\n", got != NULL ? got : "(NULL)", part);
    }
    return held;
}

void tally_add(struct tally *tally) {
    pthread_mutex_lock(&tally->mutex);
    tally->count++;
    pthread_cond_broadcast(&tally->changed);
    pthread_mutex_unlock(&tally->mutex);
}

void tally_wait(struct tally *tally, int count) {
    struct timespec end;
    int late = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&tally->mutex);
    while (tally->count < count && late == 0) {
        late = pthread_cond_timedwait(&tally->changed, &tally->mutex, &end);
    }
    CHECK_INT(tally->count, count);
    pthread_mutex_unlock(&tally->mutex);
}
