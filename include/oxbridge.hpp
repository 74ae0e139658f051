// oxbridge.hpp: liboxbridge for C++17 and later, over oxbridge.h and nothing else.
//
//     #include <oxbridge.hpp>
//
//     int main() {
//         oxb::Config config;
//         config.listen("127.0.0.1:5000").handle("GET /hello/{name}", [](oxb::Exchange& x) {
//             x.write("Hello, ");
//             x.write(x.path_value("name"));
//             x.write("!\n");
//         });
//         config.start().wait();
//     }
//
// What fails throws oxb::Error. Destructors free what an object owns and never throw. An exception
// that leaves a handler stays on this side of the library: the client gets 500, or an answer that is
// visibly cut short if part of it was sent, and the log (oxb::set_log) gets a line.
//
// Every std::string_view that an exchange gives is borrowed from it, and valid until it ends; inside
// a handler that did not defer, until the handler returns. It holds the client's bytes: text is UTF-8
// only if the client saw to it, and a NUL is a byte like any other.
//
// Threads: a Config and a moved-from object belong to one thread. A Server may be used by any number
// of threads. An Exchange or Deferred may be used from any thread, by one at a time: a second call at
// the same moment throws OXB_ERR_BUSY.
#ifndef OXBRIDGE_HPP
#define OXBRIDGE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "oxbridge.h"

namespace oxb {

/// A time to wait that never ends.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

/// What went wrong: a sentence in what(), the library's status, and errno where there was one.
class Error : public std::runtime_error {
public:
    explicit Error(oxb_status status) : Error(status, oxb_strerror(status)) {}

    Error(oxb_status status, const std::string& message, int os_error = 0)
        : std::runtime_error(message), status_(status), os_error_(os_error) {}

    /// One of the OXB_ERR_ constants of oxbridge.h.
    oxb_status status() const noexcept { return status_; }

    /// errno of the operating system's refusal, or 0.
    int os_error() const noexcept { return os_error_; }

private:
    oxb_status status_;
    int os_error_;
};

/// A header or trailer field, or a parameter of the query.
struct Field {
    std::string_view name;
    std::string_view value;
};

/// What TLS agreed on with the client.
struct TlsInfo {
    std::string_view version;
    std::string_view cipher;
    /// The name that the client asked for; empty if it named none.
    std::string_view server_name;
    /// The protocol that ALPN chose; empty if it chose none.
    std::string_view alpn;
    /// The client's certificate in DER; empty if it showed none.
    std::string_view client_cert;
    /// Code points of version and cipher as TLS registers them.
    std::uint16_t version_code;
    std::uint16_t cipher_code;
};

class Deferred;
class Server;

namespace detail {

inline void check(oxb_status status) {
    if (status != OXB_OK) {
        throw Error(status);
    }
}

inline std::string_view view(oxb_bytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data), bytes.len};
}

inline oxb_bytes bytes(std::string_view text) noexcept {
    oxb_bytes made{};
    made.data = reinterpret_cast<const std::uint8_t*>(text.data());
    made.len = text.size();
    return made;
}

/// Text for set-up, with the NUL that the library wants at its end, and none before.
class Text {
public:
    explicit Text(std::string_view text) : text_(text) {
        if (text_.find('\0') != std::string::npos) {
            throw Error(OXB_ERR_ARG, "text for the set-up of a server has a NUL in it");
        }
    }
    const char* get() const noexcept { return text_.c_str(); }

private:
    std::string text_;
};

/// Where a call puts the words for its failure.
class ErrorSlot {
public:
    ErrorSlot() = default;
    ErrorSlot(const ErrorSlot&) = delete;
    ErrorSlot& operator=(const ErrorSlot&) = delete;
    ~ErrorSlot() { oxb_error_free(error_); }

    oxb_error** out() noexcept { return &error_; }

    void check(oxb_status status) const {
        if (status == OXB_OK) {
            return;
        }
        if (error_ == nullptr) {
            throw Error(status);
        }
        throw Error(status, oxb_error_message(error_), oxb_error_os(error_));
    }

private:
    oxb_error* error_ = nullptr;
};

/// A length of time as the library counts it where negative means "no limit".
inline std::int64_t wait_ms(std::chrono::milliseconds time) noexcept {
    return time == forever ? -1 : (time.count() < 0 ? 0 : std::int64_t{time.count()});
}

/// A length of time as the library counts it where OXB_FOREVER means "no limit".
inline std::uint64_t grace_ms(std::chrono::milliseconds time) noexcept {
    return time == forever ? OXB_FOREVER
                           : (time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count()));
}

/// Frees what a call took as user_data: an oxb_drop.
template <class Boxed>
void drop(void* user_data) noexcept {
    delete static_cast<Boxed*>(user_data);
}

struct Logger {
    Logger() = default;
    Logger(const Logger&) = delete;
    Logger& operator=(const Logger&) = delete;
    virtual ~Logger() = default;
    virtual void write(std::int32_t level, std::string_view message) const = 0;
};

