package maker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
)

// Config says who is told, and by what. What no manufacturer's entry needs may be nil.
type Config struct {
	Book manufacturer.Book
	// ReadSecrets reads a file of signing secrets (whsec_…), the current one first.
	ReadSecrets func(path string) ([]string, error)
	Letters     *letter.Writer
	Dealer      letter.Dealer
	Source      string // which ledger it is, to programs
	Mail        notify.Channel
	Poster      Poster
	Nats        Publisher
}

// Poster sends a message to an endpoint once, signed. It is a *sender.Client.
type Poster interface {
	Post(ctx context.Context, url string, m sender.Message, secrets ...sender.Secret) (sender.Answer, error)
}

// Publisher publishes a message for a manufacturer and returns when a stream has taken it. The same id again is no second message.
type Publisher interface {
	// Check says what can be known to be wrong before there is anything to say.
	Check(to manufacturer.Contact) error
	Publish(ctx context.Context, to manufacturer.Contact, id, mediaType string, body []byte) error
}

// Kind is the notice that an order was not confirmed in time; false when there is no manufacturer that could be told. The error names
// each secret and each NATS server that can't be used.
func Kind(c Config) (notify.Kind, bool, error) {
	w, told := &ways{Config: c, secrets: map[string][]sender.Secret{}}, false
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Book)) {
		to := c.Book[name].Contact
		told = told || to != (manufacturer.Contact{})
		if to.NATSSubject != "" {
			if err := c.Nats.Check(to); err != nil {
				errs = append(errs, fmt.Errorf("%s.%s.%w", manufacturer.Key, name, err))
			}
		}
		if to.WebhookSecretFile == "" {
			continue
		}
		secrets, err := readSecrets(c.ReadSecrets, to.WebhookSecretFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%s.webhook-secret-file: %w", manufacturer.Key, name, err))
		}
		w.secrets[name] = secrets
	}
	return notify.Kind{
		Name: letter.KindMissed, Role: notify.Manufacturer, When: notify.When{"ConfirmationMissed": notify.Tell},
		Write: w.write, Lane: &notify.Lane{Channel: w},
	}, told, errors.Join(errs...)
}

func readSecrets(read func(string) ([]string, error), path string) ([]sender.Secret, error) {
	lines, err := read(path)
	if err != nil {
		return nil, err
	}
	secrets := make([]sender.Secret, len(lines))
	for i, line := range lines {
		if secrets[i], err = sender.ParseSecret(line); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", i+1, path, err)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return secrets, nil
}

// Missed is what programs are told.
type Missed struct {
	OrderID      uuid.UUID `json:"order_id"`
	OrderNumber  string    `json:"order_number"`
	Manufacturer string    `json:"manufacturer"`
	Dealer       Dealer    `json:"dealer"`
	PlacedAt     time.Time `json:"placed_at"`
	ConfirmBy    time.Time `json:"confirm_by"`
	ConfirmZone  string    `json:"confirm_zone"`
	WhatToDo     string    `json:"what_to_do"` // for a person
}

// Dealer is who did not confirm.
type Dealer struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
	URL   string `json:"url,omitempty"`
}

// MediaType is that of what programs are told.
const MediaType = "application/cloudevents+json"

// eventType is the kind's name to programs.
const eventType = "orderledger." + letter.KindMissed

func (w *ways) write(s notify.Subject) (notify.Message, error) {
	to := w.Book.Of(s.Order.Manufacturer)
	if to.Contact == (manufacturer.Contact{}) {
		return notify.Message{}, notify.ErrNoAddress
	}
	m, err := w.Letters.ToManufacturer(s, notify.Address{Name: to.Name, Address: to.Contact.Email})
	if err != nil {
		return m, err
	}
	o := s.Order
	m.MediaType = MediaType
	m.Body, err = json.Marshal(struct {
		SpecVersion     string    `json:"specversion"`
		ID              string    `json:"id"`
		Source          string    `json:"source"`
		Type            string    `json:"type"`
		Subject         string    `json:"subject"`
		Time            time.Time `json:"time"`
		DataContentType string    `json:"datacontenttype"`
		Data            Missed    `json:"data"`
	}{
		"1.0", s.Notice.ID.String(), w.Source, eventType, o.ID.String(), s.Notice.At.UTC(), "application/json",
		Missed{
			OrderID: o.ID, OrderNumber: o.OrderNumber, Manufacturer: o.Manufacturer, Dealer: Dealer(w.Dealer), PlacedAt: o.PlacedAt.UTC(),
			ConfirmBy: o.Confirm.By.UTC(), ConfirmZone: o.Confirm.Zone, WhatToDo: m.Text,
		},
	})
	return m, err
}

// ways is the channel: each message goes the way of its manufacturer.
type ways struct {
	Config
	secrets map[string][]sender.Secret // by manufacturer
}

// Name implements notify.Channel.
func (*ways) Name() string { return "manufacturer" }

// MessageID implements notify.Channel.
func (w *ways) MessageID(m notify.Message) string {
	if w.Mail != nil && len(m.To) > 0 && m.To[0].Address != "" {
		return w.Mail.MessageID(m)
	}
	return m.ID
}

// Send implements notify.Channel.
func (w *ways) Send(ctx context.Context, m notify.Message) error {
	name := m.To[0].Name
	switch to := w.Book.Of(name).Contact; {
	case to.Email != "":
		return w.Mail.Send(ctx, m)
	case to.WebhookURL != "":
		return w.post(ctx, to.WebhookURL, m, w.secretsOf(name))
	default:
		if err := w.Nats.Publish(ctx, to, m.ID, m.MediaType, m.Body); err != nil {
			return &notify.SendError{Reason: "No stream of NATS took it.", Err: err}
		}
		return nil
	}
}

// secretsOf are the manufacturer's own, or those of the default entry.
func (w *ways) secretsOf(name string) []sender.Secret {
	if _, own := w.Book[name]; !own {
		name = manufacturer.Default
	}
	return w.secrets[name]
}

func (w *ways) post(ctx context.Context, url string, m notify.Message, secrets []sender.Secret) error {
	answer, err := w.Poster.Post(ctx, url, sender.Message{ID: m.ID, ContentType: m.MediaType, Body: m.Body}, secrets...)
	switch {
	case errors.Is(err, sender.ErrAddress):
		return &notify.SendError{Reason: "The webhook leads to an address that messages are not sent to.", Err: err}
	case err != nil:
		return &notify.SendError{Reason: "The webhook gave no answer.", Err: err}
	case answer.OK():
		return nil
	}
	return &notify.SendError{Permanent: answer.Status == http.StatusGone, Reason: fmt.Sprintf("The webhook answered %d.", answer.Status)}
}
