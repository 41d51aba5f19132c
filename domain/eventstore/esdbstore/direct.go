package esdbstore

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// direct is a connection of the store's own to the leader, for what the client library does not offer.
type direct struct {
	conn *grpc.ClientConn
	// taken is the size of the largest event that this server took, by category.
	taken map[string]int
}

var errNoLeader = errors.New("no node of the cluster says that it leads")

// dial connects to the leader: the node that the settings name, or that the cluster's nodes say, or that another node has said.
func dial(ctx context.Context, settings *esdb.Configuration, said string) (*direct, error) {
	address := said
	if address == "" {
		address = settings.Address
		if settings.DnsDiscover || len(settings.GossipSeeds) > 0 {
			var err error
			if address, err = leader(ctx, settings); err != nil {
				return nil, err
			}
		}
	}
	conn, err := connectTo(settings, address)
	return &direct{conn: conn, taken: map[string]int{}}, err
}

// connectTo connects to a node as the library does.
func connectTo(settings *esdb.Configuration, address string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if !settings.DisableTLS {
		secure := &tls.Config{InsecureSkipVerify: settings.SkipCertificateVerification, RootCAs: settings.RootCAs}
		if settings.UserCertFile != "" && settings.UserKeyFile != "" {
			own, err := tls.LoadX509KeyPair(settings.UserCertFile, settings.UserKeyFile)
			if err != nil {
				return nil, fmt.Errorf("the user's certificate: %w", err)
			}
			secure.Certificates = []tls.Certificate{own}
		}
		options = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(secure))}
		if settings.Username != "" {
			options = append(options, grpc.WithPerRPCCredentials(basic(settings.Username+":"+settings.Password)))
		}
	}
	if settings.KeepAliveInterval >= 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: settings.KeepAliveInterval, Timeout: settings.KeepAliveTimeout, PermitWithoutStream: true,
		}))
	}
	return grpc.NewClient(address, options...)
}

// leader asks the nodes that are named, one after the other, who leads.
func leader(ctx context.Context, settings *esdb.Configuration) (string, error) {
	nodes := []string{settings.Address}
	if len(settings.GossipSeeds) > 0 {
		nodes = nil
		for _, seed := range settings.GossipSeeds {
			nodes = append(nodes, seed.String())
		}
	}
	var why error
	for _, node := range nodes {
		info, err := gossipOf(ctx, settings, node)
		if err != nil {
			why = err
			continue
		}
		for _, m := range info.GetMembers() {
			if m.GetState() == gossip.MemberInfo_Leader && m.GetIsAlive() {
				return net.JoinHostPort(m.GetHttpEndPoint().GetAddress(), strconv.FormatUint(uint64(m.GetHttpEndPoint().GetPort()), 10)), nil
			}
		}
		why = errNoLeader
	}
	return "", why
}

func gossipOf(ctx context.Context, settings *esdb.Configuration, node string) (*gossip.ClusterInfo, error) {
	conn, err := connectTo(settings, node)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	limited, cancel := context.WithTimeout(ctx, gossipPatience)
	defer cancel()
	return gossip.NewGossipClient(conn).Read(limited, &shared.Empty{})
}

// leaderSaid is the leader's address, if a node that is asked in its place said so.
func leaderSaid(trailer metadata.MD) string {
	host, port := trailer.Get("leader-endpoint-host"), trailer.Get("leader-endpoint-port")
	if len(host) == 0 || len(port) == 0 {
		return ""
	}
	return net.JoinHostPort(host[0], port[0])
}

// basic signs calls in.
type basic string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b))}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (basic) RequireTransportSecurity() bool { return true }
