package esdbserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/orderledger/orderledger/test/esdbserver"
)

// dial returns the real client for a connection string.
func dial(t *testing.T, url string) *esdb.Client {
	t.Helper()
	c, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	c.Logger, c.MaxDiscoverAttempts = esdb.NoopLogging(), 3
	client, err := esdb.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func event(name string) esdb.EventData {
	return esdb.EventData{
		EventID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), EventType: "Shipped", ContentType: esdb.ContentTypeJson,
		Data: fmt.Appendf(nil, `{"name":%q}`, name), Metadata: []byte(`{"m":1}`),
	}
}

func add(t *testing.T, c *esdb.Client, stream string, want esdb.ExpectedRevision, names ...string) (*esdb.WriteResult, error) {
	t.Helper()
	var events []esdb.EventData
	for _, n := range names {
		events = append(events, event(n))
	}
	return c.AppendToStream(t.Context(), stream, esdb.AppendToStreamOptions{ExpectedRevision: want}, events...)
}

func mustAdd(t *testing.T, c *esdb.Client, stream string, want esdb.ExpectedRevision, names ...string) *esdb.WriteResult {
	t.Helper()
	r, err := add(t, c, stream, want, names...)
	if err != nil {
		t.Fatalf("append %v to %s: %v", names, stream, err)
	}
	return r
}

func wantCode(t *testing.T, err error, code esdb.ErrorCode) {
	t.Helper()
	var e *esdb.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Errorf("%v, want code %d", err, code)
	}
}

