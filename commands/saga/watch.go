package saga

import (
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Hold is funds that wait to be taken, and that Stripe lets go by itself when their time is over.
type Hold struct {
	Order         uuid.UUID `json:"order"`
	PaymentIntent string    `json:"payment_intent"`
	Until         time.Time `json:"until,omitzero"` // as Stripe said it; zero when it didn't
}

// Hint is something that Stripe told of and that nobody has looked at yet.
type Hint struct {
	ID            string    `json:"id"` // evt_…
	Type          string    `json:"type"`
	PaymentIntent string    `json:"payment_intent,omitempty"`
	OrderID       string    `json:"order_id,omitempty"`
	Event         uuid.UUID `json:"event"` // the ledger's event that recorded it
	At            time.Time `json:"at"`    // when it was recorded
}

// Clock is a manufacturer's that runs: the order must be confirmed until then, or it is missed.
type Clock struct {
	Order uuid.UUID `json:"order"`
	Until time.Time `json:"until"` // as it was computed when the order came in
}

// Watched is what is watched beside what the ledger asked of Stripe: a fold of the log, like State.
type Watched struct {
	Holds  map[uuid.UUID]Hold  // of orders whose funds are held and not taken
	Clocks map[uuid.UUID]Clock // of orders that are neither accepted nor cancelled in time
	Hints  map[string]Hint     // by Stripe's event id
}

func newWatched() Watched {
	return Watched{Holds: map[uuid.UUID]Hold{}, Clocks: map[uuid.UUID]Clock{}, Hints: map[string]Hint{}}
}

// Watch folds one more fact into w, which it changes. It is deterministic and total.
func (w Watched) Watch(f Fact) {
	switch e := f.Event.(type) {
	case eventstore.StripeEventReceived:
		w.Hints[f.StripeEvent] = Hint{
			ID: f.StripeEvent, Type: e.Type, PaymentIntent: e.PaymentIntent, OrderID: e.OrderID, Event: f.ID, At: f.At,
		}
	case eventstore.StripeEventHandled:
		delete(w.Hints, f.StripeEvent)
	case domain.Placed:
		if e.Method == domain.Card {
			w.hold(f.Order, e.Authorization)
		}
		if !e.Confirm.By.IsZero() {
			w.Clocks[f.Order] = Clock{Order: f.Order, Until: e.Confirm.By}
		}
	case domain.Accepted, domain.ConfirmationMissed:
		delete(w.Clocks, f.Order)
	case domain.Reauthorized:
		w.hold(f.Order, e.Authorization)
	case domain.PaymentCaptured, domain.AuthorizationExpired:
		delete(w.Holds, f.Order)
	case domain.Cancelled:
		delete(w.Holds, f.Order)
		delete(w.Clocks, f.Order)
	}
}

func (w Watched) hold(order uuid.UUID, a domain.Authorization) {
	w.Holds[order] = Hold{Order: order, PaymentIntent: a.PaymentIntent, Until: a.CaptureBefore}
}
