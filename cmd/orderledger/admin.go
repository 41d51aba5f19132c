package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/commands/lease"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

func (c *cli) tabs() *cobra.Command {
	return &cobra.Command{
		Use: "tabs", Short: "Print the six counts", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, at, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			counts, err := cl.Tabs(cmd.Context(), at)
			if err != nil {
				return err
			}
			return c.printTabs(counts)
		},
	}
}

func (c *cli) projections() *cobra.Command {
	status := &cobra.Command{
		Use: "status", Short: "How far the read models are", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			list, err := cl.Projections(cmd.Context())
			if err != nil {
				return err
			}
			return c.printProjections(list)
		},
	}
	rebuild := &cobra.Command{
		Use: "rebuild", Short: "Build the read models anew from the log, while the old ones serve", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			if err := cl.RebuildProjections(cmd.Context()); err != nil {
				return err
			}
			c.note("rebuilding; see how far it is with: orderledger projections status")
			return nil
		},
	}
	return group("projections", "Look after the read models", status, rebuild)
}

func (c *cli) printProjections(list []client.Projection) error {
	l := listing{columns: []string{"NAME", "CHECKPOINT", "HEAD", "LAG", "REBUILDING", "ERROR"}}
	for _, p := range list {
		rebuilding := ""
		if p.Rebuilding {
			rebuilding = "at " + position(p.Rebuilt)
		}
		l.add(p, p.Name, position(p.Checkpoint), position(p.Head), strconv.FormatUint(p.Lag, 10), rebuilding, p.Error)
	}
	return c.print(l)
}

func (c *cli) store() *cobra.Command {
	var from logSource
	status := &cobra.Command{
		Use: "status", Short: "Where the log is, and what an acknowledgement is worth", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s client.StoreStatus
			var err error
			if from.direct() {
				err = c.withStore(cmd.Context(), &from, func(store eventstore.Store) error {
					s, err = directStatus(cmd.Context(), store)
					return err
				})
			} else {
				s, err = c.remoteStatus(cmd.Context())
			}
			if err != nil {
				return err
			}
			l := listing{columns: []string{"BACKEND", "LOCATION", "LEDGER", "DURABILITY", "HEAD", "EVENTS", "BYTES", "ACTS", "NOTE"}, one: true}
			events, size := strconv.FormatUint(s.Events, 10), strconv.FormatUint(s.Bytes, 10)
			if s.Events == 0 && s.Head > 0 {
				events, size = "", "" // the store can't tell
			}
			l.add(s, s.Backend, s.Location, s.Ledger, string(s.Durability), position(s.Head), events, size, acts(s.Acting), s.Note)
			return c.print(l)
		},
	}
	from.flags(status)
	return group("store", "Look after the log's store", status, c.storeCopy())
}

func (c *cli) remoteStatus(ctx context.Context) (client.StoreStatus, error) {
	cl, err := c.client()
	if err != nil {
		return client.StoreStatus{}, err
	}
	return cl.Store(ctx)
}

// directStatus is what a store says itself. Of a process that acts it says what it said last: that it died shows only with time.
func directStatus(ctx context.Context, store eventstore.Store) (s client.StoreStatus, err error) {
	if s.Status, err = store.Status(ctx); err != nil {
		return s, err
	}
	if records, ok := store.(eventstore.Leaser); ok {
		p, since, err := lease.Holder(ctx, records)
		if err != nil {
			return s, err
		}
		if p != nil {
			s.Acting = &client.Acting{Process: p.ID, Host: p.Host, PID: p.PID, Since: since}
		}
	}
	return s, nil
}

// acts names the process that acts.
func acts(a *client.Acting) string {
	if a == nil {
		return "none known"
	}
	return fmt.Sprintf("%d on %s since %s", a.PID, a.Host, when(&a.Since))
}

func (c *cli) token() *cobra.Command {
	return group("token", "Make, list and revoke API tokens; with --data, on a stopped ledger",
		c.tokenCreate(), c.tokenList(), c.tokenRevoke())
}

// byHand is who works on a stopped ledger: whoever may read its folder.
var byHand = domain.Actor{ID: "local", Role: domain.Admin, Via: domain.ViaCLI}

