package maker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/notify/maker"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

// Each manufacturer is told once, in its own way, of what was not confirmed in time; and of nothing else.
func TestMissed(t *testing.T) {
	book := makers(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, book)
		p := w.start(w.log, w.kind(), t.TempDir())
		missed := map[string]uuid.UUID{}
		for _, name := range []string{"acme", "contoso", "fabrikam", "unknown"} {
			missed[name] = w.place(name)
			w.do(w.place(name), domain.Accept{})
			w.do(w.place(name), domain.Cancel{})
		}
		pass(7 * 24 * time.Hour)
		synctest.Wait()
		w.do(missed["acme"], domain.Accept{}) // too late
		pass(24 * time.Hour)
		synctest.Wait()
		p.stop()
		heard := map[string]told{}
		for _, m := range w.ears.all() {
			heard[m.way] = m
		}
		if len(heard) != 3 || len(w.ears.all()) != 3 {
			t.Fatalf("%+v", w.ears.all())
		}
		for way, want := range map[string][]string{
			"mail":    {"orders@acme.example", "10248", "Harbor Parts", "November 23, 2026, 10:00\u00a0AM EST", "What to do"},
			"webhook": {"https://contoso.example/hooks", `"order_number":"10251"`, `"name":"Harbor Parts"`, `"confirm_by":"2026-11-23T15:00:00Z"`, `"confirm_zone":"Europe/Berlin"`, `"what_to_do":"`, `"type":"orderledger.manufacturer.confirmation_missed"`},
			"nats":    {"fabrikam.missed", `"order_number":"10254"`, `"subject":"` + missed["fabrikam"].String()},
		} {
			m := heard[way]
			for _, part := range want {
				if !strings.Contains(m.to+m.text, part) {
					t.Errorf("%s: %q is missing in %s", way, part, m.text)
				}
			}
			for _, private := range []string{"Paul", "paul@example.com", "A-1\""} {
				if strings.Contains(m.text, private) {
					t.Errorf("%s: %q is nobody's business: %s", way, private, m.text)
				}
			}
		}
		for name, way := range map[string]string{"acme": "mail", "contoso": "webhook", "fabrikam": "nats"} {
			list := w.receipts(missed[name])
			if len(list) != 1 || list[0].Sent == nil || list[0].Recipient != "manufacturer" || list[0].Sent.Channel != "manufacturer" ||
				!strings.HasPrefix(list[0].Sent.MessageID, heard[way].id) {
				t.Errorf("%s: %+v", name, list)
			}
		}
		if list := w.receipts(missed["unknown"]); len(list) != 1 || list[0].Failed == nil || list[0].Failed.Code != eventstore.NoticeNoAddress || !strings.Contains(list[0].Failed.Reason, "this manufacturer") {
			t.Errorf("unknown: %+v", list)
		}
		if _, err := audit.Verify(t.Context(), w.log, audit.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// What is refused is tried for three days and then failed; an endpoint that is gone for good is failed at once.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		set     func(*ears)
		code    string
		atLeast time.Duration
		atMost  time.Duration
	}{
		{"never taken", func(e *ears) { e.refuse = func() error { return errors.New("no") } }, eventstore.NoticeGivenUp, 72 * time.Hour, 74 * time.Hour},
		{"always 500", func(e *ears) { e.answer = 500 }, eventstore.NoticeGivenUp, 72 * time.Hour, 74 * time.Hour},
		{"gone", func(e *ears) { e.answer = 410 }, eventstore.NoticeRefused, 0, time.Minute},
		{"taken after two days", func(e *ears) {
			back := time.Now().Add(5 * 24 * time.Hour) // the first three are the weekend's
			e.refuse = func() error {
				if time.Now().Before(back) {
					return errors.New("not now")
				}
				return nil
			}
		}, "", 47 * time.Hour, 50 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			book := makers(t)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, book)
				tt.set(w.ears)
				p := w.start(w.log, w.kind(), t.TempDir())
				id := w.place("contoso")
				pass(10 * 24 * time.Hour)
				synctest.Wait()
				p.stop()
				list := w.receipts(id)
				if len(list) != 1 || !list[0].Answered {
					t.Fatalf("%+v", list)
				}
				var at time.Time
				code := ""
				if f := list[0].Failed; f != nil {
					at, code = f.At, f.Code
				} else {
					at = list[0].Sent.At
				}
				if after := at.Sub(w.order(id).Confirm.By); code != tt.code || after < tt.atLeast || after > tt.atMost {
					t.Errorf("%q after %s", code, after)
				}
			})
		})
	}
}

