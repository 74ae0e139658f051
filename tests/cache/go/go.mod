module oxbridge.example/groupcache_nodes

go 1.24

require (
	github.com/golang/groupcache v0.0.0-20241129210726-2c02b8208cf8
	github.com/groupcache/groupcache-go/v3 v3.2.0
	github.com/mailgun/groupcache/v2 v2.6.0
)

require (
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/segmentio/fasthash v1.0.3 // indirect
	github.com/sirupsen/logrus v1.9.2 // indirect
	golang.org/x/net v0.22.0 // indirect
	golang.org/x/sys v0.28.0 // indirect
	google.golang.org/protobuf v1.35.2 // indirect
)
