package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

// goalOf is when an act reached what it is for; false for acts that the ledger decides alone.
func goalOf(verb domain.Verb, v domain.View) (at *time.Time, asks bool) {
	switch verb {
	case domain.VerbCapture:
		return v.CapturedAt, true
	case domain.VerbShip:
		return v.ShippedAt, true
	case domain.VerbRefund:
		return v.RefundedAt, true
	case domain.VerbCancel:
		return v.CancelledAt, true
	}
	return nil, false
}

// refused is why an act came to nothing; nil when it reached its goal or may still do so.
func refused(ctx context.Context, cl *client.Client, verb domain.Verb, v domain.View) error {
	at, asks := goalOf(verb, v)
	if !asks || at != nil || v.Pending != nil {
		return nil
	}
	entries, _, err := cl.Timeline(ctx, v.ID)
	if err != nil {
		return fmt.Errorf("%s: Stripe refused (%s); why could not be read: %w", verb, badges(v), err)
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if why := failureOf(entries[i]); why != "" {
			return fmt.Errorf("%s: %s", verb, why)
		}
	}
	return fmt.Errorf("%s came to nothing (%s); see: orderledger audit timeline %s", verb, badges(v), v.ID)
}

// failureOf is what an event says of a refusal of Stripe's, for a person; empty when it is none.
func failureOf(e client.Entry) string {
	switch e.Type {
	case domain.AuthorizationExpired{}.EventType():
		return "the hold on the card is gone; put a new one on it with: orderledger order reauthorize"
	case domain.CaptureFailed{}.EventType(), domain.RefundFailed{}.EventType(), domain.CancelFailed{}.EventType():
	default:
		return ""
	}
	var f domain.Failure
	if err := json.Unmarshal(e.Data, &f); err != nil || f == (domain.Failure{}) {
		return "Stripe refused, and did not say why"
	}
	codes := f.Code
	if f.DeclineCode != "" && f.DeclineCode != f.Code {
		codes += ", " + f.DeclineCode
	}
	return fmt.Sprintf("Stripe refused: %s (%s)", f.Message, codes)
}
