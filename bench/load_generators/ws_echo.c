/* Load for WebSocket echoes, in one thread: `ws_echo HOST:PORT PATH CONNECTIONS SECONDS`.
 *
 * Each connection sends one small text message, waits until exactly this message has come back, and
 * sends the next one. It prints one line of JSON, as wrk_figures.lua does: a message that was echoed
 * counts as a request, an echo that differs as a wrong `status`. No two messages in a row are equal
 * on a connection, so that an answer to an earlier one is noticed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    LENGTH = 34,             /* of a message, in bytes */
    FRAME = 2 + 4 + LENGTH,  /* as a client sends it: with a mask */
    ECHO = 2 + LENGTH,       /* as it must come back */
    ROOM = 4096,
    BATCH = 256,
    TOP_US = 10 * 1000 * 1000, /* latencies above are counted as this */
    STALL_MS = 5000,         /* without any echo for so long, the run ends */
};

struct connection {
    int socket;
    uint32_t number;  /* of the message under way */
    size_t filled;
    int64_t sent_at;
    unsigned char buffer[ROOM];
};

static struct {
    long requests, bytes, connect, read, write, timeout, status;
} seen;

static uint32_t *latencies;  /* how many echoes took so many microseconds */

static int64_t now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void message(uint32_t number, char text[LENGTH + 1])
{
    snprintf(text, LENGTH + 1, "message %010u of a connection", number);
}

/* Sends the next message. A frame is far smaller than a socket's buffer, so a part is an error. */
static int send_next(struct connection *c)
{
    unsigned char frame[FRAME] = {0x81, 0x80 | LENGTH};
    char text[LENGTH + 1];
    c->number++;
    message(c->number, text);
    /* A mask must be unpredictable for the sake of intermediaries; there are none here. */
    uint32_t mask = c->number * 2654435761u;
    memcpy(frame + 2, &mask, 4);
    for (int i = 0; i < LENGTH; i++)
        frame[6 + i] = (unsigned char)text[i] ^ frame[2 + i % 4];
    c->filled = 0;
    c->sent_at = now_us();
    return send(c->socket, frame, FRAME, MSG_NOSIGNAL) == FRAME ? 0 : -1;
}

/* Opens a connection and shakes hands, waiting for both. The key's answer is the server's affair. */
static int open_connection(struct connection *c, const struct sockaddr_in *to, const char *path)
{
    char request[512], answer[ROOM];
    size_t filled = 0;
    int one = 1;
    struct timeval bound = {10, 0};
    c->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->socket < 0 || connect(c->socket, (const struct sockaddr *)to, sizeof *to) != 0)
        return -1;
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->socket, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    int length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", path);
    if (send(c->socket, request, (size_t)length, MSG_NOSIGNAL) != length)
        return -1;
    do {
        ssize_t got = recv(c->socket, answer + filled, sizeof answer - 1 - filled, 0);
        if (got <= 0)
            return -1;
        filled += (size_t)got;
        answer[filled] = 0;
    } while (strstr(answer, "\r\n\r\n") == NULL && filled < sizeof answer - 1);
    /* RFC 6455, section 1.3: what this key is answered with. */
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0 ||
        strstr(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL) {
        fprintf(stderr, "no WebSocket: %.*s\n", 200, answer);
        return -1;
    }
    return fcntl(c->socket, F_SETFL, O_NONBLOCK);
}

/* Takes what has come. Returns -1 when the connection is of no use any more. */
static int take(struct connection *c)
{
    ssize_t got = recv(c->socket, c->buffer + c->filled, ROOM - c->filled, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        seen.read++;
        return -1;
    }
    seen.bytes += got;
    c->filled += (size_t)got;
    /* A ping of the server may stand before the echo; this client's answers would be all the same. */
    while (c->filled >= 2 && c->buffer[0] == 0x89 && c->filled >= 2 + (size_t)(c->buffer[1] & 0x7f)) {
        size_t ping = 2 + (size_t)(c->buffer[1] & 0x7f);
        unsigned char pong[2 + 4 + 125] = {0x8a, 0x80 | c->buffer[1]};
        memcpy(pong + 6, c->buffer + 2, ping - 2);
        if (send(c->socket, pong, ping + 4, MSG_NOSIGNAL) < 0)
            seen.write++;
        memmove(c->buffer, c->buffer + ping, c->filled - ping);
        c->filled -= ping;
    }
    if (c->filled < ECHO)
        return 0;
    char text[LENGTH + 1];
    message(c->number, text);
    if (c->filled != ECHO || c->buffer[0] != 0x81 || c->buffer[1] != LENGTH ||
        memcmp(c->buffer + 2, text, LENGTH) != 0) {
        seen.status++;
        return -1;
    }
    int64_t took = now_us() - c->sent_at;
    latencies[took < TOP_US ? took : TOP_US]++;
    seen.requests++;
    if (send_next(c) != 0) {
        seen.write++;
        return -1;
    }
    return 0;
}

static long percentile(double share)
{
    double wanted = share * (double)seen.requests;
    double count = 0;
    for (long us = 0; us <= TOP_US; us++) {
        count += latencies[us];
        if (count >= wanted && count > 0)
            return us;
    }
    return 0;
}

int main(int count, char **arguments)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char *colon = count == 5 ? strchr(arguments[1], ':') : NULL;
    if (colon == NULL) {
        fprintf(stderr, "usage: ws_echo HOST:PORT PATH CONNECTIONS SECONDS\n");
        return 2;
    }
    *colon = 0;
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    inet_pton(AF_INET, arguments[1], &to.sin_addr);
    long connections = atol(arguments[3]);
    int64_t lasts = atol(arguments[4]) * 1000000LL;

    latencies = calloc(TOP_US + 1, sizeof *latencies);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (latencies == NULL || all == NULL || poll < 0)
        return 1;
    long open = 0;
    for (long i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (open_connection(&all[i], &to, arguments[2]) != 0 ||
            epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &event) != 0) {
            seen.connect++;
            all[i].socket = -1;
        }
    }
    int64_t began = now_us(), until = began + lasts;
    for (long i = 0; i < connections; i++) {
        if (all[i].socket < 0)
            continue;
        if (send_next(&all[i]) == 0)
            open++;
        else
            seen.write++;
    }
    while (open > 0 && now_us() < until) {
        struct epoll_event events[BATCH];
        int ready = epoll_wait(poll, events, BATCH, STALL_MS);
        if (ready == 0) {
            seen.timeout += open;
            break;
        }
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (take(c) != 0) {
                close(c->socket);
                open--;
            }
        }
    }
    long long lasted = now_us() - began;
    printf("{\"requests\":%ld,\"duration_us\":%lld,\"bytes\":%ld,"
           "\"p50_us\":%ld,\"p90_us\":%ld,\"p99_us\":%ld,\"p999_us\":%ld,\"max_us\":%ld,"
           "\"errors\":{\"connect\":%ld,\"read\":%ld,\"write\":%ld,\"timeout\":%ld,\"status\":%ld}}\n",
           seen.requests, lasted, seen.bytes, percentile(0.5), percentile(0.9), percentile(0.99),
           percentile(0.999), percentile(1), seen.connect, seen.read, seen.write, seen.timeout,
           seen.status);
    return 0;
}
