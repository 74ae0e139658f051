package python

/*
#include <oxbridge_embed.h>
*/
import "C"

import (
	"net/http"
	"runtime/cgo"
	"unsafe"
)

// answer is what one call has got.
type answer struct {
	status  int
	body    []byte
	headers map[string][]string
	err     error
}

// The library calls it exactly once for each call that has begun, on a thread of its own.
//
//export pythonAnswered
func pythonAnswered(response *C.oxe_response, err *C.oxe_error, userData unsafe.Pointer) {
	handle := cgo.Handle(uintptr(userData))
	answers := handle.Value().(chan answer)
	handle.Delete()
	if response == nil {
		answers <- answer{err: taken(err)}
		return
	}
	defer C.oxe_response_free(response)
	var status C.uint16_t
	var body C.oxe_bytes
	C.oxe_response_status(response, &status)
	C.oxe_response_body(response, &body)
	headers := http.Header{}
	for i := range C.oxe_response_header_count(response) {
		var field C.oxe_field
		C.oxe_response_header_at(response, i, &field)
		headers.Add(text(field.name), text(field.value))
	}
	answers <- answer{
		status:  int(status),
		body:    C.GoBytes(unsafe.Pointer(body.data), C.int(body.len)),
		headers: headers,
	}
}
