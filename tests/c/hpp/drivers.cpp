// A server: its addresses and its life, its queue, and turns taken by the host.
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <oxbridge.hpp>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

static_assert(!std::is_copy_constructible_v<oxb::Server> && !std::is_copy_assignable_v<oxb::Config>);
static_assert(std::is_nothrow_move_constructible_v<oxb::Server>);

void life_of_a_server() {
    CHECK(oxb::version() == oxb_version_string());
    CHECK(oxb::has_feature("queue") && oxb::has_feature("driven") && !oxb::has_feature("telepathy"));

    std::promise<void> inside;
    std::promise<void> leave;
    oxb::Server* of_handler = nullptr;
    oxb::Config config;
    CHECK(config.reactors(1).threads(4).backlog(16).limit(OXB_LIMIT_HEADERS) > 0);
    config.limit(OXB_LIMIT_KEEP_ALIVE_TIMEOUT, 5s);
    CHECK(config.limit(OXB_LIMIT_KEEP_ALIVE_TIMEOUT) == 5000);
    config.limit(OXB_LIMIT_BODY_BYTES, OXB_UNLIMITED);
    CHECK(config.limit(OXB_LIMIT_BODY_BYTES) == OXB_UNLIMITED);
    config.listen("127.0.0.1:0")
        .listen("127.0.0.1:0")
        .handle("/blocks", [&](oxb::Exchange& x) {
            inside.set_value();
            leave.get_future().wait();
            x.reply(200, "left");
        })
        .handle("/stops", [&](oxb::Exchange& x) {
            CHECK_THROWS(OXB_ERR_IN_CALLBACK, of_handler->stop(5s));
            of_handler->begin_stop(5s);
            x.reply(200, "stopping");
        })
        .serve_dir("/files/", "/usr/include");
    oxb::Server started = config.start();
    oxb::Server server = std::move(started);
    CHECK(started.get() == nullptr);
    of_handler = &server;

    const auto addresses = server.addresses();
    CHECK(addresses.size() == 2);
    CHECK(addresses[0] == "127.0.0.1:" + std::to_string(server.port()));
    CHECK(server.url() == "http://" + std::string(addresses[0]));

    CHECK(status_of(ask(server.port(), "GET /added")) == 404);
    server.handle("/added", [](oxb::Exchange& x) { x.reply(200, "added"); });
    server.handle_inline("/inline", [](oxb::Exchange& x) { x.reply(200, "inline"); });
    server.serve_dir("/more/", "/usr/include");
    CHECK_THROWS(OXB_ERR_PATTERN, server.handle("/added", [](oxb::Exchange&) {}));
    CHECK(body_of(ask(server.port(), "GET /added")) == "added");
    CHECK(body_of(ask(server.port(), "GET /inline")) == "inline");
    CHECK(status_of(ask(server.port(), "GET /files/stdio.h")) == 200);
    CHECK(status_of(ask(server.port(), "GET /more/stdio.h")) == 200);
    CHECK_THROWS(OXB_ERR_STATE, server.turn(0ms));

    Client client(server.port());
    client.request("GET /blocks");
    inside.get_future().wait();
    CHECK(server.exchanges() == 1 && server.connections() >= 1);
    CHECK(!server.wait(1ms));
    leave.set_value();
    CHECK(body_of(client.rest()) == "left");

    CHECK(body_of(ask(server.port(), "GET /stops")) == "stopping");
    CHECK(server.wait());
    CHECK(server.exchanges() == 0);
}

void a_unix_socket() {
    const std::string path = "/tmp/oxbridge-hpp-" + std::to_string(::getpid());
    oxb::Config config;
    config.unix_mode(0600).reuse_port(false).v6_only(false).listen("unix:" + path).handle(
        "/", [](oxb::Exchange& x) { x.reply(200, "here"); });
    oxb::Server server = config.start();
    CHECK(server.addresses().at(0) == "unix:" + path);
    CHECK_THROWS(OXB_ERR_NOT_FOUND, server.port());
    server.reload_tls();
}

