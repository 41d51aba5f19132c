package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

func TestEachFactIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		first, second := w.place(), w.place()
		w.ship(first)
		p.settle()
		p.stop()
		got := w.bird.subjects()
		slices.Sort(got)
		wants(t, got, []string{"Placed 10248", "Placed 10249", "Shipped 10248 1Z1"})
		wants(t, w.outcomes(first), []string{"customer.placed sent", "customer.shipped sent"})
		wants(t, w.outcomes(second), []string{"customer.placed sent"})
		sent := w.told(second)[0].Sent
		m := w.bird.messages()[slices.Index(w.bird.subjects(), "Placed 10249")]
		if sent.MessageID != m.ID+"@pigeon" || m.ID != sent.Notice.String() || sent.Channel != "pigeon" || sent.Recipient != "customer" {
			t.Errorf("%+v of %+v", sent, m)
		}
		if _, err := audit.Verify(t.Context(), w.log, audit.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// A log whose every notice has its receipt sends nothing to anybody: with its snapshot, without, with a broken one or another
// log's; and neither do the audit, which folds the log, nor a fold by hand. It fails if any of them could reach a channel.
func TestReplayAndRebuildSendNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		path := filepath.Join(t.TempDir(), "notify.json")
		snapshots := func(c *notify.Config) { c.SnapshotPath, c.Kinds = path, w.kinds() }
		p := w.start(snapshots)
		for range 5 {
			w.ship(w.place())
		}
		w.place(func(in *domain.Intake) { in.Customer.Email = "" })
		p.settle()
		p.stop()
		w.bird.refuse = func(m notify.Message) error {
			t.Errorf("sent again: %s", m.Subject)
			return nil
		}
		for _, prepare := range []func() error{
			func() error { return nil },
			func() error { return os.Remove(path) },
			func() error { return os.WriteFile(path, []byte(`{"version":1,`), 0o600) },
			func() error { return os.WriteFile(path, []byte(`{"version":99,"checkpoint":1000000}`), 0o600) },
		} {
			if err := prepare(); err != nil {
				t.Fatal(err)
			}
			p := w.start(snapshots)
			p.settle()
			pass(96 * time.Hour)
			if st := p.Status(); !st.Ready || st.Open != 0 || st.Retrying != 0 || st.Error != "" {
				t.Errorf("%+v", st)
			}
			p.stop()
		}
		if _, err := audit.Verify(t.Context(), w.log, audit.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// Until a runner has read all of the log that was there when it began it holds still: a receipt may stand at its end.
func TestNothingIsSentBeforeTheLogIsKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start()
		id := w.place()
		p.settle()
		p.stop()
		var log eventstore.Store = endless{w.log, 1 << 40}
		w.bird.refuse = func(m notify.Message) error {
			t.Errorf("sent before the log was known: %s", m.Subject)
			return nil
		}
		p = w.start(func(c *notify.Config) { c.Log = log })
		w.ship(id)
		pass(96 * time.Hour)
		if p.Ready() {
			t.Error("ready, and does not know the log")
		}
		p.stop()
	})
}

// endless is a log that says that there is more of it.
type endless struct {
	eventstore.Store
	head eventstore.Position
}

func (e endless) Head(context.Context) (eventstore.Position, error) { return e.head, nil }

// The past is not told: not what lies in the log when notices are switched on, not what happened while a kind was off, not what
// its store took long before it came in.
func TestThePastIsNotTold(t *testing.T) {
	inWorld(t, func(w *world) {
		old := w.place()
		p := w.start()
		p.settle()
		w.place()
		w.ship(old) // what happens to an old order now is news
		p.settle()
		p.stop()
		got := w.bird.subjects()
		slices.Sort(got)
		wants(t, got, []string{"Placed 10249", "Shipped 10248 1Z1"})

		p = w.start(func(c *notify.Config) { c.Kinds = w.customers()[:1] })
		off := w.place()
		w.ship(off)
		p.settle()
		p.stop()
		p = w.start(func(c *notify.Config) { c.History = 168 * time.Hour })
		pass(time.Hour)
		history := w.place(func(in *domain.Intake) { in.PlacedAt = time.Now().Add(-168 * time.Hour) })
		w.place(func(in *domain.Intake) { in.PlacedAt = time.Now().Add(-167 * time.Hour) })
		w.ship(history)
		p.settle()
		p.stop()
		got = w.bird.subjects()[2:]
		slices.Sort(got)
		wants(t, got, []string{"Placed 10250", "Placed 10252", "Shipped 10251 1Z1"})
	})
}

