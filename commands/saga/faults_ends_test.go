package saga_test

import (
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
)

// comesToItsEnd waits until the story is told, no longer than it may take.
func (s *scene) comesToItsEnd() {
	want := s.story()
	limit, step := time.Now().Add(s.mayTake()), s.mayTake()/50
	for {
		synctest.Wait()
		st := s.process.Status()
		if st.Open == st.Parked && st.Hints == 0 && s.order(s.id).Version == s.past+len(want) && (s.fault == nil || s.order(s.other).Captured()) {
			break
		}
		if time.Now().After(limit) {
			_, names := s.events(s.id)
			s.t.Fatalf("its story is %v, want %v; the other order waits: %v; %+v", names[s.past:], want, !s.order(s.other).Captured(), st)
		}
		pass(step)
	}
	s.needed = len(s.calls)
	if st := s.process.Status(); st.Error != "" || s.stripe.Health() != nil {
		s.t.Errorf("it is still in trouble: %s, %v", st.Error, s.stripe.Health())
	}
	if _, names := s.events(s.id); !slices.Equal(names[s.past:], want) {
		s.t.Errorf("its story is %v, want %v", names[s.past:], want)
	}
}

// story is what is to happen to the order.
func (s *scene) story() []string {
	var asked []string
	if !s.way.unasked {
		asked = s.deed.tells[:1]
	}
	return slices.Concat(asked, s.way.story, s.end().tells)
}

// end is how the story ends: as the deed's does, but where Stripe keeps a 500 under the key of what it declined. That can be asked
// for a day, and then a person must look.
func (s *scene) end() *end {
	if s.fault != nil && s.fault.keeps && s.way.declines && strings.HasPrefix(s.what, post) {
		return &end{tells: []string{"Parked"}, tab: domain.TabNew, state: domain.Authorized, badges: []domain.Badge{domain.BadgeParked}}
	}
	return s.way.ends(s.deed)
}

// mayTake is how long the story may go on after the fault. What delays everybody costs no attempt, and so it leaves no longer
// pauses behind; all else may have been tried until the pauses are the longest.
func (s *scene) mayTake() time.Duration {
	longest := 15*time.Minute + tooSlow + patience
	switch {
	case s.end().parked():
		return 23*time.Hour + longest
	case s.fault == nil || s.fault.all == 0 || s.way.alone:
		return longest
	case s.fault.key:
		return probes + tooSlow
	}
	return s.fault.all + tooSlow
}

// endsAsItShould looks at the order, and at Stripe's journal.
func (s *scene) endsAsItShould() {
	want := s.end()
	o := s.order(s.id)
	if o.Tab() != want.tab || o.PaymentState() != want.state || !slices.Equal(o.Badges(time.Now()), slices.Concat([]domain.Badge{}, want.badges)) {
		s.t.Errorf("it is in %s, %s, badges %v", o.Tab(), o.PaymentState(), o.Badges(time.Now()))
	}
	if o.Pending.Act != "" && !o.Pending.Parked {
		s.t.Errorf("it waits for %+v", o.Pending)
	}
	moved := stripesim.Sum(s.journal())
	got := moved[s.payment]
	got.OrderID, got.Currency = "", ""
	if got != want.moved {
		s.t.Errorf("Stripe's journal says %+v, want %+v", got, want.moved)
	}
	other := moved[s.order(s.other).Hold.PaymentIntent]
	if s.fault != nil && (other.Captured != total || other.Captures != 1) {
		s.t.Errorf("of the other order, Stripe's journal says %+v", other)
	}
}

// leavesStripeAlone says that nobody was asked for anything while nobody was to be asked.
func (s *scene) leavesStripeAlone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	open, last := false, s.at
	for _, r := range s.sent {
		failing := r.at.Equal(s.at) || s.lasting && r.at.Before(s.at.Add(lasts))
		switch gap := r.at.Sub(last); {
		case !r.at.After(s.at):
			continue
		case open:
			return
		case gap < s.fault.all && (s.fault.key || gap > 0):
			s.t.Errorf("asked for %s %s %s after a refusal", r.Method, r.Path, gap)
		case s.fault.key && r.Method != "GET":
			s.t.Errorf("asked for %s %s though the key is refused", r.Method, r.Path)
		}
		open, last = !failing, r.at
	}
}

// asked counts the acts that Stripe was asked for.
func (s *scene) asked() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.sent {
		if r.Method == post {
			n++
		}
	}
	return n
}
