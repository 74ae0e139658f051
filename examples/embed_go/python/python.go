// Package python calls Python functions: httpy's Init and Request, by way of liboxbridge_embed.
package python

/*
#cgo pkg-config: oxbridge_embed
#include <oxbridge_embed.h>
#include <stdint.h>
#include <stdlib.h>

// Pointers into Go's memory travel as plain arguments, which cgo keeps in place until the call returns.
static oxe_bytes bytes(const char *data, size_t len) {
	oxe_bytes it = {(const uint8_t *)data, len};
	return it;
}

typedef oxe_status (*setter)(oxe_request *, oxe_bytes);
typedef oxe_status (*adder)(oxe_request *, oxe_bytes, oxe_bytes);

enum { METHOD, PATH, BODY, PARAM, QUERY, HEADER };

static oxe_status set(oxe_request *request, int what, const char *data, size_t len) {
	static const setter setters[] = {oxe_request_method, oxe_request_path, oxe_request_body};
	return setters[what](request, bytes(data, len));
}

static oxe_status add(oxe_request *request, int what, const char *name, size_t name_len,
                      const char *value, size_t value_len) {
	static const adder adders[] = {oxe_request_param, oxe_request_query, oxe_request_header};
	return adders[what - PARAM](request, bytes(name, name_len), bytes(value, value_len));
}

// Written in Go, in answer.go.
void pythonAnswered(oxe_response *response, oxe_error *error, void *user_data);

// A handle of Go's is a number, which Go must never see where it expects a pointer.
static oxe_status begin(oxe_python *python, oxe_request *request, uintptr_t handle, oxe_call *call,
                        oxe_error **error) {
	return oxe_python_begin(python, request, pythonAnswered, (void *)handle, call, error);
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"sync"
	"time"
	"unsafe"
)

// Error is what Python, or the library, has instead of an answer.
type Error struct {
	Status    int    // OXE_ERR_PYTHON and so on
	Message   string // one sentence
	Exception string // the type of a Python exception, or ""
	Traceback string // as Python prints it, or ""
}

func (e *Error) Error() string { return e.Message }

// Timeout says whether the time was over.
func (e *Error) Timeout() bool { return e.Status == C.OXE_ERR_TIMEOUT }

// Temporary says whether there is too much to do right now.
func (e *Error) Temporary() bool { return e.Status == C.OXE_ERR_BUSY }

// ErrNotStarted is what Request gives before Init.
var ErrNotStarted = errors.New("python.Init has not been called, or has failed")

// started is what Init has started. Whoever uses it holds the lock, so that Stop frees it behind them.
var (
	lock    sync.RWMutex
	started *C.oxe_python
)

// Path is where Python looks for modules first. Set it before Init.
var Path = "."

// Init starts Python, calls the function for the start, and returns what that has returned. Empty strings
// mean that there is none. It is called once; a second call is an error.
func Init(initModule, initFunction, reqModule, reqFunction string) (map[string][]string, error) {
	var options *C.oxe_options
	if status := C.oxe_options_new(&options); status != C.OXE_OK {
		return nil, failure(status)
	}
	texts := make([]*C.char, 0, 5)
	for _, text := range []string{Path, initModule, initFunction, reqModule, reqFunction} {
		texts = append(texts, C.CString(text))
	}
	defer func() {
		for _, text := range texts {
			C.free(unsafe.Pointer(text))
		}
	}()
	for _, status := range []C.oxe_status{
		C.oxe_options_path(options, texts[0]),
		C.oxe_options_init(options, texts[1], texts[2]),
		C.oxe_options_request(options, texts[3], texts[4]),
	} {
		if status != C.OXE_OK {
			C.oxe_options_free(options)
			return nil, failure(status)
		}
	}
	var python *C.oxe_python
	var err *C.oxe_error
	if C.oxe_python_start(options, &python, &err) != C.OXE_OK {
		return nil, taken(err)
	}
	lock.Lock()
	started = python
	lock.Unlock()
	return routes(python), nil
}

// Request calls the function that answers requests, and waits for its answer.
func Request(method, path, body string, params, query, headers map[string][]string) (int, []byte, map[string][]string, error) {
	return RequestContext(context.Background(), method, path, body, params, query, headers)
}

// RequestContext is Request for somebody who may stop waiting: the call is cancelled when the context is.
func RequestContext(ctx context.Context, method, path, body string, params, query, headers map[string][]string) (int, []byte, map[string][]string, error) {
	request, err := newRequest(method, path, body, params, query, headers)
	if err != nil {
		return 0, nil, nil, err
	}
	answers := make(chan answer, 1)
	call, err := begin(request, answers)
	if err != nil {
		return 0, nil, nil, err
	}
	var it answer
	select {
	case it = <-answers:
	case <-ctx.Done():
		// The answer comes in any case; it may have been quicker.
		C.oxe_call_cancel(call)
		if it = <-answers; it.err != nil {
			it.err = ctx.Err()
		}
	}
	return it.status, it.body, it.headers, it.err
}

// begin starts a call; the request is taken.
func begin(request *C.oxe_request, answers chan answer) (C.oxe_call, error) {
	lock.RLock()
	defer lock.RUnlock()
	if started == nil {
		C.oxe_request_free(request)
		return C.OXE_NO_CALL, ErrNotStarted
	}
	handle := cgo.NewHandle(answers)
	var call C.oxe_call
	var err *C.oxe_error
	if C.begin(started, request, C.uintptr_t(handle), &call, &err) != C.OXE_OK {
		handle.Delete()
		return C.OXE_NO_CALL, taken(err)
	}
	return call, nil
}

// Stop lets what runs finish, for at most this time, and does what Python does at its end.
func Stop(grace time.Duration) error {
	lock.Lock()
	python := started
	started = nil
	lock.Unlock()
	if python == nil {
		return nil
	}
	C.oxe_python_stop(python, C.uint64_t(grace.Milliseconds()))
	C.oxe_python_free(python)
	if status := C.oxe_finish(C.uint64_t(grace.Milliseconds())); status != C.OXE_OK {
		return failure(status)
	}
	return nil
}

func routes(python *C.oxe_python) map[string][]string {
	found := map[string][]string{}
	for i := range C.oxe_python_route_count(python) {
		var route C.oxe_bytes
		C.oxe_python_route(python, i, &route)
		methods := []string{}
		for j := range C.oxe_python_method_count(python, i) {
			var method C.oxe_bytes
			C.oxe_python_method(python, i, j, &method)
			methods = append(methods, text(method))
		}
		found[text(route)] = methods
	}
	return found
}

func newRequest(method, path, body string, params, query, headers map[string][]string) (*C.oxe_request, error) {
	var request *C.oxe_request
	if status := C.oxe_request_new(&request); status != C.OXE_OK {
		return nil, failure(status)
	}
	for what, value := range []string{C.METHOD: method, C.PATH: path, C.BODY: body} {
		if status := C.set(request, C.int(what), chars(value), C.size_t(len(value))); status != C.OXE_OK {
			C.oxe_request_free(request)
			return nil, fmt.Errorf("%q: %w", value, failure(status))
		}
	}
	for at, pairs := range []map[string][]string{params, query, headers} {
		for name, values := range pairs {
			for _, value := range values {
				status := C.add(request, C.int(C.PARAM+at), chars(name), C.size_t(len(name)), chars(value), C.size_t(len(value)))
				if status != C.OXE_OK {
					C.oxe_request_free(request)
					return nil, fmt.Errorf("%q: %w", name, failure(status))
				}
			}
		}
	}
	return request, nil
}

func failure(status C.oxe_status) error {
	return &Error{Status: int(status), Message: C.GoString(C.oxe_strerror(C.int32_t(status)))}
}

// taken is an error of the library's, which is freed.
func taken(err *C.oxe_error) error {
	defer C.oxe_error_free(err)
	return &Error{
		Status:    int(C.oxe_error_status(err)),
		Message:   C.GoString(C.oxe_error_message(err)),
		Exception: C.GoString(C.oxe_error_exception(err)),
		Traceback: C.GoString(C.oxe_error_traceback(err)),
	}
}

// text copies bytes of the library's.
func text(bytes C.oxe_bytes) string {
	return string(unsafe.Slice((*byte)(bytes.data), int(bytes.len)))
}

// chars points C to the bytes of a string, for as long as the call takes and without a NUL.
func chars(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}
