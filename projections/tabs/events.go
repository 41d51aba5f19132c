package tabs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

// The events of orders, and what was said about them, are kept once more beside the orders: in the log an order's events lie far
// apart, and its server reads 8 MB for each.

// packer packs events one after the other.
type packer struct{ rest, squeezed []byte }

// pack is an event as the table events has it: its id, the hashes with which its envelope ends (see sealed), and, squeezed, the rest.
func (p *packer) pack(e eventstore.Event) []byte {
	var hashes [2 * sha256.Size]byte
	open, n := cutHashes(e.Meta, &hashes)
	p.rest = append(append(p.rest[:0], e.Type...), '\n')
	p.rest = append(append(append(p.rest, open...), '\n'), e.Data...)
	p.squeezed = squeezedEvents.Encode(p.squeezed[:cap(p.squeezed)], p.rest)
	out := make([]byte, 0, len(e.ID)+1+n*sha256.Size+len(p.squeezed))
	out = append(append(out, e.ID[:]...), byte(n))
	out = append(out, hashes[:n*sha256.Size]...)
	return append(out, p.squeezed...)
}

var errPacked = errors.New("an event can't be read; rebuild the read model")

func unpack(packed []byte) (e eventstore.Event, err error) {
	head := len(e.ID) + 1
	if len(packed) < head || len(packed) < head+int(packed[head-1])*sha256.Size {
		return e, errPacked
	}
	copy(e.ID[:], packed)
	hashes := packed[head : head+int(packed[head-1])*sha256.Size]
	rest, err := squeezedEvents.Decode(nil, packed[head+len(hashes):])
	if err != nil {
		return e, fmt.Errorf("%w: %w", errPacked, err)
	}
	parts := bytes.SplitN(rest, []byte{'\n'}, 3)
	if len(parts) != 3 {
		return e, errPacked
	}
	e.Type, e.Meta, e.Data = string(parts[0]), parts[1], parts[2]
	if len(hashes) > 0 {
		e.Meta = sealed(bytes.Clone(e.Meta), hashes)
	}
	return e, nil
}

// sealed is how the envelope of a sealed event ends: with the hash of the event before, if there is one, and its own.
func sealed(to, hashes []byte) []byte {
	own := len(hashes) - sha256.Size
	to = append(hex.AppendEncode(append(to, `,"prev":"`...), hashes[:own]), `","hash":"`...)
	return append(hex.AppendEncode(to, hashes[own:]), `"}`...)
}

// cutHashes takes one or two hashes off the end of an envelope, and says how many; one that ends otherwise stays whole.
func cutHashes(meta []byte, hashes *[2 * sha256.Size]byte) (open []byte, n int) {
	const digits, around = 2 * sha256.Size, len(`,"prev":"","hash":""}`)
	for n := 2; n > 0; n-- {
		at := len(meta) - around - n*digits
		if at < 0 {
			continue
		}
		end, cut := meta[at:], hashes[:n*sha256.Size]
		prev, own := end[len(`,"prev":"`):][:(n-1)*digits], end[len(end)-len(`"}`)-digits:][:digits]
		_, badPrev := hex.Decode(cut, prev)
		_, badOwn := hex.Decode(cut[len(prev)/2:], own)
		var again [2*digits + around]byte
		if badPrev == nil && badOwn == nil && bytes.Equal(sealed(again[:0], cut), end) {
			return meta[:at], n
		}
	}
	return meta, 0
}

// placeOf is where an event stands in its stream, and in which of an order's two.
func placeOf(r eventstore.Revision, notice bool) int64 {
	if notice {
		return int64(r)<<1 | 1
	}
	return int64(r) << 1
}

// eventsAtOnce are written by one statement.
const eventsAtOnce = 64

// keep writes the events of a batch. Those of no order that is known are left out.
func (b *writer) keep(ctx context.Context, events []read) error {
	args := make([]any, 0, 4*eventsAtOnce)
	for i, e := range events {
		if e.packed != nil {
			n, err := b.number(ctx, e.order)
			if err != nil {
				return err
			}
			if n != 0 {
				args = append(args, int64(e.at.Position), n, placeOf(e.at.Revision, e.notice), e.packed)
			}
		}
		if len(args) == cap(args) || len(args) > 0 && i == len(events)-1 {
			rows := strings.Repeat(", (?, ?, ?, ?)", len(args)/4)[2:]
			if err := b.exec(ctx, `INSERT INTO events VALUES `+rows, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	return nil
}

// number is the number of an order that has its row; zero when there is none.
func (b *writer) number(ctx context.Context, order uuid.UUID) (int64, error) {
	if t := b.orders[order]; t != nil {
		return t.was.n, nil
	}
	k, err := b.load(ctx, order, eventstore.NoStream) // what changed in the order is not known
	return k.n, err
}

// History implements projections.Reader. Until the file has caught up for the first time it tells of no events.
func (d *DB) History(ctx context.Context, id uuid.UUID, limit int) (h projections.History, err error) {
	d.serving.RLock()
	defer d.serving.RUnlock()
	filling := d.f.bulk.Load() // there is no index by which events could be found
	tx, err := d.f.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return h, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	var at int64
	if err := tx.QueryRowContext(ctx, `SELECT checkpoint FROM meta`).Scan(&at); err != nil {
		return h, err
	}
	var n int64
	if n, h.Order, err = orderIn(ctx, tx, id); err != nil || filling {
		return h, err
	}
	h.Position = eventstore.Position(at)
	rows, err := tx.QueryContext(ctx, `SELECT at, place, event FROM events WHERE n = ? ORDER BY at LIMIT ?`, n, limit)
	if err != nil {
		return h, err
	}
	defer rows.Close()
	var next [2]eventstore.Revision // of the order's stream, and of its notices'
	for rows.Next() {
		var at, place int64
		var packed sql.RawBytes
		if err := rows.Scan(&at, &place, &packed); err != nil {
			return h, err
		}
		r := eventstore.Recorded{Stream: eventstore.OrderStream(id), Revision: eventstore.Revision(place >> 1), Position: eventstore.Position(at)}
		if place&1 != 0 {
			r.Stream = eventstore.NoticeStream(id)
		}
		if r.Revision != next[place&1] { // an order's notices came before it: only the log has them all
			return projections.History{Order: h.Order}, nil
		}
		next[place&1]++
		if r.Event, err = unpack(packed); err != nil {
			return h, fmt.Errorf("position %d (%s, %s): %w", r.Position, r.Stream, r.Revision, err)
		}
		h.Events = append(h.Events, r)
	}
	return h, rows.Err()
}
