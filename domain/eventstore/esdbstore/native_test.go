package esdbstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/test/esdbserver"
)

func testEvent(name string) eventstore.Event {
	return eventstore.Event{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Type: "Shipped", Data: []byte(`{"n":"` + name + `"}`),
		Meta: []byte(`{"correlation_id":"\u003cc\u003e","causation_id":"` + uuid.NameSpaceURL.String() + `","hash":"h"}`),
	}
}

func mustAppend(t *testing.T, s eventstore.Store, stream string, expected eventstore.Revision, name string) eventstore.Recorded {
	t.Helper()
	r, err := s.Append(t.Context(), stream, expected, testEvent(name))
	if err != nil {
		t.Fatalf("append %s to %s: %v", name, stream, err)
	}
	return r
}

func readAll(t *testing.T, s eventstore.Store, stream string) (recs []eventstore.Recorded, failed error) {
	t.Helper()
	for r, err := range s.ReadStream(t.Context(), stream, eventstore.NoStream) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// otherClient is another program that knows nothing of ledgers.
func otherClient(t *testing.T, url string) *esdb.Client {
	t.Helper()
	c, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The server's own projections and other clients find the ledger under its natural names.
func TestOthersReadTheLedger(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	shop := connect(t, rig{server: srv, config: esdbstore.Config{Ledger: esdbstore.DefaultLedger}})
	branch := connect(t, rig{server: srv, config: esdbstore.Config{Ledger: "eu-west"}})
	for _, s := range []*esdbstore.Store{shop, branch} {
		defer mustClose(t, s)
		r := mustAppend(t, s, "order-1", eventstore.NoStream, "a")
		mustAppend(t, s, "notice-1", eventstore.NoStream, "b")
		if again, err := readAll(t, s, "order-1"); err != nil || len(again) != 1 || !again[0].Holds(testEvent("a")) || !r.Holds(testEvent("a")) {
			t.Errorf("read %+v, %v", again, err)
		}
	}
	srv.node.Log.Link()
	other := otherClient(t, srv.url)
	for stream, want := range map[string]string{
		"$ce-order": "order-1", "$ce-eu.west.order": "eu.west.order-1", "$et-Shipped": "order-1 notice-1 eu.west.order-1 eu.west.notice-1",
	} {
		r, err := other.ReadStream(t.Context(), stream, esdb.ReadStreamOptions{ResolveLinkTos: true}, 10)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for {
			e, err := r.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, e.Event.StreamID)
			meta := `{"correlation_id":"\u003cc\u003e","causation_id":"` + uuid.NameSpaceURL.String() + `","hash":"h",` +
				`"$correlationId":"\u003cc\u003e","$causationId":"` + uuid.NameSpaceURL.String() + `"}`
			if e.Event.EventType != "Shipped" || e.Event.ContentType != "application/json" || string(e.Event.UserMetadata) != meta {
				t.Errorf("%s: %+v with metadata %s", stream, e.Event, e.Event.UserMetadata)
			}
		}
		r.Close()
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s holds %s, want %s", stream, got, want)
		}
	}
}

func TestMetadataComeBackByteForByte(t *testing.T) {
	s := connect(t, rig{server: startServer(t)})
	defer mustClose(t, s)
	odd := []string{
		`{"correlation_id":"a\",\"$correlationId\":\"b"}`, ` {"correlation_id":"a"}`, `{"correlation_id":""}`, `{"correlation_id":7}`,
		`{"correlation_id":"a","x":{"$correlationId":"b"}}`, `{"correlation_id":"a","$correlationId":"b"}`, `{"x":",\"$correlationId\":"}`,
	}
	for i, meta := range odd {
		e := testEvent(fmt.Sprint("odd", i))
		e.Meta = []byte(meta)
		r, err := s.Append(t.Context(), "order-odd", eventstore.Revision(i-1), e)
		if err != nil || string(r.Meta) != meta {
			t.Errorf("%s came back as %s, %v", meta, r.Meta, err)
		}
	}
	// What could not be told from what the store adds is refused.
	e := testEvent("refused")
	e.Meta = []byte(`{"x":1,"$correlationId":"b"}`)
	if _, err := s.Append(t.Context(), "order-odd", eventstore.Revision(len(odd)-1), e); err == nil {
		t.Error("taken, and it would not come back as it was")
	}
}

