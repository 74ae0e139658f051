/*
 * oxbridge.h: the Oxbridge HTTP server for C, C++ and every language that speaks C.
 *
 * Made from the library's source. Licence: MIT or Apache-2.0, as you choose.
 *
 * Every function says what it does with pointers, which threads may call it, what NULL means to it, and
 * what it returns, always in the same words:
 *
 * - Ownership. "Borrowed until this returns": the library keeps no pointer to it. "Copied": neither.
 *   "Taken": it is the library's from here on, also on failure. "Borrowed until the exchange ends": the
 *   library's memory, which the program may read until then. Output parameters are written on success
 *   only, except `error`, which is written on failure only; `error` may always be NULL.
 * - Threads. "Any thread" means also several at once. For one exchange there is one call at a time: a
 *   second one at the same moment gets OXB_ERR_BUSY, and does nothing.
 * - NULL never crashes. Where the text says OXB_ERR_ARG, that is what a NULL pointer gives.
 * - Returns. OXB_OK is 0, every error is negative, numbers never change. Any function may also return
 *   OXB_ERR_PANIC, which is a fault of the library's own.
 *
 * An exchange is one request and the response that it is owed. Its handle is a number: a stale, doubled,
 * forged or foreign one is OXB_ERR_STALE. It ends exactly once: when its callback returns, or, if that
 * has called oxb_exchange_defer, by oxb_exchange_end, _reply, _refuse or _abort, on any thread.
 *
 * Callbacks run on threads of the library, or on the host's: in oxb_server_turn. No C++ exception and no
 * longjmp may pass through the library; oxbridge.hpp sees to that for C++.
 *
 * The library has no signal handlers, no atexit functions and no output but oxb_log_set's. It never
 * raises SIGPIPE. It must not be unloaded (dlclose does nothing).
 *
 * After fork without exec the child has none of the parent's threads. Servers and exchanges of the parent
 * are out of its reach: every call on one gives OXB_ERR_FORKED (those that return a count: 0), touches
 * nothing and frees nothing. It inherits the listening sockets, which stay open until it calls exec, or
 * ends. It may start servers of its own, as far as POSIX lets the child of a process with threads do so.
 * A child that is forked inside a callback must not return from it: it is aborted if it does.
 */


#ifndef OXBRIDGE_H
#define OXBRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/** The version of this header as one number that grows. */
#define OXB_VERSION_NUMBER \
    ((OXB_VERSION_MAJOR << 16) | (OXB_VERSION_MINOR << 8) | OXB_VERSION_PATCH)

/** Whether this header is of that version, or a later one: for the preprocessor. */
#define OXB_VERSION_AT_LEAST(major, minor, patch) \
    (OXB_VERSION_NUMBER >= (((major) << 16) | ((minor) << 8) | (patch)))

/**
 * For `OXB_LIMIT_BODY_BYTES` and `OXB_LIMIT_CONNECTIONS`: no limit.
 */
#define OXB_UNLIMITED UINT64_MAX

/**
 * A number that no exchange has.
 */
#define OXB_NO_EXCHANGE 0

/**
 * A request: a new exchange.
 */
#define OXB_EVENT_REQUEST 1

/**
 * A read would not wait.
 */
#define OXB_EVENT_READABLE 2

/**
 * A write would not wait.
 */
#define OXB_EVENT_WRITABLE 4

/**
 * The client has gone.
 */
#define OXB_EVENT_GONE 8

/**
 * For a time in milliseconds: without end.
 */
#define OXB_FOREVER UINT64_MAX

/**
 * A turn has run callbacks.
 */
#define OXB_TURN_HANDLED 1

/**
 * The descriptor that turns watch is readable.
 */
#define OXB_TURN_READABLE 2

/**
 * `oxb_server_wake` was called.
 */
#define OXB_TURN_WOKEN 4

/**
 * The server has stopped: there is nothing to turn any more.
 */
#define OXB_TURN_STOPPED 8

/**
 * The major version that this header belongs to.
 */
#define OXB_VERSION_MAJOR 0

/**
 * The minor version that this header belongs to.
 */
#define OXB_VERSION_MINOR 1

/**
 * The patch level that this header belongs to.
 */
#define OXB_VERSION_PATCH 0

/**
 * The number of the binary interface, which is also in the SONAME (`liboxbridge.so.1`). It goes up when
 * a program has to be compiled anew.
 */
#define OXB_ABI 1

/**
 * What came of a call: `OXB_OK`, which is 0, or what went wrong, which is negative. A number never
 * changes its meaning; later versions may add some.
 */
enum oxb_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    OXB_OK = 0,
    /**
     * An argument is NULL, out of range or malformed.
     */
    OXB_ERR_ARG = -1,
    /**
     * The exchange has ended, or the handle never was one.
     */
    OXB_ERR_STALE = -2,
    /**
     * Another call on the same exchange, or another turn of the same server, is under way.
     */
    OXB_ERR_BUSY = -3,
    /**
     * Not now: the head is sent, for example, or the server is not a driven one.
     */
    OXB_ERR_STATE = -4,
    /**
     * The client has gone.
     */
    OXB_ERR_GONE = -5,
    /**
     * The call would have to wait, and must not here.
     */
    OXB_ERR_WOULD_BLOCK = -6,
    /**
     * The time is over.
     */
    OXB_ERR_TIMEOUT = -7,
    /**
     * The request body is longer than `OXB_LIMIT_BODY_BYTES`, or than `OXB_LIMIT_WHOLE_BODY`.
     */
    OXB_ERR_TOO_LARGE = -8,
    /**
     * The framing of the request body is wrong (RFC 9112 §7.1).
     */
    OXB_ERR_MALFORMED = -9,
    /**
     * A header name or value has a byte that HTTP does not allow (RFC 9110 §5.5).
     */
    OXB_ERR_BAD_HEADER = -10,
    /**
     * No status that can be sent here.
     */
    OXB_ERR_BAD_STATUS = -11,
    /**
     * The body does not fit the Content-Length that was set.
     */
    OXB_ERR_LENGTH = -12,
    /**
     * Statuses 204 and 304 have no body (RFC 9110 §6.4.1).
     */
    OXB_ERR_NO_BODY = -13,
    /**
     * A pattern is malformed, or conflicts with one that is there.
     */
    OXB_ERR_PATTERN = -14,
    /**
     * An address cannot be listened on.
     */
    OXB_ERR_BIND = -15,
    /**
     * Certificate, key or client authorities cannot be used.
     */
    OXB_ERR_TLS = -16,
    /**
     * The operating system said no; `oxb_error_os` has its number.
     */
    OXB_ERR_IO = -17,
    /**
     * There is none: no such header, path value, parameter, file.
     */
    OXB_ERR_NOT_FOUND = -18,
    /**
     * The server has stopped.
     */
    OXB_ERR_STOPPED = -19,
    /**
     * A callback cannot wait for its own server.
     */
    OXB_ERR_IN_CALLBACK = -20,
    /**
     * The object belongs to the process that this one was forked from.
     */
    OXB_ERR_FORKED = -21,
    /**
     * The header that the program was compiled with does not fit this library.
     */
    OXB_ERR_ABI = -22,
    /**
     * There is no room for more: of exchanges, or of header fields.
     */
    OXB_ERR_LIMIT = -23,
    /**
     * A fault in the library, which goes on. Please report it.
     */
    OXB_ERR_PANIC = -24,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxb_status oxb_status;
