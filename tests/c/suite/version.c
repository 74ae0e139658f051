/* Which library this is, and what it can do. */
#include "check.h"

#include <stdio.h>

static void version_number(void) {
    char text[32];
    CHECK_INT(oxb_version(), OXB_VERSION_NUMBER);
    CHECK_INT(OXB_VERSION_NUMBER,
              OXB_VERSION_MAJOR << 16 | OXB_VERSION_MINOR << 8 | OXB_VERSION_PATCH);
    snprintf(text, sizeof text, "%d.%d.%d", OXB_VERSION_MAJOR, OXB_VERSION_MINOR,
             OXB_VERSION_PATCH);
    CHECK_TEXT(oxb_version_string(), text);
}

static void version_at_least(void) {
    CHECK(OXB_VERSION_AT_LEAST(OXB_VERSION_MAJOR, OXB_VERSION_MINOR, OXB_VERSION_PATCH));
    CHECK(OXB_VERSION_AT_LEAST(0, 0, 1));
    CHECK(!OXB_VERSION_AT_LEAST(OXB_VERSION_MAJOR, OXB_VERSION_MINOR, OXB_VERSION_PATCH + 1));
    CHECK(!OXB_VERSION_AT_LEAST(OXB_VERSION_MAJOR + 1, 0, 0));
}

static void abi(void) {
    CHECK_OK(oxb_abi_check(OXB_ABI));
    CHECK_STATUS(oxb_abi_check(OXB_ABI + 1), OXB_ERR_ABI);
    CHECK_STATUS(oxb_abi_check(0), OXB_ERR_ABI);
    CHECK_STATUS(oxb_abi_check(UINT32_MAX), OXB_ERR_ABI);
}

static void features(void) {
    static const char *const has[] = {"http2", "tls", "unix", "systemd", "queue", "driven"};
    static const char *const has_not[] = {"", "http", "HTTP2", "http22", "queue ", "\xff"};
    for (size_t i = 0; i < sizeof has / sizeof has[0]; i++) {
        check_row(has[i]);
        CHECK(oxb_has_feature(has[i]));
    }
    for (size_t i = 0; i < sizeof has_not / sizeof has_not[0]; i++) {
        check_row(has_not[i]);
        CHECK(!oxb_has_feature(has_not[i]));
    }
    check_row(NULL);
    CHECK(!oxb_has_feature(NULL));
}

static void text_as_bytes(void) {
    CHECK_BYTES(oxb_str("text"), "text");
    CHECK_BYTES(oxb_str(""), "");
    CHECK_BYTES(oxb_str(NULL), "");
}

CASES(version, {"version: number and text are those of the header", version_number},
      {"version: OXB_VERSION_AT_LEAST", version_at_least}, {"version: ABI check", abi},
      {"version: features", features}, {"version: oxb_str", text_as_bytes});
