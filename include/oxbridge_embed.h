/*
 * oxbridge_embed.h: Python inside programs in C, Go and every language that speaks C.
 *
 * Made from the library's source. Licence: MIT or Apache-2.0, as you choose.
 *
 *     oxe_options_new(&options);
 *     oxe_options_path(options, ".");
 *     oxe_options_request(options, "worker", "answer");
 *     oxe_python_start(options, &python, &error);
 *     oxe_request_new(&request);
 *     oxe_request_path(request, oxe_str("/hello"));
 *     oxe_python_call(python, request, &response, &error);
 *     oxe_response_body(response, &body);
 *
 * Every function says what it does with pointers, which threads may call it, what NULL means to it, and
 * what it returns, always in the same words:
 *
 * - Ownership. "Borrowed until this returns": the library keeps no pointer to it. "Copied": neither.
 *   "Taken": it is the library's from here on, also on failure. "Borrowed until oxe_..._free": the
 *   library's memory, which the program may read until then. Output parameters are written on success
 *   only, except `error`, which is written on failure only; `error` may always be NULL.
 * - Threads. "Any thread" means also several at once, and threads that Python knows nothing of. What a
 *   function waits for, it waits for outside Python.
 * - NULL never crashes. Where the text says OXE_ERR_ARG, that is what a NULL pointer gives.
 * - Returns. OXE_OK is 0, every error is negative, numbers never change. Any function may also return
 *   OXE_ERR_PANIC, which is a fault of the library's own.
 *
 * Objects are pointers, freed by the function that says so. A call that is under way is a number
 * (`oxe_call`), as its end comes by itself: a stale, doubled or forged one is OXE_ERR_STALE.
 *
 * Python functions run on threads of the library; callbacks on another one, outside Python. The library
 * has no signal handlers and changes none, Python's modules included. So a program ignores SIGPIPE
 * itself: Python functions that write to a closed socket would end it. A function of its own is called
 * when the process exits (atexit), for what Python does at its end, and takes little over five seconds
 * at most: `oxe_finish` does that at a better moment. It must not be unloaded (dlclose does nothing).
 *
 * After fork without exec the child has none of the threads that Python needs: every function that needs
 * them gives OXE_ERR_FORKED (those that return a count: 0), touches nothing and frees nothing.
 */


#ifndef OXBRIDGE_EMBED_H
#define OXBRIDGE_EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/** The version of this header as one number that grows. */
#define OXE_VERSION_NUMBER \
    ((OXE_VERSION_MAJOR << 16) | (OXE_VERSION_MINOR << 8) | OXE_VERSION_PATCH)

/** Whether this header is of that version, or a later one: for the preprocessor. */
#define OXE_VERSION_AT_LEAST(major, minor, patch) \
    (OXE_VERSION_NUMBER >= (((major) << 16) | ((minor) << 8) | (patch)))

/**
 * For a time in milliseconds: without end.
 */
#define OXE_FOREVER UINT64_MAX

/**
 * For `oxe_options_body`: a request's body is a `str`.
 */
#define OXE_BODY_TEXT 0

/**
 * For `oxe_options_body`: a request's body is `bytes`.
 */
#define OXE_BODY_BYTES 1

/**
 * The major version that this header belongs to.
 */
#define OXE_VERSION_MAJOR 0

/**
 * The minor version that this header belongs to.
 */
#define OXE_VERSION_MINOR 1

/**
 * The patch level that this header belongs to.
 */
#define OXE_VERSION_PATCH 0

/**
 * The number of the binary interface, which is also in the SONAME (`liboxbridge_embed.so.1`). It goes up
 * when a program has to be compiled anew.
 */
#define OXE_ABI 1

/**
 * What came of a call: `OXE_OK`, which is 0, or what went wrong, which is negative. A number never
 * changes its meaning; later versions may add some.
 */
