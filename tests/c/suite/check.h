/* What every file of the suite starts with: cases, checks, and a count that threads wait for.
 *
 * A case is a function. A check that fails is written down and the case goes on, so that it still
 * lets go of what it holds; a check may run on any thread, in a handler for example.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POSIX beside -std=c11 */
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <oxbridge.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

/* The cases of one file: CASES(version, {"version: of the library", library_version}, ...); */
#define CASES(group, ...)                                                                          \
    const struct test_case group##_cases[] = {                                                     \
        __VA_ARGS__, {NULL, NULL} \
    }

/* No wait of the suite takes longer than this. What takes so long has failed. */
enum { PATIENCE_MS = 10000 };

/* Says that the running case cannot run here, and why. */
void skip_case(const char *why);

/* `times`, scaled by --stress N or OXB_SUITE_SCALE, at least 1. */
int scaled(int times);

/* Makes a failure say which row of a table it belongs to. NULL: none. Per thread. */
void check_row(const char *row);

#define CHECK(held) check_true((held), __FILE__, __LINE__, #held)
#define CHECK_INT(got, wanted) check_int((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_U64(got, wanted) check_u64((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_STATUS(got, wanted) check_status((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_OK(got) CHECK_STATUS(got, OXB_OK)
/* `wanted` is a string literal, so that it may hold NULs. */
#define CHECK_BYTES(got, wanted)                                                                   \
    check_bytes((got), (wanted), sizeof(wanted) - 1, __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, wanted) check_text((got), (wanted), __FILE__, __LINE__, #got)
#define CHECK_CONTAINS(got, part) check_contains((got), (part), __FILE__, __LINE__, #got)

/* Each says whether it held. */
bool check_true(bool held, const char *file, int line, const char *what);
bool check_int(long long got, long long wanted, const char *file, int line, const char *what);
bool check_u64(uint64_t got, uint64_t wanted, const char *file, int line, const char *what);
bool check_status(oxb_status got, oxb_status wanted, const char *file, int line, const char *what);
bool check_bytes(oxb_bytes got, const char *wanted, size_t len, const char *file, int line,
                 const char *what);
bool check_text(const char *got, const char *wanted, const char *file, int line, const char *what);
bool check_contains(const char *got, const char *part, const char *file, int line,
                    const char *what);

/* A count that other threads wait for: of calls, of drops, of things that are ready. */
struct tally {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
};
#define TALLY_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

void tally_add(struct tally *tally);
int tally_count(struct tally *tally);
/* Waits until it has counted to `count`. False, and a failed check, when that takes too long. */
bool tally_wait(struct tally *tally, int count);

/* An oxb_drop for a `struct tally *`. */
void count_drop(void *user_data);

/* Milliseconds on a clock that only goes forward. */
uint64_t now_ms(void);

/* Asks again and again until it holds: for what nobody announces, such as the end of a thread. */
bool eventually(bool (*holds)(void *context), void *context);

/* Starts a thread, with a failed check if there is none to be had. */
pthread_t spawn(void *(*run)(void *), void *argument);

#endif