#else
typedef int32_t oxb_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much a line of the log matters.
 */
enum oxb_log_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Something failed that should not.
     */
    OXB_LOG_ERROR = 1,
    /**
     * Something that will become an error if nobody looks.
     */
    OXB_LOG_WARN = 2,
    /**
     * What an operator may want to know.
     */
    OXB_LOG_INFO = 3,
    /**
     * What a developer may want to know; what clients did wrong.
     */
    OXB_LOG_DEBUG = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxb_log_level oxb_log_level;
#else
typedef int32_t oxb_log_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A limit on what a client, or all of them together, may use.
 */
enum oxb_limit
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Bytes of a request head; past it 431. 8192 to 1073741824; default 65536.
     */
    OXB_LIMIT_HEAD_BYTES = 1,
    /**
     * Bytes of a request target; past it 414. 1 to 1073741824; default 16384.
     */
    OXB_LIMIT_TARGET_BYTES = 2,
    /**
     * Header fields of a request; past it 431. 1 to 65535; default 100.
     */
    OXB_LIMIT_HEADERS = 3,
    /**
     * Bytes of a request body; past it 413. 0 and more; default `OXB_UNLIMITED`, since bodies stream.
     */
    OXB_LIMIT_BODY_BYTES = 4,
    /**
     * A body up to this many bytes is read before its callback runs, so that a slow client holds no
     * thread. 0, which starts every callback at once, to 1073741824; default 65536.
     */
    OXB_LIMIT_BUFFER_BODY = 5,
    /**
     * Bytes that may be written ahead of a slow client before a write waits. 0 to 1073741824; default
     * 262144.
     */
    OXB_LIMIT_WRITE_AHEAD = 6,
    /**
     * Milliseconds for a request head, from its first byte or the accept to its end, and for a TLS
     * handshake. As all times here 1 to 31536000000, a year; default 10000.
     */
    OXB_LIMIT_HEADER_TIMEOUT = 7,
    /**
     * Milliseconds without a byte of a body that somebody waits for. Default 30000.
     */
    OXB_LIMIT_BODY_TIMEOUT = 8,
    /**
     * Milliseconds that a connection may stay without a request. Default 75000.
     */
    OXB_LIMIT_KEEP_ALIVE_TIMEOUT = 9,
    /**
     * Milliseconds in which a client takes none of the bytes that are due to it. Default 60000.
     */
    OXB_LIMIT_WRITE_TIMEOUT = 10,
    /**
     * Open connections; past it new ones wait. 1 and more; default `OXB_UNLIMITED`.
     */
    OXB_LIMIT_CONNECTIONS = 11,
    /**
     * Concurrent streams of an HTTP/2 connection (RFC 9113 §5.1.2). 1 to 4294967295; default 128.
     */
    OXB_LIMIT_H2_STREAMS = 12,
    /**
     * Streams that an HTTP/2 client may reset before they are handled; past it the connection ends
     * (CVE-2023-44487). 0 and more; default 20.
     */
    OXB_LIMIT_H2_RESETS = 13,
    /**
     * Bytes of a request body that `oxb_request_body` takes into memory; past it `OXB_ERR_TOO_LARGE`.
     * Default 16777216.
     */
    OXB_LIMIT_WHOLE_BODY = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxb_limit oxb_limit;
#else
typedef int32_t oxb_limit;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is asked of clients about certificates of their own (mutual TLS).
 */
enum oxb_client_auth
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing.
     */
    OXB_CLIENT_AUTH_OFF = 0,
    /**
     * One is asked for; a client may have none, but one that it shows must be valid.
     */
    OXB_CLIENT_AUTH_OPTIONAL = 1,
    /**
     * A client without a valid one is refused.
     */
    OXB_CLIENT_AUTH_REQUIRED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxb_client_auth oxb_client_auth;
#else
typedef int32_t oxb_client_auth;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A version of TLS, by its number on the wire.
 */
enum oxb_tls_version
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * TLS 1.2, RFC 5246.
     */
    OXB_TLS_1_2 = 771,
    /**
     * TLS 1.3, RFC 8446.
     */
    OXB_TLS_1_3 = 772,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxb_tls_version oxb_tls_version;
#else
typedef int32_t oxb_tls_version;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A server to be. Opaque: it is changed by the `oxb_config_` functions.
 */
typedef struct oxb_config oxb_config;

/**
 * What went wrong, in words: for a person, beside the status, which is for the program.
 */
typedef struct oxb_error oxb_error;

/**
 * A running server. Opaque. Any thread may use it, except where a function says otherwise, until it is
 * freed.
 */
typedef struct oxb_server oxb_server;

/**
 * A handle of an exchange: a number that says which one is meant. It may be copied, and used on any
 * thread, by one call at a time: a second one at the same moment gets `OXB_ERR_BUSY`. Once the exchange
 * has ended, the number is stale for ever: it is never given to another one.
 */
typedef uint64_t oxb_exchange;

/**
 * Answers an exchange; see `oxb_config_handle`. `user_data` is what was given with it. It must not unwind
 * (no C++ exception, no longjmp) into the library.
 */
typedef void (*oxb_handler)(oxb_exchange exchange, void *user_data);

/**
 * Called when data that was given with a callback is no longer needed: exactly once, also when the call
 * that took the data fails. On any thread.
 */
typedef void (*oxb_drop)(void *user_data);

/**
 * Bytes that belong to somebody else: a pointer and a length, no NUL needed. A length of 0 permits any
 * pointer, NULL too.
 */
typedef struct oxb_bytes {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * How many there are.
     */
    size_t len;
} oxb_bytes;

/**
 * Called when what `oxb_exchange_notify` waits for has come about; `kinds` says what. It runs as a handler
 * does: on a thread of the library, or in a turn. The exchange goes on.
 */
typedef void (*oxb_notify)(oxb_exchange exchange, uint32_t kinds, void *user_data);

