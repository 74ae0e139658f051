package oxbridge

/*
#include <oxbridge.h>

// A call from Go into C costs more than most of what it does here: an answer is one call, not four.
// Pointers into Go's memory travel as plain arguments, which cgo keeps in place until the call
// returns; inside a struct they would need a runtime.Pinner.
static oxb_status reply(oxb_exchange x, uint16_t status, const char *type, size_t type_len,
                        const char *body, size_t body_len) {
	oxb_bytes name = oxb_str("Content-Type");
	oxb_bytes value = {(const uint8_t *)type, type_len};
	oxb_status done = oxb_response_set_status(x, status);
	if (done == OXB_OK)
		done = oxb_response_set_header(x, name, value);
	if (done == OXB_OK)
		done = oxb_response_write(x, body, body_len);
	// Ends it also if something above failed: an exchange that nobody ends stays for ever.
	if (done == OXB_OK)
		return oxb_exchange_end(x);
	oxb_exchange_abort(x);
	return done;
}

static oxb_status path_value(oxb_exchange x, const char *name, size_t len, oxb_bytes *out) {
	oxb_bytes wanted = {(const uint8_t *)name, len};
	return oxb_request_path_value(x, wanted, out);
}
*/
import "C"

import "unsafe"

// Exchange is one request and the answer that it is owed. Any goroutine may answer it, at any time,
// once; the library never learns which thread that was.
type Exchange struct {
	handle C.oxb_exchange
}

// PathValue is what the wildcard of this name in the pattern matched, decoded; "" if the pattern has
// no such wildcard.
func (x *Exchange) PathValue(name string) string {
	var out C.oxb_bytes
	C.path_value(x.handle, chars(name), C.size_t(len(name)), &out)
	return C.GoStringN((*C.char)(unsafe.Pointer(out.data)), C.int(out.len))
}

// Body is the whole body of the request, copied. It waits for it.
func (x *Exchange) Body() ([]byte, error) {
	var out C.oxb_bytes
	if err := check(C.oxb_request_body(x.handle, &out)); err != nil {
		return nil, err
	}
	return C.GoBytes(unsafe.Pointer(out.data), C.int(out.len)), nil
}

// Reply answers. What it returns is ErrGone when the client has left.
func (x *Exchange) Reply(status int, contentType, body string) error {
	return check(C.reply(x.handle, C.uint16_t(status), chars(contentType),
		C.size_t(len(contentType)), chars(body), C.size_t(len(body))))
}

// Refuse answers with a status and its reason as text.
func (x *Exchange) Refuse(status int) error {
	return check(C.oxb_exchange_refuse(x.handle, C.uint16_t(status)))
}

// abort ends an exchange whose handler failed: 500, or an answer that is visibly cut short. On one
// that has ended it does nothing.
func (x *Exchange) abort() {
	C.oxb_exchange_abort(x.handle)
}

// chars points C to the bytes of a string, for as long as the call takes and without a NUL.
func chars(s string) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s)))
}