enum oxe_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done.
     */
    OXE_OK = 0,
    /**
     * An argument is NULL, out of range or malformed.
     */
    OXE_ERR_ARG = -1,
    /**
     * The handle is no call's: its answer is there, it has been cancelled, or it never was one.
     */
    OXE_ERR_STALE = -2,
    /**
     * As many calls wait as may (`oxe_options_queue`).
     */
    OXE_ERR_BUSY = -3,
    /**
     * Python has been stopped, or has finished in this process.
     */
    OXE_ERR_STOPPED = -4,
    /**
     * The time is over.
     */
    OXE_ERR_TIMEOUT = -5,
    /**
     * The call has been cancelled.
     */
    OXE_ERR_CANCELLED = -6,
    /**
     * An exception that nobody has caught; `oxe_error_exception` and `oxe_error_traceback` say which.
     */
    OXE_ERR_PYTHON = -7,
    /**
     * A function has returned something of another shape than it must.
     */
    OXE_ERR_ANSWER = -8,
    /**
     * The module has no such function.
     */
    OXE_ERR_MISSING = -9,
    /**
     * What the module has under this name cannot be called.
     */
    OXE_ERR_NOT_CALLABLE = -10,
    /**
     * The function has been started already, and what was started is not stopped.
     */
    OXE_ERR_STARTED = -11,
    /**
     * The interpreter does not start, or runs with other settings.
     */
    OXE_ERR_INTERPRETER = -12,
    /**
     * There is none: no such route, method, header field.
     */
    OXE_ERR_NOT_FOUND = -13,
    /**
     * A header name or value has a byte that HTTP does not allow (RFC 9110 §5.5).
     */
    OXE_ERR_BAD_HEADER = -14,
    /**
     * The object belongs to the process that this one was forked from.
     */
    OXE_ERR_FORKED = -15,
    /**
     * The header that the program was compiled with does not fit this library.
     */
    OXE_ERR_ABI = -16,
    /**
     * There is no room for more: of calls, of header fields, of threads.
     */
    OXE_ERR_LIMIT = -17,
    /**
     * A fault in the library, or in another one in Rust that Python has called. Please report it.
     */
    OXE_ERR_PANIC = -18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum oxe_status oxe_status;
#else
typedef int32_t oxe_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What went wrong, in words: for a person, beside the status, which is for the program. It does not change, so
 * several threads may read it.
 */
typedef struct oxe_error oxe_error;

/**
 * Which Python function, and how it is called. Opaque: it is changed by the `oxe_options_` functions.
 */
typedef struct oxe_options oxe_options;

/**
 * A Python function that answers requests. Opaque. Any thread may use it until it is freed.
 */
typedef struct oxe_python oxe_python;

/**
 * What a Python function is called with. Opaque: it is changed by the `oxe_request_` functions.
 */
typedef struct oxe_request oxe_request;

/**
 * What a Python function has answered, checked: a server can send it as it is. It does not change, so several
 * threads may read it.
 */
typedef struct oxe_response oxe_response;

/**
 * Takes the answer of a call, or the error that it has got instead: one of them is NULL. Both are the
 * callback's to free, at any time, on any thread.
 *
 * It is called on a thread of the library, which is not in Python: always the same one for one `oxe_python`, one
 * call after the other, in the order of the answers. It may wait, and may call every function of the library;
 * other callbacks wait meanwhile. It must not unwind: no C++ exception and no longjmp out of it. While the process
 * exits it may be called, too, unless `oxe_python_free` came first.
 */
typedef void (*oxe_answer)(struct oxe_response *response, struct oxe_error *error, void *user_data);

/**
 * A call whose callback has not been called yet. A number, never 0.
 */
typedef uint64_t oxe_call;

/**
 * How many calls there are.
 */
typedef struct oxe_load {
    /**
     * Calls that wait for a thread.
     */
    uint64_t waiting;
    /**
     * Calls that run, and that somebody waits for.
     */
    uint64_t running;
    /**
     * Calls that run though they have timed out or been cancelled.
     */
    uint64_t abandoned;
} oxe_load;

/**
 * Bytes that belong to somebody else: a pointer and a length, no NUL needed. A length of 0 permits any
 * pointer, NULL too.
 */