/**
 * Takes a line of the log: its level (one of `oxb_log_level`) and its text, UTF-8 without a line end,
 * borrowed until the callback returns. Called on any thread, also by several at once, and often while
 * clients wait: it must be quick, must not unwind, and must call nothing of the library.
 */
typedef void (*oxb_log)(int32_t level, struct oxb_bytes message, void *user_data);

/**
 * A name and its value: a header or trailer field, or a query parameter.
 */
typedef struct oxb_field {
    /**
     * The name.
     */
    struct oxb_bytes name;
    /**
     * The value.
     */
    struct oxb_bytes value;
} oxb_field;

/**
 * What a TLS session agreed on. Later versions may add members at the end.
 */
typedef struct oxb_tls_info {
    /**
     * `TLSv1.2` or `TLSv1.3`.
     */
    struct oxb_bytes version;
    /**
     * The cipher suite by its name in IANA's registry, such as `TLS_AES_128_GCM_SHA256`.
     */
    struct oxb_bytes cipher;
    /**
     * The host name that the client asked for (SNI, RFC 6066), in lower case; empty if it named none.
     */
    struct oxb_bytes server_name;
    /**
     * The protocol that ALPN chose (RFC 7301), such as `h2`; empty if the client offered none.
     */
    struct oxb_bytes alpn;
    /**
     * The client's certificate as DER, verified; empty if it showed none.
     */
    struct oxb_bytes client_cert;
    /**
     * The version's number on the wire: 0x0303 or 0x0304.
     */
    uint16_t version_code;
    /**
     * The cipher suite's number in IANA's registry.
     */
    uint16_t cipher_code;
} oxb_tls_info;

/**
 * Something that has happened to an exchange.
 */
typedef struct oxb_event {
    /**
     * The exchange. After `OXB_EVENT_REQUEST` it is the caller's to end.
     */
    oxb_exchange exchange;
    /**
     * What was given to `oxb_config_handle_queue`, or to `oxb_exchange_notify`.
     */
    void *user_data;
    /**
     * What has happened: `OXB_EVENT_REQUEST`, or others, by `|`.
     */
    uint32_t kinds;
    /**
     * 0.
     */
    uint32_t reserved;
} oxb_event;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a config with safe defaults: it listens nowhere and has no routes yet.
 *
 * Ownership: `out` is written on success: the config is the caller's, until `oxb_server_start` takes it
 * or `oxb_config_free` frees it.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_new(struct oxb_config **out);

/**
 * Frees a config that was not started. The `drop` functions of its routes run.
 *
 * Ownership: `config` is taken.
 * Threads: one thread at a time for one config.
 * NULL: nothing happens.
 */
void oxb_config_free(struct oxb_config *config);

/**
 * Sets a limit. `limit` is one of `oxb_limit`, which also tells the unit and range of `value`.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for a limit that is none and a value out of its range.
 */
oxb_status oxb_config_limit(struct oxb_config *config, int32_t limit, uint64_t value);

/**
 * The value of a limit, one of `oxb_limit`.
 *
 * Ownership: `out` is written on success.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for a limit that is none.
 */
oxb_status oxb_config_get_limit(const struct oxb_config *config, int32_t limit, uint64_t *out);

/**
 * Adds an address to listen on: `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000` (every address of the
 * name), `:5000` (every interface), port 0 for one that the system chooses; `unix:/run/app.sock`,
 * `unix:@name` (without a file, on Linux); `fd:3` (a socket that listens already); `systemd` (what
 * systemd's socket activation handed over). It is bound by `oxb_server_start`.
 *
 * Ownership: `address` is copied; `error` is written on failure, and the caller's to free.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`; `error` may be NULL.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_listen(struct oxb_config *config,
                             const char *address,
                             struct oxb_error **error);

/**
 * How many connections may wait to be accepted. Default 2048; the system may cap it.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
 */
oxb_status oxb_config_backlog(struct oxb_config *config, uint32_t connections);

/**
 * Whether several processes may listen on the same port and share its connections (`SO_REUSEPORT`); all
 * of them must say so. Default false.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_reuse_port(struct oxb_config *config,
                                 bool on);

/**
 * The permission bits of Unix socket files, such as 0660. Default: what the process's umask leaves.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also past 0777.
 */
oxb_status oxb_config_unix_mode(struct oxb_config *config, uint32_t mode);

/**
 * Whether `[::]`, and an address without a host, refuse IPv4. Default false.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_v6_only(struct oxb_config *config, bool on);

/**
 * Lets `handler` answer the requests that `pattern` matches. Patterns are those of Go's net/http:
 * `[METHOD ][HOST]/[PATH]`, with wildcards `{name}`, `{name...}` at the end, and `{$}`.
 *
 * The callback runs on a thread of the library (in a driven server: in a turn). It may block: other
 * clients are served meanwhile by other threads. When it returns, the exchange ends, unless it has
 * called `oxb_exchange_defer`; if it has set or written nothing of the response, the client gets 500.
 *
 * Ownership: `pattern` is copied; `user_data` is kept until the config is freed, or the server is and no
 * callback runs any more; `drop` runs exactly once, also on failure. `error` is written on failure, and
 * the caller's to free.
 * Threads: one thread at a time for one config. The callback runs on any thread, also on several at once.
 * NULL: `OXB_ERR_ARG` for `config`, `pattern` and `handler`; the others may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_PATTERN`: malformed, or in conflict with another one; `OXB_ERR_ARG`.
 */
oxb_status oxb_config_handle(struct oxb_config *config,
                             const char *pattern,
                             oxb_handler handler,
                             void *user_data,
                             oxb_drop drop,
                             struct oxb_error **error);

/**
 * As `oxb_config_handle`, for a callback that promises never to block: it runs inside the event loop,
 * which saves a little, and while it runs nobody else is served. Calls that would wait give
 * `OXB_ERR_WOULD_BLOCK` or queue. It may defer, so that another thread answers.
 *
 * Ownership: as `oxb_config_handle`.
 * Threads: one thread at a time for one config. The callback runs on any thread, also on several at once.
 * NULL: `OXB_ERR_ARG` for `config`, `pattern` and `handler`; the others may be NULL.
 * Returns: as `oxb_config_handle`.
 */
oxb_status oxb_config_handle_inline(struct oxb_config *config,
                                    const char *pattern,
                                    oxb_handler handler,
                                    void *user_data,
                                    oxb_drop drop,
                                    struct oxb_error **error);

/**
 * Puts the exchanges of requests that `pattern` matches into a queue, from which `oxb_server_next` takes
 * them, with `user_data`: no callback, for languages in which one is dear.
 *
 * Ownership: as `oxb_config_handle`.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG` for `config` and `pattern`; the others may be NULL.
 * Returns: as `oxb_config_handle`.
 */