template <class Log>
struct LoggerOf final : Logger {
    Log log;
    explicit LoggerOf(Log&& from) : log(std::move(from)) {}
    void write(std::int32_t level, std::string_view message) const override { log(level, message); }
};

/// The logger in use, for lines that come from this header and not from the library.
class CurrentLogger {
public:
    static CurrentLogger& get() {
        // Never destroyed: threads may still log while the process leaves main.
        static CurrentLogger& current = *new CurrentLogger;
        return current;
    }
    void set(std::shared_ptr<const Logger> logger) {
        const std::lock_guard<std::mutex> held(lock_);
        logger_.swap(logger);
    }
    std::shared_ptr<const Logger> logger() {
        const std::lock_guard<std::mutex> held(lock_);
        return logger_;
    }

private:
    std::mutex lock_;
    std::shared_ptr<const Logger> logger_; // guarded by lock_
};

/// The status that a client has earned by an error that a handler let pass, or 0.
inline std::uint16_t fault_of_client(oxb_status status) noexcept {
    switch (status) {
    case OXB_ERR_TOO_LARGE: return 413;
    case OXB_ERR_MALFORMED: return 400;
    case OXB_ERR_TIMEOUT: return 408;
    default: return 0;
    }
}

/// Ends an exchange whose handler threw, as the exception deserves, and logs what is ours to mend.
/// Call it in a catch block; `exchange` is OXB_NO_EXCHANGE if somebody else answers it now.
inline void failed(std::string_view pattern, oxb_exchange exchange) noexcept {
    try {
        std::string line = "the handler of ";
        line.append(pattern).append(" threw ");
        try {
            throw;
        } catch (const Error& error) {
            if (error.status() == OXB_ERR_GONE) {
                oxb_exchange_abort(exchange);
                return;
            }
            if (const std::uint16_t status = fault_of_client(error.status())) {
                oxb_exchange_refuse(exchange, status);
                return;
            }
            line += error.what();
        } catch (const std::exception& error) {
            line += error.what();
        } catch (...) {
            line += "something that is no std::exception";
        }
        if (const auto logger = CurrentLogger::get().logger()) {
            logger->write(OXB_LOG_ERROR, line);
        }
        oxb_exchange_abort(exchange);
    } catch (...) {
        // No memory for the line, or the logger threw: the client is owed its end all the same.
        oxb_exchange_abort(exchange);
    }
}

template <class Function>
void check_not_null(const Function& function) {
    if constexpr (std::is_pointer_v<Function>) {
        if (function == nullptr) {
            throw Error(OXB_ERR_ARG, "the handler is a null pointer");
        }
    }
}

} // namespace detail

/// Header fields or query parameters, in the client's order, each read as the loop comes to it:
///
///     for (const auto& [name, value] : x.headers()) …
class Fields {
public:
    using At = oxb_status (*)(oxb_exchange, std::size_t, oxb_field*);

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Field;
        using difference_type = std::ptrdiff_t;
        using pointer = const Field*;
        using reference = const Field&;

        iterator() = default; // the end
        iterator(oxb_exchange exchange, At at) : exchange_(exchange), at_(at) { load(); }

        reference operator*() const noexcept { return field_; }
        pointer operator->() const noexcept { return &field_; }
        iterator& operator++() {
            ++index_;
            load();
            return *this;
        }
        iterator operator++(int) {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.at_ == b.at_ && a.index_ == b.index_;
        }
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return !(a == b); }

    private:
        void load() {
            oxb_field field{};
            const oxb_status status = at_(exchange_, index_, &field);
            if (status == OXB_ERR_NOT_FOUND) {
                *this = iterator();
                return;
            }
            detail::check(status);
            field_ = Field{detail::view(field.name), detail::view(field.value)};
        }

        oxb_exchange exchange_ = OXB_NO_EXCHANGE;
        At at_ = nullptr;
        std::size_t index_ = 0;
        Field field_{};
    };

    Fields(oxb_exchange exchange, At at) noexcept : exchange_(exchange), at_(at) {}
    iterator begin() const { return iterator(exchange_, at_); }
    iterator end() const noexcept { return {}; }

private:
    oxb_exchange exchange_;
    At at_;
};

/// One request and the answer that it is owed. A handler borrows it until it returns; to answer
/// later, it takes a Deferred from defer().
///
/// What the client did wrong or the line broke throws Error: OXB_ERR_GONE, OXB_ERR_TOO_LARGE,
/// OXB_ERR_MALFORMED, OXB_ERR_TIMEOUT. A handler need not catch them: the client gets the status
/// that fits.
class Exchange {
public:
    /// Borrows a handle that C gave. Ends nothing.
    explicit Exchange(oxb_exchange handle) noexcept : handle_(handle) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    /// The handle, for calls of oxbridge.h.
    oxb_exchange handle() const noexcept { return handle_; }