typedef struct oxe_bytes {
    /**
     * The first byte.
     */
    const uint8_t *data;
    /**
     * How many there are.
     */
    size_t len;
} oxe_bytes;

/**
 * A name and its value: a header field.
 */
typedef struct oxe_field {
    /**
     * The name.
     */
    struct oxe_bytes name;
    /**
     * The value.
     */
    struct oxe_bytes value;
} oxe_field;

/**
 * No call.
 */
#define OXE_NO_CALL 0

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Calls the function and waits for its answer.
 *
 * Ownership: `request` is taken, also on failure. `out` is written on success: the response is the caller's to
 * free. `error` is written on failure, and the caller's to free.
 * Threads: any thread. In a callback it keeps other callbacks waiting; in a coroutine function, Python's event
 * loop.
 * NULL: `OXE_ERR_ARG` for `python`, `request` and `out`; `error` may be NULL.
 * Returns: `OXE_OK`; `OXE_ERR_PYTHON`; `OXE_ERR_ANSWER`; `OXE_ERR_TIMEOUT`; `OXE_ERR_BUSY`;
 * `OXE_ERR_STOPPED`; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_call(const struct oxe_python *python,
                           struct oxe_request *request,
                           struct oxe_response **out,
                           struct oxe_error **error);

/**
 * Calls the function, and has `answer` called when the answer is there. Waits for nothing.
 *
 * When it succeeds, `answer` is called exactly once, whatever happens: with the answer, or with an error, which
 * after `oxe_call_cancel` is `OXE_ERR_CANCELLED`. When it fails, `answer` is never called.
 *
 * Ownership: `request` is taken, also on failure. `user_data` goes to `answer` as it is. `out` is written on
 * success, before `answer` is called. `error` is written on failure, and the caller's to free.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG` for `python`, `request` and `answer`; `out`, `error` and `user_data` may be NULL.
 * Returns: `OXE_OK`; `OXE_ERR_BUSY`; `OXE_ERR_STOPPED`; `OXE_ERR_LIMIT`: there are millions of calls, or the
 * system gives no thread; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_begin(const struct oxe_python *python,
                            struct oxe_request *request,
                            oxe_answer answer,
                            void *user_data,
                            oxe_call *out,
                            struct oxe_error **error);

/**
 * Cancels a call. When it succeeds, the callback is called with `OXE_ERR_CANCELLED`. A function that waits
 * never runs then; one that runs can find out by `oxbridge.embed.cancelled()`, and a coroutine's task is
 * cancelled.
 *
 * Threads: any thread, also in callbacks.
 * Returns: `OXE_OK`; `OXE_ERR_STALE`: the call has its answer, or an error, which the callback gets or has
 * got; or there never was such a call; `OXE_ERR_FORKED`.
 */
oxe_status oxe_call_cancel(oxe_call call);

/**
 * The status that the failed call returned.
 *
 * Ownership: `error` is borrowed until this returns.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: the status.
 */
oxe_status oxe_error_status(const struct oxe_error *error);

/**
 * What went wrong: a sentence that names what came and what was wanted; of a Python exception, its type and
 * what it says of itself. A NUL in it is written as `\x00`.
 *
 * Ownership: the text is borrowed until `oxe_error_free`.
 * Threads: any thread.
 * NULL: an empty text.
 * Returns: NUL-terminated UTF-8, never NULL.
 */
const char *oxe_error_message(const struct oxe_error *error);

/**
 * The type of a Python exception, such as `ValueError` or `worker.Refused`.
 *
 * Ownership: the text is borrowed until `oxe_error_free`.
 * Threads: any thread.
 * NULL: an empty text.
 * Returns: NUL-terminated UTF-8, never NULL; empty unless the status is `OXE_ERR_PYTHON`.
 */
const char *oxe_error_exception(const struct oxe_error *error);

