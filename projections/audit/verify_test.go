package audit_test

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
	"github.com/orderledger/orderledger/projections/audit"
)

func TestVerifyCountsWhatIsThere(t *testing.T) {
	b := small(t)
	log := record(t, b.store)
	r, err := audit.Verify(t.Context(), b.store, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != int64(len(log)) || r.Streams != 9 || r.Orders != 6 || r.Position != log[len(log)-1].Position {
		t.Errorf("report %+v of %d events", r, len(log))
	}
	for _, tab := range domain.Tabs {
		if r.Tabs[tab] != 1 {
			t.Errorf("%d orders in tab %s, want 1", r.Tabs[tab], tab)
		}
	}
	if again, err := audit.Verify(t.Context(), log, audit.Options{}); err != nil || again.Digest != r.Digest {
		t.Errorf("the same log has digest %s, then %s (%v)", r.Digest, again.Digest, err)
	}
}

func TestVerifyOfAnEmptyLog(t *testing.T) {
	r, err := audit.Verify(t.Context(), memstore.New(), audit.Options{})
	if err != nil || r.Events != 0 || r.Position != 0 {
		t.Errorf("report %+v, error %v", r, err)
	}
}

// Whatever was done to the stored log, the audit names the place and the kind.
func TestTamperingIsFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(t *testing.T, l tape) (tape, int) // and the index at which it must be found
		kind   audit.Kind
	}{
		{"a flipped bit in the data", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "PaymentCaptured")
			l[i].Data[len(l[i].Data)/2] ^= 1
			return l, i
		}, audit.BadChain},
		{"a changed amount", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "PaymentCaptured")
			replace(t, &l[i].Data, "9500", "9501")
			return l, i
		}, audit.BadChain},
		{"a changed timestamp", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "shipped", "Shipped")
			replace(t, &l[i].Meta, "2026-11-02", "2026-11-03")
			return l, i
		}, audit.BadChain},
		{"a changed actor", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "refunded", "Refunded")
			replace(t, &l[i].Meta, "clerk-1", "clerk-2")
			return l, i
		}, audit.BadChain},
		{"a changed type", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "Accepted")
			l[i].Type = "Archived"
			return l, i
		}, audit.BadChain},
		{"a changed id", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "Accepted")
			l[i].ID = uuid.Max
			return l, i
		}, audit.BadChain},
		{"an event moved to another stream", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "new", "Placed")
			l[i].Stream = eventstore.OrderStream(uuid.Max)
			return l, i
		}, audit.BadChain},
		{"a removed event", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "CaptureRequested")
			return slices.Delete(l, i, i+1), l.find(t, "paid", "PaymentCaptured")
		}, audit.BadRevision},
		{"a removed event, the later ones renumbered", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "CaptureRequested")
			stream := l[i].Stream
			l = slices.Delete(l, i, i+1)
			for j := i; j < len(l); j++ {
				if l[j].Stream == stream {
					l[j].Revision--
				}
			}
			return l, l.find(t, "paid", "PaymentCaptured")
		}, audit.BadChain},
		{"two swapped events", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "Accepted")
			j := l.find(t, "paid", "CaptureRequested")
			l[i], l[j] = l[j], l[i]
			l[i].Position, l[j].Position = l[j].Position, l[i].Position
			return l, i
		}, audit.BadRevision},
		{"the order of the log changed", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "new", "Placed") // another order's comes next
			l[i], l[i+1] = l[i+1], l[i]
			return l, i + 1
		}, audit.BadPosition},
		{"an event twice", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "Accepted")
			twice := l[i]
			twice.Position = l[len(l)-1].Position + 1
			return append(l, twice), len(l)
		}, audit.BadRevision},
		{"a forged event without a chain", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "NoteAdded")
			forged := l[i]
			forged.Type, forged.Data, forged.Meta = "Shipped", []byte(`{}`), []byte(`{"schema":1}`)
			forged.Revision++
			forged.Position = l[len(l)-1].Position + 1
			return append(l, forged), len(l)
		}, audit.BadChain},
		{"a forged event with a chain of its own", func(t *testing.T, l tape) (tape, int) {
			i := l.find(t, "paid", "NoteAdded")
			forged := eventstore.Recorded{
				Event: eventstore.Event{ID: uuid.Max, Type: "Shipped", Data: []byte(`{}`)}, Stream: l[i].Stream,
				Revision: l[i].Revision + 1, Position: l[len(l)-1].Position + 1,
			}
			sealed, _, err := eventstore.Seal(forged.Stream, forged.Revision, forged.Event, eventstore.Envelope{Schema: 1, OccurredAt: begin})
			if err != nil {
				t.Fatal(err)
			}
			forged.Event = sealed
			return append(l, forged), len(l)
		}, audit.BadChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, at := c.tamper(t, record(t, small(t).store))
			r, err := audit.Verify(t.Context(), log, audit.Options{})
			d := (*audit.Difference)(nil)
			if !errors.As(err, &d) {
				t.Fatalf("error %v, want a difference", err)
			}
			if d.Kind != c.kind || d.Position != log[at].Position || d.Stream != log[at].Stream || d.Why == "" {
				t.Errorf("found %+v, want %s at position %d, %s", d, c.kind, log[at].Position, log[at].Stream)
			}
			if r.Events != int64(at) {
				t.Errorf("%d events verified before it, want %d", r.Events, at)
			}
		})
	}
}

