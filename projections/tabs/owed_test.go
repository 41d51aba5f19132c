package tabs

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections"
)

// However many orders there are, only those that owe something are looked at, and of what was recorded only the period.
func TestObligationsAreIndexed(t *testing.T) {
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	plan := func(query string, args ...any) (steps string) {
		t.Helper()
		rows, err := db.f.read.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			steps += step + "\n"
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return steps
	}
	parsed, err := parseObligations(projections.ObligationQuery{Kind: domain.OwesEntry})
	if err != nil {
		t.Fatal(err)
	}
	for first, index := range map[string]string{
		"1": "by_owed", "facet = 3": "by_facet_owed", "+facet IN (1,2,3)": "by_owed",
	} {
		for _, after := range []*hit{nil, {n: 7, key: key{Number: 8}}} {
			query, args := parsed.walkQuery(first, nil, after, 50)
			if steps := plan(query, args...); !strings.Contains(steps, "USING COVERING INDEX "+index+" ") || strings.Contains(steps, "TEMP B-TREE") {
				t.Errorf("%s: the plan is %s", query, steps)
			}
		}
	}
}

// A rebuild compares what is owed and what was recorded, too.
func TestRebuildComparesObligations(t *testing.T) {
	ctx := t.Context()
	store := memstore.New()
	stream := eventstore.OrderStream(domain.OrderID("acme", "1"))
	var batch []eventstore.Recorded
	for i, e := range []domain.Event{
		domain.Placed{OrderNumber: "1", Manufacturer: "acme", Method: domain.Account, Total: 100},
		domain.PaymentCaptured{Amount: 100, ExternalReference: "INV-1"},
		domain.Refunded{Amount: 100},
	} {
		encoded, err := eventstore.Codec{}.Encode(stream, e)
		if err != nil {
			t.Fatal(err)
		}
		encoded.ID = uuid.NewSHA1(uuid.Nil, []byte(e.EventType()))
		sealed, _, err := eventstore.Seal(stream, eventstore.Revision(i), encoded, eventstore.Envelope{Schema: 1, OccurredAt: time.Unix(int64(1000+i), 0)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := store.Append(ctx, stream, eventstore.Revision(i-1), sealed)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, r)
	}
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Apply(ctx, batch); err != nil {
		t.Fatal(err)
	}
	if err := db.CaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tamper    string
		different int64
	}{{"", 0}, {`UPDATE orders SET owed_at = owed_at + 1`, 1}, {`UPDATE recorded SET at = at + 1`, 1}, {`DELETE FROM recorded`, 1}, {"", 0}} {
		if _, err := db.f.write.ExecContext(ctx, c.tamper); err != nil {
			t.Fatal(err)
		}
		if report, err := db.Rebuild(ctx, store); err != nil || report.Different != c.different {
			t.Errorf("%q: %+v, %v", c.tamper, report, err)
		}
	}
	owed, err := db.Obligations(ctx, projections.ObligationQuery{Kind: domain.OwesReversal})
	recorded, err2 := db.Recorded(ctx, projections.RecordedQuery{})
	if err != nil || err2 != nil || owed.Count != 1 || len(owed.Orders) != 1 || len(recorded.Recorded) != 1 {
		t.Errorf("rebuilt: %+v, %+v, %v, %v", owed, recorded, err, err2)
	}
}