/**
 * The traceback of a Python exception, as Python prints it: several lines, causes included.
 *
 * Ownership: the text is borrowed until `oxe_error_free`.
 * Threads: any thread.
 * NULL: an empty text.
 * Returns: NUL-terminated UTF-8, never NULL; empty unless the status is `OXE_ERR_PYTHON`.
 */
const char *oxe_error_traceback(const struct oxe_error *error);

/**
 * Frees an error.
 *
 * Ownership: `error` is taken.
 * Threads: any thread.
 * NULL: nothing happens.
 */
void oxe_error_free(struct oxe_error *error);

/**
 * Makes options. The function that answers requests has to be named; all else has a default.
 *
 * Ownership: `out` is written on success: the options are the caller's, until `oxe_python_start` takes them
 * or `oxe_options_free` frees them.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_new(struct oxe_options **out);

/**
 * Frees options that were not started.
 *
 * Ownership: `options` is taken.
 * Threads: one thread at a time for the same options.
 * NULL: nothing happens.
 */
void oxe_options_free(struct oxe_options *options);

/**
 * Names the function that is called once, at the start, without arguments. It returns routes for the
 * program, `{"route": ["method", ...]}`, or any other `dict[str, list[str]]`: `oxe_python_route`. Two empty
 * texts mean none, which is the default.
 *
 * Ownership: the texts are copied.
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for text that is not UTF-8, or only one that is empty.
 */
oxe_status oxe_options_init(struct oxe_options *options,
                            const char *module,
                            const char *function);

/**
 * Names the function that answers requests. It is called as
 * `function(method, path, params, query, headers, body)`, where `params`, `query` and `headers` are
 * `dict[str, list[str]]`, and returns `(status, body, headers)`: an `int`, a `str` or `bytes`, and a
 * `dict[str, list[str]]`. It may be an `async def`. Dots in its name lead to attributes of classes.
 *
 * Ownership: the texts are copied.
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for text that is empty or not UTF-8.
 */
oxe_status oxe_options_request(struct oxe_options *options,
                               const char *module,
                               const char *function);

/**
 * Uses this virtual environment, whatever the variable `VIRTUAL_ENV` says. It must have been made by the
 * Python version that `oxe_python_version` states.
 *
 * Ownership: `directory` is copied.
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_venv(struct oxe_options *options,
                            const char *directory);

/**
 * Puts a directory first in `sys.path`, before those that earlier calls have put there. The working directory
 * is not in it unless it is put there.
 *
 * Ownership: `directory` is copied.
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_path(struct oxe_options *options,
                            const char *directory);

/**
 * Sets `sys.argv`. Default: `[""]`.
 *
 * Ownership: the texts are copied. `arguments` points to `count` of them; with a count of 0 it may be
 * anything.
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`, also for one of the texts.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_argv(struct oxe_options *options,
                            size_t count,
                            const char *const *arguments);

/**
 * Says whether the process's environment has no say: neither `VIRTUAL_ENV` nor Python's own variables, nor
 * the packages in the user's home directory. Default false.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_isolated(struct oxe_options *options,
                                bool on);

/**
 * Sets how many calls of a plain function may run at the same time, each on a thread. The threads are made
 * when they are needed. Default 200.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
 */
oxe_status oxe_options_threads(struct oxe_options *options,
                               uint32_t count);

/**
 * Sets how many calls of a coroutine function may run at the same time, all on one thread. Default 1000.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
 */
oxe_status oxe_options_tasks(struct oxe_options *options,
                             uint32_t count);

/**
 * Sets how many calls may wait until others have ended; past it they get `OXE_ERR_BUSY`. Default 1024.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
 */
oxe_status oxe_options_queue(struct oxe_options *options,
                             uint32_t calls);

/**
 * Sets how long a call may take, waiting included, before it gets `OXE_ERR_TIMEOUT`: in milliseconds, or
 * `OXE_FOREVER`. Python goes on with what it has begun; what it returns is dropped. Default 30000.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for 0.
 */
oxe_status oxe_options_timeout(struct oxe_options *options,
                               uint64_t timeout_ms);