// A forger who recomputes the chain still has to make what the rules make.
func TestEventsThatTheRulesDoNotMake(t *testing.T) {
	for _, c := range []struct {
		name  string
		order string
		event domain.Event
		why   string
	}{
		{"refunded and never captured", "new", domain.Refunded{Refund: "re_1", Amount: 9500, Currency: "USD"}, "not_captured"},
		{"shipped and never accepted", "new", domain.Shipped{}, "not_accepted"},
		{"captured without being asked", "new", domain.PaymentCaptured{Amount: 9500, Currency: "USD", PaymentIntent: "pi_new"}, "not_accepted"},
		{"captured twice", "paid", domain.PaymentCaptured{Amount: 9500, Currency: "USD", PaymentIntent: "pi_paid"}, "already"},
		{"another amount refunded", "shipped", domain.Refunded{Amount: 9499, Currency: "USD"}, "another Refunded"},
		{"an answer to nothing", "paid", domain.RefundFailed{Answer: domain.Answer{Request: uuid.Max}}, "not_in_flight"},
		{"archived with an entry owed", "shipped", domain.Archived{}, "entry_owed"},
		{"accepted twice", "paid", domain.Accepted{}, "already"},
		{"a shipment that nobody asked for", "paid", domain.Shipped{Request: uuid.Max}, "another Shipped"},
		{"placed twice", "new", domain.Placed{OrderNumber: "new", Manufacturer: "acme"}, "content hash"},
		{"a token in an order", "new", eventstore.TokenRevoked{}, "no event of an order"},
		{"a card order on account", "paid", domain.ReversalRecorded{ExternalReference: "R-1"}, "no_reversal_owed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := small(t)
			bad := b.add(t, domain.OrderID("acme", c.order), c.event)
			_, err := audit.Verify(t.Context(), b.store, audit.Options{})
			d := (*audit.Difference)(nil)
			if !errors.As(err, &d) || d.Kind != audit.BadRule || d.Position != bad.Position || !strings.Contains(d.Why, c.why) {
				t.Errorf("error %v, want a difference at position %d about %q", err, bad.Position, c.why)
			}
		})
	}
}

func TestPlacedMustBelongToItsStream(t *testing.T) {
	b := newBook()
	in := intake("1", domain.Account)
	e, err := domain.Decide(domain.Order{}, domain.Place{Intake: in})
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, eventstore.OrderStream(uuid.Max), e)
	_, err = audit.Verify(t.Context(), b.store, audit.Options{})
	d := (*audit.Difference)(nil)
	if !errors.As(err, &d) || d.Kind != audit.BadRule || !strings.Contains(d.Why, in.ID().String()) {
		t.Errorf("error %v, want a difference that names order %s", err, in.ID())
	}
}

