package eventstore_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

var update = flag.Bool("update", false, "rewrite testdata: only for event types that no log holds yet")

var (
	at      = time.Date(2026, 11, 2, 9, 30, 15, 123456000, time.UTC)
	order   = domain.OrderID("northwind", "10248")
	request = uuid.MustParse("5d3f1c9a-3b7e-5c11-9f0e-6a1b2c3d4e5f")
	answer  = domain.Answer{Request: request, Source: "stripe", Reference: "TRANSFER-1", StripeRequest: "req_1"}
	ref     = eventstore.EventRef{Stream: eventstore.OrderStream(order), Revision: 4, ID: request}
	failure = domain.Failure{Code: "card_declined", Message: "Your card was declined.", DeclineCode: "generic_decline"}
	notice  = eventstore.NoticeID(request, "customer.shipped", "customer")
	parcels = []domain.Tracking{{Carrier: "ups", Number: "1Z999AA10123456784"}}
	held    = domain.Authorization{
		PaymentIntent: "pi_1", Status: "requires_capture", Amount: 47238, Currency: "USD", Brand: "visa", Last4: "4242",
		CaptureBefore: at.Add(7 * 24 * time.Hour), OrderID: order.String(),
	}
)

// examples is one event of every type with every field set.
var examples = []domain.Event{
	domain.Placed{
		OrderNumber: "10248", Manufacturer: "northwind", PlacedAt: at.Add(-time.Hour), ShippingMethod: "Federal Shipping",
		Lines: []domain.Line{{
			SKU: "NW-11", Description: "Queso <Cabrales> & co", Quantity: 12, UnitPrice: 1400, DiscountPercent: 12.5, Amount: 44000,
		}},
		Currency: "USD", Subtotal: 44000, Freight: 3230, Tax: 8, Total: 47238, Method: domain.Card, Authorization: held,
		Confirm:     domain.Confirmation{By: at.Add(24 * time.Hour), DueFrom: at.Add(14 * time.Hour), Zone: "UTC", Calendar: "weekdays"},
		ContentHash: strings.Repeat("a1", 32),
		Personal: domain.PersonalData{
			Customer: domain.Customer{
				ID: "VINET", Name: "Paul Henriot", Company: "Vins et alcools", Email: "paul@example.com", Phone: "26.47.15.10", AccountNumber: "ACC-7",
			},
			BillingAddress: domain.Address{
				Name: "Paul Henriot", Line1: "59 rue de l'Abbaye", Line2: "2e étage", City: "Reims", Region: "Grand Est", PostalCode: "51100", Country: "FR",
			},
			ShippingAddress: domain.Address{
				Name: "Caves", Line1: "1 quai", Line2: "B", City: "Reims", Region: "Grand Est", PostalCode: "51100", Country: "FR",
			},
		},
	},
	domain.Accepted{},
	domain.ConfirmationMissed{ConfirmBy: at},
	domain.CaptureRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD"},
	domain.ShipRequested{PaymentIntent: "pi_1", Amount: 47238, Currency: "USD", Tracking: parcels},
	domain.PaymentCaptured{
		Amount: 47238, Currency: "USD", PaymentIntent: "pi_1", Charge: "ch_1", ExternalReference: "INV-1", Answer: answer,
	},
	domain.CaptureFailed{Failure: failure, Answer: answer},
	domain.AuthorizationExpired{PaymentIntent: "pi_1", Reason: "automatic", Answer: answer},
	domain.Reauthorized{Authorization: held, Replaces: "pi_0"},
	domain.Shipped{Tracking: parcels, Request: request},
	domain.TrackingCorrected{Tracking: parcels},
	domain.RefundRequested{PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD", Reason: "damaged"},
	domain.RefundPending{Refund: "re_1", Amount: 47238, Answer: answer},
	domain.Refunded{Refund: "re_1", Amount: 47238, Currency: "USD", Reason: "damaged", Answer: answer},
	domain.RefundFailed{Refund: "re_1", Failure: failure, Answer: answer},
	domain.ReversalRecorded{ExternalReference: "CN-1"},
	domain.CancelRequested{
		How: domain.ChargeRefunded, PaymentIntent: "pi_1", Charge: "ch_1", Amount: 47238, Currency: "USD", Reason: "sold out",
	},
	domain.Cancelled{How: domain.ChargeRefunded, Refund: "re_1", Reason: "sold out", Answer: answer},
	domain.CancelFailed{Failure: failure, Answer: answer},
	domain.DisputeOpened{Dispute: "dp_1", Amount: 47238, Reason: "fraudulent"},
	domain.DisputeClosed{Dispute: "dp_1", Outcome: "won"},
	domain.ExternalChangeSeen{Object: "re_9", Change: "refunded_partly", Amount: 100, Answer: answer},
	domain.Parked{Request: request, Reason: "Stripe is silent", Attempts: 12, StripeRequests: []string{"req_1", "req_2"}},
	domain.Resumed{Request: request, Decision: domain.Retry, Evidence: "Stripe is up again", Reference: "TRANSFER-1"},
	domain.Archived{},
	domain.Unarchived{},
	domain.NoteAdded{NoteID: request, Personal: domain.NoteText{Text: "Call before noon.\n\u2028Twice."}},
	eventstore.TokenCreated{Name: "till 3", Role: domain.Clerk, Secret: strings.Repeat("b2", 32)},
	eventstore.TokenRevoked{},
	eventstore.PaymentClaimed{OrderID: order},
	eventstore.ReferenceClaimed{OrderID: order, Kind: domain.OwesEntry, Reference: "INV-1"},
	eventstore.StripeEventReceived{
		Type: "charge.refunded", Object: "ch_1", PaymentIntent: "pi_1", OrderID: order.String(), APIVersion: "2023-10-16",
		Livemode: true, Created: at, SHA256: strings.Repeat("a1", 32),
	},
	eventstore.StripeEventHandled{Outcome: "recorded", OrderID: order},
	eventstore.KeyReserved{OrderID: order, RequestHash: strings.Repeat("c3", 32), Version: 3},
	eventstore.NotificationsBegan{Kinds: []string{"customer.placed", "customer.shipped"}, HistoryHours: 168},
	eventstore.NotificationRequested{Notice: notice, Kind: "customer.shipped", Recipient: "customer", Event: request},
	eventstore.NotificationSent{
		Notice: notice, Kind: "customer.shipped", Recipient: "customer", Event: request, Request: order,
		MessageID: notice.String() + "@dealer.example", Channel: "smtp", At: at,
	},
	eventstore.NotificationFailed{
		Notice: notice, Kind: "customer.shipped", Recipient: "customer", Event: request, Request: order,
		MessageID: notice.String() + "@dealer.example", Channel: "smtp", At: at, Code: eventstore.NoticeRefused,
		Reason: "The mail server refused it: 550 5.1.1.", Permanent: true,
	},
	eventstore.NotificationsBatched{
		Batch: request, Members: []eventstore.BatchMember{{Order: order, Notice: notice, Request: request}},
	},
	eventstore.EndpointAdded{
		URL: "https://hooks.example.com/in", Types: []string{"Accepted", "Shipped"}, Manufacturer: "northwind", CustomerData: true, Key: "0a1b2c3d4e5f6071",
	},
	eventstore.EndpointSecretRotated{Generation: 2, Key: "0a1b2c3d4e5f6071", OldUntil: at.Add(24 * time.Hour)},
	eventstore.EndpointDisabled{Reason: "the endpoint answered 410 Gone", Event: ref},
	eventstore.EndpointEnabled{},
	eventstore.EndpointRemoved{},
	eventstore.EndpointDelivered{Last: ref, Count: 100},
	eventstore.DeliveryParked{Event: ref, Since: at, Attempts: 87, Reason: "it answered 500 Internal Server Error"},
	eventstore.DeliveryResumed{Event: ref, Decision: eventstore.SkipDelivery},
	eventstore.JobMade{Verb: domain.VerbShip, Orders: 1, RetryOf: "0a1b2c3d4e5f6071"},
	eventstore.JobPlanned{Items: []eventstore.JobItem{{OrderID: order, Number: "10248", Version: 2, Tracking: parcels}}},
	eventstore.JobProgressed{Results: []eventstore.JobResult{
		{Item: 1, Outcome: eventstore.JobRefused, Code: "already_shipped", Message: "The order is already shipped."},
	}},
	eventstore.JobSettled{Results: []eventstore.JobResult{
		{Item: 1, Outcome: eventstore.JobRefused, Code: "card_declined", Message: "Your card was declined."},
	}},
	eventstore.JobEnded{Cancelled: true, Reason: "A person cancelled it."},
	eventstore.ViewSaved{Shared: true, Personal: eventstore.ViewText{Name: "Paul's", Query: "tab=new&q=paul"}},
	eventstore.ViewRemoved{},
	eventstore.HomeViewChosen{View: "0a1b2c3d4e5f6071"},
}

var envelope = eventstore.Envelope{
	Schema: 1, OccurredAt: at, Actor: domain.Actor{ID: "clerk-1", Role: domain.Clerk, Via: domain.ViaUI},
	CommandID: uuid.MustParse("7b1e9f0a-8c2d-5e4f-a1b2-c3d4e5f60718"), RequestHash: strings.Repeat("d4", 32),
	CorrelationID: "till-3-000017", CausationID: request, Prev: strings.Repeat("e5", 32),
}

// seal is an event as it would stand in the log, at revision 4 of its stream.
func seal(t *testing.T, codec eventstore.Codec, e domain.Event) eventstore.Recorded {
	t.Helper()
	stream := eventstore.OrderStream(order)
	encoded, err := codec.Encode(stream, e)
	if err != nil {
		t.Fatal(err)
	}
	encoded.ID = uuid.NewSHA1(envelope.CommandID, []byte(stream))
	env := envelope
	env.Schema = codec.Schema(e)
	sealed, _, err := eventstore.Seal(stream, 4, encoded, env)
	if err != nil {
		t.Fatal(err)
	}
	return eventstore.Recorded{Event: sealed, Stream: stream, Revision: 4, Position: 17}
}

// golden is a stored event as its file shows it: the two members on lines of their own, each exactly as stored.
func golden(e eventstore.Event) []byte {
	return []byte("{\"data\":" + string(e.Data) + ",\n\"meta\":" + string(e.Meta) + "}\n")
}

func readGolden(t *testing.T, name string) (file []byte, e eventstore.Event) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "events", name+".json"))
	if err != nil {
		t.Fatalf("%v; a new type gets its file with -update", err)
	}
	var stored struct{ Data, Meta json.RawMessage }
	if err := json.Unmarshal(file, &stored); err != nil {
		t.Fatal(err)
	}
	return file, eventstore.Event{Type: name, Data: stored.Data, Meta: stored.Meta}
}

