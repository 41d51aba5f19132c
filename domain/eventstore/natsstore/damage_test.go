package natsstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// One flipped bit anywhere must show: when the log is opened, or to whoever reads it. The server says nothing: it skips the
// message, or cuts the file off before it.
func TestFlippedBitShows(t *testing.T) {
	const events = 50
	for _, crashed := range []bool{false, true} {
		for _, damaged := range []int{0, 1, 25, events - 2, events - 1} {
			t.Run(fmt.Sprintf("crashed %v event %d", crashed, damaged), func(t *testing.T) {
				c := EmbeddedConfig{Dir: t.TempDir(), Ledger: "shop", Logger: slog.New(slog.DiscardHandler)}
				s, err := OpenEmbedded(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				for i := range events {
					appendPatiently(t, s, fmt.Sprintf("order-%d", i%7), eventstore.Revision(i/7-1), testEvent(fmt.Sprint("event ", i)))
				}
				mustClose(t, s)
				if crashed { // then the server reads its files instead of its notes about them
					removeIndex(t, c)
				}
				flipByte(t, c.Dir, c.Ledger, []byte(fmt.Sprintf(`{"n":"event %d"}`, damaged)))
				if err := readDamaged(t, c, events); !errors.Is(err, eventstore.ErrGap) {
					t.Errorf("%v, want ErrGap", err)
				}
			})
		}
	}
}

// readDamaged opens a log and follows it to its end.
func readDamaged(t *testing.T, c EmbeddedConfig, events int) error {
	t.Helper()
	s, err := OpenEmbedded(t.Context(), c)
	if err != nil {
		return err
	}
	defer mustClose(t, s)
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		return err
	}
	defer sub.Close()
	ctx := soon(t)
	for read := 0; read < events; {
		recs, err := sub.Next(ctx, 100)
		if err != nil {
			return err
		}
		read += len(recs)
	}
	return nil
}

func removeIndex(t *testing.T, c EmbeddedConfig) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.Dir, "jetstream", "*", "streams", c.Ledger, "msgs", "index.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("index: %v, %v", found, err)
	}
	if err := os.Remove(found[0]); err != nil {
		t.Fatal(err)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	c := EmbeddedConfig{Dir: t.TempDir(), Ledger: "shop", Logger: slog.New(slog.DiscardHandler)}
	s, err := OpenEmbedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenEmbedded(t.Context(), c)
	if !errors.Is(err, eventstore.ErrLocked) {
		t.Fatalf("%v, want ErrLocked", err)
	}
	for _, said := range []string{c.Dir, fmt.Sprint("process ", os.Getpid())} {
		if !strings.Contains(err.Error(), said) {
			t.Errorf("%q does not say %q", err, said)
		}
	}
	mustClose(t, s)
	s, err = OpenEmbedded(t.Context(), c)
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	mustClose(t, s)
}

func TestDataFolderOfAnotherLedger(t *testing.T) {
	c := EmbeddedConfig{Dir: t.TempDir(), Ledger: "shop", Logger: slog.New(slog.DiscardHandler)}
	s, err := OpenEmbedded(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	appendPatiently(t, s, "order-1", eventstore.NoStream, testEvent("one"))
	mustClose(t, s)
	c.Ledger = "other"
	for range 2 { // the first refusal leaves nothing that the second could take for a log
		_, err := OpenEmbedded(t.Context(), c)
		if err == nil || errors.Is(err, eventstore.ErrGap) {
			t.Fatalf("%v, want an error, and no gap", err)
		}
		if want := "holds the ledger shop, not other: name the ledger shop, or give other a folder of its own"; !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	c.Ledger = "shop"
	if s, err = OpenEmbedded(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
}
