package stripesim

import (
	"context"
	"encoding/json"
	"errors"
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
)

// Entry is one movement of money that was executed. Amounts are in Stripe's units of the currency.
type Entry struct {
	N              int64     `json:"n"` // 1, 2, 3 …
	At             time.Time `json:"at"`
	Act            Act       `json:"act"`
	PaymentIntent  string    `json:"payment_intent"`
	Charge         string    `json:"charge"`
	Refund         string    `json:"refund,omitempty"`
	Amount         int64     `json:"amount"`
	Currency       string    `json:"currency"`           // lower case
	OrderID        string    `json:"order_id,omitempty"` // the PaymentIntent's metadata order_id
	RequestID      string    `json:"request_id,omitempty"`
	IdempotencyKey string    `json:"idempotency_key,omitempty"`
}

// Totals is what moved for one PaymentIntent, in Stripe's units.
type Totals struct {
	OrderID, Currency                                 string
	Authorized, Captured, Released, Expired, Refunded int64
	Captures, Refunds                                 int // how many times
}

// Held is what is still held: neither taken nor let go.
func (t Totals) Held() int64 { return t.Authorized - t.Captured - t.Released - t.Expired }

// Journal reads the whole journal, oldest first. Reading it lets no hold expire: that happens when the hold is looked at
// through the API.
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
		stmt, err := c.db.stmt(c.ctx, `SELECT n, at, act, payment_intent, charge, refund, amount, currency, order_id, request_id, idempotency_key
			FROM journal WHERE n > ? ORDER BY n LIMIT ?`)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(c.ctx, n, limit)
		if err != nil {
			return err
		}
		for rows.Next() {
			var e Entry
			var at int64
			if err := rows.Scan(&e.N, &at, &e.Act, &e.PaymentIntent, &e.Charge, &e.Refund, &e.Amount, &e.Currency, &e.OrderID,
				&e.RequestID, &e.IdempotencyKey); err != nil {
				return errors.Join(err, rows.Close())
			}
			e.At = time.UnixMicro(at).UTC()
			entries = append(entries, e)
		}
		return errors.Join(rows.Err(), rows.Close())
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
		}
		sums[e.PaymentIntent] = t
	}
	return sums
}

// enter writes one movement of money into the journal, in the transaction that moves it.
func (c *call) enter(act Act, r *record, refundID string, amount int64, at time.Time) error {
	return c.db.exec(c.ctx, `INSERT INTO journal (at, act, payment_intent, charge, refund, amount, currency, order_id, request_id, idempotency_key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		at.UnixMicro(), act, r.Intent.ID, r.Charge.ID, refundID, amount, r.Intent.Currency, r.Intent.Metadata["order_id"], c.requestID, c.key)
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
