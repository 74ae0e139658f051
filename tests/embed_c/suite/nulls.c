/* NULL in every place that takes a pointer. */
#include "calls.h"

static void options(void) {
    oxe_options *it = options_for("echo");
    const char *const argv[] = {"a", NULL};

    CHECK_STATUS(oxe_options_new(NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(NULL, "a", "b"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(it, NULL, "b"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_init(it, "a", NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(NULL, "a", "b"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(it, NULL, "b"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_request(it, "a", NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_venv(NULL, "a"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_venv(it, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_path(NULL, "a"), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_path(it, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_argv(NULL, 1, argv), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_argv(it, 1, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_argv(it, 2, argv), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_argv(it, SIZE_MAX, argv), OXE_ERR_ARG);
    CHECK_OK(oxe_options_argv(it, 0, NULL));
    CHECK_STATUS(oxe_options_isolated(NULL, true), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_threads(NULL, 1), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_tasks(NULL, 1), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_queue(NULL, 1), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_timeout(NULL, 1), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_body(NULL, OXE_BODY_TEXT), OXE_ERR_ARG);
    CHECK_STATUS(oxe_options_reload(NULL, true), OXE_ERR_ARG);
    oxe_options_free(it);
    oxe_options_free(NULL);
}

static void python(void) {
    oxe_python *it = start_function("echo");
    oxe_python *another = NULL;
    oxe_error *error = NULL;
    oxe_bytes bytes;
    oxe_load load;

    CHECK_STATUS(oxe_python_start(NULL, &another, &error), OXE_ERR_ARG);
    CHECK_TEXT(oxe_error_message(error), "options is NULL");
    oxe_error_free(error);
    CHECK_STATUS(oxe_python_start(NULL, &another, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_start(options_for("back"), NULL, NULL), OXE_ERR_ARG); /* frees them */
    CHECK_STATUS(oxe_python_load(NULL, &load), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_load(it, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_reload(NULL, NULL, NULL), OXE_ERR_ARG);
    CHECK_INT(oxe_python_route_count(NULL), 0);
    CHECK_INT(oxe_python_method_count(NULL, 0), 0);
    CHECK_STATUS(oxe_python_route(NULL, 0, &bytes), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_method(NULL, 0, 0, &bytes), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_stop(NULL, 0), OXE_ERR_ARG);
    oxe_python_free(it);
    oxe_python_free(NULL);
}

static void calls(void) {
    oxe_options *options = options_for("echo");
    oxe_python *it;
    oxe_response *response = NULL;
    oxe_bytes bytes;
    oxe_call started = 77;

    CHECK_OK(oxe_options_init(options, "cases", "routes"));
    it = start(options);
    CHECK_STATUS(oxe_python_route(it, 0, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_method(it, 0, 0, NULL), OXE_ERR_ARG);
    CHECK_OK(oxe_python_route(it, 0, &bytes));
    /* The request is freed each time. */
    CHECK_STATUS(oxe_python_call(NULL, request_for("/", BYTES("")), &response, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_call(it, NULL, &response, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_call(it, request_for("/", BYTES("")), NULL, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_begin(NULL, request_for("/", BYTES("")), record, NULL, &started, NULL),
                 OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_begin(it, NULL, record, NULL, &started, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_python_begin(it, request_for("/", BYTES("")), NULL, NULL, &started, NULL),
                 OXE_ERR_ARG);
    CHECK_INT(started, 77);
    CHECK(response == NULL);
    oxe_python_free(it);
}

static void requests(void) {
    oxe_bytes none = BYTES("");

    CHECK_STATUS(oxe_request_new(NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_method(NULL, oxe_str("GET")), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_path(NULL, none), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_param(NULL, none, none), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_query(NULL, none, none), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_query_string(NULL, none), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_header(NULL, oxe_str("a"), none), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_body(NULL, none), OXE_ERR_ARG);
    oxe_request_free(NULL);
}

static void responses(void) {
    oxe_python *it = start_function("back");
    struct outcome outcome = call_path(it, "/");
    uint16_t status;
    oxe_bytes bytes;
    oxe_field field;

    CHECK_STATUS(oxe_response_status(NULL, &status), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_status(outcome.response, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_body(NULL, &bytes), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_body(outcome.response, NULL), OXE_ERR_ARG);
    CHECK_INT(oxe_response_header_count(NULL), 0);
    CHECK_STATUS(oxe_response_header_at(NULL, 0, &field), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_header_at(outcome.response, 0, NULL), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_header(NULL, oxe_str("a"), &bytes), OXE_ERR_ARG);
    CHECK_STATUS(oxe_response_header(outcome.response, oxe_str("x-length"), NULL), OXE_ERR_ARG);
    oxe_response_free(NULL);
    settle(outcome);
    oxe_python_free(it);
}

static void errors(void) {
    CHECK_STATUS(oxe_error_status(NULL), OXE_ERR_ARG);
    CHECK_TEXT(oxe_error_message(NULL), "");
    CHECK_TEXT(oxe_error_exception(NULL), "");
    CHECK_TEXT(oxe_error_traceback(NULL), "");
    oxe_error_free(NULL);
}

CASES(nulls, {"nulls: options", options}, {"nulls: python", python}, {"nulls: calls", calls},
      {"nulls: requests", requests}, {"nulls: responses", responses}, {"nulls: errors", errors});