// read says the events of a stream as "revision:name", and the error that ended the read.
func read(t *testing.T, c *esdb.Client, stream string, o esdb.ReadStreamOptions) ([]string, error) {
	t.Helper()
	r, err := c.ReadStream(t.Context(), stream, o, 1000)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var all []string
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d:%s", e.Event.EventNumber, strings.Split(string(e.Event.Data), `"`)[3]))
	}
}

func wantRead(t *testing.T, c *esdb.Client, stream string, o esdb.ReadStreamOptions, want string) {
	t.Helper()
	got, err := read(t, c, stream, o)
	if err != nil || strings.Join(got, " ") != want {
		t.Errorf("%s reads %v, %v; want %s", stream, got, err, want)
	}
}

func TestAppendAndRead(t *testing.T) {
	c := dial(t, esdbserver.Start(t, esdbserver.Options{}).URL())
	first := mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b")
	second := mustAdd(t, c, "order-1", esdb.Revision(1), "c")
	if first.NextExpectedVersion != 1 || second.NextExpectedVersion != 2 {
		t.Errorf("revisions %d, %d", first.NextExpectedVersion, second.NextExpectedVersion)
	}
	if second.CommitPosition < first.CommitPosition+100 {
		t.Errorf("positions %d, %d are dense", first.CommitPosition, second.CommitPosition)
	}
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{From: esdb.Start{}}, "0:a 1:b 2:c")
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{From: esdb.Revision(1)}, "1:b 2:c")
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{From: esdb.Revision(17)}, "")
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, "2:c 1:b 0:a")
	_, err := read(t, c, "order-2", esdb.ReadStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)

	r, err := c.ReadStream(t.Context(), "order-1", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e, err := r.Recv()
	if err != nil {
		t.Fatal(err)
	}
	got, want := e.Event, event("c")
	if got.EventID != want.EventID || got.EventType != "Shipped" || got.ContentType != "application/json" ||
		string(got.Data) != string(want.Data) || string(got.UserMetadata) != `{"m":1}` || time.Since(got.CreatedDate) > time.Hour ||
		got.Position.Commit != second.CommitPosition {
		t.Errorf("read %+v", got)
	}
}

func TestExpectedRevisionsAndRepeats(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	c := dial(t, node.URL())
	for _, want := range []esdb.ExpectedRevision{esdb.Revision(0), esdb.StreamExists{}} {
		_, err := add(t, c, "order-1", want, "a")
		wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	}
	a := mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b")
	last := mustAdd(t, c, "order-1", esdb.Revision(1), "c")
	for _, again := range []*esdb.WriteResult{
		mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b"), mustAdd(t, c, "order-1", esdb.Any{}, "a", "b"),
	} {
		if *again != *a {
			t.Errorf("again it is %+v, was %+v", again, a)
		}
	}
	if r := mustAdd(t, c, "order-1", esdb.Revision(1), "c"); *r != *last {
		t.Errorf("again it is %+v, was %+v", r, last)
	}
	for name, err := range map[string]error{
		"another event": second(add(t, c, "order-1", esdb.NoStream{}, "z")),
		"another place": second(add(t, c, "order-1", esdb.Revision(0), "a")),
		"half of it":    second(add(t, c, "order-1", esdb.Revision(1), "c", "z")),
		"ahead":         second(add(t, c, "order-1", esdb.Revision(9), "z")),
	} {
		var e *esdb.Error
		if !errors.As(err, &e) || e.Code() != esdb.ErrorCodeWrongExpectedVersion {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := node.Log.Events("order-1"); n != 3 {
		t.Errorf("%d events", n)
	}
	mustAdd(t, c, "order-1", esdb.StreamExists{}, "d")
}

func second[A any](_ A, err error) error { return err }

func TestDeletion(t *testing.T) {
	c := dial(t, esdbserver.Start(t, esdbserver.Options{}).URL())
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b")
	if _, err := c.DeleteStream(t.Context(), "order-1", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(0)}); err == nil {
		t.Error("deleted at a wrong revision")
	}
	if _, err := c.DeleteStream(t.Context(), "order-1", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)}); err != nil {
		t.Fatal(err)
	}
	_, err := read(t, c, "order-1", esdb.ReadStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeResourceNotFound)
	if r := mustAdd(t, c, "order-1", esdb.NoStream{}, "c"); r.NextExpectedVersion != 2 {
		t.Errorf("it begins again at revision %d, want 2", r.NextExpectedVersion)
	}
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{}, "2:c")

	if _, err := c.TombstoneStream(t.Context(), "order-1", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	_, err = read(t, c, "order-1", esdb.ReadStreamOptions{})
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
	_, err = add(t, c, "order-1", esdb.Any{}, "d")
	wantCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestStreamMetadata(t *testing.T) {
	c := dial(t, esdbserver.Start(t, esdbserver.Options{}).URL())
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b", "c", "d")
	set := func(change func(*esdb.StreamMetadata)) {
		var m esdb.StreamMetadata
		change(&m)
		if _, err := c.SetStreamMetadata(t.Context(), "order-1", esdb.AppendToStreamOptions{}, m); err != nil {
			t.Fatal(err)
		}
	}
	set(func(m *esdb.StreamMetadata) { m.SetMaxCount(2) })
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{}, "2:c 3:d")
	set(func(m *esdb.StreamMetadata) { m.SetTruncateBefore(1) })
	wantRead(t, c, "order-1", esdb.ReadStreamOptions{}, "1:b 2:c 3:d")
	m, err := c.GetStreamMetadata(t.Context(), "order-1", esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}})
	if err != nil || m.TruncateBefore() == nil || *m.TruncateBefore() != 1 || m.MaxCount() != nil {
		t.Errorf("metadata %+v, %v", m, err)
	}
}

// all reads $all from a place.
func all(t *testing.T, c *esdb.Client, o esdb.ReadAllOptions, count uint64) ([]*esdb.RecordedEvent, error) {
	t.Helper()
	r, err := c.ReadAll(t.Context(), o, count)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var events []*esdb.RecordedEvent
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, e.Event)
	}
}

func TestAllHoldsTheServersOwnEventsAndLinks(t *testing.T) {
	for _, commits := range []bool{false, true} {
		node := esdbserver.Start(t, esdbserver.Options{})
		if commits {
			node.Log.CommitRecords()
		}
		c := dial(t, node.URL())
		mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b")
		mustAdd(t, c, "order-2", esdb.NoStream{}, "c")
		if _, err := c.SetStreamMetadata(t.Context(), "order-2", esdb.AppendToStreamOptions{}, esdb.StreamMetadata{}); err != nil {
			t.Fatal(err)
		}
		node.Log.Link()
		wantRead(t, c, "$ce-order", esdb.ReadStreamOptions{ResolveLinkTos: true}, "0:a 1:b 0:c")
		wantRead(t, c, "$et-Shipped", esdb.ReadStreamOptions{ResolveLinkTos: true}, "0:a 1:b 0:c")

		events, err := all(t, c, esdb.ReadAllOptions{From: esdb.Start{}}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for i, e := range events {
			kinds[e.EventType]++
			if i > 1 && (e.Position.Commit < events[i-1].Position.Commit || e.Position.Prepare <= events[i-1].Position.Prepare) {
				t.Errorf("position %+v after %+v", e.Position, events[i-1].Position)
			}
			if differ := e.Position.Commit != e.Position.Prepare; i > 0 && differ != commits {
				t.Errorf("position %+v", e.Position)
			}
			if i == 0 {
				continue
			}
			rest, err := all(t, c, esdb.ReadAllOptions{From: e.Position}, 1000)
			if err != nil || len(rest) != len(events)-i {
				t.Errorf("from %+v on %d events, %v; want %d", e.Position, len(rest), err, len(events)-i)
			}
			before, err := all(t, c, esdb.ReadAllOptions{From: e.Position, Direction: esdb.Backwards}, 1000)
			if err != nil || len(before) != i {
				t.Errorf("before %+v %d events, %v; want %d", e.Position, len(before), err, i)
			}
		}
		if kinds["Shipped"] != 3 || kinds["$metadata"] != 1 || kinds["$>"] < 6 || kinds["$EpochInformation"] != 1 {
			t.Errorf("$all holds %v", kinds)
		}
		if _, err := all(t, c, esdb.ReadAllOptions{From: esdb.Position{Commit: events[2].Position.Prepare + 1}}, 10); err == nil {
			t.Error("$all was read from where no record begins")
		}
		tail, err := all(t, c, esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}, 2)
		if err != nil || len(tail) != 2 || tail[0].EventID != events[len(events)-1].EventID {
			t.Errorf("the tail is %v, %v", tail, err)
		}
	}
}

// Before going on, a subscription has confirmed and caught up; what its filter passes over makes checkpoints.
func TestFilteredSubscription(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	c := dial(t, node.URL())
	first := mustAdd(t, c, "order-1", esdb.NoStream{}, "a")
	for i := range 20 {
		node.Log.Write("other-1", "Noise", "{}", fmt.Sprint(i))
	}
	mustAdd(t, c, "order-1", esdb.Revision(0), "b")
	o := esdb.SubscribeToAllOptions{
		From: esdb.Start{}, MaxSearchWindow: 4, CheckpointInterval: 2,
		Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"order-"}},
	}
	sub, err := c.SubscribeToAll(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if got := heard(sub); got != "a check check b caught-up" {
		t.Errorf("heard %s", got)
	}
	mustAdd(t, c, "order-1", esdb.Revision(1), "c")
	if e := sub.Recv(); e.EventAppeared == nil || e.EventAppeared.Event.EventNumber != 2 {
		t.Errorf("live: %+v", e)
	}
	o.From = esdb.Position{Commit: first.CommitPosition, Prepare: first.PreparePosition}
	later, err := c.SubscribeToAll(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if got := heard(later); got != "check check b c caught-up" && got != "check check b check c caught-up" {
		t.Errorf("behind the first event: %s", got)
	}
	o.Filter = &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: "^Noi"}
	o.From, o.MaxSearchWindow = esdb.Start{}, 1000
	noise, err := c.SubscribeToAll(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer noise.Close()
	for i := range 20 {
		if e := noise.Recv(); e.EventAppeared == nil || e.EventAppeared.Event.EventNumber != uint64(i) {
			t.Fatalf("by type: %+v", e)
		}
	}
}

// wantLeader lets a call be answered by the leader alone. The client's own option of this name does not reach the server.
func wantLeader(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
}

// heard is what a subscription says until it has caught up.
func heard(sub *esdb.Subscription) string {
	var all []string
	for {
		switch e := sub.Recv(); {
		case e.EventAppeared != nil:
			all = append(all, strings.Split(string(e.EventAppeared.Event.Data), `"`)[3])
		case e.CheckPointReached != nil:
			all = append(all, "check")
		case e.CaughtUp != nil:
			return strings.Join(append(all, "caught-up"), " ")
		default:
			return fmt.Sprintf("%v, then dropped: %v", all, e.SubscriptionDropped)
		}
	}
}

