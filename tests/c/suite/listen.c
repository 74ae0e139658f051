/* Where a server listens: several places, Unix sockets, IPv6, a descriptor that is open already. */
#include "serving.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static oxb_server *serve_at(const char *address, oxb_handler handler) {
    oxb_config *config = NULL;
    CHECK_OK(oxb_config_new(&config));
    CHECK_OK(oxb_config_listen(config, address, NULL));
    CHECK_OK(oxb_config_unix_mode(config, 0600));
    add_route(config, "/", handler, NULL);
    return start_server(config);
}

static void see_unix(oxb_exchange x, void *unused) {
    (void)unused;
    oxb_bytes remote = {NULL, 0}, local = {NULL, 0};
    CHECK_OK(oxb_request_remote(x, &remote));
    CHECK_BYTES(remote, "unix:"); /* a client that is bound to no path */
    CHECK_OK(oxb_request_local(x, &local));
    CHECK_OK(oxb_exchange_reply(x, 200, "text/plain", local));
}

static void unix_socket(void) {
    char address[200];
    struct stat status;
    oxb_bytes got = {NULL, 0};
    uint16_t port = 0;
    const char *directory = make_directory();
    snprintf(address, sizeof address, "unix:%s/socket", directory);
    oxb_server *server = serve_at(address, see_unix);
    CHECK_OK(oxb_server_address(server, 0, &got));
    check_bytes(got, address, strlen(address), __FILE__, __LINE__, "address");
    CHECK_STATUS(oxb_server_port(server, &port), OXB_ERR_NOT_FOUND);
    CHECK_GET(server, "/", 200, address);
    CHECK_INT(stat(address + 5, &status), 0);
    CHECK_INT(status.st_mode & 0777, 0600);
    stop_and_free(server);
    CHECK_INT(access(address + 5, F_OK), -1); /* it takes its socket away */
    remove_directory(directory);
}

static void abstract_socket(void) {
    char address[100];
    snprintf(address, sizeof address, "unix:@oxbridge-suite-%ld", (long)getpid());
    oxb_server *server = serve_at(address, see_unix);
    CHECK_GET(server, "/", 200, address);
    stop_and_free(server);
}

static void ipv6(void) {
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = probe >= 0 && bind(probe, (struct sockaddr *)&loopback, sizeof loopback) == 0;
    close(probe);
    if (!has) {
        skip_case("this machine has no IPv6");
        return;
    }
    oxb_bytes address = {NULL, 0};
    oxb_server *server = serve_at("[::1]:0", reply_done);
    CHECK_OK(oxb_server_address(server, 0, &address));
    CHECK(address.len > 6 && memcmp(address.data, "[::1]:", 6) == 0);
    CHECK_GET(server, "/", 200, "done");
    stop_and_free(server);
}

static void several(void) {
    char unix_address[200];
    const char *directory = make_directory();
    oxb_config *config = new_config();
    oxb_bytes address = {NULL, 0};
    snprintf(unix_address, sizeof unix_address, "unix:%s/socket", directory);
    CHECK_OK(oxb_config_listen(config, unix_address, NULL));
    CHECK_OK(oxb_config_listen(config, "127.0.0.1:0", NULL));
    add_route(config, "/", reply_done, NULL);
    oxb_server *server = start_server(config);
    CHECK_U64(oxb_server_address_count(server), 3);
    for (size_t i = 0; i < 3; i++) {
        struct client client;
        struct answer answer;
        char text[200];
        CHECK_OK(oxb_server_address(server, i, &address));
        snprintf(text, sizeof text, "%.*s", (int)address.len, (const char *)address.data);
        client_open_at(&client, text, 0);
        client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
        client_read(&client, &answer);
        CHECK_TEXT(answer.body, "done");
        answer_free(&answer);
        client_close(&client);
    }
    stop_and_free(server);
    remove_directory(directory);
}

/* A socket that somebody else opened is used, and stays theirs. */
static void inherited(void) {
    char address[32];
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&bound, sizeof bound), 0);
    CHECK_INT(listen(fd, 16), 0);
    snprintf(address, sizeof address, "fd:%d", fd);
    for (int i = 0; i < 2; i++) {
        oxb_server *server = serve_at(address, reply_done);
        CHECK_GET(server, "/", 200, "done");
        stop_and_free(server);
    }
    CHECK_INT(close(fd), 0);
}

/* Two servers share a port if both say so. */
static void shared_port(void) {
    oxb_server *servers[2] = {NULL, NULL};
    uint16_t ports[2] = {0, 0};
    char address[32] = "127.0.0.1:0";
    for (int i = 0; i < 2; i++) {
        oxb_config *config = NULL;
        CHECK_OK(oxb_config_new(&config));
        CHECK_OK(oxb_config_listen(config, address, NULL));
        CHECK_OK(oxb_config_reuse_port(config, true));
        add_route(config, "/", reply_done, NULL);
        servers[i] = start_server(config);
        CHECK_OK(oxb_server_port(servers[i], &ports[i]));
        snprintf(address, sizeof address, "127.0.0.1:%d", ports[i]);
    }
    CHECK_INT(ports[1], ports[0]);
    for (int i = 0; i < 8; i++) {
        CHECK_GET(servers[0], "/", 200, "done");
    }
    stop_and_free(servers[0]);
    CHECK_GET(servers[1], "/", 200, "done");
    stop_and_free(servers[1]);
}

/* With no place given there is no server. */
static void nowhere(void) {
    oxb_config *config = NULL;
    oxb_server *server = NULL;
    oxb_error *error = NULL;
    CHECK_OK(oxb_config_new(&config));
    CHECK_STATUS(oxb_server_start(config, &server, &error), OXB_ERR_ARG);
    CHECK_CONTAINS(oxb_error_message(error), "oxb_config_listen");
    oxb_error_free(error);
}

CASES(listen, {"listen: a Unix socket", unix_socket},
      {"listen: a Unix socket without a file", abstract_socket}, {"listen: IPv6", ipv6},
      {"listen: several places", several}, {"listen: a descriptor that is open", inherited},
      {"listen: a shared port", shared_port}, {"listen: nowhere", nowhere});
