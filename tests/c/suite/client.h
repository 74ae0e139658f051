/* A small HTTP/1.1 client, so that the suite needs none. It sends what it is given, byte for byte.
 *
 * Every read has a timeout, so that a server that says nothing fails a case and hangs none.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"

struct client {
    int fd;
    /* Read from the socket, not yet taken by an answer. */
    char *data;
    size_t len;
};

enum { MAX_FIELDS = 64 };

/* One response, whole. A status of 0 means that there was none. */
struct answer {
    int status;
    int field_count;
    struct {
        const char *name, *value;
    } fields[MAX_FIELDS];
    char *head;
    char *body; /* NUL-terminated, for text */
    size_t body_len;
    char *trailers; /* as sent, "" if none */
    bool whole;     /* false: the connection ended before the response did */
};

/* Connects to the first address of a server. Failures of the client are failed checks. */
bool client_open(struct client *client, const oxb_server *server);
/* As client_open, at "127.0.0.1:80", "[::1]:80", "unix:/path" or "unix:@name". `receive_buffer`
 * bounds what the kernel takes ahead of a slow client; 0 leaves it alone. */
bool client_open_at(struct client *client, const char *address, int receive_buffer);
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *data, size_t len);
/* Reads one response, informational ones too. */
bool client_read(struct client *client, struct answer *answer);
/* As client_read, for the response to a HEAD request, whose length announces a body that never
 * comes. */
bool client_read_head(struct client *client, struct answer *answer);
/* Reads raw bytes, at most `len`; 0 at the end of the connection. */
size_t client_read_some(struct client *client, void *buffer, size_t len);
/* Whether there is something to read, or the end, within so many milliseconds. */
bool client_readable(struct client *client, int timeout_ms);
/* Whether the server closes the connection, within the suite's patience and without another byte.
 */
bool client_sees_end(struct client *client);
void client_close(struct client *client);

/* The value of the first header field of that name (in any case), or NULL. */
const char *answer_header(const struct answer *answer, const char *name);
void answer_free(struct answer *answer);

/* One request on a connection of its own. */
struct answer ask(const oxb_server *server, const char *request);
/* ask() for "GET path". */
struct answer ask_get(const oxb_server *server, const char *path);

/* GET it, and check status and body. */
#define CHECK_GET(server, path, status, body)                                                      \
    check_get((server), (path), (status), (body), __FILE__, __LINE__)
bool check_get(const oxb_server *server, const char *path, int status, const char *body,
               const char *file, int line);

/* The end of a head that every request of the suite has. */
#define HOST "Host: example.org\r\n"

#endif