func TestRefusalsForNowAreRetriedThenFailed(t *testing.T) {
	inWorld(t, func(w *world) {
		attempts := 0
		w.bird.refuse = func(notify.Message) error {
			attempts++
			return &notify.SendError{Reason: "451 4.7.1", Err: errors.New("greylisted paul@example.com")}
		}
		p := w.start()
		began := time.Now()
		id := w.place()
		pass(time.Hour)
		if st := p.Status(); st.Retrying != 1 || st.Open != 1 {
			t.Errorf("%+v", st)
		}
		p.settle()
		took := time.Since(began)
		if attempts < 20 || took < 72*time.Hour || took > 74*time.Hour {
			t.Errorf("%d attempts in %s", attempts, took)
		}
		failed := w.told(id)[0].Failed
		if failed == nil || failed.Code != eventstore.NoticeGivenUp || failed.Permanent || failed.Reason != "451 4.7.1" {
			t.Fatalf("%+v", failed)
		}
		if st := p.Status(); st.Retrying != 0 {
			t.Errorf("%+v", st)
		}

		// A person asks for it again: another message, once however often the same key comes.
		w.bird.refuse = nil
		notice := w.told(id)[0].Notice
		for i := range 2 {
			kept, err := w.resend(id, notice, "key-1")
			if err != nil || kept.Replayed != (i > 0) {
				t.Errorf("%+v, %v", kept, err)
			}
			p.settle()
		}
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		if m := w.bird.messages()[0]; m.ID == notice.String() {
			t.Error("a message that was asked for anew has the old one's id")
		}
		wants(t, w.outcomes(id), []string{"customer.placed sent"})
		if _, err := w.resend(id, uuid.New(), "key-2"); !rejected(err, commands.NoticeNotFound) {
			t.Error(err)
		}
		if _, err := w.resend(uuid.New(), notice, "key-3"); !rejected(err, domain.OrderNotFound) {
			t.Error(err)
		}
		p.stop()
	})
}

func rejected(err error, code domain.Code) bool {
	var r *domain.Rejection
	return errors.As(err, &r) && r.Code == code
}

func TestRefusalsForGoodFailAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.bird.refuse = func(m notify.Message) error {
			if strings.HasSuffix(m.Subject, "8") {
				return fmt.Errorf("send: %w", &notify.SendError{Permanent: true, Reason: "550 5.1.1"})
			}
			return nil
		}
		p := w.start()
		defer p.stop()
		bad, good, mute := w.place(), w.place(), w.place(func(in *domain.Intake) { in.Customer.Email = "" })
		synctest.Wait()
		wants(t, w.outcomes(bad), []string{"customer.placed refused"})
		wants(t, w.outcomes(good), []string{"customer.placed sent"})
		wants(t, w.outcomes(mute), []string{"customer.placed no_address"})
	})
}

// One order whose messages hang, and one lane that is full, delay nobody else.
func TestNobodyWaitsForAPoisonedOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		w.bird.refuse = func(m notify.Message) error {
			if m.Subject == "Placed 10248" {
				<-time.After(time.Hour)
				return errors.New("cut off")
			}
			return nil
		}
		p := w.start()
		for range 50 {
			w.place()
		}
		synctest.Wait()
		if n := len(w.bird.messages()); n != 49 {
			t.Errorf("%d messages", n)
		}
		if w.bird.most > 4 {
			t.Errorf("%d messages at once", w.bird.most)
		}
		w.bird.refuse = nil
		p.settle()
		p.stop()
		if n := len(w.bird.messages()); n != 50 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestLanesKeepTheirRate(t *testing.T) {
	inWorld(t, func(w *world) {
		w.lane.Rate = 2
		p := w.start()
		defer p.stop()
		for range 10 {
			w.place()
		}
		for second := range 5 {
			synctest.Wait()
			if n := len(w.bird.messages()); n != 2*second+1 {
				t.Errorf("%d messages after %d s", n, second)
			}
			pass(time.Second)
		}
	})
}

