#include "calls.h"

static void check_route(oxe_python *python, size_t index, oxe_bytes route, size_t methods) {
    oxe_bytes got = BYTES("");

    CHECK_OK(oxe_python_route(python, index, &got));
    CHECK(got.len == route.len && memcmp(got.data, route.data, got.len) == 0);
    CHECK_INT(oxe_python_method_count(python, index), (long long)methods);
}

static void routes(void) {
    oxe_options *options = options_for("echo");
    oxe_python *python;
    oxe_bytes method = BYTES("");

    CHECK_OK(oxe_options_init(options, "cases", "routes"));
    python = start(options);
    CHECK_INT(oxe_python_route_count(python), 3);
    check_route(python, 0, oxe_str("/"), 1);
    check_route(python, 1, oxe_str("/hello/:target"), 2);
    check_route(python, 2, oxe_str("/n\xc3\xbcll"), 0);
    CHECK_OK(oxe_python_method(python, 1, 1, &method));
    CHECK_BYTES(method, "POST");
    CHECK_STATUS(oxe_python_method(python, 1, 2, &method), OXE_ERR_NOT_FOUND);
    CHECK_STATUS(oxe_python_method(python, 3, 0, &method), OXE_ERR_NOT_FOUND);
    CHECK_STATUS(oxe_python_route(python, 3, &method), OXE_ERR_NOT_FOUND);
    CHECK_INT(oxe_python_method_count(python, SIZE_MAX), 0);
    CHECK_BYTES(method, "POST"); /* only written on success */
    oxe_python_free(python);

    python = start_function("echo");
    CHECK_INT(oxe_python_route_count(python), 0);
    oxe_python_free(python);
}

static void check_refused(oxe_options *options, oxe_status status, const char *said) {
    oxe_python *python = NULL;
    oxe_error *error = NULL;

    CHECK_STATUS(oxe_python_start(options, &python, &error), status);
    CHECK(python == NULL);
    CHECK_STATUS(oxe_error_status(error), status);
    CHECK_CONTAINS(oxe_error_message(error), said);
    oxe_error_free(error);
}

static void what_cannot_start(void) {
    oxe_options *options = NULL;

    CHECK_OK(oxe_options_new(&options));
    check_refused(options, OXE_ERR_ARG, "not named");
    check_refused(options_for("nothing"), OXE_ERR_MISSING, "the module cases has no nothing");
    check_refused(options_for("not_callable"), OXE_ERR_NOT_CALLABLE, "of type str");
    options = options_for("echo");
    CHECK_OK(oxe_options_request(options, "no_such_module", "echo"));
    check_refused(options, OXE_ERR_PYTHON, "ModuleNotFoundError: ");
    options = options_for("echo");
    CHECK_OK(oxe_options_init(options, "cases", "no_routes"));
    check_refused(options, OXE_ERR_ANSWER, "dict[str, list[str]]");
    options = options_for("echo");
    CHECK_OK(oxe_options_init(options, "cases", "fails_at_once"));
    check_refused(options, OXE_ERR_PYTHON, "LookupError: not today");
}

static void a_second_start(void) {
    oxe_python *python = start_function("echo");
    oxe_python *another;

    check_refused(options_for("echo"), OXE_ERR_STARTED, "cases.echo has been started already");
    another = start_function("back"); /* another function may */
    settle(call_path(another, "/"));
    settle(call_path(python, "/"));
    CHECK_OK(oxe_python_stop(python, 1000));
    oxe_python_free(another);
    oxe_python_free(start_function("echo"));
    oxe_python_free(python);
}

static void a_method_of_a_class(void) {
    oxe_python *python = start_function("Site.answer");
    struct outcome outcome = call_path(python, "/");

    CHECK_BYTES(body_of(outcome), "of a class");
    settle(outcome);
    oxe_python_free(python);
}

static void reload_finds_nothing_new(void) {
    oxe_python *python = start_function("echo");
    size_t count = 9;

    CHECK_OK(oxe_python_reload(python, &count, NULL));
    CHECK_INT(count, 0);
    CHECK_OK(oxe_python_reload(python, NULL, NULL));
    oxe_python_free(python);
}

CASES(start, {"start: routes", routes}, {"start: what cannot be started", what_cannot_start},
      {"start: a second start is an error", a_second_start},
      {"start: a method of a class", a_method_of_a_class},
      {"start: a reload finds nothing new", reload_finds_nothing_new});
