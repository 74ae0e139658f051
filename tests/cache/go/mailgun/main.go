// A node of mailgun/groupcache (version 2).
package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mailgun/groupcache/v2"

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
			if errors.Is(err, node.ErrNotFound) {
				return &groupcache.ErrNotFound{Msg: err.Error()}
			}
			if err != nil {
				return err
			}
			return dest.SetBytes(value, time.Time{})
		}
		made := groupcache.NewGroup("things", 8<<20, groupcache.GetterFunc(load))
		return &group{self, pool, made}, pool
	})
}

func (g *group) Get(ctx context.Context, key string) (value []byte, err error) {
	err = g.group.Get(ctx, key, groupcache.AllocatingByteSliceSink(&value))
	return value, err
}

func (g *group) Set(ctx context.Context, key string, value []byte, expire time.Time) error {
	return g.group.Set(ctx, key, value, expire, false)
}

func (g *group) Remove(ctx context.Context, key string) error {
	return g.group.Remove(ctx, key)
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
	return strings.TrimSuffix(peer.GetURL(), "/_groupcache/")
}
