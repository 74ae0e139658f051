/* Shorter words for what most cases do: start a function of workers/cases.py, call it, look at the answer. */
#ifndef CALLS_H
#define CALLS_H

#include "check.h"

/* What came of a call: one of `response` and `error`, which `settle` frees. */
struct outcome {
    oxe_status status;
    oxe_response *response;
    oxe_error *error;
};

/* Bytes of a string literal, NULs in it too. */
#define BYTES(literal) bytes_of((literal), sizeof(literal) - 1)

oxe_bytes bytes_of(const char *data, size_t len);

/* Options for cases.FUNCTION, with the path to it. */
oxe_options *options_for(const char *function);
/* Starts them; NULL and a failed check if that fails. */
oxe_python *start(oxe_options *options);
/* Both. */
oxe_python *start_function(const char *function);

oxe_request *request_for(const char *path, oxe_bytes body);
struct outcome call(oxe_python *python, oxe_request *request);
struct outcome call_path(oxe_python *python, const char *path);
oxe_bytes body_of(struct outcome outcome);
void settle(struct outcome outcome);

/* A callback's data: what it was called with, and how often. Zeroed, with TALLY_INIT. */
struct record {
    struct tally calls;
    struct outcome outcome;
    pthread_t thread;
    oxe_call cancels; /* a call that the callback cancels; its status is below */
    oxe_status cancelled;
};
#define RECORD_INIT {TALLY_INIT, {0, NULL, NULL}, 0, OXE_NO_CALL, 0}

/* The callback that keeps a record, its user_data. */
void record(oxe_response *response, oxe_error *error, void *user_data);
/* Begins a call that keeps one. */
oxe_call begin(oxe_python *python, const char *path, struct record *kept);

#endif
