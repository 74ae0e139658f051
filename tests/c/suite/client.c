/* The client: sockets, and as much of RFC 9112 as reading a response takes. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool connect_unix(int fd, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (!CHECK(len < sizeof address.sun_path)) {
        return false;
    }
    memcpy(address.sun_path, path, len);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (path[0] == '@') { /* a name without a file: a NUL stands for the '@', and none at the end */
        address.sun_path[0] = '\0';
        size--;
    }
    return CHECK_INT(connect(fd, (struct sockaddr *)&address, size), 0);
}

static bool connect_tcp(int fd, const char *address, bool v6) {
    char host[64] = "";
    const char *colon = strrchr(address, ':');
    uint16_t port = htons((uint16_t)atoi(colon + 1));
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - 2 * v6, address + v6);
    if (v6) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = port};
        inet_pton(AF_INET6, host, &to.sin6_addr);
        return CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port};
    inet_pton(AF_INET, host, &to.sin_addr);
    return CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
}

bool client_open_at(struct client *client, const char *address, int receive_buffer) {
    const struct timeval patience = {PATIENCE_MS / 1000, 0};
    const int on = 1;
    bool is_unix = strncmp(address, "unix:", 5) == 0, v6 = address[0] == '[';
    memset(client, 0, sizeof *client);
    client->fd = socket(is_unix ? AF_UNIX : v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!CHECK(client->fd >= 0)) {
        return false;
    }
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!is_unix) { /* pieces go out as they are sent, and do not wait for one another */
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (receive_buffer != 0) {
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    if (is_unix ? connect_unix(client->fd, address + 5) : connect_tcp(client->fd, address, v6)) {
        return true;
    }
    client_close(client);
    return false;
}

bool client_open(struct client *client, const oxb_server *server) {
    oxb_bytes address = {NULL, 0};
    char text[200];
    client->fd = -1;
    client->data = NULL;
    client->len = 0;
    if (!CHECK_OK(oxb_server_address(server, 0, &address))) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)address.len, (const char *)address.data);
    return client_open_at(client, text, 0);
}

void client_close(struct client *client) {
    if (client->fd >= 0) {
        close(client->fd);
    }
    free(client->data);
    client->fd = -1;
    client->data = NULL;
    client->len = 0;
}

/* The server may have closed already, having said all it had to say: that is for the reads to tell.
 */
void client_send_bytes(struct client *client, const void *data, size_t len) {
    const char *rest = data;
    while (len > 0) {
        ssize_t sent = send(client->fd, rest, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            CHECK(errno == EPIPE || errno == ECONNRESET);
            return;
        }
        rest += sent;
        len -= (size_t)sent;
    }
}

void client_send(struct client *client, const char *text) {
    client_send_bytes(client, text, strlen(text));
}

/* Reads more from the socket; false at its end, or when nothing came for too long. */
static bool more(struct client *client) {
    enum { PIECE = 64 << 10 };
    char *grown = realloc(client->data, client->len + PIECE + 1);
    if (!CHECK(grown != NULL)) {
        return false;
    }
    client->data = grown;
    ssize_t got;
    do {
        got = recv(client->fd, grown + client->len, PIECE, 0);
    } while (got < 0 && errno == EINTR); /* the process was stopped for a moment */
    if (got < 0) {
        CHECK(errno == ECONNRESET);
    }
    if (got <= 0) {
        return false;
    }
    client->len += (size_t)got;
    client->data[client->len] = '\0';
    return true;
}

static char *take(struct client *client, size_t len) {
    char *taken = malloc(len + 1);
    if (CHECK(taken != NULL) && len != 0) {
        memcpy(taken, client->data, len);
        client->len -= len;
        memmove(client->data, client->data + len, client->len);
    }
    if (taken != NULL) {
        taken[len] = '\0';
    }
    return taken;
}

/* Takes what comes up to and with `mark`. NULL if the connection ends before it. */
static char *take_through(struct client *client, const char *mark) {
    size_t mark_len = strlen(mark);
    for (;;) {
        char *found = client->len ? memmem(client->data, client->len, mark, mark_len) : NULL;
        if (found != NULL) {
            return take(client, (size_t)(found - client->data) + mark_len);
        }
        if (!more(client)) {
            return NULL;
        }
    }
}

static bool arrive(struct client *client, size_t len) {
    while (client->len < len) {
        if (!more(client)) {
            return false;
        }
    }
    return true;
}

static void add_body(struct answer *answer, struct client *client, size_t len) {
    char *piece = take(client, len);
    char *grown = realloc(answer->body, answer->body_len + len + 1);
    if (CHECK(grown != NULL && piece != NULL)) {
        memcpy(grown + answer->body_len, piece, len + 1);
        answer->body = grown;
        answer->body_len += len;
    }
    free(piece);
}