oxb_status oxb_config_handle_queue(struct oxb_config *config,
                                   const char *pattern,
                                   void *user_data,
                                   oxb_drop drop,
                                   struct oxb_error **error);

/**
 * Serves the files below a directory: types, ETag, conditional requests, ranges, `index.html`; no
 * listings, no hidden ways out of the directory. `pattern` ends in a wildcard such as `{path...}`, whose
 * value names the file, or has no wildcards and ends in `/`, and what follows it names the file.
 *
 * Ownership: `pattern` and `directory` are copied; `error` is written on failure, and the caller's to
 * free.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`; `error` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_PATTERN`; `OXB_ERR_NOT_FOUND`: no such directory; `OXB_ERR_ARG`.
 */
oxb_status oxb_config_serve_dir(struct oxb_config *config,
                                const char *pattern,
                                const char *directory,
                                struct oxb_error **error);

/**
 * How many event loops the server has, each with threads of its own: one for each processor that it may
 * use. Default 1; a driven server has one in any case.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0 and past 1024.
 */
oxb_status oxb_config_reactors(struct oxb_config *config,
                               uint32_t count);

/**
 * How many callbacks of one event loop may block at the same time. Threads are made as they are needed.
 * Default 200.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
 */
oxb_status oxb_config_threads(struct oxb_config *config,
                              uint32_t count);

/**
 * How many requests may wait for a thread of an event loop, and how many for `oxb_server_next`; past it
 * clients get 503 with Retry-After. Default 1024.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for 0.
 */
oxb_status oxb_config_queue(struct oxb_config *config,
                            uint32_t exchanges);

/**
 * Whether the host drives the server, from its own threads and its own loop: see `oxb_server_turn`. Such
 * a server has no threads, and nothing on its exchanges waits. Default false.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_driven(struct oxb_config *config,
                             bool on);

/**
 * Serves HTTPS on every address, with HTTP/2 by ALPN: certificate chain (the server's own certificate
 * first) and private key in PEM files. They are read by `oxb_server_start`, and again by
 * `oxb_server_reload_tls`.
 *
 * Ownership: the paths are copied.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_tls_files(struct oxb_config *config,
                                const char *chain,
                                const char *key);

/**
 * As `oxb_config_tls_files`, from memory.
 *
 * Ownership: `chain` and `key` are copied.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_tls_pem(struct oxb_config *config,
                              struct oxb_bytes chain,
                              struct oxb_bytes key);

/**
 * The authorities whose client certificates are accepted, in a PEM file, read as the certificate is.
 * Client certificates are then required, unless `oxb_config_tls_client_auth` says otherwise.
 *
 * Ownership: `path` is copied.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_tls_client_ca_file(struct oxb_config *config,
                                         const char *path);

/**
 * As `oxb_config_tls_client_ca_file`, from memory.
 *
 * Ownership: `pem` is copied.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`.
 */
oxb_status oxb_config_tls_client_ca_pem(struct oxb_config *config, struct oxb_bytes pem);

/**
 * What is asked of clients: one of `oxb_client_auth`.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for a policy that is none.
 */
oxb_status oxb_config_tls_client_auth(struct oxb_config *config, int32_t policy);

/**
 * The oldest version that is spoken: one of `oxb_tls_version`. Default TLS 1.2.
 *
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for a version that is none.
 */
oxb_status oxb_config_tls_min_version(struct oxb_config *config, int32_t version);

/**
 * The protocols that are offered by ALPN (RFC 7301), most wanted first, in place of `h2`, `http/1.1` and
 * `http/1.0`. None at all switches ALPN off; clients then speak HTTP/1.1.
 *
 * Ownership: `protocols` and what it points to are copied.
 * Threads: one thread at a time for one config.
 * NULL: `OXB_ERR_ARG`; `protocols` may be NULL if `count` is 0.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` also for a protocol of no bytes or more than 255.
 */
oxb_status oxb_config_tls_alpn(struct oxb_config *config,
                               const struct oxb_bytes *protocols,
                               size_t count);

/**
 * How many exchanges are alive in this process, of all servers: begun, and not ended. For programs that
 * look for leaks.
 *
 * Threads: any thread.
 * Returns: the number; in a forked process, of its own.
 */
uint64_t oxb_live_exchanges(void);

/**
 * Keeps the exchange alive after its callback has returned. It must be ended later, by any thread:
 * with `oxb_exchange_end`, `_reply`, `_refuse` or `_abort`. Another thread may get the handle before
 * or after this call, but must not end the exchange before it.
 *
 * Without it, an exchange ends when its callback returns: as `oxb_exchange_end` if anything of the
 * response was set or written, else with status 500.
 *
 * Where the library has threads of its own, calls on a deferred exchange may wait, also when its route
 * is an inline one; not inside a callback of an inline route, though.
 *
 * Threads: inside the callback that got this exchange, on its thread.
 * Returns: `OXB_OK`; `OXB_ERR_STALE`; `OXB_ERR_STATE` outside that callback, and the second time.
 */
oxb_status oxb_exchange_defer(oxb_exchange exchange);

