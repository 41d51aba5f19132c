package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/queryapi"
)

func (c *cli) obligations() *cobra.Command {
	return group("obligations", "What orders owe the external business system: entries and reversals",
		c.obligationsList(), c.obligationsRecord(), c.obligationsRecorded())
}

// listFlags are those of both lists.
type listFlags struct {
	kind         domain.ObligationKind
	manufacturer string
	limit        int
}

func (f *listFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar((*string)(&f.kind), "kind", "", "only this: entry or reversal")
	fs.StringVar(&f.manufacturer, "manufacturer", "", "only of this manufacturer")
	fs.IntVar(&f.limit, "limit", 50, "how many at most; 0 for all. As CSV, always all")
}

func (f *listFlags) check(c *cli, cmd *cobra.Command) error {
	switch {
	case f.limit < 0:
		return wrongUse("--limit %d: must not be below zero", f.limit)
	case c.format == "csv" && cmd.Flags().Changed("limit"):
		return wrongUse("--limit does not go with -o csv, which is the whole table")
	}
	return oneOf("kind", f.kind, domain.ObligationKinds)
}

func (c *cli) obligationsList() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List what is owed, oldest first; with -o csv the bookkeeper's table", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(c, cmd); err != nil {
				return err
			}
			return c.listObligations(cmd.Context(), f)
		},
	}
	f.add(cmd)
	return cmd
}

func (c *cli) listObligations(ctx context.Context, f listFlags) error {
	cl, at, err := c.reader(ctx)
	if err != nil {
		return err
	}
	q := client.ObligationQuery{Kind: f.kind, Manufacturer: f.manufacturer, WaitFor: at}
	if c.format == "csv" {
		return cl.ObligationsCSV(ctx, q, c.out)
	}
	return printPages(c, owedColumns, f.limit, owedCells, func(cursor string, most int) (page[client.Obligation], error) {
		q.Cursor, q.Limit = cursor, most
		p, err := cl.Obligations(ctx, q)
		return page[client.Obligation]{items: p.Obligations, more: p.HasMore, cursor: p.NextCursor, count: p.Count}, err
	})
}

var owedColumns = []string{"NUMBER", "OWES", "SINCE", "DAYS", "AMOUNT", "CUSTOMER", "ACCOUNT", "MANUFACTURER", "VERSION", "ID"}

func owedCells(o client.Obligation) []string {
	return []string{
		o.OrderNumber, string(o.Kind), when(&o.Since), strconv.Itoa(o.AgeDays), o.Currency.Format(o.Amount), customer(o.Customer),
		o.Customer.AccountNumber, o.Manufacturer, strconv.Itoa(o.Version), o.OrderID.String(),
	}
}

// customer is the company, else the name.
func customer(a client.Account) string {
	if a.Company != "" {
		return a.Company
	}
	return a.Name
}

func (c *cli) obligationsRecorded() *cobra.Command {
	var f listFlags
	var from, to string
	cmd := &cobra.Command{
		Use: "recorded", Short: "List what was recorded in a period, with its references; with -o csv the bookkeeper's table", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(c, cmd); err != nil {
				return err
			}
			if _, _, err := queryapi.Period(from, ""); err != nil {
				return badTime("from", from, err)
			}
			if _, _, err := queryapi.Period("", to); err != nil {
				return badTime("to", to, err)
			}
			return c.listRecorded(cmd.Context(), f, from, to)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "only recorded from this day on")
	cmd.Flags().StringVar(&to, "to", "", "only recorded up to this day")
	return cmd
}

func (c *cli) listRecorded(ctx context.Context, f listFlags, from, to string) error {
	cl, at, err := c.reader(ctx)
	if err != nil {
		return err
	}
	q := client.RecordedQuery{Kind: f.kind, Manufacturer: f.manufacturer, From: from, To: to, WaitFor: at}
	if c.format == "csv" {
		return cl.RecordedCSV(ctx, q, c.out)
	}
	return printPages(c, recordedColumns, f.limit, recordedCells, func(cursor string, most int) (page[client.Recorded], error) {
		q.Cursor, q.Limit = cursor, most
		p, err := cl.Recorded(ctx, q)
		return page[client.Recorded]{items: p.Recorded, more: p.HasMore, cursor: p.NextCursor}, err
	})
}

