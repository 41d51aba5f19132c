package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
)

// NewLogger writes to w at the configured level and in the configured format.
func NewLogger(c Config, w io.Writer) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.LogLevel)) // Validate has looked at it
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// OpenLog opens the log alone, for tools that look at a stopped ledger or at a store; an embedded one as durable as it was last
// served. Errors: eventstore.ErrLocked when the ledger runs, eventstore.ErrUnavailable.
func OpenLog(ctx context.Context, c Config, log *slog.Logger) (eventstore.Store, error) {
	c.Durability = ""
	return openLog(ctx, c, log, nil)
}

func openLog(ctx context.Context, c Config, log *slog.Logger, fatal func(error)) (eventstore.Store, error) {
	switch {
	case c.Store == "memory":
		return memstore.New(), nil
	case external(c.Store):
		return natsstore.Connect(ctx, natsstore.ExternalConfig{
			URL: c.Store, Ledger: c.Ledger, Replicas: c.Replicas, CredentialsFile: c.NATSCreds, Logger: log,
		})
	}
	return natsstore.OpenEmbedded(ctx, natsstore.EmbeddedConfig{
		Dir: filepath.Join(c.Data, "log"), Ledger: c.Ledger, Durability: eventstore.Durability(c.Durability),
		NATSListen: c.NATSListen, Logger: log, OnFatal: fatal,
	})
}

// sandboxKey is what our own client says to our own sandbox; no money hangs on it.
const sandboxKey = "sk_test_sandbox"

// openPayments returns the client that asks Stripe, or the sandbox that it starts, and what closes it.
func openPayments(
	ctx context.Context, c Config, log *slog.Logger, transport http.RoundTripper,
) (*stripepay.Client, func(), error) {
	config := stripepay.Config{Mode: stripepay.Mode(c.Stripe), Transport: transport, Logger: log}
	closers := []func(){}
	closeAll := func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	switch {
	case c.Stripe != "sandbox":
		key, err := readKey(c.StripeKey, log)
		if err != nil {
			return nil, nil, fmt.Errorf("--stripe-key-file: %w", err)
		}
		config.Key = key
	case c.SandboxURL != "":
		config.Key, config.URL = sandboxKey, c.SandboxURL
	default:
		sim, err := openSandbox(c, log)
		if err != nil {
			return nil, nil, fmt.Errorf("sandbox: %w", err)
		}
		closers = append(closers, func() { closeLogged(log, "sandbox", sim.Close) })
		server, err := stripesim.Serve(ctx, "127.0.0.1:0", sim)
		if err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("sandbox: %w", err)
		}
		closers = append(closers, func() {
			stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
			defer cancel()
			closeLogged(log, "sandbox server", func() error { return server.Stop(stop) })
		})
		config.Key, config.URL = sandboxKey, server.URL
	}
	client, err := stripepay.New(config)
	if err != nil {
		closeAll()
		return nil, nil, fmt.Errorf("--stripe %s: %w", c.Stripe, err)
	}
	closers = append(closers, func() { client.Close() })
	return client, closeAll, nil
}

func openSandbox(c Config, log *slog.Logger) (*stripesim.Sim, error) {
	if c.Store == "memory" {
		return stripesim.New(stripesim.WithLogger(log))
	}
	dir := filepath.Join(c.Data, "sandbox")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return stripesim.Open(filepath.Join(dir, "stripe.db"), stripesim.WithLogger(log))
}

func closeLogged(log *slog.Logger, what string, closer func() error) {
	if err := closer(); err != nil {
		log.Warn("could not be closed cleanly", "what", what, "error", err)
	}
}
