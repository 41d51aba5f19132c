package esdbserver

import (
	"strings"
	"sync"
	"testing"

	"github.com/orderledger/orderledger/test/loopback"
)

// Cluster is several nodes that serve one log. Replication takes no time in it.
type Cluster struct {
	Nodes []*Node

	mu     sync.Mutex
	leader *Node
	down   map[*Node]bool
}

// StartCluster serves a log from several nodes, of which the first leads, until the test ends.
func StartCluster(t testing.TB, nodes int, o Options) *Cluster {
	t.Helper()
	if o.Log == nil {
		o.Log = NewLog()
	}
	c := &Cluster{down: map[*Node]bool{}}
	for _, address := range loopback.FreeMany(t, nodes) {
		n := newNode(t, o, c, address)
		c.Nodes = append(c.Nodes, n)
	}
	c.leader = c.Nodes[0]
	for _, n := range c.Nodes {
		n.Restart()
	}
	return c
}

// URL is the connection string that names all nodes.
func (c *Cluster) URL() string {
	var hosts []string
	for _, n := range c.Nodes {
		hosts = append(hosts, n.address)
	}
	return connectionString("esdb+discover", strings.Join(hosts, ","), c.Nodes[0].options)
}

// Leader is the node that leads.
func (c *Cluster) Leader() *Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// Lead makes another node the leader.
func (c *Cluster) Lead(n *Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader != n {
		n.Log.forget()
	}
	c.leader = n
}

// Kill stops the leader, and lets the next node that is alive lead. It returns the one that was killed.
func (c *Cluster) Kill() *Node {
	killed := c.Leader()
	c.mu.Lock()
	c.down[killed] = true
	for _, n := range c.Nodes {
		if !c.down[n] {
			c.leader = n
			n.Log.forget()
			break
		}
	}
	c.mu.Unlock()
	killed.Stop()
	return killed
}

// Revive starts a node that was killed, as a follower.
func (c *Cluster) Revive(n *Node) {
	n.Restart()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.down, n)
}

func (n *Node) alive() bool {
	if n.cluster == nil {
		return true
	}
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	return !n.cluster.down[n]
}