func TestCompanionsMustBeWhereTheyBelong(t *testing.T) {
	for _, c := range []struct {
		stream string
		event  domain.Event
		why    string
	}{
		{"access-t1", domain.Accepted{}, "order-"},
		{"access-t1", eventstore.TokenRevoked{}, "first"},
		{"access-t1", eventstore.PaymentClaimed{}, "payment-"},
		{"access-t1", eventstore.ReferenceClaimed{}, "payment-"},
		{"payment-pi_2", eventstore.ReferenceClaimed{Kind: domain.OwesEntry, Reference: "INV-1"}, "payment-entry-"},
		{"payment-pi_new", eventstore.PaymentClaimed{}, "only be the first"},
		{"endpoint-e1", eventstore.EndpointRemoved{}, "first"},
		{"endpoint-e1", eventstore.TokenRevoked{}, "access-"},
		{"webhook-e1", eventstore.EndpointAdded{}, "endpoint-"},
		{"order-e1", eventstore.DeliveryParked{}, "endpoint-"},
		{"access-t1", eventstore.NotificationSent{}, "notice-"},
		{"notice-kinds", eventstore.NotificationSent{}, "an order's notices"},
		{eventstore.NoticeStream(uuid.Max), eventstore.NotificationSent{Notice: uuid.Max}, "named after"},
		{eventstore.NoticeStream(uuid.Max), eventstore.NotificationFailed{Notice: uuid.Max}, "named after"},
		{eventstore.NoticeStream(uuid.Max), eventstore.NotificationRequested{Notice: uuid.Max}, "named after"},
		{eventstore.NoticeStream(uuid.Max), eventstore.NotificationsBegan{}, "notice-kinds"},
		{eventstore.BatchStream(uuid.Max), eventstore.NotificationsBatched{}, "it belongs in"},
		{"notice-kinds", domain.Accepted{}, "order-"},
	} {
		b := newBook()
		if c.stream == "payment-pi_new" {
			b = small(t)
		}
		b.write(t, c.stream, c.event)
		_, err := audit.Verify(t.Context(), b.store, audit.Options{})
		d := (*audit.Difference)(nil)
		if !errors.As(err, &d) || d.Kind != audit.BadRule || !strings.Contains(d.Why, c.why) {
			t.Errorf("%s in %s: error %v, want a difference about %q", c.event.EventType(), c.stream, err, c.why)
		}
	}
}

func TestKeysAreKeptForTheirOwnRequests(t *testing.T) {
	hash, command := strings.Repeat("c3", 32), uuid.NewSHA1(uuid.Nil, []byte("key"))
	order := domain.OrderID("acme", "new")
	good := eventstore.KeyReserved{OrderID: order, RequestHash: hash, Version: 1}
	for _, c := range []struct {
		name, stream string
		event        eventstore.KeyReserved
		why          string
	}{
		{"of a placement", eventstore.PlacementKeyStream(command), good, ""},
		{"of an act", eventstore.KeyStream(command, order), good, ""},
		{"in another command's stream", eventstore.KeyStream(uuid.Max, order), good, "stream of its own"},
		{"for another order", eventstore.KeyStream(command, order), eventstore.KeyReserved{OrderID: uuid.Max, RequestHash: hash, Version: 1}, "stream of its own"},
		{"for another request", eventstore.KeyStream(command, order), eventstore.KeyReserved{OrderID: order, RequestHash: "x", Version: 1}, "another request"},
		{"at no version", eventstore.KeyStream(command, order), eventstore.KeyReserved{OrderID: order, RequestHash: hash}, "no version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, codec := small(t), eventstore.Codec{}
			stored, err := codec.Encode(c.stream, c.event)
			if err != nil {
				t.Fatal(err)
			}
			stored.ID = uuid.NewSHA1(command, []byte(c.stream))
			sealed, _, err := eventstore.Seal(c.stream, 0, stored, eventstore.Envelope{
				Schema: 1, OccurredAt: b.now, Actor: clerk, CommandID: command, RequestHash: hash,
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.store.Append(t.Context(), c.stream, eventstore.NoStream, sealed); err != nil {
				t.Fatal(err)
			}
			_, err = audit.Verify(t.Context(), b.store, audit.Options{})
			d := (*audit.Difference)(nil)
			if c.why == "" && err != nil || c.why != "" && (!errors.As(err, &d) || d.Kind != audit.BadRule || !strings.Contains(d.Why, c.why)) {
				t.Errorf("error %v, want a difference about %q", err, c.why)
			}
		})
	}
}

func TestGapOfTheStoreIsADifference(t *testing.T) {
	b := small(t)
	b.store.Drop(3)
	r, err := audit.Verify(t.Context(), b.store, audit.Options{})
	d := (*audit.Difference)(nil)
	if !errors.As(err, &d) || d.Kind != audit.Gap || r.Events != 2 {
		t.Errorf("error %v after %d events, want a gap after 2", err, r.Events)
	}
}

func TestAReadErrorIsNoDifference(t *testing.T) {
	b := small(t)
	b.store.FailNextRead(eventstore.ErrUnavailable)
	_, err := audit.Verify(t.Context(), b.store, audit.Options{})
	d := (*audit.Difference)(nil)
	if errors.As(err, &d) || !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, eventstore.ErrUnavailable)
	}
}

