#include "calls.h"

static void all_of_it(void) {
    oxe_python *python = start_function("echo");
    oxe_request *request = request_for("/p\xff", BYTES("b\0\xc3\xbc\xff"));
    struct outcome outcome;

    CHECK_OK(oxe_request_method(request, oxe_str("PURGE")));
    CHECK_OK(oxe_request_param(request, oxe_str("target"), oxe_str("w\xff")));
    CHECK_OK(oxe_request_query(request, oxe_str("q"), BYTES("1\0")));
    CHECK_OK(oxe_request_query(request, oxe_str("q"), oxe_str("")));
    CHECK_OK(oxe_request_header(request, oxe_str("x-a"), oxe_str("1")));
    CHECK_OK(oxe_request_header(request, oxe_str("X-A"), oxe_str("\xe9")));
    outcome = call(python, request);
    CHECK_BYTES(body_of(outcome),
                "('PURGE', '/p\\udcff', {'target': ['w\\udcff']}, {'q': ['1\\x00', '']}, "
                "{'X-A': ['1', '\\udce9']}, 'b\\x00\xc3\xbc\\udcff')");
    settle(outcome);
    oxe_python_free(python);
}

static void query_string(void) {
    oxe_python *python = start_function("echo");
    oxe_request *request = request_for("/", BYTES(""));
    struct outcome outcome;

    CHECK_OK(oxe_request_query(request, oxe_str("gone"), oxe_str("1")));
    CHECK_OK(oxe_request_query_string(request, oxe_str("a=1&b+c=%2B%ff&a=2&d")));
    CHECK_STATUS(oxe_request_query_string(request, oxe_str("\xff")), OXE_ERR_ARG);
    outcome = call(python, request);
    CHECK_BYTES(body_of(outcome),
                "('GET', '/', {}, {'a': ['1', '2'], 'b c': ['+\\udcff'], 'd': ['']}, {}, '')");
    settle(outcome);
    oxe_python_free(python);
}

static void what_is_malformed(void) {
    oxe_request *request = NULL;
    oxe_bytes nowhere = {NULL, 5};
    oxe_bytes endless = {(const uint8_t *)"", SIZE_MAX};

    CHECK_OK(oxe_request_new(&request));
    CHECK_STATUS(oxe_request_method(request, oxe_str("G T")), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_method(request, oxe_str("")), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_header(request, oxe_str("a b"), oxe_str("")), OXE_ERR_BAD_HEADER);
    CHECK_STATUS(oxe_request_header(request, oxe_str(""), oxe_str("")), OXE_ERR_BAD_HEADER);
    CHECK_STATUS(oxe_request_header(request, oxe_str("a"), oxe_str("b\nc")), OXE_ERR_BAD_HEADER);
    CHECK_STATUS(oxe_request_header(request, oxe_str("a"), BYTES("b\0c")), OXE_ERR_BAD_HEADER);
    CHECK_STATUS(oxe_request_path(request, nowhere), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_body(request, nowhere), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_body(request, endless), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_method(request, nowhere), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_header(request, nowhere, oxe_str("")), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_header(request, oxe_str("a"), nowhere), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_param(request, nowhere, oxe_str("")), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_query(request, oxe_str(""), nowhere), OXE_ERR_ARG);
    CHECK_STATUS(oxe_request_query_string(request, nowhere), OXE_ERR_ARG);
    oxe_request_free(request);
}

static void too_many_headers(void) {
    oxe_request *request = NULL;
    int added = 0;
    oxe_status status;

    CHECK_OK(oxe_request_new(&request));
    do {
        /* Another name each time. */
        char name[5];

        name[0] = (char)('a' + added % 26);
        name[1] = (char)('a' + added / 26 % 26);
        name[2] = (char)('a' + added / 676 % 26);
        name[3] = (char)('a' + added / 17576);
        name[4] = '\0';
        status = oxe_request_header(request, oxe_str(name), oxe_str("1"));
    } while (status == OXE_OK && ++added < 100000);
    CHECK_STATUS(status, OXE_ERR_LIMIT);
    oxe_request_free(request);
}

static void threads_keep_their_locals(void) {
    oxe_options *options = options_for("counts");
    oxe_python *python;
    int i;

    CHECK_OK(oxe_options_threads(options, 1));
    python = start(options);
    for (i = 0; i < 3; i++) {
        struct outcome outcome = call_path(python, "/");
        oxe_bytes body = body_of(outcome);

        CHECK_INT(body.len == 1 ? body.data[0] : 0, '1' + i);
        settle(outcome);
    }
    oxe_python_free(python);
}

CASES(request, {"request: all of it arrives", all_of_it}, {"request: a query string", query_string},
      {"request: what is malformed", what_is_malformed},
      {"request: too many headers", too_many_headers},
      {"request: threads keep their locals", threads_keep_their_locals});
