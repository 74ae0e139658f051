/* Files as answers: a whole one by its path, a part of one by its descriptor, a directory of them.
 */
#include "serving.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LONG = 1 << 20 };

static void long_file(const char *directory, char *path, size_t size) {
    uint8_t *content = malloc(LONG);
    fill_body(content, LONG, 0);
    snprintf(path, size, "%s", make_file(directory, "long.bin", content, LONG));
    free(content);
}

/* The file stays the caller's: its descriptor may be closed at once, and its position is its own.
 */
struct part {
    const char *path;
    uint64_t offset, len;
};

static void send_part(oxb_exchange x, void *user_data) {
    const struct part *part = user_data;
    int fd = open(part->path, O_RDONLY | O_CLOEXEC);
    lseek(fd, 17, SEEK_SET);
    CHECK_OK(oxb_response_write_fd(x, fd, part->offset, part->len));
    CHECK_INT(lseek(fd, 0, SEEK_CUR), 17);
    CHECK_INT(close(fd), 0);
    uint64_t written = 0;
    CHECK_OK(oxb_response_written(x, &written));
    CHECK_U64(written, part->len);
    CHECK_OK(oxb_exchange_end(x));
}

static void by_descriptor(void) {
    static const struct {
        uint64_t offset, len;
    } parts[] = {
        {0,        LONG  },
        {0,        1     },
        {LONG - 1, 1     },
        {1,        100000},
        {65535,    65537 },
        {0,        0     },
        {LONG,     0     }
    };
    const char *directory = make_directory();
    char path[200];
    long_file(directory, path, sizeof path);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct part part = {path, parts[i].offset, parts[i].len};
        oxb_server *server = serve_one("/", send_part, &part);
        struct answer answer = ask_get(server, "/");
        CHECK_INT(answer.status, 200);
        CHECK_U64(answer.body_len, part.len);
        CHECK(is_body(answer.body, answer.body_len, part.offset));
        answer_free(&answer);
        stop_and_free(server);
    }
    remove_directory(directory);
}

static void among_writes(oxb_exchange x, void *user_data) {
    int fd = open(user_data, O_RDONLY | O_CLOEXEC);
    CHECK_OK(oxb_response_set_header(x, oxb_str("Content-Length"), oxb_str("12")));
    CHECK_OK(oxb_response_write(x, "<<<", 3));
    CHECK_OK(oxb_response_write_fd(x, fd, 2, 6));
    CHECK_STATUS(oxb_response_write_fd(x, fd, 0, 4), OXB_ERR_LENGTH);
    CHECK_OK(oxb_response_write(x, ">>>", 3));
    close(fd);
}

static void between_writes(void) {
    const char *directory = make_directory();
    char path[200];
    snprintf(path, sizeof path, "%s", make_file(directory, "ten", "0123456789", 10));
    oxb_server *server = serve_one("/", among_writes, path);
    CHECK_GET(server, "/", 200, "<<<234567>>>");
    stop_and_free(server);
    remove_directory(directory);
}

static void send_wrong_parts(oxb_exchange x, void *user_data) {
    int fd = open(user_data, O_RDONLY | O_CLOEXEC), ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_STATUS(oxb_response_write_fd(x, -1, 0, 1), OXB_ERR_ARG);
    CHECK_STATUS(oxb_response_write_fd(x, 1 << 20, 0, 1), OXB_ERR_ARG); /* not open */
    CHECK_STATUS(oxb_response_write_fd(x, ends[0], 0, 1), OXB_ERR_IO);  /* no regular file */
    CHECK_STATUS(oxb_response_write_fd(x, fd, UINT64_MAX, 2), OXB_ERR_ARG);
    CHECK_STATUS(oxb_response_write_fd(x, fd, 1, UINT64_MAX), OXB_ERR_ARG);
    close(fd);
    close(ends[0]);
    close(ends[1]);
    reply(x, "nothing came of it");
}

static void wrong_descriptors(void) {
    const char *directory = make_directory();
    char path[200];
    snprintf(path, sizeof path, "%s", make_file(directory, "ten", "0123456789", 10));
    oxb_server *server = serve_one("/", send_wrong_parts, path);
    CHECK_GET(server, "/", 200, "nothing came of it");
    stop_and_free(server);
    remove_directory(directory);
}

/* More than there is: the handler is told, or the client sees that the answer ends early. */
static void send_too_much(oxb_exchange x, void *user_data) {
    int fd = open(user_data, O_RDONLY | O_CLOEXEC);
    CHECK_OK(oxb_response_write(x, "!", 1));
    CHECK_OK(oxb_response_flush(x));
    CHECK_STATUS(oxb_response_write_fd(x, fd, 5, 6), OXB_ERR_IO);
    close(fd);
    CHECK_OK(oxb_exchange_abort(x));
}

static void queue_too_much(oxb_exchange x, void *user_data) {
    int fd = open(user_data, O_RDONLY | O_CLOEXEC);
    CHECK_OK(oxb_response_write(x, "!", 1));
    oxb_status status = oxb_response_write_fd(x, fd, 0, UINT64_MAX);
    close(fd);
    CHECK(status == OXB_OK || status == OXB_ERR_ARG || status == OXB_ERR_IO);
    if (status == OXB_OK) {
        (void)oxb_exchange_end(x);
    } else {
        CHECK_OK(oxb_exchange_abort(x));
    }
}

