package saga

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

var (
	simSeeds = flag.Uint64("seeds", uint64(UnlessRace(60, 15)), "how many seeds TestSimulation runs")
	simFirst = flag.Uint64("seed", 1, "the first seed of TestSimulation; with -seeds 1 and -v it tells what happens")
)

// TestSimulation runs one whole history for each seed: orders, clerks, acts at Stripe's dashboard, webhooks lost and told twice,
// faults, deaths, zombies, jumps of the clock. Whatever happens, every event is true when it is appended, and in the end the
// ledger and Stripe's journal agree to the cent.
func TestSimulation(t *testing.T) {
	var mu sync.Mutex
	reached := map[string]int{}
	workers := uint64(runtime.GOMAXPROCS(0))
	t.Run("seeds", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for seed := *simFirst + w; seed < *simFirst+*simSeeds && !t.Failed(); seed += workers {
					_, happened := simulate(t, seed, *simSeeds == 1)
					if t.Failed() {
						t.Logf("go test ./commands/saga -run TestSimulation -seeds 1 -seed %d -v", seed)
					}
					mu.Lock()
					for kind, n := range happened {
						reached[kind] += n
					}
					mu.Unlock()
				}
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Logf("%d seeds reached %v", *simSeeds, reached)
	for _, kind := range kinds {
		if reached[kind] == 0 && *simSeeds >= 500 {
			t.Errorf("%d seeds never reached %s", *simSeeds, kind)
		}
	}
}

// The same seed makes the same history, step by step.
func TestSimulationRepeats(t *testing.T) {
	for seed := uint64(1); seed <= uint64(UnlessRace(5, 1)); seed++ {
		first, _ := simulate(t, seed, false)
		if second, _ := simulate(t, seed, false); first != second {
			t.Errorf("seed %d: %s, then %s", seed, first, second)
		}
	}
}

// simulate returns what happened: a sum over every step, and how often what was reached.
func simulate(t testing.TB, seed uint64, verbose bool) (string, map[string]int) {
	u, trace := newUniverse(t, seed)
	defer u.close()
	u.verbose = verbose
	u.begin()
	for range 200 + u.rng.IntN(600) {
		u.next()
		if t.Failed() {
			return trace(), u.oracle.reached
		}
	}
	u.settle()
	u.oracle.final()
	return trace(), u.oracle.reached
}

// begin makes the payments of a few orders; some orders arrive at once.
func (u *universe) begin() {
	cards := []string{"pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail", "pm_card_createDispute", "pm_card_captureDeclined"}
	for n := range 1 + u.rng.IntN(4) {
		in := domain.Intake{
			OrderNumber: fmt.Sprint(10248 + n), Manufacturer: "northwind", PlacedAt: u.now,
			Customer: domain.Customer{Name: "Paul Henriot"},
			Lines:    []domain.Line{{SKU: "NW-11", Quantity: 12, UnitPrice: 3667, Amount: 44000}},
			Currency: "USD", Subtotal: 44000, Freight: 3238, Total: simTotal, Payment: domain.Terms{Method: domain.Card},
		}
		o := &simOrder{id: in.ID()}
		in.Payment.PaymentIntent = u.pay(o, cards[u.rng.IntN(len(cards))], u.chance(0.7))
		u.orders, u.intakes = append(u.orders, o), append(u.intakes, in)
	}
	u.start(nil)
}

// pay makes a payment at Stripe as the store does, with or without saying whose it is.
func (u *universe) pay(o *simOrder, card string, says bool) string {
	r := commands.PaymentRequest{Key: "store-" + u.id().String(), Amount: simTotal, Currency: "USD"}
	if says {
		r.OrderID = o.id.String()
	}
	pi, err := u.shop.Authorize(context.Background(), r, card)
	if err != nil {
		u.t.Fatal(err)
	}
	o.payments = append(o.payments, pi.ID)
	return pi.ID
}

// next lets one thing happen.
func (u *universe) next() {
	type choice struct {
		weight int
		do     func()
	}
	p := u.living()[u.rng.IntN(len(u.living()))]
	choices := []choice{
		{25, func() { u.clerk(p) }},
		{15, func() { p.learn(1 + u.rng.IntN(5)) }},
		{4, func() { u.pass() }},
		{3, func() { u.outside() }},
		{12, func() {
			if due := u.pending(); len(due) > 0 {
				u.webhook(p, due[u.rng.IntN(len(due))])
			}
		}},
		{1, func() { u.die(p) }},
		{1, func() { u.sweep(p) }},
		{2, func() { u.faults = []float64{0, 0, 0.1, 0.5}[u.rng.IntN(4)] }},
		{1, func() { u.logFault = []float64{0, 0, 0.05}[u.rng.IntN(3)] }},
	}
	if len(u.intakes) > 0 && u.arriving < 2 {
		choices = append(choices, choice{10, func() { u.place(p) }})
	}
	if jobs := p.open(); len(jobs) > 0 {
		choices = append(choices, choice{25, func() { p.begin(jobs[u.rng.IntN(len(jobs))]) }})
	}
	if going := u.going(); len(going) > 6 {
		u.resume(going[u.rng.IntN(len(going))])
		return
	} else if len(going) > 0 {
		choices = append(choices, choice{60, func() { u.resume(going[u.rng.IntN(len(going))]) }})
	}
	sum := 0
	for _, c := range choices {
		sum += c.weight
	}
	at := u.rng.IntN(sum)
	for _, c := range choices {
		if at -= c.weight; at < 0 {
			c.do()
			return
		}
	}
}

// going is what is under way and not held up.
func (u *universe) going() []*fiber {
	return slices.DeleteFunc(slices.Clone(u.acts), func(f *fiber) bool { return f.proc != nil && f.proc.paused })
}

func (u *universe) pending() []stripesim.Delivery {
	due, err := u.sim.Pending(context.Background(), 5)
	if err != nil {
		u.t.Fatal(err)
	}
	return due
}

// webhook delivers an event, now and then twice, or loses it for ever.
func (u *universe) webhook(p *proc, d stripesim.Delivery) {
	if u.chance(0.25) {
		u.note("lost %s", d.Event)
		if err := u.sim.Undelivered(context.Background(), d.Event); err != nil {
			u.t.Fatal(err)
		}
		return
	}
	u.deliver(p, d)
	if u.chance(0.2) {
		u.deliver(u.living()[u.rng.IntN(len(u.living()))], d)
	}
}

// pass lets time go by: mostly little, sometimes days.
func (u *universe) pass() {
	d := time.Duration(u.rng.Int64N(int64(2 * time.Minute)))
	switch {
	case u.chance(0.05):
		d = time.Duration(u.rng.Int64N(int64(4 * 24 * time.Hour)))
	case u.chance(0.2):
		d = time.Duration(u.rng.Int64N(int64(6 * time.Hour)))
	}
	u.advance(d)
}

func (u *universe) advance(d time.Duration) {
	u.now = u.now.Add(d)
	u.note("it is %s", u.now)
	if err := u.sim.Advance(context.Background()); err != nil {
		u.t.Fatal(err)
	}
}

// die ends a process, or holds it up; another takes its place.
func (u *universe) die(p *proc) {
	switch {
	case u.chance(0.4):
		p.paused = true
		u.note("process %d is held up", p.n)
	case u.chance(0.5) && slices.ContainsFunc(u.procs, func(p *proc) bool { return p.paused }):
		for _, z := range u.procs {
			z.paused = false
		}
		u.note("the zombies go on")
		return
	default:
		p.dead = true
		u.note("process %d dies", p.n)
	}
	var from *proc
	if u.chance(0.5) {
		from = p
	}
	u.start(from)
}

func (u *universe) sweep(p *proc) {
	u.spawn(p, fmt.Sprintf("process %d sweeps", p.n), func() {
		err := p.saga.SweepEvents(context.Background(), u.now.Add(-72*time.Hour))
		if err == nil {
			err = p.saga.SweepAll(context.Background(), u.now.Add(-60*24*time.Hour))
		}
		u.note("process %d has swept: %v", p.n, err)
	}, nil)
}

func (u *universe) place(p *proc) {
	in := u.intakes[0]
	command := uuid.NewSHA1(in.ID(), []byte("place"))
	u.arriving++
	u.spawn(p, "place "+in.OrderNumber, func() {
		_, err := p.placer.Place(context.Background(), commands.PlaceRequest{
			Intake: in, CommandID: command, Actor: domain.Actor{ID: "store", Role: domain.Shop, Via: domain.ViaAPI},
		})
		u.note("placed %s: %v", in.OrderNumber, err)
	}, func() {
		u.arriving--
		u.intakes = slices.DeleteFunc(u.intakes, func(i domain.Intake) bool { return i.OrderNumber == in.OrderNumber })
		if !u.order(in.ID()).Exists() {
			u.intakes = append(u.intakes, in) // the store tries again
		}
	})
}

// clerk wants something of an order, likely or not; sometimes of an order as it was.
func (u *universe) clerk(p *proc) {
	s := u.orders[u.rng.IntN(len(u.orders))]
	o := u.order(s.id)
	if !o.Exists() {
		return
	}
	likely := []domain.Command{domain.Capture{}, domain.Ship{}, domain.Refund{Reason: "broken"}, domain.Cancel{Reason: "sold out"}}
	command := likely[u.rng.IntN(len(likely))]
	switch {
	case o.AcceptedAt == nil && u.chance(0.8):
		command = domain.Accept{}
	case o.Pending.Parked:
		command = u.decision()
	case o.HoldExpired && u.chance(0.5), o.CaptureFailed && u.chance(0.5):
		u.reauthorize(p, s)
		return
	case u.chance(0.05):
		command = domain.Archive{}
	case u.chance(0.02):
		command = domain.Unarchive{}
	}
	r := commands.Request{
		OrderID: s.id, Command: command, CommandID: u.id(), RequestHash: "hash", Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaUI},
	}
	if version := o.Version; u.chance(0.5) {
		r.IfVersion = &version
	}
	times := 1
	if u.chance(0.2) {
		times = 2 // a double click
	}
	for range times {
		u.spawn(p, fmt.Sprintf("erika: %s %s", command.CommandName(), s.id), func() {
			_, err := p.placer.Handler.Handle(context.Background(), r)
			u.note("erika: %s: %v", command.CommandName(), err)
		}, nil)
	}
}

