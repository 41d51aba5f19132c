package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

func (c *cli) order() *cobra.Command {
	return group("order", "Look at orders and work on them",
		c.orderList(), c.orderShow(), c.orderPlace(),
		c.act(act{verb: domain.VerbAccept, short: "Confirm an order"}),
		c.act(act{verb: domain.VerbCapture, short: "Take the held money; on account, record the entry", versioned: true, reference: true}),
		c.act(act{verb: domain.VerbShip, short: "Send an order off; a held card is captured first", versioned: true, tracking: true}),
		c.act(act{verb: domain.VerbTracking, short: "Correct the tracking numbers of a shipped order", tracking: true, needs: "tracking"}),
		c.act(act{verb: domain.VerbRefund, short: "Give the whole amount back", versioned: true, reason: true}),
		c.act(act{verb: domain.VerbCancel, short: "Call an order off that has not shipped", versioned: true, reason: true}),
		c.act(act{verb: domain.VerbArchive, short: "Put a finished order out of the way"}),
		c.act(act{verb: domain.VerbUnarchive, short: "Put an archived order back in its tab"}),
		c.act(act{verb: domain.VerbReversal, short: "Record the reversal of an order on account", reference: true, needs: "reference"}),
		c.act(act{verb: domain.VerbReauthorize, short: "Put a new hold in the place of one that is gone", payment: true}),
		c.act(act{verb: domain.VerbNote, name: "note", short: "Add a private note", text: true}),
	)
}

// orderID reads an order's id, or manufacturer/number.
func orderID(s string) (uuid.UUID, bool) {
	if id, err := uuid.Parse(s); err == nil && len(s) == 36 {
		return id, true
	}
	manufacturer, number, ok := strings.Cut(s, "/")
	if !ok || manufacturer == "" || number == "" {
		return uuid.Nil, false
	}
	return domain.OrderID(manufacturer, number), true
}

// resolve finds the order that a person means: by id, by manufacturer/number, or by a number that only one order has.
func (c *cli) resolve(ctx context.Context, s string) (uuid.UUID, error) {
	if id, ok := orderID(s); ok {
		return id, nil
	}
	cl, err := c.client()
	if err != nil {
		return uuid.Nil, err
	}
	at, err := head(ctx, cl)
	if err != nil {
		return uuid.Nil, err
	}
	p, err := cl.List(ctx, client.Query{Text: s, Limit: maxPage, WaitFor: at})
	if err != nil {
		return uuid.Nil, err
	}
	var found []domain.View
	var names []string
	for _, v := range p.Orders {
		if v.OrderNumber == s {
			found = append(found, v)
			names = append(names, v.Manufacturer+"/"+v.OrderNumber)
		}
	}
	switch {
	case len(found) == 1 && !p.HasMore:
		return found[0].ID, nil
	case len(found) == 0:
		return uuid.Nil, fmt.Errorf("there is no order with the number %q; find it with: orderledger order list --query TEXT", s)
	}
	return uuid.Nil, wrongUse("more than one order may have the number %q: say which, such as %s", s, strings.Join(names, " or "))
}

func (c *cli) orderShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one order", Args: args(1, 1),
		Long: "Show one order. ID is the order's id, manufacturer/number, or its number when no other order has it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			id, err := c.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			v, err := current(cmd.Context(), cl, id)
			if err != nil {
				return err
			}
			return c.showOrder(v)
		},
	}
}

func (c *cli) orderPlace() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use: "place FILE", Short: "Place the order in a JSON file (- reads standard input)", Args: args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			body, err := c.readFile(args[0], maxLine)
			if err != nil {
				return err
			}
			var in domain.Intake
			if err := domain.DecodeJSON(body, &in); err != nil {
				return err
			}
			answer, err := cl.Place(cmd.Context(), in, keyOption(key)...)
			if err != nil {
				return err
			}
			return c.printOrder(answer.Order)
		},
	}
	cmd.Flags().StringVar(&key, "idempotency-key", "", "name this request, so that repeating it changes nothing (default a new one)")
	return cmd
}

