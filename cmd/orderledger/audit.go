package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

func (c *cli) audit() *cobra.Command {
	return group("audit", "Check the log, and see what it says of the past; changes nothing",
		c.auditVerify(), c.auditTimeline(), c.auditReplay())
}

// withLog lets use read the log that the flags name: the server's unless a folder or a store is given.
func (c *cli) withLog(ctx context.Context, s *logSource, use func(audit.Log) error) error {
	if !s.direct() {
		cl, err := c.client()
		if err != nil {
			return err
		}
		return use(remoteLog{cl})
	}
	return c.withStore(ctx, s, func(store eventstore.Store) error { return use(store) })
}

// withStore opens the store that the flags name.
func (c *cli) withStore(ctx context.Context, s *logSource, use func(eventstore.Store) error) error {
	cfg, err := s.config()
	if err != nil {
		return err
	}
	store, err := app.OpenLog(ctx, cfg, app.NewLogger(cfg, c.err))
	if errors.Is(err, eventstore.ErrLocked) {
		return fmt.Errorf("%w; the ledger runs: ask it with --server, or stop it", err)
	}
	if err != nil {
		return err
	}
	return errors.Join(use(store), store.Close())
}

func (c *cli) auditVerify() *cobra.Command {
	var from logSource
	var o audit.Options
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Recompute every chain and fold from the stored bytes",
		Long: "Recompute every chain and fold from the stored bytes: positions rise, streams have no holes, hashes match, and the rules\n" +
			"make exactly these events. Exit 0 and one line of figures, or exit 3 and the first bad position and why.\n" +
			"A digest that was kept elsewhere, given back with its position, proves that nothing was taken off the end.",
		Args: args(0, 0),
	}
	from.flags(cmd)
	cmd.Flags().Uint64Var((*uint64)(&o.Until), "position", 0, "verify up to this position (default all)")
	cmd.Flags().StringVar(&o.Digest, "digest", "", "the digest of an earlier verify up to --position")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Digest != "" && o.Until == 0 {
			return wrongUse("--digest needs the --position that it was taken at")
		}
		return c.withLog(cmd.Context(), &from, func(log audit.Log) error {
			r, err := audit.Verify(cmd.Context(), log, o)
			if err != nil {
				return err
			}
			if c.format == "table" {
				_, err = fmt.Fprintln(c.out, "the log is whole: "+r.String())
				return err
			}
			l := listing{columns: []string{"EVENTS", "STREAMS", "ORDERS", "POSITION", "SECONDS", "DIGEST"}, one: true}
			l.add(r, strconv.FormatInt(r.Events, 10), strconv.Itoa(r.Streams), strconv.Itoa(r.Orders),
				position(r.Position), strconv.FormatFloat(r.Seconds, 'f', 2, 64), r.Digest)
			return c.print(l)
		})
	}
	return cmd
}

func (c *cli) auditTimeline() *cobra.Command {
	var from logSource
	cmd := &cobra.Command{
		Use:   "timeline ID",
		Short: "All that happened to one order, from the log itself",
		Long:  "All that happened to one order, from the log itself. ID is the order's id or manufacturer/number.",
		Args:  args(1, 1),
	}
	from.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !from.direct() {
			return c.remoteTimeline(cmd.Context(), args[0])
		}
		id, ok := orderID(args[0])
		if !ok {
			return wrongUse("ID %q: use the order's id or manufacturer/number", args[0])
		}
		return c.withLog(cmd.Context(), &from, func(log audit.Log) error {
			entries, err := audit.Timeline(cmd.Context(), log, eventstore.Codec{}, id)
			if err != nil {
				return err
			}
			return c.printTimeline(entries)
		})
	}
	return cmd
}

