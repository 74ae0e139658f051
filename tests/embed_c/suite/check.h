/* What every file of the suite starts with: cases, checks, and a count that threads wait for.
 *
 * A check that fails is written down and the case goes on, so that it still frees what it holds; a check
 * may run on any thread, in a callback for example.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POSIX beside -std=c99 */
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <oxbridge_embed.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

/* The cases of one file: CASES(version, {"version: of the library", of_the_library}, ...); */
#define CASES(group, ...) const struct test_case group##_cases[] = {__VA_ARGS__, {NULL, NULL}}

/* No wait of the suite takes longer than this. What takes so long has failed. */
enum { PATIENCE_S = 60 };

#define CHECK(held) check_true((held), __FILE__, __LINE__, #held)
#define CHECK_INT(got, wanted) check_int((long long)(got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_STATUS(got, wanted) check_int((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_OK(got) CHECK_STATUS(got, OXE_OK)
/* `wanted` is a string literal, so that it may hold NULs. */
#define CHECK_BYTES(got, wanted)                                                                   \
    check_bytes((got), (wanted), sizeof(wanted) - 1, __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, wanted) check_text((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_CONTAINS(got, part) check_contains((got), (part), __FILE__, __LINE__, #got)

/* Each says whether it held. */
bool check_true(bool held, const char *file, int line, const char *what);
bool check_int(long long got, long long wanted, const char *file, int line, const char *what);
bool check_bytes(oxe_bytes got, const char *wanted, size_t len, const char *file, int line,
                 const char *what);
bool check_text(const char *got, const char *wanted, const char *file, int line, const char *what);
bool check_contains(const char *got, const char *part, const char *file, int line,
                    const char *what);

/* How many checks of the running case have failed. */
int failed_checks(void);
void forget_failed_checks(void);

/* A count that other threads wait for. */
struct tally {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
};
#define TALLY_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

void tally_add(struct tally *tally);
/* Waits until it has counted to `count`. A failed check, when that takes too long. */
void tally_wait(struct tally *tally, int count);

#endif
