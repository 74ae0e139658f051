// Package node drives one Go node of a groupcache cluster from a test: commands come as lines of JSON
// on standard input, and each gets one line as its answer.
package node

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// ErrNotFound is what Load says of keys that begin with "missing".
var ErrNotFound = errors.New("no such thing")

// ErrBroken is what Load says of keys that begin with "broken".
var ErrBroken = errors.New("the getter is broken")

// Group is what of a dialect a test uses.
type Group interface {
	// Get gives a value, through the cluster.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set and Remove change it for the cluster; an error where the dialect has none.
	Set(ctx context.Context, key string, value []byte, expire time.Time) error
	Remove(ctx context.Context, key string) error
	// Peers says who shares the keys; Owner who has one of them.
	Peers(addresses []string) error
	Owner(key string) string
}

var loads atomic.Int64

// Load is the getter of every node: the node's name, the key, and every byte there is.
func Load(name, key string) ([]byte, error) {
	loads.Add(1)
	switch {
	case strings.HasPrefix(key, "missing"):
		return nil, ErrNotFound
	case strings.HasPrefix(key, "broken"):
		return nil, ErrBroken
	}
	value := []byte(name + ":" + key + ":")
	for b := range 256 {
		value = append(value, byte(b))
	}
	return value, nil
}

type command struct {
	Op        string   `json:"op"`
	Key       string   `json:"key"`
	Value     string   `json:"value"`
	TTLMillis int64    `json:"ttl_ms"`
	Addresses []string `json:"addresses"`
	Count     int      `json:"count"`
}

type answer struct {
	Value  string   `json:"value,omitempty"`
	Error  string   `json:"error,omitempty"`
	Owners []string `json:"owners,omitempty"`
	Loads  int64    `json:"loads"`
}

// Main listens on a free port of 127.0.0.1, makes the node for its address ("host:port"), tells the
// address in its first line, and obeys until standard input ends.
func Main(start func(address string) (Group, http.Handler)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	group, handler := start(listener.Addr().String())
	go http.Serve(listener, handler)
	fmt.Println(listener.Addr())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked command
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := out.Encode(obey(group, asked)); err != nil {
			return
		}
	}
}

func obey(group Group, asked command) (told answer) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	key, err := hex.DecodeString(asked.Key)
	var value []byte
	switch asked.Op {
	case "peers":
		err = group.Peers(asked.Addresses)
	case "get":
		value, err = group.Get(ctx, string(key))
	case "set":
		if value, err = hex.DecodeString(asked.Value); err == nil {
			var expire time.Time
			if asked.TTLMillis != 0 {
				expire = time.Now().Add(time.Duration(asked.TTLMillis) * time.Millisecond)
			}
			err = group.Set(ctx, string(key), value, expire)
		}
	case "remove":
		err = group.Remove(ctx, string(key))
	case "owners":
		for i := range asked.Count {
			told.Owners = append(told.Owners, group.Owner(fmt.Sprintf("%s%d", key, i)))
		}
	case "loads":
	default:
		err = fmt.Errorf("no such operation: %q", asked.Op)
	}
	if err != nil {
		told.Error = err.Error()
	}
	told.Value = hex.EncodeToString(value)
	told.Loads = loads.Load()
	return told
}
