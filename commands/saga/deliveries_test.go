package saga_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

const (
	forDays = 12 // after which every hold, refund and dispute of the stories has come to its end
	secret  = "whsec_of_the_deliveries"
)

// manyOrders are 720, and one of each story where that would take minutes.
func manyOrders() int { return saga.UnlessRace(720, len(stories)) }

var sooner = stripesim.WithTimes(stripesim.Times{Refund: 48 * time.Hour, DisputeOpens: 24 * time.Hour, DisputeStep: 48 * time.Hour})

// The same clerk and the same people at Stripe's dashboard do the same to 720 orders, twice. Once every webhook comes at once, and
// once. Once each comes one to three times, hours late and in any order, and a third never. What has become of the orders is the same.
func TestWebhooksInAnyOrderOrNever(t *testing.T) {
	clean, bad := &history{}, &history{bad: true}
	t.Run("histories", func(t *testing.T) { // which ends when both have
		for name, h := range map[string]*history{"clean": clean, "bad": bad} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(w *world) {
					h.world, h.rng = w, rand.New(rand.NewPCG(720, 1))
					h.tell()
					h.look()
				}, sooner)
			})
		}
	})
	if !t.Failed() {
		compare(t, clean, bad)
	}
}

// history is one run of the script.
type history struct {
	*world
	bad     bool
	rng     *rand.Rand // of the deliveries; the script has its own
	process *process
	webhook http.Handler
	script  []entry
	orders  []*subject
	mail    []letter // on their way, the next first
	lost    int      // events that were never delivered
	posted  int      // deliveries
	kept    int      // events that the endpoint kept
	ended   map[uuid.UUID]final
	tabs    map[domain.Tab]int
}

// subject is an order and its story.
type subject struct {
	n       int
	id      uuid.UUID
	payment string
	dispute string // of the dashboard
}

// entry is one act of the script.
type entry struct {
	at    time.Time
	order *subject
	do    func(h *history, o *subject)
}

// letter is a delivery of an event.
type letter struct {
	at    time.Time
	event stripesim.Delivery
}

// tell lets everything happen.
func (h *history) tell() {
	h.webhook = stripepay.Webhook(stripepay.WebhookConfig{
		Mode: stripepay.Test, Secrets: []string{secret}, Receiver: commands.Inbox{Handler: h.clerk},
	})
	h.process = h.start(func(c *saga.Config) { c.Lists = h.stripe })
	defer h.process.stop()
	h.write()
	end := time.Now().Add(forDays * 24 * time.Hour)
	for hour := time.Now(); hour.Before(end); {
		next := hour.Add(time.Hour)
		if len(h.script) > 0 && h.script[0].at.Before(next) {
			next = h.script[0].at
		}
		if len(h.mail) > 0 && h.mail[0].at.Before(next) {
			next = h.mail[0].at
		}
		pass(time.Until(next))
		if next.Equal(hour.Add(time.Hour)) {
			hour = next
			h.must(h.sim.Advance(context.Background()))
		}
		for len(h.script) > 0 && !h.script[0].at.After(next) {
			e := h.script[0]
			h.script = h.script[1:]
			e.do(h, e.order)
		}
		synctest.Wait()
		h.post()
		synctest.Wait()
	}
}

func (h *history) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// post sends what Stripe tells on its way, and delivers what has arrived.
func (h *history) post() {
	ctx := context.Background()
	news, err := h.sim.Pending(ctx, 1<<20)
	h.must(err)
	for _, e := range news {
		h.must(h.address(ctx, e))
	}
	if len(news) > 0 {
		slices.SortStableFunc(h.mail, func(a, b letter) int { return a.at.Compare(b.at) })
	}
	for len(h.mail) > 0 && !h.mail[0].at.After(time.Now()) {
		h.deliver(h.mail[0].event)
		h.mail = h.mail[1:]
	}
}

// address says when an event is delivered, and how often.
func (h *history) address(ctx context.Context, e stripesim.Delivery) error {
	if !h.bad {
		h.mail = append(h.mail, letter{time.Now(), e})
		return h.sim.Delivered(ctx, e.Event)
	}
	switch luck := h.rng.IntN(6); luck {
	case 0: // Stripe gives up: the hourly sweep finds it in a list
		h.lost++
		return h.sim.Undelivered(ctx, e.Event)
	case 1: // somebody on the way took it, and said thank you: no list shows it
		h.lost++
	default:
		for range 1 + h.rng.IntN(3) {
			h.mail = append(h.mail, letter{time.Now().Add(time.Duration(h.rng.Int64N(int64(6 * time.Hour)))), e})
		}
	}
	return h.sim.Delivered(ctx, e.Event)
}

// deliver is Stripe's request to the endpoint.
func (h *history) deliver(e stripesim.Delivery) {
	r, err := e.Request(context.Background(), "http://ledger.invalid"+stripepay.WebhookPath, time.Now(), secret)
	h.must(err)
	answer := httptest.NewRecorder()
	h.webhook.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		h.t.Errorf("%s is answered with %d %s", e.Type, answer.Code, answer.Body)
	}
	h.posted++
}

// write writes the script: each order's story, at times of its own.
func (h *history) write() {
	dice := rand.New(rand.NewPCG(720, 2))
	begin := time.Now()
	for n := range manyOrders() {
		story := stories[n%len(stories)]
		at := begin.Add(time.Duration(dice.Int64N(int64(24 * time.Hour)))).Truncate(time.Second)
		o := &subject{n: n}
		h.orders = append(h.orders, o)
		h.script = append(h.script, entry{at, o, arrive(story.card)})
		for _, s := range story.steps {
			// The clerk and the people at Stripe don't look at the same order on the same day: what each did is known by then.
			at = at.Add(s.after + time.Duration(dice.Int64N(int64(time.Hour)))).Truncate(time.Second)
			h.script = append(h.script, entry{at, o, s.do})
		}
	}
	slices.SortStableFunc(h.script, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.order.n, b.order.n)) })
}
