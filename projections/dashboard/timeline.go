package dashboard

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// moment is one event of a timeline, in words.
type moment struct {
	queryapi.Entry
	Title, Detail, Who string
	Icon, Tone         string
	IDs                []named
	Took               string // of an answer: how long it was waited for
	Version            int    // of the order after it; 0 for what was said to people
	Into               domain.Tab
	Raw                string // where its bytes are shown
}

// maxMoments is how many of an order's events a page shows unless all are asked for: the last ones.
const maxMoments = 200

// moments are the events of a timeline for who reads; earlier ones than the last so many are left out and counted, unless all is set.
func moments(order uuid.UUID, entries []queryapi.Entry, c voice, all bool) (list []moment, earlier int) {
	asked := map[uuid.UUID]time.Time{}
	tab := domain.Tab("")
	if !all && len(entries) > maxMoments {
		earlier = len(entries) - maxMoments
	}
	for i, e := range entries {
		m := momentOf(e, c)
		if _, ofOrder := eventstore.OrderOf(e.Stream); ofOrder {
			asked[e.ID] = e.OccurredAt
			m.Version, m.Raw = int(e.Revision)+1, "/orders/"+order.String()+"/events/"+strconv.Itoa(int(e.Revision))
			if e.Tab != tab {
				m.Into, tab = e.Tab, e.Tab
			}
			if a, ok := answerOf(e.Data); ok && !asked[a.Request].IsZero() {
				m.Took = took(e.OccurredAt.Sub(asked[a.Request]))
			}
		} else {
			m.Raw = "/orders/" + order.String() + "/notices/" + strconv.Itoa(int(e.Revision))
		}
		if i >= earlier {
			list = append(list, m)
		}
	}
	return list, earlier
}

func momentOf(e queryapi.Entry, c voice) moment {
	m := moment{Entry: e, IDs: atStripe(e.Data)}
	m.Title, m.Detail = describe(e.Data, c)
	m.Icon, m.Tone = sign(e.Data)
	if e.Late {
		m.Title += " late"
	}
	m.Who = e.Actor.ID
	if via := words(e.Actor.Via); via != "" {
		m.Who += " (" + string(e.Actor.Role) + "), through " + via
	}
	return m
}

// took says how long something was waited for, if it is worth saying.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < time.Second:
		return "within a second"
	case d < time.Minute:
		return "after " + strconv.Itoa(int(d.Seconds())) + " s"
	}
	return "after " + remaining(d)
}

// sign is the icon beside an event, and whether it is good news, bad news, or neither.
func sign(e domain.Event) (icon, tone string) {
	switch e := e.(type) {
	case domain.Accepted:
		return "check", "good"
	case domain.CaptureRequested, domain.Reauthorized:
		return "card", ""
	case domain.PaymentCaptured:
		return "card", "good"
	case domain.ShipRequested, domain.TrackingCorrected:
		return "truck", ""
	case domain.Shipped:
		return "truck", "good"
	case domain.RefundRequested, domain.RefundPending:
		return "refund", ""
	case domain.Refunded:
		return "refund", "good"
	case domain.CancelRequested, domain.Cancelled:
		return "ban", ""
	case domain.CaptureFailed, domain.RefundFailed, domain.CancelFailed, domain.ConfirmationMissed, domain.AuthorizationExpired:
		return "alert", "bad"
	case domain.ReversalRecorded:
		return "account", "good"
	case domain.DisputeOpened:
		return "dispute", "bad"
	case domain.DisputeClosed:
		return "dispute", ""
	case domain.ExternalChangeSeen:
		return "info", "bad"
	case domain.Parked:
		return "parked", "bad"
	case domain.Resumed:
		return "play", ""
	case domain.Archived, domain.Unarchived:
		return "archive", ""
	case domain.NoteAdded:
		return "note", ""
	case eventstore.NotificationFailed:
		if e.Code != eventstore.NoticeNoAddress {
			return "mail", "bad"
		}
		return "mail", ""
	case eventstore.NotificationSent, eventstore.NotificationRequested:
		return "mail", ""
	}
	return "orders", ""
}

// named is an id of Stripe's, and what it is of.
type named struct{ Name, ID string }

// atStripe are Stripe's ids that an event speaks of, so that it can be found in Stripe's dashboard and in what its support says.
func atStripe(e domain.Event) (ids []named) {
	add := func(name, id string) {
		if id != "" {
			ids = append(ids, named{name, id})
		}
	}
	switch e := e.(type) {
	case domain.Placed:
		add("PaymentIntent", e.Authorization.PaymentIntent)
	case domain.Reauthorized:
		add("PaymentIntent", e.Authorization.PaymentIntent)
		add("in the place of", e.Replaces)
	case domain.CaptureRequested:
		add("PaymentIntent", e.PaymentIntent)
	case domain.ShipRequested:
		add("PaymentIntent", e.PaymentIntent)
	case domain.CancelRequested:
		add("PaymentIntent", e.PaymentIntent)
		add("charge", e.Charge)
	case domain.RefundRequested:
		add("PaymentIntent", e.PaymentIntent)
		add("charge", e.Charge)
	case domain.PaymentCaptured:
		add("charge", e.Charge)
	case domain.RefundPending:
		add("refund", e.Refund)
	case domain.Refunded:
		add("refund", e.Refund)
	case domain.RefundFailed:
		add("refund", e.Refund)
	case domain.Cancelled:
		add("refund", e.Refund)
	case domain.DisputeOpened:
		add("dispute", e.Dispute)
	case domain.DisputeClosed:
		add("dispute", e.Dispute)
	case domain.ExternalChangeSeen:
		add("object", e.Object)
	case domain.Parked:
		for _, id := range e.StripeRequests {
			add("request", id)
		}
	}
	answer, _ := answerOf(e)
	add("request", answer.StripeRequest)
	return ids
}

// answerOf is what an event says of the request that it answers; false when it is no answer.
func answerOf(e domain.Event) (domain.Answer, bool) {
	var a domain.Answer
	switch e := e.(type) {
	case domain.PaymentCaptured:
		a = e.Answer
	case domain.CaptureFailed:
		a = e.Answer
	case domain.AuthorizationExpired:
		a = e.Answer
	case domain.RefundPending:
		a = e.Answer
	case domain.Refunded:
		a = e.Answer
	case domain.RefundFailed:
		a = e.Answer
	case domain.Cancelled:
		a = e.Answer
	case domain.CancelFailed:
		a = e.Answer
	case domain.ExternalChangeSeen:
		a = e.Answer
	case domain.Shipped:
		a.Request = e.Request
	case domain.Parked:
		a.Request = e.Request
	}
	return a, a.Request != uuid.Nil
}
