// Command net_http is Go's own server, as its users write it: `net_http 127.0.0.1:5000 [CERTIFICATE KEY]`.
//
// On one core the Go runtime runs one goroutine at a time by itself. What else was tried (other settings
// of the garbage collector, no ServeMux, headers set by hand, a profile-guided build) was no faster: see
// bench/README.md. With a certificate it speaks HTTPS, and HTTP/2 to those who ask for it. BENCH_FILES is what /static serves.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

const pieces = 16

func hello(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "Hello, world.\n")
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		log.Fatal("usage: net_http HOST:PORT [CERTIFICATE KEY]")
	}
	piece := make([]byte, 4096)
	for i := range piece {
		piece[i] = byte(i)
	}
	http.HandleFunc("GET /{$}", hello)
	http.HandleFunc("POST /echo", echo)
	http.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		for range pieces {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	http.HandleFunc("GET /nap", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		hello(w, r)
	})
	http.Handle("GET /static/", http.StripPrefix("/static/", http.FileServer(http.Dir(os.Getenv("BENCH_FILES")))))
	server := &http.Server{Addr: os.Args[1]}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	if len(os.Args) == 4 {
		log.Fatal(server.ListenAndServeTLS(os.Args[2], os.Args[3]))
	}
	log.Fatal(server.ListenAndServe())
}
