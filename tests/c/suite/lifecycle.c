/* From config to the end: start, stop, wait, free; what is alive in between. */
#include "serving.h"

#include <stdio.h>

static void never_started(void) {
    oxb_config *config = NULL;
    CHECK_OK(oxb_config_new(&config));
    oxb_config_free(config);
    config = new_config();
    add_route(config, "/", reply_done, NULL);
    oxb_config_free(config);
}

static void addresses(void) {
    oxb_bytes address = {NULL, 0}, url = {NULL, 0};
    uint16_t port = 0;
    char text[64];
    oxb_server *server = serve_one("/", reply_done, NULL);
    CHECK_U64(oxb_server_address_count(server), 1);
    CHECK_OK(oxb_server_port(server, &port));
    CHECK(port != 0);
    CHECK_OK(oxb_server_address(server, 0, &address));
    CHECK_OK(oxb_server_url(server, &url));
    snprintf(text, sizeof text, "127.0.0.1:%d", port);
    check_bytes(address, text, strlen(text), __FILE__, __LINE__, "address");
    snprintf(text, sizeof text, "http://127.0.0.1:%d", port);
    check_bytes(url, text, strlen(text), __FILE__, __LINE__, "url");
    /* They are the server's, and last as long as it does, stopped or not. */
    CHECK_OK(oxb_server_stop(server, PATIENCE_MS));
    check_bytes(url, text, strlen(text), __FILE__, __LINE__, "url after the stop");
    CHECK_OK(oxb_server_port(server, &port));
    oxb_server_free(server);
}

/* Once stopped, it stays stopped: each call says so, and none waits. */
static void stopped_twice(void) {
    oxb_server *server = serve_one("/", reply_done, NULL);
    CHECK_STATUS(oxb_server_wait(server, 0), OXB_ERR_TIMEOUT);
    CHECK_OK(oxb_server_stop(server, 0));
    CHECK_OK(oxb_server_stop(server, 0));
    CHECK_OK(oxb_server_begin_stop(server, 0));
    CHECK_OK(oxb_server_wait(server, 0));
    CHECK_OK(oxb_server_wait(server, OXB_FOREVER));
    CHECK_U64(oxb_server_connections(server), 0);
    CHECK_U64(oxb_server_exchanges(server), 0);
    oxb_server_free(server);
}

static void freed_running(void) {
    struct client client;
    oxb_server *server = serve_one("/", reply_done, NULL);
    client_open(&client, server);
    client_send(&client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    struct answer answer;
    client_read(&client, &answer);
    answer_free(&answer);
    oxb_server_free(server);
    CHECK(client_sees_end(&client));
    client_close(&client);
}

/* Several servers in one process know nothing of each other. */
static void several(void) {
    enum { SERVERS = 4 };
    oxb_server *servers[SERVERS];
    char names[SERVERS][2] = {"a", "b", "c", "d"};
    for (int i = 0; i < SERVERS; i++) {
        servers[i] = serve_one("/", reply_text, names[i]);
    }
    for (int i = 0; i < SERVERS; i++) {
        CHECK_GET(servers[i], "/", 200, names[i]);
    }
    for (int i = 0; i < SERVERS; i++) {
        stop_and_free(servers[i]);
        for (int j = i + 1; j < SERVERS; j++) {
            CHECK_GET(servers[j], "/", 200, names[j]);
        }
    }
}

/* The threads that wait are let go; the one that stops is another. */
static void *wait_for_end(void *server) {
    CHECK_OK(oxb_server_wait(server, OXB_FOREVER));
    return NULL;
}

static void waited_for(void) {
    pthread_t threads[3];
    oxb_server *server = serve_one("/", reply_done, NULL);
    for (int i = 0; i < 3; i++) {
        threads[i] = spawn(wait_for_end, server);
    }
    CHECK_STATUS(oxb_server_wait(server, 10), OXB_ERR_TIMEOUT);
    CHECK_GET(server, "/", 200, "done");
    CHECK_OK(oxb_server_begin_stop(server, PATIENCE_MS));
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    oxb_server_free(server);
}

struct counted {
    const oxb_server *server;
    uint64_t wanted;
};

static bool has_connections(void *user_data) {
    struct counted *counted = user_data;
    return oxb_server_connections(counted->server) == counted->wanted;
}

static void counts(void) {
    struct handover handover = HANDOVER_INIT;
    struct client clients[3];
    oxb_server *server = serve_one("/", hand_over, &handover);
    struct counted counted = {server, 0};
    CHECK_U64(oxb_server_connections(server), 0);
    for (int i = 0; i < 3; i++) {
        client_open(&clients[i], server);
    }
    counted.wanted = 3;
    CHECK(eventually(has_connections, &counted));
    CHECK_U64(oxb_server_exchanges(server), 0);
    client_send(&clients[0], "GET / HTTP/1.1\r\n" HOST "\r\n");
    oxb_exchange x = taken_over(&handover);
    CHECK_U64(oxb_server_exchanges(server), 1);
    CHECK_U64(oxb_live_exchanges(), 1);
    reply(x, "done");
    CHECK_U64(oxb_live_exchanges(), 0);
    struct answer answer;
    client_read(&clients[0], &answer);
    answer_free(&answer);
    for (int i = 0; i < 3; i++) {
        client_close(&clients[i]);
    }
    counted.wanted = 0;
    CHECK(eventually(has_connections, &counted));
    stop_and_free(server);
}

/* More reactors and threads answer as one does. */
static void several_reactors(void) {
    oxb_config *config = new_config();
    CHECK_OK(oxb_config_reactors(config, 3));
    CHECK_OK(oxb_config_threads(config, 4));
    add_route(config, "/", reply_done, NULL);
    oxb_server *server = start_server(config);
    for (int i = 0; i < 30; i++) {
        CHECK_GET(server, "/", 200, "done");
    }
    stop_and_free(server);
}

CASES(lifecycle, {"lifecycle: a config that is never started", never_started},
      {"lifecycle: addresses", addresses}, {"lifecycle: stopped twice", stopped_twice},
      {"lifecycle: freed while it runs", freed_running}, {"lifecycle: several servers", several},
      {"lifecycle: waited for", waited_for}, {"lifecycle: connections and exchanges", counts},
      {"lifecycle: several reactors", several_reactors});
