package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
	"github.com/orderledger/orderledger/test/browser"
)

// long is an order with more of everything than anybody expects.
func long(number string, m domain.Method) domain.Placed {
	p := querytest.Placed(number, m)
	c := &p.Personal.Customer
	c.Company = strings.TrimSpace(strings.Repeat("Vereinigte Kreisparteibezirksdirektoren ", 5))
	c.Name = "Wolfeschlegelsteinhausenbergerdorff-" + strings.Repeat("Ungebrochen", 9)
	c.Email = strings.Repeat("a", 64) + "@" + strings.Repeat("long-host-name.", 8) + "example"
	p.Personal.ShippingAddress = domain.Address{
		Name: c.Company, Line1: "Taumatawhakatangihangakoauauotamateaturipukakapikimaungahoronukupokaiwhenuakitanatahu Road 1", Line2: "Hinterhof, 4. Stock links",
		City: "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", PostalCode: "LL61 5UJ", Country: "GB",
	}
	p.Lines, p.Subtotal = nil, 0
	for i := range 60 {
		l := domain.Line{SKU: fmt.Sprintf("NW-%04d", i), Description: "Queso Cabrales", Quantity: int64(1 + i%7), UnitPrice: 1299, Amount: 1299 * int64(1+i%7)}
		switch i {
		case 3:
			l.SKU, l.Description = strings.Repeat("SKU-WITHOUT-END-", 8), strings.Repeat("One of the longer descriptions, as stores have them. ", 9)
		case 5:
			l.DiscountPercent, l.Amount = 12.5, l.Amount*7/8
		}
		p.Lines, p.Subtotal = append(p.Lines, l), p.Subtotal+l.Amount
	}
	p.Total = p.Subtotal + p.Freight
	p.Authorization.Amount = p.Total
	return p
}

type state struct {
	name   string
	placed domain.Placed
	then   []domain.Event
	says   []string // the page says so
}