/**
 * Says what a request's body is in Python: `OXE_BODY_TEXT`, the default, or `OXE_BODY_BYTES`. As text it is
 * UTF-8, and a byte that is none becomes a lone surrogate (`surrogateescape`, PEP 383): none is lost. All
 * else that is text in Python follows that rule whatever the body does.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for another number.
 */
oxe_status oxe_options_body(struct oxe_options *options,
                            uint32_t kind);

/**
 * Says whether files are looked at before calls, a few times a second, and modules that have changed are
 * imported anew, as by `oxe_python_reload`. For development. Default false.
 *
 * Threads: one thread at a time for the same options.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_options_reload(struct oxe_options *options,
                              bool on);

/**
 * Starts Python, unless it runs in this process already; imports the modules; calls the function for the
 * start. It waits for all that.
 *
 * A process has one interpreter. A function that has been started is not started again until it is stopped;
 * another function may be, if its options ask for nothing that the interpreter does not have. Signal handlers
 * stay as they are: Python installs none.
 *
 * Ownership: `options` is taken, also on failure. `out` is written on success: what it gets is the caller's,
 * until `oxe_python_free`. `error` is written on failure, and the caller's to free.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG` for `options` and `out`; `error` may be NULL.
 * Returns: `OXE_OK`; `OXE_ERR_STARTED`; `OXE_ERR_INTERPRETER`; `OXE_ERR_PYTHON`: a module cannot be
 * imported, or the function for the start has raised; `OXE_ERR_MISSING`; `OXE_ERR_NOT_CALLABLE`;
 * `OXE_ERR_ANSWER`: the function for the start has returned something else than it must; `OXE_ERR_STOPPED`:
 * after `oxe_finish`; `OXE_ERR_LIMIT`: the system gives no thread; `OXE_ERR_FORKED`; `OXE_ERR_ARG`, also
 * where no function for requests is named.
 */
oxe_status oxe_python_start(struct oxe_options *options,
                            struct oxe_python **out,
                            struct oxe_error **error);

/**
 * How many calls there are at this moment.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_load(const struct oxe_python *python, struct oxe_load *out);

/**
 * Imports those modules again whose files have changed since they were imported, and exchanges the function
 * for its new version at once. For development. Waits for Python.
 *
 * Ownership: `count`, how many modules those were, is written on success. `error` is written on failure, and
 * the caller's to free.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG` for `python`; `count` and `error` may be NULL.
 * Returns: `OXE_OK`; `OXE_ERR_PYTHON`, `OXE_ERR_MISSING`, `OXE_ERR_NOT_CALLABLE`: all is as it was before;
 * `OXE_ERR_STOPPED`, `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_reload(const struct oxe_python *python,
                             size_t *count,
                             struct oxe_error **error);

/**
 * Stops: new calls get `OXE_ERR_STOPPED`, those that are there may finish. What has not finished after
 * `grace_ms` milliseconds gets it, too. Waits for that; callbacks may still be called until `oxe_python_free`
 * returns. The function may be started again then.
 *
 * Threads: any thread, also in callbacks.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_TIMEOUT`: the function still runs somewhere, and cannot be ended; also where it
 * calls this itself; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_stop(struct oxe_python *python,
                           uint64_t grace_ms);

/**
 * Stops at once, as `oxe_python_stop` with no time, and frees. When it returns, every callback has been called
 * and has returned. In a callback, or where Python calls it, it does not wait for that, and those that are left
 * are called afterwards. A Python function that still runs goes on, and what it returns is dropped.
 *
 * Ownership: `python` is taken. In a process that was forked from the one that has started it, nothing is
 * freed: the memory goes with the process.
 * Threads: any thread; nobody may begin to use it meanwhile or afterwards. Calls that wait get
 * `OXE_ERR_STOPPED`.
 * NULL: nothing happens.
 */
void oxe_python_free(struct oxe_python *python);

