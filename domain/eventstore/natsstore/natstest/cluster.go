package natstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/test/loopback"
)

// ClusterConfig says what cluster to start.
type ClusterConfig struct {
	Servers int
	// SyncInterval is the servers' own: "always", or a time; empty is their default of two minutes.
	SyncInterval string
	// Divisible puts a proxy between any two servers, and between each server and its clients, so that it can be cut off. It
	// costs speed.
	Divisible bool
	// Settings are more of each server's configuration.
	Settings string
}

// Cluster is a cluster of nats-server processes on loopback. It is used by one goroutine.
type Cluster struct {
	Servers []*Server
	// URL is where clients connect: all servers, separated by commas; of a divisible cluster, their proxies.
	URL string

	t       testing.TB
	routes  map[[2]int]*proxy // the way from one server to another; none where the cluster is not divisible
	clients []*proxy
}

// NewCluster starts a cluster and kills it at the end of the test. It may need some time to choose its leaders.
func NewCluster(t testing.TB, c ClusterConfig) *Cluster {
	t.Helper()
	if c.SyncInterval == "" {
		c.SyncInterval = "2m"
	}
	cl := &Cluster{t: t, routes: map[[2]int]*proxy{}}
	if c.Divisible {
		cl.divide(c.Servers) // first, or a proxy might take a port that was found free for a server
	}
	addresses := loopback.FreeMany(t, 2*c.Servers)
	var urls []string
	for i := range c.Servers {
		listen := addresses[i]
		front := listen
		if c.Divisible {
			front = cl.clients[i].leadTo(listen)
		}
		urls = append(urls, "nats://"+front)
		dir := t.TempDir()
		config := fmt.Sprintf("server_name: n%d\nlisten: %q\nclient_advertise: %q\nmax_payload: 2MB\nmax_pending: 512MB\n", i, listen, front) +
			fmt.Sprintf("jetstream { store_dir: %q, max_file_store: 10GB, sync_interval: %s }\n", dir, c.SyncInterval) + c.Settings + "\n"
		if c.Servers > 1 {
			config += "cluster { name: test, " + cl.cluster(c, i, addresses[c.Servers:]) + " }\n"
		}
		cl.Servers = append(cl.Servers, start(t, i, "nats://"+listen, dir, config))
	}
	cl.URL = strings.Join(urls, ",")
	return cl
}

// divide starts the proxies.
func (cl *Cluster) divide(servers int) {
	cl.t.Helper()
	for i := range servers {
		cl.clients = append(cl.clients, startProxy(cl.t))
		for j := range servers {
			if i != j {
				cl.routes[[2]int{i, j}] = startProxy(cl.t)
			}
		}
	}
}

// cluster is how a server reaches the others.
func (cl *Cluster) cluster(c ClusterConfig, i int, addresses []string) string {
	var routes []string
	advertise := ""
	for j, to := range addresses {
		if c.Divisible {
			if i == j {
				continue
			}
			to = cl.routes[[2]int{i, j}].leadTo(to)
			advertise = "advertise: \"127.0.0.1:1\", " // servers tell each other where they are: around the proxies
		}
		routes = append(routes, "nats-route://"+to)
	}
	return fmt.Sprintf("listen: %q, %sroutes: [%s]", addresses[i], advertise, strings.Join(routes, ", "))
}

// ServerURL is where clients reach one of the servers: of a divisible cluster, its proxy.
func (cl *Cluster) ServerURL(server int) string { return strings.Split(cl.URL, ",")[server] }

// Cut cuts a server of a divisible cluster off from the others and from its clients: what is sent is held up, as by a network
// that is down, and no connection is closed.
func (cl *Cluster) Cut(server int) {
	cl.t.Helper()
	cl.CutFromPeers(server)
	cl.clients[server].hold()
}

// CutFromPeers cuts a server off from the other servers alone. Its clients still reach it.
func (cl *Cluster) CutFromPeers(server int) {
	cl.t.Helper()
	if len(cl.clients) == 0 {
		cl.t.Fatal("the cluster is not divisible")
	}
	for way, p := range cl.routes {
		if slices.Contains(way[:], server) {
			p.hold()
		}
	}
}

// Heal ends all cuts: what was held up goes on.
func (cl *Cluster) Heal() {
	for _, p := range cl.routes {
		p.release()
	}
	for _, p := range cl.clients {
		p.release()
	}
}

// Leader waits until a stream has a leader, and returns which server it is. It asks the servers themselves, not through the
// proxies, and takes the word of most of them.
func (cl *Cluster) Leader(stream string) int {
	cl.t.Helper()
	ctx, cancel := context.WithTimeout(cl.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, s := range cl.Servers {
			if name, ok := leader(ctx, s.URL, stream); ok {
				return slices.IndexFunc(cl.Servers, func(s *Server) bool { return s.name() == name })
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			cl.t.Fatalf("the stream %s has no leader", stream)
		}
	}
}

// leader asks one server who leads a stream; false when it does not know, or when that leader has lost the others.
func leader(ctx context.Context, url, stream string) (string, bool) {
	nc, err := nats.Connect(url, nats.NoReconnect(), nats.Timeout(time.Second), nats.IgnoreDiscoveredServers())
	if err != nil {
		return "", false
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return "", false
	}
	c := s.CachedInfo().Cluster
	heard := 1
	for _, r := range c.Replicas {
		if r.Active > 0 && r.Active < 3*time.Second {
			heard++
		}
	}
	return c.Leader, c.Leader != "" && heard > (len(c.Replicas)+1)/2
}
