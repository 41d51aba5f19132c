package stripepay_test

import (
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

var keys atomic.Int64

// act makes a request for a PaymentIntent with a fresh key.
func act(pi commands.PaymentIntent) commands.PaymentRequest {
	return commands.PaymentRequest{
		Key: "key-" + strconv.FormatInt(keys.Add(1), 10), OrderID: pi.OrderID, Request: "request-" + pi.OrderID,
		PaymentIntent: pi.ID, Amount: pi.Amount, Currency: pi.Currency,
	}
}

// hold authorizes 472.38 USD on a card.
func hold(t testing.TB, sim *simtest.Running, paymentMethod string) commands.PaymentIntent {
	t.Helper()
	n := strconv.FormatInt(keys.Add(1), 10)
	pi, err := sim.Payments.Authorize(t.Context(), commands.PaymentRequest{
		Key: "hold-" + n, OrderID: "order-" + n, Amount: 47238, Currency: "USD",
	}, paymentMethod)
	if err != nil {
		t.Fatal(err)
	}
	return pi
}

func TestWholeLife(t *testing.T) {
	sim := simtest.Start(t)
	pi := hold(t, sim, "pm_card_visa")
	if pi.Status != "requires_capture" || pi.Capturable != 47238 || pi.Received != 0 || pi.Currency != "USD" || pi.Brand != "visa" ||
		pi.Last4 != "4242" || pi.CaptureBefore.IsZero() || pi.Charge == "" || pi.OrderID == "" || pi.RequestID == "" || pi.Livemode {
		t.Fatalf("authorized: %+v", pi)
	}
	read, err := sim.Payments.Read(t.Context(), pi.ID)
	if err != nil {
		t.Fatal(err)
	}
	if read.RequestID == pi.RequestID {
		t.Errorf("two requests, one id: %s", read.RequestID)
	}
	captured, err := sim.Payments.Capture(t.Context(), act(pi))
	if err != nil || captured.Status != "succeeded" || captured.Received != 47238 || captured.Capturable != 0 {
		t.Fatalf("captured: %+v, %v", captured, err)
	}
	back, err := sim.Payments.Refund(t.Context(), act(pi))
	if err != nil || back.Status != "succeeded" || back.Amount != 47238 || back.Request != "request-"+pi.OrderID || back.RequestID == "" {
		t.Fatalf("refunded: %+v, %v", back, err)
	}
	read, err = sim.Payments.Read(t.Context(), pi.ID)
	if err != nil || len(read.Refunds) != 1 || read.Refunds[0].ID != back.ID || read.Refunds[0].Request != back.Request {
		t.Fatalf("read: %+v, %v", read, err)
	}
	totals, err := sim.Sim.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := totals[pi.ID]
	if got.Authorized != 47238 || got.Captured != 47238 || got.Refunded != 47238 || got.Captures != 1 || got.Refunds != 1 || got.OrderID != pi.OrderID {
		t.Fatalf("the journal says %+v", got)
	}
}

func TestRelease(t *testing.T) {
	sim := simtest.Start(t)
	pi := hold(t, sim, "pm_card_mastercard")
	released, err := sim.Payments.Release(t.Context(), act(pi))
	if err != nil || released.Status != "canceled" || released.Capturable != 0 || released.Received != 0 || released.CancellationReason != "" {
		t.Fatalf("released: %+v, %v", released, err)
	}
	totals, err := sim.Sim.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := totals[pi.ID]; got.Released != 47238 || got.Held() != 0 {
		t.Fatalf("the journal says %+v", got)
	}
}