func (u *universe) decision() domain.Command {
	return []domain.Command{
		domain.Resume{Decision: domain.Retry},
		domain.Resume{Decision: domain.Adopt, Evidence: "seen"},
		domain.Resume{Decision: domain.Settle, Reference: "TRANSFER-1"},
		domain.Resume{Decision: domain.Abandon},
	}[u.rng.IntN(4)]
}

func (u *universe) reauthorize(p *proc, s *simOrder) {
	payment, command := u.pay(s, "pm_card_visa", u.chance(0.5)), u.id()
	u.spawn(p, "reauthorize "+s.id.String(), func() {
		_, err := p.placer.Reauthorize(context.Background(), commands.ReauthorizeRequest{
			Request:       commands.Request{OrderID: s.id, CommandID: command, RequestHash: "hash", Actor: domain.Actor{ID: "erika", Role: domain.Manager, Via: domain.ViaUI}},
			PaymentIntent: payment,
		})
		u.note("reauthorized: %v", err)
	}, nil)
}

// outside is somebody at Stripe's dashboard. What Stripe refuses does not happen.
func (u *universe) outside() {
	s := u.orders[u.rng.IntN(len(u.orders))]
	if !u.order(s.id).Exists() && u.chance(0.9) {
		return
	}
	payment, desk, ctx := s.payments[u.rng.IntN(len(s.payments))], u.sim.Dashboard(), context.Background()
	var err error
	what := "capture"
	switch u.rng.IntN(8) {
	case 0, 1:
		err = desk.Capture(ctx, payment, 0)
	case 2:
		what, err = "capture in part", desk.Capture(ctx, payment, 40000)
	case 3:
		what, err = "cancel", desk.Cancel(ctx, payment)
	case 4, 5:
		what = "refund"
		_, err = desk.Refund(ctx, payment, 0)
	case 6:
		what = "refund in part"
		_, err = desk.Refund(ctx, payment, 1000)
	case 7:
		what = "dispute"
		_, err = desk.OpenDispute(ctx, payment, 0, "fraudulent")
	}
	u.note("at the dashboard: %s %s: %v", what, payment, err)
}

