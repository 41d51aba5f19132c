package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/client"
)

func (c *cli) webhook() *cobra.Command {
	return group("webhook", "Have events sent to other systems, signed, in order, at least once",
		c.webhookAdd(), c.webhookList(), c.webhookTest(),
		c.onWebhook("rotate", "Give an endpoint a new secret; the old one signs, too, for 24 hours", (*client.Client).RotateEndpoint),
		c.onWebhook("retry", "Send the delivery that is parked again", (*client.Client).RetryDelivery),
		c.onWebhook("skip", "Go on behind the delivery that is parked", (*client.Client).SkipDelivery),
		c.onWebhook("disable", "Send an endpoint nothing until it is enabled", (*client.Client).DisableEndpoint),
		c.onWebhook("enable", "Let an endpoint go on where it was", (*client.Client).EnableEndpoint),
		c.onWebhook("remove", "Remove an endpoint for good", (*client.Client).RemoveEndpoint),
	)
}

func (c *cli) webhookAdd() *cobra.Command {
	var e client.NewEndpoint
	var key string
	cmd := &cobra.Command{
		Use: "add URL", Short: "Have events sent to a URL from now on; its secret is printed", Args: args(1, 1),
	}
	cmd.Flags().StringSliceVar(&e.Types, "types", nil, "event types, such as Accepted,Shipped (default all)")
	cmd.Flags().StringVar(&e.Manufacturer, "manufacturer", "", "of this manufacturer's orders alone")
	cmd.Flags().BoolVar(&e.CustomerData, "include-customer-data", false, "with customer data, addresses and note texts")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "names the request: asked again with it, nothing is added twice")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cl, err := c.client()
		if err != nil {
			return err
		}
		e.URL = args[0]
		var opts []client.Option
		if key != "" {
			opts = append(opts, client.Key(key))
		}
		added, err := cl.AddEndpoint(cmd.Context(), e, opts...)
		if err != nil {
			return err
		}
		return c.printEndpoint(added)
	}
	return cmd
}

// onWebhook is a command on one endpoint.
func (c *cli) onWebhook(verb, short string, do func(*client.Client, context.Context, string, ...client.Option) (client.Endpoint, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			e, err := do(cl, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.printEndpoint(e)
		},
	}
}

func (c *cli) printEndpoint(e client.Endpoint) error {
	l := listing{columns: []string{"ID", "URL", "TYPES", "STATE"}, one: true}
	cells := []string{e.ID, e.URL, strings.Join(e.Types, ","), e.State}
	if e.Secret != "" {
		c.note("the endpoint verifies what it is sent with the secret; keep it")
		l.columns, cells = append(l.columns, "SECRET"), append(cells, e.Secret)
	}
	l.add(e, cells...)
	return c.print(l)
}

func (c *cli) webhookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List whom events are sent to, and how that goes", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, at, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			list, err := cl.Endpoints(cmd.Context(), at)
			if err != nil {
				return err
			}
			l := listing{columns: []string{"ID", "URL", "TYPES", "MANUFACTURER", "CUSTOMER DATA", "STATE", "POSITION", "SINCE", "ATTEMPTS", "WHY"}}
			for _, e := range list {
				l.add(e, endpointCells(e)...)
			}
			return c.print(l)
		},
	}
}

func endpointCells(e client.Endpoint) []string {
	personal, since, attempts, why, at := "no", "", "", e.DisabledFor, ""
	if e.CustomerData {
		personal = "yes"
	}
	for _, t := range []*client.EndpointTrouble{e.Failing, e.Parked} {
		if t != nil {
			since, attempts = when(&t.Since), strconv.Itoa(t.Attempts)
			if why == "" || e.State == "parked" {
				why = t.Reason
			}
		}
	}
	if e.Progress != nil {
		at = position(e.Progress.Position)
	}
	return []string{e.ID, e.URL, strings.Join(e.Types, ","), e.Manufacturer, personal, e.State, at, since, attempts, why}
}

func (c *cli) webhookTest() *cobra.Command {
	return &cobra.Command{
		Use: "test ID", Short: "Send a test message and say what was answered", Args: args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			t, err := cl.TestEndpoint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			status := ""
			if t.Status != 0 {
				status = strconv.Itoa(t.Status)
			}
			l := listing{columns: []string{"OK", "STATUS", "SECONDS", "ANSWER", "ERROR"}, one: true}
			l.add(t, strconv.FormatBool(t.OK), status, strconv.FormatFloat(t.Seconds, 'f', 3, 64), t.Answer, t.Error)
			if err := c.print(l); err != nil {
				return err
			}
			if !t.OK {
				return fmt.Errorf("the endpoint did not take the test: %s", answered(t))
			}
			return nil
		},
	}
}

func answered(t client.EndpointTest) string {
	if t.Error != "" {
		return t.Error
	}
	return "it answered " + strconv.Itoa(t.Status)
}
