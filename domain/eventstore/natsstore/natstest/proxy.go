package natstest

import (
	"net"
	"sync"
	"testing"
)

// proxy hands bytes on between those who connect and a target, and holds them up when it is told.
type proxy struct {
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	target string
	open   chan struct{} // closed while bytes flow
	held   bool
	conns  map[net.Conn]bool // nil when the proxy is closed
}

// startProxy listens; leadTo must follow before anybody connects.
func startProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.open)
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// leadTo says where the proxy leads, and returns its own address.
func (p *proxy) leadTo(target string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	return p.listener.Addr().String()
}

func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.held {
		p.held, p.open = true, make(chan struct{})
	}
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		p.held = false
		close(p.open)
	}
}

// pass returns when bytes may flow.
func (p *proxy) pass() {
	for {
		p.mu.Lock()
		open, held := p.open, p.held
		p.mu.Unlock()
		if !held {
			return
		}
		<-open
	}
}

// close ends all connections; those that are held up, too.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.release()
	p.work.Wait()
}

// keep notes a connection that close must end; false when it is too late.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.keep(c) {
			p.work.Go(func() { p.serve(c) })
		}
	}
}

func (p *proxy) serve(client net.Conn) {
	p.pass()
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil || !p.keep(server) {
		p.end(client)
		return
	}
	p.work.Go(func() {
		p.copy(server, client)
		p.end(client, server)
	})
	p.copy(client, server)
	p.end(client, server)
}

// copy hands on what comes, until either side ends.
func (p *proxy) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.pass()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) end(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // the other half may have closed it
		delete(p.conns, c)
	}
}
