package stripesim

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Act names a movement of money.
type Act string

// The acts of the journal. A charge without manual capture is an authorize and a capture.
const (
	ActAuthorize    Act = "authorize"     // funds held
	ActCapture      Act = "capture"       // held funds taken
	ActRelease      Act = "release"       // held funds let go: by a cancellation, or the rest after a smaller capture
	ActExpire       Act = "expire"        // held funds let go because their time was over
	ActRefund       Act = "refund"        // taken funds given back, or on their way
	ActRefundFailed Act = "refund_failed" // funds on their way back that came home

	ActDisputeWithdrawn  Act = "dispute_withdrawn"  // taken funds that the bank took back, because the customer disputes
	ActDisputeReinstated Act = "dispute_reinstated" // and gave again, because the dispute was won
)

// Actor is who moved money.
type Actor string

// The actors.
const (
	ActorAPI       Actor = "api"       // a request with a key, such as the ledger's
	ActorDashboard Actor = "dashboard" // somebody at Stripe's dashboard: see Sim.Dashboard
	ActorStripe    Actor = "stripe"    // nobody: its time had come
)

// Entry is one movement of money that was executed. Amounts are in Stripe's units of the currency.
type Entry struct {
	N              int64     `json:"n"` // 1, 2, 3 …
	At             time.Time `json:"at"`
	Act            Act       `json:"act"`
	PaymentIntent  string    `json:"payment_intent"`
	Charge         string    `json:"charge"`
	Refund         string    `json:"refund,omitempty"`
	Dispute        string    `json:"dispute,omitempty"`
	Amount         int64     `json:"amount"`
	Currency       string    `json:"currency"`           // lower case
	OrderID        string    `json:"order_id,omitempty"` // the PaymentIntent's metadata order_id
	Actor          Actor     `json:"actor"`
	RequestID      string    `json:"request_id,omitempty"`
	IdempotencyKey string    `json:"idempotency_key,omitempty"`
}

// Totals is what moved for one PaymentIntent, in Stripe's units.
type Totals struct {
	OrderID, Currency                                 string
	Authorized, Captured, Released, Expired, Refunded int64
	Captures, Refunds                                 int // how many times
	// Disputed is what disputes withdrew and did not reinstate. It is not taken off Captured, nor part of Refunded.
	Disputed int64
}

// Held is what is still held: neither taken nor let go.
func (t Totals) Held() int64 { return t.Authorized - t.Captured - t.Released - t.Expired }

// Journal reads the whole journal, oldest first.
func (s *Sim) Journal(ctx context.Context) ([]Entry, error) {
	var all []Entry
	for {
		var after int64
		if len(all) > 0 {
			after = all[len(all)-1].N
		}
		page, err := s.JournalAfter(ctx, after, 1000)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return all, nil
		}
		all = append(all, page...)
	}
}

// JournalAfter reads up to limit entries whose N is greater than n, oldest first.
func (s *Sim) JournalAfter(ctx context.Context, n int64, limit int) ([]Entry, error) {
	var entries []Entry
	c := &call{ctx: ctx}
	err := s.transact(c, func() error {
		return c.db.each(c.ctx, `SELECT n, at, act, payment_intent, charge, refund, dispute, amount, currency, order_id, actor, request_id,
			idempotency_key FROM journal WHERE n > ? ORDER BY n LIMIT ?`, []any{n, limit}, func(scan func(...any) error) error {
			var e Entry
			var at int64
			err := scan(&e.N, &at, &e.Act, &e.PaymentIntent, &e.Charge, &e.Refund, &e.Dispute, &e.Amount, &e.Currency, &e.OrderID,
				&e.Actor, &e.RequestID, &e.IdempotencyKey)
			e.At = time.UnixMicro(at).UTC()
			entries = append(entries, e)
			return err
		})
	})
	return entries, err
}

// Totals adds the journal up for each PaymentIntent, by its id.
func (s *Sim) Totals(ctx context.Context) (map[string]Totals, error) {
	entries, err := s.Journal(ctx)
	if err != nil {
		return nil, err
	}
	return Sum(entries), nil
}

// Sum adds entries up for each PaymentIntent, by its id.
func Sum(entries []Entry) map[string]Totals {
	sums := map[string]Totals{}
	for _, e := range entries {
		t := sums[e.PaymentIntent]
		t.OrderID, t.Currency = e.OrderID, e.Currency
		switch e.Act {
		case ActAuthorize:
			t.Authorized += e.Amount
		case ActCapture:
			t.Captured += e.Amount
			t.Captures++
		case ActRelease:
			t.Released += e.Amount
		case ActExpire:
			t.Expired += e.Amount
		case ActRefund:
			t.Refunded += e.Amount
			t.Refunds++
		case ActRefundFailed:
			t.Refunded -= e.Amount
		case ActDisputeWithdrawn:
			t.Disputed += e.Amount
		case ActDisputeReinstated:
			t.Disputed -= e.Amount
		}
		sums[e.PaymentIntent] = t
	}
	return sums
}

// enter writes one movement of money into the journal, in the transaction that moves it. object is the refund or dispute that
// moves it, if one does.
func (c *call) enter(act Act, r *record, object string, amount int64) error {
	var refundID, disputeID string
	if act == ActDisputeWithdrawn || act == ActDisputeReinstated {
		disputeID = object
	} else {
		refundID = object
	}
	return c.db.exec(c.ctx, `INSERT INTO journal (at, act, payment_intent, charge, refund, dispute, amount, currency, order_id, actor,
		request_id, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.now.UnixMicro(), act, r.Intent.ID, r.Charge.ID,
		refundID, disputeID, amount, r.Intent.Currency, r.Intent.Metadata["order_id"], c.actor, c.requestID, c.key)
}

// serveJournal answers GET /_sim/journal?after=n with one JSON object for each line, all of them.
func (s *Sim) serveJournal(w http.ResponseWriter, r *http.Request) {
	var after int64
	if given := r.URL.Query().Get("after"); given != "" {
		var err error
		if after, err = strconv.ParseInt(given, 10, 64); err != nil {
			http.Error(w, "after: not a number", http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for {
		page, err := s.JournalAfter(r.Context(), after, 1000)
		if err != nil {
			panic(http.ErrAbortHandler) // a journal that ends early must not look whole
		}
		if len(page) == 0 {
			return
		}
		for _, e := range page {
			if err := lines.Encode(e); err != nil {
				return // the reader is gone
			}
		}
		after = page[len(page)-1].N
	}
}
