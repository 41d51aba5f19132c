package stripesim_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// TestMain lets the test program be the process that is killed: with STRIPESIM_FILE it serves that file until then.
func TestMain(m *testing.M) {
	if path := os.Getenv("STRIPESIM_FILE"); path != "" {
		serveUntilKilled(path)
	}
	os.Exit(m.Run())
}

func serveUntilKilled(path string) {
	sim, err := stripesim.Open(path)
	if err == nil {
		var server *stripesim.Server
		if server, err = stripesim.Serve(context.Background(), "127.0.0.1:0", sim); err == nil {
			fmt.Println(server.URL)
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?", "stripe.db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{} // PaymentIntent → status
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "STRIPESIM_FILE="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		h := http1{t, strings.TrimSpace(line)}
		for pi, status := range want {
			if got := h.get("/v1/payment_intents/"+pi, "").at("status"); got != status {
				t.Errorf("round %d: %s is %v, was %s", round, pi, got, status)
			}
		}
		for range 10 {
			held, captured := h.held("pm_card_visa"), h.held("pm_card_visa")
			want[held] = "requires_capture"
			want[captured] = fmt.Sprint(h.post("/v1/payment_intents/"+captured+"/capture", "").at("status"))
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	sim := simtest.Open(t, path)
	totals, err := sim.Sim.Totals(t.Context())
	if err != nil || len(totals) != len(want) {
		t.Fatalf("%d of %d, %v", len(totals), len(want), err)
	}
	for pi, status := range want {
		if got := totals[pi]; got.Authorized != 1000 || (status == "succeeded") != (got.Captured == 1000) {
			t.Errorf("%s: %+v", pi, got)
		}
	}
}

func TestAnAnswerIsReplayedAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stripe.db")
	var first reply
	t.Run("before", func(t *testing.T) {
		first = speak(t, simtest.Open(t, path)).keyed("/v1/payment_intents", manual+"pm_card_visa", "k")
	})
	t.Run("after", func(t *testing.T) {
		again := speak(t, simtest.Open(t, path)).keyed("/v1/payment_intents", manual+"pm_card_visa", "k")
		if again.text != first.text || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s, then %s", first.text, again.text)
		}
	})
}

func TestOneProcessForOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stripe.db")
	simtest.Open(t, path)
	if second, err := stripesim.Open(path); err == nil {
		_ = second.Close()
		t.Error("opened twice")
	} else if !strings.Contains(err.Error(), "another process") {
		t.Errorf("unclear: %v", err)
	}
}

// A file that was made before there were events is brought up to date, and its holds still end.
func TestAnOldFileIsRead(t *testing.T) {
	clock, path := newDial(), filepath.Join(t.TempDir(), "stripe.db")
	var held, taken string
	t.Run("before", func(t *testing.T) {
		h := speak(t, simtest.Open(t, path, stripesim.WithClock(clock.now)))
		held, taken = h.held("pm_card_visa"), h.held("pm_card_visa")
		h.post("/v1/payment_intents/"+taken+"/capture", "")
	})
	old, err := sql.Open("sqlite", path)
	must(t, err)
	for _, statement := range []string{
		"DROP TABLE events", "DROP TABLE due", "DROP TABLE disputes", "ALTER TABLE journal DROP COLUMN actor",
		"ALTER TABLE journal DROP COLUMN dispute", "PRAGMA user_version = 0",
	} {
		_, err := old.ExecContext(t.Context(), statement)
		must(t, err)
	}
	must(t, old.Close())
	clock.pass(7 * 24 * time.Hour)
	sim := simtest.Open(t, path, stripesim.WithClock(clock.now))
	entries, err := sim.Sim.Journal(t.Context())
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprint(e.Act, " ", e.Actor, " ", map[string]string{held: "held", taken: "taken"}[e.PaymentIntent]))
	}
	if want := []string{"authorize api held", "authorize api taken", "capture api taken", "expire stripe held"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if types, _ := told(t, sim.Sim); !slices.Equal(types, []string{"charge.expired", "payment_intent.canceled"}) {
		t.Errorf("%v", types)
	}
}

func TestALaterFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stripe.db")
	later, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = later.ExecContext(t.Context(), "PRAGMA user_version = 1000")
	must(t, errors.Join(err, later.Close()))
	if sim, err := stripesim.Open(path); err == nil {
		must(t, sim.Close())
		t.Error("opened")
	}
}
