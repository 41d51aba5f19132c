package notify_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/follow/followtest"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/domain/eventstore"
)

type mortalChannel struct {
	*pigeon
	fate *followtest.Fate
}

func (c mortalChannel) Send(ctx context.Context, m notify.Message) error {
	_, err := followtest.Around(c.fate, func() (none struct{}, err error) { return none, c.pigeon.Send(ctx, m) })
	return err
}

// The process dies at every step from the marker on: before a message, after it and before its receipt, after that; and once
// more at every step after its restart. In the end every fact was told: once, or again with the same Message-ID by a process that
// died before it could keep the receipt.
func TestDyingAnywhere(t *testing.T) {
	for _, snapshots := range []string{"kept", "lost"} {
		for first := 1; first > 0; first++ {
			survived := false
			for second := 1; second > 0; second++ {
				ok := t.Run(fmt.Sprintf("snapshot %s/step %d, then %d", snapshots, first, second), func(t *testing.T) {
					inWorld(t, func(w *world) {
						s, again := die(w, snapshots == "lost", first, second)
						if survived = s; again {
							return
						}
						second = -1
					})
				})
				if !ok || second < 0 {
					break
				}
			}
			if survived {
				break
			}
		}
	}
}

// die lets a process die twice, and says whether the first life ended of itself, and whether the second did not.
func die(w *world, lost bool, first, second int) (survived, again bool) {
	path := filepath.Join(w.t.TempDir(), "notify.json")
	began, did := false, false
	fates := []*followtest.Fate{followtest.DieAt(first), followtest.DieAt(second), followtest.DieAt(0)}
	for life, f := range fates {
		if lost && life > 0 {
			path = filepath.Join(w.t.TempDir(), fmt.Sprint(life, ".json"))
		}
		log := followtest.Log{Store: w.log, Fate: f}
		p, err := w.tryStart(func(c *notify.Config) {
			c.Log, c.SnapshotPath = log, path
			c.Notices = commands.Notices{Handler: commands.NewHandler(log, eventstore.Codec{}, time.Now)}
			lane := &notify.Lane{Channel: mortalChannel{w.bird, f}}
			c.Kinds = w.kinds()
			for i := range c.Kinds {
				c.Kinds[i].Lane = lane
			}
		})
		if err != nil { // nothing was served yet
			continue
		}
		began = true
		if !did {
			did = true
			w.place()
			w.place()
		}
		for range 700 { // enough for the digest of what is due tomorrow
			synctest.Wait()
			if f.Dead() || (p.Ready() && p.Status().Open == 0) {
				break
			}
			pass(time.Minute)
		}
		p.stop()
	}
	if !began {
		w.t.Error("it never began")
	}
	w.toldAll()
	return !fates[0].Dead(), fates[1].Dead()
}

// toldAll wants each of the two orders' facts told, by messages of one content for each id, and one receipt for each.
func (w *world) toldAll() {
	w.t.Helper()
	content, about := map[string]string{}, map[string]map[string]bool{}
	for _, m := range w.bird.messages() {
		if was, ok := content[m.ID]; ok && was != m.Subject {
			w.t.Errorf("message %s was %q, then %q", m.ID, was, m.Subject)
		}
		content[m.ID] = m.Subject
		for fact := range strings.SplitSeq(m.Subject, ", ") {
			if about[fact] == nil {
				about[fact] = map[string]bool{}
			}
			about[fact][m.ID] = true
		}
	}
	for _, number := range []string{"10248", "10249"} {
		for _, fact := range []string{"Placed ", "dealer.placed ", "dealer.due "} {
			if n := len(about[fact+number]); n != 1 {
				w.t.Errorf("%s%s is told by %d messages: %v", fact, number, n, content)
			}
		}
	}
	receipts := 0
	for r, err := range w.all() {
		if err != nil {
			w.t.Fatal(err)
		}
		if r.Type == "NotificationSent" {
			receipts++
		}
	}
	if receipts != 6 {
		w.t.Errorf("%d receipts", receipts)
	}
}

func (w *world) all() func(func(eventstore.Recorded, error) bool) {
	return func(yield func(eventstore.Recorded, error) bool) {
		head, err := w.log.Head(w.t.Context())
		if err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		sub, err := w.log.Subscribe(w.t.Context(), 0)
		if err != nil {
			yield(eventstore.Recorded{}, err)
			return
		}
		defer func() { _ = sub.Close() }()
		for at := eventstore.Position(0); at < head; {
			batch, err := sub.Next(w.t.Context(), 100)
			if err != nil {
				yield(eventstore.Recorded{}, err)
				return
			}
			for _, r := range batch {
				if at = r.Position; !yield(r, nil) {
					return
				}
			}
		}
	}
}
