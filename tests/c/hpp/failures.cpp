// What goes wrong: in setting up, in handlers, and with what handlers hold.
#include <cerrno>
#include <memory>
#include <mutex>
#include <oxbridge.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

/// The lines of the log at level error.
class Errors {
public:
    void add(std::int32_t level, std::string_view line) {
        const std::lock_guard<std::mutex> held(lock_);
        if (level == OXB_LOG_ERROR) {
            lines_.emplace_back(line);
        }
    }
    std::vector<std::string> take() {
        const std::lock_guard<std::mutex> held(lock_);
        return std::exchange(lines_, {});
    }

private:
    std::mutex lock_;
    std::vector<std::string> lines_;
};

void setting_up() {
    const auto held = std::make_shared<int>(0);
    const auto handler = [held](oxb::Exchange&) {};
    const auto queued = [held](oxb::Deferred) {};
    const long before = held.use_count();

    oxb::Config config;
    try {
        config.handle("GET /{", handler);
        CHECK(false);
    } catch (const oxb::Error& error) {
        CHECK(error.status() == OXB_ERR_PATTERN);
        CHECK(std::string(error.what()).size() > 10);
        CHECK(error.os_error() == 0);
    }
    CHECK_THROWS(OXB_ERR_PATTERN, config.handle_inline("nothing", handler));
    CHECK_THROWS(OXB_ERR_PATTERN, config.handle_queue("", queued));
    CHECK_THROWS(OXB_ERR_ARG, config.handle(std::string_view("GET /a\0b", 8), handler));
    CHECK_THROWS(OXB_ERR_ARG, config.listen(std::string_view("\0", 1)));
    CHECK_THROWS(OXB_ERR_ARG, config.listen("no address"));
    CHECK_THROWS(OXB_ERR_ARG, config.handle("/", static_cast<void (*)(oxb::Exchange&)>(nullptr)));
    CHECK_THROWS(OXB_ERR_ARG, config.limit(-1, 5));
    CHECK_THROWS(OXB_ERR_ARG, config.tls_min_version(5));
    // What a failed call took, it has dropped.
    CHECK(held.use_count() == before);

    config.listen("127.0.0.1:0").handle("/", handler);
    CHECK_THROWS(OXB_ERR_PATTERN, config.handle("/", handler));
    CHECK(held.use_count() == before + 1);
    oxb::Config moved = std::move(config);
    CHECK(config.get() == nullptr);
    CHECK_THROWS(OXB_ERR_ARG, config.listen("127.0.0.1:0"));
    CHECK_THROWS(OXB_ERR_ARG, config.start());

    oxb::Server server = moved.start();
    CHECK(moved.get() == nullptr);
    CHECK(held.use_count() == before + 1);

    oxb::Config second;
    second.listen("127.0.0.1:" + std::to_string(server.port())).handle("/", handler);
    try {
        oxb::Server never = second.start();
        CHECK(false);
    } catch (const oxb::Error& error) {
        CHECK(error.status() == OXB_ERR_BIND);
        CHECK(error.os_error() == EADDRINUSE);
    }
    // start took the config, and freed it with its handlers.
    CHECK(second.get() == nullptr);
    CHECK(held.use_count() == before + 1);

    server = oxb::Server(nullptr);
    CHECK(held.use_count() == before);
    CHECK_THROWS(OXB_ERR_ARG, server.port());

    // Certificates are read when the server starts.
    oxb::Config tls;
    tls.listen("127.0.0.1:0")
        .tls_min_version(OXB_TLS_1_3)
        .tls_alpn({"h2", "http/1.1"})
        .tls_alpn({})
        .tls_client_auth(OXB_CLIENT_AUTH_OFF)
        .tls_files("/no/such/chain", "/no/such/key");
    CHECK_THROWS(OXB_ERR_TLS, tls.start());
    oxb::Config pem;
    pem.listen("127.0.0.1:0");
    CHECK_THROWS(OXB_ERR_TLS, (pem.tls_pem("no chain", "no key"), pem.start()));

    // A config that nobody started frees its handlers too.
    { oxb::Config never; never.handle("/", handler); }
    CHECK(held.use_count() == before);
}

