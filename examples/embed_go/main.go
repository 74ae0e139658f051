// A Go program with Python inside: see README.md for how to build and run it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oxbridge.example/embed/python"
)

const (
	largestBody = 16 << 20
	stopGrace   = 5 * time.Second
)

// The names in a worker's route: /hello/:target has one.
var named = regexp.MustCompile(`:(\w+)`)

// callPython hands a request to Python; names are those that the route has.
func callPython(names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		params := map[string][]string{}
		for _, name := range names {
			params[name] = []string{r.PathValue(name)}
		}
		status, answer, headers, err := python.RequestContext(
			r.Context(), r.Method, r.URL.Path, string(body), params, r.URL.Query(), r.Header)
		if err != nil {
			refuse(w, err)
			return
		}
		for name, values := range headers {
			for _, value := range values {
				w.Header().Add(name, value)
			}
		}
		w.WriteHeader(status)
		w.Write(answer)
	}
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var failed *python.Error
	if errors.As(err, &failed) {
		fmt.Fprint(os.Stderr, failed.Message, "\n", failed.Traceback)
		if failed.Timeout() {
			status = http.StatusGatewayTimeout
		} else if failed.Temporary() {
			status = http.StatusServiceUnavailable
		}
	}
	// What went wrong inside is not the client's business.
	http.Error(w, http.StatusText(status), status)
}

func golang(w http.ResponseWriter, r *http.Request) {
	if seconds, err := strconv.ParseFloat(r.Header.Get("X-Sleep"), 64); err == nil && seconds > 0 {
		select {
		case <-time.After(time.Duration(seconds * float64(time.Second))):
		case <-r.Context().Done():
			return
		}
	}
	io.WriteString(w, "ok")
}

// register adds a worker's route. A worker writes /hello/:target where net/http has /hello/{target}.
func register(mux *http.ServeMux, route string, methods []string) {
	var names []string
	for _, found := range named.FindAllStringSubmatch(route, -1) {
		names = append(names, found[1])
	}
	pattern := named.ReplaceAllString(route, "{$1}")
	if strings.HasSuffix(pattern, "/") {
		pattern += "{$}"
	}
	for _, method := range methods {
		mux.HandleFunc(method+" "+pattern, callPython(names...))
	}
}

func serve() error {
	python.Path = cmp.Or(os.Getenv("WORKERS"), "examples/embed")
	routes, err := python.Init("worker", "go_init", "worker", "go_request")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/python", callPython())
	mux.HandleFunc("/golang", golang)
	for route, methods := range routes {
		register(mux, route, methods)
	}

	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "8080"))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Serving on http://%s\n", listener.Addr())

	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		<-stop.Done()
		ending, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		stopped <- server.Shutdown(ending)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return errors.Join(<-stopped, python.Stop(stopGrace))
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "embed_go:", err)
		os.Exit(1)
	}
}
