package app

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/lease"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

// A process that may not listen writes nothing into the log, and keeps no other from acting.
func TestRefusedBeforeAnythingIsTouched(t *testing.T) {
	c := Default()
	c.Store, c.Ledger, c.Data, c.Listen, c.LogLevel = natstest.Start(t).URL, "shop", t.TempDir(), "0.0.0.0:0", "error"
	run := func() error {
		a, err := New(t.Context(), c, io.Discard, Hooks{})
		if err != nil {
			return err
		}
		return a.Run(t.Context())
	}
	err := run()
	if err == nil || !strings.Contains(err.Error(), "token create --store "+c.Store+" --ledger shop --name NAME --role admin") {
		t.Errorf("%v", err)
	}
	log, err := OpenLog(t.Context(), c, NewLogger(c, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	if head, err := log.Head(t.Context()); err != nil || head != 0 {
		t.Errorf("the log ends at %d, %v", head, err)
	}
	if p, _, err := lease.Holder(t.Context(), log.(eventstore.Leaser)); err != nil || p != nil {
		t.Errorf("the lease was taken by %+v, %v", p, err)
	}
	if record, err := log.(eventstore.Leaser).ReadLease(t.Context()); err != nil || record.Revision != 0 {
		t.Errorf("the lease was written: %+v, %v", record, err)
	}

	// With a token it serves.
	tokens := access.New(log, eventstore.Codec{}, time.Now)
	admin := domain.Actor{ID: "cli", Role: domain.Admin, Via: domain.ViaCLI}
	if _, _, _, err := tokens.Create(t.Context(), admin, "anna", domain.Admin); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), c, io.Discard, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	select {
	case <-a.Serving():
	case err := <-done:
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Where it is plain that there is no token, not even a folder is made.
func TestRefusedBeforeThereIsAFolder(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Listen = "0.0.0.0:0" },
		func(c *Config) { c.NoAnonymous = true },
		func(c *Config) { c.NATSListen = "0.0.0.0:0" },
		func(c *Config) { c.NoAnonymous, c.Store = true, "memory" },
	} {
		c := Default()
		c.Data, c.Listen = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
		edit(&c)
		if _, err := New(t.Context(), c, io.Discard, Hooks{}); err == nil || !strings.Contains(err.Error(), c.exposed()) {
			t.Errorf("%v", err)
		}
		if _, err := os.Stat(c.Data); !os.IsNotExist(err) {
			t.Errorf("the folder was made: %v", err)
		}
	}
}

// An address that is taken is said before the log is opened.
func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nobody came
	c := Default()
	c.Data, c.Listen = t.TempDir(), l.Addr().String()
	if _, err := New(t.Context(), c, io.Discard, Hooks{}); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "log")); !os.IsNotExist(err) {
		t.Errorf("a log was made: %v", err)
	}
}