    // The request

    std::string_view method() const { return get(oxb_request_method); }
    /// The request target as the client wrote it.
    std::string_view target() const { return get(oxb_request_target); }
    /// The path, percent-decoded.
    std::string_view path() const { return get(oxb_request_path); }
    /// The query as the client wrote it, without the '?'; empty if there is none.
    std::string_view query() const { return get(oxb_request_query); }
    /// The pattern that chose the handler.
    std::string_view pattern() const { return get(oxb_request_pattern); }
    std::string_view host() const { return get(oxb_request_host); }
    /// "http" or "https".
    std::string_view scheme() const { return get(oxb_request_scheme); }
    /// "HTTP/1.0", "HTTP/1.1" or "HTTP/2".
    std::string_view protocol() const { return get(oxb_request_protocol); }
    /// The client's address and port; "unix" for a Unix socket.
    std::string_view remote() const { return get(oxb_request_remote); }
    std::string_view local() const { return get(oxb_request_local); }

    /// What the pattern's wildcard of this name matched, percent-decoded. A name that the pattern
    /// does not have is an Error, OXB_ERR_NOT_FOUND.
    std::string_view path_value(std::string_view name) const {
        oxb_bytes value{};
        detail::check(oxb_request_path_value(handle_, detail::bytes(name), &value));
        return detail::view(value);
    }

    /// The first query parameter of this name, decoded.
    std::optional<std::string_view> query_value(std::string_view name) const {
        return find(oxb_request_query_value, name);
    }
    /// Every query parameter, decoded.
    Fields query_values() const noexcept { return {handle_, oxb_request_query_at}; }

    /// The first header of this name. Names compare without case.
    std::optional<std::string_view> header(std::string_view name) const {
        return find(oxb_request_header, name);
    }
    /// The nth header of this name, from 0 on.
    std::optional<std::string_view> header(std::string_view name, std::size_t n) const {
        oxb_bytes value{};
        const oxb_status status = oxb_request_header_nth(handle_, detail::bytes(name), n, &value);
        return found(status, value);
    }
    /// Every header, names in lower case.
    Fields headers() const noexcept { return {handle_, oxb_request_header_at}; }

    /// The body's length in bytes, if the client said it.
    std::optional<std::uint64_t> content_length() const {
        std::uint64_t length = 0;
        const oxb_status status = oxb_request_content_length(handle_, &length);
        if (status == OXB_ERR_NOT_FOUND) {
            return std::nullopt;
        }
        detail::check(status);
        return length;
    }

    /// All of the body that was not read yet; asked again, the same. Waits for it; throws
    /// OXB_ERR_WOULD_BLOCK where waiting is not allowed (see oxb_request_body).
    std::string_view body() { return get(oxb_request_body); }

    /// Reads the next bytes of the body, at most `capacity`; 0 at its end. Waits as body() does.
    std::size_t read(void* buffer, std::size_t capacity) {
        std::size_t count = 0;
        detail::check(oxb_request_read(handle_, buffer, capacity, &count));
        return count;
    }
    /// The same into an array, a std::array, a std::vector of its present size, or a std::span.
    template <class Buffer>
    std::size_t read(Buffer&& buffer) {
        static_assert(sizeof(*std::data(buffer)) == 1, "a body is read into bytes");
        return read(std::data(buffer), std::size(buffer));
    }

    /// A trailer field; trailers come after the whole body was read.
    std::optional<std::string_view> trailer(std::string_view name) const {
        return find(oxb_request_trailer, name);
    }

    /// What TLS agreed on; nothing on a connection without TLS.
    std::optional<TlsInfo> tls() const {
        oxb_tls_info info{};
        const oxb_status status = oxb_request_tls(handle_, &info, sizeof info);
        if (status == OXB_ERR_NOT_FOUND) {
            return std::nullopt;
        }
        detail::check(status);
        return TlsInfo{detail::view(info.version),     detail::view(info.cipher),
                       detail::view(info.server_name), detail::view(info.alpn),
                       detail::view(info.client_cert), info.version_code,
                       info.cipher_code};
    }

    // The answer

