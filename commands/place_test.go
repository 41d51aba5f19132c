package commands_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var shop = domain.Actor{ID: "shop", Role: domain.Shop, Via: domain.ViaAPI}

func intake(number string, total int64) domain.Intake {
	return domain.Intake{
		OrderNumber: number, Manufacturer: "acme", PlacedAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Customer: domain.Customer{Name: "Ada Example"}, Currency: "USD", Subtotal: total, Total: total,
		Lines:   []domain.Line{{SKU: "P", Quantity: 1, UnitPrice: total, Amount: total}},
		Payment: domain.Terms{Method: domain.Card},
	}
}

func newPlacer(t *testing.T, log eventstore.Store) (*commands.Placer, *simtest.Running) {
	t.Helper()
	sim := simtest.Start(t)
	return &commands.Placer{
		Handler: commands.NewHandler(log, eventstore.Codec{}, time.Now), Payments: sim.Payments,
		Calendar: commands.DefaultCalendar(), Authorize: true,
	}, sim
}

func place(in domain.Intake, key string) commands.PlaceRequest {
	return commands.PlaceRequest{Intake: in, CommandID: commands.CommandID(shop.ID, key), Actor: shop, MayAuthorize: true}
}

func TestPlacingAgainIsAnsweredAsTheFirstTime(t *testing.T) {
	log := memstore.New()
	p, sim := newPlacer(t, log)
	first, err := p.Place(t.Context(), place(intake("1", 5000), "k1"))
	if err != nil || first.Replayed || first.Order.Version != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	at := head(t, log)
	for name, key := range map[string]string{"same key": "k1", "another key": "k2", "the other key again": "k2"} {
		again, err := p.Place(t.Context(), place(intake("1", 5000), key))
		if err != nil || !again.Replayed || again.Order.ID != first.Order.ID || again.Position != first.Position {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
	}
	other := intake("1", 6000)
	rejected := (*domain.Rejection)(nil)
	if _, err := p.Place(t.Context(), place(other, "k3")); !errors.As(err, &rejected) || rejected.Code != domain.OrderExists {
		t.Errorf("other content: %v", err)
	}
	for _, key := range []string{"k1", "k2"} {
		if _, err := p.Place(t.Context(), place(intake("2", 5000), key)); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("key %s for another order: %v", key, err)
		}
		act := commands.Request{
			OrderID: first.Order.ID, Command: domain.Accept{}, CommandID: commands.CommandID(shop.ID, key), RequestHash: "accept", Actor: shop,
		}
		if _, err := p.Handler.Handle(t.Context(), act); !errors.Is(err, commands.ErrKeyReused) {
			t.Errorf("key %s for an act on the order: %v", key, err)
		}
	}
	if now := head(t, log); now != at+2 { // what k2 was used for: as a placement's key, and on the order
		t.Errorf("the head moved from %d to %d", at, now)
	}
	journal, err := sim.Sim.Journal(t.Context())
	if err != nil || len(journal) != 1 {
		// The reused key must not even have authorized anything.
		t.Errorf("journal: %v, %v", journal, err)
	}
}

func TestOnePaymentIntentPaysForOneOrder(t *testing.T) {
	p, sim := newPlacer(t, memstore.New())
	// The store made this one: nothing at Stripe names an order.
	pi, err := sim.Payments.Authorize(t.Context(), commands.PaymentRequest{Key: "store", Amount: 5000, Currency: "USD"}, "pm_card_visa")
	if err != nil {
		t.Fatal(err)
	}
	results := make([]error, 8)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			in := intake(fmt.Sprintf("N-%d", i), 5000)
			in.Payment.PaymentIntent = pi.ID
			_, results[i] = p.Place(t.Context(), place(in, in.OrderNumber))
		})
	}
	all.Wait()
	placed := 0
	for _, err := range results {
		rejected := (*domain.Rejection)(nil)
		switch {
		case err == nil:
			placed++
		case !errors.As(err, &rejected) || rejected.Code != domain.PaymentInUse:
			t.Errorf("refused with %v", err)
		}
	}
	if placed != 1 {
		t.Errorf("%d orders hang on one PaymentIntent", placed)
	}
}