// states are orders as clerks meet them, and some that they would rather not.
func states() []state {
	card := func(n string) domain.Placed { return querytest.Placed(n, domain.Card) }
	account := func(n string) domain.Placed { return querytest.Placed(n, domain.Account) }
	asked := func(n string) domain.Event {
		return domain.CaptureRequested{PaymentIntent: "pi_" + n, Amount: 47238, Currency: "USD"}
	}
	refund := domain.RefundRequested{PaymentIntent: "pi_x", Charge: "ch_x", Amount: 47238, Currency: "USD", Reason: "Sent back unopened"}
	parcels := domain.Shipped{Tracking: []domain.Tracking{
		{Carrier: "ups", Number: "1Z999AA10123456784"},
		{Carrier: "FedEx Ground", Number: "568283610012734"},
		{Carrier: "Rößle & Söhne", Number: "R/7"},
	}}
	expiring := card("expiring")
	expiring.Authorization.CaptureBefore = querytest.Start.Add(7 * time.Hour)
	var notes []domain.Event
	for i := range 18 {
		notes = append(notes, domain.NoteAdded{NoteID: uuid.NewSHA1(uuid.Nil, []byte{byte(i)}), Personal: domain.NoteText{Text: strings.Repeat("Customer called again. ", i+1)}})
	}
	busy := append([]domain.Event{domain.Accepted{}}, notes...)
	busy = append(busy, domain.CaptureRequested{PaymentIntent: "pi_long", Amount: 317012, Currency: "USD"},
		domain.CaptureFailed{Failure: domain.Failure{Code: "card_declined", Message: "Your card was declined.", DeclineCode: "do_not_honor"}},
		domain.Reauthorized{Authorization: domain.Authorization{PaymentIntent: "pi_second", Status: "requires_capture", Amount: 317012, Currency: "USD", Brand: "mastercard", Last4: "4444", CaptureBefore: querytest.Start.Add(9 * 24 * time.Hour)}, Replaces: "pi_long"},
		domain.PaymentCaptured{Amount: 317012, Currency: "USD", PaymentIntent: "pi_second", Charge: "ch_second", Answer: domain.Answer{StripeRequest: "req_8fJk2LmN4pQ6rS"}}, parcels)
	for range 8 {
		busy = append(busy, domain.TrackingCorrected{Tracking: parcels.Tracking[:2]}, domain.TrackingCorrected{Tracking: parcels.Tracking})
	}
	busy = append(busy, domain.DisputeOpened{Dispute: "dp_1", Amount: 317012, Reason: "product_not_received"},
		domain.ExternalChangeSeen{Object: "re_elsewhere", Change: "refunded_partly", Amount: 1000})
	return []state{
		{"new", card("10248"), nil, []string{"Order placed", "left, until"}},
		{"accepted", card("10249"), []domain.Event{domain.Accepted{}}, []string{"left, until"}},
		{"under-way", card("10250"), []domain.Event{domain.Accepted{}, asked("10250")}, []string{"Capture is under way", "asked to take 472.38 USD from Visa •••• 4242", "3 times"}},
		{"parked", card("10251"), []domain.Event{
			domain.Accepted{},
			asked("10251"),
			domain.Parked{Reason: "Stripe gave no answer for a day.", Attempts: 41, StripeRequests: []string{"req_1", "req_2"}},
		}, []string{"Capture waits for a decision"}},
		{"expiring", expiring, []domain.Event{domain.Accepted{}}, []string{"6 h 48 min left", "Hold ends soon"}},
		{"expired", card("10253"), []domain.Event{domain.Accepted{}, domain.AuthorizationExpired{PaymentIntent: "pi_10253", Reason: "automatic"}}, []string{"Hold gone", "Authorize anew"}},
		{"refund-under-way", card("10254"), []domain.Event{domain.Accepted{}, querytest.Captured("10254"), parcels, refund, domain.RefundPending{Refund: "re_1", Amount: 47238}}, []string{"Refund under way", "Shipped orders"}},
		{"owed", account("10255"), []domain.Event{domain.Accepted{}, parcels}, []string{"An entry is owed"}},
		{"external", card("10256"), []domain.Event{domain.Accepted{}, domain.ExternalChangeSeen{Object: "pi_10256", Change: "captured", Amount: 47238}}, []string{"Seen at Stripe, not asked for here"}},
		{"long", long("10257-with-a-number-that-is-as-long-as-numbers-may-be-0123456789", domain.Card), busy, []string{"Disputed"}},
		{"archived", card("10258"), []domain.Event{domain.Accepted{}, querytest.Captured("10258"), parcels, domain.Archived{}}, []string{"Unarchive"}},
	}
}

// Every state of an order can be read by everybody: light and dark, wide and narrow; and says what it is in words.
func TestOrderStates(t *testing.T) {
	l := newSite(t, func(d *dashboard.Deps) {
		d.Dealer, d.SlipPrices = dashboard.Dealer{Name: "Harbor Parts", Address: []string{"12 Quay Street", "Portland, ME 04101"}}, true
		d.Waiting = func(uuid.UUID) (dashboard.Waiting, bool) {
			return dashboard.Waiting{Tries: 3, Next: d.Now().Add(40 * time.Second)}, true
		}
	})
	p := browser.Open(t, l.URL)
	clerk := domain.Actor{ID: "anna.berg", Role: domain.Clerk, Via: domain.ViaUI}
	for i, s := range states() {
		id := l.Place(t, clerk, s.placed, s.then...)
		if s.name == "owed" {
			l.Add(t, eventstore.NoticeStream(id), clerk, eventstore.NotificationSent{Notice: uuid.New(), Kind: "customer.shipped", Recipient: "customer", Channel: "smtp"})
		}
		p.Open("/orders/" + id.String())
		for _, want := range s.says {
			p.Reads("main", want)
		}
		p.Await("document.querySelector('#live').dataset.state == 'live'")
		p.Check("order-"+s.name, []string{"light", "dark", "phone", "narrow-dark"}[i%4])
	}
}