func TestOthersOnTheServerAreLeftAlone(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	s := connect(t, rig{server: srv, config: esdbstore.Config{Ledger: esdbstore.DefaultLedger}})
	defer mustClose(t, s)
	log := srv.node.Log
	noise := func() {
		for range 400 {
			log.Write("orders-1", "Other", "not json", "")
			log.Write("eu.order-1", "Other", "{}", "")
		}
		log.Link()
	}
	noise()
	if head, err := s.Head(t.Context()); err != nil || head != 0 {
		t.Errorf("the head is %d, %v", head, err)
	}
	sub, err := s.Subscribe(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for i := range 3 {
		want := mustAppend(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(i))
		noise()
		got, err := sub.Next(t.Context(), 10)
		if err != nil || len(got) != 1 || got[0].Position != want.Position {
			t.Fatalf("followed %v, %v; want %v", got, err, want)
		}
		if head, err := s.Head(t.Context()); err != nil || head != want.Position {
			t.Errorf("the head is %d, %v; want %d", head, err, want.Position)
		}
	}
	// But whoever writes into the ledger's own streams stops it: nothing may be passed over in silence.
	log.Write("order-somebody", "Order Was Shipped", "{}", "{}")
	if _, err := sub.Next(t.Context(), 10); err == nil || !strings.Contains(err.Error(), "order-somebody") {
		t.Errorf("a foreign event among the ledger's: %v", err)
	}
}

// On old servers a commit is a record of its own, and the two positions of an event differ.
func TestCommitRecords(t *testing.T) {
	srv := conformance(t, esdbserver.Options{})
	srv.node.Log.CommitRecords()
	s := connect(t, rig{server: srv})
	defer mustClose(t, s)
	var all []eventstore.Recorded
	for i := range 20 {
		all = append(all, mustAppend(t, s, "order-1", eventstore.Revision(i-1), fmt.Sprint(i)))
		if i > 0 && all[i].Position <= all[i-1].Position {
			t.Errorf("position %d after %d", all[i].Position, all[i-1].Position)
		}
	}
	if head, err := s.Head(t.Context()); err != nil || head != all[19].Position {
		t.Errorf("the head is %d, %v", head, err)
	}
	for i, r := range all[:19] {
		sub, err := s.Subscribe(t.Context(), r.Position)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sub.Next(t.Context(), 1)
		if err != nil || got[0].Position != all[i+1].Position {
			t.Errorf("behind %d came %v, %v", r.Position, got, err)
		}
		_ = sub.Close()
	}
}

func TestWhatTheServerForgotIsAGap(t *testing.T) {
	srv := startServer(t)
	s := connect(t, rig{server: srv, config: esdbstore.Config{Ledger: esdbstore.DefaultLedger, Categories: []string{"order" + strings.ReplaceAll(uuid.NewString(), "-", "")}}})
	defer mustClose(t, s)
	other := otherClient(t, srv.url)
	category := rigOf(t, s).config.Categories[0]
	for name, forget := range map[string]func(stream string) error{
		"truncated": func(stream string) error {
			var m esdb.StreamMetadata
			m.SetTruncateBefore(2)
			_, err := other.SetStreamMetadata(t.Context(), stream, esdb.AppendToStreamOptions{}, m)
			return err
		},
		"deleted": func(stream string) error {
			_, err := other.DeleteStream(t.Context(), stream, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		},
		"tombstoned": func(stream string) error {
			_, err := other.TombstoneStream(t.Context(), stream, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}})
			return err
		},
	} {
		stream := category + "-" + name
		for i := range 4 {
			mustAppend(t, s, stream, eventstore.Revision(i-1), name+fmt.Sprint(i))
		}
		if err := forget(stream); err != nil {
			t.Fatal(err)
		}
		if recs, err := readAll(t, s, stream); !errors.Is(err, eventstore.ErrGap) || len(recs) > 0 {
			t.Errorf("%s: read %d events, %v; want ErrGap", name, len(recs), err)
		}
		if _, err := s.Append(t.Context(), stream, eventstore.NoStream, testEvent("again")); err == nil {
			t.Errorf("%s: it began again", name)
		}
	}
}

func TestTooLargeForTheServer(t *testing.T) {
	s := connect(t, rig{server: conformance(t, esdbserver.Options{MaxAppend: 2000})})
	defer mustClose(t, s)
	e := testEvent("big")
	e.Data = []byte(`{"pad":"` + strings.Repeat("x", 2000) + `"}`)
	if _, err := s.Append(t.Context(), "order-1", eventstore.NoStream, e); !errors.Is(err, eventstore.ErrTooLarge) || !strings.Contains(err.Error(), "MaxAppendSize") {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestSignIn(t *testing.T) {
	const user, password = "ledger", "s3cret/@word"
	node := esdbserver.Start(t, esdbserver.Options{User: user, Password: password, TLS: esdbserver.NewCert(t)})
	_, hosts, _ := strings.Cut(node.URL(), "@")
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	try := func(c esdbstore.Config) error {
		c.Ledger, c.Logger = "shop", log
		s, err := esdbstore.Connect(t.Context(), c)
		if err != nil {
			return err
		}
		defer mustClose(t, s)
		st, err := s.Status(t.Context())
		if st.Location != "esdb://"+node.Address() || st.Backend != "eventstoredb" || st.Durability != eventstore.Server || st.AtomicBatches {
			t.Errorf("status %+v", st)
		}
		return err
	}
	for name, c := range map[string]esdbstore.Config{
		"URL": {URL: node.URL()}, "itself": {URL: "esdb://" + hosts, User: user, Password: password},
	} {
		if err := try(c); err != nil {
			t.Errorf("by %s: %v", name, err)
		}
	}
	errs := map[string]error{
		"a wrong password":    try(esdbstore.Config{URL: "esdb://" + hosts, User: user, Password: "wrong-s3cret"}),
		"nobody":              try(esdbstore.Config{URL: "esdb://" + hosts}),
		"no port":             try(esdbstore.Config{URL: "esdb://ledger:s3cret/@word@" + hosts}),
		"no certificate":      try(esdbstore.Config{URL: "esdb://" + hosts + "&tlsCAFile=none"}),
		"an unknown scheme":   esdbstore.CheckURL("http://ledger:s3cret@host"),
		"nothing to speak to": esdbstore.CheckURL("esdb://"),
		"a bad setting":       esdbstore.CheckURL("esdb://ledger:s3cret@host?tls=maybe"),
	}
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: connected", name)
		} else {
			said.WriteString(err.Error())
		}
	}
	for _, name := range []string{"a wrong password", "nobody"} {
		if !errors.Is(errs[name], eventstore.ErrUnavailable) {
			t.Errorf("%s: %v", name, errs[name])
		}
	}
	if strings.Contains(said.String(), "s3cret") {
		t.Errorf("a password was said: %s", said.String())
	}
}

func TestCancelledWhileTheServerIsAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := esdbstore.Connect(ctx, esdbstore.Config{URL: "esdb://127.0.0.1:1?tls=false", Ledger: "shop"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}
