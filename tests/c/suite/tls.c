/* TLS: certificates that serve and those that do not, and what a handler learns of a session. */
#include "serving.h"

#include <stdio.h>
#include <stdlib.h>

#include "pem.h"

static oxb_bytes chain(void) { return oxb_str(certificate_pem); }
static oxb_bytes key(void) { return oxb_str(key_pem); }

/* The start must fail for the certificate's sake, and say so with this part in it. */
static void refuse_start(oxb_config *config, const char *part) {
    oxb_server *server = NULL;
    oxb_error *error = NULL;
    CHECK_STATUS(oxb_server_start(config, &server, &error), OXB_ERR_TLS);
    CHECK_STATUS(oxb_error_status(error), OXB_ERR_TLS);
    CHECK_CONTAINS(oxb_error_message(error), part);
    oxb_error_free(error);
    CHECK(server == NULL);
}

static void missing_files(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_files(config, "/nonexistent/chain.pem", "/nonexistent/key.pem"));
    refuse_start(config, "/nonexistent/");
}

static void bad_files(void) {
    char chain_path[200];
    const char *directory = make_directory();
    snprintf(chain_path, sizeof chain_path, "%s",
             make_file(directory, "chain.pem", "no certificate", 14));
    oxb_config *config = new_config();
    const char *key_path = make_file(directory, "key.pem", key_pem, sizeof key_pem - 1);
    CHECK_OK(oxb_config_tls_files(config, chain_path, key_path));
    refuse_start(config, "chain.pem");
    remove_directory(directory);
}

static void bad_pem(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, oxb_str("no certificate"), key()));
    refuse_start(config, "certificate");
    config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, chain(), oxb_str("no key")));
    refuse_start(config, "key");
    config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, chain(), key()));
    CHECK_OK(oxb_config_tls_client_ca_pem(config, oxb_str("no authority")));
    CHECK_OK(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_REQUIRED));
    refuse_start(config, "client");
    config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, chain(), key()));
    CHECK_OK(oxb_config_tls_client_ca_file(config, "/nonexistent/ca.pem"));
    CHECK_OK(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_OPTIONAL));
    refuse_start(config, "/nonexistent/ca.pem");
}

/* Clients must show a certificate, and nobody said whose. */
static void no_authority(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, chain(), key()));
    CHECK_OK(oxb_config_tls_client_auth(config, OXB_CLIENT_AUTH_REQUIRED));
    refuse_start(config, "client");
}

/* Settings of TLS, and no certificate. */
static void no_certificate(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_min_version(config, OXB_TLS_1_3));
    refuse_start(config, "certificate");
}

static bool ends_with(oxb_bytes bytes, const char *end) {
    size_t len = strlen(end);
    return bytes.len >= len && memcmp(bytes.data + bytes.len - len, end, len) == 0;
}

/* Reading the files again: new ones count, and bad ones change nothing. */
static void reloaded(void) {
    char chain_path[200], key_path[200];
    oxb_bytes url = {NULL, 0};
    oxb_error *error = NULL;
    const char *directory = make_directory();
    snprintf(chain_path, sizeof chain_path, "%s",
             make_file(directory, "chain.pem", certificate_pem, sizeof certificate_pem - 1));
    snprintf(key_path, sizeof key_path, "%s",
             make_file(directory, "key.pem", key_pem, sizeof key_pem - 1));
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_files(config, chain_path, key_path));
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_url(server, &url));
    CHECK(url.len > 8 && memcmp(url.data, "https://", 8) == 0 && !ends_with(url, "/"));
    CHECK_OK(oxb_server_reload_tls(server, &error));
    make_file(directory, "chain.pem", "no certificate", 14);
    CHECK_STATUS(oxb_server_reload_tls(server, &error), OXB_ERR_TLS);
    CHECK_CONTAINS(oxb_error_message(error), "chain.pem");
    oxb_error_free(error);
    stop_and_free(server);
    remove_directory(directory);
}

static void reload_without(void) {
    oxb_server *server = serve_one("/", reply_done, NULL);
    CHECK_OK(oxb_server_reload_tls(server, NULL));
    stop_and_free(server);
}

/* The library's TLS is not the client's: that is curl, where the suite is told of one. */
static void see_session(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_tls_info info = {0};
    oxb_bytes scheme = {NULL, 0};
    CHECK_OK(oxb_request_scheme(x, &scheme));
    CHECK_BYTES(scheme, "https");
    CHECK_OK(oxb_request_tls(x, &info, sizeof info));
    CHECK_BYTES(info.version, "TLSv1.3");
    CHECK_INT(info.version_code, OXB_TLS_1_3);
    CHECK(info.cipher.len != 0 && info.cipher_code != 0);
    CHECK_BYTES(info.server_name, "localhost");
    CHECK_BYTES(info.alpn, "http/1.1");
    CHECK_U64(info.client_cert.len, 0);
    CHECK_STATUS(oxb_request_tls(x, &info, sizeof info - 1), OXB_ERR_ARG);
    /* What a program of a later version has beyond this library's knowledge is zero. */
    struct {
        oxb_tls_info known;
        uint8_t later[24];
    } longer;
    memset(&longer, 0x55, sizeof longer);
    CHECK_OK(oxb_request_tls(x, &longer.known, sizeof longer));
    CHECK_BYTES(longer.known.version, "TLSv1.3");
    for (size_t i = 0; i < sizeof longer.later; i++) {
        CHECK_INT(longer.later[i], 0);
    }
    reply(x, "secret");
}

static void session(void) {
    const char *curl = getenv("OXBRIDGE_CURL");
    if (curl == NULL) {
        skip_case("needs curl: OXBRIDGE_CURL");
        return;
    }
    char command[400], said[100] = "";
    uint16_t port = 0;
    oxb_bytes protocol = oxb_str("http/1.1");
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_tls_pem(config, chain(), key()));
    CHECK_OK(oxb_config_tls_min_version(config, OXB_TLS_1_3));
    CHECK_OK(oxb_config_tls_alpn(config, &protocol, 1));
    add_route(config, "/", see_session, NULL);
    oxb_server *server = start_server(config);
    CHECK_OK(oxb_server_port(server, &port));
    snprintf(command, sizeof command,
             "'%s' -sk --max-time 10 --resolve localhost:%d:127.0.0.1 https://localhost:%d/", curl,
             port, port);
    FILE *output = popen(command, "r");
    if (CHECK(output != NULL)) {
        said[fread(said, 1, sizeof said - 1, output)] = '\0';
        CHECK_INT(pclose(output), 0);
    }
    CHECK_TEXT(said, "secret");
    stop_and_free(server);
}

CASES(tls, {"tls: files that are missing", missing_files}, {"tls: files that are bad", bad_files},
      {"tls: bad PEM", bad_pem}, {"tls: settings without a certificate", no_certificate},
      {"tls: client certificates of nobody", no_authority}, {"tls: reloaded", reloaded},
      {"tls: nothing to reload", reload_without}, {"tls: a session", session});
