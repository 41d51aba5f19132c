//go:build unix

package natstest

// Fault breaks a divisible cluster of three, of which one leads a stream.
type Fault struct {
	Name string
	// Make breaks it, and returns how that is ended.
	Make func(cl *Cluster, leader int) (end func())
	// Ends says that the fault must be ended before everybody goes on.
	Ends bool
}

// Faults are all ways in which tests break a cluster.
var Faults = []Fault{
	{"the leader is killed", func(cl *Cluster, leader int) func() {
		cl.Servers[leader].Kill()
		return cl.Servers[leader].Restart
	}, false},
	{"the leader is cut off from the other servers alone", func(cl *Cluster, leader int) func() {
		cl.CutFromPeers(leader)
		return cl.Heal
	}, true},
	{"the leader is paused", func(cl *Cluster, leader int) func() {
		cl.Servers[leader].Pause()
		return cl.Servers[leader].Resume
	}, true},
	{"a follower is killed", func(cl *Cluster, leader int) func() {
		follower := cl.Servers[(leader+1)%3]
		follower.Kill()
		return follower.Restart
	}, false},
	{"the leader is cut off from all", func(cl *Cluster, leader int) func() {
		cl.Cut(leader)
		return cl.Heal
	}, true},
	{"a follower is paused", func(cl *Cluster, leader int) func() {
		follower := cl.Servers[(leader+1)%3]
		follower.Pause()
		return follower.Resume
	}, false},
	{"all are restarted, one by one", func(cl *Cluster, _ int) func() {
		for _, s := range cl.Servers {
			s.Stop()
			s.Restart()
		}
		return func() {}
	}, true},
	{"a follower is cut off from all", func(cl *Cluster, leader int) func() {
		cl.Cut((leader + 1) % 3)
		return cl.Heal
	}, false},
	{"all are killed", func(cl *Cluster, _ int) func() {
		for _, s := range cl.Servers {
			s.Kill()
		}
		return func() {
			for _, s := range cl.Servers {
				s.Restart()
			}
		}
	}, true},
	{"two are cut off", func(cl *Cluster, leader int) func() {
		cl.Cut(leader)
		cl.Cut((leader + 1) % 3)
		return cl.Heal
	}, true},
}
