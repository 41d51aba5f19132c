package esdbserver

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Proxy passes calls on to a server, a real one too, with faults of its own.
type Proxy struct {
	Faults  Faults
	address string
	target  *grpc.ClientConn
}

// StartProxy passes all calls on to the one node that a connection string names, signed in and with TLS as it says, until the test
// ends. It listens on loopback, without either.
func StartProxy(t testing.TB, connection string) *Proxy {
	t.Helper()
	settings, err := esdb.ParseConnectionString(connection)
	if err != nil {
		t.Fatal(err)
	}
	if settings.Address == "" || settings.DnsDiscover {
		t.Fatal("esdbserver: a proxy is for one node; name the leader alone, with esdb://")
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if !settings.DisableTLS {
		options = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			RootCAs: settings.RootCAs, InsecureSkipVerify: settings.SkipCertificateVerification,
		}))}
		if settings.Username != "" {
			options = append(options, grpc.WithPerRPCCredentials(basic(settings.Username+":"+settings.Password)))
		}
	}
	target, err := grpc.NewClient(settings.Address, options...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{address: l.Addr().String(), target: target}
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(p.pass), grpc.MaxRecvMsgSize(32<<20))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with Stop
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
		_ = target.Close() // nothing is under way any more
	})
	return p
}

// URL is the connection string of the proxy.
func (p *Proxy) URL() string { return "esdb://" + p.address + "?tls=false" }

// basic signs calls in.
type basic string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b))}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (basic) RequireTransportSecurity() bool { return true }

// raw leaves messages as they are.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) {
	if b, ok := v.(*[]byte); ok {
		return *b, nil
	}
	return nil, fmt.Errorf("a %T is no message", v)
}

func (raw) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a %T is no message", v)
	}
	*b = append([]byte(nil), data...)
	return nil
}

func (raw) Name() string { return "proto" }

// pass carries one call out.
func (p *Proxy) pass(_ any, in grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(in)
	if !ok {
		return status.Error(codes.Internal, "a call without a method")
	}
	return p.Faults.around(methodOf(method), in, func(in grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(in.Context())
		ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(in.Context(), md.Copy()))
		defer cancel()
		out, err := grpc.NewClientStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, p.target, method,
			grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(32<<20))
		if err != nil {
			return err
		}
		go forward(in, out)
		return answer(in, out)
	})
}

// forward passes on what the client sends. It ends with the call.
func forward(in grpc.ServerStream, out grpc.ClientStream) {
	for {
		var m []byte
		if err := in.RecvMsg(&m); err != nil {
			if errors.Is(err, io.EOF) {
				_ = out.CloseSend() // the answer says what went wrong
			}
			return
		}
		if out.SendMsg(&m) != nil {
			return
		}
	}
}

// answer passes on what the server answers.
func answer(in grpc.ServerStream, out grpc.ClientStream) error {
	for {
		var m []byte
		err := out.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			in.SetTrailer(out.Trailer())
			return nil
		}
		if err != nil {
			in.SetTrailer(out.Trailer())
			return err
		}
		if err := in.SendMsg(&m); err != nil {
			return err
		}
	}
}
