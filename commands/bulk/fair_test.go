package bulk_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/bulk"
	"github.com/orderledger/orderledger/domain"
)

var bob = domain.Actor{ID: "bob", Role: domain.Clerk}

// One person's jobs are not all that goes on: another's begins beside them.
func TestJobsOfOneLeaveRoomForAnothers(t *testing.T) {
	w := newWorld(t)
	items, release := w.place(6), make(chan struct{})
	w.hold = func(actor string) {
		if actor == ada.ID {
			<-release
		}
	}
	first := w.make("1", bulk.Plan{Verb: domain.VerbAccept, Items: items[:2]})
	second := w.make("2", bulk.Plan{Verb: domain.VerbAccept, Items: items[2:4]})
	w.now = w.now.Add(time.Second)
	others := w.makeAs(bob, "3", bulk.Plan{Verb: domain.VerbAccept, Items: items[4:]})
	w.run(bulk.Config{})
	if is := w.until(others.ID, over); is.Done != 2 {
		t.Errorf("another's: %d done", is.Done)
	}
	close(release)
	for _, j := range []bulk.Job{first, second} {
		if is := w.until(j.ID, over); is.Done != 2 {
			t.Errorf("%d done", is.Done)
		}
	}
}

func TestOneMakesNotAllJobs(t *testing.T) {
	w := newWorld(t)
	items := w.place(1)
	plan := bulk.Plan{Verb: domain.VerbAccept, Items: items}
	for i := range bulk.MaxOpen / 2 {
		w.make(fmt.Sprint(i), plan)
	}
	rejected := (*domain.Rejection)(nil)
	if _, err := w.jobs.Make(t.Context(), ada, "one more", plan); !errors.As(err, &rejected) || rejected.Code != bulk.TooManyJobs {
		t.Errorf("one more: %v", err)
	}
	w.makeAs(bob, "mine", plan)
}