/**
 * Ends Python's part in this process, which would otherwise come with the process's own exit: stops every
 * function, joins Python's threads, calls what `atexit` holds, flushes `sys.stdout` and `sys.stderr`. At most
 * for about `grace_ms` milliseconds. Nothing can be started afterwards; what has been started is still to be
 * freed. Without Python, nothing happens.
 *
 * Threads: any thread.
 * Returns: `OXE_OK`; `OXE_ERR_TIMEOUT`: something has not ended by then; `OXE_ERR_FORKED`.
 */
oxe_status oxe_finish(uint64_t grace_ms);

/**
 * Makes a request: GET, and all else empty.
 *
 * Ownership: `out` is written on success: the request is the caller's, until `oxe_python_call` or
 * `oxe_python_begin` takes it or `oxe_request_free` frees it.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_request_new(struct oxe_request **out);

/**
 * Frees a request that Python was not called with.
 *
 * Ownership: `request` is taken.
 * Threads: one thread at a time for one request.
 * NULL: nothing happens.
 */
void oxe_request_free(struct oxe_request *request);

/**
 * Sets the method.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for what is no token (RFC 9110 §9.1).
 */
oxe_status oxe_request_method(struct oxe_request *request, struct oxe_bytes method);

/**
 * Sets the path, as the function is to see it. Nothing is decoded.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_request_path(struct oxe_request *request, struct oxe_bytes path);

/**
 * Adds a value to what the program's router has found in the path, after those that the name has.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_request_param(struct oxe_request *request,
                             struct oxe_bytes name,
                             struct oxe_bytes value);

/**
 * Adds a value to the parameters of the query, after those that the name has. Nothing is decoded.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_request_query(struct oxe_request *request,
                             struct oxe_bytes name,
                             struct oxe_bytes value);

/**
 * Sets the parameters of the query to those of this text, in place of what was there: what stands behind the
 * `?` of a URL, `name=value&...`, whose `%` and `+` are decoded. Anything is a query.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_ARG`, also for bytes that are not UTF-8, which a URL cannot have.
 */
oxe_status oxe_request_query_string(struct oxe_request *request,
                                    struct oxe_bytes query);

/**
 * Adds a header field, after those of the same name. Python gets names as Go writes them: `Content-Type`.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_BAD_HEADER`; `OXE_ERR_LIMIT`: there are 24576 names already; `OXE_ERR_ARG`.
 */
oxe_status oxe_request_header(struct oxe_request *request,
                              struct oxe_bytes name,
                              struct oxe_bytes value);

/**
 * Sets the body. It may hold any bytes, NULs too.
 *
 * Ownership: the bytes are copied.
 * Threads: one thread at a time for one request.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_request_body(struct oxe_request *request, struct oxe_bytes body);

/**
 * The status, from 200 to 599.
 *
 * Ownership: `out` is written on success.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_response_status(const struct oxe_response *response, uint16_t *out);

/**
 * The body.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until `oxe_response_free`.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`, `OXE_ERR_ARG`.
 */
oxe_status oxe_response_body(const struct oxe_response *response, struct oxe_bytes *out);

/**
 * How many header fields there are. A name with three values counts three times.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number.
 */
size_t oxe_response_header_count(const struct oxe_response *response);

/**
 * One of the header fields, by its place, from 0 on. Values of one name follow each other in their order.
 * The name is in lower case.
 *
 * Ownership: `out` is written on success; the bytes are borrowed until `oxe_response_free`.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: there are not so many; `OXE_ERR_ARG`.
 */
oxe_status oxe_response_header_at(const struct oxe_response *response,
                                  size_t index,
                                  struct oxe_field *out);

/**
 * The first value of a header field. Upper and lower case do not matter.
 *
 * Ownership: `name` is borrowed until this returns. `out` is written on success; the bytes are borrowed until
 * `oxe_response_free`.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: no such field, or no such name can be; `OXE_ERR_ARG`.
 */
oxe_status oxe_response_header(const struct oxe_response *response,
                               struct oxe_bytes name,
                               struct oxe_bytes *out);

