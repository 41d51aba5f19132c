package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
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
	c.NATSListen = "" // a tool lets nobody in
	return openLog(ctx, c, log, nil, door{})
}

func openLog(ctx context.Context, c Config, log *slog.Logger, fatal func(error), door door) (eventstore.Store, error) {
	switch {
	case c.Store == "memory":
		return memstore.New(), nil
	case esdbstore.Is(c.Store):
		return openESDB(ctx, c, log)
	case external(c.Store):
		return natsstore.Connect(ctx, natsstore.ExternalConfig{
			URL: c.Store, Ledger: c.Ledger, Replicas: c.Replicas, Existing: c.Existing, Security: c.NATS, Logger: log,
		})
	}
	store, err := natsstore.OpenEmbedded(ctx, natsstore.EmbeddedConfig{
		Dir: filepath.Join(c.Data, "log"), Ledger: c.Ledger, Durability: eventstore.Durability(c.Durability),
		NATSListen: c.NATSListen, Admit: door.admit, Stays: door.stays, Logger: log, OnFatal: fatal,
	})
	if errors.Is(err, natsstore.ErrListen) {
		return nil, fmt.Errorf("--nats-listen %s: %w", c.NATSListen, err)
	}
	if err != nil {
		return nil, err
	}
	return store, nil
}

func openESDB(ctx context.Context, c Config, log *slog.Logger) (eventstore.Store, error) {
	config := esdbstore.Config{URL: c.Store, Ledger: c.Ledger, Logger: log}
	if c.ESDBCreds != "" {
		lines, err := readLines(c.ESDBCreds, log)
		if err != nil {
			return nil, fmt.Errorf("--esdb-credentials-file: %w", err)
		}
		if len(lines) != 2 {
			return nil, fmt.Errorf("--esdb-credentials-file: %s must hold two lines, the user and the password", c.ESDBCreds)
		}
		config.User, config.Password = lines[0], lines[1]
	}
	store, err := esdbstore.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// openPayments returns the client that asks Stripe, or the sandbox.
func (a *App) openPayments(ctx context.Context, hooks Hooks) (commands.Payments, error) {
	config := stripepay.Config{Mode: stripepay.Mode(a.config.Stripe), Transport: hooks.Stripe, Logger: a.log}
	var err error
	switch {
	case a.config.Stripe != string(stripepay.Sandbox):
		if config.Key, err = readKey(a.config.StripeKey, a.log); err != nil {
			return nil, fmt.Errorf("--stripe-key-file: %w", err)
		}
	case a.config.SandboxURL != "":
		config.Key, config.URL = sandboxKey, a.config.SandboxURL
	default:
		config.Key = sandboxKey
		if config.URL, err = a.openSandbox(ctx, hooks); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	if a.stripe.secrets, err = openWebhookSecrets(a); err != nil {
		return nil, err
	}
	client, err := stripepay.New(config)
	if err != nil {
		return nil, fmt.Errorf("--stripe %s: %w", a.config.Stripe, err)
	}
	a.onClose(client.Close)
	a.stripe.client = client
	if a.config.Stripe != string(stripepay.Sandbox) {
		if err := a.checkStripe(ctx); err != nil {
			return nil, err
		}
	}
	if hooks.Payments != nil {
		return hooks.Payments(client), nil
	}
	return client, nil
}

func closeLogged(log *slog.Logger, what string, closer func() error) {
	if err := closer(); err != nil {
		log.Warn("could not be closed cleanly", "what", what, "error", err)
	}
}
