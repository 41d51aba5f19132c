package app

import (
	"io"
	"net"
	"time"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain/share"
)

// maxConnections bounds the connections that are open, half of them for one address: each takes a file and memory, which the log needs, too.
const maxConnections = 4096

// fullHouse is what a connection too many is answered before anything of it is read.
const fullHouse = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" +
	"Too many connections are open. Close some, or wait a moment.\n"

// bounded accepts no more connections than there are places for.
type bounded struct {
	net.Listener
	places *share.Pool
}

func boundedBy(l net.Listener, most int) *bounded { return &bounded{l, share.New(most)} }

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		back, err := b.places.Take(commandapi.Address(c.RemoteAddr().String()))
		if err == nil {
			return &placed{c, back}, nil
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // it fits into what the system buffers
		_, _ = io.WriteString(c, fullHouse)
		_ = c.Close()
	}
}

// placed is a connection that has a place.
type placed struct {
	net.Conn
	back func()
}

// Close implements net.Conn.
func (p *placed) Close() error {
	p.back()
	return p.Conn.Close()
}
