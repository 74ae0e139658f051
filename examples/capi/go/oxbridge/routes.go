package oxbridge

/*
#include <stdlib.h>
#include <oxbridge.h>

// Written in Go below. C sees them as functions like any other.
void oxbridgeGoCall(oxb_exchange x, void *user_data);
void oxbridgeGoDrop(void *user_data);
*/
import "C"

import (
	"log"
	"runtime/cgo"
	"unsafe"
)

// A Handler answers an exchange, now or later from another goroutine.
type Handler func(*Exchange)

// box makes a handler into a user_data: C memory that holds a cgo.Handle. C may keep no pointer into
// Go's memory, and a handle is a small number, which Go must never see where it expects a pointer.
func box(handler Handler) unsafe.Pointer {
	boxed := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(boxed) = cgo.NewHandle(handler)
	return boxed
}

func unbox(userData unsafe.Pointer) Handler {
	return (*(*cgo.Handle)(userData)).Value().(Handler)
}

// The library calls it exactly once for each box, also for one that it refused.
//
//export oxbridgeGoDrop
func oxbridgeGoDrop(userData unsafe.Pointer) {
	(*(*cgo.Handle)(userData)).Delete()
	C.free(userData)
}

// Queue registers a handler whose exchanges wait in the queue until Serve takes them, many with one
// call from Go into C. This is the way for most routes: C never calls Go.
func (c *Config) Queue(pattern string, handler Handler) error {
	text := C.CString(pattern)
	defer C.free(unsafe.Pointer(text))
	var detail *C.oxb_error
	status := C.oxb_config_handle_queue(c.config, text, box(handler),
		C.oxb_drop(C.oxbridgeGoDrop), &detail)
	return explain(status, detail)
}

// Callback registers a handler that the library's threads call. Each call crosses from C into Go,
// which costs a thread of C its way into Go's scheduler: worth it where no goroutine runs Serve.
// The handler answers before it returns.
func (c *Config) Callback(pattern string, handler Handler) error {
	text := C.CString(pattern)
	defer C.free(unsafe.Pointer(text))
	var detail *C.oxb_error
	status := C.oxb_config_handle(c.config, text, C.oxb_handler(C.oxbridgeGoCall), box(handler),
		C.oxb_drop(C.oxbridgeGoDrop), &detail)
	return explain(status, detail)
}

//export oxbridgeGoCall
func oxbridgeGoCall(handle C.oxb_exchange, userData unsafe.Pointer) {
	run(unbox(userData), &Exchange{handle})
}

// run calls a handler. A panic must not unwind into C, and costs its own client only.
func run(handler Handler, x *Exchange) {
	defer func() {
		if failure := recover(); failure != nil {
			log.Printf("a handler panicked: %v", failure)
			x.abort()
		}
	}()
	handler(x)
}
