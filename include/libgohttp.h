/* libgohttp.h - an HTTP server behind the six functions of gohttplib.
 *
 * A program that was written or built for shazow's gohttplib runs on this library as it is. What is
 * the same and what is better: docs/c/gohttp.md.
 *
 * Any thread may call any function at any time, also inside a handler. No function crashes on NULL, on
 * a number that means nothing any more, or on a negative length; what was wrong is one line on standard
 * error. The library never keeps a pointer that it is given, but for a handler's.
 */
#ifndef LIBGOHTTP_H
#define LIBGOHTTP_H

#include <stddef.h>
#include <stdlib.h>

/* The names that every header made by cgo defines, under the guards that cgo uses, so that such headers
 * and this one go together in any order. Nothing below needs them. */

#ifndef GO_CGO_EXPORT_PROLOGUE_H
#define GO_CGO_EXPORT_PROLOGUE_H
#ifndef GO_CGO_GOSTRING_TYPEDEF
typedef struct { const char *p; ptrdiff_t n; } _GoString_;
#endif
#endif

#ifndef GO_CGO_PROLOGUE_H
#define GO_CGO_PROLOGUE_H
typedef signed char GoInt8;
typedef unsigned char GoUint8;
typedef short GoInt16;
typedef unsigned short GoUint16;
typedef int GoInt32;
typedef unsigned int GoUint32;
#if defined(__GNUC__) || defined(__clang__)
__extension__ typedef long long GoInt64;
__extension__ typedef unsigned long long GoUint64;
__extension__ typedef float _Complex GoComplex64;
__extension__ typedef double _Complex GoComplex128;
#else
typedef long long GoInt64;
typedef unsigned long long GoUint64;
#endif
typedef GoInt64 GoInt;
typedef GoUint64 GoUint;
typedef size_t GoUintptr;
typedef float GoFloat32;
typedef double GoFloat64;
#ifndef GO_CGO_GOSTRING_TYPEDEF
typedef _GoString_ GoString;
#endif
typedef void *GoMap;
typedef void *GoChan;
typedef struct { void *t; void *v; } GoInterface;
typedef struct { void *data; GoInt len; GoInt cap; } GoSlice;
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a handler reads of a request. The strings end in NUL, and live until the handler returns. */
typedef struct Request_ {
    const char *Method;  /* "GET" */
    const char *Host;    /* the host that was asked for, with its port if it was given */
    const char *URL;     /* path and query, as a rule */
    const char *Body;    /* whole; bytes after a NUL are there, but nothing says how many */
    const char *Headers; /* "Key: value\r\n" for each field but Host, sorted by key */
} Request;

/* Stands for the answer to one request until its handler returns, and for nothing after that. */
typedef unsigned int ResponseWriterPtr;

/* A handler. It may block. Several threads call it at the same time. It must not throw, or jump out. */
typedef void FuncPtr(ResponseWriterPtr w, Request *r);

/* Serves at `addr` (":8000", "127.0.0.1:8000", "[::1]:http"; "" is ":http") until Shutdown, and returns 0
 * then. Returns -1 at once if it cannot; gohttplib returned nothing. */
extern int ListenAndServe(const char *addr);

/* Stops every ListenAndServe. All can be started again. Waits at most ten seconds until what runs has
 * finished, and cuts off the rest; inside a handler it does not wait. */
extern void Shutdown(void);

/* Has `handler` answer the requests that match `pattern`, one of Go's ("/", "GET /items/{id}",
 * "example.com/"); running servers too. Changes nothing if the pattern is none, or is taken. */
extern void HandleFunc(const char *pattern, FuncPtr *handler);

/* Calls handler(w, r). */
extern void Call_HandleFunc(ResponseWriterPtr w, Request *r, FuncPtr *handler);

/* Writes `length` bytes of the answer, with status 200 if none was set. Returns `length`, or -1 (EOF) if
 * they could not be written: the handler has returned, the client has gone, the status has no body. */
extern int ResponseWriter_Write(ResponseWriterPtr w, const char *buf, int length);

/* Sets the status of the answer, 100 to 999. Too late once something was written. */
extern void ResponseWriter_WriteHeader(ResponseWriterPtr w, int status);

#ifdef __cplusplus
}
#endif

#endif /* LIBGOHTTP_H */