    /// 200 to 999; without it, the first write means 200.
    void set_status(std::uint16_t status) {
        detail::check(oxb_response_set_status(handle_, status));
    }
    /// Replaces the header.
    void set_header(std::string_view name, std::string_view value) {
        set(oxb_response_set_header, name, value);
    }
    /// Adds one more line of that name.
    void add_header(std::string_view name, std::string_view value) {
        set(oxb_response_add_header, name, value);
    }
    void delete_header(std::string_view name) {
        detail::check(oxb_response_delete_header(handle_, detail::bytes(name)));
    }
    /// A header of the answer; borrowed until the headers change or are sent.
    std::optional<std::string_view> response_header(std::string_view name) const {
        return find(oxb_response_get_header, name);
    }
    /// A field to send after the body; a `Trailer` header has to announce it.
    void set_trailer(std::string_view name, std::string_view value) {
        set(oxb_response_set_trailer, name, value);
    }
    /// Sends an informational response now, with the headers set so far: 103 Early Hints.
    void inform(std::uint16_t status) {
        detail::check(oxb_response_inform(handle_, status));
    }
    /// Writes all of it, or throws. Copied.
    void write(std::string_view data) { write(data.data(), data.size()); }
    void write(const void* data, std::size_t length) {
        detail::check(oxb_response_write(handle_, data, length));
    }
    /// Sends now what was written so far.
    void flush() { detail::check(oxb_response_flush(handle_)); }
    /// Sends `length` bytes of a regular file from `offset` on. The descriptor stays the caller's.
    void write_fd(int fd, std::uint64_t offset, std::uint64_t length) {
        detail::check(oxb_response_write_fd(handle_, fd, offset, length));
    }
    /// Answers with a file: type, ETag, ranges and conditional requests included.
    void send_file(std::string_view path) {
        const detail::Text text(path);
        detail::ErrorSlot error;
        error.check(oxb_response_send_file(handle_, text.get(), error.out()));
    }
    /// The status that will be sent, or was.
    std::uint16_t status() const {
        std::uint16_t status = 0;
        detail::check(oxb_response_status(handle_, &status));
        return status;
    }
    /// Bytes of the body written so far.
    std::uint64_t written() const {
        std::uint64_t count = 0;
        detail::check(oxb_response_written(handle_, &count));
        return count;
    }
    /// Whether status and headers are on their way, and can change no more.
    bool head_sent() const {
        bool sent = false;
        detail::check(oxb_response_head_sent(handle_, &sent));
        return sent;
    }
    /// Forgets status, headers and body, while nothing was sent.
    void reset() { detail::check(oxb_response_reset(handle_)); }

    // The end. After it every call throws OXB_ERR_STALE.

    /// Status, type, body and end in one call.
    void reply(std::uint16_t status, std::string_view content_type, std::string_view body) {
        const detail::Text type(content_type);
        detail::check(oxb_exchange_reply(handle_, status, type.get(), detail::bytes(body)));
    }
    /// The same with a type guessed from the body's first bytes.
    void reply(std::uint16_t status, std::string_view body) {
        detail::check(oxb_exchange_reply(handle_, status, nullptr, detail::bytes(body)));
    }
    /// The answer is whole. A handler that returns ends its exchange without this call.
    void end() { detail::check(oxb_exchange_end(handle_)); }
    /// Ends with this status, 400 to 599, and its reason as text if nothing was sent; else aborts.
    void refuse(std::uint16_t status) {
        detail::check(oxb_exchange_refuse(handle_, status));
    }
    /// Ends so that the client sees that something is missing; 500 if nothing was sent.
    void abort() { detail::check(oxb_exchange_abort(handle_)); }

    /// Takes the exchange out of the handler that runs: it may be answered later, from any thread.
    /// Only inside a handler, and once.
    Deferred defer();
    /// Whether defer() took the exchange out of this handler.
    bool deferred() const noexcept { return deferred_; }

    bool is_gone() const {
        bool gone = false;
        detail::check(oxb_exchange_is_gone(handle_, &gone));
        return gone;
    }

    /// Calls `callback(kinds)` once, as soon as one of `kinds` is so: OXB_EVENT_READABLE,
    /// OXB_EVENT_WRITABLE, OXB_EVENT_GONE, joined with |. It runs where the route's handlers run.
    /// A new call replaces the old one; if the exchange ends first, the callback is only destroyed.
    /// What it throws aborts the exchange.
    template <class Callback>
    void notify(std::uint32_t kinds, Callback callback);

private:
    using Getter = oxb_status (*)(oxb_exchange, oxb_bytes*);
    using Finder = oxb_status (*)(oxb_exchange, oxb_bytes, oxb_bytes*);
    using Setter = oxb_status (*)(oxb_exchange, oxb_bytes, oxb_bytes);

    std::string_view get(Getter getter) const {
        oxb_bytes value{};
        detail::check(getter(handle_, &value));
        return detail::view(value);
    }
    std::optional<std::string_view> find(Finder finder, std::string_view name) const {
        oxb_bytes value{};
        const oxb_status status = finder(handle_, detail::bytes(name), &value);
        return found(status, value);
    }
    static std::optional<std::string_view> found(oxb_status status, oxb_bytes value) {
        if (status == OXB_ERR_NOT_FOUND) {
            return std::nullopt;
        }
        detail::check(status);
        return detail::view(value);
    }
    void set(Setter setter, std::string_view name, std::string_view value) {
        detail::check(setter(handle_, detail::bytes(name), detail::bytes(value)));
    }

    friend class Deferred;
    oxb_exchange handle_;
    bool deferred_ = false;
};

