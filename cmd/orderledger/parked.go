package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

func (c *cli) parked() *cobra.Command {
	decide := func(d domain.Decision, short string, a act) *cobra.Command {
		a.verb, a.name, a.short, a.decision = domain.VerbResume, string(d), short, d
		return c.act(a)
	}
	return group("parked", "Decide about money acts that can't go on by themselves",
		c.parkedList(),
		decide(domain.Retry, "Ask Stripe again, as a new request", act{}),
		decide(domain.Adopt, "Take what Stripe shows as the answer, and ask it for nothing", act{needs: "evidence"}),
		decide(domain.Settle, "Record that it was settled outside Stripe", act{reference: true, needs: "reference"}),
		decide(domain.Abandon, "Give it up; it is recorded as failed", act{}),
	)
}

func (c *cli) parkedList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List what waits for a decision, oldest first", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return wrongUse("--limit %d: must not be below zero", limit)
			}
			return c.listParked(cmd.Context(), limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most; 0 for all")
	return cmd
}

func (c *cli) listParked(ctx context.Context, limit int) error {
	cl, at, err := c.reader(ctx)
	if err != nil {
		return err
	}
	q := client.ParkedQuery{WaitFor: at}
	return printPages(c, parkedColumns, limit, parkedCells, func(cursor string, most int) (page[client.Parked], error) {
		q.Cursor, q.Limit = cursor, most
		p, err := cl.Parked(ctx, q)
		return page[client.Parked]{items: p.Parked, more: p.HasMore, cursor: p.NextCursor}, err
	})
}

var parkedColumns = []string{
	"NUMBER", "MANUFACTURER", "CUSTOMER", "ACT", "AMOUNT", "SINCE", "ATTEMPTS", "DECISIONS", "REASON", "STRIPE REQUESTS", "ID",
}

func parkedCells(p client.Parked) []string {
	decisions := make([]string, len(p.Decisions))
	for i, d := range p.Decisions {
		decisions[i] = string(d)
	}
	return []string{
		p.OrderNumber, p.Manufacturer, p.Customer, string(p.Act), p.Currency.Format(p.Amount), when(&p.Since),
		strconv.Itoa(p.Attempts), strings.Join(decisions, " "), p.Reason, strings.Join(p.StripeRequests, " "), p.OrderID.String(),
	}
}
