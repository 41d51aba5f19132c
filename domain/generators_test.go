package domain_test

import (
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
)

// command draws any command, mostly one that fits the order: its answers name what is in flight, its amounts are right.
func command(t *rapid.T, o domain.Order) domain.Command {
	return rapid.SampledFrom(commandDraws).Draw(t, "command")(t, o)
}

var commandDraws = []func(*rapid.T, domain.Order) domain.Command{
	func(*rapid.T, domain.Order) domain.Command { return domain.Accept{} },
	func(t *rapid.T, _ domain.Order) domain.Command {
		return domain.Capture{ExternalReference: rapid.SampledFrom([]string{"", "INV-1", "INV-2"}).Draw(t, "reference")}
	},
	func(t *rapid.T, _ domain.Order) domain.Command { return domain.Ship{Tracking: tracking(t)} },
	func(t *rapid.T, _ domain.Order) domain.Command { return domain.CorrectTracking{Tracking: tracking(t)} },
	func(*rapid.T, domain.Order) domain.Command { return domain.Refund{Reason: "damaged"} },
	func(*rapid.T, domain.Order) domain.Command { return domain.Cancel{Reason: "sold out"} },
	func(*rapid.T, domain.Order) domain.Command { return domain.Archive{} },
	func(*rapid.T, domain.Order) domain.Command { return domain.Unarchive{} },
	func(t *rapid.T, _ domain.Order) domain.Command {
		a := hold(intent(t))
		a.Amount = amount(t, a.Amount)
		return domain.Reauthorize{Authorization: a}
	},
	func(t *rapid.T, _ domain.Order) domain.Command {
		return domain.RecordReversal{ExternalReference: rapid.SampledFrom([]string{"", "CN-1", "CN-2"}).Draw(t, "reference")}
	},
	func(t *rapid.T, _ domain.Order) domain.Command {
		return domain.AddNote{NoteID: eventID(rapid.IntRange(0, 5).Draw(t, "note")), Text: "a note"}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		if o.Method == domain.Card {
			return place(domain.Card)
		}
		return place(domain.Account)
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordCaptured{
			PaymentIntent: often(t, o.Hold.PaymentIntent, intent), Charge: "ch_1", Amount: amount(t, o.Total),
			Currency: o.Currency, Answer: answerTo(t, o),
		}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordCaptureFailed{Failure: declined, Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordAuthorizationExpired{PaymentIntent: often(t, o.Hold.PaymentIntent, intent), Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.CompleteShipment{Request: answerTo(t, o).Request}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordRefundPending{Refund: refundID(t), Amount: amount(t, o.Taken), Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordRefunded{
			Refund: refundID(t), Amount: amount(t, o.Taken), Currency: o.Currency, Answer: answerTo(t, o),
		}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordRefundFailed{Refund: refundID(t), Failure: declined, Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		how := rapid.SampledFrom([]domain.Settlement{
			domain.HoldReleased, domain.ChargeRefunded, domain.NothingToRelease, domain.SettledElsewhere, "",
		}).Draw(t, "how")
		return domain.RecordCancelled{How: how, Refund: refundID(t), Amount: amount(t, o.Taken), Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordCancelFailed{Failure: declined, Answer: answerTo(t, o)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordDisputeOpened{Dispute: disputeID(t), Amount: amount(t, o.Total)}
	},
	func(t *rapid.T, _ domain.Order) domain.Command {
		return domain.RecordDisputeClosed{Dispute: disputeID(t), Outcome: rapid.SampledFrom([]string{"won", "lost"}).Draw(t, "outcome")}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.RecordExternalChange{Object: refundID(t), Change: "refunded_partly", Amount: amount(t, o.Total), Answer: unasked}
	},
	func(t *rapid.T, _ domain.Order) domain.Command {
		late := time.Duration(rapid.IntRange(-1, 1).Draw(t, "late"))
		return domain.RecordConfirmationMissed{Now: confirm.By.Add(late)}
	},
	func(t *rapid.T, o domain.Order) domain.Command {
		return domain.Park{Request: answerTo(t, o).Request, Reason: "Stripe is silent", Attempts: 3}
	},
	func(t *rapid.T, _ domain.Order) domain.Command {
		return decide(rapid.SampledFrom([]domain.Decision{domain.Retry, domain.Adopt, domain.Settle, domain.Abandon}).Draw(t, "decision"))
	},
	func(t *rapid.T, o domain.Order) domain.Command { // the rest of a decision to settle
		c := settledElsewhere(o)
		if captured, ok := c.(domain.RecordCaptured); ok {
			captured.Amount = amount(t, captured.Amount)
			return captured
		}
		return c
	},
}

// often is the fitting value three times of four.
func often[V any](t *rapid.T, fitting V, other func(*rapid.T) V) V {
	if rapid.IntRange(0, 3).Draw(t, "fits") > 0 {
		return fitting
	}
	return other(t)
}

func answerTo(t *rapid.T, o domain.Order) domain.Answer {
	return often(t, asked(o), func(t *rapid.T) domain.Answer {
		switch rapid.IntRange(0, 3).Draw(t, "answer") {
		case 0:
			return domain.Answer{Request: eventID(rapid.IntRange(0, 5).Draw(t, "request"))}
		case 1:
			return domain.Answer{Request: o.Pending.Request, Source: domain.FromElsewhere, Reference: rapid.SampledFrom([]string{"", "wire 4711", "x"}).Draw(t, "reference")}
		}
		return unasked
	})
}

func amount(t *rapid.T, right int64) int64 {
	return often(t, right, func(t *rapid.T) int64 { return rapid.SampledFrom([]int64{0, 1, right - 1, -right}).Draw(t, "amount") })
}

func intent(t *rapid.T) string {
	return rapid.SampledFrom([]string{"pi_1", "pi_2", "pi_3"}).Draw(t, "intent")
}

func refundID(t *rapid.T) string {
	return rapid.SampledFrom([]string{"re_1", "re_2", "re_3", "re_4", ""}).Draw(t, "refund")
}

func disputeID(t *rapid.T) string {
	return rapid.SampledFrom([]string{"dp_1", "dp_2"}).Draw(t, "dispute")
}

func tracking(t *rapid.T) []domain.Tracking {
	return rapid.SampledFrom([][]domain.Tracking{nil, parcel, parcel2}).Draw(t, "tracking")
}

// filled draws events of one type with any content.
func filled[E domain.Event]() *rapid.Generator[domain.Event] {
	instants := rapid.Map(rapid.Int64Range(-1e10, 1e10), func(s int64) time.Time { return time.Unix(s, 0).UTC() })
	events := rapid.MakeCustom[E](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[time.Time](): instants.AsAny(),
	}})
	return rapid.Map(events, func(e E) domain.Event { return e })
}

// eventsOf draws events of each type.
var eventsOf = map[string]*rapid.Generator[domain.Event]{
	"Placed":               filled[domain.Placed](),
	"Accepted":             filled[domain.Accepted](),
	"ConfirmationMissed":   filled[domain.ConfirmationMissed](),
	"CaptureRequested":     filled[domain.CaptureRequested](),
	"ShipRequested":        filled[domain.ShipRequested](),
	"PaymentCaptured":      filled[domain.PaymentCaptured](),
	"CaptureFailed":        filled[domain.CaptureFailed](),
	"AuthorizationExpired": filled[domain.AuthorizationExpired](),
	"Reauthorized":         filled[domain.Reauthorized](),
	"Shipped":              filled[domain.Shipped](),
	"TrackingCorrected":    filled[domain.TrackingCorrected](),
	"RefundRequested":      filled[domain.RefundRequested](),
	"RefundPending":        filled[domain.RefundPending](),
	"Refunded":             filled[domain.Refunded](),
	"RefundFailed":         filled[domain.RefundFailed](),
	"ReversalRecorded":     filled[domain.ReversalRecorded](),
	"CancelRequested":      filled[domain.CancelRequested](),
	"Cancelled":            filled[domain.Cancelled](),
	"CancelFailed":         filled[domain.CancelFailed](),
	"DisputeOpened":        filled[domain.DisputeOpened](),
	"DisputeClosed":        filled[domain.DisputeClosed](),
	"ExternalChangeSeen":   filled[domain.ExternalChangeSeen](),
	"Parked":               filled[domain.Parked](),
	"Resumed":              filled[domain.Resumed](),
	"Archived":             filled[domain.Archived](),
	"Unarchived":           filled[domain.Unarchived](),
	"NoteAdded":            filled[domain.NoteAdded](),
}
