package eventstore

import (
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
)

// Events of the streams endpoint-<id>: whom events are sent to, and how far that is.

// EventRef names an event of the log wherever the log is kept: positions are the store's, a stream's revisions are not.
type EventRef struct {
	Stream   string    `json:"stream"`
	Revision Revision  `json:"revision"`
	ID       uuid.UUID `json:"id"`
}

// Ref is the name of a recorded event.
func Ref(r Recorded) EventRef { return EventRef{Stream: r.Stream, Revision: r.Revision, ID: r.ID} }

// AnyType stands for all event types of orders in EndpointAdded.Types.
const AnyType = "*"

// EndpointAdded: somebody else's system is told of orders; the first event of stream endpoint-<id>. What happened before it is not
// told.
type EndpointAdded struct {
	URL          string   `json:"url"`
	Types        []string `json:"types"`                  // event types of orders, or AnyType alone
	Manufacturer string   `json:"manufacturer,omitempty"` // of this one's orders alone
	// CustomerData: with customer data, addresses and note texts.
	CustomerData bool `json:"include_customer_data"`
	// Key is the fingerprint of the key that the endpoint's first signing secret is derived from. The secret is nowhere.
	Key string `json:"key"`
}

// EndpointSecretRotated: the endpoint's secret is that of the next generation; the one before signs, too, until OldUntil.
type EndpointSecretRotated struct {
	Generation int       `json:"generation"`
	Key        string    `json:"key"`
	OldUntil   time.Time `json:"old_until"`
}

// EndpointDisabled: nothing is sent to it until it is enabled.
type EndpointDisabled struct {
	Reason string   `json:"reason,omitempty"`
	Event  EventRef `json:"event,omitzero"` // whose delivery the endpoint answered with 410 Gone
}

// EndpointEnabled: what happened meanwhile is sent, then what happens.
type EndpointEnabled struct{}

// EndpointRemoved: nothing is ever sent to it again.
type EndpointRemoved struct{}

// EndpointDelivered: all up to Last that it is to be told of was delivered. It is said now and then, to begin from when nothing else
// is left that says more.
type EndpointDelivered struct {
	Last  EventRef `json:"last"`
	Count int64    `json:"count"` // deliveries since this was said last
}

// DeliveryParked: an event could not be delivered for so long that a person must look at it; the endpoint waits there.
type DeliveryParked struct {
	Event    EventRef  `json:"event"`
	Since    time.Time `json:"since"` // the first attempt
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"` // why the last one failed
}

// Redelivery is what a person decided about a parked delivery.
type Redelivery string

// The decisions: send it again, for as long as the first time; or go on behind it, so that the endpoint is never told.
const (
	RetryDelivery Redelivery = "retry"
	SkipDelivery  Redelivery = "skip"
)

// DeliveryResumed: a person decided about a parked delivery.
type DeliveryResumed struct {
	Event    EventRef   `json:"event"`
	Decision Redelivery `json:"decision"`
}

// EventType is the event's name in the log.
func (EndpointAdded) EventType() string         { return "EndpointAdded" }
func (EndpointSecretRotated) EventType() string { return "EndpointSecretRotated" }
func (EndpointDisabled) EventType() string      { return "EndpointDisabled" }
func (EndpointEnabled) EventType() string       { return "EndpointEnabled" }
func (EndpointRemoved) EventType() string       { return "EndpointRemoved" }
func (EndpointDelivered) EventType() string     { return "EndpointDelivered" }
func (DeliveryParked) EventType() string        { return "DeliveryParked" }
func (DeliveryResumed) EventType() string       { return "DeliveryResumed" }

// EndpointStream is the name of an endpoint's stream.
func EndpointStream(id string) string { return "endpoint-" + id }

// OrderTypes are the event types of orders, sorted: those that the rules declare.
func OrderTypes() []string {
	rules := reflect.TypeFor[domain.Placed]().PkgPath()
	var types []string
	for name, en := range entries {
		if e, err := en.decode([]byte("{}")); err == nil && reflect.TypeOf(e).PkgPath() == rules {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}
