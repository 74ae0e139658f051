// An exchange: everything that a handler reads of a request and writes of an answer.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <oxbridge.hpp>
#include <string>
#include <vector>

#include "check.hpp"

namespace {

void reads_the_request(oxb::Exchange& x) {
    CHECK(x.method() == "POST");
    CHECK(x.target() == "/at/J%C3%BCrgen?a=1&b=two+words&a=3");
    CHECK(x.path() == "/at/J\u00fcrgen");
    CHECK(x.query() == "a=1&b=two+words&a=3");
    CHECK(x.pattern() == "POST /at/{name}");
    CHECK(x.host() == "test");
    CHECK(x.scheme() == "http");
    CHECK(x.protocol() == "HTTP/1.1");
    CHECK(x.remote().substr(0, 10) == "127.0.0.1:");
    CHECK(x.local().substr(0, 10) == "127.0.0.1:");
    CHECK(!x.tls());
    CHECK(!x.is_gone());
    CHECK(x.handle() != OXB_NO_EXCHANGE);

    CHECK(x.path_value("name") == "J\u00fcrgen");
    CHECK_THROWS(OXB_ERR_NOT_FOUND, x.path_value("other"));

    CHECK(x.query_value("a") == "1");
    CHECK(x.query_value("b") == "two words");
    CHECK(!x.query_value("c"));
    std::string all;
    for (const auto& [name, value] : x.query_values()) {
        all.append(name).append("=").append(value).append(";");
    }
    CHECK(all == "a=1;b=two words;a=3;");

    CHECK(x.header("x-mine") == "one");
    CHECK(x.header("X-MINE") == "one");
    CHECK(!x.header("x-other"));
    CHECK(x.header("x-mine", 1) == "two");
    CHECK(!x.header("x-mine", 2));
    const oxb::Fields headers = x.headers();
    const auto mine = std::count_if(headers.begin(), headers.end(), [](const oxb::Field& field) {
        return field.name == "x-mine" && (field.value == "one" || field.value == "two");
    });
    CHECK(mine == 2);
    CHECK(oxb::Fields(x.handle(), oxb_request_query_at).begin() != headers.end());

    CHECK(x.content_length() == 11U);
    std::array<char, 4> array{};
    CHECK(x.read(array) == 4);
    CHECK(std::string_view(array.data(), 4) == "the ");
    std::vector<unsigned char> vector(2);
    CHECK(x.read(vector) == 2);
    CHECK(vector[0] == 'b' && vector[1] == 'o');
    char raw[1];
    CHECK(x.read(raw) == 1 && raw[0] == 'd');
    const std::string_view rest = x.body();
    CHECK(rest == "y...");
    CHECK(x.body() == rest);
    CHECK(x.read(array) == 0);
    CHECK(!x.trailer("x-sum"));
    x.reply(200, "text/plain", "read");
}

void reads_trailers(oxb::Exchange& x) {
    CHECK(!x.content_length());
    CHECK(x.body() == "abc");
    CHECK(x.trailer("X-Sum") == "6");
    x.reply(200, "ok");
}

void writes_the_answer(oxb::Exchange& x) {
    x.set_header("Link", "</style.css>; rel=preload");
    x.inform(103);
    x.delete_header("Link");
    CHECK(x.status() == 200);
    x.set_status(299);
    CHECK(x.status() == 299);
    x.set_header("X-Set", "old");
    x.set_header("X-Set", "new");
    x.add_header("X-Add", "1");
    x.add_header("X-Add", "2");
    CHECK(x.response_header("x-set") == "new");
    CHECK(!x.response_header("Link"));
    CHECK_THROWS(OXB_ERR_BAD_HEADER, x.set_header("X-Bad", "a\r\nb"));
    CHECK_THROWS(OXB_ERR_BAD_STATUS, x.set_status(99));
    x.set_header("Trailer", "X-Trailer");
    x.set_trailer("X-Trailer", "at the end");
    CHECK(!x.head_sent());
    x.write("flushed;");
    x.flush();
    CHECK(x.head_sent());
    CHECK(x.written() == 8);
    x.write("12345", 3);
    CHECK(x.written() == 11);
    CHECK_THROWS(OXB_ERR_STATE, x.reset());
    x.end();
    CHECK_THROWS(OXB_ERR_STALE, x.write("more"));
    CHECK_THROWS(OXB_ERR_STALE, x.end());
    CHECK_THROWS(OXB_ERR_STALE, x.headers().begin());
}

void forgets(oxb::Exchange& x) {
    x.set_status(404);
    x.set_header("X-Forgotten", "yes");
    x.write("forgotten");
    x.reset();
    x.write("kept");
}

/// A file with ten digits in it, gone with the object.
class Digits {
public:
    Digits() : path_("/tmp/oxbridge-hpp-XXXXXX") {
        fd_ = ::mkstemp(path_.data());
        CHECK(fd_ >= 0);
        CHECK(::write(fd_, "0123456789", 10) == 10);
    }
    Digits(const Digits&) = delete;
    Digits& operator=(const Digits&) = delete;
    ~Digits() {
        ::close(fd_);
        ::unlink(path_.c_str());
    }
    int fd() const { return fd_; }
    const std::string& path() const { return path_; }

private:
    std::string path_;
    int fd_;
};

} // namespace

