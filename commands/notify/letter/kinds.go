package letter

import (
	"fmt"
	"slices"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain"
)

// The kinds of notices that are written here. Their names are in logs: see notify.Kind.
const (
	KindPlaced    = "customer.placed"
	KindShipped   = commands.ShippedNotice
	KindCancelled = "customer.cancelled"
	KindRefunded  = "customer.refunded"
	// Those that are off unless switched on.
	KindAccepted = "customer.accepted"
	KindCaptured = "customer.captured"
	KindArchived = "customer.archived"

	KindDealerPlaced       = "dealer.placed"
	KindDealerDue          = "dealer.confirmation_due"
	KindDealerExpiring     = "dealer.hold_expiring"
	KindDealerRefundFailed = "dealer.refund_failed"
	KindDealerParked       = "dealer.parked"

	KindMissed = "manufacturer.confirmation_missed"
)

// Extras are what customers are told of only when that is switched on.
var Extras = []string{"accepted", "captured", "archived"}

// CustomerKinds are what customers are told of, with some of Extras.
func (w *Writer) CustomerKinds(lane *notify.Lane, extras []string) []notify.Kind {
	kind := func(name string, when notify.When) notify.Kind {
		return notify.Kind{Name: name, Role: notify.Customer, When: when, Lane: lane, Write: w.toCustomer}
	}
	kinds := []notify.Kind{
		kind(KindPlaced, notify.When{"Placed": unlessHistory}),
		kind(KindShipped, notify.When{"Shipped": notify.Tell}),
		kind(KindCancelled, notify.When{"Cancelled": notify.Tell}),
		kind(KindRefunded, notify.When{"Refunded": notify.Tell}),
	}
	for _, x := range []notify.Kind{
		kind(KindAccepted, notify.When{"Accepted": notify.Tell}),
		kind(KindCaptured, notify.When{"PaymentCaptured": notify.Tell}),
		kind(KindArchived, notify.When{"Archived": notify.Tell}),
	} {
		if slices.Contains(extras, x.Name[len("customer."):]) {
			kinds = append(kinds, x)
		}
	}
	return kinds
}

func unlessHistory(f notify.Fact) notify.Want { return notify.Want{Tell: !f.History} }

// DealerEvery is how often the dealer is written to at the most.
const DealerEvery = time.Minute

// DealerKinds are what the dealer is told of, in digests, at Config.DealerAddress.
func (w *Writer) DealerKinds(lane *notify.Lane) []notify.Kind {
	digest := &notify.Digest{Name: "dealer", Every: DealerEvery, Write: w.toDealer}
	kind := func(name string, when notify.When) notify.Kind {
		return notify.Kind{Name: name, Role: notify.Dealer, When: when, Lane: lane, Digest: digest}
	}
	return []notify.Kind{
		kind(KindDealerPlaced, notify.When{"Placed": unlessHistory}),
		kind(KindDealerDue, notify.When{
			"Placed": func(f notify.Fact) notify.Want {
				c := f.Event.(domain.Placed).Confirm
				return notify.Want{Tell: !c.By.IsZero() && !f.History, At: c.DueFrom}
			},
			"Accepted": notify.Drop, "Cancelled": notify.Drop, "ConfirmationMissed": notify.Drop,
		}),
		kind(KindDealerExpiring, notify.When{
			"Placed": func(f notify.Fact) notify.Want {
				at := holdEnds(f.Event.(domain.Placed).Authorization)
				return notify.Want{Tell: !at.IsZero(), At: at}
			},
			"Reauthorized": func(f notify.Fact) notify.Want {
				at := holdEnds(f.Event.(domain.Reauthorized).Authorization)
				return notify.Want{Drop: true, Tell: !at.IsZero(), At: at}
			},
			"PaymentCaptured": notify.Drop, "AuthorizationExpired": notify.Drop, "Cancelled": notify.Drop,
		}),
		kind(KindDealerRefundFailed, notify.When{"RefundFailed": notify.Tell}),
		kind(KindDealerParked, notify.When{"Parked": notify.Tell, "Resumed": notify.Drop}),
	}
}

// templateOf is the template that tells of a notice.
func templateOf(kind string, o domain.Order) string {
	switch kind {
	case KindPlaced:
		return "placed-" + string(o.Method)
	case KindCancelled:
		return "cancelled-" + string(o.Method)
	case KindMissed:
		return "confirmation-missed"
	}
	return kind[len("customer."):]
}

// toCustomer writes to the address that the order names.
func (w *Writer) toCustomer(s notify.Subject) (notify.Message, error) {
	c := s.Order.Personal.Customer
	if c.Email == "" {
		return notify.Message{}, notify.ErrNoAddress
	}
	m, err := w.Render(templateOf(s.Notice.Kind, s.Order), w.data(s))
	m.To = []notify.Address{addressee(c)}
	return m, err
}

func addressee(c domain.Customer) notify.Address {
	if c.Name == "" {
		return notify.Address{Name: c.Company, Address: c.Email}
	}
	return notify.Address{Name: c.Name, Address: c.Email}
}

// ToManufacturer writes to somebody that an order was not confirmed in time. It holds nothing of the customer.
func (w *Writer) ToManufacturer(s notify.Subject, to notify.Address) (notify.Message, error) {
	s.Order.Personal = domain.PersonalData{}
	m, err := w.Render("confirmation-missed", w.data(s))
	m.To = []notify.Address{to}
	return m, err
}

func (w *Writer) toDealer(list []notify.Subject) (notify.Message, error) {
	d := Digest{Dealer: w.config.Dealer, Language: w.locale.Language()}
	for _, s := range list {
		d.Facts = append(d.Facts, w.news(s))
	}
	m, err := w.Render("dealer", d)
	m.To = []notify.Address{{Name: w.config.Dealer.Name, Address: w.config.DealerAddress}}
	return m, err
}

// Preview writes an e-mail about an order as it is, as if the fact had just happened.
func (w *Writer) Preview(name string, o domain.Order, at time.Time) (notify.Message, error) {
	s := notify.Subject{Notice: notify.Notice{Order: o.ID, At: at, Kind: KindDealerPlaced}, Order: o}
	if !slices.Contains(Names, name) {
		return notify.Message{}, fmt.Errorf("%w: %q", ErrNoTemplate, name)
	}
	switch name {
	case "dealer":
		return w.toDealer([]notify.Subject{s})
	case "refunded":
		s.Event = domain.Refunded{Amount: o.Total, Currency: o.Currency}
	case "captured":
		s.Event = domain.PaymentCaptured{Amount: o.Total, Currency: o.Currency}
	case "cancelled-card":
		how := o.Settled
		switch {
		case how != "":
		case o.Captured():
			how = domain.ChargeRefunded
		default:
			how = domain.HoldReleased
		}
		s.Event = domain.Cancelled{How: how}
	}
	m, err := w.Render(name, w.data(s))
	if c := o.Personal.Customer; c.Email != "" && name != "confirmation-missed" {
		m.To = []notify.Address{addressee(c)}
	}
	return m, err
}