func TestPaymentIntentMustHoldExactlyTheTotal(t *testing.T) {
	log := memstore.New()
	p, sim := newPlacer(t, log)
	pi, err := sim.Payments.Authorize(t.Context(), commands.PaymentRequest{Key: "store", Amount: 4999, Currency: "USD"}, "pm_card_visa")
	if err != nil {
		t.Fatal(err)
	}
	in := intake("1", 5000)
	in.Payment.PaymentIntent = pi.ID
	rejected := (*domain.Rejection)(nil)
	if _, err := p.Place(t.Context(), place(in, "k")); !errors.As(err, &rejected) || rejected.Code != domain.AmountMismatch {
		t.Errorf("%v", err)
	}
	if at := head(t, log); at != 0 {
		t.Errorf("the head is at %d", at)
	}
}

func TestManyOrdersGoInOnceWhoeverElsePlacesThem(t *testing.T) {
	log := memstore.New()
	p, sim := newPlacer(t, log)
	var batch []commands.PlaceRequest
	for i := range 60 {
		batch = append(batch, place(intake(fmt.Sprintf("M-%d", i), 5000), fmt.Sprintf("import-%d", i)))
	}
	batch = append(batch, batch[0])                                 // twice in one batch
	batch = append(batch, place(domain.Intake{}, "import-nothing")) // and a bad one
	var all sync.WaitGroup
	for range 4 { // other processes have handlers of their own
		other := *p
		other.Handler = commands.NewHandler(log, eventstore.Codec{}, time.Now)
		all.Go(func() {
			for range 1000 {
				again := false
				for i, o := range other.PlaceMany(context.Background(), batch) {
					unknown := errors.Is(o.Err, commands.ErrPaymentUnknown) // Stripe has the same key in hand for another process
					again = again || unknown
					if bad := i == len(batch)-1; !unknown && (o.Err != nil) != bad {
						t.Errorf("order %d: %v", i, o.Err)
					}
				}
				if !again {
					return
				}
			}
			t.Error("no end of unknown answers")
		})
	}
	all.Wait()
	if at := head(t, log); at != 60 {
		t.Errorf("%d events, want 60", at)
	}
	// What a handler kept must be what the log says: the next event of each order continues its chain.
	for _, r := range batch[:60] {
		if _, err := p.Handler.Handle(t.Context(), commands.Request{
			OrderID: r.Intake.ID(), Command: domain.Accept{}, CommandID: commands.CommandID("clerk", r.Intake.OrderNumber), RequestHash: "accept", Actor: shop,
		}); err != nil {
			t.Fatal(err)
		}
		prev := ""
		for rec, err := range log.ReadStream(t.Context(), eventstore.OrderStream(r.Intake.ID()), eventstore.NoStream) {
			if err != nil {
				t.Fatal(err)
			}
			if prev, err = eventstore.Verify(rec, prev); err != nil {
				t.Fatal(err)
			}
		}
	}
	journal, err := sim.Sim.Journal(t.Context())
	if err != nil || len(journal) != 60 {
		t.Errorf("%d authorizations, want 60: %v", len(journal), err)
	}
}

// One key is given to two orders at the same moment: it places one of them.
func TestOneKeyPlacesOneOrderAtOnce(t *testing.T) {
	log := memstore.New()
	together := meetAt(log, 2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range errs {
		p := &commands.Placer{Handler: handler(together), Calendar: commands.DefaultCalendar()}
		in := onAccount().Intake
		in.OrderNumber = fmt.Sprint(i)
		wg.Go(func() { _, errs[i] = p.Place(context.Background(), place(in, "k")) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), commands.ErrKeyReused) || head(t, log) != 2 {
		t.Errorf("%v, %v, %d events", errs[0], errs[1], head(t, log))
	}
}
