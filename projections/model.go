package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Query selects orders for a list. The zero Query is every order, newest first.
type Query struct {
	Tab          domain.Tab            // empty: all
	Text         string                // a name as Reader.Named takes it, else words to find; empty: all
	Status       []domain.Status       // any of these; empty: all
	Payment      []domain.PaymentState // any of these; empty: all
	Method       domain.Method         // empty: all
	Badge        []domain.Badge        // any of these; empty: all
	Manufacturer []string              // any of these; empty: all
	Customer     string                // the store's id of the customer; empty: all
	PlacedBy     string                // empty: all; the actor who placed the order
	PlacedFrom   time.Time             // inclusive; zero: no bound
	PlacedTo     time.Time             // exclusive; zero: no bound
	Currency     domain.Currency       // empty: all
	TotalFrom    int64                 // minor units, inclusive; zero: no bound
	TotalTo      int64                 // minor units, inclusive; zero: no bound
	Sort         string                // a column of SortColumns, "-" before it for descending; empty: "-placed_at"
	Cursor       string                // from a Page before, with the same query; empty: from the beginning
	Limit        int                   // 1 to MaxLimit; zero: DefaultLimit
}

// Limits of one page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
	MaxValues    = 20  // of one filter
	MaxNamed     = 100 // orders that Reader.Named returns
)

// SortColumns are the columns that a list can be sorted by: all that it shows. By confirm_by, what is to be accepted stands first.
var SortColumns = []string{"order_number", "customer", "placed_at", "manufacturer", "total", "payment", "status", "confirm_by"}

// Fits says whether an order is one of those that the query selects at an instant, but for its Text: words are the index's.
func (q Query) Fits(o domain.Order, now time.Time) bool {
	badges := o.Badges(now)
	return (q.Tab == "" || q.Tab == o.Tab()) && (q.Method == "" || q.Method == o.Method) && anyOf(q.Status, o.Status()) &&
		anyOf(q.Payment, o.PaymentState()) && anyOf(q.Manufacturer, o.Manufacturer) &&
		(len(q.Badge) == 0 || slices.ContainsFunc(q.Badge, func(b domain.Badge) bool { return slices.Contains(badges, b) })) &&
		(q.Customer == "" || q.Customer == o.Personal.Customer.ID) && (q.PlacedBy == "" || q.PlacedBy == o.PlacedBy) &&
		(q.PlacedFrom.IsZero() || !o.PlacedAt.Before(q.PlacedFrom)) && (q.PlacedTo.IsZero() || o.PlacedAt.Before(q.PlacedTo)) &&
		(q.Currency == "" || q.Currency == o.Currency) && o.Total >= q.TotalFrom && (q.TotalTo == 0 || o.Total <= q.TotalTo)
}

func anyOf[T comparable](wanted []T, v T) bool { return len(wanted) == 0 || slices.Contains(wanted, v) }

// History is what a read model knows of an order: all that the log holds of it up to Position, and no more. An order that is not
// there has a zero Order, and no events.
type History struct {
	Order    domain.Order
	Events   []eventstore.Recorded // of the order's stream and its notices'
	Position eventstore.Position
}

// Page is one page of a list. Next is empty on the last one. Count is how many orders the whole list has, or Uncounted where that
// could only be known by counting them.
type Page struct {
	Orders []domain.Order
	Next   string
	Count  int64
}

// Uncounted is the Count of a list that would have to be walked to be counted.
const Uncounted int64 = -1

// ObligationQuery selects orders that owe the business system something. The zero ObligationQuery is all of them.
type ObligationQuery struct {
	Kind         domain.ObligationKind // empty: all
	Manufacturer string                // empty: all
	Cursor       string                // from an ObligationPage before, with the same query
	Limit        int                   // 1 to MaxLimit; zero: DefaultLimit
}

// ObligationPage is one page of orders that owe something; its Count is always known.
type ObligationPage struct{ Page }

// RecordedQuery selects what was recorded of the business system. The zero RecordedQuery is all of it.
type RecordedQuery struct {
	Kind         domain.ObligationKind // empty: all
	Manufacturer string                // empty: all
	From         time.Time             // inclusive; zero: no bound
	To           time.Time             // exclusive; zero: no bound
	Cursor       string                // from a RecordedPage before, with the same query
	Limit        int                   // 1 to MaxLimit; zero: DefaultLimit
}

// Recorded is an entry or a reversal that was recorded, with its order as it is now.
type Recorded struct {
	Order domain.Order
	domain.Recording
}

// RecordedPage is one page of what was recorded. Next is empty on the last one.
type RecordedPage struct {
	Recorded []Recorded
	Next     string
}