// No chain can tell that the end of a log is gone; a digest that was kept can.
func TestDigestKeepsTheEnd(t *testing.T) {
	b := small(t)
	log := record(t, b.store)
	before, err := audit.Verify(t.Context(), log, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := audit.Options{Until: before.Position, Digest: before.Digest}
	b.place(t, "later", domain.Account)
	if _, err := audit.Verify(t.Context(), b.store, kept); err != nil {
		t.Errorf("the log only grew: %v", err)
	}
	_, err = audit.Verify(t.Context(), log[:len(log)-1], kept)
	d := (*audit.Difference)(nil)
	if !errors.As(err, &d) || d.Kind != audit.Ended {
		t.Errorf("error %v, want a log that ends too early", err)
	}
	_, err = audit.Verify(t.Context(), b.store, audit.Options{Until: before.Position, Digest: strings.Repeat("0", 64)})
	if !errors.As(err, &d) || d.Kind != audit.BadDigest {
		t.Errorf("error %v, want a difference of the digest", err)
	}
}

func TestALogThatDoesNotReachThePosition(t *testing.T) {
	b := small(t)
	head, err := b.store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = audit.Verify(t.Context(), b.store, audit.Options{Until: head + 1})
	d := (*audit.Difference)(nil)
	if !errors.As(err, &d) || d.Kind != audit.Ended || !strings.Contains(d.Why, "the log ends at "+strconv.FormatUint(uint64(head), 10)) {
		t.Errorf("verify: %v", err)
	}
	short := (*audit.EndError)(nil)
	if _, err := audit.Replay(t.Context(), b.store, eventstore.Codec{}, audit.Moment{Position: head + 1}); !errors.As(err, &short) || short.End != head {
		t.Errorf("replay: %v", err)
	}
	if _, err := audit.Replay(t.Context(), b.store, eventstore.Codec{}, audit.Moment{Position: head}); err != nil {
		t.Error(err)
	}
}

// Whatever the rules make, the audit accepts: no honest ledger fails it.
func TestVerifyAcceptsAllThatTheRulesMake(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook()
		ids := []uuid.UUID{b.place(rt, "1", domain.Card), b.place(rt, "2", domain.Account)}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			id := rapid.SampledFrom(ids).Draw(rt, "order")
			names := slices.Sorted(maps.Keys(anyCommand))
			name := rapid.SampledFrom(names).Draw(rt, "command")
			var rejected *domain.Rejection
			if err := b.do(rt, id, anyCommand[name](b, id)); err != nil && !errors.As(err, &rejected) {
				rt.Fatal(err)
			}
		}
		r, err := audit.Verify(t.Context(), b.store, audit.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		tabs := map[domain.Tab]int64{}
		for _, o := range b.orders {
			tabs[o.Tab()]++
		}
		if !maps.Equal(r.Tabs, tabs) {
			rt.Fatalf("tabs %v, want %v", r.Tabs, tabs)
		}
	})
}

