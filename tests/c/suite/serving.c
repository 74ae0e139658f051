/* Servers, handlers and files that several files of cases use. */
#include "serving.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

oxb_config *new_config(void) {
    oxb_config *config = NULL;
    CHECK_OK(oxb_config_new(&config));
    CHECK_OK(oxb_config_listen(config, "127.0.0.1:0", NULL));
    return config;
}

void add_route(oxb_config *config, const char *pattern, oxb_handler handler, void *user_data) {
    CHECK_OK(oxb_config_handle(config, pattern, handler, user_data, NULL, NULL));
}

void add_inline(oxb_config *config, const char *pattern, oxb_handler handler, void *user_data) {
    CHECK_OK(oxb_config_handle_inline(config, pattern, handler, user_data, NULL, NULL));
}

oxb_server *start_server(oxb_config *config) {
    oxb_server *server = NULL;
    oxb_error *error = NULL;
    if (!CHECK_OK(oxb_server_start(config, &server, &error))) {
        CHECK_TEXT(oxb_error_message(error), "a server that starts");
        oxb_error_free(error);
        return NULL;
    }
    return server;
}

oxb_server *serve_one(const char *pattern, oxb_handler handler, void *user_data) {
    oxb_config *config = new_config();
    add_route(config, pattern, handler, user_data);
    return start_server(config);
}

void stop_and_free(oxb_server *server) {
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    oxb_server_free(server);
}

void reply(oxb_exchange exchange, const char *text) {
    CHECK_OK(oxb_exchange_reply(exchange, 200, "text/plain", oxb_str(text)));
}

void reply_text(oxb_exchange exchange, void *user_data) { reply(exchange, user_data); }

void reply_done(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    reply(exchange, "done");
}

void do_nothing(oxb_exchange exchange, void *user_data) {
    (void)exchange;
    (void)user_data;
}

void hand_over(oxb_exchange exchange, void *user_data) {
    struct handover *handover = user_data;
    CHECK_OK(oxb_exchange_defer(exchange));
    handover->exchange = exchange;
    tally_add(&handover->arrived);
}

oxb_exchange taken_over(struct handover *handover) {
    return tally_wait(&handover->arrived, 1) ? handover->exchange : OXB_NO_EXCHANGE;
}

uint8_t body_byte(uint64_t i) { return (uint8_t)(i * 31 + (i >> 8) * 7); }

void fill_body(uint8_t *buffer, size_t len, uint64_t offset) {
    for (size_t i = 0; i < len; i++) {
        buffer[i] = body_byte(offset + i);
    }
}

bool is_body(const void *data, size_t len, uint64_t offset) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != body_byte(offset + i)) {
            return false;
        }
    }
    return true;
}

const char *make_directory(void) {
    static char path[64];
    const char *place = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.40s/oxbridge-XXXXXX", place ? place : P_tmpdir);
    CHECK(mkdtemp(path) != NULL);
    return path;
}

void remove_directory(const char *directory) {
    DIR *listing = opendir(directory);
    if (!CHECK(listing != NULL)) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        unlinkat(dirfd(listing), entry->d_name, 0);
    }
    closedir(listing);
    CHECK_INT(rmdir(directory), 0);
}

const char *make_file(const char *directory, const char *name, const void *data, size_t len) {
    static _Thread_local char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    if (CHECK(file != NULL)) {
        CHECK_U64(fwrite(data, 1, len, file), len);
        CHECK_INT(fclose(file), 0);
    }
    return path;
}
