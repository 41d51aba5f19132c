package esdbstore_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// A server that is too old is refused at once, with what it is and what to do.
func TestOldServersAreRefused(t *testing.T) {
	for version, want := range map[string]string{
		esdbserver.Ancient: "it does not say its version; upgrade it to EventStoreDB 22.6 or later",
		"21.10.11":         "it is version 21.10.11; upgrade it to EventStoreDB 22.6 or later",
		"22.2.0":           "it is version 22.2.0; upgrade",
		"22.6.0":           "", "23.1.0": "", "25.0.1": "",
	} {
		node := esdbserver.Start(t, esdbserver.Options{Version: version})
		var asked atomic.Int64
		node.Faults.Before(func(string) { asked.Add(1) })
		s, err := esdbstore.Connect(t.Context(), esdbstore.Config{URL: node.URL(), Ledger: "shop", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", version, err)
		case want == "":
			mustClose(t, s)
		case !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "nothing there"):
			t.Errorf("%s: %v, want %q", version, err, want)
		case asked.Load() > 1:
			t.Errorf("%s: it was asked %d times", version, asked.Load())
		}
	}
}