// remoteTimeline asks the server for the timeline, which it reads from its log: whoever may see the order may ask for it.
func (c *cli) remoteTimeline(ctx context.Context, order string) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	id, err := c.resolve(ctx, order)
	if err != nil {
		return err
	}
	if _, err := current(ctx, cl, id); err != nil { // what was done just before is there
		return err
	}
	list, more, err := cl.Timeline(ctx, id)
	if err != nil {
		return err
	}
	if more {
		c.note("there is more; audit timeline --data shows all")
	}
	entries := make([]audit.Entry, len(list))
	for i, e := range list {
		entries[i] = audit.Entry{
			Position: e.Position, Stream: e.Stream, Revision: e.Revision, EventID: e.ID, Type: e.Type, OccurredAt: e.OccurredAt,
			Actor: e.Actor, CommandID: e.CommandID, CorrelationID: e.CorrelationID, CausationID: e.CausationID, Hash: e.Hash, Data: e.Data,
			Tab: e.Tab, Status: e.Status, Pending: e.Pending,
		}
	}
	return c.printTimeline(entries)
}

func (c *cli) printTimeline(entries []audit.Entry) error {
	l := listing{columns: []string{"POSITION", "REVISION", "AT", "EVENT", "BY", "VIA", "TAB", "PENDING"}}
	for _, e := range entries {
		l.add(e, position(e.Position), strconv.FormatInt(int64(e.Revision), 10), e.OccurredAt.UTC().Format(time.RFC3339),
			e.Type, e.Actor.ID, string(e.Actor.Via), string(e.Tab), string(e.Pending))
	}
	return c.print(l)
}

func (c *cli) auditReplay() *cobra.Command {
	var from logSource
	var m audit.Moment
	var asOf string
	var orders bool
	cmd := &cobra.Command{
		Use: "replay", Short: "The six tabs as they stood at a position or an instant", Args: args(0, 0),
	}
	from.flags(cmd)
	cmd.Flags().Uint64Var((*uint64)(&m.Position), "position", 0, "as of this position (default all)")
	cmd.Flags().StringVar(&asOf, "as-of", "", "as of this instant, such as 2026-01-31T17:00:00Z")
	cmd.Flags().BoolVar(&orders, "orders", false, "list the orders, too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if asOf != "" {
			if m.Position != 0 {
				return wrongUse("give --position or --as-of, not both")
			}
			var err error
			if m.AsOf, err = time.Parse(time.RFC3339, asOf); err != nil {
				return wrongUse("--as-of %q: write it as 2026-01-31T17:00:00Z", asOf)
			}
		}
		return c.withLog(cmd.Context(), &from, func(log audit.Log) error {
			s, err := audit.Replay(cmd.Context(), log, eventstore.Codec{}, m)
			if err != nil {
				return err
			}
			if orders {
				return c.printStood(s)
			}
			return c.printTabs(client.Tabs{
				New: s.Tabs[domain.TabNew], Paid: s.Tabs[domain.TabPaid], Shipped: s.Tabs[domain.TabShipped],
				Refunded: s.Tabs[domain.TabRefunded], Cancelled: s.Tabs[domain.TabCancelled], Archived: s.Tabs[domain.TabArchived],
				Position: s.Position,
			})
		})
	}
	return cmd
}

func (c *cli) printStood(s audit.Standing) error {
	l := listing{columns: []string{"TAB", "MANUFACTURER", "NUMBER", "STATUS", "PENDING", "TOTAL", "ID"}}
	for _, tab := range domain.Tabs {
		for _, o := range s.Orders {
			if o.Tab == tab {
				l.add(o, string(o.Tab), o.Manufacturer, o.OrderNumber, string(o.Status), string(o.Pending),
					o.Currency.Format(o.Total), o.ID.String())
			}
		}
	}
	return c.print(l)
}

// printTabs prints the six counts; as JSON in the shape of GET /v1/tabs.
func (c *cli) printTabs(n client.Tabs) error {
	if c.format == "json" || c.format == "jsonl" {
		return c.print(listing{items: []any{n}, one: true})
	}
	l := listing{columns: []string{"TAB", "ORDERS"}}
	for i, count := range []int64{n.New, n.Paid, n.Shipped, n.Refunded, n.Cancelled, n.Archived} {
		l.add(nil, string(domain.Tabs[i]), strconv.FormatInt(count, 10))
	}
	return c.print(l)
}

func position(p eventstore.Position) string { return strconv.FormatUint(uint64(p), 10) }
