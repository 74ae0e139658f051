/* libmicrohttpd at its fastest on one core: `mhd_hello 127.0.0.1:5000` answers GET / with a hello.
 *
 * Tried, with figures in bench/README.md: epoll with and without turbo, poll, select, a loop of one's own,
 * pools, a thread for each connection, TCP fast open, a response object for each request. Two things
 * counted. Each connection has 4 KiB instead of 32, because that memory is cleared after every request.
 * And the answer comes on the second call of the handler: it may come on the first, when only the head
 * has been read, but then libmicrohttpd closes the connection.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char HELLO[] = "Hello, world.\n";

enum { CONNECTION_BYTES = 4096 };

/* Reads "A.B.C.D:PORT". False if it is anything else. */
static bool parse_address(const char *text, struct sockaddr_in *address) {
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';

    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > 65535)
        return false;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

static enum MHD_Result answer(void *hello, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **called) {
    (void)version;
    (void)upload;
    if (*called == NULL) {
        *called = HELLO;
        return MHD_YES;
    }
    /* Anything else than what the table asks for ends the connection. */
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 || strcmp(path, "/") != 0 || *upload_bytes != 0)
        return MHD_NO;
    return MHD_queue_response(connection, MHD_HTTP_OK, hello);
}

static struct MHD_Response *make_hello(void) {
    struct MHD_Response *hello =
        MHD_create_response_from_buffer(sizeof HELLO - 1, HELLO, MHD_RESPMEM_PERSISTENT);
    if (hello == NULL || MHD_add_response_header(hello, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                 "text/plain; charset=utf-8") != MHD_YES) {
        fprintf(stderr, "mhd_hello: no memory for the answer\n");
        exit(1);
    }
    return hello;
}

int main(int count, char **arguments) {
    struct sockaddr_in address;
    if (count != 2 || !parse_address(arguments[1], &address)) {
        fprintf(stderr, "usage: mhd_hello A.B.C.D:PORT\n");
        return 2;
    }
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, answer, make_hello(),
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (daemon == NULL) {
        perror("mhd_hello: cannot listen");
        return 1;
    }
    for (;;)
        pause();
}
