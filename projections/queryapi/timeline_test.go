package queryapi_test

import (
	"context"
	"iter"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
	"github.com/orderledger/orderledger/projections/queryapi/querytest"
)

// upTo is a read model that has handled the log up to a position.
type upTo struct {
	*querytest.Ledger
	position eventstore.Position
}

func (m upTo) History(ctx context.Context, id uuid.UUID, limit int) (projections.History, error) {
	h, err := m.Ledger.History(ctx, id, limit)
	h.Position = m.position
	for i, r := range h.Events {
		if r.Position > m.position {
			h.Events = h.Events[:i:i]
			break
		}
	}
	return h, err
}

// counted is a log that counts the streams that are read, and must be read beyond a position alone.
type counted struct {
	*querytest.Ledger
	beyond eventstore.Position
	reads  *int
}

func (c counted) ReadStream(context.Context, string, eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	panic("all of a stream is read")
}

func (c counted) ReadLater(ctx context.Context, stream string, after eventstore.Revision, beyond eventstore.Position) iter.Seq2[eventstore.Recorded, error] {
	if *c.reads++; beyond != c.beyond {
		panic("read beyond another position")
	}
	return c.Ledger.ReadStream(ctx, stream, after)
}

// A timeline is all that the log holds, wherever the read model is; and of the log only that is read which the model doesn't have.
func TestTimelineWhereverTheModelIs(t *testing.T) {
	l := querytest.New()
	id := l.Place(t, clerk, querytest.Placed("100", domain.Card))
	other := l.Place(t, clerk, querytest.Placed("101", domain.Card))
	l.Add(t, eventstore.NoticeStream(id), clerk, eventstore.NotificationRequested{Notice: uuid.Max})
	l.Add(t, eventstore.OrderStream(id), clerk, domain.Accepted{})
	l.Add(t, eventstore.NoticeStream(id), clerk, eventstore.NotificationSent{Notice: uuid.Max})
	l.Add(t, eventstore.OrderStream(other), clerk, domain.Accepted{})
	l.Add(t, eventstore.OrderStream(id), clerk, domain.NoteAdded{})
	head := l.Add(t, eventstore.OrderStream(other), clerk, domain.NoteAdded{})
	want, err := queryapi.Timeline(t.Context(), upTo{l, 0}, l, l.Codec, id)
	if err != nil || len(want.Entries) != 5 || want.More || want.Entries[2].Status != domain.StatusAccepted {
		t.Fatalf("%+v, %v", want, err)
	}
	for at := range head + 1 {
		reads := 0
		got, err := queryapi.Timeline(t.Context(), upTo{l, at}, counted{l, at, &reads}, l.Codec, id)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("with a model at %d: %+v, %v", at, got, err)
		}
		if asked := map[bool]int{true: 0, false: 2}[at == head]; reads != asked {
			t.Errorf("with a model at %d, %d streams are read of the log, want %d", at, reads, asked)
		}
	}
	none, err := queryapi.Timeline(t.Context(), upTo{l, head - 1}, l, l.Codec, uuid.New())
	if err != nil || none.Known.Exists() || none.Entries == nil || len(none.Entries) > 0 {
		t.Errorf("of no order: %+v, %v", none, err)
	}
}

// A timeline ends after so many events, and says that there are more, wherever these are read.
func TestTimelineIsBounded(t *testing.T) {
	l := querytest.New()
	id := l.Place(t, clerk, querytest.Placed("100", domain.Card))
	var batch []eventstore.Proposed
	for n := range eventstore.Revision(queryapi.MaxTimeline) {
		e, err := l.Codec.Encode(eventstore.OrderStream(id), domain.Accepted{})
		if err != nil {
			t.Fatal(err)
		}
		e.ID = uuid.NewSHA1(id, []byte{byte(n), byte(n >> 8)})
		if e, _, err = eventstore.Seal(eventstore.OrderStream(id), n+1, e, eventstore.Envelope{Schema: 1}); err != nil {
			t.Fatal(err)
		}
		batch = append(batch, eventstore.Proposed{Stream: eventstore.OrderStream(id), Expected: n, Event: e})
		if len(batch) == eventstore.MaxBatch {
			if _, err := l.AppendMany(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	for _, at := range []eventstore.Position{0, 1, 5000, queryapi.MaxTimeline, queryapi.MaxTimeline + 1} {
		got, err := queryapi.Timeline(t.Context(), upTo{l, at}, l, l.Codec, id)
		if err != nil || !got.More || len(got.Entries) != queryapi.MaxTimeline || got.Entries[queryapi.MaxTimeline-1].Position != queryapi.MaxTimeline {
			t.Errorf("with a model at %d: %d entries, more: %v, %v", at, len(got.Entries), got.More, err)
		}
	}
}
