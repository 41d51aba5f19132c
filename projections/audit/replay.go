package audit

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Moment is up to where a Replay goes. The zero Moment is now.
type Moment struct {
	// Position is the last position that counts, which the log must reach; zero for all.
	Position eventstore.Position
	// AsOf is the last instant that counts, by the events' own clock; zero for all.
	AsOf time.Time
}

// Standing is how the tabs stood.
type Standing struct {
	Tabs map[domain.Tab]int64 `json:"tabs"`
	// Position is that of the last event that counted.
	Position eventstore.Position `json:"position"`
	Events   int64               `json:"events"`
	// Orders are all orders as they stood, by manufacturer and number.
	Orders []Stood `json:"orders,omitempty"`
}

// Stood is one order as it stood.
type Stood struct {
	ID           uuid.UUID       `json:"id"`
	Manufacturer string          `json:"manufacturer"`
	OrderNumber  string          `json:"order_number"`
	Version      int             `json:"version"`
	Tab          domain.Tab      `json:"tab"`
	Status       domain.Status   `json:"status"`
	Pending      domain.Act      `json:"pending,omitempty"`
	Total        int64           `json:"total"`
	Currency     domain.Currency `json:"currency"`
}

// Replay folds the log anew up to a moment. Every event of an order counts only with all before it: clocks of several
// machines may disagree, the order of the log does not. Errors: a *Difference for an event that can't be read, an *EndError,
// and those of the log.
func Replay(ctx context.Context, log Log, codec eventstore.Codec, m Moment) (Standing, error) {
	p := &player{codec: codec, asOf: m.AsOf, orders: map[string]*domain.Order{}, over: map[string]bool{}}
	if err := follow(ctx, log, m.Position, p.see); err != nil {
		return Standing{}, err
	}
	return p.standing(), nil
}

type player struct {
	codec    eventstore.Codec
	asOf     time.Time
	orders   map[string]*domain.Order
	over     map[string]bool // streams that have come past asOf
	events   int64
	position eventstore.Position
}

func (p *player) see(r eventstore.Recorded) error {
	e, env, err := p.codec.Decode(r)
	if err != nil {
		return differs(r, Unreadable, "%v", err)
	}
	if !p.asOf.IsZero() && (p.over[r.Stream] || env.OccurredAt.After(p.asOf)) {
		p.over[r.Stream] = true
		return nil
	}
	p.events++
	p.position = r.Position
	if _, ok := eventstore.OrderOf(r.Stream); !ok {
		return nil
	}
	o := p.orders[r.Stream]
	if o == nil {
		o = &domain.Order{}
		p.orders[r.Stream] = o
	}
	*o = domain.Evolve(*o, e, eventstore.Stamp(r.Event, env))
	o.Lines, o.Personal, o.Notes = nil, domain.PersonalData{}, nil
	return nil
}

func (p *player) standing() Standing {
	s := Standing{Tabs: map[domain.Tab]int64{}, Position: p.position, Events: p.events, Orders: make([]Stood, 0, len(p.orders))}
	for _, o := range p.orders {
		s.Tabs[o.Tab()]++
		s.Orders = append(s.Orders, Stood{
			ID: o.ID, Manufacturer: o.Manufacturer, OrderNumber: o.OrderNumber, Version: o.Version,
			Tab: o.Tab(), Status: o.Status(), Pending: o.Pending.Act, Total: o.Total, Currency: o.Currency,
		})
	}
	slices.SortFunc(s.Orders, func(a, b Stood) int {
		return cmp.Or(cmp.Compare(a.Manufacturer, b.Manufacturer), cmp.Compare(a.OrderNumber, b.OrderNumber))
	})
	return s
}