// The dealer is told of several facts at once, at most once a minute, and of each once; what has become needless is left out.
func TestDigests(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.start(func(c *notify.Config) { c.Kinds = w.kinds()[2:] })
		first := w.place()
		synctest.Wait()
		second, third := w.place(), w.place()
		w.do(second, domain.Accept{})
		pass(59 * time.Second)
		wants(t, w.bird.subjects(), []string{"dealer.placed 10248"})
		pass(2 * time.Second)
		wants(t, w.bird.subjects()[1:], []string{"dealer.placed 10249, dealer.placed 10250"})
		pass(10 * time.Hour)
		pass(time.Minute)
		p.settle()
		rest := strings.Join(w.bird.subjects()[2:], ", ")
		if rest != "dealer.due 10248, dealer.due 10250" {
			t.Error(rest)
		}
		wants(t, w.outcomes(first), []string{"dealer.due sent", "dealer.placed sent"})
		wants(t, w.outcomes(second), []string{"dealer.placed sent"})
		if a, b := w.told(second)[0].Sent.MessageID, w.told(third)[0].Sent.MessageID; a != b {
			t.Errorf("one message, two ids: %s, %s", a, b)
		}
		p.stop()
		if _, err := audit.Verify(t.Context(), w.log, audit.Options{}); err != nil {
			t.Error(err)
		}
	})
}

// A correction asks for the shipped e-mail as things are now; what was still to be sent of the old numbers is not.
func TestResendOfWhatIsNotSentYet(t *testing.T) {
	inWorld(t, func(w *world) {
		refused := true
		w.bird.refuse = func(m notify.Message) error {
			if refused && strings.HasPrefix(m.Subject, "Shipped") {
				return errors.New("not now")
			}
			return nil
		}
		p := w.start()
		id := w.place()
		w.ship(id)
		synctest.Wait()
		w.do(id, domain.CorrectTracking{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1Z2"}}})
		refused = false
		notices := commands.Notices{Handler: w.clerk}
		if _, err := notices.ResendShipped(context.Background(), commands.Request{OrderID: id, CommandID: uuid.New(), Actor: erika}); err != nil {
			t.Fatal(err)
		}
		if err := notices.Tells(context.Background(), "customer.archived"); !rejected(err, commands.NotNotified) {
			t.Error(err)
		}
		p.settle()
		p.stop()
		wants(t, w.bird.subjects(), []string{"Placed 10248", "Shipped 10248 1Z2"})
	})
}

func TestStopsAtAnEventThatCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.place()
		w.place()
		w.log.Drop(2)
		p := w.start()
		if err := <-p.done; !errors.Is(err, eventstore.ErrGap) {
			t.Error(err)
		}
		if st := p.Status(); st.Ready || st.Error == "" {
			t.Errorf("%+v", st)
		}
	})
}

// Two processes on one log tell each fact with one message id, and keep one receipt.
func TestTwoProcessesKeepOneReceipt(t *testing.T) {
	inWorld(t, func(w *world) {
		p, q := w.start(), w.start()
		id := w.place()
		p.settle()
		q.settle()
		p.stop()
		q.stop()
		ids := map[string]bool{}
		for _, m := range w.bird.messages() {
			ids[m.ID] = true
		}
		if len(ids) != 1 || len(w.told(id)) != 1 {
			t.Errorf("%v, %+v", ids, w.told(id))
		}
	})
}

// awayLog can't take receipts for a while.
type awayLog struct {
	eventstore.Store
	refusals *atomic.Int64
}

func (l awayLog) Append(ctx context.Context, stream string, at eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	if e.Type == "NotificationSent" && l.refusals.Add(-1) >= 0 {
		return eventstore.Recorded{}, eventstore.ErrUnavailable
	}
	return l.Store.Append(ctx, stream, at, e)
}

// What was sent is not sent again because its receipt can't be kept yet; only the receipt is tried again.
func TestAReceiptThatCannotBeKeptSendsNothingAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		refusals := &atomic.Int64{}
		refusals.Store(5)
		log := awayLog{w.log, refusals}
		p := w.start(func(c *notify.Config) {
			c.Log, c.Notices = log, commands.Notices{Handler: commands.NewHandler(log, eventstore.Codec{}, time.Now)}
		})
		id := w.place()
		p.settle()
		p.stop()
		wants(t, w.bird.subjects(), []string{"Placed 10248"})
		wants(t, w.outcomes(id), []string{"customer.placed sent"})
	})
}