// Counts are the numbers of orders in the tabs, of those with something parked, of those that owe the business system something,
// and of those that nobody has accepted yet and that are to be today, or were to be; exact, as of Position.
type Counts struct {
	Tabs       map[domain.Tab]int64
	Unreviewed int64 // of the tab new: status placed
	Parked     int64
	Owed       int64
	Due        int64 // badge confirmation_due
	Missed     int64 // status placed, badge confirmation_missed
	Position   eventstore.Position
}

// Choices are what there is to filter by: the manufacturers and the currencies of all orders, sorted.
type Choices struct {
	Manufacturers []string
	Currencies    []domain.Currency
}

// Token is an API token as the read model knows it; its secret is nowhere.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Role    domain.Role `json:"role"`
	Created time.Time   `json:"created_at"`
	Revoked *time.Time  `json:"revoked_at"`
}

// Job is an act on many orders as the read model knows it. Whether it is over, its stream says.
type Job struct {
	ID      string
	Maker   string
	Verb    domain.Verb
	Orders  int
	Planned int // how many of them are named
	Done    int // how many were dealt with
	Failed  int // of these, were refused or failed
	Asked   int // of these, wait for Stripe's answer
	Ended   bool
	RetryOf string
	Made    time.Time
}

// JobQuery selects jobs, the latest first. The zero JobQuery is all that are whole.
type JobQuery struct {
	Maker string // empty: of all
	Open  bool   // only those that are not over
	Asked bool   // only those of which Stripe has still to answer something
	Limit int    // 1 to MaxLimit; zero: DefaultLimit
}

// View is a list that somebody saved under a name.
type View struct {
	ID     string
	Owner  string
	Name   string
	Query  string // of the page's address
	Shared bool
}

// Views are the lists that somebody may begin with.
type Views struct {
	Views []View // their own, then those that others share; each by name
	Home  string // the id of the one that they begin with; empty: none
}

// ErrBadQuery means that a query can't be answered as it is: an unknown column, a cursor of another query, a limit out of
// range. It is a *QueryError.
var ErrBadQuery = errors.New("bad query")

// QueryError is an ErrBadQuery that says what is wrong with which parameter.
type QueryError struct{ Parameter, Why string }

func (e *QueryError) Error() string { return e.Parameter + " " + e.Why }

// Is says that it is an ErrBadQuery.
func (e *QueryError) Is(target error) bool { return target == ErrBadQuery }

// BadQuery returns a *QueryError.
func BadQuery(parameter, format string, args ...any) error {
	return &QueryError{Parameter: parameter, Why: fmt.Sprintf(format, args...)}
}

// Reader answers questions about the orders from a read model. Safe for many goroutines. Errors: ErrBadQuery, a rejection
// order_not_found, or a fault of the database.
type Reader interface {
	List(ctx context.Context, q Query) (Page, error)
	// Named returns the orders that a text names in whole, whatever its case and with a # before it, too: by id, order number, tracking
	// number, e-mail address, or an id of Stripe's (PaymentIntent, charge, refund); the latest to arrive first, at most MaxNamed.
	Named(ctx context.Context, text string) ([]domain.Order, error)
	// Choices says what the orders can be filtered by.
	Choices(ctx context.Context) (Choices, error)
	// Parked lists the orders of which something waits for a person, what was parked first first. A cursor is from a page
	// before; the limit is that of a Query.
	Parked(ctx context.Context, cursor string, limit int) (Page, error)
	// Obligations lists the orders that owe the business system something (domain.Order.Owes), what is owed longest first.
	Obligations(ctx context.Context, q ObligationQuery) (ObligationPage, error)
	// Recorded lists what was recorded of the business system (domain.Order.Recordings), what was recorded first first.
	Recorded(ctx context.Context, q RecordedQuery) (RecordedPage, error)
	Counts(ctx context.Context) (Counts, error)
	Order(ctx context.Context, id uuid.UUID) (domain.Order, error)
	// History is an order with its events and its notices', oldest first, at most limit of both together.
	History(ctx context.Context, id uuid.UUID, limit int) (History, error)
	Tokens(ctx context.Context) ([]Token, error)
	Jobs(ctx context.Context, q JobQuery) ([]Job, error)
	// Views are an actor's saved lists.
	Views(ctx context.Context, actor string) (Views, error)
}

// Status says how far a projector is.
type Status struct {
	Name       string              `json:"name"`
	Checkpoint eventstore.Position `json:"checkpoint"` // the last position handled
	Head       eventstore.Position `json:"head"`
	Lag        uint64              `json:"lag"` // how many events it is behind; never fewer, where positions have holes
	Rebuilding bool                `json:"rebuilding"`
	Rebuilt    eventstore.Position `json:"rebuilt,omitempty"` // how far a rebuild is
	Error      string              `json:"error,omitempty"`   // why it stopped; it never skips an event
}
