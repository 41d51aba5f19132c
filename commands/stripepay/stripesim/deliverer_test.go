package stripesim_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

const secret = "whsec_test"

// endpoint is a webhook endpoint without a network. It answers what verdict says, 0 for a cut connection.
type endpoint struct {
	t       *testing.T
	verdict func(kind string, attempt int) int

	mu    sync.Mutex
	began time.Time
	got   []string // type and time of each attempt
	tries map[string]int
}

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	event, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
	if err != nil || r.Method != http.MethodPost || r.URL.String() != "http://ledger.invalid/hook" || event.PendingWebhooks != 1 {
		e.t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	e.tries[event.ID]++
	e.got = append(e.got, string(event.Type)+" +"+time.Since(e.began).String())
	status := e.verdict(string(event.Type), e.tries[event.ID])
	if status == 0 {
		return nil, errors.New("cut")
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

func (e *endpoint) took() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got)
}

// delivering runs a simulator and its deliverer in a bubble of time.
func delivering(t *testing.T, verdict func(string, int) int, config stripesim.DelivererConfig, test func(*testing.T, *stripesim.Sim, *stripepay.Client, *endpoint)) {
	synctest.Test(t, func(t *testing.T) {
		sim, payments := inProcess(t)
		hook := &endpoint{t: t, verdict: verdict, began: time.Now(), tries: map[string]int{}}
		config.URL, config.Secret, config.Transport = "http://ledger.invalid/hook", secret, hook
		d, err := sim.Deliver(config)
		must(t, err)
		test(t, sim, payments, hook)
		d.Stop()
		before := len(hook.took())
		hold(t, payments, "late")
		synctest.Wait()
		if len(hook.took()) != before {
			t.Error("delivered after Stop")
		}
	})
}

func hold(t *testing.T, payments *stripepay.Client, key string) {
	t.Helper()
	_, err := payments.Authorize(t.Context(), commands.PaymentRequest{Key: key, OrderID: "o", Amount: 1000, Currency: "USD"}, "pm_card_visa")
	must(t, err)
}

func undelivered(t *testing.T, sim *stripesim.Sim) int {
	t.Helper()
	pending, err := sim.Pending(t.Context(), 100)
	must(t, err)
	return len(pending)
}

func TestTheDelivererSendsWhatHappens(t *testing.T) {
	delivering(t, func(string, int) int { return 204 }, stripesim.DelivererConfig{Idle: time.Hour}, func(t *testing.T, sim *stripesim.Sim, payments *stripepay.Client, hook *endpoint) {
		for range 3 {
			hold(t, payments, time.Now().String())
			synctest.Wait()
			if n := undelivered(t, sim); n != 0 {
				t.Errorf("%d left", n)
			}
			time.Sleep(time.Second)
		}
		want := []string{
			"payment_intent.created +0s", "charge.succeeded +0s", "payment_intent.amount_capturable_updated +0s",
			"payment_intent.created +1s", "charge.succeeded +1s", "payment_intent.amount_capturable_updated +1s",
			"payment_intent.created +2s", "charge.succeeded +2s", "payment_intent.amount_capturable_updated +2s",
		}
		if got := hook.took(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		time.Sleep(7 * 24 * time.Hour) // holds end with nobody looking but the deliverer
		synctest.Wait()
		if got := hook.took(); len(got) != 15 || !strings.HasPrefix(got[14], "payment_intent.canceled +168h") {
			t.Errorf("%q", got)
		}
	})
}

func TestTheDelivererTriesAgain(t *testing.T) {
	for name, status := range map[string]int{"server error": 500, "redirect": 302, "refused": 400, "cut": 0} {
		t.Run(name, func(t *testing.T) {
			verdict := func(kind string, attempt int) int {
				if kind == "charge.succeeded" && attempt < 4 {
					return status
				}
				return 200
			}
			config := stripesim.DelivererConfig{Backoff: time.Second, MaxWait: 3 * time.Second}
			delivering(t, verdict, config, func(t *testing.T, sim *stripesim.Sim, payments *stripepay.Client, hook *endpoint) {
				hold(t, payments, "k")
				synctest.Wait()
				if n := undelivered(t, sim); n != 1 {
					t.Errorf("%d left", n)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				want := []string{
					"payment_intent.created +0s", "charge.succeeded +0s", "payment_intent.amount_capturable_updated +0s", // the others don't wait
					"charge.succeeded +1s", "charge.succeeded +3s", "charge.succeeded +6s",
				}
				if got := hook.took(); !slices.Equal(got, want) {
					t.Errorf("%q", got)
				}
				if n := undelivered(t, sim); n != 0 {
					t.Errorf("%d left", n)
				}
			})
		})
	}
}

func TestTheDelivererGivesUp(t *testing.T) {
	verdict := func(kind string, _ int) int {
		if kind == "charge.succeeded" {
			return 500
		}
		return 200
	}
	delivering(t, verdict, stripesim.DelivererConfig{Attempts: 3}, func(t *testing.T, sim *stripesim.Sim, payments *stripepay.Client, hook *endpoint) {
		hold(t, payments, "k")
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := hook.took(); len(got) != 5 || undelivered(t, sim) != 0 {
			t.Errorf("%q", got)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stripe.invalid/v1/events?delivery_success=false", nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+simtest.Key)
		res, err := sim.Transport().RoundTrip(r)
		must(t, err)
		body, err := io.ReadAll(res.Body)
		if err != nil || strings.Count(string(body), `"type":"charge.succeeded"`) != 1 || strings.Contains(string(body), "capturable_updated") {
			t.Errorf("%s, %v", body, err)
		}
	})
}

func TestWhatWasNotDeliveredStaysPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, payments := inProcess(t)
		hold(t, payments, "before")
		config := stripesim.DelivererConfig{URL: "http://ledger.invalid/hook", Secret: secret}
		for _, status := range []int{500, 200} { // a deliverer, and another after it
			hook := &endpoint{t: t, verdict: func(string, int) int { return status }, began: time.Now(), tries: map[string]int{}}
			config.Transport = hook
			d, err := sim.Deliver(config)
			must(t, err)
			synctest.Wait()
			d.Stop()
			if got := hook.took(); len(got) != 3 || (undelivered(t, sim) == 0) != (status == 200) {
				t.Errorf("%d: %q, %d left", status, got, undelivered(t, sim))
			}
		}
	})
}

func TestADelivererIsChecked(t *testing.T) {
	sim, _ := inProcess(t)
	for name, config := range map[string]stripesim.DelivererConfig{
		"no URL":    {Secret: secret},
		"no web":    {URL: "ftp://127.0.0.1/", Secret: secret},
		"no secret": {URL: "http://127.0.0.1/"},
		"negative":  {URL: "http://127.0.0.1/", Secret: secret, Attempts: -1},
	} {
		if d, err := sim.Deliver(config); err == nil {
			d.Stop()
			t.Errorf("%s: taken", name)
		}
	}
}
