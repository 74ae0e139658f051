/* The C handlers of the benchmark table: `hello 127.0.0.1:5000`.
 *
 * `/`, `/echo` and `/stream` run on the library's threads and may block; `/inline` has promised not to.
 */
#include <oxbridge.h>
#include <stdio.h>

enum { PIECE = 4096, PIECES = 16 };
static unsigned char piece[PIECE];

static void hello(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    /* It fails where the client has gone, and then there is nobody left to tell. */
    (void)oxb_exchange_reply(exchange, 200, "text/plain; charset=utf-8", oxb_str("Hello, world.\n"));
}

static void echo(oxb_exchange exchange, void *user_data) {
    oxb_bytes body;
    (void)user_data;
    if (oxb_request_body(exchange, &body) == OXB_OK)
        (void)oxb_exchange_reply(exchange, 200, "application/octet-stream", body);
}

static void stream(oxb_exchange exchange, void *user_data) {
    (void)user_data;
    for (int i = 0; i < PIECES; i++)
        if (oxb_response_write(exchange, piece, PIECE) != OXB_OK)
            return;
}

int main(int count, char **arguments) {
    oxb_config *config = NULL;
    oxb_server *server = NULL;
    oxb_error *error = NULL;

    if (count != 2) {
        fprintf(stderr, "usage: hello ADDRESS\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof piece; i++)
        piece[i] = (unsigned char)i;
    if (oxb_config_new(&config) != OXB_OK
        || oxb_config_listen(config, arguments[1], &error) != OXB_OK
        || oxb_config_handle(config, "/{$}", hello, NULL, NULL, &error) != OXB_OK
        || oxb_config_handle(config, "POST /echo", echo, NULL, NULL, &error) != OXB_OK
        || oxb_config_handle(config, "/stream", stream, NULL, NULL, &error) != OXB_OK
        || oxb_config_handle_inline(config, "/inline", hello, NULL, NULL, &error) != OXB_OK
        || oxb_server_start(config, &server, &error) != OXB_OK) {
        fprintf(stderr, "hello: %s\n", oxb_error_message(error));
        return 1;
    }
    return oxb_server_wait(server, OXB_FOREVER) == OXB_OK ? 0 : 1;
}
