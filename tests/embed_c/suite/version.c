#include "check.h"

#include <stdio.h>

static void of_the_library(void) {
    char text[32];

    CHECK_INT(oxe_version(), OXE_VERSION_NUMBER);
    snprintf(text, sizeof text, "%d.%d.%d", OXE_VERSION_MAJOR, OXE_VERSION_MINOR,
             OXE_VERSION_PATCH);
    CHECK_TEXT(oxe_version_string(), text);
    CHECK(OXE_VERSION_AT_LEAST(0, 1, 0) && !OXE_VERSION_AT_LEAST(99, 0, 0));
}

static void of_python(void) {
    CHECK_CONTAINS(oxe_python_version(), "3.");
}

static void abi(void) {
    CHECK_OK(oxe_abi_check(OXE_ABI));
    CHECK_STATUS(oxe_abi_check(OXE_ABI + 1), OXE_ERR_ABI);
    CHECK_STATUS(oxe_abi_check(0), OXE_ERR_ABI);
}

static void features(void) {
    CHECK(oxe_has_feature("functions") && oxe_has_feature("callbacks"));
    CHECK(oxe_has_feature("coroutines") && oxe_has_feature("reload"));
    CHECK(!oxe_has_feature("teleport") && !oxe_has_feature("") && !oxe_has_feature(NULL));
    CHECK(oxe_has_feature("free-threaded") ==
          (strstr(oxe_python_version(), "free-threading") != NULL));
}

static void statuses(void) {
    int status;

    for (status = OXE_OK; status >= OXE_ERR_PANIC; status--) {
        CHECK(strcmp(oxe_strerror(status), "unknown status") != 0);
    }
    CHECK_TEXT(oxe_strerror(OXE_OK), "done");
    CHECK_TEXT(oxe_strerror(OXE_ERR_PANIC - 1), "unknown status");
    CHECK_TEXT(oxe_strerror(1), "unknown status");
}

static void bytes(void) {
    CHECK_BYTES(oxe_str("text"), "text");
    CHECK_BYTES(oxe_str(NULL), "");
}

CASES(version, {"version: of the library", of_the_library}, {"version: of Python", of_python},
      {"version: the binary interface", abi}, {"version: features", features},
      {"version: every status has a text", statuses}, {"version: bytes of a C string", bytes});
