// A small server in C++17: see ../README.md for how to build and run it.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <oxbridge.hpp>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr std::string_view plain = "text/plain; charset=utf-8";

/// Requests that GET /later has taken and nobody has answered yet.
class Waiting {
public:
    void add(oxb::Deferred exchange) {
        const std::lock_guard held(lock_);
        exchanges_.push_back(std::move(exchange));
    }

    /// Answers all of them, from whatever thread calls it, and says how many there were.
    std::size_t release() {
        std::vector<oxb::Deferred> released;
        {
            const std::lock_guard held(lock_);
            released.swap(exchanges_);
        }
        for (auto& exchange : released) {
            try {
                exchange->reply(200, plain, "Here it is, later.\n");
            } catch (const oxb::Error&) {
                // That client has gone; the next one has not.
            }
        }
        return released.size();
    }

private:
    std::mutex lock_;
    std::vector<oxb::Deferred> exchanges_; // guarded by lock_
};

void hello_name(oxb::Exchange& x) {
    x.set_header("Content-Type", plain);
    x.write("Hello, ");
    x.write(x.path_value("name"));
    x.write("!\n");
}

void echo(oxb::Exchange& x) {
    // What the client sends decides how deep the recursion of dump() goes, so there is a bound.
    const auto shallow = [](int depth, json::parse_event_t, json&) {
        return depth <= 500 ? true : throw std::length_error("it is nested too deeply");
    };
    try {
        x.reply(200, "application/json", json::parse(x.body(), shallow).dump());
    } catch (const json::exception& error) {
        x.reply(400, plain, std::string("The body is not JSON: ") + error.what() + ".\n");
    } catch (const std::length_error& error) {
        x.reply(400, plain, std::string("The body is no JSON for us: ") + error.what() + ".\n");
    }
}

std::string variable(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : otherwise;
}

} // namespace

int main() try {
    // Blocked before the server starts its threads, so that none of them is interrupted.
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, nullptr);

    Waiting waiting; // outlives the server, whose handlers use it
    oxb::Config config;
    config.listen(variable("HOST", "127.0.0.1") + ":" + variable("PORT", "5000"))
        .handle("GET /{$}", [](oxb::Exchange& x) { x.reply(200, plain, "Hello, world.\n"); })
        .handle("GET /hello/{name}", hello_name)
        .handle("POST /echo", echo)
        .handle("GET /later", [&waiting](oxb::Exchange& x) { waiting.add(x.defer()); })
        .handle("GET /release", [&waiting](oxb::Exchange& x) {
            x.reply(200, plain, std::to_string(waiting.release()) + " released\n");
        });
    oxb::Server server = config.start();
    std::cerr << "Serving on " << server.url() << std::endl;

    int signal = 0;
    sigwait(&stop, &signal);
    // No new requests from here on; those that wait get their answer, and all get time to end.
    server.begin_stop(5s);
    waiting.release();
    server.wait();
} catch (const std::exception& error) {
    std::cerr << "hello: " << error.what() << '\n';
    return EXIT_FAILURE;
}
