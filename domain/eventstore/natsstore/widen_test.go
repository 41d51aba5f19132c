package natsstore

import (
	"errors"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// A log of an older program, which knew fewer categories, takes the new ones and keeps what it holds.
func TestAnOlderLogIsWidened(t *testing.T) {
	c := EmbeddedConfig{Dir: t.TempDir(), Ledger: "shop", Durability: eventstore.Group, Categories: []string{"order", "access"}}
	s := openRig(t, c)
	old, err := s.Append(t.Context(), "order-1", eventstore.NoStream, testEvent("old"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "endpoint-1", eventstore.NoStream, testEvent("early")); !errors.Is(err, eventstore.ErrBadStream) {
		t.Errorf("%v, want ErrBadStream", err)
	}
	mustClose(t, s)

	c.Categories = nil
	s = openRig(t, c)
	added, err := s.Append(t.Context(), "endpoint-1", eventstore.NoStream, testEvent("new"))
	if err != nil || added.Position != old.Position+1 {
		t.Fatalf("%+v, %v", added, err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sub.Next(soon(t), 1); err != nil || got[0].ID != old.ID {
		t.Errorf("%v, %v", got, err)
	}
	mustClose(t, s)

	c.Categories = []string{"order", "access"}
	if _, err := OpenEmbedded(t.Context(), c); err == nil {
		t.Error("an older program opened it")
	}
}
