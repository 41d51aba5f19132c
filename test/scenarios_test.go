package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
	"github.com/orderledger/orderledger/test/testenv"
)

// The scenarios are whole stories, one a file; scenarios/README.md says how they are written. Each has a ledger and a Stripe of
// its own, on every store. What holds in all of them is checked in all: what is refused or repeated appends nothing to any order, and
// what changes an order does; the read model says what the command answered, and the log passes its audit.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("scenarios/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("the scenarios were not found: %v, %v", files, err)
	}
	for _, store := range []string{"memory", "nats", "nats-server", "esdb"} {
		t.Run(store, func(t *testing.T) {
			address, run := store, ""
			switch store {
			case "nats-server":
				address = natstest.Start(t).URL
			case "esdb":
				address, run = esdbURL(t), "-"+uuid.NewString()[:8] // the server may have been used before
			}
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".txt")
				t.Run(name, func(t *testing.T) {
					config := testenv.Config(t, address)
					config.Ledger = name + run
					play(t, file, config)
				})
			}
		})
	}
}

// play runs one scenario from a file against a ledger that it starts, and audits what that leaves.
func play(t *testing.T, file string, config app.Config) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sim := simtest.Start(t)
	config.SandboxURL = sim.URL
	ledger := testenv.Start(t, config, app.Hooks{})
	s := &scenario{t: t, sim: sim, client: testenv.Client{URL: ledger.URL}, orders: map[string]*actor{}}
	acts := 0
	for i, line := range strings.Split(string(text), "\n") {
		words, err := split(line)
		if err == nil && len(words) == 0 {
			continue
		}
		s.line = i + 1
		if err == nil {
			err = s.do(words)
		}
		if err != nil {
			t.Fatalf("%s:%d: %s\n%v", file, i+1, line, err)
		}
		acts++
	}
	if acts == 0 {
		t.Fatalf("%s: nothing happens in it", file)
	}
	ledger.Stop()
	if config.Store != "memory" { // its log is gone with the ledger
		verify(t, config)
	}
}

// scenario is a story under way.
type scenario struct {
	t      *testing.T
	sim    *simtest.Running
	client testenv.Client
	line   int
	orders map[string]*actor // by the name that the story gives
}

// actor is an order of the story, as its last answer showed it.
type actor struct {
	in   domain.Intake
	last domain.View
}

// split takes a line apart at its blanks, outside of quotes; a comment is left out.
func split(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
		word := ""
		for rest != "" && rest[0] != ' ' {
			if rest[0] != '"' {
				word, rest = word+rest[:1], rest[1:]
				continue
			}
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("quotes: %w", err)
			}
			plain, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("quotes: %w", err)
			}
			word, rest = word+plain, rest[len(quoted):]
		}
		words = append(words, word)
	}
	return words, nil
}

// do carries out one line.
func (s *scenario) do(words []string) error {
	given, want := words, []string(nil)
	if i := slices.Index(words, "->"); i >= 0 {
		given, want = words[:i], words[i+1:]
	}
	switch given[0] {
	case "tabs":
		return s.tabs(given[1:])
	case "journal":
		return s.journal(given[1:])
	case "events":
		return s.events(given[1:])
	case "await":
		return s.await(given[1:])
	}
	if len(given) < 2 || len(want) == 0 {
		return fmt.Errorf("an act names an order and, after ->, the answer")
	}
	before := s.client.Head(s.t)
	answer, err := s.act(given[0], given[1], options(given[2:]))
	if err != nil {
		return err
	}
	moved := answer.Status < 400 && !answer.Replayed && given[0] != "show" && answer.Order.Version != s.orders[given[1]].last.Version
	if acts := s.client.OfOrders(s.t, before); moved != (len(acts) > 0) {
		return fmt.Errorf("%v came after %d in the log: %d %s", acts, before, answer.Status, answer.Body)
	}
	if err := expect(answer, want); err != nil {
		return fmt.Errorf("%w\nin the answer %d %s", err, answer.Status, answer.Body)
	}
	if answer.Status < 400 && !answer.Replayed {
		s.orders[given[1]].last = answer.Order
		return s.shows(given[1], answer)
	}
	return nil
}

// options are words such as ref=INV-1; one without = is its own name's only value.
func options(words []string) map[string]string {
	o := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		o[name] = value
	}
	return o
}