// act is a subcommand that gives one order a command: which flags it has, and what it must be told.
type act struct {
	verb                                       domain.Verb
	name                                       string // of the subcommand; empty: the verb
	short                                      string
	versioned                                  bool // the server wants the version that the clerk looked at
	reference, tracking, reason, payment, text bool
	decision                                   domain.Decision // of resume; then references are of what was settled
	needs                                      string          // a flag that must be given
}

// actFlags are the flags of acts.
type actFlags struct {
	words
	key      string
	version  int
	wait     int
	tracking []string
}

// keyOption names a request; an empty key leaves that to the client.
func keyOption(key string) []client.Option {
	if key == "" {
		return nil
	}
	return []client.Option{client.Key(key)}
}

func (c *cli) act(a act) *cobra.Command {
	name := a.name
	if name == "" {
		name = string(a.verb)
	}
	use, most := name+" ID", 1
	if a.text {
		use, most = use+" TEXT", 2
	}
	var f actFlags
	cmd := &cobra.Command{
		Use: use, Short: a.short, Args: args(most, most),
		Long: a.short + ".\nID is the order's id, manufacturer/number, or its number when no other order has it.",
	}
	a.flags(cmd, &f)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.needs != "" && !cmd.Flags().Changed(a.needs) {
			return wrongUse("%s needs --%s", cmd.CommandPath(), a.needs)
		}
		if f.wait < 0 || f.version < 0 {
			return wrongUse("--wait and --version must not be below zero")
		}
		if err := a.read(&f, args); err != nil {
			return err
		}
		return c.giveAct(cmd.Context(), a, f, args[0], cmd.Flags().Changed("version"))
	}
	return cmd
}

func (a act) flags(cmd *cobra.Command, f *actFlags) {
	fs := cmd.Flags()
	fs.StringVar(&f.key, "idempotency-key", "", "name this request, so that repeating it changes nothing (default a new one)")
	fs.IntVar(&f.version, "version", 0, "the version that you looked at (default the one that is)")
	fs.IntVar(&f.wait, "wait", 10, "wait so many seconds for Stripe's answer")
	if a.reference {
		text := "the entry's number in the business system (on account)"
		if a.decision != "" {
			text = "the transfer, receipt or entry by which it was settled outside Stripe"
		}
		fs.StringVar(&f.reference, "reference", "", text)
	}
	if a.tracking {
		fs.StringArrayVar(&f.tracking, "tracking", nil, "carrier:number; once for each parcel")
		if a.verb == domain.VerbTracking {
			fs.BoolVar(&f.resend, "resend", false, "send the customer the e-mail of the shipment again, with these numbers")
		}
	}
	if a.reason {
		fs.StringVar(&f.reason, "reason", "", "why")
	}
	if a.payment {
		fs.StringVar(&f.payment, "payment-intent", "", "the PaymentIntent that holds the funds (default a new one, in the sandbox and test mode)")
	}
	if a.decision != "" {
		fs.StringVar(&f.evidence, "evidence", "", "what the decision rests on, such as what Stripe's dashboard shows")
	}
}

// read takes what is said in arguments, and parcels.
func (a act) read(f *actFlags, args []string) error {
	if a.text {
		f.text = args[1]
	}
	f.decision = a.decision
	for _, t := range f.tracking {
		carrier, number, ok := strings.Cut(t, ":")
		if !ok || carrier == "" || number == "" {
			return wrongUse("--tracking %q: write it as carrier:number", t)
		}
		f.parcels = append(f.parcels, domain.Tracking{Carrier: carrier, Number: number})
	}
	return nil
}

