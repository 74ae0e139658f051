// A node of groupcache/groupcache-go (version 3).
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/groupcache/groupcache-go/v3"
	"github.com/groupcache/groupcache-go/v3/transport"
	"github.com/groupcache/groupcache-go/v3/transport/peer"

	"oxbridge.example/groupcache_nodes/node"
)

type group struct {
	self     string
	instance *groupcache.Instance
	group    groupcache.Group
}

func main() {
	node.Main(func(address string) (node.Group, http.Handler) {
		served := transport.NewHttpTransport(transport.HttpTransportOptions{})
		instance := groupcache.New(groupcache.Options{Transport: served, Logger: slog.Default()})
		load := func(_ context.Context, key string, dest transport.Sink) error {
			value, err := node.Load("go", key)
			if errors.Is(err, node.ErrNotFound) {
				return &transport.ErrNotFound{Msg: err.Error()}
			}
			if err != nil {
				return err
			}
			return dest.SetBytes(value, time.Time{})
		}
		made, err := instance.NewGroup("things", 8<<20, groupcache.GetterFunc(load))
		if err != nil {
			panic(err)
		}
		return &group{address, instance, made}, served
	})
}

func (g *group) Get(ctx context.Context, key string) (value []byte, err error) {
	err = g.group.Get(ctx, key, transport.AllocatingByteSliceSink(&value))
	return value, err
}

func (g *group) Set(ctx context.Context, key string, value []byte, expire time.Time) error {
	return g.group.Set(ctx, key, value, expire, false)
}

func (g *group) Remove(ctx context.Context, key string) error {
	return g.group.Remove(ctx, key)
}

func (g *group) Peers(addresses []string) error {
	var peers []peer.Info
	for _, address := range addresses {
		peers = append(peers, peer.Info{Address: address, IsSelf: address == g.self})
	}
	return g.instance.SetPeers(context.Background(), peers)
}

func (g *group) Owner(key string) string {
	client, remote := g.instance.PickPeer(key)
	if !remote {
		return g.self
	}
	return client.PeerInfo().Address
}