/// An exchange that this object owes an answer: use it like a pointer to an Exchange, from any
/// thread. Destroyed before it was answered, it aborts: the client gets 500.
class Deferred {
public:
    Deferred() noexcept : exchange_(OXB_NO_EXCHANGE) {}
    /// Takes over a deferred handle, or one out of oxb_server_next.
    explicit Deferred(oxb_exchange handle) noexcept : exchange_(handle) {}
    Deferred(Deferred&& other) noexcept : exchange_(other.release()) {}
    Deferred& operator=(Deferred&& other) noexcept {
        if (this != &other) {
            abandon();
            exchange_.handle_ = other.release();
        }
        return *this;
    }
    ~Deferred() { abandon(); }

    Exchange& operator*() noexcept { return exchange_; }
    Exchange* operator->() noexcept { return &exchange_; }
    /// Whether it holds an exchange, answered or not.
    explicit operator bool() const noexcept { return exchange_.handle_ != OXB_NO_EXCHANGE; }

    /// Gives the handle away: whoever takes it owes the answer.
    oxb_exchange release() noexcept { return std::exchange(exchange_.handle_, OXB_NO_EXCHANGE); }

private:
    // Answered already, its handle is stale, and this call does nothing.
    void abandon() noexcept {
        if (*this) {
            oxb_exchange_abort(exchange_.handle_);
        }
    }

    Exchange exchange_;
};

inline Deferred Exchange::defer() {
    detail::check(oxb_exchange_defer(handle_));
    deferred_ = true;
    return Deferred(handle_);
}

namespace detail {

/// A handler and what the log says of it, behind the user_data of a route.
template <class Handler>
struct Route {
    Handler handler;
    std::string pattern;

    // A function with C++ linkage serves as oxb_handler: no compiler tells the two apart.
    static void call(oxb_exchange handle, void* user_data) noexcept {
        const auto& route = *static_cast<const Route*>(user_data);
        Exchange exchange(handle);
        try {
            std::invoke(route.handler, exchange);
        } catch (...) {
            failed(route.pattern, exchange.deferred() ? OXB_NO_EXCHANGE : handle);
        }
    }
};

/// What the user_data of an event points to in a server whose queue Server::dispatch empties.
struct Queued {
    Queued() = default;
    Queued(const Queued&) = delete;
    Queued& operator=(const Queued&) = delete;
    virtual ~Queued() = default;
    virtual void take(oxb_exchange handle) const noexcept = 0;
};

template <class Handler>
struct QueuedRoute final : Queued {
    Handler handler;
    std::string pattern;

    QueuedRoute(Handler&& from, std::string_view of)
        : handler(std::move(from)), pattern(of) {}

    void take(oxb_exchange handle) const noexcept override {
        Deferred exchange(handle);
        try {
            std::invoke(handler, std::move(exchange));
        } catch (...) {
            failed(pattern, exchange.release());
        }
    }
};

template <class Callback>
struct Notification {
    Callback callback;

    static void call(oxb_exchange handle, std::uint32_t kinds, void* user_data) noexcept {
        try {
            std::invoke(static_cast<Notification*>(user_data)->callback, kinds);
        } catch (...) {
            failed("a notification", handle);
        }
    }
};

// Registering a route, with the call of a Config or of a Server. The call owns what is boxed from the
// moment it begins, and frees it also when it fails.

template <class Owner>
using HandleCall =
    oxb_status (*)(Owner*, const char*, oxb_handler, void*, oxb_drop, oxb_error**);
template <class Owner>
using QueueCall = oxb_status (*)(Owner*, const char*, void*, oxb_drop, oxb_error**);
template <class Owner>
using DirectoryCall = oxb_status (*)(Owner*, const char*, const char*, oxb_error**);

template <class Owner, class Handler>
void add_handler(HandleCall<Owner> call, Owner* owner, std::string_view pattern, Handler&& handler) {
    using Function = std::decay_t<Handler>;
    using Boxed = Route<Function>;
    static_assert(std::is_invocable_v<const Function&, Exchange&>,
                  "a handler is called as handler(oxb::Exchange&), by several threads at the same "
                  "time: a lambda without `mutable`, or an object whose operator() is const");
    const Text text(pattern);
    Function function = std::forward<Handler>(handler);
    check_not_null(function);
    auto boxed = std::make_unique<Boxed>(Boxed{std::move(function), std::string(pattern)});
    ErrorSlot error;
    error.check(
        call(owner, text.get(), &Boxed::call, boxed.release(), &drop<Boxed>, error.out()));
}

template <class Owner, class Handler>
void add_queue(QueueCall<Owner> call, Owner* owner, std::string_view pattern, Handler&& handler) {
    using Function = std::decay_t<Handler>;
    static_assert(std::is_invocable_v<const Function&, Deferred>,
                  "a handler of the queue is called as handler(oxb::Deferred), by several threads "
                  "at the same time: a lambda without `mutable`, or a const operator()");
    const Text text(pattern);
    Function function = std::forward<Handler>(handler);
    check_not_null(function);
    std::unique_ptr<Queued> boxed =
        std::make_unique<QueuedRoute<Function>>(std::move(function), pattern);
    ErrorSlot error;
    error.check(call(owner, text.get(), boxed.release(), &drop<Queued>, error.out()));
}

template <class Owner>
void add_directory(DirectoryCall<Owner> call, Owner* owner, std::string_view pattern,
                   std::string_view directory) {
    const Text text(pattern);
    const Text place(directory);
    ErrorSlot error;
    error.check(call(owner, text.get(), place.get(), error.out()));
}

struct FreeConfig {
    void operator()(oxb_config* config) const noexcept { oxb_config_free(config); }
};
struct FreeServer {
    void operator()(oxb_server* server) const noexcept { oxb_server_free(server); }
};

} // namespace detail

