// golang/groupcache as a C library, which Python calls through ctypes: the way that this project
// grew from.
package main

// #include <stdlib.h>
import "C"

import (
	"context"

	"github.com/golang/groupcache"
)

var things = groupcache.NewGroup("things", 64<<20, groupcache.GetterFunc(
	func(_ context.Context, key string, dest groupcache.Sink) error {
		return dest.SetString("value of " + key)
	}))

// cache_get gives the value of a key, to be freed by the caller.
//
//export cache_get
func cache_get(key *C.char) *C.char {
	var value string
	if err := things.Get(context.Background(), C.GoString(key), groupcache.StringSink(&value)); err != nil {
		return nil
	}
	return C.CString(value)
}

func main() {}
