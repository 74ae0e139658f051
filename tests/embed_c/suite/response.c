#include "calls.h"

static void all_of_it(void) {
    oxe_python *python = start_function("back");
    struct outcome outcome = call(python, request_for("/", BYTES("a\0b\xff")));
    uint16_t status = 0;
    oxe_bytes value = BYTES("");
    oxe_field field;

    CHECK_OK(oxe_response_status(outcome.response, &status));
    CHECK_INT(status, 201);
    CHECK_BYTES(body_of(outcome), "a\0b\xff");
    CHECK_INT(oxe_response_header_count(outcome.response), 1);
    CHECK_OK(oxe_response_header_at(outcome.response, 0, &field));
    CHECK_BYTES(field.name, "x-length");
    CHECK_BYTES(field.value, "4");
    CHECK_STATUS(oxe_response_header_at(outcome.response, 1, &field), OXE_ERR_NOT_FOUND);
    CHECK_OK(oxe_response_header(outcome.response, oxe_str("X-LENGTH"), &value));
    CHECK_BYTES(value, "4");
    CHECK_STATUS(oxe_response_header(outcome.response, oxe_str("X-None"), &value),
                 OXE_ERR_NOT_FOUND);
    CHECK_STATUS(oxe_response_header(outcome.response, oxe_str("a b"), &value), OXE_ERR_NOT_FOUND);
    settle(outcome);
    oxe_python_free(python);
}

static void a_dict_of_the_module(void) {
    oxe_python *python = start_function("shared");
    int i;

    for (i = 0; i < 50; i++) {
        struct outcome outcome = call_path(python, "/");
        oxe_field first;
        oxe_field second;

        CHECK_INT(oxe_response_header_count(outcome.response), 3);
        CHECK_OK(oxe_response_header_at(outcome.response, 0, &first));
        CHECK_OK(oxe_response_header_at(outcome.response, 1, &second));
        CHECK_BYTES(first.name, "x-shared");
        CHECK_BYTES(first.value, "one");
        CHECK_BYTES(second.name, "x-shared");
        CHECK_BYTES(second.value, "two");
        settle(outcome);
    }
    oxe_python_free(python);
}

/* Large bodies are Python's own memory, which outlives the function, and is freed outside Python. */
static void a_large_body_outlives_the_function(void) {
    oxe_python *python = start_function("large");
    struct outcome outcome = call_path(python, "/");
    oxe_bytes body = body_of(outcome);

    oxe_python_free(python);
    CHECK_INT(body.len, 2 << 20);
    CHECK(body.len > 0 && body.data[0] == 'x' && body.data[body.len - 1] == 'x');
    settle(outcome);
}

static void of_another_shape(void) {
    const struct {
        const char *path;
        const char *said;
    } cases[] = {
        {"/none", "got None"},
        {"/status", "status must be an int from 200 to 599, got 99 (int)"},
        {"/field", "'A B' is no name of a header field"},
    };
    oxe_python *python = start_function("wrong");
    size_t i;

    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = call_path(python, cases[i].path);

        CHECK_STATUS(outcome.status, OXE_ERR_ANSWER);
        CHECK_CONTAINS(oxe_error_message(outcome.error), cases[i].said);
        CHECK_TEXT(oxe_error_exception(outcome.error), "");
        CHECK_TEXT(oxe_error_traceback(outcome.error), "");
        settle(outcome);
    }
    oxe_python_free(python);
}

CASES(response, {"response: all of it", all_of_it},
      {"response: a dict of the module, time and again", a_dict_of_the_module},
      {"response: a large body outlives the function", a_large_body_outlives_the_function},
      {"response: of another shape", of_another_shape});