// giveAct gives an order a command. A version that was given must still be the order's; otherwise it is read first.
func (c *cli) giveAct(ctx context.Context, a act, f actFlags, order string, versionGiven bool) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	id, err := c.resolve(ctx, order)
	if err != nil {
		return err
	}
	options := append(keyOption(f.key), client.Wait(time.Duration(f.wait)*time.Second))
	switch {
	case versionGiven:
		options = append(options, client.IfVersion(f.version))
	case a.versioned:
		v, err := current(ctx, cl, id)
		if err != nil {
			return err
		}
		f.version = v.Version
	}
	answer, err := perform(ctx, cl, id, a.verb, f.version, f.words, options...)
	if err != nil {
		return err
	}
	switch p := answer.Order.Parked; {
	case p != nil:
		c.note("%s can't go on by itself: %s Decide with: orderledger parked retry|adopt|settle|abandon", p.Act, p.Reason)
	case answer.Pending:
		c.note("%s is under way; Stripe has not answered yet", *answer.Order.Pending)
	}
	if err := c.printOrder(answer.Order); err != nil {
		return err
	}
	return refused(ctx, cl, a.verb, answer.Order)
}

func (c *cli) orderList() *cobra.Command {
	var limit int
	var q client.Query
	cmd := &cobra.Command{
		Use: "list", Short: "List orders", Args: args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return wrongUse("--limit %d: must not be below zero", limit)
			}
			if err := checkQuery(q); err != nil {
				return err
			}
			return c.list(cmd.Context(), q, limit)
		},
	}
	f := cmd.Flags()
	f.StringVar((*string)(&q.Tab), "tab", "", "only this tab: new, paid, shipped, refunded, cancelled or archived")
	f.StringVar(&q.Text, "query", "", "only with these words: number, customer, company, e-mail, tracking number")
	f.StringVar((*string)(&q.Status), "status", "", "only with this status")
	f.StringVar((*string)(&q.Payment), "payment", "", "only with this payment state")
	f.StringVar((*string)(&q.Method), "method", "", "only paid by card, or on account")
	f.StringVar((*string)(&q.Badge), "badge", "", "only with this badge, such as confirmation_due or confirmation_missed")
	f.StringVar(&q.Manufacturer, "manufacturer", "", "only of this manufacturer")
	f.StringVar(&q.PlacedFrom, "from", "", "only placed from this day on")
	f.StringVar(&q.PlacedTo, "to", "", "only placed up to this day")
	f.StringVar(&q.Sort, "sort", "", "a column to sort by, such as confirm_by or -placed_at")
	f.IntVar(&limit, "limit", 50, "how many at most; 0 for all")
	return cmd
}

func (c *cli) list(ctx context.Context, q client.Query, limit int) error {
	cl, at, err := c.reader(ctx)
	if err != nil {
		return err
	}
	q.WaitFor = at
	return printPages(c, orderColumns, limit, orderCells, func(cursor string, most int) (page[domain.View], error) {
		q.Cursor, q.Limit = cursor, most
		p, err := cl.List(ctx, q)
		return page[domain.View]{items: p.Orders, more: p.HasMore, cursor: p.NextCursor}, err
	})
}

var orderColumns = []string{"NUMBER", "MANUFACTURER", "CUSTOMER", "PLACED", "TOTAL", "STATUS", "PAYMENT", "TAB", "VERSION", "BADGES", "ID"}

func orderCells(v domain.View) []string {
	customer := v.Customer.Company
	if customer == "" {
		customer = v.Customer.Name
	}
	return []string{
		v.OrderNumber, v.Manufacturer, customer, when(&v.PlacedAt), v.Currency.Format(v.Total), string(v.Status),
		string(v.Payment.Method) + " " + string(v.Payment.State), string(v.Tab), strconv.Itoa(v.Version), badges(v), v.ID.String(),
	}
}

// badges are an order's, and the act that is under way.
func badges(v domain.View) string {
	marks := make([]string, 0, len(v.Badges)+1)
	if v.Pending != nil {
		marks = append(marks, "pending:"+string(*v.Pending))
	}
	for _, b := range v.Badges {
		marks = append(marks, string(b))
	}
	return strings.Join(marks, " ")
}

func (c *cli) printOrder(v domain.View) error {
	l := listing{columns: orderColumns, one: true}
	l.add(v, orderCells(v)...)
	return c.print(l)
}
