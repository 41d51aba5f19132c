package bulk

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Verbs are the acts that can be done on many orders at once.
var Verbs = []domain.Verb{domain.VerbAccept, domain.VerbShip, domain.VerbArchive}

// State is what a job is at.
type State string

// The states.
const (
	Incomplete State = "incomplete" // it was not said to the end which orders it is about; it never begins
	Open       State = "open"       // waiting, or under way
	Finished   State = "finished"
	Cancelled  State = "cancelled" // by a person
	Stopped    State = "stopped"   // its maker may not do so any more
)

// Job is a job as its stream tells it. The zero Job does not exist. It is a value: what an old one refers to never changes.
type Job struct {
	ID      string
	Maker   domain.Actor
	Verb    domain.Verb
	Orders  int
	RetryOf string
	Made    time.Time
	Changed time.Time // its last event
	Items   []eventstore.JobItem
	Results []eventstore.JobResult // of Items, by number; an empty Outcome: not dealt with yet
	Done    int                    // how many have one
	Ended   *eventstore.JobEnded

	made     uuid.UUID // the event
	request  string
	revision eventstore.Revision
	position eventstore.Position
	hash     string
}

// State is the job's state.
func (j Job) State() State {
	switch {
	case len(j.Items) < j.Orders:
		return Incomplete
	case j.Done == j.Orders:
		return Finished
	case j.Ended == nil:
		return Open
	case j.Ended.Cancelled:
		return Cancelled
	}
	return Stopped
}

// Counts are how many orders have which outcome.
func (j Job) Counts() map[eventstore.JobOutcome]int {
	counts := map[eventstore.JobOutcome]int{}
	for _, r := range j.Results {
		if r.Outcome != "" {
			counts[r.Outcome]++
		}
	}
	return counts
}

// Asked is how many orders wait for Stripe's answer.
func (j Job) Asked() int { return j.Counts()[eventstore.JobAsked] }

// Undone are the items that a new job could try again: those that were refused or failed and, when the job is over, those that it
// did not come to.
func (j Job) Undone() []eventstore.JobItem {
	var items []eventstore.JobItem
	over := j.State() != Open
	for i, r := range j.Results {
		if r.Outcome == eventstore.JobRefused || r.Outcome == eventstore.JobFailed || r.Outcome == "" && over {
			items = append(items, j.Items[i])
		}
	}
	return items
}

func (j Job) exists() bool { return j.Orders > 0 }

// evolve is the job after one more event of its stream. It is total.
func (j Job) evolve(r eventstore.Recorded, e domain.Event, env eventstore.Envelope) Job {
	switch e := e.(type) {
	case eventstore.JobMade:
		j.Maker, j.Verb, j.Orders, j.RetryOf, j.Made = env.Actor, e.Verb, e.Orders, e.RetryOf, env.OccurredAt
		j.made, j.request = r.ID, env.RequestHash
	case eventstore.JobPlanned:
		j.Items = append(j.Items[:len(j.Items):len(j.Items)], e.Items...)
		j.Results = make([]eventstore.JobResult, len(j.Items))
	case eventstore.JobProgressed:
		j.Results = slices.Clone(j.Results)
		for _, one := range e.Results {
			if 0 <= one.Item && one.Item < len(j.Results) && j.Results[one.Item].Outcome == "" {
				j.Results[one.Item] = one
				j.Done++
			}
		}
	case eventstore.JobSettled:
		j.Results = slices.Clone(j.Results)
		for _, one := range e.Results {
			if 0 <= one.Item && one.Item < len(j.Results) && j.Results[one.Item].Outcome == eventstore.JobAsked {
				j.Results[one.Item] = one
			}
		}
	case eventstore.JobEnded:
		j.Ended = &e
	}
	j.Changed = env.OccurredAt
	j.revision, j.position, j.hash = r.Revision, r.Position, env.Hash
	return j
}
