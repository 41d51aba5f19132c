package esdbserver

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"

	"github.com/orderledger/orderledger/test/loopback"
)

// Version is the server's version, as it tells.
const Version = "24.10.0"

// DefaultMaxAppend is the most that one append may hold, in bytes, unless an option says otherwise.
const DefaultMaxAppend = 1 << 20

// Options say how nodes serve a log.
type Options struct {
	Log            *Log   // a new one when nil
	User, Password string // who may do anything; empty: everybody
	TLS            *Cert  // none: without TLS
	MaxAppend      int
	// Version is what the server says that it is: Version when empty, nothing when Ancient.
	Version string
}

// Ancient is a server that can't say what it is.
const Ancient = "ancient"

// Node is one node of a server, which listens on loopback.
type Node struct {
	Log *Log
	// Faults are this node's.
	Faults  Faults
	t       testing.TB
	options Options
	cluster *Cluster // nil: alone
	host    string
	address string
	server  *grpc.Server
	stopped chan struct{} // closed when the present server has ended
	halt    context.CancelFunc
}

// Start serves a log from one node until the test ends.
func Start(t testing.TB, o Options) *Node {
	t.Helper()
	n := newNode(t, o, nil, loopback.Free(t))
	n.Restart()
	return n
}

func newNode(t testing.TB, o Options, c *Cluster, address string) *Node {
	if o.Log == nil {
		o.Log = NewLog()
	}
	if o.MaxAppend == 0 {
		o.MaxAppend = DefaultMaxAppend
	}
	if o.Version == "" {
		o.Version = Version
	}
	return &Node{Log: o.Log, t: t, options: o, cluster: c, host: "127.0.0.1", address: address}
}

// Restart listens on the address of the node.
func (n *Node) Restart() {
	n.t.Helper()
	l, err := net.Listen("tcp", n.address)
	if err != nil {
		n.t.Fatalf("esdbserver: %v", err)
	}
	if n.leader() == n || n.leader() == nil {
		n.Log.forget()
	}
	opts := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(n.guardUnary, n.Faults.unary),
		grpc.ChainStreamInterceptor(n.guardStream, n.Faults.stream),
		grpc.MaxRecvMsgSize(32 << 20),
	}
	if n.options.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{n.options.TLS.pair}})))
	}
	ctx, halt := context.WithCancel(context.Background())
	server, stopped := grpc.NewServer(opts...), make(chan struct{})
	streams.RegisterStreamsServer(server, &service{node: n, ends: ctx})
	gossip.RegisterGossipServer(server, gossiper{node: n})
	if n.options.Version != Ancient {
		serverfeatures.RegisterServerFeaturesServer(server, features{version: n.options.Version})
	}
	n.server, n.stopped, n.halt = server, stopped, halt
	go func() {
		defer close(stopped)
		_ = server.Serve(l) // ends with Stop
	}()
	n.t.Cleanup(n.Stop)
}

// Stop ends the node as a crash does: connections are cut. The log stays.
func (n *Node) Stop() {
	n.halt()
	n.server.Stop()
	<-n.stopped
}

// URL is the connection string of this node alone.
func (n *Node) URL() string { return connectionString("esdb", n.address, n.options) }

// Address is the node's host and port.
func (n *Node) Address() string { return n.address }

func connectionString(scheme, hosts string, o Options) string {
	u := scheme + "://"
	if o.User != "" {
		u += url.UserPassword(o.User, o.Password).String() + "@"
	}
	u += hosts + "?tls=" + strconv.FormatBool(o.TLS != nil)
	if o.TLS != nil {
		u += "&tlsCAFile=" + url.QueryEscape(o.TLS.File)
	}
	return u
}

// guard lets in who signs in as the one user, if there is one, and sends away who wants the leader but asks another node.
func (n *Node) guard(ctx context.Context, method string) (metadata.MD, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if n.options.User != "" && slices.Contains([]string{"Read", "Append", "BatchAppend", "Delete", "Tombstone"}, method) &&
		!strings.HasPrefix(method, "/event_store.client.gossip") {
		switch given := md.Get("authorization"); {
		case len(given) == 0 && method == "BatchAppend": // which says so for each append
		case len(given) == 0:
			return metadata.Pairs("exception", "access-denied"), status.Error(codes.PermissionDenied, "Access Denied")
		case given[0] != "Basic "+base64.StdEncoding.EncodeToString([]byte(n.options.User+":"+n.options.Password)):
			return nil, status.Error(codes.Unauthenticated, "Not Authenticated")
		}
	}
	if leader := n.leader(); leader != n && len(md.Get("requires-leader")) > 0 && md.Get("requires-leader")[0] == "true" {
		if leader == nil {
			return nil, status.Error(codes.Unavailable, "Server Is Not Ready")
		}
		host, port, _ := net.SplitHostPort(leader.address)
		return metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port),
			status.Error(codes.NotFound, "Leader info available")
	}
	return nil, nil
}

func (n *Node) leader() *Node {
	if n.cluster == nil {
		return n
	}
	return n.cluster.Leader()
}

func (n *Node) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if !strings.HasPrefix(info.FullMethod, "/event_store.client.streams.") {
		return handler(ctx, req)
	}
	trailer, err := n.guard(ctx, methodOf(info.FullMethod))
	if err != nil {
		_ = grpc.SetTrailer(ctx, trailer)
		return nil, err
	}
	return handler(ctx, req)
}

func (n *Node) guardStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	trailer, err := n.guard(ss.Context(), methodOf(info.FullMethod))
	if err != nil {
		ss.SetTrailer(trailer)
		return err
	}
	return handler(srv, ss)
}

type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
	version string
}

// GetSupportedMethods implements the protocol.
func (f features) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const service = "event_store.client.streams.streams"
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: f.version,
		Methods: []*serverfeatures.SupportedMethod{
			{ServiceName: service, MethodName: "read", Features: []string{"position", "events"}},
			{ServiceName: service, MethodName: "append"},
			{ServiceName: service, MethodName: "batchappend", Features: []string{"deadline_duration"}},
			{ServiceName: service, MethodName: "delete"},
			{ServiceName: service, MethodName: "tombstone"},
		},
	}, nil
}

type gossiper struct {
	gossip.UnimplementedGossipServer
	node *Node
}

// Read implements the protocol.
func (g gossiper) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	nodes := []*Node{g.node}
	if g.node.cluster != nil {
		nodes = g.node.cluster.Nodes
	}
	info := &gossip.ClusterInfo{}
	for i, n := range nodes {
		host, port, err := net.SplitHostPort(n.address)
		if err != nil {
			return nil, fmt.Errorf("the address of node %d: %w", i, err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("the port of node %d: %w", i, err)
		}
		state := gossip.MemberInfo_Follower
		if n == n.leader() {
			state = gossip.MemberInfo_Leader
		}
		id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(n.address))
		info.Members = append(info.Members, &gossip.MemberInfo{
			InstanceId: toUUID(id), TimeStamp: time.Now().UnixNano() / 100, State: state, IsAlive: n.alive(),
			HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
		})
	}
	return info, nil
}