void a_stop_that_runs_out_of_time() {
    std::promise<void> inside;
    std::promise<void> leave;
    oxb::Config config;
    config.listen("127.0.0.1:0").handle("/blocks", [&](oxb::Exchange&) {
        inside.set_value();
        leave.get_future().wait();
    });
    oxb::Server server = config.start();
    Client client(server.port());
    client.request("GET /blocks");
    inside.get_future().wait();
    CHECK(!server.stop(1ms));
    leave.set_value();
    CHECK(server.wait());
}

void the_queue() {
    std::atomic<int> handled{0};
    std::vector<std::string> log;
    oxb::set_log(OXB_LOG_ERROR, [&log](std::int32_t, std::string_view line) {
        log.emplace_back(line); // one exchange throws, so one thread comes here
    });
    auto move_only = std::make_unique<std::string>("queued");
    oxb::Config config;
    config.listen("127.0.0.1:0")
        .queue(64)
        .handle_queue("/queued/{n}", [&, text = std::move(move_only)](oxb::Deferred x) {
            ++handled;
            x->write(*text);
            x->write(" ");
            x->write(x->path_value("n"));
            x->end();
        })
        .handle_queue("/throws", [](oxb::Deferred) { throw std::runtime_error("of its own"); })
        .handle_queue("/dropped", [](const oxb::Deferred&) {});
    oxb::Server server = config.start();
    const std::uint16_t port = server.port();

    // Nothing there, and then somebody wakes it.
    CHECK(server.dispatch(0ms));
    server.wake();
    CHECK(server.dispatch());

    Client first(port);
    first.request("GET /queued/first");
    pollfd waiting{server.queue_fd(), POLLIN, 0};
    CHECK(::poll(&waiting, 1, 30000) == 1);
    CHECK(handled == 0);
    CHECK(server.dispatch());
    CHECK(body_of(first.rest()) == "queued first");

    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&server] {
            while (server.dispatch(oxb::forever, 4)) {
            }
        });
    }
    for (int i = 0; i < 50; ++i) {
        const std::string n = std::to_string(i);
        CHECK(body_of(ask(port, "GET /queued/" + n)) == "queued " + n);
    }
    CHECK(handled == 51);
    CHECK(status_of(ask(port, "GET /throws")) == 500);
    CHECK(status_of(ask(port, "GET /dropped")) == 500);
    server.handle_queue("/added", [](oxb::Deferred x) { x->reply(200, "added"); });
    CHECK(body_of(ask(port, "GET /added")) == "added");
    CHECK(server.stop(5s));
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(!server.dispatch());
    oxb::clear_log();
    CHECK(log.size() == 1 && contains(log[0], "/throws") && contains(log[0], "of its own"));
}

void turns_of_the_host() {
    int host[2];
    CHECK(::pipe(host) == 0);
    const std::thread::id here = std::this_thread::get_id();
    oxb::Config config;
    config.driven().listen("127.0.0.1:0").handle("/", [here](oxb::Exchange& x) {
        CHECK(std::this_thread::get_id() == here);
        x.reply(200, "in a turn");
    });
    oxb::Server server = config.start();
    CHECK(server.turn(0ms) == 0);
    server.wake();
    CHECK((server.turn() & OXB_TURN_WOKEN) != 0);
    server.watch(host[0]);
    CHECK(::write(host[1], "x", 1) == 1);
    CHECK((server.turn() & OXB_TURN_READABLE) != 0);
    server.watch(-1);

    std::uint32_t seen = 0;
    std::thread client([&server, port = server.port()] {
        CHECK(body_of(ask(port, "GET /")) == "in a turn");
        server.begin_stop(5s);
    });
    while ((seen & OXB_TURN_STOPPED) == 0) {
        seen |= server.turn();
    }
    CHECK((seen & OXB_TURN_HANDLED) != 0);
    CHECK((server.turn() & OXB_TURN_STOPPED) != 0);
    client.join();
    ::close(host[0]);
    ::close(host[1]);
}

} // namespace

int main() {
    life_of_a_server();
    a_unix_socket();
    a_stop_that_runs_out_of_time();
    the_queue();
    turns_of_the_host();
    CHECK(oxb::live_exchanges() == 0);
}
