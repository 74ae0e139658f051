// Command mux-oracle answers what Go's own net/http.ServeMux does with patterns and requests, for
// crates/mux/tests/go_oracle.rs to compare with.
//
// It prints its Go version as the first line. Then it reads one JSON object per line, a Set, and
// writes one per line, an Outcome.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
)

// A Set is a mux to build and the requests to ask it.
type Set struct {
	Patterns []string  `json:"patterns"`
	Requests []Request `json:"requests"`
}

// A Request is what a client writes: a request line and a Host header.
type Request struct {
	Method string `json:"method"`
	Target string `json:"target"`
	Host   string `json:"host"`
}

// An Outcome holds what became of each pattern and request, in order.
type Outcome struct {
	// Registered has "" for a pattern that was registered and the panic's message for others.
	Registered []string `json:"registered"`
	Answers    []Answer `json:"answers"`
}

// An Answer is a response, and which pattern gave it.
type Answer struct {
	Status   int    `json:"status"`
	Location string `json:"location"`
	Allow    string `json:"allow"`
	// Pattern is the one whose handler ran, or for a redirect what Handler reports.
	Pattern string `json:"pattern"`
	// Values has the wildcards' values by name, in hexadecimal, since they need not be UTF-8.
	Values map[string]string `json:"values"`
	// Panic is the message of a panic while reading the values.
	Panic string `json:"panic"`
}

// served marks a response as a registered handler's own.
const served = http.StatusOK

func main() {
	log.SetFlags(0)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, runtime.Version())

	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var set Set
		if err := decoder.Decode(&set); err == io.EOF {
			return
		} else if err != nil {
			log.Fatalf("reading a set: %v", err)
		}
		if err := encoder.Encode(answer(set)); err != nil {
			log.Fatalf("writing an outcome: %v", err)
		}
	}
}

func answer(set Set) Outcome {
	mux := http.NewServeMux()
	var current *Answer // what the handler that runs fills in
	outcome := Outcome{Registered: []string{}, Answers: []Answer{}}
	for _, pattern := range set.Patterns {
		handler := func(w http.ResponseWriter, r *http.Request) {
			current.Pattern = r.Pattern
			readValues(r, current)
			w.WriteHeader(served)
		}
		outcome.Registered = append(outcome.Registered, register(mux, pattern, handler))
	}
	for _, request := range set.Requests {
		answer := Answer{Values: map[string]string{}}
		current = &answer
		ask(mux, request, &answer)
		outcome.Answers = append(outcome.Answers, answer)
	}
	return outcome
}

func register(mux *http.ServeMux, pattern string, handler http.HandlerFunc) (refusal string) {
	defer func() {
		if reason := recover(); reason != nil {
			refusal = fmt.Sprint(reason)
		}
	}()
	mux.HandleFunc(pattern, handler)
	return ""
}

// ask parses the request as a server would, and has the mux serve it.
func ask(mux *http.ServeMux, request Request, answer *Answer) {
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", request.Method, request.Target, request.Host)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		answer.Status = http.StatusBadRequest
		return
	}
	_, pattern := mux.Handler(r)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, r)
	answer.Status = recorder.Code
	answer.Location = recorder.Header().Get("Location")
	answer.Allow = recorder.Header().Get("Allow")
	if answer.Status != served {
		answer.Pattern = pattern
	}
}

// A wildcard in a pattern that was registered. What looks like one always is one there.
var wildcard = regexp.MustCompile(`\{([^}$.]+)(\.\.\.)?\}`)

func readValues(r *http.Request, answer *Answer) {
	defer func() {
		if reason := recover(); reason != nil {
			answer.Panic = fmt.Sprint(reason)
		}
	}()
	for _, match := range wildcard.FindAllStringSubmatch(r.Pattern, -1) {
		answer.Values[match[1]] = hex.EncodeToString([]byte(r.PathValue(match[1])))
	}
}
