package tabs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

// known is an order as the file has it. n is zero for one that it doesn't have yet.
type known struct {
	n     int64
	facet int64
	order domain.Order
	terms string
}

// read is one event that could be read.
type read struct {
	at     eventstore.Recorded
	order  uuid.UUID // of an order's event, or a notice's
	notice bool
	event  domain.Event // nil: nothing but the event itself is kept
	env    eventstore.Envelope
	packed []byte // of an order's event, or a notice's
}

// touched is an order that a batch changes: as it was, and as it will be.
type touched struct {
	was   known
	order domain.Order
	terms string
	doc   []byte
}

// Apply implements projections.ReadModel. Of notices only those mark their order that failed, or did later arrive; events of webhooks,
// payments and commands only move the checkpoint.
func (d *DB) Apply(ctx context.Context, batch []eventstore.Recorded) ([]projections.Change, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.f.apply(ctx, d.codec, batch)
}

func (f *file) apply(ctx context.Context, codec eventstore.Codec, batch []eventstore.Recorded) ([]projections.Change, error) {
	for len(batch) > 0 && batch[0].Position <= f.last.Position {
		batch = batch[1:]
	}
	if len(batch) == 0 {
		return nil, nil
	}
	events, err := decode(codec, batch)
	if err != nil {
		return nil, err
	}
	tx, err := f.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	b := &writer{
		file: f, tx: tx, orders: map[uuid.UUID]*touched{},
		counts: map[int64]int64{}, paces: map[pace]paced{}, stmts: map[string]*sql.Stmt{},
	}
	last := lastOf(f.last.Position, batch)
	if err = b.write(ctx, events, last); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback() // the error that counts is known
		return nil, errors.Join(err, f.remember(context.WithoutCancel(ctx)))
	}
	f.last = last
	for id, t := range b.orders {
		f.orders.Add(id, known{n: t.was.n, facet: t.was.facet, order: t.order, terms: t.terms})
	}
	return b.changes(events), nil
}

// parallel calls work for parts of [0, n) on all processors and waits for them.
func parallel(n int, work func(from, to int)) {
	parts := min(runtime.GOMAXPROCS(0), n/16+1)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() { work(i*n/parts, (i+1)*n/parts) })
	}
	wg.Wait()
}

// decode reads the events of a batch that matter here. The first that can't be read is the error.
func decode(codec eventstore.Codec, batch []eventstore.Recorded) ([]read, error) {
	all, errs := make([]read, len(batch)), make([]error, len(batch))
	parallel(len(batch), func(from, to int) {
		var p packer
		for i := from; i < to; i++ {
			all[i], errs[i] = decodeOne(codec, batch[i], &p)
		}
	})
	events := all[:0]
	for i, e := range all {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if e.event != nil || e.packed != nil {
			events = append(events, e)
		}
	}
	return events, nil
}

func decodeOne(codec eventstore.Codec, r eventstore.Recorded, p *packer) (read, error) {
	category, _, err := eventstore.CheckStream(r.Stream)
	if err != nil {
		return read{}, fmt.Errorf("position %d: %w", r.Position, err)
	}
	out := read{at: r}
	switch category {
	case "order":
		id, ok := eventstore.OrderOf(r.Stream)
		if !ok {
			return read{}, fmt.Errorf("position %d: %w: %q", r.Position, eventstore.ErrBadStream, r.Stream)
		}
		out.order, out.packed = id, p.pack(r.Event)
	case "notice":
		id, ok := eventstore.NoticesOf(r.Stream)
		if !ok {
			return read{}, nil
		}
		out.order, out.packed, out.notice = id, p.pack(r.Event), true
		if !told[r.Type] {
			return out, nil
		}
	case "access", "job", "view":
	default:
		return read{}, nil
	}
	out.event, out.env, err = codec.Decode(r)
	return out, err
}

// told are the events of notices that an order is marked by.
var told = map[string]bool{"NotificationSent": true, "NotificationFailed": true}

// writer writes one batch.
type writer struct {
	*file
	tx     *sql.Tx
	orders map[uuid.UUID]*touched
	counts map[int64]int64 // by facet
	paces  map[pace]paced
	stmts  map[string]*sql.Stmt
}

