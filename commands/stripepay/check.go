package stripepay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/orderledger/orderledger/commands"
	"github.com/stripe/stripe-go/v76"
)

// SetupError is what is wrong with the key or the account so that the ledger can't work with it, in a sentence that says what
// to do.
type SetupError struct {
	Sentence string
	cause    error
}

func (e *SetupError) Error() string { return e.Sentence }

// Unwrap gives what Stripe answered.
func (e *SetupError) Unwrap() error { return e.cause }

// Check asks Stripe whether the ledger can work with the key: whether it is taken, may read all that the ledger reads, and is of
// the mode. It changes nothing. Remarks are sentences about what is not as it should be, and does not keep the ledger from
// working. Errors: *SetupError; *commands.PaymentUnknown, when there is no answer now.
func (c *Client) Check(ctx context.Context) (remarks []string, err error) {
	if remarks, err = c.checkAccount(ctx); err != nil {
		return nil, setup("its account", err)
	}
	for _, what := range []struct {
		name string
		try  func() error
	}{
		{"PaymentIntents and charges", func() error { return c.checkIntents(ctx) }},
		{"refunds", func() error { _, err := c.refundPage(ctx, &stripe.RefundListParams{}, 1, nil); return err }},
		{"disputes", func() error { _, err := c.disputePage(ctx, &stripe.DisputeListParams{}, 1, nil); return err }},
		{"events", func() error { _, err := c.eventPage(ctx, &stripe.EventListParams{}, 1, nil); return err }},
	} {
		if err := what.try(); err != nil {
			return remarks, setup(what.name, err)
		}
	}
	return remarks, nil
}

// account is what there is to know of the account that the key belongs to. ChargesEnabled is nil when Stripe did not say.
type account struct {
	stripe.APIResource
	ID             string `json:"id"`
	Object         string `json:"object"`
	ChargesEnabled *bool  `json:"charges_enabled"`
}

// checkAccount reads the account. That a restricted key may not is no reason to stop: Stripe has accounts where the permission
// can't be given, and the ledger needs nothing of it.
func (c *Client) checkAccount(ctx context.Context) (remarks []string, err error) {
	call, err := c.begin(ctx, "")
	if err != nil {
		return nil, err
	}
	defer call.end(&err)
	got := account{}
	err = c.backend.Call(http.MethodGet, "/v1/account", c.key, &stripe.AccountParams{Params: call.params}, &got)
	if err != nil {
		err = classify(err, got.LastResponse)
		if unknown := (*commands.PaymentUnknown)(nil); errors.As(err, &unknown) && unknown.Status == http.StatusForbidden {
			return []string{"The key may not read its account, so nobody can say whether it can charge: " +
				"give the key the permission to read it, or look in Stripe's dashboard."}, nil
		}
		return nil, err
	}
	if got.Object != "account" || got.LastResponse == nil {
		return nil, unexpected(got.LastResponse)
	}
	if got.ChargesEnabled != nil && !*got.ChargesEnabled {
		remarks = append(remarks, fmt.Sprintf("The account %s can't charge cards: finish its activation in Stripe's dashboard.", got.ID))
	}
	if version := got.LastResponse.Header.Get("Stripe-Version"); version != "" && version != stripe.APIVersion {
		remarks = append(remarks, fmt.Sprintf("Stripe answers in API version %s, and %s was asked for: see what stands between here and Stripe.",
			version, stripe.APIVersion))
	}
	return remarks, nil
}

// checkIntents reads a PaymentIntent and its charge, if there is any, and looks at whose money it is.
func (c *Client) checkIntents(ctx context.Context) error {
	asked := &stripe.PaymentIntentListParams{Expand: stripe.StringSlice([]string{"data.latest_charge"})}
	p, err := c.intentPage(ctx, asked, 1, nil)
	if err != nil {
		return err
	}
	for _, pi := range p.rows {
		if pi.Livemode != (c.mode == Live) {
			return &SetupError{Sentence: fmt.Sprintf("The key reads payments with livemode %v, and the ledger runs in %s mode: give it a key of that mode.",
				pi.Livemode, c.mode)}
		}
	}
	return nil
}

// setup says of an error that a person must put right what to do about it.
func setup(reading string, err error) error {
	var unknown *commands.PaymentUnknown
	var refusal *commands.PaymentRefusal
	switch {
	case errors.As(err, &refusal):
		return &SetupError{cause: err, Sentence: fmt.Sprintf("Stripe refuses the reading of %s: %s (request %s).",
			reading, strings.TrimSuffix(refusal.Message, "."), refusal.RequestID)}
	case !errors.As(err, &unknown) || unknown.Reason != commands.UnknownCredentials:
		return err
	case unknown.Status == http.StatusForbidden:
		missing := "a permission"
		if m := permission.FindString(fmt.Sprint(unknown.Cause)); m != "" {
			missing = "the permission " + m
		}
		return &SetupError{cause: err, Sentence: fmt.Sprintf("The key may not read %s (request %s): give it %s in Stripe's dashboard.",
			reading, unknown.RequestID, missing)}
	}
	return &SetupError{cause: err, Sentence: fmt.Sprintf("Stripe doesn't take the key (status %d, request %s): "+
		"make a new one in Stripe's dashboard, and put it into the key file.", unknown.Status, unknown.RequestID)}
}
