package stripesim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is a simulator that is being served.
type Server struct {
	URL  string // such as http://127.0.0.1:34567
	http *http.Server
	done chan error
}

// Serve serves sim on addr, such as "127.0.0.1:0". It answers as soon as connections are accepted; ctx bounds only that.
// Stop the server before closing the simulator.
func Serve(ctx context.Context, addr string, sim *Sim) (*Server, error) {
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
	}
	go func() { s.done <- s.http.Serve(listener) }()
	return s, nil
}

// Stop takes no new requests, lets those under way be answered until ctx ends, and then cuts them.
func (s *Server) Stop(ctx context.Context) error {
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
