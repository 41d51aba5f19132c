package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

// errDiffers fails a comparison that came to its end and found differences.
var errDiffers = errors.New("the ledger and Stripe differ")

func (c *cli) money() *cobra.Command {
	return group("money", "Look after the money", c.moneyReconcile())
}

func (c *cli) moneyReconcile() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the ledger with Stripe, both ways; changes nothing",
		Long: "Compare the ledger with Stripe, both ways, and print every difference with what to do about it; changes nothing.\n" +
			"Exit 0 and one line of figures when there is none, 3 when there are differences, 1 when it could not be finished.\n" +
			"Orders with an act that has waited for Stripe's answer for less than 15 minutes are left out, and counted.",
		Args: args(0, 0),
	}
	cmd.Flags().StringVar(&since, "since", "", "compare what came in from a date (2026-01-31), an instant, or a time ago (30d, 12h)\n(default the oldest card order that is open or younger than 180 days)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		from, err := parseSince(since, time.Now())
		if err != nil {
			return err
		}
		return c.reconcile(cmd.Context(), from)
	}
	return cmd
}

// parseSince reads a date, an instant, or a time before now; the zero instant for none.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			if !t.Before(now) {
				return time.Time{}, wrongUse("--since %s: is not in the past", s)
			}
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, wrongUse("--since %q: write a date such as 2026-01-31, or a time ago such as 30d or 12h", s)
}

func (c *cli) reconcile(ctx context.Context, since time.Time) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	r := &reconciliation{Differences: []client.Difference{}}
	for line, e := range cl.Reconcile(ctx, since) {
		switch {
		case e != nil:
			err = e
		case line.Difference != nil:
			r.Differences = append(r.Differences, *line.Difference)
		case line.Figures != nil:
			r.Figures = line.Figures
		case line.Progress != nil:
			c.noteProgress(*line.Progress)
		}
	}
	if r.Figures == nil {
		return errors.Join(fmt.Errorf("the comparison was not finished: %w", err), c.printUnfinished(r))
	}
	if err := c.printReconciliation(r); err != nil {
		return err
	}
	if len(r.Differences) > 0 {
		return fmt.Errorf("%w: %s", errDiffers, figuresLine(*r.Figures))
	}
	return nil
}

// reconciliation is a comparison as JSON shows it. Figures are null when it was not finished.
type reconciliation struct {
	Differences []client.Difference      `json:"differences"`
	Figures     *client.ReconcileFigures `json:"figures"`
}

var phases = map[string]string{
	"log": "reading the log", "refunds": "reading Stripe's refunds", "disputes": "reading Stripe's disputes",
	"payments": "reading Stripe's payments", "looking_again": "looking again at what seems to differ",
}

func (c *cli) noteProgress(p client.ReconcileProgress) {
	text := phases[p.Phase]
	switch {
	case text == "":
		text = p.Phase
	case p.Total > 0:
		text += fmt.Sprintf(": %d of %d", p.Done, p.Total)
	case p.Done > 0:
		text += fmt.Sprintf(": %d", p.Done)
	}
	c.note("%s", text)
}

func (c *cli) printReconciliation(r *reconciliation) error {
	switch {
	case c.format == "json":
		return c.print(listing{items: []any{r}, one: true})
	case c.format == "table" && len(r.Differences) == 0:
		_, err := fmt.Fprintln(c.out, "the ledger and Stripe agree: "+figuresLine(*r.Figures))
		return err
	case len(r.Differences) == 0:
		c.note("the ledger and Stripe agree: %s", figuresLine(*r.Figures))
	}
	return c.print(c.differences(r.Differences))
}

// printUnfinished prints what was found before the comparison broke off, if anything was.
func (c *cli) printUnfinished(r *reconciliation) error {
	switch {
	case len(r.Differences) == 0:
		return nil
	case c.format == "json":
		return c.print(listing{items: []any{r}, one: true})
	}
	return c.print(c.differences(r.Differences))
}

// differences are rows of one cell for each side, for people, or of three, for spreadsheets.
func (c *cli) differences(list []client.Difference) listing {
	side := func(name string) []string { return []string{name} }
	cells := said
	if c.format == "csv" {
		side = func(name string) []string { return []string{name, name + " AMOUNT", name + " CURRENCY"} }
		cells = func(s client.Side) []string { return []string{s.State, strconv.FormatInt(s.Amount, 10), s.Currency} }
	}
	l := listing{columns: slices.Concat([]string{"CODE", "MANUFACTURER", "NUMBER", "ORDER", "PAYMENT INTENT", "OBJECT"},
		side("LEDGER"), side("STRIPE"), []string{"NOTED", "WHAT TO DO"})}
	for _, d := range list {
		order, noted := "", ""
		if d.OrderID != uuid.Nil {
			order = d.OrderID.String()
		}
		if d.Noted {
			noted = "yes"
		}
		l.add(d, slices.Concat([]string{d.Code, d.Manufacturer, d.OrderNumber, order, d.PaymentIntent, d.Object},
			cells(d.Ledger), cells(d.Stripe), []string{noted, d.Todo})...)
	}
	return l
}

// said is a side in words: how the money stands, and how much.
func said(s client.Side) []string {
	if s.Currency == "" {
		return []string{s.State}
	}
	return []string{s.State + " " + domain.Currency(s.Currency).Format(s.Amount)}
}

func figuresLine(f client.ReconcileFigures) string {
	return fmt.Sprintf("%d card orders since %s up to position %d, %d payments, %d refunds, %d disputes at Stripe; %d differences, "+
		"%d in flight, %d settled elsewhere, %d payments not ours, %.1f s",
		f.Orders, f.Since.UTC().Format(time.RFC3339), f.Position, f.Payments, f.Refunds, f.Disputes, f.Differences,
		f.InFlight, f.SettledElsewhere, f.NotOurs, f.Seconds)
}
