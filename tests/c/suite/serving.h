/* Servers for the cases: the few calls that each of them would repeat. */
#ifndef SERVING_H
#define SERVING_H

#include "check.h"
#include "client.h"

/* A config that listens on a free port of 127.0.0.1. */
oxb_config *new_config(void);
/* Adds a route that must be accepted, with user_data that nobody drops. */
void add_route(oxb_config *config, const char *pattern, oxb_handler handler, void *user_data);
void add_inline(oxb_config *config, const char *pattern, oxb_handler handler, void *user_data);
/* Starts what must start. NULL, and a failed check, if it does not. */
oxb_server *start_server(oxb_config *config);
/* new_config, add_route, start_server. */
oxb_server *serve_one(const char *pattern, oxb_handler handler, void *user_data);
/* A stop that must succeed, and the end of the server. */
void stop_and_free(oxb_server *server);

/* Handlers that several cases use. */
/* Answers 200 with the text that user_data is. */
void reply_text(oxb_exchange exchange, void *user_data);
/* Returns having done nothing. */
void do_nothing(oxb_exchange exchange, void *user_data);
/* Answers 200 and "done". */
void reply_done(oxb_exchange exchange, void *user_data);
/* oxb_exchange_reply as text/plain, which must succeed. */
void reply(oxb_exchange exchange, const char *text);

/* A handler that hands its exchange, deferred, to the thread that waits for it. */
struct handover {
    struct tally arrived;
    oxb_exchange exchange;
};
#define HANDOVER_INIT {TALLY_INIT, OXB_NO_EXCHANGE}
void hand_over(oxb_exchange exchange, void *handover);
/* Waits for it. OXB_NO_EXCHANGE, and a failed check, if none comes. */
oxb_exchange taken_over(struct handover *handover);

/* The i-th byte of the suite's long bodies. All values occur, NUL too, with a long period. */
uint8_t body_byte(uint64_t i);
void fill_body(uint8_t *buffer, size_t len, uint64_t offset);
/* Whether these are the bytes that fill_body makes. */
bool is_body(const void *data, size_t len, uint64_t offset);

/* A directory of its own for the running case, removed with its files by remove_directory. */
const char *make_directory(void);
void remove_directory(const char *directory);
/* directory/name, with these bytes in it. Valid until the next call on this thread. */
const char *make_file(const char *directory, const char *name, const void *data, size_t len);

#endif
