// A node of golang/groupcache.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang/groupcache"

	"oxbridge.example/groupcache_nodes/node"
)

type group struct {
	self  string
	pool  *groupcache.HTTPPool
	group *groupcache.Group
}

func main() {
	node.Main(func(address string) (node.Group, http.Handler) {
		self := "http://" + address
		pool := groupcache.NewHTTPPoolOpts(self, nil)
		load := func(_ context.Context, key string, dest groupcache.Sink) error {
			value, err := node.Load("go", key)
			if err != nil {
				return err
			}
			return dest.SetBytes(value)
		}
		made := groupcache.NewGroup("things", 8<<20, groupcache.GetterFunc(load))
		return &group{self, pool, made}, pool
	})
}

func (g *group) Get(ctx context.Context, key string) (value []byte, err error) {
	err = g.group.Get(ctx, key, groupcache.AllocatingByteSliceSink(&value))
	return value, err
}

func (g *group) Set(context.Context, string, []byte, time.Time) error {
	return errors.New("golang/groupcache has no set")
}

func (g *group) Remove(context.Context, string) error {
	return errors.New("golang/groupcache has no remove")
}

func (g *group) Peers(addresses []string) error {
	g.pool.Set(addresses...)
	return nil
}

func (g *group) Owner(key string) string {
	peer, remote := g.pool.PickPeer(key)
	if !remote {
		return g.self
	}
	// The URL is not exported: it stands in what the package prints of a peer, with the base path.
	for _, word := range strings.Fields(strings.Trim(fmt.Sprintf("%v", peer), "&{}")) {
		if strings.HasPrefix(word, "http://") {
			return strings.TrimSuffix(word, "/_groupcache/")
		}
	}
	return "?"
}