func TestSubscriptionToAStream(t *testing.T) {
	c := dial(t, esdbserver.Start(t, esdbserver.Options{}).URL())
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a", "b")
	sub, err := c.SubscribeToStream(t.Context(), "order-1", esdb.SubscribeToStreamOptions{From: esdb.Revision(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if got := heard(sub); got != "b caught-up" {
		t.Errorf("heard %s", got)
	}
	mustAdd(t, c, "order-1", esdb.Revision(1), "c")
	if e := sub.Recv(); e.EventAppeared == nil || e.EventAppeared.Event.EventNumber != 2 {
		t.Errorf("live: %+v", e)
	}
}

func TestSizeLimit(t *testing.T) {
	c := dial(t, esdbserver.Start(t, esdbserver.Options{MaxAppend: 1000}).URL())
	big := event("big")
	big.Metadata = nil
	big.Data = make([]byte, 1000-2*len(big.EventType))
	o := esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}
	if _, err := c.AppendToStream(t.Context(), "order-1", o, big); err != nil {
		t.Error(err)
	}
	big.Data, big.EventID = append(big.Data, 0), uuid.New()
	if _, err := c.AppendToStream(t.Context(), "order-2", o, big); status.Code(errors.Unwrap(err)) != codes.InvalidArgument {
		t.Errorf("%v, want InvalidArgument", err)
	}
}

func TestSignInAndTLS(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{User: "admin", Password: "ch@nge/it", TLS: esdbserver.NewCert(t)})
	mustAdd(t, dial(t, node.URL()), "order-1", esdb.NoStream{}, "a")
	for from, to := range map[string]esdb.ErrorCode{
		"wrong": esdb.ErrorCodeUnauthenticated, "none": esdb.ErrorCodeAccessDenied,
	} {
		user, rest, _ := strings.Cut(strings.TrimPrefix(node.URL(), "esdb://"), "@")
		url := "esdb://" + strings.Replace(user, "nge", from, 1) + "@" + rest
		if from == "none" {
			url = "esdb://" + rest
		}
		_, err := add(t, dial(t, url), "order-1", esdb.Revision(0), "b")
		for errors.Is(err, io.EOF) { // refused before all was sent, which the client does not look into
			_, err = add(t, dial(t, url), "order-1", esdb.Revision(0), "b")
		}
		wantCode(t, err, to)
	}
	stranger, _, _ := strings.Cut(node.URL(), "&tlsCAFile")
	if _, err := add(t, dial(t, stranger), "order-1", esdb.Revision(0), "b"); err == nil {
		t.Error("a certificate that nobody vouches for was trusted")
	}
}

func TestFaults(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{User: "admin", Password: "changeit", TLS: esdbserver.NewCert(t)})
	proxy := esdbserver.StartProxy(t, node.URL())
	for name, where := range map[string]struct {
		faults *esdbserver.Faults
		url    string
	}{
		"node": {&node.Faults, node.URL()}, "proxy": {&proxy.Faults, proxy.URL()},
	} {
		t.Run(name, func(t *testing.T) {
			faults, stream := where.faults, "order-"+name
			c := dial(t, where.url)
			mustAdd(t, c, stream, esdb.NoStream{}, "a", "b", "c")
			_, err := add(t, c, stream, esdb.NoStream{}, "z")
			wantCode(t, err, esdb.ErrorCodeWrongExpectedVersion)

			faults.LoseAppends(1)
			_, err = add(t, c, stream, esdb.Revision(2), "d")
			wantCode(t, err, esdb.ErrorUnavailable)
			if n := node.Log.Events(stream); n != 4 {
				t.Errorf("%d events: the lost append was not applied", n)
			}
			mustAdd(t, c, stream, esdb.Revision(2), "d")

			faults.CutRead(2)
			got, err := read(t, c, stream, esdb.ReadStreamOptions{})
			wantCode(t, err, esdb.ErrorUnavailable)
			if strings.Join(got, " ") != "0:a 1:b" {
				t.Errorf("read %v before the cut", got)
			}
			faults.CutRead(3)
			sub, err := c.SubscribeToStream(t.Context(), stream, esdb.SubscribeToStreamOptions{From: esdb.Start{}})
			if err != nil {
				t.Fatal(err)
			}
			if e := sub.Recv(); e.EventAppeared == nil {
				t.Errorf("before the cut: %+v", e)
			}
			sub.Recv()
			if e := sub.Recv(); e.SubscriptionDropped == nil {
				t.Errorf("after the cut: %+v", e)
			}

			faults.Fail("Append", codes.Aborted)
			if _, err = add(t, c, stream, esdb.Revision(3), "e"); !errors.Is(err, io.EOF) { // the answer may be there before all is sent
				wantCode(t, err, esdb.ErrorAborted)
			}

			release := faults.Hold()
			short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, err = c.AppendToStream(short, stream, esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(3)}, event("e"))
			cancel()
			release()
			wantCode(t, err, esdb.ErrorCodeDeadlineExceeded)
			mustAdd(t, c, stream, esdb.Revision(3), "e")
		})
	}
}

