// Command net_http is Go's own server, as its users write it: `net_http 127.0.0.1:5000`.
//
// On one core the Go runtime runs one goroutine at a time by itself. What else was tried (other settings
// of the garbage collector, no ServeMux, headers set by hand, a profile-guided build) was no faster: see
// bench/README.md.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: net_http HOST:PORT")
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "Hello, world.\n")
	})
	log.Fatal(http.ListenAndServe(os.Args[1], nil))
}
