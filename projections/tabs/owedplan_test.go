package tabs

import (
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
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
