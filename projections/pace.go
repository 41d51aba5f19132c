package projections

import (
	"time"

	"github.com/orderledger/orderledger/domain"
)

// PaceQuery asks how the work went in a span of days.
type PaceQuery struct {
	Last time.Time      // an instant of the last day
	Days int            // how many, the last one included; 1 to MaxPaceDays
	Zone *time.Location // whose days
}

// MaxPaceDays bounds what one PaceQuery asks for.
const MaxPaceDays = 400

// Pace is how the work went.
type Pace struct {
	Days []Day // oldest first, each day of the span
	// How long orders took from when they came in: of those that were accepted, or shipped, in the span. The days are UTC's, and the times
	// are right to a twentieth.
	Accept, Ship Spread
}

// Day is what happened on one day.
type Day struct {
	Begin    time.Time
	Orders   int64 // that came in
	Totals   Sums  // of those
	Captured Sums  // money that was taken, or entered in the business system
	Refunded Sums  // money that was given back, be it for a refund or a cancellation; less what came back from there
}

// Sums are amounts of minor units, by currency.
type Sums map[domain.Currency]int64

// Spread is how a number of durations spread.
type Spread struct {
	Count       int64
	Median, P90 time.Duration
}

// BadgeCounts are the numbers of orders with a badge, by the tab that they are in; exact.
type BadgeCounts map[domain.Badge]map[domain.Tab]int64

// Of is how many orders have a badge, in all tabs.
func (c BadgeCounts) Of(b domain.Badge) (n int64) {
	for _, in := range c[b] {
		n += in
	}
	return n
}