// settle lets everything come to its end: nothing fails any more, webhooks come or are found by sweeps, holds run out, refunds
// end, and people decide what is parked.
func (u *universe) settle() {
	u.note("from here on nothing fails")
	u.faults, u.logFault = 0, 0
	for _, p := range u.procs {
		p.paused = false
	}
	u.finish()
	for _, p := range u.living()[1:] {
		p.dead = true
	}
	p := u.living()[0]
	for tries := 0; len(u.intakes) > 0 && tries < 10; tries++ { // one whose payment is gone can't be placed any more
		u.place(p)
		u.finish()
		u.advance(5 * time.Minute) // Stripe may want to be left alone for a while
	}
	for day := range 60 {
		for _, d := range u.pending() {
			u.webhook(p, d)
			u.finish()
		}
		if day%10 == 0 {
			u.sweep(p)
			u.finish()
		}
		for round := 0; u.work(p); round++ {
			if round > 500 {
				u.failf("it does not come to rest: %+v", p.saga.Status())
				return
			}
		}
		u.advance(24 * time.Hour)
	}
	u.sweep(p)
	u.finish()
	for u.work(p) {
	}
}

// work does what is open, and lets people decide; it returns whether there was anything.
func (u *universe) work(p *proc) bool {
	p.learn(1 << 30)
	head, _ := u.log.Head(context.Background())
	jobs := p.open()
	for _, j := range jobs {
		p.begin(j)
		u.finish()
	}
	for _, s := range u.orders {
		if o := u.order(s.id); o.Pending.Parked {
			u.decide(p, o)
		}
	}
	after, _ := u.log.Head(context.Background())
	if len(jobs) > 0 && after == head { // it must wait: for Stripe to be asked again, for an order, for a refund
		u.advance(3 * time.Minute)
		return slices.ContainsFunc(jobs, func(j *simJob) bool {
			return !j.answered && j.hint.ID == "" && j.hold.PaymentIntent == "" && j.effect.Refund == ""
		})
	}
	return after != head
}

// decide is a manager who tries again, and in the end settles it outside Stripe.
func (u *universe) decide(p *proc, o domain.Order) {
	command := domain.Resume{Decision: domain.Settle, Reference: "TRANSFER-2"}
	if _, err := domain.Decide(o, domain.Resume{Decision: domain.Retry}); err != nil {
		command = domain.Resume{Decision: domain.Abandon} // the bank decides
	} else if o.Pending.Decision == "" || o.Captured() && o.Pending.Act == domain.ActShip {
		command = domain.Resume{Decision: domain.Retry}
	}
	id := u.id()
	u.spawn(p, "the manager: "+string(command.Decision), func() {
		_, err := p.placer.Handler.Handle(context.Background(), commands.Request{
			OrderID: o.ID, Command: command, CommandID: id, Actor: domain.Actor{ID: "max", Role: domain.Manager, Via: domain.ViaUI},
		})
		u.note("the manager: %s: %v", command.Decision, err)
	}, nil)
	u.finish()
}

// finish lets all that is under way come to its end.
func (u *universe) finish() {
	for len(u.acts) > 0 {
		u.resume(u.acts[u.rng.IntN(len(u.acts))])
	}
}
