package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// exposed is an address at which people must be known by a token: one that strangers can reach, or any where nobody is let in
// without. Empty: there is none.
func (c Config) exposed() string {
	switch {
	case !loopback(c.Listen):
		return c.Listen
	case c.NATSListen != "" && !loopback(c.NATSListen):
		return c.NATSListen
	case c.NoAnonymous:
		return c.Listen
	}
	return ""
}

// noToken says what to do where there is none.
func (c Config) noToken() error {
	where, when := "--data "+c.Data, ", with the ledger stopped"
	if c.shared() {
		where, when = "--store "+PublicStore(c.Store), ""
	}
	if c.Ledger != Default().Ledger {
		where += " --ledger " + c.Ledger
	}
	return fmt.Errorf("there is no API token, so nobody could be let in on %s: make one first%s: orderledger token create %s --name NAME --role admin",
		c.exposed(), when, where)
}

// refuseStrangers refuses an exposed address where it is plain, before a folder is made, that there is no token.
func (c Config) refuseStrangers() error {
	if c.exposed() == "" || c.shared() {
		return nil
	}
	if c.Store == "memory" {
		return fmt.Errorf("a log in memory begins without API tokens, so nobody could be let in on %s: keep it in a folder (--store nats), "+
			"or listen on 127.0.0.1", c.exposed())
	}
	if _, err := os.Stat(filepath.Join(c.Data, "log")); os.IsNotExist(err) {
		return c.noToken()
	}
	return nil
}

// mayListen refuses an exposed address while there is no token to know anybody by.
func (a *App) mayListen(ctx context.Context) error {
	if a.config.exposed() == "" {
		return nil
	}
	head, err := a.store.Head(ctx)
	if err != nil {
		return err
	}
	if err := a.projector.WaitFor(ctx, head); err != nil {
		return err
	}
	list, err := a.model.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Revoked == nil {
			return nil
		}
	}
	return a.config.noToken()
}

// canListen says at once, before the log is read, that an address is taken. The server listens when it can answer.
func canListen(ctx context.Context, address string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	return l.Close()
}
