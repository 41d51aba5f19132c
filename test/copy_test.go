package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/projections/logcopy"
	"github.com/orderledger/orderledger/projections/tabs"
	"github.com/orderledger/orderledger/test/testenv"
)

// movedTo are the stores that a ledger is moved to: each is how it is served from there.
var movedTo = map[string]func(*testing.T) app.Config{
	"another folder":  func(t *testing.T) app.Config { return testenv.Config(t, "nats") },
	"a NATS server":   func(t *testing.T) app.Config { return testenv.Config(t, natstest.Start(t).URL) },
	"an EventStoreDB": func(t *testing.T) app.Config { return testenv.Config(t, esdbURL(t)) },
}

// lived is the folder of a stopped ledger with orders that ended in every tab.
func lived(t *testing.T) app.Config {
	t.Helper()
	config := testenv.Config(t, "nats")
	l := testenv.Start(t, config, app.Hooks{})
	c := testenv.Client{URL: l.URL}
	var lines [][]byte
	var orders []domain.Intake
	for i := range 20 {
		in := cardOrder(i)
		if i >= 10 {
			in = onAccount(i)
		}
		line, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		lines, orders = append(lines, line), append(orders, in)
	}
	importOrders(t, c, lines, "lived")
	for i, in := range orders {
		if err := work(t.Context(), c, i, in); err != nil {
			t.Fatal(err)
		}
	}
	c.Tabs(t, c.Head(t)) // so the read models have every act
	l.Stop()
	return config
}

func openLog(t *testing.T, c app.Config) eventstore.Store {
	t.Helper()
	s, err := app.OpenLog(t.Context(), c, app.NewLogger(c, os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeLog(t *testing.T, s eventstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A copied log verifies as the source does; read models built from it are those of the source, row for row; and the ledger goes
// on there.
func TestALedgerIsMoved(t *testing.T) {
	config := lived(t)
	source := openLog(t, config)
	want, err := audit.Verify(t.Context(), source, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, where := range movedTo {
		t.Run(name, func(t *testing.T) {
			moved := where(t)
			target := openLog(t, moved)
			if _, err := logcopy.Copy(t.Context(), source, target, logcopy.Options{}); err != nil {
				t.Fatal(err)
			}
			got, err := audit.Verify(t.Context(), target, audit.Options{})
			got.Took, got.Seconds, got.Position = want.Took, want.Seconds, want.Position
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("the copy: %+v, %v; the source: %+v", got, err, want)
			}
			counts := rowForRow(t, config, atSourcesPositions(t, target))
			closeLog(t, target)

			l := testenv.Start(t, moved, app.Hooks{})
			c := testenv.Client{URL: l.URL}
			now := c.Tabs(t, c.Head(t))
			for _, tab := range domain.Tabs {
				if now[string(tab)] != counts[tab] || counts[tab] == 0 {
					t.Errorf("%s: %d orders, before %d", tab, now[string(tab)], counts[tab])
				}
			}
			if err := work(t.Context(), c, 11, onAccount(10)); err != nil {
				t.Error(err)
			}
		})
	}
	closeLog(t, source)
}

// atSourcesPositions is a log whose positions are those that the read models of the source know: of one on EventStoreDB, whose are its
// own, a copy.
func atSourcesPositions(t *testing.T, log eventstore.Store) eventstore.Store {
	t.Helper()
	st, err := log.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Backend != "eventstoredb" {
		return log
	}
	back := memstore.New()
	if _, err := logcopy.Copy(t.Context(), log, back, logcopy.Options{}); err != nil {
		t.Fatal(err)
	}
	return back
}

// onAccount is the i-th order, on account.
func onAccount(i int) domain.Intake {
	in := cardOrder(i)
	in.Payment.Method, in.Customer.AccountNumber = domain.Account, "A-1"
	return in
}

// rowForRow compares the read models that the ledger of a configuration left with those that come of another log. It returns
// the orders in each tab.
func rowForRow(t *testing.T, c app.Config, log eventstore.Store) map[domain.Tab]int64 {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "projections")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(c.Data, "projections"))); err != nil {
		t.Fatal(err)
	}
	model, err := tabs.Open(dir, tabs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}()
	report, err := model.Rebuild(t.Context(), log)
	if err != nil || report.Different != 0 || report.Orders != 20 {
		t.Errorf("rebuilt from the copy: %+v, %v", report, err)
	}
	counts, err := model.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts.Tabs
}
