package saga_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/saga"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

var long = flag.Bool("long", false, "TestEveryFaultAtEveryCall: every line of the table, not every seventh (half a minute)")

// Every way in which Stripe can fail, at every call of every act, once and for long, comes to one end: the money moved once or
// not at all, ledger and journal equal to the cent, the order in its tab with its badges, nothing left open, and nobody else
// delayed, or everybody, as the fault demands. A line of the table is an act, one of its calls, a fault, and whether it lasts.
func TestEveryFaultAtEveryCall(t *testing.T) {
	lines := 0
	for _, d := range deeds() {
		for _, how := range ways {
			if how.ends(d) == nil {
				continue
			}
			t.Run(d.name+"/"+how.name, func(t *testing.T) { everyFaultAtEveryCall(t, d, how, &lines) })
		}
	}
}

func everyFaultAtEveryCall(t *testing.T, d deed, how way, lines *int) {
	play := func(scenes ...*scene) {
		inWorld(t, func(w *world) {
			tb, entries := w.t, int64(0)
			for _, s := range scenes {
				s.world, s.entries = w, entries
				w.t = named{tb, s.name()}
				s.play()
				entries = s.entries + int64(len(s.journal()))
			}
		})
	}
	whole := &scene{deed: d, way: how}
	play(whole)
	calls := whole.calls[:whole.needed]
	if how.most > 0 {
		calls = calls[:min(how.most, len(calls))]
	}
	var chosen []*scene
	for i, what := range calls {
		if i == 0 && how.first != nil {
			continue
		}
		for f := range everyFault {
			for _, lasting := range []bool{false, true} {
				if *lines++; !*long && *lines%(7*saga.UnlessRace(1, 5)) != 0 { // 7 divides no call's number of lines, so each call meets other faults
					continue
				}
				chosen = append(chosen, &scene{deed: d, way: how, call: i + 1, what: what, fault: &everyFault[f], lasting: lasting})
			}
		}
	}
	play(chosen...)
}

// While the key is refused, or nobody may ask, no attempt is made: what is open then is parked only because its own key has become
// too old meanwhile, and after one look.
func TestAskingInVainIsNoAttempt(t *testing.T) {
	for _, f := range everyFault {
		if f.all == 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.place(visa)
				p := w.start()
				defer p.stop()
				w.sim.Fail(func(stripesim.Request) stripesim.Fault { return f.does() })
				w.do(id, domain.Capture{})
				pass(25 * time.Hour)
				if st := p.Status(); st.Open != 1 || st.Parked != 0 || st.Error == "" {
					t.Errorf("meanwhile: %+v", st)
				}
				w.sim.Fail(nil)
				p.settle()
				events, _ := w.events(id)
				if parked, ok := events[len(events)-1].(domain.Parked); !ok || parked.Attempts != 1 {
					t.Errorf("it ends with %+v", events[len(events)-1])
				}
			})
		})
	}
}

// name says act × call × fault.
func (s *scene) name() string {
	if s.fault == nil {
		return "without a fault"
	}
	often := "once"
	if s.lasting {
		often = fmt.Sprintf("for %s", lasts)
	}
	return fmt.Sprintf("%s, %s × call %d, %s × %s %s", s.deed.name, s.way.name, s.call, s.what, s.fault.name, often)
}

// kindOf is an API path without its ids.
func kindOf(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "pi_") {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}
