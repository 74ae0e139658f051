// A node of golang/groupcache, alone on its ring: node BYTES PORT.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strconv"

	"github.com/golang/groupcache"
)

func main() {
	bytes, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	value := make([]byte, bytes)
	for i := range value {
		value[i] = 'v'
	}
	pool := groupcache.NewHTTPPoolOpts("alone", nil)
	load := func(_ context.Context, _ string, dest groupcache.Sink) error {
		return dest.SetBytes(value)
	}
	groupcache.NewGroup("things", 64<<20, groupcache.GetterFunc(load))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], pool))
}
