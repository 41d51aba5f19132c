package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Connections that nothing is sent on take half of the places at the most, and who comes too many is told so.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(boundedBy(inner, 4)) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	status := func(c net.Conn) int {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	open := []net.Conn{dial(), dial()}
	over := dial()
	if got := status(over); got != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", got)
	}
	if n, err := io.Copy(io.Discard, over); err != nil {
		t.Errorf("it is not closed: %d bytes more, %v", n, err)
	}
	for _, c := range open {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := status(c); got != http.StatusNotFound {
			t.Errorf("one that was there: %d", got)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatal(err)
		}
	}
	again := dial() // the places were given back before the connections ended
	if _, err := io.WriteString(again, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := status(again); got != http.StatusNotFound {
		t.Errorf("afterwards: %d", got)
	}
}

// No answer waits for its reader for ever; those that go on have a time for each part, whatever the whole takes.
func TestSlowReadersAreCut(t *testing.T) {
	a := startApp(t, func(*Config) {}, func(a *App) {
		if a.server.WriteTimeout <= 0 || a.server.ReadTimeout <= 0 || a.server.ReadHeaderTimeout <= 0 || a.server.IdleTimeout <= 0 || a.server.MaxHeaderBytes > 64<<10 {
			t.Errorf("a limit is not set: %+v", a.server)
		}
		a.server.WriteTimeout = 1 // nanosecond: no answer has the time but those that take it
	})
	for _, path := range []string{"/live", "/v1/events", "/v1/log?follow=true", "/v1/orders?format=csv", "/orders.csv", "/v1/money/reconcile"} {
		t.Run(path, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatalf("it is cut with the others: %v", err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("%d", res.StatusCode)
			}
		})
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL()+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(r); err == nil {
		_ = res.Body.Close()
		t.Error("a page has all the time there is")
	} else if !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}