func (b *writer) write(ctx context.Context, events []read, last projections.Last) error {
	for _, e := range events {
		err := b.fold(ctx, e)
		if err != nil {
			return fmt.Errorf("position %d (%s, %s, %s): %w", e.at.Position, e.at.Stream, e.at.Revision, e.at.Type, err)
		}
	}
	list := make([]*touched, 0, len(b.orders))
	for _, e := range events { // in the order of the log, so that a rebuilt file numbers orders alike
		if t := b.orders[e.order]; t != nil && t.doc == nil {
			t.doc = []byte{}
			list = append(list, t)
		}
	}
	errs := make([]error, len(list))
	parallel(len(list), func(from, to int) {
		for i := from; i < to; i++ {
			list[i].terms = termsOf(list[i].order)
			list[i].doc, errs[i] = docOf(list[i].order)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, t := range list {
		if err := b.store(ctx, t); err != nil {
			return err
		}
	}
	if err := b.keep(ctx, events); err != nil {
		return err
	}
	for facet, delta := range b.counts {
		if delta == 0 {
			continue
		}
		if err := b.exec(ctx, `UPDATE facets SET orders = orders + ? WHERE facet = ?`, delta, facet); err != nil {
			return err
		}
	}
	if err := b.writePace(ctx); err != nil {
		return err
	}
	return b.exec(ctx, `UPDATE meta SET checkpoint = ?, before = ?, event = ?`, int64(last.Position), int64(last.Before), last.Event[:])
}

// lastOf is where a batch leads that follows a position.
func lastOf(before eventstore.Position, batch []eventstore.Recorded) projections.Last {
	n := len(batch) - 1
	if n > 0 {
		before = batch[n-1].Position
	}
	return projections.Last{Before: before, Position: batch[n].Position, Event: batch[n].ID}
}

func (b *writer) exec(ctx context.Context, query string, args ...any) error {
	s, err := b.prepared(ctx, query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

// prepared is a statement of this batch's transaction, prepared once for all its rows.
func (b *writer) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := b.stmts[query]; ok {
		return s, nil
	}
	s, err := b.tx.PrepareContext(ctx, query)
	if err == nil {
		b.stmts[query] = s
	}
	return s, err
}

// fold takes one event into the orders that the batch touches, or the tokens.
func (b *writer) fold(ctx context.Context, e read) error {
	if e.order == uuid.Nil {
		return b.companion(ctx, e)
	}
	if e.notice {
		return b.notice(ctx, e)
	}
	t := b.orders[e.order]
	if t == nil {
		was, err := b.load(ctx, e.order, e.at.Revision)
		if err != nil {
			return err
		}
		t = &touched{was: was, order: was.order}
		b.orders[e.order] = t
	}
	if int(e.at.Revision) != t.order.Version {
		return fmt.Errorf("%w: the order has %d events in the read model", eventstore.ErrGap, t.order.Version)
	}
	before := t.order
	t.order = domain.Evolve(t.order, e.event, eventstore.Stamp(e.at.Event, e.env))
	if t.order.ID != e.order {
		return fmt.Errorf("%w: the event belongs to order %s", eventstore.ErrBroken, t.order.ID)
	}
	b.keepPace(before, t.order, e.env.OccurredAt)
	return nil
}

// notice marks an order by what became of a notice. Most change nothing, and touch no row.
func (b *writer) notice(ctx context.Context, e read) error {
	if e.event == nil {
		return nil
	}
	t, touches := b.orders[e.order]
	if !touches {
		was, err := b.load(ctx, e.order, eventstore.NoStream) // the revision is another stream's
		if err != nil {
			return err
		}
		t = &touched{was: was, order: was.order}
	}
	list := untold(t.order.Untold, e.event)
	if slices.Equal(list, t.order.Untold) || !t.order.Exists() {
		return nil
	}
	t.order.Untold = list
	b.orders[e.order] = t
	return nil
}

// untold are an order's notices that failed, after one more answer. That there is no address to tell anybody at is no failure.
func untold(list []uuid.UUID, e domain.Event) []uuid.UUID {
	switch e := e.(type) {
	case eventstore.NotificationSent:
		if list = slices.DeleteFunc(slices.Clone(list), func(id uuid.UUID) bool { return id == e.Notice }); len(list) == 0 {
			return nil
		}
	case eventstore.NotificationFailed:
		if e.Code != eventstore.NoticeNoAddress && !slices.Contains(list, e.Notice) {
			return append(slices.Clone(list), e.Notice)
		}
	}
	return list
}

// load is an order as the file has it; the first event of a stream needs no look.
func (b *writer) load(ctx context.Context, id uuid.UUID, revision eventstore.Revision) (known, error) {
	if k, ok := b.file.orders.Get(id); ok {
		return k, nil
	}
	var k known
	if revision == 0 {
		return k, nil
	}
	s, err := b.prepared(ctx, `SELECT n, facet, terms, doc FROM orders JOIN docs USING (n) WHERE id = ?`)
	if err != nil {
		return k, err
	}
	var doc []byte
	err = s.QueryRowContext(ctx, id[:]).Scan(&k.n, &k.facet, &k.terms, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return k, nil
	}
	if err == nil {
		err = readDoc(doc, &k.order)
	}
	return k, err
}

// store writes an order's row, its words, and what it changes in the counts.
func (b *writer) store(ctx context.Context, t *touched) error {
	o := t.order
	facet, err := b.facet(ctx, traitsOf(o))
	if err != nil {
		return err
	}
	dueFrom, dueBy, expiring, parked, owed := times(o)
	moved := t.was.n != 0 && dueKey(o) != dueKey(t.was.order)
	switch {
	case t.was.n == 0:
		b.lastN++
		t.was.n = b.lastN
		err = b.exec(ctx, `INSERT INTO orders (n, id, facet, order_number, customer, placed_at, total, confirm_by, customer_id,
			due_from, due_by, expiring_from, parked_at, owed_at, terms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.was.n, o.ID[:], facet, numberKey(o.OrderNumber), customerKey(o.Personal.Customer), instant(o.PlacedAt), o.Total,
			dueKey(o), o.Personal.Customer.ID, dueFrom, dueBy, expiring, parked, owed, t.terms)
		b.counts[facet]++
	case t.was.facet == facet: // leaves the indexes on facet alone
		err = b.exec(ctx, `UPDATE orders SET due_from = ?, due_by = ?, expiring_from = ?, parked_at = ?, owed_at = ?, terms = ? WHERE n = ?`,
			dueFrom, dueBy, expiring, parked, owed, t.terms, t.was.n)
	default:
		err = b.exec(ctx, `UPDATE orders SET facet = ?, due_from = ?, due_by = ?, expiring_from = ?, parked_at = ?, owed_at = ?, terms = ? WHERE n = ?`,
			facet, dueFrom, dueBy, expiring, parked, owed, t.terms, t.was.n)
		b.counts[t.was.facet]--
		b.counts[facet]++
	}
	t.was.facet = facet
	if err == nil && moved {
		err = b.exec(ctx, `UPDATE orders SET confirm_by = ? WHERE n = ?`, dueKey(o), t.was.n)
	}
	if err == nil {
		err = b.exec(ctx, `INSERT OR REPLACE INTO docs VALUES (?, ?)`, t.was.n, t.doc)
	}
	if err == nil {
		err = b.recorded(ctx, t)
	}
	if err == nil {
		err = b.names(ctx, t)
	}
	if err != nil || b.bulk.Load() || t.terms == t.was.terms {
		return err
	}
	return b.exec(ctx, `INSERT OR REPLACE INTO words (rowid, terms) VALUES (?, ?)`, t.was.n, t.terms)
}

// facet is the number of the facet with these traits.
func (b *writer) facet(ctx context.Context, t traits) (int64, error) {
	if id, ok := b.facets[t]; ok {
		return id, nil
	}
	id := int64(len(b.facets) + 1)
	err := b.exec(ctx, `INSERT INTO facets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
		id, string(t.tab), string(t.status), string(t.payment), string(t.method), t.manufacturer, t.placedBy, string(t.currency), t.badges)
	if err == nil {
		b.facets[t] = id
	}
	return id, err
}

// changes are the batch's changes, for those who follow the read model.
func (b *writer) changes(events []read) []projections.Change {
	list := make([]projections.Change, 0, len(events))
	for _, e := range events {
		if t := b.orders[e.order]; t != nil && !e.notice {
			list = append(list, projections.Change{
				Position: e.at.Position, Stream: e.at.Stream, OrderID: e.order, Type: e.at.Type,
				Version: int(e.at.Revision) + 1, OccurredAt: e.env.OccurredAt, Tab: t.order.Tab(),
			})
		}
	}
	return list
}
