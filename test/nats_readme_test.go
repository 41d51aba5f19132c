package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/orderledger/orderledger/test/testenv"
)

// shipOnNATS is the README's example.
func shipOnNATS(nc *nats.Conn, token, orderID, etag string) (*nats.Msg, error) {
	request := nats.NewMsg("orderledger.cmd.ship")
	request.Header.Set("Authorization", "Bearer "+token) // where the connection does not say who it is
	request.Header.Set("Idempotency-Key", "ship-"+orderID)
	request.Header.Set("If-Match", etag)
	request.Data = []byte(`{"order_id":"` + orderID + `","tracking":[{"carrier":"ups","number":"1Z999AA10123456784"}]}`)
	answer, err := nc.RequestMsg(request, 10*time.Second)
	if err != nil {
		return nil, err // send the very same again: it is carried out once
	}
	if code := answer.Header.Get(micro.ErrorCodeHeader); code != "" {
		return nil, fmt.Errorf("%s: %s", code, answer.Header.Get(micro.ErrorHeader))
	}
	return answer, nil
}

// word is one word of a shell command, as far as the README's go.
var word = regexp.MustCompile(`'[^']*'|\S+`)

// natsReq reads a `nats req` command as the nats CLI does: what it sends.
func natsReq(t *testing.T, line string) *nats.Msg {
	t.Helper()
	var args []string
	for _, w := range word.FindAllString(line, -1) {
		if strings.HasPrefix(w, "'") {
			w = strings.Trim(w, "'")
		} else if i := strings.IndexByte(w, '\''); i >= 0 {
			t.Fatalf("%s: the test can't read %s", line, w)
		}
		args = append(args, w)
	}
	m := nats.NewMsg(args[2])
	m.Data = []byte(args[3])
	for i := 4; i < len(args); i += 2 {
		name, value, ok := strings.Cut(args[i+1], ":")
		if args[i] != "-H" || !ok {
			t.Fatalf("%s: what is %s %s?", line, args[i], args[i+1])
		}
		m.Header.Add(name, value)
	}
	return m
}

// The README's examples, sent as they stand there, do what they say.
func TestReadmeOnNATS(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## NATS\n")
	l, _, url := serveWithNATS(t)
	nc := connectNATS(t, url)
	by := natsClient{t: t, nc: nc, ledger: "orderledger"}
	id := by.importCard(0)
	sent := 0
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "nats req ") {
			continue
		}
		sent++
		answer, err := nc.RequestMsg(natsReq(t, strings.ReplaceAll(line, "ID\"", id+"\"")), testenv.Patience)
		if err != nil || answer.Header.Get(micro.ErrorCodeHeader) != "" {
			t.Errorf("%s: %v, %v", line, err, answer)
		}
	}
	if sent < 5 {
		t.Errorf("the README sends %d requests", sent)
	}

	_, code, _ := strings.Cut(section, "```go\n")
	code, _, _ = strings.Cut(code, "```")
	own, err := os.ReadFile("nats_readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if indented := "\t" + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n\t"); len(code) < 100 || !strings.Contains(string(own), indented) {
		t.Errorf("the README's program is not shipOnNATS:\n%s", indented)
	}
	other := by.ask("place", intake(t, 1), "Idempotency-Key", "p").order.ID.String()
	by.ask("accept", `{"order_id":"`+other+`"}`, "Idempotency-Key", "a")
	if _, err := shipOnNATS(nc, "olt_wrong", other, `"2"`); err == nil || !strings.Contains(err.Error(), "unauthenticated") {
		t.Errorf("%v", err)
	}
	if _, err := shipOnNATS(nc, makeToken(t, testenv.Client{URL: l.URL}, "anna", "clerk"), other, `"2"`); err != nil {
		t.Error(err)
	}
}

// Every command on orders, and every query of the tabs, that HTTP has is there on NATS.
func TestEveryCommandIsOnNATS(t *testing.T) {
	l, _, url := serveWithNATS(t)
	a, err := (testenv.Client{URL: l.URL}).Call(t.Context(), http.MethodGet, "/openapi.json", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var http struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(a.Body, &http); err != nil {
		t.Fatal(err)
	}
	m, err := connectNATS(t, url).Request("$SRV.INFO.orderledger", nil, testenv.Patience)
	if err != nil {
		t.Fatal(err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, e := range info.Endpoints {
		served[e.Metadata["http"]] = true
	}
	commands := 0
	for path, methods := range http.Paths {
		if methods["post"] == nil || !(strings.HasPrefix(path, "/v1/orders") || path == "/v1/imports") {
			continue
		}
		commands++
		if !served["POST "+path] {
			t.Errorf("POST %s is not there", path)
		}
	}
	for _, query := range []string{"GET /v1/tabs", "GET /v1/orders", "GET /v1/orders/{id}", "GET /v1/orders/{id}/events"} {
		if !served[query] {
			t.Errorf("%s is not there", query)
		}
	}
	if commands < 15 {
		t.Errorf("HTTP has %d commands", commands)
	}
}
