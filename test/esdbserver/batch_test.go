package esdbserver_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/orderledger/orderledger/test/esdbserver"
)

// stubs speaks the protocol itself: the client offers no batch append.
func stubs(t *testing.T, address string) streams.StreamsClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return streams.NewStreamsClient(conn)
}

func inBatch(n int64, stream, names string, options *streams.BatchAppendReq_Options, final bool) *streams.BatchAppendReq {
	m := &streams.BatchAppendReq{Options: options, IsFinal: final, CorrelationId: &shared.UUID{Value: &shared.UUID_String_{
		String_: fmt.Sprintf("00000000-0000-0000-0000-%012d", n),
	}}}
	if options != nil {
		options.StreamIdentifier = &shared.StreamIdentifier{StreamName: []byte(stream)}
	}
	for _, name := range strings.Fields(names) {
		e := event(name)
		m.ProposedMessages = append(m.ProposedMessages, &streams.BatchAppendReq_ProposedMessage{
			Id:   &shared.UUID{Value: &shared.UUID_String_{String_: e.EventID.String()}},
			Data: e.Data, Metadata: map[string]string{"type": e.EventType, "content-type": "application/json"},
		})
	}
	return m
}

func atNone() *streams.BatchAppendReq_Options {
	return &streams.BatchAppendReq_Options{ExpectedStreamPosition: &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}}
}

func atRevision(n uint64) *streams.BatchAppendReq_Options {
	return &streams.BatchAppendReq_Options{ExpectedStreamPosition: &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: n}}
}

// Appends of one call are carried out in the order in which their last parts come; one that is refused stops none.
func TestBatchAppend(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{MaxAppend: 500})
	client := dial(t, node.URL())
	mustAdd(t, client, "order-9", esdb.NoStream{}, "z")
	if _, err := client.TombstoneStream(t.Context(), "order-9", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Any{}}); err != nil {
		t.Fatal(err)
	}
	call, err := stubs(t, node.Address()).BatchAppend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*streams.BatchAppendReq{
		inBatch(1, "order-1", "a", atNone(), false),
		inBatch(2, "order-2", "b c", atNone(), true),
		inBatch(1, "", "d", nil, true),
		inBatch(3, "order-1", "e", atNone(), true),
		inBatch(4, "order-1", "f", atRevision(1), true),
		inBatch(5, "order-1", "f", atRevision(1), true),
		inBatch(6, "order-9", "g", atNone(), true),
		inBatch(7, "order-3", strings.Repeat("h ", 20), atNone(), true),
		inBatch(8, "order-4", "i", atNone(), true),
	} {
		if err := call.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	for len(said) < 8 {
		a, err := call.Recv()
		if err != nil {
			t.Fatal(err)
		}
		n := strings.TrimLeft(a.GetCorrelationId().GetString_(), "0-")
		if failure := a.GetError(); failure != nil {
			said = append(said, fmt.Sprintf("%s:%s(%s)", n, failure.GetMessage(), codes.Code(failure.GetCode())))
		} else {
			said = append(said, fmt.Sprintf("%s:%d", n, a.GetSuccess().GetCurrentRevision()))
		}
	}
	want := "2:1 1:1 3:WrongExpectedVersion(AlreadyExists) 4:2 5:2 6:StreamDeleted(NotFound) 7:MaximumAppendSizeExceeded(InvalidArgument) 8:0"
	if got := strings.Join(said, " "); got != want {
		t.Errorf("answers %s\nwant    %s", got, want)
	}
	events, err := all(t, client, esdb.ReadAllOptions{From: esdb.Start{}}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, e := range events {
		if strings.HasPrefix(e.StreamID, "order-") && e.EventType == "Shipped" {
			held = append(held, strings.Split(string(e.Data), `"`)[3])
		}
	}
	if got := strings.Join(held, " "); got != "z b c a d f i" {
		t.Errorf("$all holds %s", got)
	}
}

// Who says that all is sent gets one more answer, not all of them.
func TestBatchAppendThatIsClosed(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	call, err := stubs(t, node.Address()).BatchAppend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Send(inBatch(1, "order-1", "a", atNone(), true)); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Recv(); err != nil {
		t.Fatal(err)
	}
	const more = 5000
	for i := range int64(more) {
		if err := call.Send(inBatch(i+2, fmt.Sprint("order-", i+2), "b", atNone(), true)); err != nil {
			t.Fatal(err)
		}
	}
	if err := call.CloseSend(); err != nil {
		t.Fatal(err)
	}
	answers := 0
	for {
		if _, err := call.Recv(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		if answers++; answers == more {
			break // it was slow to hear of it: no end comes
		}
	}
	if n := len(node.Log.Streams("order-")); n != more+1 {
		t.Errorf("%d of %d appends were carried out", n, more+1)
	}
}

// A node that does not lead any more ends a batch call in its middle, and says who leads.
func TestBatchAppendKnowsTheLeader(t *testing.T) {
	c := esdbserver.StartCluster(t, 3, esdbserver.Options{})
	call, err := stubs(t, c.Nodes[0].Address()).BatchAppend(wantLeader(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Send(inBatch(1, "order-1", "a", atNone(), true)); err != nil {
		t.Fatal(err)
	}
	if a, err := call.Recv(); err != nil || a.GetError() != nil {
		t.Fatalf("%v, %v", a, err)
	}
	c.Lead(c.Nodes[2])
	if err := call.Send(inBatch(2, "order-1", "b", atRevision(0), true)); err != nil {
		t.Fatal(err)
	}
	_, err = call.Recv()
	if said := call.Trailer().Get("leader-endpoint-port"); status.Code(err) != codes.NotFound || len(said) == 0 ||
		!strings.HasSuffix(c.Nodes[2].Address(), ":"+said[0]) {
		t.Errorf("%v, leader at %v", err, said)
	}
	if n := c.Nodes[0].Log.Events("order-1"); n != 1 {
		t.Errorf("%d events", n)
	}
}
