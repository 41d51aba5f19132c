package commandapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

// The Go client and the server mean the same.
func TestClientSpeaksToTheServer(t *testing.T) {
	e := newEnv(t)
	c, err := client.New(client.Config{Server: e.server.URL, HTTPClient: e.server.Client(), Via: domain.ViaCLI, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	placed, err := c.PlaceJSON(ctx, []byte(order("1", "account")))
	if err != nil || placed.Position == 0 {
		t.Fatalf("placed: %+v, %v", placed, err)
	}
	id, version := placed.Order.ID, 1
	for _, step := range []func() (client.Answer, error){
		func() (client.Answer, error) { return c.Accept(ctx, id) },
		func() (client.Answer, error) { return c.Capture(ctx, id, version, "INV-1") },
		func() (client.Answer, error) {
			return c.Ship(ctx, id, version, []domain.Tracking{{Carrier: "ups", Number: "1Z"}})
		},
		func() (client.Answer, error) { return c.CorrectTracking(ctx, id, nil) },
		func() (client.Answer, error) { return c.AddNote(ctx, id, "broken in transit") },
		func() (client.Answer, error) { return c.Refund(ctx, id, version, "broken") },
		func() (client.Answer, error) { return c.RecordReversal(ctx, id, "CR-1") },
		func() (client.Answer, error) { return c.Archive(ctx, id) },
		func() (client.Answer, error) { return c.Unarchive(ctx, id, client.IfVersion(version), client.Key("u")) },
	} {
		a, err := step()
		if err != nil || a.Order.Version != version+1 || a.Pending || a.Replayed {
			t.Fatalf("after version %d: %+v, %v", version, a, err)
		}
		version++
	}
	if a, err := c.Unarchive(ctx, id, client.Key("u")); err != nil || !a.Replayed {
		t.Errorf("again: %+v, %v", a, err)
	}
	if _, err := c.Capture(ctx, id, 1, "x"); !client.IsCode(err, "version_stale") {
		t.Errorf("stale: %v", err)
	}
	if _, err := c.Reauthorize(ctx, id, ""); !client.IsCode(err, "not_a_card_order") {
		t.Errorf("reauthorize: %v", err)
	}
	if _, err := c.Resume(ctx, id, domain.Resume{Decision: domain.Retry}); !client.IsCode(err, "not_parked") {
		t.Errorf("resume: %v", err)
	}
	if _, err := c.Cancel(ctx, uuid.New(), 1, ""); !client.IsCode(err, "order_not_found") {
		t.Errorf("cancel: %v", err)
	}
	token, err := c.CreateToken(ctx, "till", domain.Clerk)
	if err != nil || !strings.HasPrefix(token.Secret, "olt_") {
		t.Fatalf("token: %+v, %v", token, err)
	}
	if _, err := c.RevokeToken(ctx, token.ID); err != nil {
		t.Errorf("revoke: %v", err)
	}
	imported, err := c.Import(ctx, []byte(order("2", "account")+"\n{}\n"))
	if err != nil || len(imported.Results) != 2 || imported.Results[0].Status != "placed" || len(imported.Results[1].Errors) == 0 {
		t.Errorf("import: %+v, %v", imported, err)
	}
}

// BenchmarkCommands is what the API costs on its own: notes on 1,000 orders, over HTTP, on a log in memory.
func BenchmarkCommands(b *testing.B) {
	e := newEnv(b)
	c, err := client.New(client.Config{Server: e.server.URL, HTTPClient: pooled()})
	if err != nil {
		b.Fatal(err)
	}
	ids := make(chan uuid.UUID, 1000)
	for i := range cap(ids) {
		a, err := c.PlaceJSON(b.Context(), []byte(order(strings.Repeat("x", 1+i%40)+uuid.NewString()[:8], "account")))
		if err != nil {
			b.Fatal(err)
		}
		ids <- a.Order.ID
	}
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id := <-ids
			if _, err := c.AddNote(b.Context(), id, "looked at"); err != nil {
				b.Error(err)
			}
			ids <- id
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

// pooled keeps a connection for each of the benchmark's clients.
func pooled() *http.Client { return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}} }