// The stored forms are frozen: what is written now is what was always written, and what was written is read.
func TestGoldenEvents(t *testing.T) {
	codec := eventstore.Codec{}
	for _, e := range examples {
		t.Run(e.EventType(), func(t *testing.T) {
			r := seal(t, codec, e)
			if *update {
				if err := os.WriteFile(filepath.Join("testdata", "events", r.Type+".json"), golden(r.Event), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, stored := readGolden(t, r.Type)
			if !bytes.Equal(file, golden(r.Event)) {
				t.Errorf("written now:\n%sfrozen:\n%s", golden(r.Event), file)
			}
			stored.ID = r.ID
			frozen := eventstore.Recorded{Event: stored, Stream: r.Stream, Revision: r.Revision, Position: r.Position}
			if _, err := eventstore.Verify(frozen, envelope.Prev); err != nil {
				t.Error(err)
			}
			back, env, err := codec.Decode(frozen)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, e) {
				t.Errorf("read: %+v\nwas:  %+v", back, e)
			}
			want := envelope
			want.Hash = env.Hash
			if env != want || len(env.Hash) != 64 {
				t.Errorf("envelope: %+v\nwant:     %+v", env, want)
			}
		})
	}
}

func TestEveryTypeHasAGoldenFile(t *testing.T) {
	var have, files []string
	for _, e := range examples {
		have = append(have, e.EventType())
	}
	slices.Sort(have)
	if known := slices.Sorted(maps.Keys(eventstore.Types())); !slices.Equal(have, known) {
		t.Errorf("examples: %v\ntypes:    %v", have, known)
	}
	found, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		files = append(files, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	if !slices.Equal(files, have) {
		t.Errorf("files: %v\nwant:  %v", files, have)
	}
}

// An example that leaves a field out would not freeze its name.
func TestExamplesSetEveryField(t *testing.T) {
	for _, e := range examples {
		if hole := zeroField(reflect.ValueOf(e), e.EventType()); hole != "" {
			t.Errorf("%s is not set", hole)
		}
	}
}

func zeroField(v reflect.Value, at string) string {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if hole := zeroField(v.Field(i), at+"."+f.Name); hole != "" {
					return hole
				}
			}
		}
		return ""
	case reflect.Slice:
		for i := range v.Len() {
			if hole := zeroField(v.Index(i), at); hole != "" {
				return hole
			}
		}
	}
	if v.IsZero() {
		return at
	}
	return ""
}