template <class Callback>
void Exchange::notify(std::uint32_t kinds, Callback callback) {
    using Boxed = detail::Notification<Callback>;
    static_assert(std::is_invocable_v<Callback&, std::uint32_t>,
                  "a notification is called as callback(std::uint32_t kinds)");
    auto boxed = std::make_unique<Boxed>(Boxed{std::move(callback)});
    detail::check(oxb_exchange_notify(handle_, kinds, &Boxed::call, boxed.release(),
                                      &detail::drop<Boxed>));
}

/// A running server. Destroyed, it stops with no grace and waits for the handlers that run; inside one
/// of its own it does not wait, and the rest goes when that handler has returned.
class Server {
public:
    /// Takes over a server that C started.
    explicit Server(oxb_server* taken) noexcept : server_(taken) {}

    /// The server, for calls of oxbridge.h; null once moved from.
    oxb_server* get() const noexcept { return server_.get(); }

    /// The base URL of the first address: "http://127.0.0.1:40123". Borrowed from the server.
    std::string_view url() const {
        oxb_bytes url{};
        detail::check(oxb_server_url(get(), &url));
        return detail::view(url);
    }
    /// The port of the first TCP address.
    std::uint16_t port() const {
        std::uint16_t port = 0;
        detail::check(oxb_server_port(get(), &port));
        return port;
    }
    /// Where it listens: "127.0.0.1:40123", "unix:/path". Borrowed from the server.
    std::vector<std::string_view> addresses() const {
        std::vector<std::string_view> all(oxb_server_address_count(get()));
        for (std::size_t i = 0; i < all.size(); ++i) {
            oxb_bytes address{};
            detail::check(oxb_server_address(get(), i, &address));
            all[i] = detail::view(address);
        }
        return all;
    }
    std::uint64_t connections() const noexcept { return oxb_server_connections(get()); }
    /// Exchanges that have not ended.
    std::uint64_t exchanges() const noexcept { return oxb_server_exchanges(get()); }

    /// Begins to stop: takes no more connections, and gives what runs so long to end. Returns at
    /// once; may be called in a handler.
    void begin_stop(std::chrono::milliseconds grace) {
        detail::check(oxb_server_begin_stop(get(), detail::grace_ms(grace)));
    }
    /// Stops and waits for it. False if a handler still runs when the grace is over.
    bool stop(std::chrono::milliseconds grace) {
        return in_time(oxb_server_stop(get(), detail::grace_ms(grace)));
    }
    /// Waits until it has stopped. False if the time was over first.
    bool wait(std::chrono::milliseconds timeout = forever) {
        return in_time(oxb_server_wait(get(), detail::grace_ms(timeout)));
    }
    /// Reads certificates and keys again; connections that are there keep theirs.
    void reload_tls() {
        detail::ErrorSlot error;
        error.check(oxb_server_reload_tls(get(), error.out()));
    }

    // Routes, as on Config, from the next request on.

    template <class Handler>
    void handle(std::string_view pattern, Handler&& handler) {
        detail::add_handler(oxb_server_handle, get(), pattern, std::forward<Handler>(handler));
    }
    template <class Handler>
    void handle_inline(std::string_view pattern, Handler&& handler) {
        detail::add_handler(oxb_server_handle_inline, get(), pattern,
                            std::forward<Handler>(handler));
    }
    template <class Handler>
    void handle_queue(std::string_view pattern, Handler&& handler) {
        detail::add_queue(oxb_server_handle_queue, get(), pattern, std::forward<Handler>(handler));
    }
    void serve_dir(std::string_view pattern, std::string_view directory) {
        detail::add_directory(oxb_server_serve_dir, get(), pattern, directory);
    }

    // The queue

