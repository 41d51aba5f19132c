package tabs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/tabs"
)

func TestAFileThatCantBeReadIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tabs.db"), []byte("this is no database, and long enough to be looked at as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir)
	if at, err := db.Checkpoint(t.Context()); at != 0 || err != nil {
		t.Errorf("begun at %d, %v", at, err)
	}
	h := newHistory(t)
	h.place()
	apply(t, db, h.events)
}

// A file that was left before it had caught up is not synced, so nobody knows what a power cut made of it.
func TestAFileThatWasNeverFilledToTheEndIsBegunAnew(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	h := newHistory(t)
	h.place()
	if _, err := db.Apply(t.Context(), h.events); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	if at, err := db.Checkpoint(t.Context()); at != 0 || err != nil {
		t.Errorf("begun at %d, %v", at, err)
	}
}

// The file keeps which event its checkpoint is, over a restart; and can be emptied while it is read from.
func TestTheLastEventAndReset(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	h := newHistory(t)
	h.place()
	apply(t, db, h.events[:1])
	wantLast := func(db *tabs.DB, n int) {
		t.Helper()
		want := projections.Last{Before: eventstore.Position(n - 1), Position: eventstore.Position(n), Event: h.events[n-1].ID}
		if got, err := db.Last(t.Context()); err != nil || got != want {
			t.Errorf("last %+v, %v; want %+v", got, err, want)
		}
	}
	wantLast(db, 1)
	apply(t, db, h.events[1:])
	wantLast(db, len(h.events))
	if err := db.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	wantLast(db, len(h.events))
	if err := db.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Last(t.Context()); err != nil || got != (projections.Last{}) {
		t.Errorf("last %+v, %v after a reset", got, err)
	}
	if c, err := db.Counts(t.Context()); err != nil || c.Position != 0 || c.Tabs[domain.TabNew] != 0 {
		t.Errorf("counts %+v, %v after a reset", c, err)
	}
	apply(t, db, h.events)
	wantLast(db, len(h.events))
}

func TestSearchIgnoresAccentsBothWays(t *testing.T) {
	db := open(t, t.TempDir())
	var log []eventstore.Recorded
	for i := range 60 {
		stream, events := sample(i)
		log = append(log, eventstore.Recorded{Event: record(t, stream, 0, events[0]), Stream: stream, Position: eventstore.Position(i + 1)})
	}
	apply(t, db, log)
	for text, want := range map[string]string{
		"muller sohne": "Müller & Söhne GmbH", "MÜLLER SÖHNE": "Müller & Söhne GmbH", "Mu\u0308ller": "Müller & Söhne GmbH",
		"joao": "João Câmara", "zoe oster": "Zoë Øster", "câm": "João Câmara",
	} {
		found := everything(t, db, projections.Query{Text: text, Limit: 50})
		if len(found) == 0 || len(found) == len(log) {
			t.Errorf("%q: %d orders", text, len(found))
		}
		for _, o := range found {
			if c := o.Personal.Customer; c.Name != want && len(c.Company) >= len(want) && c.Company[:len(want)] != want {
				t.Errorf("%q found %s, %s", text, c.Name, c.Company)
			}
		}
	}
	if found := everything(t, db, projections.Query{Text: "joao muller zzz", Limit: 50}); len(found) != 0 {
		t.Errorf("all words must be found, but %d orders were", len(found))
	}
	if found := everything(t, db, projections.Query{Text: `"*`, Limit: 50}); len(found) != 0 {
		t.Errorf("signs alone found %d orders", len(found))
	}
}