func (c *cli) tokenCreate() *cobra.Command {
	from := logSource{create: true} // before the first serve, too
	var name string
	var role domain.Role
	cmd := &cobra.Command{
		Use: "create --name NAME --role ROLE", Short: "Make a token; its secret is printed once", Args: args(0, 0),
	}
	from.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "under which its holder acts")
	cmd.Flags().StringVar((*string)(&role), "role", "", "viewer, clerk, manager, auditor, store or admin")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if name == "" || role == "" {
			return wrongUse("%s needs --name and --role", cmd.CommandPath())
		}
		if err := access.Check(name, role); err != nil {
			return usageError{err}
		}
		var v client.NewToken
		err := c.onTokens(cmd.Context(), &from, func(cl *client.Client) (err error) {
			v, err = cl.CreateToken(cmd.Context(), name, role)
			return err
		}, func(_ eventstore.Store, t *access.Tokens) error {
			secret, id, _, err := t.Create(cmd.Context(), byHand, name, role)
			v = client.NewToken{ID: id, Name: name, Role: role, Secret: secret}
			return err
		})
		if err != nil {
			return err
		}
		c.note("keep the secret: it is not shown again")
		l := listing{columns: []string{"ID", "NAME", "ROLE", "SECRET"}, one: true}
		l.add(v, v.ID, v.Name, string(v.Role), v.Secret)
		return c.print(l)
	}
	return cmd
}

func (c *cli) tokenRevoke() *cobra.Command {
	var from logSource
	cmd := &cobra.Command{Use: "revoke ID", Short: "Make a token worth nothing", Args: args(1, 1)}
	from.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := c.onTokens(cmd.Context(), &from, func(cl *client.Client) error {
			_, err := cl.RevokeToken(cmd.Context(), args[0])
			return err
		}, func(_ eventstore.Store, t *access.Tokens) error {
			_, err := t.Revoke(cmd.Context(), byHand, args[0])
			return err
		})
		if err == nil {
			c.note("token %s is revoked", args[0])
		}
		return err
	}
	return cmd
}

func (c *cli) tokenList() *cobra.Command {
	var from logSource
	cmd := &cobra.Command{Use: "list", Short: "List the tokens, without their secrets", Args: args(0, 0)}
	from.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var list []client.Token
		err := c.onTokens(cmd.Context(), &from, func(cl *client.Client) error {
			at, err := head(cmd.Context(), cl)
			if err != nil {
				return err
			}
			list, err = cl.Tokens(cmd.Context(), at)
			return err
		}, func(store eventstore.Store, _ *access.Tokens) (err error) {
			list, err = tokensOf(cmd.Context(), store)
			return err
		})
		if err != nil {
			return err
		}
		l := listing{columns: []string{"ID", "NAME", "ROLE", "CREATED", "REVOKED"}}
		for _, t := range list {
			l.add(t, t.ID, t.Name, string(t.Role), when(&t.Created), when(t.Revoked))
		}
		return c.print(l)
	}
	return cmd
}

// onTokens works on tokens: at the server, or in a stopped ledger's log.
func (c *cli) onTokens(ctx context.Context, from *logSource, remote func(*client.Client) error, direct func(eventstore.Store, *access.Tokens) error) error {
	if !from.direct() {
		cl, err := c.client()
		if err != nil {
			return err
		}
		return remote(cl)
	}
	return c.withStore(ctx, from, func(store eventstore.Store) error {
		return direct(store, access.New(store, eventstore.Codec{}, time.Now))
	})
}

// tokensOf folds the tokens out of a log, in the order in which they were made.
func tokensOf(ctx context.Context, store eventstore.Store) (list []client.Token, err error) {
	head, err := store.Head(ctx)
	if err != nil || head == 0 {
		return nil, err
	}
	sub, err := store.Subscribe(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sub.Close()) }()
	at := map[string]int{}
	for last := eventstore.Position(0); last < head; {
		page, err := sub.Next(ctx, 1000)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			last = r.Position
			category, id, err := eventstore.CheckStream(r.Stream)
			if err != nil || category != "access" {
				continue
			}
			e, env, err := eventstore.Codec{}.Decode(r)
			if err != nil {
				return nil, err
			}
			switch e := e.(type) {
			case eventstore.TokenCreated:
				at[id] = len(list)
				list = append(list, client.Token{ID: id, Name: e.Name, Role: e.Role, Created: env.OccurredAt})
			case eventstore.TokenRevoked:
				i, ok := at[id]
				if !ok {
					return nil, fmt.Errorf("token %s was revoked and never made", id)
				}
				list[i].Revoked = &env.OccurredAt
			}
		}
	}
	return list, nil
}