void handlers_that_throw() {
    Errors errors;
    oxb::set_log(OXB_LOG_ERROR, [&errors](std::int32_t level, std::string_view line) {
        errors.add(level, line);
    });
    oxb::Config config;
    config.listen("127.0.0.1:0")
        .limit(OXB_LIMIT_BODY_BYTES, 10)
        .handle("/throws", [](oxb::Exchange& x) {
            x.write("never seen");
            throw std::runtime_error("of its own");
        })
        .handle("/throws-5", [](oxb::Exchange&) { throw 5; })
        .handle("/too-late", [](oxb::Exchange& x) {
            x.write("seen");
            x.flush();
            throw std::runtime_error("too late");
        })
        .handle("/answered", [](oxb::Exchange& x) {
            x.reply(200, "answered");
            throw std::runtime_error("afterwards");
        })
        .handle("/deferred", [](oxb::Exchange& x) {
            const oxb::Deferred later = x.defer();
            throw std::runtime_error("with an answer owed");
        })
        .handle("/empty", std::function<void(oxb::Exchange&)>())
        .handle("/body", [](oxb::Exchange& x) { x.reply(200, x.body()); })
        .handle("/fine", [](oxb::Exchange& x) { x.reply(200, "fine"); });
    oxb::Server server = config.start();
    const std::uint16_t port = server.port();

    const auto line_of = [&](std::string_view pattern, std::string_view what) {
        const std::vector<std::string> lines = errors.take();
        return lines.size() == 1 && contains(lines[0], pattern) && contains(lines[0], what);
    };
    const std::string threw = ask(port, "GET /throws");
    CHECK(status_of(threw) == 500 && !contains(threw, "never seen"));
    CHECK(line_of("/throws", "of its own"));
    CHECK(status_of(ask(port, "GET /throws-5")) == 500);
    CHECK(line_of("/throws-5", "no std::exception"));
    const std::string cut = ask(port, "GET /too-late");
    CHECK(status_of(cut) == 200 && contains(cut, "seen"));
    CHECK(!contains(cut, "0\r\n\r\n")); // the chunk that would make it whole
    CHECK(line_of("/too-late", "too late"));
    CHECK(body_of(ask(port, "GET /answered")) == "answered");
    CHECK(status_of(ask(port, "GET /deferred")) == 500);
    CHECK(status_of(ask(port, "GET /empty")) == 500);
    CHECK(status_of(ask(port, "GET /fine")) == 200);
    server.stop(std::chrono::seconds(5));
    CHECK(errors.take().size() == 3);
}

void faults_of_clients() {
    Errors errors;
    oxb::set_log(OXB_LOG_ERROR, [&errors](std::int32_t level, std::string_view line) {
        errors.add(level, line);
    });
    oxb::Config config;
    config.listen("127.0.0.1:0")
        .limit(OXB_LIMIT_BODY_BYTES, 10)
        .limit(OXB_LIMIT_BODY_TIMEOUT, std::chrono::milliseconds(50))
        .handle("/body", [](oxb::Exchange& x) { x.reply(200, x.body()); });
    oxb::Server server = config.start();
    const std::uint16_t port = server.port();

    CHECK(status_of(ask(port, "POST /body", "", "0123456789")) == 200);
    CHECK(status_of(ask(port, "POST /body", "", "0123456789a")) == 413);
    Client slow(port);
    slow.request("POST /body", "Content-Length: 5\r\n");
    slow.send("abc");
    CHECK(status_of(slow.rest()) == 408);
    Client malformed(port);
    malformed.request("POST /body", "Transfer-Encoding: chunked\r\n");
    malformed.send("no number\r\n");
    CHECK(status_of(malformed.rest()) == 400);
    server.stop(std::chrono::seconds(5));
    CHECK(errors.take().empty());
}

void a_logger_that_throws() {
    oxb::set_log(OXB_LOG_DEBUG,
                 [](std::int32_t, std::string_view) { throw std::runtime_error("the logger"); });
    oxb::Config config;
    config.listen("127.0.0.1:0").handle("/", [](oxb::Exchange&) { throw 5; });
    oxb::Server server = config.start();
    CHECK(status_of(ask(server.port(), "GET /")) == 500);
}

} // namespace

int main() {
    setting_up();
    handlers_that_throw();
    faults_of_clients();
    a_logger_that_throws();

    const auto held = std::make_shared<int>(0);
    oxb::set_log(OXB_LOG_INFO, [held](std::int32_t, std::string_view) {});
    oxb::clear_log();
    CHECK(held.use_count() == 1);
    CHECK(oxb::live_exchanges() == 0);
}