// A month of orders in which the program dies at every nth step, before or after an append or a message, and stays away for hours:
// what was not confirmed in time is told by one message, which may come again with the same id, and has one receipt.
func TestMonthOfCrashes(t *testing.T) {
	for n := 3; n <= 12; n++ {
		t.Run(fmt.Sprintf("every %d steps", n), func(t *testing.T) {
			book := makers(t)
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, book)
				ids, lives := liveAMonth(w, n)
				messages := map[string]map[string]bool{} // by order number: ids
				for _, m := range w.ears.all() {
					for i := range ids {
						number := fmt.Sprint(10248 + i)
						if strings.Contains(m.text, number) {
							if messages[number] == nil {
								messages[number] = map[string]bool{}
							}
							messages[number][m.id] = true
						}
					}
				}
				missed := 0
				for i, id := range ids {
					o, list := w.order(id), w.receipts(id)
					want := 0
					if o.ConfirmationMissed {
						want = 1
						missed++
					}
					if len(messages[o.OrderNumber]) != want || len(list) != want || want == 1 && list[0].Sent == nil {
						t.Errorf("%s (%d), missed %v: told by %v, receipts %+v", o.OrderNumber, i, o.ConfirmationMissed, messages[o.OrderNumber], list)
					}
					if i%3 == 2 && !o.ConfirmationMissed {
						t.Errorf("%s was never confirmed, and nobody saw it", o.OrderNumber)
					}
				}
				if missed < 15 || lives < 10 {
					t.Errorf("%d were missed, it died %d times", missed, lives)
				}
				if _, err := audit.Verify(t.Context(), w.log, audit.Options{}); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// liveAMonth places an order every ten hours over Thanksgiving; of three, one is accepted in time, one later, one never.
func liveAMonth(w *world, steps int) (ids []uuid.UUID, lives int) {
	dir, names := w.t.TempDir(), []string{"acme", "contoso", "fabrikam"}
	var p *process
	var f *followtest.Fate
	away := 0
	begin := func(steps int) {
		lives++
		f = followtest.DieAt(steps)
		kind := w.kind()
		lane := *kind.Lane
		lane.Channel = mortalChannel{lane.Channel, f}
		kind.Lane = &lane
		p = w.start(followtest.Log{Store: w.log, Fate: f}, kind, dir)
	}
	begin(steps + 2) // the first appends of which it tells
	for hour := range 30 * 24 {
		if hour%10 == 0 && hour < 24*24 {
			ids = append(ids, w.place(names[len(ids)/3%3]))
		}
		for i, id := range ids {
			switch age := hour - 10*i; {
			case i%3 == 0 && age == 2, i%3 == 1 && age == 100:
				w.do(id, domain.Accept{})
			}
		}
		pass(time.Hour)
		synctest.Wait()
		switch {
		case away > 0:
			if away--; away == 0 {
				begin(steps)
			}
		case f.Dead():
			if p != nil {
				p.stop()
			}
			p, away = nil, 1+lives%5
		}
	}
	if p != nil {
		p.stop()
	}
	begin(0)
	pass(5 * 24 * time.Hour)
	synctest.Wait()
	p.stop()
	return ids, lives
}

// All that can't be used is named, and nobody can be told when nobody is known.
func TestKind(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	book := makers(t, func(raw map[string]any) {
		raw["second"] = map[string]any{"webhook-url": "https://second.example", "webhook-secret-file": "second"}
		raw["creds"] = map[string]any{"nats-subject": "creds.missed", "nats-url": "nats://creds.example", "nats-creds-file": empty}
		raw["gone"] = map[string]any{"nats-subject": "gone.missed", "nats-url": "nats://gone.example", "nats-creds-file": empty + ".gone"}
		raw["nowhere"] = map[string]any{"nats-subject": "nowhere.missed"}
	})
	files := map[string][]string{"contoso": {"sk_live_nonsense"}, "second": {}}
	_, _, err := maker.Kind(maker.Config{
		Book: book, ReadSecrets: func(path string) ([]string, error) { return files[path], nil }, Nats: maker.NewNats(""),
	})
	for _, said := range []string{
		"manufacturers.contoso.webhook-secret-file: line 1 of contoso", "manufacturers.second.webhook-secret-file: second is empty",
		"manufacturers.creds.nats-creds-file: " + empty + " can't be used", "manufacturers.gone.nats-creds-file: " + empty + ".gone can't be used",
		"manufacturers.nowhere.nats-url: name a NATS server",
	} {
		if err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%v; want %q", err, said)
		}
	}
	if err != nil && strings.Contains(err.Error(), "nonsense") {
		t.Errorf("it quotes a secret: %v", err)
	}
	if _, ok, err := maker.Kind(maker.Config{Book: manufacturer.Book{"acme": {}}}); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}
