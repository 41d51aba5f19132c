package tabs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
)

// companion takes in an event of what is no order: tokens, jobs and saved views.
func (b *writer) companion(ctx context.Context, e read) error {
	_, id, _ := strings.Cut(e.at.Stream, "-")
	switch ev := e.event.(type) {
	case eventstore.TokenCreated:
		return b.exec(ctx, `INSERT INTO tokens (id, name, role, created) VALUES (?, ?, ?, ?)`,
			id, ev.Name, string(ev.Role), instant(e.env.OccurredAt))
	case eventstore.TokenRevoked:
		return b.exec(ctx, `UPDATE tokens SET revoked = ? WHERE id = ?`, instant(e.env.OccurredAt), id)
	case eventstore.JobMade:
		return b.exec(ctx, `INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0)`,
			id, e.env.Actor.ID, string(ev.Verb), ev.Orders, ev.RetryOf, instant(e.env.OccurredAt))
	case eventstore.JobPlanned:
		return b.exec(ctx, `UPDATE jobs SET planned = planned + ? WHERE id = ?`, len(ev.Items), id)
	case eventstore.JobProgressed:
		failed, asked := tally(ev.Results)
		return b.exec(ctx, `UPDATE jobs SET done = done + ?, failed = failed + ?, asked = asked + ? WHERE id = ?`, len(ev.Results), failed, asked, id)
	case eventstore.JobSettled:
		failed, _ := tally(ev.Results)
		return b.exec(ctx, `UPDATE jobs SET failed = failed + ?, asked = asked - ? WHERE id = ?`, failed, len(ev.Results), id)
	case eventstore.JobEnded:
		return b.exec(ctx, `UPDATE jobs SET ended = 1 WHERE id = ?`, id)
	case eventstore.ViewSaved: // the first one's actor is the owner
		return b.exec(ctx, `INSERT INTO views VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, query = excluded.query, shared = excluded.shared`,
			id, e.env.Actor.ID, ev.Personal.Name, ev.Personal.Query, ev.Shared)
	case eventstore.ViewRemoved:
		return b.exec(ctx, `DELETE FROM views WHERE id = ?`, id)
	case eventstore.HomeViewChosen:
		return b.exec(ctx, `INSERT OR REPLACE INTO homes VALUES (?, ?)`, e.at.Stream, ev.View)
	}
	return fmt.Errorf("%w: %s in the stream %s", eventstore.ErrUnknownType, e.at.Type, e.at.Stream)
}

// tally is how many of a job's results are failures, and how many wait for Stripe.
func tally(results []eventstore.JobResult) (failed, asked int) {
	for _, r := range results {
		switch r.Outcome {
		case eventstore.JobRefused, eventstore.JobFailed:
			failed++
		case eventstore.JobAsked:
			asked++
		}
	}
	return failed, asked
}

// Jobs implements projections.Reader.
func (d *DB) Jobs(ctx context.Context, q projections.JobQuery) ([]projections.Job, error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return nil, err
	}
	where, args := []string{"planned = orders"}, []any{}
	if q.Open {
		where = append(where, "done < orders AND NOT ended")
	}
	if q.Asked {
		where = append(where, "asked > 0")
	}
	if q.Maker != "" {
		where, args = append(where, "maker = ?"), append(args, q.Maker)
	}
	d.serving.RLock()
	defer d.serving.RUnlock()
	rows, err := d.f.read.QueryContext(ctx, `SELECT id, maker, verb, orders, planned, done, failed, asked, ended, retry_of, made FROM jobs WHERE `+
		strings.Join(where, " AND ")+` ORDER BY made DESC, id LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []projections.Job{}
	for rows.Next() {
		var j projections.Job
		var made int64
		if err := rows.Scan(&j.ID, &j.Maker, &j.Verb, &j.Orders, &j.Planned, &j.Done, &j.Failed, &j.Asked, &j.Ended, &j.RetryOf, &made); err != nil {
			return nil, err
		}
		j.Made = time.UnixMicro(made).UTC()
		list = append(list, j)
	}
	return list, rows.Err()
}

// maxViews bounds the views that one person is offered.
const maxViews = 500

// Views implements projections.Reader. A home that was removed, or is not shared any more, is none.
func (d *DB) Views(ctx context.Context, actor string) (projections.Views, error) {
	var out projections.Views
	d.serving.RLock()
	defer d.serving.RUnlock()
	rows, err := d.f.read.QueryContext(ctx, `SELECT id, owner, name, query, shared FROM views WHERE shared OR owner = ?
		ORDER BY owner <> ?, name, id LIMIT ?`, actor, actor, maxViews)
	if err != nil {
		return out, err
	}
	defer rows.Close()
	for rows.Next() {
		var v projections.View
		if err := rows.Scan(&v.ID, &v.Owner, &v.Name, &v.Query, &v.Shared); err != nil {
			return out, err
		}
		out.Views = append(out.Views, v)
	}
	if err := rows.Err(); err != nil {
		return out, err
	}
	err = d.f.read.QueryRowContext(ctx, `SELECT view FROM homes WHERE stream = ?`, eventstore.HomeViewStream(actor)).Scan(&out.Home)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if !slices.ContainsFunc(out.Views, func(v projections.View) bool { return v.ID == out.Home }) {
		out.Home = ""
	}
	return out, err
}
