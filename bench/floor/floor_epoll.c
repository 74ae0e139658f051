/* The floor of the benchmark table: what one core pays for HTTP before any server does its work.
 *
 *     floor_epoll 127.0.0.1:5000
 *
 * One thread, one epoll loop. Each time a client has sent something, it gets the same canned answer in
 * one send. Nothing is parsed and nothing is remembered, so this is no server: it only counts the system
 * calls that any server with one thread must make (wait, receive, send) and the kernel's own work.
 * Only a client that waits for each answer before it asks again, as wrk does, may measure it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* As long as what the measured servers send, header for header, so that the kernel copies as much. */
static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\n"
    "content-type: text/plain; charset=utf-8\r\n"
    "content-length: 14\r\n"
    "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "\r\n"
    "Hello, world.\n";

enum { BATCH = 256, REQUEST_BYTES = 8192, BACKLOG = 4096 };

static void die(const char *doing) {
    fprintf(stderr, "floor_epoll: %s: %s\n", doing, strerror(errno));
    exit(1);
}

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

static int listen_on(const struct sockaddr_in *address) {
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0)
        die("socket");
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
        die("SO_REUSEADDR");
    if (bind(listener, (const struct sockaddr *)address, sizeof *address) < 0)
        die("bind");
    if (listen(listener, BACKLOG) < 0)
        die("listen");
    return listener;
}

static void watch(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) < 0)
        die("epoll_ctl");
}

static void accept_one(int epoll, int listener) {
    int one = 1;
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0) {
        /* Whoever was about to be accepted may have left again; that is no fault of ours. */
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
            return;
        die("accept4");
    }
    if (setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
        die("TCP_NODELAY");
    watch(epoll, client);
}

/* Takes whatever arrived for a request and sends the answer. False when the connection is over. */
static bool answer(int client) {
    char request[REQUEST_BYTES];
    ssize_t received = recv(client, request, sizeof request, 0);
    if (received < 0)
        return errno == EAGAIN || errno == EINTR;
    if (received == 0)
        return false;
    /* A client that waits for its answers leaves the buffer empty: a short send means it is another kind. */
    return send(client, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof ANSWER - 1);
}

int main(int count, char **arguments) {
    struct sockaddr_in address;
    if (count != 2 || !parse_address(arguments[1], &address)) {
        fprintf(stderr, "usage: floor_epoll A.B.C.D:PORT\n");
        return 2;
    }
    int listener = listen_on(&address);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    watch(epoll, listener);

    for (;;) {
        struct epoll_event ready[BATCH];
        int n = epoll_wait(epoll, ready, BATCH, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            int descriptor = ready[i].data.fd;
            if (descriptor == listener)
                accept_one(epoll, listener);
            else if (!answer(descriptor))
                close(descriptor);
        }
    }
}