    /// Waits until exchanges are in the queue, takes up to `most` of them, and calls their handlers
    /// on this thread, one after the other. False once the server has stopped and the queue is
    /// empty, so that any number of threads may run
    ///
    ///     while (server.dispatch()) {}
    ///
    /// Every queue route of the server must be one that this header registered. Notifications of C
    /// that ask for an event are lost here; Exchange::notify has its own way.
    bool dispatch(std::chrono::milliseconds timeout = forever, std::size_t most = 16) {
        constexpr std::size_t at_once = 64;
        oxb_event events[at_once];
        std::size_t count = 0;
        const oxb_status status =
            oxb_server_next(get(), events, most < at_once ? most : at_once,
                            detail::wait_ms(timeout), &count);
        if (status == OXB_ERR_STOPPED) {
            return false;
        }
        if (status != OXB_ERR_TIMEOUT) {
            detail::check(status);
        }
        for (std::size_t i = 0; i < count; ++i) {
            if ((events[i].kinds & OXB_EVENT_REQUEST) != 0) {
                static_cast<const detail::Queued*>(events[i].user_data)->take(events[i].exchange);
            }
        }
        return true;
    }
    /// A descriptor that is readable while exchanges wait in the queue, for poll and its kin.
    /// Borrowed: never read, write or close it.
    int queue_fd() const {
        int fd = -1;
        detail::check(oxb_server_queue_fd(get(), &fd));
        return fd;
    }

    // The host's own loop (Config::driven)

    /// Takes one turn: runs handlers and moves bytes on this thread, until something was done or
    /// the time is over. Returns OXB_TURN_ bits; after OXB_TURN_STOPPED there are no more turns:
    ///
    ///     while ((server.turn() & OXB_TURN_STOPPED) == 0) {}
    std::uint32_t turn(std::chrono::milliseconds timeout = forever) {
        std::uint32_t what = 0;
        detail::check(oxb_server_turn(get(), detail::wait_ms(timeout), &what));
        return what;
    }
    /// Lets turns end when this descriptor is readable: the host loop's epoll descriptor. -1: none.
    void watch(int fd) { detail::check(oxb_server_watch(get(), fd)); }
    /// Ends the turn or the dispatch under way, or the next one. From any thread.
    void wake() { detail::check(oxb_server_wake(get())); }

private:
    static bool in_time(oxb_status status) {
        if (status == OXB_ERR_TIMEOUT) {
            return false;
        }
        detail::check(status);
        return true;
    }

    std::unique_ptr<oxb_server, detail::FreeServer> server_;
};

/// A server to be: where it listens, what it answers, and its limits. What each setting means and
/// its default stand beside the function of the same name in oxbridge.h.
class Config {
public:
    /// Throws OXB_ERR_ABI if the library that was loaded does not fit the header.
    Config() {
        detail::check(oxb_abi_check(OXB_ABI));
        oxb_config* made = nullptr;
        detail::check(oxb_config_new(&made));
        config_.reset(made);
    }

    /// The config, for calls of oxbridge.h; null once started or moved from.
    oxb_config* get() const noexcept { return config_.get(); }

    /// "127.0.0.1:0", "[::1]:80", ":80", "unix:/path", "unix:@name", "fd:3", "systemd". Several
    /// calls listen on several.
    Config& listen(std::string_view address) {
        const detail::Text text(address);
        detail::ErrorSlot error;
        error.check(oxb_config_listen(get(), text.get(), error.out()));
        return *this;
    }
    Config& backlog(std::uint32_t connections) {
        return set(oxb_config_backlog(get(), connections));
    }
    Config& reuse_port(bool on = true) { return set(oxb_config_reuse_port(get(), on)); }
    Config& unix_mode(std::uint32_t mode) { return set(oxb_config_unix_mode(get(), mode)); }
    Config& v6_only(bool on = true) { return set(oxb_config_v6_only(get(), on)); }

    /// Sets an OXB_LIMIT_ to a number.
    Config& limit(std::int32_t which, std::uint64_t value) {
        return set(oxb_config_limit(get(), which, value));
    }
    /// Sets an OXB_LIMIT_…_TIMEOUT.
    Config& limit(std::int32_t which, std::chrono::milliseconds time) {
        return limit(which, detail::grace_ms(time));
    }
    /// What an OXB_LIMIT_ is now, timeouts in milliseconds.
    std::uint64_t limit(std::int32_t which) const {
        std::uint64_t value = 0;
        detail::check(oxb_config_get_limit(get(), which, &value));
        return value;
    }
    Config& reactors(std::uint32_t count) { return set(oxb_config_reactors(get(), count)); }
    Config& threads(std::uint32_t count) { return set(oxb_config_threads(get(), count)); }
    Config& queue(std::uint32_t exchanges) { return set(oxb_config_queue(get(), exchanges)); }
    /// The host takes the turns itself: Server::turn.
    Config& driven(bool on = true) { return set(oxb_config_driven(get(), on)); }