// anyCommand makes commands that an order may or may not be fit for.
var anyCommand = map[string]func(b *book, id uuid.UUID) domain.Command{
	"accept":  func(*book, uuid.UUID) domain.Command { return domain.Accept{} },
	"capture": func(*book, uuid.UUID) domain.Command { return domain.Capture{} },
	"entry":   func(*book, uuid.UUID) domain.Command { return domain.Capture{ExternalReference: " INV-1 "} },
	"ship":    func(*book, uuid.UUID) domain.Command { return domain.Ship{} },
	"ship tracked": func(*book, uuid.UUID) domain.Command {
		return domain.Ship{Tracking: []domain.Tracking{{Carrier: "ups", Number: "1"}}}
	},
	"tracking": func(*book, uuid.UUID) domain.Command {
		return domain.CorrectTracking{Tracking: []domain.Tracking{{Carrier: "dhl", Number: "2"}}}
	},
	"no tracking": func(*book, uuid.UUID) domain.Command { return domain.CorrectTracking{Tracking: []domain.Tracking{}} },
	"refund":      func(*book, uuid.UUID) domain.Command { return domain.Refund{Reason: "broken"} },
	"cancel":      func(*book, uuid.UUID) domain.Command { return domain.Cancel{Reason: "no stock"} },
	"archive":     func(*book, uuid.UUID) domain.Command { return domain.Archive{} },
	"unarchive":   func(*book, uuid.UUID) domain.Command { return domain.Unarchive{} },
	"reversal":    func(*book, uuid.UUID) domain.Command { return domain.RecordReversal{ExternalReference: "R-1"} },
	"reauthorize": func(b *book, _ uuid.UUID) domain.Command {
		return domain.Reauthorize{Authorization: hold("pi_" + b.now.Format("150405"))}
	},
	"note": func(b *book, _ uuid.UUID) domain.Command {
		return domain.AddNote{NoteID: uuid.NewSHA1(uuid.Nil, []byte(b.now.String())), Text: "note"}
	},
	"retry":   func(*book, uuid.UUID) domain.Command { return domain.Resume{Decision: domain.Retry, Evidence: "seen"} },
	"abandon": func(*book, uuid.UUID) domain.Command { return domain.Resume{Decision: domain.Abandon} },
	"adopt": func(*book, uuid.UUID) domain.Command {
		return domain.Resume{Decision: domain.Adopt, Evidence: " ch_1 "}
	},
	"settle": func(*book, uuid.UUID) domain.Command {
		return domain.Resume{Decision: domain.Settle, Reference: " wire 1 "}
	},
	"settled": func(b *book, id uuid.UUID) domain.Command { return b.settled(id) },
	"captured in part": func(b *book, id uuid.UUID) domain.Command {
		c := b.captured(id)
		c.Amount = 9000
		return c
	},
	"captured by somebody": func(b *book, id uuid.UUID) domain.Command {
		c := b.captured(id)
		c.Answer = domain.Answer{Source: domain.FromStripe}
		return c
	},
	"refunded by somebody": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordRefunded{
			Refund: "re_3", Amount: b.orders[id].Taken, Currency: "USD", Answer: domain.Answer{Source: domain.FromStripe},
		}
	},
	"refund fails later": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordRefundFailed{Refund: b.orders[id].Refund, Answer: domain.Answer{Source: domain.FromStripe}}
	},
	"captured": func(b *book, id uuid.UUID) domain.Command { return b.captured(id) },
	"capture fails": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordCaptureFailed{Failure: domain.Failure{Code: "card_declined"}, Answer: b.answer(id)}
	},
	"expired": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordAuthorizationExpired{PaymentIntent: b.orders[id].Hold.PaymentIntent, Answer: b.answer(id)}
	},
	"shipment": func(b *book, id uuid.UUID) domain.Command {
		return domain.CompleteShipment{Request: b.orders[id].Pending.Request}
	},
	"refund pending": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordRefundPending{Refund: "re_1", Amount: 9500, Answer: b.answer(id)}
	},
	"refunded": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordRefunded{Refund: "re_1", Amount: 9500, Currency: "USD", Answer: b.answer(id)}
	},
	"refund fails": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordRefundFailed{Refund: "re_1", Answer: b.answer(id)}
	},
	"cancelled by release": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordCancelled{How: domain.HoldReleased, Answer: b.answer(id)}
	},
	"cancelled by refund": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordCancelled{How: domain.ChargeRefunded, Refund: "re_2", Amount: 9500, Answer: b.answer(id)}
	},
	"cancelled, nothing held": func(b *book, id uuid.UUID) domain.Command {
		return domain.RecordCancelled{How: domain.NothingToRelease, Answer: b.answer(id)}
	},
	"cancel fails": func(b *book, id uuid.UUID) domain.Command { return domain.RecordCancelFailed{Answer: b.answer(id)} },
	"disputed": func(*book, uuid.UUID) domain.Command {
		return domain.RecordDisputeOpened{Dispute: "dp_1", Amount: 9500}
	},
	"dispute lost": func(*book, uuid.UUID) domain.Command {
		return domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "lost"}
	},
	"dispute closed": func(*book, uuid.UUID) domain.Command {
		return domain.RecordDisputeClosed{Dispute: "dp_1", Outcome: "won"}
	},
	"changed outside": func(*book, uuid.UUID) domain.Command {
		return domain.RecordExternalChange{Object: "pi_1", Change: "canceled"}
	},
	"park": func(b *book, id uuid.UUID) domain.Command {
		return domain.Park{Request: b.orders[id].Pending.Request, Reason: "stuck", Attempts: 9}
	},
	"a day passes": func(b *book, _ uuid.UUID) domain.Command {
		b.now = b.now.Add(24 * time.Hour)
		return domain.RecordConfirmationMissed{Now: b.now}
	},
}

// settled is what is recorded of an order whose money a person settled outside Stripe.
func (b *book) settled(id uuid.UUID) domain.Command {
	o := b.orders[id]
	a := domain.Answer{Request: o.Pending.Request, Source: domain.FromElsewhere, Reference: o.Pending.Reference}
	switch o.Pending.Act {
	case domain.ActRefund:
		return domain.RecordRefunded{Amount: o.Taken, Currency: o.Currency, Answer: a}
	case domain.ActCancel:
		return domain.RecordCancelled{How: domain.SettledElsewhere, Answer: a}
	}
	return domain.RecordCaptured{PaymentIntent: o.Hold.PaymentIntent, Amount: o.Total, Currency: o.Currency, Answer: a}
}