/**
 * Ends the exchange: the response is whole. Without a Content-Length a short one gets it now.
 *
 * Ownership: the exchange ends; its handle is stale and what was borrowed from it is gone, also when
 * this fails after `OXB_ERR_STALE` and `OXB_ERR_BUSY` are ruled out.
 * Threads: any thread.
 * Returns: `OXB_OK`; `OXB_ERR_LENGTH`: less was written than Content-Length says, and the client sees a
 * response that was cut off; `OXB_ERR_BAD_HEADER`: Content-Length is no number, and the client gets 500;
 * `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_end(oxb_exchange exchange);

/**
 * Ends the exchange with a failure: `status` and its reason as text if nothing was sent yet, else an end
 * that the client can tell from a whole one.
 *
 * `status` is 400 to 599.
 *
 * Ownership: the exchange ends, as with `oxb_exchange_end`; not after `OXB_ERR_BAD_STATUS`.
 * Threads: any thread.
 * Returns: `OXB_OK`, `OXB_ERR_BAD_STATUS`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_refuse(oxb_exchange exchange,
                               uint16_t status);

/**
 * Gives the response up: status 500 if nothing was sent yet, else an end that the client can tell from a
 * whole one (a connection, or an HTTP/2 stream, that is cut).
 *
 * Ownership: the exchange ends, as with `oxb_exchange_end`.
 * Threads: any thread.
 * Returns: `OXB_OK`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_abort(oxb_exchange exchange);

/**
 * Answers in one call: status, Content-Type, body, end. For languages in which calls are dear.
 *
 * Headers that were set before are sent too. `status` is 200 to 999.
 *
 * Ownership: `content_type` and `body` are borrowed until this returns; `body` may be borrowed from this
 * very exchange. The exchange ends, also when this fails, after `OXB_ERR_STALE`, `OXB_ERR_BUSY` and
 * `OXB_ERR_FORKED` are ruled out: the client then gets 500, or a response that was cut off.
 * Threads: any thread.
 * NULL: without a `content_type` it stays as it was set, or is derived from the body; `body.data` may be
 * NULL if its length is 0, else `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_BAD_STATUS`,
 * `OXB_ERR_BAD_HEADER`, `OXB_ERR_NO_BODY`, `OXB_ERR_LENGTH`, `OXB_ERR_LIMIT`, `OXB_ERR_GONE`,
 * `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_reply(oxb_exchange exchange,
                              uint16_t status,
                              const char *content_type,
                              struct oxb_bytes body);

/**
 * Whether the client has gone, so that nobody will read what is written.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_is_gone(oxb_exchange exchange, bool *out);

/**
 * Asks to be told, once, when something has come about: `OXB_EVENT_READABLE` (a read would not wait:
 * there are bytes, the end, or an error), `OXB_EVENT_WRITABLE` (a write would not wait),
 * `OXB_EVENT_GONE` (the client has gone). For exchanges that must not wait, and for long answers.
 *
 * `kinds` is one of them or several, by `|`. An exchange has one notification at a time: a new one takes
 * the place of the old one, whose `drop` runs. When the exchange ends first, only `drop` runs. It does
 * not defer the exchange: that is `oxb_exchange_defer`'s.
 *
 * Ownership: `user_data` is kept until the callback has returned or the exchange has ended; `drop` runs
 * exactly once, also on failure. With a NULL `callback` it goes into an `oxb_event`, and is the caller's
 * again when `oxb_server_next` hands that out: `drop` runs only if it never does.
 * Threads: any thread.
 * NULL: a NULL `callback` asks for an event; `user_data` and `drop` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` for no kind, or one that is none; `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_exchange_notify(oxb_exchange exchange,
                               uint32_t kinds,
                               oxb_notify callback,
                               void *user_data,
                               oxb_drop drop);

/**
 * The status that the failed call returned.
 *
 * Ownership: `error` is borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: the status.
 */
oxb_status oxb_error_status(const struct oxb_error *error);

/**
 * What went wrong: one sentence, which names what came and what was wanted.
 *
 * Ownership: the text is borrowed until `oxb_error_free`.
 * Threads: any thread.
 * NULL: an empty text.
 * Returns: NUL-terminated UTF-8, never NULL.
 */
const char *oxb_error_message(const struct oxb_error *error);

/**
 * The operating system's number for it (`errno`), or 0 where there is none.
 *
 * Ownership: `error` is borrowed until this returns.
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number.
 */
int32_t oxb_error_os(const struct oxb_error *error);

/**
 * Frees an error.
 *
 * Ownership: `error` is taken.
 * Threads: any thread.
 * NULL: nothing happens.
 */
void oxb_error_free(struct oxb_error *error);

/**
 * Sets who gets the log of the whole process, in place of whoever got it before. Without a callback,
 * as at the beginning, the log is dropped: the library never writes to standard output or error.
 *
 * `level` is the least important one that is wanted, one of `oxb_log_level`.
 *
 * Ownership: `user_data` is kept until another callback is set; `drop` runs exactly once, also on
 * failure, when the last line is through. Like the callback, this one must call nothing of the library.
 * Threads: any thread.
 * NULL: a NULL `log` sets none, and `drop` runs at once; `user_data` and `drop` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_ARG` for a level that is none; `OXB_ERR_STATE` when the program has a
 * log of its own (a Rust program that links this library and has a subscriber of `tracing`).
 */
oxb_status oxb_log_set(int32_t level,
                       oxb_log log,
                       void *user_data,
                       oxb_drop drop);

/**
 * The method, such as `GET`: a case-sensitive token (RFC 9110 §9.1).
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_method(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * The request target as the client wrote it (RFC 9112 §3.2); path and query in HTTP/2.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_target(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * The path of the target, percent-decoded: any bytes, also NUL and what is not UTF-8. For a decision
 * about access compare the pattern or the path values, not parts of this.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_path(oxb_exchange exchange,
                            struct oxb_bytes *out);

/**
 * What the wildcard `name` of the route's pattern stands for, percent-decoded: `id` of `/users/{id}`. Any
 * bytes, as in `oxb_request_path`.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: the pattern has no such wildcard; `OXB_ERR_ARG`,
 * `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_path_value(oxb_exchange exchange,
                                  struct oxb_bytes name,
                                  struct oxb_bytes *out);

/**
 * The pattern that the request matched, as it was registered.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_pattern(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * What follows the `?` of the target, undecoded; empty if nothing does.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_query(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * The first parameter of that name in the query, decoded: `+` is a space, and `%` escapes are bytes;
 * what is not UTF-8 then becomes U+FFFD.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_query_value(oxb_exchange exchange,
                                   struct oxb_bytes name,
                                   struct oxb_bytes *out);

/**
 * The parameter of the query at `index`, from 0 on, in the order in which they came; decoded as in
 * `oxb_request_query_value`.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_query_at(oxb_exchange exchange, size_t index, struct oxb_field *out);

/**
 * The host that the client asked for, with its port if it gave one; empty if it named none, which only
 * HTTP/1.0 may.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_host(oxb_exchange exchange,
                            struct oxb_bytes *out);

/**
 * `https` or `http`: whether this connection is encrypted, whatever a proxy says.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_scheme(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * The protocol: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_protocol(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * The address of the other end, the client or a proxy before it: `127.0.0.1:40112`, `[::1]:40112`, or
 * `unix:` and the path that the client is bound to, if it is.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_remote(oxb_exchange exchange,
                              struct oxb_bytes *out);

/**
 * The address that the server listens on, as `oxb_config_listen` reads it.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_local(oxb_exchange exchange, struct oxb_bytes *out);

/**
 * How long the body is, if the client said so; 0 where there is none.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: the client did not say; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_content_length(oxb_exchange exchange, uint64_t *out);

/**
 * Reads some of the body: at most `capacity` bytes, at least one unless the body has ended. Waits for
 * the client, and lets others be served meanwhile. What is not read stays with the client.
 *
 * Ownership: `buffer` is borrowed until this returns; `count` is written on success: 0 at the end.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`; `buffer` may be NULL if `capacity` is 0.
 * Returns: `OXB_OK`; `OXB_ERR_WOULD_BLOCK` where it must not wait (an inline callback, a driven server):
 * see `oxb_exchange_notify`; `OXB_ERR_GONE`, `OXB_ERR_TIMEOUT`, `OXB_ERR_TOO_LARGE` and
 * `OXB_ERR_MALFORMED`, which every later read of this body returns too; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_read(oxb_exchange exchange,
                            void *buffer,
                            size_t capacity,
                            size_t *count);

/**
 * Reads what is left of the body, all of it, into memory: `OXB_LIMIT_WHOLE_BODY` bounds it. Waits as
 * `oxb_request_read` does. Called again, it gives the same bytes.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: as `oxb_request_read`. After `OXB_ERR_WOULD_BLOCK` nothing is lost: what has arrived is
 * given by the call that succeeds.
 */
