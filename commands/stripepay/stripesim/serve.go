package stripesim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a simulator that is being served.
type Server struct {
	URL  string // such as http://127.0.0.1:34567
	http *http.Server
	done chan error

	ticking sync.WaitGroup
	stop    context.CancelFunc // of the ticking
}

// ServeOption changes how a simulator is served.
type ServeOption func(*Server, *Sim)

// AdvanceEvery lets what is due happen (see Sim.Advance) even if nobody looks, so that its events are sent soon: every so often by
// the real clock. It is for people's use: a test whose clock is its own calls Advance itself.
func AdvanceEvery(interval time.Duration) ServeOption {
	return func(s *Server, sim *Sim) {
		ctx, stop := context.WithCancel(context.Background())
		s.stop = stop
		s.ticking.Go(func() { sim.tick(ctx, interval) })
	}
}

func (s *Sim) tick(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.Advance(ctx); err != nil {
			s.log.Error("stripesim can't advance", "error", err)
		}
	}
}

// Serve serves sim on addr, such as "127.0.0.1:0". It answers as soon as connections are accepted; ctx bounds only that.
// Stop the server before closing the simulator.
func Serve(ctx context.Context, addr string, sim *Sim, options ...ServeOption) (*Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve stripesim: %w", err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(),
		http: &http.Server{
			Handler: sim.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 2 * time.Minute,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		},
		done: make(chan error, 1),
		stop: func() {},
	}
	for _, option := range options {
		option(s, sim)
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// Stop takes no new requests, lets those under way be answered until ctx ends, and then cuts them.
func (s *Server) Stop(ctx context.Context) error {
	s.stop()
	s.ticking.Wait()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.done <- http.ErrServerClosed
	return err
}