int main() {
    const Digits digits;
    oxb::Config config;
    config.listen("127.0.0.1:0")
        .handle("POST /at/{name}", reads_the_request)
        .handle("POST /trailers", &reads_trailers)
        .handle("/answer", writes_the_answer)
        .handle("/forgets", forgets)
        .handle("/refused", [](oxb::Exchange& x) { x.refuse(418); })
        .handle("/aborted", [](oxb::Exchange& x) { x.abort(); })
        .handle("/nothing", [](oxb::Exchange&) {})
        .handle("/typed", [](oxb::Exchange& x) { x.reply(201, "application/json", "{}"); })
        .handle("/sniffed", [](oxb::Exchange& x) { x.reply(200, "<!DOCTYPE html>"); })
        .handle("/inline", [](oxb::Exchange& x) { x.write("in pieces"); })
        .handle_inline("/at-once", [](oxb::Exchange& x) { x.reply(200, "at once"); })
        .handle("/fd", [&](oxb::Exchange& x) { x.write_fd(digits.fd(), 2, 5); })
        .handle("/file", [&](oxb::Exchange& x) { x.send_file(digits.path()); })
        .handle("/no-file", [&](oxb::Exchange& x) {
            CHECK_THROWS(OXB_ERR_ARG, x.send_file(std::string_view("a\0b", 3)));
            CHECK_THROWS(OXB_ERR_ARG, x.reply(200, std::string_view("a\0b", 3), ""));
            x.reply(200, "text/plain", "");
        });
    oxb::Server server = config.start();
    const std::uint16_t port = server.port();

    const std::string read = ask(port, "POST /at/J%C3%BCrgen?a=1&b=two+words&a=3",
                                 "X-Mine: one\r\nX-Mine: two\r\n", "the body...");
    CHECK(status_of(read) == 200 && body_of(read) == "read");

    Client chunked(port);
    chunked.request("POST /trailers", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n");
    chunked.send("3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n");
    CHECK(status_of(chunked.rest()) == 200);

    const std::string answer = ask(port, "GET /answer", "TE: trailers\r\n");
    CHECK(contains(answer, "HTTP/1.1 103 "));
    CHECK(contains(answer, "HTTP/1.1 299 "));
    CHECK(contains(answer, "flushed;"));
    CHECK(contains(answer, "at the end"));
    const std::string head = answer.substr(answer.find("299"));
    CHECK(!contains(head, "preload"));
    CHECK(contains(head, ": new") && !contains(head, ": old"));

    const std::string kept = ask(port, "GET /forgets");
    CHECK(status_of(kept) == 200 && body_of(kept) == "kept");
    CHECK(status_of(ask(port, "GET /refused")) == 418);
    CHECK(status_of(ask(port, "GET /aborted")) == 500);
    CHECK(status_of(ask(port, "GET /nothing")) == 500);
    const std::string typed = ask(port, "GET /typed");
    CHECK(status_of(typed) == 201 && contains(typed, "application/json") && body_of(typed) == "{}");
    CHECK(contains(ask(port, "GET /sniffed"), "text/html"));
    CHECK(body_of(ask(port, "GET /inline")) == "in pieces");
    CHECK(body_of(ask(port, "GET /at-once")) == "at once");
    CHECK(body_of(ask(port, "GET /fd")) == "23456");
    CHECK(body_of(ask(port, "GET /file", "Range: bytes=1-2\r\n")) == "12");
    CHECK(body_of(ask(port, "GET /no-file")).empty());

    CHECK(server.stop(std::chrono::seconds(5)));
    CHECK(server.exchanges() == 0 && oxb::live_exchanges() == 0);
}
