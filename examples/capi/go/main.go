// A small server in Go: see ../README.md for how to build and run it.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"oxbridge.example/hello/oxbridge"
)

const plain = "text/plain; charset=utf-8"

// waiting holds the requests that GET /later has taken and nobody has answered yet.
type waiting struct {
	mu        sync.Mutex
	exchanges []*oxbridge.Exchange // guarded by mu
}

func (w *waiting) add(x *oxbridge.Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exchanges = append(w.exchanges, x)
}

// release answers all of them, from whatever goroutine calls it, and says how many there were.
func (w *waiting) release() int {
	w.mu.Lock()
	released := w.exchanges
	w.exchanges = nil
	w.mu.Unlock()
	for _, x := range released {
		x.Reply(200, plain, "Here it is, later.\n")
	}
	return len(released)
}

func hello(x *oxbridge.Exchange) {
	x.Reply(200, plain, "Hello, world.\n")
}

func helloName(x *oxbridge.Exchange) {
	x.Reply(200, plain, fmt.Sprintf("Hello, %s!\n", x.PathValue("name")))
}

func echo(x *oxbridge.Exchange) {
	body, err := x.Body()
	switch {
	case errors.Is(err, oxbridge.ErrTooLarge):
		x.Refuse(413)
		return
	case err != nil:
		x.Refuse(400)
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		x.Reply(400, plain, fmt.Sprintf("The body is not JSON: %v.\n", err))
		return
	}
	x.Reply(200, "application/json", compact.String())
}

func serve() error {
	var later waiting
	config, err := oxbridge.NewConfig()
	if err != nil {
		return err
	}
	host := cmp.Or(os.Getenv("HOST"), "127.0.0.1")
	port := cmp.Or(os.Getenv("PORT"), "5000")
	if err := errors.Join(
		config.Listen(net.JoinHostPort(host, port)),
		config.Callback("GET /{$}", hello),
		config.Queue("GET /hello/{name}", helloName),
		config.Queue("POST /echo", echo),
		config.Queue("GET /later", later.add),
		config.Queue("GET /release", func(x *oxbridge.Exchange) {
			x.Reply(200, plain, fmt.Sprintf("%d released\n", later.release()))
		}),
	); err != nil {
		return err
	}

	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	server, err := config.Start()
	if err != nil {
		return err
	}
	defer server.Close()
	fmt.Fprintf(os.Stderr, "Serving on %s\n", server.URL())

	go func() {
		<-stop.Done()
		// No new requests from here on; those that wait get their answer, and all get time to end.
		server.BeginStop(5 * time.Second)
		later.release()
	}()
	return server.Serve()
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "hello:", err)
		os.Exit(1)
	}
}