static bool read_chunks(struct client *client, struct answer *answer) {
    for (;;) {
        char *line = take_through(client, "\r\n");
        if (line == NULL) {
            return false;
        }
        size_t size = strtoul(line, NULL, 16);
        free(line);
        if (size == 0) {
            break;
        }
        if (!arrive(client, size + 2)) {
            add_body(answer, client, client->len < size ? client->len : size);
            return false;
        }
        add_body(answer, client, size);
        free(take(client, 2));
    }
    for (;;) { /* the trailer fields, up to an empty line */
        char *line = take_through(client, "\r\n");
        if (line == NULL || strcmp(line, "\r\n") == 0) {
            bool ended = line != NULL;
            free(line);
            return ended;
        }
        char *grown = realloc(answer->trailers, strlen(answer->trailers) + strlen(line) + 1);
        if (CHECK(grown != NULL)) {
            answer->trailers = strcat(grown, line);
        }
        free(line);
    }
}

static bool parse_head(struct answer *answer) {
    char *rest = NULL;
    char *line = strtok_r(answer->head, "\r\n", &rest);
    if (!CHECK(line != NULL && sscanf(line, "HTTP/1.%*1[01] %3d", &answer->status) == 1)) {
        return false;
    }
    while ((line = strtok_r(NULL, "\r\n", &rest)) != NULL) {
        char *colon = strchr(line, ':');
        if (!CHECK(colon != NULL && answer->field_count < MAX_FIELDS)) {
            return false;
        }
        *colon = '\0';
        answer->fields[answer->field_count].name = line;
        answer->fields[answer->field_count++].value = colon + 1 + strspn(colon + 1, " ");
    }
    return true;
}

static bool read_answer(struct client *client, struct answer *answer, bool to_head) {
    memset(answer, 0, sizeof *answer);
    answer->body = calloc(1, 1);
    answer->trailers = calloc(1, 1);
    answer->head = client->fd < 0 ? NULL : take_through(client, "\r\n\r\n");
    if (answer->head == NULL || !parse_head(answer)) {
        return false;
    }
    const char *length = answer_header(answer, "content-length");
    const char *coding = answer_header(answer, "transfer-encoding");
    if (to_head || answer->status < 200 || answer->status == 204 || answer->status == 304) {
        answer->whole = true;
    } else if (coding != NULL) {
        answer->whole = read_chunks(client, answer);
    } else if (length != NULL) {
        size_t wanted = strtoul(length, NULL, 10);
        answer->whole = arrive(client, wanted);
        add_body(answer, client, client->len < wanted ? client->len : wanted);
    } else { /* up to the end of the connection */
        while (more(client)) {
        }
        add_body(answer, client, client->len);
        answer->whole = true;
    }
    return answer->whole;
}

bool client_read(struct client *client, struct answer *answer) {
    return read_answer(client, answer, false);
}

bool client_read_head(struct client *client, struct answer *answer) {
    return read_answer(client, answer, true);
}

size_t client_read_some(struct client *client, void *buffer, size_t len) {
    if (client->len == 0 && !more(client)) {
        return 0;
    }
    size_t taken = client->len < len ? client->len : len;
    char *piece = take(client, taken);
    memcpy(buffer, piece, taken);
    free(piece);
    return taken;
}

bool client_readable(struct client *client, int timeout_ms) {
    struct pollfd wait = {client->fd, POLLIN, 0};
    return client->len != 0 || poll(&wait, 1, timeout_ms) > 0;
}

bool client_sees_end(struct client *client) {
    return client->len == 0 && client_readable(client, PATIENCE_MS) && !more(client);
}

const char *answer_header(const struct answer *answer, const char *name) {
    for (int i = 0; i < answer->field_count; i++) {
        if (strcasecmp(answer->fields[i].name, name) == 0) {
            return answer->fields[i].value;
        }
    }
    return NULL;
}

void answer_free(struct answer *answer) {
    free(answer->head);
    free(answer->body);
    free(answer->trailers);
    memset(answer, 0, sizeof *answer);
}

struct answer ask(const oxb_server *server, const char *request) {
    struct client client;
    struct answer answer = {0};
    if (client_open(&client, server)) {
        client_send(&client, request);
        client_read(&client, &answer);
    }
    client_close(&client);
    return answer;
}

struct answer ask_get(const oxb_server *server, const char *path) {
    char request[1024];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    return ask(server, request);
}

bool check_get(const oxb_server *server, const char *path, int status, const char *body,
               const char *file, int line) {
    struct answer answer = ask_get(server, path);
    bool held = check_int(answer.status, status, file, line, path) &&
                check_text(answer.body, body, file, line, path);
    answer_free(&answer);
    return held;
}
