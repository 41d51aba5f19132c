package follow_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/domain/eventstore"
)

type counted struct {
	follow.Mark
	Count int `json:"count"`
}

func TestLoadAndSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "counted.json")
	for _, none := range []string{"", path} {
		if got, err := follow.Load[counted](none, 2); err != nil || got != (counted{}) {
			t.Errorf("%q: %+v, %v", none, got, err)
		}
	}
	saved := counted{Count: 7}
	saved.Version = 2
	first := eventstore.Recorded{Event: eventstore.Event{ID: uuid.New()}, Position: 4}
	last := eventstore.Recorded{Event: eventstore.Event{ID: uuid.New()}, Position: 5}
	saved.Pass(first)
	saved.Pass(last)
	for range 2 { // the second replaces the first
		if err := follow.Save(path, saved); err != nil {
			t.Fatal(err)
		}
	}
	got, err := follow.Load[counted](path, 2)
	if err != nil || got != saved {
		t.Errorf("%+v, %v; want %+v", got, err, saved)
	}
	if got.Before != 4 || got.Checkpoint != 5 || !got.Ends(last) || got.Ends(first) ||
		got.Ends(eventstore.Recorded{Event: eventstore.Event{ID: uuid.New()}, Position: 5}) {
		t.Errorf("%+v", got.Mark)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("it leaves %v, %v", names, err)
	}
}

// What can't be used is no half of a state.
func TestLoadWhatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct{ content, says string }{
		{`{"version":1,"count":7}`, "version 1, not 2"},
		{`{"version":1,"count":"seven"}`, "version 1, not 2"},
		{`{"version":2,"checkpoint":5,"count":"seven"}`, "count"},
		{`{"version":2,`, "unexpected end"},
		{``, "unexpected end"},
	} {
		path := filepath.Join(t.TempDir(), "counted.json")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := follow.Load[counted](path, 2)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.says) || got != (counted{}) {
			t.Errorf("%s: %+v, %v", tt.content, got, err)
		}
	}
}