/**
 * Frees a response, and with it all bytes that were borrowed of it.
 *
 * Ownership: `response` is taken.
 * Threads: any thread; nobody may use the response meanwhile or afterwards.
 * NULL: nothing happens.
 */
void oxe_response_free(struct oxe_response *response);

/**
 * How many routes the function for the start has returned; 0 if there is no such function.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number.
 */
size_t oxe_python_route_count(const struct oxe_python *python);

/**
 * One of the routes, by its place, from 0 on, in the order of Python's `dict`.
 *
 * Ownership: `out` is written on success; the bytes, UTF-8, are borrowed until `oxe_python_free`.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: there are not so many; `OXE_ERR_ARG`, `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_route(const struct oxe_python *python, size_t index, struct oxe_bytes *out);

/**
 * How many methods the route in this place has.
 *
 * Threads: any thread.
 * NULL: 0.
 * Returns: the number; 0 also where there is no such route.
 */
size_t oxe_python_method_count(const struct oxe_python *python, size_t route);

/**
 * One of the methods of the route in this place, from 0 on.
 *
 * Ownership: `out` is written on success; the bytes, UTF-8, are borrowed until `oxe_python_free`.
 * Threads: any thread.
 * NULL: `OXE_ERR_ARG`.
 * Returns: `OXE_OK`; `OXE_ERR_NOT_FOUND`: no such route, or it has not so many; `OXE_ERR_ARG`,
 * `OXE_ERR_FORKED`.
 */
oxe_status oxe_python_method(const struct oxe_python *python,
                             size_t route,
                             size_t index,
                             struct oxe_bytes *out);

/**
 * Says what a status means, in a few words.
 *
 * Ownership: the text is the library's, valid for ever.
 * Threads: any thread.
 * Returns: NUL-terminated UTF-8, never NULL; `"unknown status"` for a number that is none.
 */
const char *oxe_strerror(int32_t status);

/**
 * The version of the library as one number that grows: `major << 16 | minor << 8 | patch`, as
 * `OXE_VERSION_NUMBER` is for the header.
 *
 * Threads: any thread.
 * Returns: the number.
 */
uint32_t oxe_version(void);

/**
 * The version of the library as text, such as `"0.1.0"`.
 *
 * Ownership: the text is the library's, valid for ever.
 * Threads: any thread.
 * Returns: NUL-terminated UTF-8, never NULL.
 */
const char *oxe_version_string(void);

/**
 * The version of Python that the library is linked with, as `sys.version` has it: `"3.11.7 (main, …"`. Python
 * need not have been started.
 *
 * Ownership: the text is the library's, valid for ever.
 * Threads: any thread.
 * Returns: NUL-terminated UTF-8, never NULL.
 */
const char *oxe_python_version(void);

/**
 * Whether a program that was compiled with this header can use the library that it has met at run time:
 * `oxe_abi_check(OXE_ABI)`.
 *
 * Threads: any thread.
 * Returns: `OXE_OK` or `OXE_ERR_ABI`.
 */
oxe_status oxe_abi_check(uint32_t abi);

/**
 * Whether the library has a feature: `"functions"` (`oxe_python_call`), `"callbacks"` (`oxe_python_begin`),
 * `"coroutines"` (functions may be `async def`), `"reload"` (`oxe_python_reload`), `"free-threaded"` (its
 * Python has no GIL).
 *
 * Ownership: `name` is borrowed until this returns.
 * Threads: any thread.
 * NULL: false.
 * Returns: true if it has; false for a name that it does not know.
 */
bool oxe_has_feature(const char *name);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* OXBRIDGE_EMBED_H */

#ifndef OXBRIDGE_EMBED_STR
#define OXBRIDGE_EMBED_STR

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
static inline oxe_bytes oxe_str(const char *text) {
    oxe_bytes bytes;
    bytes.data = (const uint8_t *)(const void *)text;
    bytes.len = text ? strlen(text) : 0;
    return bytes;
}

#ifdef __cplusplus
}
#endif

#endif /* OXBRIDGE_EMBED_STR */
