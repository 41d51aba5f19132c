package stripepay

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"slices"

	"github.com/orderledger/orderledger/commands"
)

// Types of the events that the ledger listens to: all that moves a card's money, or announces that it will. Stripe lists
// events of 20 types at once, and no more.
var eventTypes = []string{
	"payment_intent.amount_capturable_updated", "payment_intent.succeeded", "payment_intent.canceled", "payment_intent.payment_failed",
	"charge.captured", "charge.expired", "charge.refunded", "charge.refund.updated",
	"refund.created", "refund.updated", "refund.failed",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
}

// EventTypes are the types of events that the ledger listens to: those to choose for the webhook endpoint at Stripe.
func EventTypes() []string { return slices.Clone(eventTypes) }

// about says what is to be done with an event.
type about int

const (
	other  about = iota // of a type that the ledger does not listen to
	nobody              // its object belongs to no PaymentIntent
	ours                // about a PaymentIntent, or in doubt: whose it is, reading tells
)

// Errors of readEvent. They quote nothing.
var (
	errNoJSON     = errors.New("not a JSON object of Stripe's")
	errNoEvent    = errors.New("id (evt_…), type or livemode is missing")
	errNoCreated  = errors.New("created is missing")
	errNoObject   = errors.New("data.object.id is missing, or no id of Stripe's")
	errBadPayment = errors.New("data.object.payment_intent is no PaymentIntent")
)

var (
	eventID  = regexp.MustCompile(`^evt_[A-Za-z0-9_]{1,200}$`)
	objectID = regexp.MustCompile(`^[a-z]{1,20}_[A-Za-z0-9_]{1,200}$`)
	intentID = regexp.MustCompile(`^pi_[A-Za-z0-9_]{1,200}$`)
)

// readEvent reads an event as Stripe sends and lists them, of whatever API version: only what says which object to look at.
// With an error, the event has the ID, Type and Livemode as far as they were found.
func readEvent(body []byte) (commands.PaymentEvent, about, error) {
	var head struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Livemode *bool  `json:"livemode"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return commands.PaymentEvent{}, other, errNoJSON
	}
	if !eventID.MatchString(head.ID) || head.Type == "" || head.Livemode == nil {
		return commands.PaymentEvent{}, other, errNoEvent
	}
	e := commands.PaymentEvent{ID: head.ID, Type: head.Type, Livemode: *head.Livemode}
	if !slices.Contains(eventTypes, e.Type) {
		return e, other, nil
	}
	about, err := readObject(body, &e)
	sum := sha256.Sum256(body)
	e.SHA256 = hex.EncodeToString(sum[:])
	return e, about, err
}

// readObject reads what the event is about.
func readObject(body []byte, e *commands.PaymentEvent) (about, error) {
	var rest struct {
		APIVersion string `json:"api_version"`
		Created    int64  `json:"created"`
		Data       struct {
			Object struct {
				ID            string          `json:"id"`
				Object        string          `json:"object"`
				PaymentIntent json.RawMessage `json:"payment_intent"`
				Metadata      json.RawMessage `json:"metadata"`
			} `json:"object"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &rest); err != nil {
		return other, errNoJSON
	}
	object := rest.Data.Object
	switch {
	case rest.Created <= 0:
		return other, errNoCreated
	case !objectID.MatchString(object.ID):
		return other, errNoObject
	}
	e.Object, e.APIVersion, e.Created, e.OrderID = object.ID, rest.APIVersion, instant(rest.Created), orderIn(object.Metadata)
	if object.Object == "payment_intent" || intentID.MatchString(object.ID) {
		if !intentID.MatchString(object.ID) {
			return other, errBadPayment
		}
		e.PaymentIntent = object.ID
		return ours, nil
	}
	switch string(object.PaymentIntent) {
	case "null":
		return nobody, nil
	case "": // an API version that doesn't say
		return ours, nil
	}
	e.PaymentIntent = idIn(object.PaymentIntent)
	if !intentID.MatchString(e.PaymentIntent) {
		return other, errBadPayment
	}
	return ours, nil
}

// idIn is the id of an object that is written as its id alone, or expanded.
func idIn(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var expanded struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(raw, &expanded) // what is neither has no id
	return expanded.ID
}

// orderIn is the order that metadata names. Others write metadata, too: what isn't as ours is no order of ours.
func orderIn(raw json.RawMessage) string {
	var metadata map[string]json.RawMessage
	var order string
	if json.Unmarshal(raw, &metadata) != nil || json.Unmarshal(metadata[metaOrderID], &order) != nil || len(order) > maxMetadataSize {
		return ""
	}
	return order
}
