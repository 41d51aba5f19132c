package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/cmd/orderledger/sample"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/carrier"
)

func (c *cli) demo() *cobra.Command {
	cfg := app.Default()
	cfg.Data, cfg.LogLevel = "", "error"
	cfg.Mail.DealerName, cfg.Mail.DealerAddress = "Sample Parts", "counter@dealer.example" // nobody gets it
	cfg.Slip.Address = "12 Quay Street; Portland, ME 04101"
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve in the sandbox with sample orders at every stage",
		Long: "Serve in the sandbox with sample orders at every stage, in every tab. Prints the dashboard's address and the six counts, and\n" +
			"serves until it is stopped. No money moves.",
		Args: args(0, 0),
	}
	cmd.Flags().StringVar(&cfg.Data, "data", "", "keep the ledger in this folder (default a temporary one)")
	cmd.Flags().StringVar(&cfg.Listen, "listen", cfg.Listen, "HOST:PORT to serve on (default any port when this one is taken)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if cfg.Data == "" && cfg.Public() {
			return wrongUse("--listen %s: others can reach this address, so nobody is let in without an API token: keep the demo in a folder, "+
				"and make a token in it first: orderledger token create --data DIR --name NAME --role admin", cfg.Listen)
		}
		if cfg.Data == "" {
			if cfg.Data, err = os.MkdirTemp("", "orderledger-demo-"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(cfg.Data)) }()
		}
		if err := cfg.Validate(); err != nil {
			return usageError{err}
		}
		orders, err := sample.Orders()
		if err != nil {
			return err
		}
		hooks := app.Hooks{Payments: func(p commands.Payments) commands.Payments { return declining{p, badCards(orders)} }}
		a, err := app.New(cmd.Context(), cfg, c.err, hooks)
		if errors.Is(err, syscall.EADDRINUSE) && !cmd.Flags().Changed("listen") {
			cfg.Listen = "127.0.0.1:0"
			a, err = app.New(cmd.Context(), cfg, c.err, hooks)
		}
		if err != nil {
			return err
		}
		return runAside(cmd.Context(), a, func(ctx context.Context) error { return c.showDemo(ctx, a.URL(), orders) })
	}
	return cmd
}

// showDemo works the sample orders like a clerk, and says what there is to see.
func (c *cli) showDemo(ctx context.Context, url string, orders []sample.Order) error {
	server, err := (&cli{server: url}).client()
	if err != nil {
		return err
	}
	if err := work(ctx, server, orders); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	at, err := head(ctx, server)
	if err != nil {
		return err
	}
	counts, err := server.Tabs(ctx, at)
	if err != nil {
		return err
	}
	if err := c.printDemo(url, counts); err != nil {
		return err
	}
	c.note("\nSandbox: no money moves. Ctrl-C stops it.")
	return nil
}

// printDemo prints the dashboard's address and the six counts.
func (c *cli) printDemo(url string, counts client.Tabs) error {
	switch c.format {
	case "json", "jsonl":
		return c.print(listing{one: true, items: []any{struct {
			Dashboard string `json:"dashboard"`
			client.Tabs
		}{url, counts}}})
	case "csv":
		c.note("The dashboard: %s", url)
	default:
		if _, err := fmt.Fprintf(c.out, "The dashboard: %s\n\n", url); err != nil {
			return err
		}
	}
	return c.printTabs(counts)
}

// atOnce is how many orders are worked on side by side.
const atOnce = 8

// work takes every order to its stage. Each request is named after its order and step: a demo that is started again in its
// folder changes nothing.
func work(ctx context.Context, server *client.Client, orders []sample.Order) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, o := range orders {
		g.Go(func() error {
			if err := workOn(ctx, server, o); err != nil {
				return fmt.Errorf("order %s: %w", o.Intake.OrderNumber, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// workOn takes one order to its stage.
func workOn(ctx context.Context, server *client.Client, o sample.Order) error {
	name := "demo-" + o.Intake.OrderNumber
	imported, err := server.Import(ctx, append([]byte(o.JSON), '\n'), client.Key(name))
	if err != nil {
		return err
	}
	if r := imported.Results[0]; r.Code != "" {
		return fmt.Errorf("%s: %s", r.Code, r.Message)
	}
	version := 1
	for i, step := range stages[o.Stage] {
		a, err := perform(ctx, server, o.Intake.ID(), step.verb, version, step.about(o.Intake),
			client.Key(fmt.Sprintf("%s-%d", name, i)), client.Wait(20*time.Second))
		if err != nil {
			return fmt.Errorf("%s: %w", step.verb, err)
		}
		version = a.Order.Version
	}
	return nil
}

// step is one act of a clerk.
type step struct {
	verb domain.Verb
	say  words // what does not depend on the order
}

// about is what the step says about an order.
func (s step) about(in domain.Intake) words {
	w := s.say
	switch {
	case s.verb == domain.VerbCapture && in.Payment.Method == domain.Account:
		w.reference = "INV-" + in.OrderNumber
	case s.verb == domain.VerbShip:
		w.parcels = []domain.Tracking{{Carrier: ups.Key, Number: parcelOf(in.OrderNumber)}}
	}
	return w
}

var ups, _ = carrier.Named("ups")

// parcelOf makes a tracking number for an order, check digit and all.
func parcelOf(order string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(order)) // a hash takes everything
	serial := fmt.Sprintf("1Z999AA101%07d", sum.Sum32()%1e7)
	for digit := range 10 {
		if n := serial + strconv.Itoa(digit); ups.Doubts(n) == "" {
			return n
		}
	}
	return serial
}

var (
	accept  = step{verb: domain.VerbAccept}
	capture = step{verb: domain.VerbCapture}
	ship    = step{verb: domain.VerbShip}
	archive = step{verb: domain.VerbArchive}
	refund  = step{verb: domain.VerbRefund, say: words{reason: "Wrong part ordered; returned unopened"}}
	cancel  = step{verb: domain.VerbCancel, say: words{reason: "Out of stock at the manufacturer"}}
	note    = func(text string) step { return step{verb: domain.VerbNote, say: words{text: text}} }

	// stages are what a clerk has done with the orders of each stage.
	stages = map[string][]step{
		"new":                {},
		"accepted":           {accept, note("Customer asked for a call before delivery.")},
		"capture_failed":     {accept, capture, note("Card declined; asked the customer for another.")},
		"paid":               {accept, capture},
		"shipped":            {accept, capture, ship},
		"shipped_owed":       {accept, ship, note("Entry in the business system follows with the evening run.")},
		"refunded":           {accept, capture, ship, refund},
		"cancelled":          {cancel},
		"cancelled_paid":     {accept, capture, cancel},
		"archived_shipped":   {accept, capture, ship, archive},
		"archived_cancelled": {accept, cancel, archive},
		"archived_refunded":  {accept, capture, refund, archive},
	}
)

// badCards are the orders whose captures are to fail.
func badCards(orders []sample.Order) map[string]bool {
	bad := map[string]bool{}
	for _, o := range orders {
		if o.Stage == "capture_failed" {
			bad[o.Intake.ID().String()] = true
		}
	}
	return bad
}

// declining pays some orders with a card of the sandbox that holds funds and refuses every capture.
type declining struct {
	commands.Payments
	orders map[string]bool
}

// Authorize implements commands.Payments.
func (d declining) Authorize(ctx context.Context, r commands.PaymentRequest, method string) (commands.PaymentIntent, error) {
	if d.orders[r.OrderID] {
		method = "pm_card_captureDeclined"
	}
	return d.Payments.Authorize(ctx, r, method)
}
