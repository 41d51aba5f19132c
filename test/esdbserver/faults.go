package esdbserver

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults make a server's answers fail, as a test tells it. The zero Faults lets everything pass.
type Faults struct {
	mu          sync.Mutex
	loseAppends int
	cutReads    []int
	failNext    map[string][]codes.Code // by method
	down        bool
	hold        chan struct{}
	before      func(method string)
	batch       func() BatchFault
	sent        func()
	miss        int
}

// BatchFault is how one append of a batch call fails, while those that follow it are carried out.
type BatchFault int

// The ways to fail.
const (
	NoFault         BatchFault = iota
	NotReady                   // refused, as a node does that does not lead yet
	NotReadyLate               // the same, but it is said when the next one has been carried out
	TimedOutApplied            // carried out, and answered as if nobody knew
)

var errLost = status.Error(codes.Unavailable, "the connection was cut")

// LoseAppends lets the answers to the next n appends be lost after they were applied. With the answer to an append of a batch call the
// call is lost.
func (f *Faults) LoseAppends(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseAppends = n
}

// CutRead cuts the next read or subscription off after so many messages. Several calls are for several reads.
func (f *Faults) CutRead(after int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutReads = append(f.cutReads, after)
}

// Fail answers the next calls of a method (Append, BatchAppend, Read, Delete, …), one for each code, with nothing but the code.
func (f *Faults) Fail(method string, with ...codes.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failNext == nil {
		f.failNext = map[string][]codes.Code{}
	}
	f.failNext[method] = append(f.failNext[method], with...)
}

// Down answers all calls as a server that is not ready, until it is said to be up again. Streams that are open stay so.
func (f *Faults) Down(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = yes
}

// Hold lets all calls wait until release is called, so that their deadlines pass.
func (f *Faults) Hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.hold = gate
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.hold == gate {
			f.hold = nil
		}
		close(gate)
	})
}

// Batch decides of each append of a batch call how it fails; nil ends that. It can't do that to a real server.
func (f *Faults) Batch(decide func() BatchFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batch = decide
}

func (f *Faults) batchFault() BatchFault {
	f.mu.Lock()
	decide := f.batch
	f.mu.Unlock()
	if decide == nil {
		return NoFault
	}
	return decide()
}

// Miss lets subscriptions to $all pass over the next n events that they should give.
func (f *Faults) Miss(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.miss = n
}

func (f *Faults) missed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.miss == 0 {
		return false
	}
	f.miss--
	return true
}

// Sent is called for each message that a read or a subscription has sent; nil ends that.
func (f *Faults) Sent(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = do
}

// Before is called at the beginning of each call, with its method; nil ends that.
func (f *Faults) Before(do func(method string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = do
}

// begin is the beginning of a call: it waits, or fails, as it was told.
func (f *Faults) begin(ctx context.Context, method string) error {
	f.mu.Lock()
	hold, before, down := f.hold, f.before, f.down
	code := codes.OK
	if next := f.failNext[method]; len(next) > 0 {
		code, f.failNext[method] = next[0], next[1:]
	}
	f.mu.Unlock()
	if before != nil {
		before(method)
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	switch {
	case down:
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	case code != codes.OK:
		return status.Error(code, "as the test told it")
	}
	return nil
}

// faulty is a call under way.
type faulty struct {
	grpc.ServerStream
	faults *Faults
	method string
	send   func() error // what becomes of the next message that is sent
}

func (s *faulty) SendMsg(m any) error {
	if s.send != nil {
		if err := s.send(); err != nil {
			return err
		}
	}
	if err := s.ServerStream.SendMsg(m); err != nil {
		return err
	}
	s.faults.mu.Lock()
	sent := s.faults.sent
	s.faults.mu.Unlock()
	if sent != nil && s.method == "Read" {
		sent()
	}
	return nil
}

func methodOf(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }

func (f *Faults) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return f.around(methodOf(info.FullMethod), ss, func(s grpc.ServerStream) error { return handler(srv, s) })
}

func (f *Faults) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := f.begin(ctx, methodOf(info.FullMethod)); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// around carries a call out with the faults that are due.
func (f *Faults) around(method string, ss grpc.ServerStream, do func(grpc.ServerStream) error) error {
	if err := f.begin(ss.Context(), method); err != nil {
		return err
	}
	s := &faulty{ServerStream: ss, faults: f, method: method}
	switch method {
	case "Append", "BatchAppend":
		s.send = func() error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.loseAppends == 0 {
				return nil
			}
			f.loseAppends--
			return errLost
		}
	case "Read":
		f.mu.Lock()
		if len(f.cutReads) > 0 {
			left := f.cutReads[0]
			f.cutReads = f.cutReads[1:]
			s.send = func() error {
				if left--; left < 0 {
					return errLost
				}
				return nil
			}
		}
		f.mu.Unlock()
	}
	return do(s)
}
