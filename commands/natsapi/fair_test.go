package natsapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/natsapi"
	"github.com/orderledger/orderledger/domain"
)

// flood sends requests without waiting for answers, which go to what is returned.
func (r *rig) flood(nc *nats.Conn, n int, credentials func(i int) string) *nats.Subscription {
	r.t.Helper()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range n {
		m := &nats.Msg{Subject: "shop.cmd.accept", Reply: inbox, Data: []byte(`{` + order + `}`), Header: nats.Header{}}
		if c := credentials(i); c != "" {
			m.Header.Set("Authorization", c)
		}
		if err := nc.PublishMsg(m); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return answers
}

// One client whose requests fill all that is there for it neither keeps another out nor makes it wait, and is told so.
func TestWhoFloodsDrownsNobody(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if domain.ActorFrom(req.Context()).ID == "nats:OUT" {
			<-release
		}
		w.WriteHeader(http.StatusOK)
	}, func(c *natsapi.Config) { c.Workers, c.Queue = 8, 16 })
	answers := r.flood(r.connect("out"), 100, func(int) string { return "" })
	refused := 100 - 4 - 8
	for range refused { // all of its requests have come in
		m, err := answers.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if got := code(t, m); got != "rate_limited" || m.Header.Get("Retry-After") != "1" || !strings.Contains(m.Header.Get("Nats-Service-Error"), "as many requests underway") {
			t.Fatalf("%s, %v", got, m.Header)
		}
	}
	for range 20 {
		if got := code(t, ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good")); got != "" {
			t.Fatalf("another client was refused: %s", got)
		}
	}
	close(release)
	for range 100 - refused {
		if m, err := answers.NextMsg(patience); err != nil || code(t, m) != "" {
			t.Errorf("%v, %v", m, err)
		}
	}
	if st := r.service.Stats(); st.Refused != int64(refused) || st.Requests != 120 {
		t.Errorf("%+v", st)
	}
}

// slowTokens takes long to find out that a token is nobody's.
type slowTokens struct{ release chan struct{} }

func (s slowTokens) Authenticate(ctx context.Context, secret string) (domain.Actor, error) {
	if secret != "good" {
		<-s.release
	}
	return tokens{}.Authenticate(ctx, secret)
}

// Tokens that are made up don't look like many clients; nor does one that claims to be somebody's count as theirs.
func TestStrangersDrownNobody(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) },
		func(c *natsapi.Config) {
			c.Workers, c.Queue, c.Auth = 8, 16, commandapi.Auth{Tokens: slowTokens{release}}
		})
	if got := code(t, ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good")); got != "" {
		t.Fatal(got)
	}
	answers := r.flood(r.connect("own"), 100, func(i int) string { return fmt.Sprint("Bearer made up ", i) })
	for range 100 - 4 - 8 {
		if m, err := answers.NextMsg(patience); err != nil || code(t, m) != "rate_limited" {
			t.Fatalf("%v, %v", m, err)
		}
	}
	for range 20 {
		if got := code(t, ask(t, r.client, "accept", `{`+order+`}`, "Authorization", "Bearer good")); got != "" {
			t.Fatalf("a known client was refused: %s", got)
		}
	}
	if got := code(t, ask(t, r.connect("out"), "accept", `{`+order+`}`)); got != "" {
		t.Fatalf("a known account was refused: %s", got)
	}
	close(release)
	for range 12 {
		if m, err := answers.NextMsg(patience); err != nil || code(t, m) != "unauthenticated" {
			t.Errorf("%v, %v", m, err)
		}
	}
}
