package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// MaxExports bounds the tables that are written, and the lists that are walked, at once: half of them for one person.
const MaxExports = 8

// walk takes a place for one of them, which leave gives back.
func (b *dashboard) walk(ctx context.Context) (leave func(), err error) {
	leave, err = b.exports.Take(domain.ActorFrom(ctx).ID)
	if err != nil {
		return nil, &refusal{http.StatusTooManyRequests, "Too many lists are being read in whole."}
	}
	return leave, nil
}

// export writes the list of an address as CSV: page after page as they are read, so that it is never in memory as a whole. The first is
// read before anything is answered. What is met while others work may be in it or not.
func (b *dashboard) export(w http.ResponseWriter, r *http.Request) error {
	f, err := readFilter(r.URL.Query())
	if err != nil {
		return err
	}
	choices, err := b.Reader.Choices(r.Context())
	if err != nil {
		return err
	}
	f.Cursor = ""
	q, err := f.query(choices, b.format(r).Zone())
	if err != nil {
		return err
	}
	q.Limit = projections.MaxLimit
	page, err := b.Reader.List(r.Context(), q)
	if err != nil {
		return err
	}
	return b.table(r.Context(), w, "orders-"+f.Tab, queryapi.OrderColumns, func() ([][]string, error) {
		if page.Orders == nil {
			if q.Cursor == "" {
				return nil, nil
			}
			if page, err = b.Reader.List(r.Context(), q); err != nil {
				return nil, err
			}
		}
		rows := queryapi.OrderRows(page.Orders, b.Now())
		q.Cursor, page.Orders = page.Next, nil
		return rows, nil
	})
}

// exportOrders writes some orders as CSV.
func (b *dashboard) exportOrders(ctx context.Context, w http.ResponseWriter, orders []domain.Order) error {
	return b.table(ctx, w, "orders", queryapi.OrderColumns, func() ([][]string, error) {
		n := min(len(orders), projections.MaxLimit)
		rows := queryapi.OrderRows(orders[:n], b.Now())
		orders = orders[n:]
		return rows, nil
	})
}

// table writes a table as CSV; next returns rows until it returns none. One that breaks off is cut, and the browser says so.
func (b *dashboard) table(ctx context.Context, w http.ResponseWriter, name string, columns []string, next func() ([][]string, error)) error {
	leave, err := b.walk(ctx)
	if err != nil {
		return err
	}
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.csv"`, name, b.Now().UTC().Format(time.DateOnly)))
	control := http.NewResponseController(w)
	rows := [][]string{columns}
	for len(rows) > 0 {
		if err := control.SetWriteDeadline(time.Now().Add(within)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			panic(http.ErrAbortHandler)
		}
		if queryapi.WriteRows(w, rows) != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
		if rows, err = next(); err != nil {
			b.Logger.Warn("a table was cut", "table", name, "error", err)
			panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
		}
	}
	return nil
}
