// Answers from other threads, answers that nobody gives, and notifications.
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <oxbridge.hpp>
#include <string>
#include <thread>
#include <type_traits>

#include "check.hpp"

namespace {

/// Hands exchanges from handlers to the test, one at a time.
class Slot {
public:
    void put(oxb::Deferred exchange) {
        const std::lock_guard<std::mutex> held(lock_);
        exchange_ = std::move(exchange);
        filled_.notify_one();
    }
    oxb::Deferred take() {
        std::unique_lock<std::mutex> held(lock_);
        filled_.wait(held, [this] { return static_cast<bool>(exchange_); });
        return std::move(exchange_);
    }

private:
    std::mutex lock_;
    std::condition_variable filled_;
    oxb::Deferred exchange_; // guarded by lock_
};

static_assert(!std::is_copy_constructible_v<oxb::Deferred>);
static_assert(std::is_nothrow_move_constructible_v<oxb::Deferred>);
static_assert(std::is_nothrow_move_assignable_v<oxb::Deferred>);
static_assert(std::is_nothrow_destructible_v<oxb::Deferred>);

} // namespace

int main() {
    Slot slot;
    auto move_only = std::make_unique<std::string>("moved into the handler");
    std::promise<std::uint32_t> gone;
    std::promise<std::string> arrived;

    oxb::Config config;
    config.listen("127.0.0.1:0")
        .handle("/later", [&slot](oxb::Exchange& x) {
            CHECK(!x.deferred());
            oxb::Deferred later = x.defer();
            CHECK(x.deferred());
            CHECK_THROWS(OXB_ERR_STATE, x.defer());
            slot.put(std::move(later));
        })
        .handle("/dropped", [](oxb::Exchange& x) { x.defer(); })
        .handle("/held", [text = std::move(move_only)](oxb::Exchange& x) {
            x.reply(200, "text/plain", *text);
        })
        .handle("/gone", [&](oxb::Exchange& x) {
            oxb::Deferred later = x.defer();
            later->notify(OXB_EVENT_GONE, [&](std::uint32_t kinds) { gone.set_value(kinds); });
            slot.put(std::move(later));
        })
        .handle("/arrives", [&](oxb::Exchange& x) {
            auto later = std::make_shared<oxb::Deferred>(x.defer());
            (*later)->notify(OXB_EVENT_READABLE, [&arrived, later](std::uint32_t) {
                arrived.set_value(std::string((*later)->body()));
                (*later)->reply(200, "text/plain", "arrived");
            });
        })
        .handle("/throws", [&](oxb::Exchange& x) {
            oxb::Deferred later = x.defer();
            later->notify(OXB_EVENT_WRITABLE, [](std::uint32_t) { throw 5; });
            slot.put(std::move(later));
        });
    oxb::Server server = config.start();
    const std::uint16_t port = server.port();

    // Answered by this thread, which is none of the library's.
    {
        Client client(port);
        client.request("GET /later?a=1");
        oxb::Deferred later = slot.take();
        CHECK(later);
        CHECK(later->query_value("a") == "1");
        later->set_status(202);
        later->write("later");
        later->end();
        CHECK_THROWS(OXB_ERR_STALE, later->method());
        CHECK(body_of(client.rest()) == "later");
    }
    // Answered by another one, which it was moved to.
    {
        Client client(port);
        client.request("GET /later");
        std::thread([later = slot.take()]() mutable {
            oxb::Deferred moved = std::move(later);
            moved->reply(200, "text/plain", "from a thread");
        }).join();
        CHECK(body_of(client.rest()) == "from a thread");
    }
    // Not answered at all.
    CHECK(status_of(ask(port, "GET /dropped")) == 500);
    // Its owner has got another one.
    {
        Client first(port);
        first.request("GET /later");
        oxb::Deferred later = slot.take();
        Client second(port);
        second.request("GET /later");
        later = slot.take();
        CHECK(status_of(first.rest()) == 500);
        later->reply(200, "text/plain", "second");
        CHECK(body_of(second.rest()) == "second");
        later = oxb::Deferred();
        CHECK(!later && later.release() == OXB_NO_EXCHANGE);
        CHECK_THROWS(OXB_ERR_STALE, later->method());
    }
    // Given away, to C for example.
    {
        Client client(port);
        client.request("GET /later");
        const oxb_exchange handle = slot.take().release();
        CHECK(oxb_exchange_reply(handle, 200, nullptr, oxb_str("by C")) == OXB_OK);
        CHECK(body_of(client.rest()) == "by C");
    }
    CHECK(body_of(ask(port, "GET /held")) == "moved into the handler");
    // The client leaves.
    {
        oxb::Deferred later;
        {
            Client client(port);
            client.request("GET /gone");
            later = slot.take();
            CHECK(!later->is_gone());
        }
        CHECK((gone.get_future().get() & OXB_EVENT_GONE) != 0);
        CHECK(later->is_gone());
    }
    // The body comes later than the head.
    {
        Client client(port);
        client.request("POST /arrives", "Content-Length: 4\r\n");
        client.send("body");
        CHECK(arrived.get_future().get() == "body");
        CHECK(body_of(client.rest()) == "arrived");
    }
    // A notification throws.
    {
        Client client(port);
        client.request("GET /throws");
        const oxb::Deferred later = slot.take();
        CHECK(status_of(client.rest()) == 500);
    }
    CHECK(server.stop(std::chrono::seconds(5)));
    CHECK(oxb::live_exchanges() == 0);
}