oxb_status oxb_request_body(oxb_exchange exchange,
                            struct oxb_bytes *out);

/**
 * The trailer field of that name, which came after the body (RFC 9110 §6.5); known once the body has
 * been read to its end.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_trailer(oxb_exchange exchange,
                               struct oxb_bytes name,
                               struct oxb_bytes *out);

/**
 * The first header field of that name; names are compared without regard to case.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_header(oxb_exchange exchange,
                              struct oxb_bytes name,
                              struct oxb_bytes *out);

/**
 * The header field of that name which comes as number `n`, from 0 on, among those of the name.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_header_nth(oxb_exchange exchange,
                                  struct oxb_bytes name,
                                  size_t n,
                                  struct oxb_bytes *out);

/**
 * How many header fields the request has.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_header_count(oxb_exchange exchange, size_t *out);

/**
 * The header field at `index`, from 0 on. Names are in lower case; fields of one name stand together, in
 * the order in which they came.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_header_at(oxb_exchange exchange,
                                 size_t index,
                                 struct oxb_field *out);

/**
 * The facts of the TLS session that the request came through.
 *
 * `size` is `sizeof(oxb_tls_info)`, so that a later library knows how much of it the program has.
 *
 * Ownership: the first `size` bytes of `out` are written on success; what they point to is borrowed
 * until the exchange ends.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` without TLS; `OXB_ERR_ARG`, also for a size that no version of
 * the library had; `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_request_tls(oxb_exchange exchange,
                           struct oxb_tls_info *out,
                           size_t size);

/**
 * Sets the status, 200 to 999; without it, it is 200.
 *
 * Threads: any thread.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_STATUS`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_set_status(oxb_exchange exchange,
                                   uint16_t status);

/**
 * Sends an informational response now, with the headers that are set so far: 103 Early Hints (RFC 8297),
 * for example. `status` is 100 to 199, but not 101. HTTP/1.0 and HTTP/2 clients are not sent any.
 *
 * Threads: any thread.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_STATUS`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_inform(oxb_exchange exchange,
                               uint16_t status);

/**
 * Writes a piece of the body: all of it, or nothing and the status says why. The first 32 KiB wait for
 * the end, so that a short response gets a Content-Length; a longer one streams. Where the client is
 * slow this waits for it, and lets others be served meanwhile; where it must not wait, the bytes are
 * queued (`OXB_EVENT_WRITABLE` says when there is room).
 *
 * Ownership: `data` is borrowed until this returns.
 * Threads: any thread.
 * NULL: `data` may be NULL if `len` is 0, else `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_GONE`: the client has left, or took nothing for
 * `OXB_LIMIT_WRITE_TIMEOUT`; `OXB_ERR_NO_BODY` after status 204 or 304; `OXB_ERR_LENGTH` past a
 * Content-Length; `OXB_ERR_BAD_HEADER`: Content-Length is no number; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_write(oxb_exchange exchange,
                              const void *data,
                              size_t len);

/**
 * Sends what has been written so far, now; the head too, after which status and headers stay as they are.
 *
 * Threads: any thread.
 * Returns: `OXB_OK`; `OXB_ERR_GONE`; `OXB_ERR_BAD_HEADER`: Content-Length is no number; `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_flush(oxb_exchange exchange);

/**
 * The status that will be sent, or was.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_status(oxb_exchange exchange, uint16_t *out);

/**
 * How many bytes of the body have been written.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_written(oxb_exchange exchange, uint64_t *out);

/**
 * Whether the head has been sent, so that status and headers no longer change.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_head_sent(oxb_exchange exchange, bool *out);

/**
 * Forgets status, headers, trailers and what was written, as long as nothing was sent: for a handler
 * that starts anew, with an error page for example.
 *
 * Threads: any thread.
 * Returns: `OXB_OK`; `OXB_ERR_STATE` after the head was sent; `OXB_ERR_STALE`, `OXB_ERR_BUSY`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_reset(oxb_exchange exchange);

/**
 * Writes `length` bytes of an open regular file, from `offset` on, as a piece of the body. Sets no
 * header. At most 64 KiB of it are in memory at once, however large it is and however slow the client:
 * this waits as `oxb_response_write` does, or leaves the rest to the server where it must not wait. The
 * file's own position is neither used nor moved.
 *
 * Ownership: `fd` is borrowed until this returns; a duplicate is kept for as long as it is needed.
 * Threads: any thread.
 * Returns: as `oxb_response_write`; `OXB_ERR_ARG`: `fd` is not open; `OXB_ERR_IO`: it cannot be read, or
 * it ended early, and then the response should be aborted.
 */
oxb_status oxb_response_write_fd(oxb_exchange exchange,
                                 int fd,
                                 uint64_t offset,
                                 uint64_t length);

