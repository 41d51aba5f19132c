package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Payments reads one payment, its refunds and disputes included; see commands.Payments.
type Payments interface {
	Read(ctx context.Context, paymentIntent string) (commands.PaymentIntent, error)
}

// Config says what is compared with what. All but Codec, whose zero value is ready, Livemode and Now are required.
type Config struct {
	Log      Log
	Codec    eventstore.Codec
	Payments Payments
	Lists    commands.PaymentLists
	Livemode bool             // what the ledger's payments should be
	Now      func() time.Time // nil is time.Now
}

// Age is how old an order may be that is over, so that it is compared by default.
const Age = 180 * 24 * time.Hour

// ErrRunning means that a run is under way; there is one at a time.
var ErrRunning = errors.New("the ledger is being compared with Stripe already")

// Reconciler compares one ledger with one account at Stripe.
type Reconciler struct {
	cfg  Config
	busy atomic.Bool
}

// New returns a Reconciler that does nothing until a run of it begins.
func New(c Config) *Reconciler {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Reconciler{cfg: c}
}

// Begin takes the place of the one run. It must be given back with End. Error: ErrRunning.
func (r *Reconciler) Begin() (*Run, error) {
	if !r.busy.CompareAndSwap(false, true) {
		return nil, ErrRunning
	}
	return &Run{reconciler: r, cfg: r.cfg, began: r.cfg.Now(), progress: func(Progress) {}}, nil
}

// Run is one comparison.
type Run struct {
	reconciler *Reconciler
	cfg        Config
	began      time.Time
	progress   func(Progress)
	end        sync.Once
}

// End lets another run begin. Ending a run again does nothing.
func (r *Run) End() { r.end.Do(func() { r.reconciler.busy.Store(false) }) }

// Compare compares all orders that came in, and all payments that were made, since an instant; the zero one is since the oldest
// card order that is open or younger than Age. Each difference is handed to found, whose error ends the run, and how far it is to
// progress. Only without an error is what was found all that there is. Errors: those of the log, of Payments, of found.
func (r *Run) Compare(ctx context.Context, since time.Time, progress func(Progress), found func(Difference) error) (Figures, error) {
	r.progress = progress
	progress(Progress{Phase: ReadingLog})
	b, err := readBook(ctx, r.cfg.Log, r.cfg.Codec, progress)
	if err != nil {
		return Figures{}, err
	}
	if since.IsZero() {
		since = b.oldest(r.began, Age)
	}
	since = since.Truncate(time.Second) // Stripe counts in seconds
	l := &lists{run: r, book: b, since: since, figures: Figures{Since: since.UTC(), Position: b.position}}
	for _, a := range b.accounts {
		if l.covers(a) {
			l.figures.Orders++
		}
	}
	if err := l.read(ctx); err != nil {
		return Figures{}, err
	}
	f := l.figures
	orders := l.suspects.inOrder(b)
	for i, order := range orders {
		progress(Progress{Phase: LookingAgain, Done: i, Total: len(orders)})
		v, err := r.look(ctx, order, l.suspects.payments[order])
		if err != nil {
			return Figures{}, err
		}
		for _, d := range v.found {
			if err := found(d); err != nil {
				return Figures{}, err
			}
		}
		f.Differences += len(v.found)
		if v.inFlight {
			f.InFlight++
		}
		if v.elsewhere {
			f.SettledElsewhere++
		}
	}
	f.Seconds = r.cfg.Now().Sub(r.began).Seconds()
	return f, nil
}

// inOrder are the suspects by manufacturer and number; those that no order is known of come last.
func (s *suspects) inOrder(b *book) []uuid.UUID {
	none := &account{}
	slices.SortFunc(s.orders, func(x, y uuid.UUID) int {
		ax, ay := b.accounts[x], b.accounts[y]
		if (ax == nil) != (ay == nil) {
			if ax == nil {
				return 1
			}
			return -1
		}
		if ax == nil {
			ax, ay = none, none
		}
		return cmp.Or(cmp.Compare(ax.manufacturer, ay.manufacturer), cmp.Compare(ax.number, ay.number), strings.Compare(x.String(), y.String()))
	})
	return s.orders
}

func (r *Run) comparison(a *account) *comparison {
	return &comparison{account: a, live: r.cfg.Livemode, now: r.cfg.Now()}
}
