// Package oxbridge is a small Go face of liboxbridge: what the example beside it needs.
package oxbridge

/*
#cgo pkg-config: oxbridge
#include <stdlib.h>
#include <oxbridge.h>
*/
import "C"

import (
	"sync"
	"time"
	"unsafe"
)

const (
	// Exchanges that one call takes out of the queue at most.
	batch = 64
	// Handlers that run at the same time. A handler that waits inside C holds a thread of the
	// system, of which Go takes a limited number; what does not fit waits in the queue.
	atOnce = 256
)

// Config is a server to be.
type Config struct {
	config *C.oxb_config
}

// NewConfig makes an empty config: no address, no routes.
func NewConfig() (*Config, error) {
	if err := check(C.oxb_abi_check(C.OXB_ABI)); err != nil {
		return nil, err
	}
	c := &Config{}
	return c, check(C.oxb_config_new(&c.config))
}

// Listen adds an address: "127.0.0.1:0", "[::1]:80", "unix:/path".
func (c *Config) Listen(address string) error {
	text := C.CString(address)
	defer C.free(unsafe.Pointer(text))
	var detail *C.oxb_error
	return explain(C.oxb_config_listen(c.config, text, &detail), detail)
}

// Server is a running server.
type Server struct {
	server *C.oxb_server
}

// Start takes the config, whatever it returns.
func (c *Config) Start() (*Server, error) {
	s := &Server{}
	var detail *C.oxb_error
	status := C.oxb_server_start(c.config, &s.server, &detail)
	c.config = nil
	return s, explain(status, detail)
}

// URL is where the server listens: "http://127.0.0.1:40123".
func (s *Server) URL() string {
	var out C.oxb_bytes
	C.oxb_server_url(s.server, &out)
	return C.GoStringN((*C.char)(unsafe.Pointer(out.data)), C.int(out.len))
}

// Serve takes exchanges out of the queue and runs their handlers, each on a goroutine of its own,
// until the server has stopped and all of them have returned.
func (s *Server) Serve() error {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, atOnce)
	events := make([]C.oxb_event, batch)
	for {
		var count C.size_t
		// A thread waits in C here, and no other goroutine is any slower for it.
		status := C.oxb_server_next(s.server, &events[0], batch, -1, &count)
		if status == C.OXB_ERR_STOPPED {
			return nil
		}
		if err := check(status); err != nil {
			return err
		}
		for _, event := range events[:count] {
			slots <- struct{}{}
			running.Add(1)
			go func() {
				defer func() { <-slots; running.Done() }()
				run(unbox(event.user_data), &Exchange{event.exchange})
			}()
		}
	}
}

// BeginStop takes no more requests and gives those that run some time to end. Serve returns then.
func (s *Server) BeginStop(grace time.Duration) {
	C.oxb_server_begin_stop(s.server, C.uint64_t(grace.Milliseconds()))
}

// Close frees the server and all its handlers.
func (s *Server) Close() {
	C.oxb_server_free(s.server)
	s.server = nil
}
