// What every program here starts from: checks that say where they failed, and a client.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);       \
            std::abort();                                                                      \
        }                                                                                      \
    } while (false)

// Runs a statement that must throw oxb::Error with this status.
#define CHECK_THROWS(status_, statement)                                                       \
    do {                                                                                       \
        bool threw = false;                                                                    \
        try {                                                                                  \
            statement;                                                                         \
        } catch (const oxb::Error& error) {                                                    \
            threw = true;                                                                      \
            if (error.status() != (status_)) {                                                 \
                std::fprintf(stderr, "%s:%d: not %s but: %s\n", __FILE__, __LINE__, #status_,  \
                             error.what());                                                    \
                std::abort();                                                                  \
            }                                                                                  \
        }                                                                                      \
        CHECK(threw);                                                                          \
    } while (false)

/// One connection to 127.0.0.1. The server is asked to hang up after its answer.
class Client {
public:
    explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { ::close(socket_); }

    void send(std::string_view data) {
        while (!data.empty()) {
            const ssize_t sent = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
            CHECK(sent > 0);
            data.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    /// Sends a request with these header lines, each with its "\r\n", and this body.
    void request(std::string_view line, std::string_view headers = "", std::string_view body = "") {
        std::string text(line);
        text += " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n";
        text += headers;
        if (!body.empty()) {
            text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        }
        text += "\r\n";
        text += body;
        send(text);
    }

    /// All that comes until the server hangs up.
    std::string rest() {
        std::string all;
        char piece[4096];
        ssize_t count;
        while ((count = ::recv(socket_, piece, sizeof piece, 0)) > 0) {
            all.append(piece, static_cast<std::size_t>(count));
        }
        return all;
    }

    /// What comes until this text has come.
    std::string until(std::string_view text) {
        std::string all;
        char byte;
        while (all.find(text) == std::string::npos) {
            CHECK(::recv(socket_, &byte, 1, 0) == 1);
            all += byte;
        }
        return all;
    }

private:
    int socket_;
};

inline std::string ask(std::uint16_t port, std::string_view line, std::string_view headers = "",
                       std::string_view body = "") {
    Client client(port);
    client.request(line, headers, body);
    return client.rest();
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// The status of an answer.
inline int status_of(std::string_view answer) {
    CHECK(answer.size() > 12 && answer.substr(0, 9) == "HTTP/1.1 ");
    return std::atoi(std::string(answer.substr(9, 3)).c_str());
}

/// The body of an answer that is not chunked.
inline std::string body_of(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    CHECK(end != std::string::npos);
    return answer.substr(end + 4);
}