/**
 * Answers the request with a file: Content-Type from its name, Last-Modified, ETag, conditional requests
 * (RFC 9110 §13) and ranges (§14); GET and HEAD only, 405 to others. A Content-Type or ETag that was set
 * before stays. It does not end the exchange. `path` is taken as it is: what comes from a client must
 * be checked, which `oxb_config_serve_dir` does.
 *
 * Ownership: `path` is borrowed until this returns; `error` is written on failure, and the caller's to
 * free.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG` for `path`; `error` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: no regular file is there, and nothing was written, so
 * `oxb_exchange_refuse(exchange, 404)` is a fitting answer; `OXB_ERR_IO`: it cannot be opened or read;
 * `OXB_ERR_STATE` after the head was sent; `OXB_ERR_GONE`, `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_send_file(oxb_exchange exchange,
                                  const char *path,
                                  struct oxb_error **error);

/**
 * Sets a header field, in place of those of the same name. `Transfer-Encoding` and `Connection` are the
 * server's own; a `Content-Length` is checked against what is written.
 *
 * Ownership: `name` and `value` are borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`, unless the length is 0.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_STATE` after
 * the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_set_header(oxb_exchange exchange,
                                   struct oxb_bytes name,
                                   struct oxb_bytes value);

/**
 * Adds a header field, beside those of the same name.
 *
 * Ownership: `name` and `value` are borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`, unless the length is 0.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_STATE` after
 * the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_add_header(oxb_exchange exchange,
                                   struct oxb_bytes name,
                                   struct oxb_bytes value);

/**
 * Deletes the header fields of that name, if there are any.
 *
 * Ownership: `name` is borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`, unless the length is 0.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`: no field can have that name; `OXB_ERR_STATE` after the head
 * was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_delete_header(oxb_exchange exchange,
                                      struct oxb_bytes name);

/**
 * The first header field of that name that was set.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed
 * until the next call on the exchange.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`, also after the head was sent; `OXB_ERR_ARG`, `OXB_ERR_STALE`,
 * `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_get_header(oxb_exchange exchange,
                                   struct oxb_bytes name,
                                   struct oxb_bytes *out);

/**
 * Sets a field to send after the body (RFC 9110 §6.5): in HTTP/2, and in chunked HTTP/1.1 responses to
 * clients that said `TE: trailers`, when a `Trailer` header names it. To be called before the end.
 *
 * Ownership: `name` and `value` are borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`, unless the length is 0.
 * Returns: `OXB_OK`; `OXB_ERR_BAD_HEADER`; `OXB_ERR_LIMIT`: there are too many; `OXB_ERR_ARG`,
 * `OXB_ERR_STALE`, `OXB_ERR_BUSY`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_response_set_trailer(oxb_exchange exchange,
                                    struct oxb_bytes name,
                                    struct oxb_bytes value);

/**
 * Starts a server: binds its addresses and starts its threads (a driven one has none).
 *
 * Ownership: `config` is taken, also on failure, when the `drop` functions of its routes run. `out` is
 * written on success: the server is the caller's, until `oxb_server_free`. `error` is written on failure,
 * and the caller's to free.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG` for `config` and `out`; `error` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_BIND`; `OXB_ERR_TLS`; `OXB_ERR_IO`: the system gives no event loop or
 * thread; `OXB_ERR_ARG`, also when the config listens nowhere.
 */
oxb_status oxb_server_start(struct oxb_config *config,
                            struct oxb_server **out,
                            struct oxb_error **error);

/**
 * Stops a server at once and frees it. It waits for callbacks that run (`oxb_server_stop` before it gives
 * them time, and bounds the wait). Then no callback runs any more, every `drop` function has run, and the
 * handles of its exchanges are stale, deferred ones too.
 *
 * Inside a callback of the server it does not wait: what is left goes when that callback has returned; of
 * a driven server, when the call that takes the turn (`oxb_server_turn`, `_wait` or `_stop`) returns.
 *
 * Ownership: `server` is taken. In a process that was forked from the one that started it, nothing is
 * freed: the memory goes with the process.
 * Threads: any thread; nobody may use the server meanwhile or afterwards.
 * NULL: nothing happens.
 */
void oxb_server_free(struct oxb_server *server);

/**
 * Starts to stop, and returns at once: no new connections, what runs may finish, HTTP/2 clients are told
 * by GOAWAY. What has not finished after `grace_ms` milliseconds is cut. A later call may shorten the
 * time, not lengthen it.
 *
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_begin_stop(struct oxb_server *server,
                                 uint64_t grace_ms);

/**
 * Stops, as `oxb_server_begin_stop`, and waits until it has: at most `grace_ms` milliseconds and a
 * moment. The turns of a driven server are taken meanwhile.
 *
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_TIMEOUT`: a callback still runs, whose thread ends when it does;
 * `OXB_ERR_IN_CALLBACK`: in a callback of this server, or an inline one of any: the stop has begun, but
 * cannot be waited for here; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_stop(struct oxb_server *server,
                           uint64_t grace_ms);

/**
 * Waits until the server has stopped, at most `timeout_ms` milliseconds (`OXB_FOREVER`: without end). The
 * turns of a driven server are taken meanwhile: this is its simplest loop.
 *
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_TIMEOUT`; `OXB_ERR_IN_CALLBACK`: in a callback of this server, or an inline
 * one of any; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_wait(struct oxb_server *server,
                           uint64_t timeout_ms);

/**
 * Reads certificate and key again; connections that come afterwards get them.
 *
 * Ownership: `error` is written on failure, and the caller's to free.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`; `error` may be NULL.
 * Returns: `OXB_OK`, also without TLS; `OXB_ERR_TLS`: the old ones stay in force; `OXB_ERR_ARG`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_reload_tls(struct oxb_server *server, struct oxb_error **error);

/**
 * Takes a turn of a driven server (`oxb_config_driven`) on the calling thread: drives its connections
 * until callbacks have run and their answers are on their way, or until the watched descriptor is
 * readable, `oxb_server_wake` is called, or `timeout_ms` milliseconds are over (0: does what is ready;
 * negative: without end).
 *
 * Ownership: `out`, if not NULL, is written on success: what came about, `OXB_TURN_…` by `|`, 0 if
 * nothing did in time.
 * Threads: one thread at a time for one server; not always the same.
 * NULL: `OXB_ERR_ARG` for `server`; `out` may be NULL.
 * Returns: `OXB_OK`; `OXB_ERR_BUSY`: another thread takes a turn; `OXB_ERR_IN_CALLBACK`: in a callback
 * that a turn has called; `OXB_ERR_STATE`: the server is not driven; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_turn(struct oxb_server *server,
                           int64_t timeout_ms,
                           uint32_t *out);

/**
 * Makes turns of a driven server end when `fd` is readable too: the descriptor of the host's own event
 * loop (epoll, kqueue, libuv's backend), so that one call waits for both. Negative: none.
 *
 * Ownership: `fd` is borrowed until this returns; a duplicate is kept.
 * Threads: one thread at a time for one server, as for turns.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_IO`: it cannot be watched (a regular file, for example, or not open);
 * `OXB_ERR_BUSY`, `OXB_ERR_IN_CALLBACK`, `OXB_ERR_STATE` as `oxb_server_turn`; `OXB_ERR_ARG`,
 * `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_watch(struct oxb_server *server,
                            int fd);

/**
 * Ends the turn under way on another thread, or the next one; and one call of `oxb_server_next` that
 * waits, or the next one.
 *
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_wake(struct oxb_server *server);

/**
 * Takes events out of the queue: exchanges of routes that were added with `oxb_config_handle_queue`, and
 * notifications without a callback. Waits for the first one at most `timeout_ms` milliseconds (0: not
 * at all; negative: without end), and takes as many as are there, up to `capacity`.
 *
 * Ownership: `events` is borrowed until this returns, `*count` of them are written; `count` is written
 * on success. The exchanges are the caller's to end.
 * Threads: any thread, also several at once.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`, with at least one event, or with none after `oxb_server_wake`; `OXB_ERR_TIMEOUT`;
 * `OXB_ERR_STOPPED`: the server has stopped and the queue is empty; `OXB_ERR_IN_CALLBACK`: a call that
 * may wait, in a callback; `OXB_ERR_ARG`, also for a `capacity` of 0; `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_next(struct oxb_server *server,
                           struct oxb_event *events,
                           size_t capacity,
                           int64_t timeout_ms,
                           size_t *count);

/**
 * A descriptor that is readable while events wait in the queue, and once the server has stopped: for
 * `poll`, or an event loop, which then calls `oxb_server_next` with a timeout of 0.
 *
 * Ownership: `out` is written on success. The descriptor is the library's until `oxb_server_free`: it is
 * not to be read, written or closed.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_STATE`: this platform has none (`oxb_has_feature("queue_fd")`);
 * `OXB_ERR_IO`: the system gives none; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_queue_fd(struct oxb_server *server,
                               int *out);

/**
 * How many addresses the server listens on: a name with several addresses counts each.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number; 0 in a forked process.
 */
