package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/test/testenv"
)

// expect holds an answer against what a line says of it: the status, a problem's code, and facts such as tab=paid.
func expect(a testenv.Answer, want []string) error {
	if got := strconv.Itoa(a.Status); got != want[0] {
		return fmt.Errorf("status %s, want %s", got, want[0])
	}
	facts := factsOf(a)
	for _, w := range want[1:] {
		name, value, isFact := strings.Cut(w, "=")
		if !isFact {
			name, value = "code", w
		}
		got, known := facts[name]
		if !known {
			return fmt.Errorf("unknown fact %s", name)
		}
		if got != value {
			return fmt.Errorf("%s=%s, want %s", name, got, value)
		}
	}
	return nil
}

// factsOf are the facts of an answer that a line can name; "none" stands for nothing there.
func factsOf(a testenv.Answer) map[string]string {
	o := a.Order
	pending, last4, ref := "", "", ""
	if o.Pending != nil {
		pending = string(*o.Pending)
	}
	if o.Payment.Last4 != nil {
		last4 = *o.Payment.Last4
	}
	if o.Payment.ExternalReference != nil {
		ref = *o.Payment.ExternalReference
	}
	var badges, tracking, notes []string
	for _, b := range o.Badges {
		if b != domain.BadgeConfirmationDue { // comes with the hour at which the test runs
			badges = append(badges, string(b))
		}
	}
	for _, t := range o.Tracking {
		tracking = append(tracking, t.Carrier+":"+t.Number)
	}
	for _, n := range o.Notes {
		notes = append(notes, n.Text)
	}
	facts := map[string]string{
		"code": a.Code, "replayed": "no", "tab": string(o.Tab), "status": string(o.Status), "version": strconv.Itoa(o.Version),
		"payment": string(o.Payment.State), "pending": pending, "last4": last4, "ref": ref,
		"badges": strings.Join(badges, ","), "tracking": strings.Join(tracking, ","), "notes": strings.Join(notes, ","),
	}
	if a.Replayed {
		facts["replayed"] = "yes"
	}
	for name, value := range facts {
		if value == "" {
			facts[name] = "none"
		}
	}
	return facts
}

// tabs checks all six counts; one that is not named is zero.
func (s *scenario) tabs(words []string) error {
	want := options(words)
	got := s.client.Tabs(s.t, s.client.Head(s.t))
	for _, tab := range domain.Tabs {
		n := want[string(tab)]
		if n == "" {
			n = "0"
		}
		delete(want, string(tab))
		if strconv.FormatInt(got[string(tab)], 10) != n {
			return fmt.Errorf("%d orders in %s, want %s", got[string(tab)], tab, n)
		}
	}
	return all(want)
}

// journal checks what Stripe itself moved for an order, in whole orders; what is not named is zero.
func (s *scenario) journal(words []string) error {
	a := s.orders[words[0]]
	if a == nil {
		return fmt.Errorf("order %s was never placed", words[0])
	}
	entries, err := s.sim.Sim.Journal(s.t.Context())
	if err != nil {
		return err
	}
	var sum stripesim.Totals
	for _, t := range stripesim.Sum(entries) {
		if t.OrderID == a.in.ID().String() {
			sum.Authorized += t.Authorized
			sum.Captured += t.Captured
			sum.Released += t.Released
			sum.Refunded += t.Refunded
		}
	}
	want := options(words[1:])
	for _, m := range []struct {
		name  string
		moved int64
	}{{"authorized", sum.Authorized}, {"captured", sum.Captured}, {"released", sum.Released}, {"refunded", sum.Refunded}} {
		times := int64(0)
		if n, named := want[m.name]; named {
			if times, err = strconv.ParseInt(n, 10, 64); err != nil {
				return err
			}
			delete(want, m.name)
		}
		if m.moved != times*a.in.Total {
			return fmt.Errorf("%s %d, want %d times %d", m.name, m.moved, times, a.in.Total)
		}
	}
	return all(want)
}

// all says when a line names what is not known.
func all(left map[string]string) error {
	for name := range left {
		return fmt.Errorf("unknown word %s", name)
	}
	return nil
}

// events checks the types of all events of an order.
func (s *scenario) events(words []string) error {
	a := s.orders[words[0]]
	if a == nil {
		return fmt.Errorf("order %s was never placed", words[0])
	}
	answer, err := s.client.Call(s.t.Context(), http.MethodGet, "/v1/orders/"+a.in.ID().String()+"/events", "", nil)
	if err != nil {
		return err
	}
	var timeline struct{ Data []struct{ Type string } }
	if err := json.Unmarshal(answer.Body, &timeline); err != nil {
		return err
	}
	var got []string
	for _, e := range timeline.Data {
		got = append(got, e.Type)
	}
	if want := words[1:]; !slices.Equal(got, want) {
		return fmt.Errorf("events %v, want %v", got, want)
	}
	return nil
}

// await waits until an order has an event.
func (s *scenario) await(words []string) error {
	if len(words) != 2 || s.orders[words[0]] == nil {
		return fmt.Errorf("name an order that was placed, and a type of event")
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), testenv.Patience)
	defer cancel()
	return awaitEvent(ctx, s.client, s.orders[words[0]].in.ID(), words[1])
}

// awaitEvent returns when the read model shows an event of an order, now or earlier.
func awaitEvent(ctx context.Context, c testenv.Client, order uuid.UUID, event string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/v1/events?after=0", nil)
	if err != nil {
		return err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var change struct {
			OrderID uuid.UUID `json:"order_id"`
			Type    string
		}
		if err := json.Unmarshal([]byte(data), &change); err != nil {
			return err
		}
		if change.OrderID == order && change.Type == event {
			return nil
		}
	}
	return fmt.Errorf("there was no %s: status %d, %w", event, resp.StatusCode, lines.Err())
}
