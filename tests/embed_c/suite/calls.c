#include "calls.h"

#include <stdlib.h>

oxe_bytes bytes_of(const char *data, size_t len) {
    oxe_bytes bytes;

    bytes.data = (const uint8_t *)(const void *)data;
    bytes.len = len;
    return bytes;
}

oxe_options *options_for(const char *function) {
    oxe_options *options = NULL;
    const char *workers = getenv("WORKERS");

    CHECK_OK(oxe_options_new(&options));
    CHECK_OK(oxe_options_path(options, workers != NULL ? workers : "workers"));
    CHECK_OK(oxe_options_request(options, "cases", function));
    CHECK_OK(oxe_options_threads(options, 4));
    return options;
}

oxe_python *start(oxe_options *options) {
    oxe_python *python = NULL;
    oxe_error *error = NULL;

    CHECK_OK(oxe_python_start(options, &python, &error));
    CHECK_TEXT(oxe_error_traceback(error), "");
    CHECK_TEXT(oxe_error_message(error), "");
    oxe_error_free(error);
    return python;
}

oxe_python *start_function(const char *function) {
    return start(options_for(function));
}

oxe_request *request_for(const char *path, oxe_bytes body) {
    oxe_request *request = NULL;

    CHECK_OK(oxe_request_new(&request));
    CHECK_OK(oxe_request_path(request, oxe_str(path)));
    CHECK_OK(oxe_request_body(request, body));
    return request;
}

struct outcome call(oxe_python *python, oxe_request *request) {
    struct outcome outcome = {0, NULL, NULL};

    outcome.status = oxe_python_call(python, request, &outcome.response, &outcome.error);
    CHECK((outcome.status == OXE_OK) == (outcome.error == NULL));
    CHECK((outcome.status == OXE_OK) == (outcome.response != NULL));
    if (outcome.error != NULL) {
        CHECK_STATUS(oxe_error_status(outcome.error), outcome.status);
    }
    return outcome;
}

struct outcome call_path(oxe_python *python, const char *path) {
    return call(python, request_for(path, BYTES("")));
}

oxe_bytes body_of(struct outcome outcome) {
    oxe_bytes body = BYTES("");

    CHECK_TEXT(oxe_error_message(outcome.error), "");
    CHECK_OK(oxe_response_body(outcome.response, &body));
    return body;
}

void settle(struct outcome outcome) {
    oxe_response_free(outcome.response);
    oxe_error_free(outcome.error);
}

void record(oxe_response *response, oxe_error *error, void *user_data) {
    struct record *kept = user_data;

    CHECK((response == NULL) != (error == NULL));
    kept->outcome.response = response;
    kept->outcome.error = error;
    kept->outcome.status = error != NULL ? oxe_error_status(error) : OXE_OK;
    kept->thread = pthread_self();
    if (kept->cancels != OXE_NO_CALL) {
        kept->cancelled = oxe_call_cancel(kept->cancels);
    }
    tally_add(&kept->calls);
}

oxe_call begin(oxe_python *python, const char *path, struct record *kept) {
    oxe_call started = OXE_NO_CALL;
    oxe_error *error = NULL;

    CHECK_OK(oxe_python_begin(python, request_for(path, BYTES("")), record, kept, &started, &error));
    CHECK_TEXT(oxe_error_message(error), "");
    CHECK(started != OXE_NO_CALL);
    oxe_error_free(error);
    return started;
}