var recordedColumns = []string{"RECORDED", "KIND", "REFERENCE", "NUMBER", "AMOUNT", "CUSTOMER", "ACCOUNT", "MANUFACTURER", "ID"}

func recordedCells(r client.Recorded) []string {
	return []string{
		when(&r.RecordedAt), string(r.Kind), r.Reference, r.OrderNumber, r.Currency.Format(r.Amount), customer(r.Customer),
		r.Customer.AccountNumber, r.Manufacturer, r.OrderID.String(),
	}
}

// recordFlags are those of record.
type recordFlags struct {
	kind         domain.ObligationKind
	reference    string
	key          string
	version      int
	versionGiven bool
}

func (c *cli) obligationsRecord() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use: "record ID", Short: "Record that an obligation is met: the entry or the reversal, whichever the order owes", Args: args(1, 1),
		Long: "Record that an order's obligation is met, by its reference in the business system: the entry or the reversal, whichever is owed.\n" +
			"ID is the order's id, manufacturer/number, or its number when no other order has it. To record an entry before the order is\n" +
			"shipped, when nothing is owed yet, use: orderledger order capture ID --reference R",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.reference = strings.TrimSpace(f.reference)
			f.versionGiven = cmd.Flags().Changed("version")
			switch {
			case f.reference == "":
				return wrongUse("%s needs --reference", cmd.CommandPath())
			case f.version < 0:
				return wrongUse("--version must not be below zero")
			}
			if err := oneOf("kind", f.kind, domain.ObligationKinds); err != nil {
				return err
			}
			return c.recordObligation(cmd.Context(), args[0], f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.reference, "reference", "", "the number of the entry or reversal in the business system; no two orders have the same")
	fs.StringVar((*string)(&f.kind), "kind", "", "only if this is owed: entry or reversal")
	fs.IntVar(&f.version, "version", 0, "the version that you looked at (default the one that is)")
	fs.StringVar(&f.key, "idempotency-key", "", "name this request, so that repeating it changes nothing (default a new one)")
	return cmd
}

// recordObligation gives the order the command that meets what it owes, at the version that was looked at.
func (c *cli) recordObligation(ctx context.Context, order string, f recordFlags) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	id, err := c.resolve(ctx, order)
	if err != nil {
		return err
	}
	v, err := current(ctx, cl, id)
	if err != nil {
		return err
	}
	if !f.versionGiven {
		f.version = v.Version
	}
	kind, err := owed(v, f)
	if err != nil {
		return err
	}
	if kind == "" {
		c.note("it is recorded already")
		return c.printOrder(v)
	}
	answer, err := c.record(ctx, cl, id, kind, f)
	if err != nil {
		return err
	}
	return c.printOrder(answer.Order)
}

func (c *cli) record(ctx context.Context, cl *client.Client, id uuid.UUID, kind domain.ObligationKind, f recordFlags) (client.Answer, error) {
	return perform(ctx, cl, id, kind.Verb(), f.version, words{reference: f.reference}, append(keyOption(f.key), client.IfVersion(f.version))...)
}

// owed is what an order owes; empty when just that was recorded already, under this reference.
func owed(v domain.View, f recordFlags) (domain.ObligationKind, error) {
	recorded := map[domain.ObligationKind]string{
		domain.OwesEntry: text(v.Payment.ExternalReference), domain.OwesReversal: text(v.Payment.ReversalReference),
	}
	for _, kind := range domain.ObligationKinds {
		switch owes := slices.Contains(v.Badges, kind.Badge()); {
		case !owes || f.kind != "" && f.kind != kind:
		case f.kind == "" && kind == domain.OwesReversal && recorded[domain.OwesEntry] == f.reference:
			// More likely the entry, recorded a second time, than a reversal of the same number.
			return "", fmt.Errorf("order %s owes a reversal now, and %s is its entry; if the reversal has the same number, say --kind reversal",
				v.OrderNumber, f.reference)
		default:
			return kind, nil
		}
	}
	for _, kind := range domain.ObligationKinds {
		if recorded[kind] == f.reference && (f.kind == "" || f.kind == kind) {
			return "", nil
		}
	}
	what := "nothing"
	if f.kind != "" {
		what = "no " + string(f.kind)
	}
	return "", fmt.Errorf("order %s owes %s (payment %s, badges %s)", v.OrderNumber, what, v.Payment.State, badges(v))
}
