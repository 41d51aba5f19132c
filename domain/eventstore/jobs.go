package eventstore

import (
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// Events of the streams job-<id>: acts on many orders, asked for at once. The acts themselves are events of the orders.

// JobMade: somebody wants one act carried out on many orders; the first event of stream job-<id>. Which orders these are is said
// by the JobPlanned behind it, and nothing is done before all of them are.
type JobMade struct {
	Verb    domain.Verb `json:"verb"`
	Orders  int         `json:"orders"`
	RetryOf string      `json:"retry_of,omitempty"` // the job whose failures these are
}

// JobItem is one order of a job, as it was when the job was made.
type JobItem struct {
	OrderID  uuid.UUID         `json:"order_id"`
	Number   string            `json:"order_number"`
	Version  int               `json:"version"`
	Tracking []domain.Tracking `json:"tracking,omitempty"`
}

// JobPlanned: these orders are the job's next.
type JobPlanned struct {
	Items []JobItem `json:"items"`
}

// JobOutcome says what came of a job's act on one order.
type JobOutcome string

// The outcomes.
const (
	JobDone    JobOutcome = "done"
	JobAlready JobOutcome = "already" // it was so already
	JobAsked   JobOutcome = "asked"   // Stripe has still to answer
	JobRefused JobOutcome = "refused" // by the rules, by Stripe, or because the order had changed
	JobFailed  JobOutcome = "failed"  // through a fault of the ledger
)

// JobResult is what came of one order of a job; Item is its number in the plan, from 0. Nothing in it is a customer's.
type JobResult struct {
	Item    int        `json:"item"`
	Outcome JobOutcome `json:"outcome"`
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
}

// JobProgressed: these orders of the job were dealt with. It may be said later than it was done, and what was done is never done
// twice.
type JobProgressed struct {
	Results []JobResult `json:"results"`
}

// JobSettled: what Stripe's answer made of these orders, whose outcome was JobAsked until now.
type JobSettled struct {
	Results []JobResult `json:"results"`
}

// JobEnded: what is left of the job is not done: a person cancelled it, or its maker may not do so any more.
type JobEnded struct {
	Cancelled bool   `json:"cancelled"` // by a person
	Reason    string `json:"reason"`
}

// EventType is the event's name in the log.
func (JobMade) EventType() string       { return "JobMade" }
func (JobPlanned) EventType() string    { return "JobPlanned" }
func (JobProgressed) EventType() string { return "JobProgressed" }
func (JobSettled) EventType() string    { return "JobSettled" }
func (JobEnded) EventType() string      { return "JobEnded" }

// JobStream is the name of a job's stream.
func JobStream(id string) string { return "job-" + id }