static void past_the_end(void) {
    const char *directory = make_directory();
    char path[200];
    snprintf(path, sizeof path, "%s", make_file(directory, "ten", "0123456789", 10));
    oxb_config *config = new_config();
    add_route(config, "/blocking", send_too_much, path);
    add_inline(config, "/inline", queue_too_much, path);
    oxb_server *server = start_server(config);
    for (int i = 0; i < 2; i++) {
        struct answer answer = ask_get(server, i == 0 ? "/blocking" : "/inline");
        CHECK(!answer.whole || answer.status == 500);
        answer_free(&answer);
    }
    stop_and_free(server);
    remove_directory(directory);
}

static void send_whole(oxb_exchange x, void *user_data) {
    CHECK_OK(oxb_response_set_header(x, oxb_str("X-Mine"), oxb_str("kept")));
    CHECK_OK(oxb_response_send_file(x, user_data, NULL));
    CHECK_OK(oxb_exchange_end(x)); /* sending a file does not end the exchange */
}

static void whole_file(void) {
    const char *directory = make_directory();
    char path[200], request[300], tag[100];
    snprintf(path, sizeof path, "%s", make_file(directory, "page.html", "0123456789", 10));
    oxb_server *server = serve_one("/", send_whole, path);

    struct answer answer = ask_get(server, "/");
    CHECK_INT(answer.status, 200);
    CHECK_TEXT(answer.body, "0123456789");
    CHECK_TEXT(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8");
    CHECK_TEXT(answer_header(&answer, "Content-Length"), "10");
    CHECK_TEXT(answer_header(&answer, "X-Mine"), "kept");
    CHECK(answer_header(&answer, "Last-Modified") != NULL);
    const char *etag = answer_header(&answer, "ETag");
    if (CHECK(etag != NULL)) {
        snprintf(tag, sizeof tag, "%s", etag);
        answer_free(&answer);
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n",
                 tag);
        answer = ask(server, request);
        CHECK_INT(answer.status, 304);
        CHECK_U64(answer.body_len, 0);
    }
    answer_free(&answer);
    answer = ask(server, "GET / HTTP/1.1\r\n" HOST "Range: bytes=2-4\r\n\r\n");
    CHECK_INT(answer.status, 206);
    CHECK_TEXT(answer_header(&answer, "Content-Range"), "bytes 2-4/10");
    CHECK_TEXT(answer.body, "234");
    answer_free(&answer);
    answer = ask(server, "GET / HTTP/1.1\r\n" HOST "Range: bytes=10-\r\n\r\n");
    CHECK_INT(answer.status, 416);
    answer_free(&answer);
    stop_and_free(server);
    remove_directory(directory);
}

/* A file that is not there is the handler's to answer for. */
static void send_missing(oxb_exchange x, void *user_data) {
    oxb_error *error = NULL;
    CHECK_STATUS(oxb_response_send_file(x, user_data, &error), OXB_ERR_NOT_FOUND);
    CHECK_STATUS(oxb_error_status(error), OXB_ERR_NOT_FOUND);
    CHECK_CONTAINS(oxb_error_message(error), user_data);
    oxb_error_free(error);
    CHECK_OK(oxb_exchange_reply(x, 410, "text/plain", oxb_str("it was here once")));
}

static void missing_file(void) {
    char name[] = "no-such-file";
    oxb_server *server = serve_one("/", send_missing, name);
    CHECK_GET(server, "/", 410, "it was here once");
    stop_and_free(server);
}

static void whole_directory(void) {
    const char *directory = make_directory();
    oxb_config *config = new_config();
    make_file(directory, "a.txt", "content of a", 12);
    make_file(directory, "index.html", "<p>index</p>", 12);
    CHECK_OK(oxb_config_serve_dir(config, "/files/", directory, NULL));
    CHECK_OK(oxb_config_serve_dir(config, "/named/{path...}", directory, NULL));
    oxb_server *server = start_server(config);
    CHECK_GET(server, "/files/a.txt", 200, "content of a");
    CHECK_GET(server, "/files/", 200, "<p>index</p>");
    CHECK_GET(server, "/named/a.txt", 200, "content of a");
    struct answer answer = ask_get(server, "/files/none.txt");
    CHECK_INT(answer.status, 404);
    answer_free(&answer);
    answer = ask_get(server, "/files/%2e%2e/%2e%2e/etc/passwd");
    CHECK(answer.status == 404 || answer.status == 400 || answer.status == 307 ||
          answer.status == 301);
    CHECK(answer.body == NULL || strstr(answer.body, "root:") == NULL);
    answer_free(&answer);
    stop_and_free(server);
    remove_directory(directory);
}

static void bad_directories(void) {
    oxb_config *config = new_config();
    oxb_error *error = NULL;
    CHECK_STATUS(oxb_config_serve_dir(config, "/no-slash", ".", &error), OXB_ERR_PATTERN);
    CHECK_CONTAINS(oxb_error_message(error), "/no-slash");
    oxb_error_free(error);
    CHECK_STATUS(oxb_config_serve_dir(config, "/{one}", ".", NULL), OXB_ERR_PATTERN);
    CHECK_STATUS(oxb_config_serve_dir(config, "/", "/nonexistent/directory", &error),
                 OXB_ERR_NOT_FOUND);
    CHECK_CONTAINS(oxb_error_message(error), "/nonexistent/directory");
    oxb_error_free(error);
    CHECK_STATUS(oxb_config_serve_dir(config, "/", "\xff", NULL), OXB_ERR_ARG); /* no UTF-8 */
    oxb_config_free(config);
}

CASES(files, {"files: part of one, by descriptor", by_descriptor},
      {"files: part of one, between writes", between_writes},
      {"files: wrong descriptors and parts", wrong_descriptors},
      {"files: more than there is", past_the_end},
      {"files: a whole one, with ranges and conditions", whole_file},
      {"files: one that is not there", missing_file}, {"files: a directory", whole_directory},
      {"files: bad directories and patterns", bad_directories});