func TestRestart(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	c := dial(t, node.URL())
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a")
	node.Stop()
	if _, err := add(t, c, "order-1", esdb.Revision(0), "b"); err == nil {
		t.Error("a node that is down took an append")
	}
	node.Restart()
	again := dial(t, node.URL())
	mustAdd(t, again, "order-1", esdb.Revision(0), "b")
	wantRead(t, again, "order-1", esdb.ReadStreamOptions{}, "0:a 1:b")
}

func TestClusterHasALeader(t *testing.T) {
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{})
	seeds := strings.Replace(c.URL(), "esdb+discover", "esdb", 1) // this client takes seeds without "+discover" alone
	client := dial(t, seeds)
	mustAdd(t, client, "order-1", esdb.NoStream{}, "a")

	// Who wants the leader and asks a follower is told where the leader is, and this client then goes there.
	o := esdb.AppendToStreamOptions{ExpectedRevision: esdb.Revision(0)}
	leaderOnly := wantLeader(t.Context())
	c.Lead(c.Nodes[2])
	r, err := client.ReadStream(leaderOnly, "order-1", esdb.ReadStreamOptions{}, 1)
	if err == nil {
		_, err = r.Recv()
	}
	wantCode(t, err, esdb.ErrorCodeNotLeader)
	if _, err := client.AppendToStream(leaderOnly, "order-1", o, event("b")); err != nil {
		t.Errorf("at the leader: %v", err)
	}
	killed := c.Kill()
	if _, err := add(t, client, "order-1", esdb.Revision(1), "c"); err == nil {
		t.Error("a dead leader took an append")
	}
	w, err := add(t, client, "order-1", esdb.Revision(1), "c")
	for attempt := 0; err != nil && attempt < 10; attempt++ { // it looks for the leader when a call failed, not while one does
		w, err = add(t, client, "order-1", esdb.Revision(1), "c")
	}
	if err != nil || w.NextExpectedVersion != 2 {
		t.Errorf("at the new leader: %+v, %v", w, err)
	}
	c.Revive(killed)
	mustAdd(t, dial(t, "esdb://"+killed.Address()+"?tls=false"), "order-1", esdb.Revision(2), "d")
}

func TestHandsOnTheLog(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	c := dial(t, node.URL())
	var at []uint64
	for i, n := range []string{"a", "b", "c", "d"} {
		want := esdb.ExpectedRevision(esdb.NoStream{})
		if i > 0 {
			want = esdb.Revision(uint64(i - 1))
		}
		at = append(at, mustAdd(t, c, "order-1", want, n).CommitPosition)
	}
	if !node.Log.Remove(at[1]) || !node.Log.Flip(at[2]) || node.Log.Remove(at[1]+1) {
		t.Error("no event found by its position")
	}
	got, err := read(t, c, "order-1", esdb.ReadStreamOptions{})
	if err != nil || len(got) != 3 || got[0] != "0:a" || got[1] == "2:c" || got[2] != "3:d" {
		t.Errorf("read %v, %v", got, err)
	}
	node.Log.Truncate(at[3])
	if n := node.Log.Events("order-1"); n != 3 {
		t.Errorf("%d events after the truncation", n)
	}
}