// shows checks that the read model has caught up with an answer, and says the same.
func (s *scenario) shows(name string, answer testenv.Answer) error {
	path := fmt.Sprintf("/v1/orders/%s?wait_for=%d", s.orders[name].in.ID(), answer.Position)
	shown, err := s.client.Call(s.t.Context(), http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	if answer.Status == http.StatusAccepted && shown.Order.Version > answer.Order.Version {
		return nil // Stripe has answered meanwhile
	}
	if shown.Status != http.StatusOK || shown.Order.Version != answer.Order.Version || shown.Order.Tab != answer.Order.Tab {
		return fmt.Errorf("the read model says %d %s\nand the answer was %s", shown.Status, shown.Body, answer.Body)
	}
	return nil
}

// act sends one command, or asks for the order.
func (s *scenario) act(verb, name string, o map[string]string) (testenv.Answer, error) {
	if verb == "place" {
		return s.place(name, o)
	}
	a := s.orders[name]
	if a == nil {
		return testenv.Answer{}, fmt.Errorf("order %s was never placed", name)
	}
	path := "/v1/orders/" + a.in.ID().String()
	if verb == "show" {
		return s.client.Call(s.t.Context(), http.MethodGet, path, "", nil)
	}
	headers := s.key(o)
	if o["wait"] != "none" {
		headers = append(headers, "Prefer", "wait=30")
	}
	if slices.Contains([]string{"capture", "ship", "refund", "cancel"}, verb) && o["version"] != "none" {
		version := o["version"]
		if version == "" {
			version = strconv.Itoa(a.last.Version)
		}
		headers = append(headers, "If-Match", strconv.Quote(version))
	}
	body, err := s.body(a, o)
	if err != nil {
		return testenv.Answer{}, err
	}
	return s.client.Call(s.t.Context(), http.MethodPost, path+"/"+verb, "application/json", body, headers...)
}

// key is the Idempotency-Key that a line names, or one that no other line has.
func (s *scenario) key(o map[string]string) []string {
	switch key := o["key"]; key {
	case "none":
		return nil
	case "":
		return []string{"Idempotency-Key", fmt.Sprintf("line-%d", s.line)}
	default:
		return []string{"Idempotency-Key", key}
	}
}

// body is what a line's options say in JSON.
func (s *scenario) body(a *actor, o map[string]string) ([]byte, error) {
	body := map[string]any{}
	for name, value := range o {
		switch name {
		case "key", "version", "wait":
		case "ref":
			body["external_reference"] = value
		case "reason", "text":
			body[name] = value
		case "card":
			pi, err := s.hold(a.in, value)
			if err != nil {
				return nil, err
			}
			body["payment_intent"] = pi
		case "tracking":
			numbers := []domain.Tracking{}
			for _, t := range strings.Split(value, ",") {
				carrier, number, _ := strings.Cut(t, ":")
				numbers = append(numbers, domain.Tracking{Carrier: carrier, Number: number})
			}
			body["tracking"] = numbers
		default:
			return nil, fmt.Errorf("unknown option %s", name)
		}
	}
	return json.Marshal(body)
}

// hold authorizes an order's total with one of the simulator's cards; the same card twice gives the same PaymentIntent.
func (s *scenario) hold(in domain.Intake, card string) (string, error) {
	if card == "" {
		card = "pm_card_visa"
	}
	pi, err := s.sim.Payments.Authorize(s.t.Context(), commands.PaymentRequest{
		Key: "hold-" + in.OrderNumber + "-" + card, OrderID: in.ID().String(), Amount: in.Total, Currency: string(in.Currency),
	}, card)
	return pi.ID, err
}

// place sends an order of 25.00 USD in, paid by card or on account; its freight can be changed.
func (s *scenario) place(name string, o map[string]string) (testenv.Answer, error) {
	in := cardOrder(0)
	in.OrderNumber = name
	_, account := o["account"]
	card, byCard := o["card"]
	if account == byCard {
		return testenv.Answer{}, fmt.Errorf("an order is paid by card or on account")
	}
	if account {
		in.Payment, in.Customer.AccountNumber = domain.Terms{Method: domain.Account}, "A-"+name
	} else {
		pi, err := s.hold(in, card)
		if err != nil {
			return testenv.Answer{}, err
		}
		in.Payment.PaymentIntent = pi
	}
	if freight, ok := o["freight"]; ok {
		n, err := strconv.ParseInt(freight, 10, 64)
		if err != nil {
			return testenv.Answer{}, err
		}
		in.Total, in.Freight = in.Total-in.Freight+n, n
	}
	if s.orders[name] == nil {
		s.orders[name] = &actor{in: in}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return testenv.Answer{}, err
	}
	return s.client.Call(s.t.Context(), http.MethodPost, "/v1/orders", "application/json", body, s.key(o)...)
}
