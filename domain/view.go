package domain

import (
	"time"

	"github.com/google/uuid"
)

// View is an order as the outside sees it: the JSON that every answer about an order holds. Instants are in UTC, amounts in
// minor units of Currency; lists are never null.
type View struct {
	ID              uuid.UUID        `json:"id" format:"uuid"`
	OrderNumber     string           `json:"order_number"`
	Version         int              `json:"version" doc:"Number of events; for If-Match"`
	Tab             Tab              `json:"tab" enum:"new,paid,shipped,refunded,cancelled,archived"`
	Status          Status           `json:"status" enum:"placed,accepted,paid,shipped,refunded,cancelled"`
	Archived        bool             `json:"archived"`
	Pending         *Act             `json:"pending" doc:"The money act that has no answer yet: capture, ship, refund or cancel"`
	Badges          []Badge          `json:"badges" nullable:"false" doc:"What a clerk should see"`
	Payment         PaymentView      `json:"payment"`
	Parked          *ParkedView      `json:"parked" doc:"Why the money act in flight waits for a person; null while nothing does"`
	ExternalChanges []ExternalChange `json:"external_changes" nullable:"false" doc:"What happened at Stripe that nobody asked for here and that a person must judge"`
	ConfirmBy       *time.Time       `json:"confirm_by" doc:"Until when the manufacturer wants it accepted"`
	ConfirmZone     string           `json:"confirm_zone" doc:"The manufacturer's time zone, an IANA name"`
	ConfirmedLate   bool             `json:"confirmed_late" doc:"It was accepted when that time was over"`
	Tracking        []Tracking       `json:"tracking" nullable:"false"`
	Notes           []Note           `json:"notes" nullable:"false"`
	PlacedAt        time.Time        `json:"placed_at"`
	AcceptedAt      *time.Time       `json:"accepted_at"`
	CapturedAt      *time.Time       `json:"captured_at"`
	ShippedAt       *time.Time       `json:"shipped_at"`
	RefundedAt      *time.Time       `json:"refunded_at"`
	CancelledAt     *time.Time       `json:"cancelled_at"`
	ArchivedAt      *time.Time       `json:"archived_at"`
	Customer        Customer         `json:"customer"`
	BillingAddress  Address          `json:"billing_address"`
	ShippingAddress Address          `json:"shipping_address"`
	Lines           []Line           `json:"lines" nullable:"false"`
	Currency        Currency         `json:"currency" doc:"ISO 4217"`
	Subtotal        int64            `json:"subtotal"`
	Freight         int64            `json:"freight"`
	Tax             int64            `json:"tax"`
	Total           int64            `json:"total"`
	Manufacturer    string           `json:"manufacturer"`
	ShippingMethod  string           `json:"shipping_method"`
}

// PaymentView is what the outside sees of an order's payment. What doesn't apply is null: on account all that is Stripe's, on
// a card the external reference.
type PaymentView struct {
	Method            Method       `json:"method" enum:"card,account"`
	State             PaymentState `json:"state" enum:"authorized,captured,released,refunded,expired,failed,open,owed,recorded,reversal_owed,reversed"`
	Amount            int64        `json:"amount"`
	AmountCaptured    *int64       `json:"amount_captured" doc:"What was taken: the amount, unless a person adopted another; null until then"`
	Currency          Currency     `json:"currency"`
	PaymentIntent     *string      `json:"payment_intent"`
	Charge            *string      `json:"charge"`
	Refund            *string      `json:"refund"`
	Brand             *string      `json:"brand"`
	Last4             *string      `json:"last4"`
	CaptureBefore     *time.Time   `json:"capture_before" doc:"When the hold ends"`
	ExternalReference *string      `json:"external_reference" doc:"The entry in the business system"`
	ReversalReference *string      `json:"reversal_reference" doc:"The reversal of the entry, or of what was paid outside Stripe"`
	Reference         *string      `json:"reference" doc:"By what a person settled it outside Stripe: a transfer, receipt or entry"`
}

