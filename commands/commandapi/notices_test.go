package commandapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// shipped is an order on account that has left the house, and what its customer was told of that.
func (e *env) shipped() (order, notice uuid.UUID) {
	e.t.Helper()
	in := domain.Intake{
		OrderNumber: "7", Manufacturer: "acme", PlacedAt: noon, Customer: domain.Customer{Name: "Zoë", AccountNumber: "A-1"},
		Lines: []domain.Line{{SKU: "A", Quantity: 1, Amount: 100}}, Currency: "USD", Subtotal: 100, Total: 100,
		Payment: domain.Terms{Method: domain.Account},
	}
	var event uuid.UUID
	for _, c := range []domain.Command{domain.Place{Intake: in}, domain.Accept{}, domain.Ship{}} {
		res, err := e.handler.Handle(e.t.Context(), commands.Request{OrderID: in.ID(), Command: c, CommandID: uuid.New()})
		if err != nil {
			e.t.Fatal(err)
		}
		event = res.EventID
	}
	notices := commands.Notices{Handler: e.handler}
	if err := notices.Begin(e.t.Context(), []string{commands.ShippedNotice}, 0); err != nil {
		e.t.Fatal(err)
	}
	notice = eventstore.NoticeID(event, commands.ShippedNotice, "customer")
	failed := eventstore.NotificationFailed{
		Notice: notice, Kind: commands.ShippedNotice, Recipient: "customer", Event: event, Code: eventstore.NoticeRefused, Permanent: true,
	}
	if _, err := notices.Record(e.t.Context(), eventstore.NoticeStream(in.ID()), uuid.New(), failed, event); err != nil {
		e.t.Fatal(err)
	}
	return in.ID(), notice
}

func (e *env) requests(order uuid.UUID) (n int) {
	e.t.Helper()
	for r, err := range e.log.ReadStream(e.t.Context(), eventstore.NoticeStream(order), eventstore.NoStream) {
		if err != nil {
			e.t.Fatal(err)
		}
		if r.Type == "NotificationRequested" {
			n++
		}
	}
	return n
}

func TestResend(t *testing.T) {
	e := newEnv(t)
	order, notice := e.shipped()
	path := "/v1/orders/" + order.String() + "/notifications/" + notice.String() + "/resend"
	for i, replayed := range []string{"", "true"} {
		r := e.post(path, "", "Idempotency-Key", "k1", "Content-Type", "")
		if r.StatusCode != http.StatusAccepted || r.Header.Get("Idempotent-Replayed") != replayed || r.Header.Get("Ledger-Position") == "" ||
			!strings.Contains(string(r.body), notice.String()) {
			t.Errorf("%d: %d %v %s", i, r.StatusCode, r.Header, r.body)
		}
	}
	if n := e.requests(order); n != 1 {
		t.Errorf("%d requests", n)
	}
	if r := e.post(path, ""); r.StatusCode != http.StatusAccepted || e.requests(order) != 1 {
		t.Errorf("asked for twice, though the first has no answer: %d %s", r.StatusCode, r.body)
	}
	for _, c := range []struct {
		path   string
		status int
		code   string
	}{
		{"/v1/orders/" + order.String() + "/notifications/" + uuid.NewString() + "/resend", 404, "notice_not_found"},
		{"/v1/orders/" + order.String() + "/notifications/x/resend", 404, "notice_not_found"},
		{"/v1/orders/" + uuid.NewString() + "/notifications/" + notice.String() + "/resend", 404, "order_not_found"},
	} {
		if r := e.post(c.path, ""); r.StatusCode != c.status || !strings.Contains(string(r.body), c.code) {
			t.Errorf("%s: %d %s", c.path, r.StatusCode, r.body)
		}
	}
	if r := e.post(path, "", "Idempotency-Key", ""); r.StatusCode != http.StatusBadRequest {
		t.Errorf("without a key: %d", r.StatusCode)
	}
	viewer, _, _, err := e.tokens.Create(t.Context(), domain.Actor{ID: "root", Role: domain.Admin}, "v", domain.Viewer)
	if err != nil {
		t.Fatal(err)
	}
	if r := e.post(path, "", "Authorization", "Bearer "+viewer); r.StatusCode != http.StatusForbidden {
		t.Errorf("as a viewer: %d", r.StatusCode)
	}
	if err := (commands.Notices{Handler: e.handler}).Begin(t.Context(), nil, 0); err != nil {
		t.Fatal(err)
	}
	if r := e.post(path, ""); r.StatusCode != http.StatusConflict || !strings.Contains(string(r.body), "not_notified") {
		t.Errorf("switched off: %d %s", r.StatusCode, r.body)
	}
}

// Correcting the tracking numbers sends the e-mail of the shipment again only when that is asked for, and then once for its key.
func TestTrackingCanTellTheCustomer(t *testing.T) {
	e := newEnv(t)
	order, _ := e.shipped()
	path := "/v1/orders/" + order.String() + "/tracking"
	if r := e.post(path, `{"tracking":[{"carrier":"ups","number":"1Z1"}]}`); r.StatusCode != 200 || e.requests(order) != 0 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	for range 2 {
		r := e.post(path, `{"tracking":[{"carrier":"ups","number":"1Z2"}],"resend":true}`, "Idempotency-Key", "k")
		if r.StatusCode != 200 || e.requests(order) != 1 {
			t.Errorf("%d %s, %d requests", r.StatusCode, r.body, e.requests(order))
		}
	}
	if r := e.post(path, `{"tracking":[{"carrier":"ups","number":"1Z2"}]}`, "Idempotency-Key", "k"); r.StatusCode != 422 {
		t.Errorf("the same key for another request: %d", r.StatusCode)
	}
	if err := (commands.Notices{Handler: e.handler}).Begin(t.Context(), nil, 0); err != nil {
		t.Fatal(err)
	}
	if r := e.post(path, `{"tracking":[],"resend":true}`); r.StatusCode != 409 || !strings.Contains(string(r.body), "not_notified") {
		t.Errorf("switched off: %d %s", r.StatusCode, r.body)
	}
}
