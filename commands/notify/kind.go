package notify

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Role is who is told. A receipt has the role, never an address.
type Role string

// The roles.
const (
	Customer     Role = "customer"
	Dealer       Role = "dealer"
	Manufacturer Role = "manufacturer"
)

// Kind is one kind of what people are told.
type Kind struct {
	// Name is the kind's name in the log, such as customer.shipped. Changing it tells everybody everything once more.
	Name string
	Role Role
	// When says which events of an order ask for the notice, by their types, or make it needless.
	When When
	// Write puts the message together; not for kinds with a Digest. ErrNoAddress when there is nobody to write to. The runner sets
	// the message's ID and At.
	Write func(s Subject) (Message, error)
	Lane  *Lane
	// Digest, when given, tells notices together. Kinds of one digest have the same one, and the same Lane.
	Digest *Digest
}

// When maps types of events to what follows from them.
type When map[string]Rule

// Rule says what follows from a fact. It is pure, and never changed for facts that are in a log: see Runner.Begin.
type Rule func(f Fact) Want

// Want is what follows from a fact for one kind of notice. The zero Want is nothing.
type Want struct {
	Tell bool
	At   time.Time // when it is to be told; zero: at once
	Drop bool      // what the order's earlier facts ask for, and is not told yet, is needless; before Tell
}

// Tell is the rule that the fact is told at once.
func Tell(Fact) Want { return Want{Tell: true} }

// Drop is the rule that earlier facts need not be told any more.
func Drop(Fact) Want { return Want{Drop: true} }

// Fact is one event, with what rules need of its envelope.
type Fact struct {
	Order    uuid.UUID // zero for what is of no order
	ID       uuid.UUID // the event's
	Position eventstore.Position
	At       time.Time
	Event    domain.Event
	// History says, of a Placed, that the order is history: its store took it long before the ledger did, as in an import of old
	// books. Its customer is not told that it was placed. What is done with it afterwards is news.
	History bool
}

// Notice is something that somebody is to be told.
type Notice struct {
	ID    uuid.UUID `json:"id"` // eventstore.NoticeID
	Kind  string    `json:"kind"`
	Order uuid.UUID `json:"order"`
	Event uuid.UUID `json:"event"` // that it tells of
	// Request is the NotificationRequested by which a person asked for it; zero for the fact's own.
	Request uuid.UUID `json:"request,omitzero"`
	// AsOf is up to where the order's events are told: the fact's position, or the request's. So a message that has to be repeated
	// says the same.
	AsOf  eventstore.Position `json:"as_of"`
	At    time.Time           `json:"at"`  // of the fact, or the request
	Due   time.Time           `json:"due"` // when it is to be told
	Batch uuid.UUID           `json:"batch,omitzero"`
}

// Subject is what a message is written about.
type Subject struct {
	Notice Notice
	Order  domain.Order // as of the notice
	Event  domain.Event // the fact
}

// ErrNoAddress means that there is nobody to write to: an order without an e-mail address. It is recorded, and no fault.
var ErrNoAddress = errors.New("there is no address")

// Message is what a channel delivers. A channel takes what it can use.
type Message struct {
	// ID is the same whenever this message is sent again, and no other's: the part of an e-mail's Message-ID before the @, a
	// webhook's id.
	ID   string
	At   time.Time // when it was to be told, by the clock of the log: an e-mail's Date
	Kind string
	To   []Address

	Subject, Text, HTML string // an e-mail
	Body                []byte // anything else, of this media type
	MediaType           string
}

// Address is somebody's name and e-mail address, or another address that the channel understands.
type Address struct{ Name, Address string }

// Channel delivers messages. Safe for many goroutines.
type Channel interface {
	// Name stands in receipts: 1 to 32 letters, digits and dashes.
	Name() string
	// MessageID is a message's id as receipts and recipients see it.
	MessageID(m Message) string
	// Send hands a message over. Nil means that somebody else has taken it on, durably. An error is temporary, and the same message
	// is sent again later, unless it is a *SendError that says otherwise. The context's end may come at any moment.
	Send(ctx context.Context, m Message) error
}

// SendError is why a message was not taken.
type SendError struct {
	// Permanent: it never will be. Else it may be later.
	Permanent bool
	// Reason says why to a person. It goes into the log of events and of the program, so it holds no address and no name.
	Reason string
	Err    error // what lies behind; it is not logged
}

func (e *SendError) Error() string { return e.Reason }

// Unwrap returns what lies behind.
func (e *SendError) Unwrap() error { return e.Err }

// Lane is a way out with limits of its own: what is slow there delays nothing elsewhere.
type Lane struct {
	Channel Channel
	Workers int     // messages at once; default 4
	Rate    float64 // messages a second; 0: no limit
}

// Digest tells several notices in one message.
type Digest struct {
	Name  string
	Every time.Duration // at most one message in this time
	Most  int           // notices in one message; default 100
	// Write puts the message together. The subjects are in the order in which they were asked for.
	Write func(s []Subject) (Message, error)
}

var kindName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`)

func checkKinds(kinds []Kind) error {
	for i, k := range kinds {
		switch {
		case !kindName.MatchString(k.Name) || len(k.Name) > 64:
			return fmt.Errorf("notify: %q is no name of a kind", k.Name)
		case slices.ContainsFunc(kinds[:i], func(o Kind) bool { return o.Name == k.Name }):
			return fmt.Errorf("notify: there are two kinds %s", k.Name)
		case k.Role == "" || len(k.When) == 0 || k.Lane == nil || k.Lane.Channel == nil:
			return fmt.Errorf("notify: kind %s wants a role, rules and a lane with a channel", k.Name)
		case (k.Digest == nil) == (k.Write == nil) || (k.Digest != nil && (k.Digest.Write == nil || k.Digest.Name == "" || k.Digest.Every <= 0)):
			return fmt.Errorf("notify: kind %s wants something that writes it, or a digest with a name and a time that does", k.Name)
		case k.Lane.Workers < 0 || k.Lane.Rate < 0:
			return fmt.Errorf("notify: kind %s: a limit of its lane is negative", k.Name)
		}
	}
	return nil
}