// ParkedView is a money act that can't go on by itself, and what a person can decide about it.
type ParkedView struct {
	_ struct{} `nullable:"true"` // in the API's description, which asks the type, not the field

	Request        uuid.UUID  `json:"request" format:"uuid" doc:"The event whose answer is awaited"`
	Act            Act        `json:"act" enum:"capture,ship,refund,cancel"`
	Amount         int64      `json:"amount" doc:"What it asks Stripe to move, minor units"`
	AskedAt        time.Time  `json:"asked_at" doc:"When the act was asked for, at first"`
	Since          time.Time  `json:"since" doc:"When it was parked"`
	Reason         string     `json:"reason" doc:"Why it could not go on, for a person"`
	Attempts       int        `json:"attempts" doc:"How often it was tried since it was asked for, or decided about"`
	StripeRequests []string   `json:"stripe_requests" nullable:"false" doc:"Stripe's ids of those requests, the last few"`
	Decisions      []Decision `json:"decisions" nullable:"false" enum:"retry,adopt,settle,abandon" doc:"What can be decided now"`
}

// Render shows an order as it is at an instant: two of its badges come with the clock. The result shares nothing with the
// order that a caller could change.
func Render(o Order, now time.Time) View {
	v := View{
		ID: o.ID, OrderNumber: o.OrderNumber, Version: o.Version, Tab: o.Tab(), Status: o.Status(),
		Archived: o.ArchivedAt != nil, Badges: o.Badges(now), Payment: renderPayment(o), Parked: RenderParked(o),
		ExternalChanges: append([]ExternalChange{}, o.External...), ConfirmBy: instant(&o.Confirm.By),
		ConfirmZone: o.Confirm.Zone, ConfirmedLate: o.ConfirmedLate(),
		Tracking: append([]Tracking{}, o.Tracking...), Notes: append([]Note{}, o.Notes...),
		PlacedAt: o.PlacedAt.UTC(), AcceptedAt: instant(o.AcceptedAt), CapturedAt: instant(o.CapturedAt),
		ShippedAt: instant(o.ShippedAt), RefundedAt: instant(o.RefundedAt), CancelledAt: instant(o.CancelledAt),
		ArchivedAt: instant(o.ArchivedAt),
		Customer:   o.Personal.Customer, BillingAddress: o.Personal.BillingAddress, ShippingAddress: o.Personal.ShippingAddress,
		Lines: append([]Line{}, o.Lines...), Currency: o.Currency,
		Subtotal: o.Subtotal, Freight: o.Freight, Tax: o.Tax, Total: o.Total,
		Manufacturer: o.Manufacturer, ShippingMethod: o.ShippingMethod,
	}
	if o.Pending.Act != "" {
		v.Pending = &o.Pending.Act
	}
	for i := range v.ExternalChanges {
		v.ExternalChanges[i].At = v.ExternalChanges[i].At.UTC()
	}
	for i := range v.Notes {
		v.Notes[i].At = v.Notes[i].At.UTC()
	}
	return v
}

func renderPayment(o Order) PaymentView {
	p := PaymentView{
		Method: o.Method, State: o.PaymentState(), Amount: o.Total, Currency: o.Currency,
		PaymentIntent: given(o.Hold.PaymentIntent), Charge: given(o.Charge), Refund: given(o.Refund),
		Brand: given(o.Hold.Brand), Last4: given(o.Hold.Last4), CaptureBefore: instant(&o.Hold.CaptureBefore),
		ExternalReference: given(o.Entry), ReversalReference: given(o.Reverse), Reference: given(o.Reference),
	}
	if o.Captured() {
		p.AmountCaptured = &o.Taken // of this function's own copy
	}
	return p
}

// RenderParked shows what of an order waits for a person; nil when nothing does.
func RenderParked(o Order) *ParkedView {
	p := o.Pending
	if !p.Parked {
		return nil
	}
	amount := o.Total
	if p.returns() {
		amount = o.Taken
	}
	return &ParkedView{
		Request: p.Request, Act: p.Act, Amount: amount, AskedAt: p.Since.UTC(), Since: p.ParkedAt.UTC(), Reason: p.Why, Attempts: p.Attempts,
		StripeRequests: append([]string{}, p.Requests...), Decisions: append([]Decision{}, o.Decisions()...),
	}
}

// given is nil for the empty text.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// instant is the same instant in UTC; nil for none and for the zero one.
func instant(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}
