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
		for j := range i {
			cl.routes[[2]int{i, j}] = startProxy(cl.t)
		}
	}
}

// cluster is how a server reaches the others: those before it, and the first one itself, for it must be told of some server. Where two
// try to reach each other and are held up at it, each may close the other's connection as one too many, for a minute and longer. Servers
// tell each other where they are, and would try that, too; so it is nowhere.
func (cl *Cluster) cluster(c ClusterConfig, i int, addresses []string) string {
	var routes []string
	for j, to := range addresses[:max(i, 1)] {
		if c.Divisible && i != j {
			to = cl.routes[[2]int{i, j}].leadTo(to)
		}
		routes = append(routes, "nats-route://"+to)
	}
	return fmt.Sprintf("listen: %q, advertise: \"127.0.0.1:1\", pool_size: -1, routes: [%s]", addresses[i], strings.Join(routes, ", "))
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

// Leader waits until a stream has a leader, and returns which server it is.
func (cl *Cluster) Leader(stream string) int {
	cl.t.Helper()
	name := cl.hear(func(ctx context.Context, js jetstream.JetStream) (string, bool) { return leader(ctx, js, stream) })
	return slices.IndexFunc(cl.Servers, func(s *Server) bool { return s.name() == name })
}

// Settle waits until a stream and the cluster itself have leaders. Without, nobody can go on; and when the servers choose them is
// up to their own clocks, and to chance.
func (cl *Cluster) Settle(stream string) {
	cl.t.Helper()
	cl.hear(func(ctx context.Context, js jetstream.JetStream) (string, bool) {
		name, ok := leader(ctx, js, stream)
		if ok {
			_, err := js.AccountInfo(ctx) // the cluster's leader answers it
			ok = err == nil
		}
		return name, ok
	})
}

// A ledger must go on within goesOnWithin of a fault that leaves most servers in touch, and of the end of one that does not. The
// servers need up to 9 s to choose leaders; a ledger that has them needs less than onceLed, however long that took.
const (
	goesOnWithin = 10 * time.Second
	onceLed      = 6 * time.Second
)

// GoesOnBy waits until there are leaders, and returns when a ledger must have gone on after what happened at that time.
func (cl *Cluster) GoesOnBy(stream string, happened time.Time) time.Time {
	cl.t.Helper()
	cl.Settle(stream)
	by, led := happened.Add(goesOnWithin), time.Now().Add(onceLed)
	if led.After(by) {
		return led
	}
	return by
}

// hear asks all servers at once, not through the proxies, again and again until one gives an answer that counts.
func (cl *Cluster) hear(ask func(context.Context, jetstream.JetStream) (string, bool)) string {
	cl.t.Helper()
	ctx, cancel := context.WithTimeout(cl.t.Context(), time.Minute)
	defer cancel() // it ends the others soon; one that is paused must not hold this up
	heard := make(chan string, len(cl.Servers))
	for _, s := range cl.Servers {
		go func() {
			for ctx.Err() == nil {
				if answer, ok := askOne(ctx, s.URL, ask); ok {
					heard <- answer
					return
				}
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}()
	}
	select {
	case answer := <-heard:
		return answer
	case <-ctx.Done():
		cl.t.Fatal("there is no leader")
		return ""
	}
}

// askOne asks one server a question that it must answer at once.
func askOne(ctx context.Context, url string, ask func(context.Context, jetstream.JetStream) (string, bool)) (string, bool) {
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
	return ask(ctx, js)
}

// leader asks who leads a stream; false when the server does not know, or when that leader has lost the others.
func leader(ctx context.Context, js jetstream.JetStream, stream string) (string, bool) {
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
