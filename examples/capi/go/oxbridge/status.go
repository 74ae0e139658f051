package oxbridge

// #include <oxbridge.h>
import "C"

// Status is why a call of liboxbridge failed: one of the OXB_ERR_ constants of oxbridge.h.
type Status int32

// The statuses that a handler may want to tell apart.
const (
	ErrGone      = Status(C.OXB_ERR_GONE)
	ErrNotFound  = Status(C.OXB_ERR_NOT_FOUND)
	ErrTooLarge  = Status(C.OXB_ERR_TOO_LARGE)
	ErrMalformed = Status(C.OXB_ERR_MALFORMED)
	ErrTimeout   = Status(C.OXB_ERR_TIMEOUT)
)

func (s Status) Error() string {
	return C.GoString(C.oxb_strerror(C.oxb_status(s)))
}

// check turns what a call returned into an error, or nil.
func check(status C.oxb_status) error {
	if status == C.OXB_OK {
		return nil
	}
	return Status(status)
}

// Error is a Status and the library's own words for what went wrong.
type Error struct {
	Status  Status
	Message string
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Status }

// explain is check for a call that also gave an error object, which it frees.
func explain(status C.oxb_status, detail *C.oxb_error) error {
	if status == C.OXB_OK {
		return nil
	}
	defer C.oxb_error_free(detail)
	return &Error{Status(status), C.GoString(C.oxb_error_message(detail))}
}