size_t oxb_server_address_count(const struct oxb_server *server);

/**
 * The address at `index`, from 0 on, as `oxb_config_listen` reads it, with the port that the system
 * chose: `127.0.0.1:40123`.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until `oxb_server_free`.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND` past the last one; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_address(const struct oxb_server *server, size_t index, struct oxb_bytes *out);

/**
 * The port of the first TCP address.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: it listens on no TCP port; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_port(const struct oxb_server *server,
                           uint16_t *out);

/**
 * The URL of the first TCP address: `http://127.0.0.1:40123`. An unspecified address is written as a
 * loopback one, which reaches it.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until `oxb_server_free`.
 * Threads: any thread.
 * NULL: `OXB_ERR_ARG`.
 * Returns: `OXB_OK`; `OXB_ERR_NOT_FOUND`: it listens on no TCP port; `OXB_ERR_ARG`, `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_url(const struct oxb_server *server,
                          struct oxb_bytes *out);

/**
 * How many connections are open.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number; 0 in a forked process.
 */
uint64_t oxb_server_connections(const struct oxb_server *server);

/**
 * How many exchanges are alive: begun, and not ended.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number; 0 in a forked process.
 */
uint64_t oxb_server_exchanges(const struct oxb_server *server);

/**
 * As `oxb_config_handle`, for a server that runs, from the next request on.
 *
 * Ownership: `pattern` is copied; `user_data` is kept until the server is freed and no callback runs any
 * more; `drop` runs exactly once, also on failure. `error` is written on failure, and the caller's to
 * free.
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG` for `server`, `pattern` and `handler`; the others may be NULL.
 * Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_handle(struct oxb_server *server,
                             const char *pattern,
                             oxb_handler handler,
                             void *user_data,
                             oxb_drop drop,
                             struct oxb_error **error);

/**
 * As `oxb_config_handle_inline`, for a server that runs, from the next request on.
 *
 * Ownership: as `oxb_server_handle`.
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG` for `server`, `pattern` and `handler`; the others may be NULL.
 * Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_handle_inline(struct oxb_server *server,
                                    const char *pattern,
                                    oxb_handler handler,
                                    void *user_data,
                                    oxb_drop drop,
                                    struct oxb_error **error);

/**
 * As `oxb_config_handle_queue`, for a server that runs, from the next request on.
 *
 * Ownership: as `oxb_server_handle`.
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG` for `server` and `pattern`; the others may be NULL.
 * Returns: as `oxb_config_handle`; `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_handle_queue(struct oxb_server *server,
                                   const char *pattern,
                                   void *user_data,
                                   oxb_drop drop,
                                   struct oxb_error **error);

/**
 * As `oxb_config_serve_dir`, for a server that runs, from the next request on.
 *
 * Ownership: `pattern` and `directory` are copied; `error` is written on failure, and the caller's to
 * free.
 * Threads: any thread, also inside callbacks.
 * NULL: `OXB_ERR_ARG`; `error` may be NULL.
 * Returns: as `oxb_config_serve_dir`; `OXB_ERR_FORKED`.
 */
oxb_status oxb_server_serve_dir(struct oxb_server *server,
                                const char *pattern,
                                const char *directory,
                                struct oxb_error **error);

/**
 * Says what a status means, in a few words.
 *
 * Ownership: the text is the library's, valid for ever.
 * Threads: any thread.
 * Returns: NUL-terminated UTF-8, never NULL; `"unknown status"` for a number that is none.
 */
const char *oxb_strerror(int32_t status);

/**
 * The version of the library as one number that grows: `major << 16 | minor << 8 | patch`, as
 * `OXB_VERSION_NUMBER` is for the header.
 *
 * Threads: any thread.
 * Returns: the number.
 */
uint32_t oxb_version(void);

/**
 * The version of the library as text, such as `"0.1.0"`.
 *
 * Ownership: the text is the library's, valid for ever.
 * Threads: any thread.
 * Returns: NUL-terminated UTF-8, never NULL.
 */
const char *oxb_version_string(void);

/**
 * Whether a program that was compiled with this header can use the library that it has met at run time:
 * `oxb_abi_check(OXB_ABI)`.
 *
 * Threads: any thread.
 * Returns: `OXB_OK` or `OXB_ERR_ABI`.
 */
oxb_status oxb_abi_check(uint32_t abi);

/**
 * Whether the library has a feature: `"http1"`, `"http2"`, `"tls"`, `"unix"` (Unix sockets), `"systemd"`
 * (socket activation), `"driven"` (`oxb_server_turn`), `"queue"` (`oxb_server_next`), `"queue_fd"`.
 *
 * Ownership: `name` is borrowed until this returns.
 * Threads: any thread.
 * NULL: false.
 * Returns: true if it has; false for a name that it does not know.
 */
bool oxb_has_feature(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OXBRIDGE_H */

#ifndef OXBRIDGE_STR
#define OXBRIDGE_STR

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The bytes of a C string, without its NUL.
 *
 * Ownership: `text` is borrowed, for as long as the result is used.
 * Threads: any thread.
 * NULL: no bytes.
 * Returns: the bytes.
 */
static inline oxb_bytes oxb_str(const char *text) {
    oxb_bytes bytes;
    bytes.data = (const uint8_t *)(const void *)text;
    bytes.len = text ? strlen(text) : 0;
    return bytes;
}

#ifdef __cplusplus
}
#endif

#endif /* OXBRIDGE_STR */
