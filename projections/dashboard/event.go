package dashboard

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// eventPage shows one event as the log holds it.
type eventPage struct {
	layout
	eventstore.Recorded
	Order       string
	What, Who   string
	Fact        string // the stored bytes, with white space between them
	Envelope    string // likewise
	Sound       bool   // the hash is that of these bytes, and follows the event before
	Trouble     string // why not
	Back        string
	Before, Hex string // hashes: of the event before, and of this one
}

func (b *dashboard) orderEvent(w http.ResponseWriter, r *http.Request) error {
	return b.rawEvent(w, r, eventstore.OrderStream)
}

func (b *dashboard) noticeEvent(w http.ResponseWriter, r *http.Request) error {
	return b.rawEvent(w, r, eventstore.NoticeStream)
}

// rawEvent shows an event's stored bytes to whoever may see the order: they say no more than the order's page and the API's timeline
// do, but prove it.
func (b *dashboard) rawEvent(w http.ResponseWriter, r *http.Request, stream func(uuid.UUID) string) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return domain.Reject(domain.OrderNotFound)
	}
	n, err := strconv.ParseInt(r.PathValue("revision"), 10, 64)
	if err != nil || n < 0 {
		return errNoPage
	}
	revision, before := eventstore.Revision(n), ""
	for recorded, err := range b.Log.ReadStream(r.Context(), stream(id), max(eventstore.NoStream, revision-2)) {
		if err != nil {
			return err
		}
		if recorded.Revision < revision {
			env, err := eventstore.ReadEnvelope(recorded.Event)
			if err != nil {
				return err
			}
			before = env.Hash
			continue
		}
		return b.showEvent(w, r, recorded, before)
	}
	return errNoPage
}

func (b *dashboard) showEvent(w http.ResponseWriter, r *http.Request, recorded eventstore.Recorded, before string) error {
	page := eventPage{Recorded: recorded, Order: r.PathValue("id"), Fact: spread(recorded.Data), Envelope: spread(recorded.Meta), Before: before}
	page.Back = "/orders/" + page.Order
	page.What = recorded.Type
	if e, env, err := b.Codec.Decode(recorded); err == nil {
		var currency domain.Currency
		if o, err := b.Reader.Order(r.Context(), uuid.MustParse(page.Order)); err == nil {
			currency = o.Currency
		}
		m := momentOf(queryapi.Entry{Type: recorded.Type, OccurredAt: env.OccurredAt, Actor: env.Actor, Data: e}, voice{b.format(r), currency})
		page.What, page.Who = m.Title, m.Who
	}
	hash, err := eventstore.Verify(recorded, before)
	if page.Sound, page.Hex = err == nil, hash; err != nil {
		b.Logger.Error("an event is not what its hash says", "stream", recorded.Stream, "revision", int64(recorded.Revision), "error", err)
		page.Trouble = err.Error()
	}
	page.layout = b.layout(r, "Event "+strconv.Itoa(int(recorded.Revision)+1)+": "+page.What)
	return b.show(w, r, http.StatusOK, "event", page)
}

// spread is JSON with white space between its parts, and otherwise as it is; what is no JSON as it is.
func spread(stored []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, stored, "", "  "); err != nil {
		return string(stored)
	}
	return out.String()
}