    Config& tls_files(std::string_view chain, std::string_view key) {
        const detail::Text chain_path(chain);
        const detail::Text key_path(key);
        return set(oxb_config_tls_files(get(), chain_path.get(), key_path.get()));
    }
    Config& tls_pem(std::string_view chain, std::string_view key) {
        return set(oxb_config_tls_pem(get(), detail::bytes(chain), detail::bytes(key)));
    }
    Config& tls_client_ca_file(std::string_view path) {
        const detail::Text text(path);
        return set(oxb_config_tls_client_ca_file(get(), text.get()));
    }
    Config& tls_client_ca_pem(std::string_view pem) {
        return set(oxb_config_tls_client_ca_pem(get(), detail::bytes(pem)));
    }
    /// One of OXB_CLIENT_AUTH_.
    Config& tls_client_auth(std::int32_t policy) {
        return set(oxb_config_tls_client_auth(get(), policy));
    }
    /// OXB_TLS_1_2 or OXB_TLS_1_3.
    Config& tls_min_version(std::int32_t version) {
        return set(oxb_config_tls_min_version(get(), version));
    }
    /// The protocols to offer by ALPN, best first; none turns ALPN off.
    Config& tls_alpn(std::initializer_list<std::string_view> protocols) {
        std::vector<oxb_bytes> all;
        for (const std::string_view protocol : protocols) {
            all.push_back(detail::bytes(protocol));
        }
        return set(oxb_config_tls_alpn(get(), all.data(), all.size()));
    }

    /// Answers what matches the pattern, in Go's syntax, "[METHOD ][HOST]/[PATH]", with
    /// handler(oxb::Exchange&). The handler may block. It is moved into the server, move-only
    /// captures included, and destroyed with it; several threads call it at the same time.
    template <class Handler>
    Config& handle(std::string_view pattern, Handler&& handler) {
        detail::add_handler(oxb_config_handle, get(), pattern, std::forward<Handler>(handler));
        return *this;
    }
    /// The same with a handler that promises never to block: it runs inside the reactor.
    template <class Handler>
    Config& handle_inline(std::string_view pattern, Handler&& handler) {
        detail::add_handler(oxb_config_handle_inline, get(), pattern,
                            std::forward<Handler>(handler));
        return *this;
    }
    /// Puts what matches into the queue, for handler(oxb::Deferred) on a thread that calls
    /// Server::dispatch.
    template <class Handler>
    Config& handle_queue(std::string_view pattern, Handler&& handler) {
        detail::add_queue(oxb_config_handle_queue, get(), pattern, std::forward<Handler>(handler));
        return *this;
    }
    /// Serves the files of a directory; the pattern ends with "/" or a {name...} wildcard.
    Config& serve_dir(std::string_view pattern, std::string_view directory) {
        detail::add_directory(oxb_config_serve_dir, get(), pattern, directory);
        return *this;
    }

    /// Starts the server. The config is empty afterwards, also when it throws.
    Server start() {
        oxb_server* started = nullptr;
        detail::ErrorSlot error;
        error.check(oxb_server_start(config_.release(), &started, error.out()));
        return Server(started);
    }

private:
    Config& set(oxb_status status) {
        detail::check(status);
        return *this;
    }

    std::unique_ptr<oxb_config, detail::FreeConfig> config_;
};

/// Sends the library's log, and what handlers throw, to log(std::int32_t level, std::string_view
/// message), level being one of OXB_LOG_ERROR to OXB_LOG_DEBUG; up to `level`, from any thread, for
/// the whole process. It must be quick, and not throw.
template <class Log>
void set_log(std::int32_t level, Log log) {
    static_assert(std::is_invocable_v<const Log&, std::int32_t, std::string_view>,
                  "a log is called as log(std::int32_t, std::string_view), by several threads at "
                  "the same time");
    using Shared = std::shared_ptr<const detail::Logger>;
    const Shared logger = std::make_shared<detail::LoggerOf<Log>>(std::move(log));
    const oxb_log call = [](std::int32_t of, oxb_bytes message, void* user_data) {
        try {
            (*static_cast<const Shared*>(user_data))->write(of, detail::view(message));
        } catch (...) {
            // There is nowhere left to say so.
        }
    };
    auto boxed = std::make_unique<Shared>(logger);
    detail::check(oxb_log_set(level, call, boxed.release(), &detail::drop<Shared>));
    detail::CurrentLogger::get().set(logger);
}

/// Ends logging.
inline void clear_log() {
    detail::check(oxb_log_set(OXB_LOG_ERROR, nullptr, nullptr, nullptr));
    detail::CurrentLogger::get().set(nullptr);
}

/// The version of the library that was loaded: "0.1.0".
inline std::string_view version() noexcept { return oxb_version_string(); }

/// Whether the library that was loaded has "http2", "tls", "unix", "systemd", "queue", "driven".
inline bool has_feature(std::string_view name) {
    return oxb_has_feature(std::string(name).c_str());
}

/// Exchanges of all servers of this process that have not ended: for leak checks.
inline std::uint64_t live_exchanges() noexcept { return oxb_live_exchanges(); }

} // namespace oxb

#endif
