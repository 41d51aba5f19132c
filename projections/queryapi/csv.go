package queryapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

const (
	typeJSON = "application/json"
	typeCSV  = "text/csv"
)

// Cell keeps a spreadsheet from running what a customer wrote: a cell that begins like a formula is quoted as text. Some spreadsheets
// pass over white space before it, and take the wide forms of East Asian scripts for the signs.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("\t\r\n", rune(s[0])) || strings.IndexAny(strings.TrimLeftFunc(s, unicode.IsSpace), "=+-@＝＋－＠") == 0 {
		return "'" + s
	}
	return s
}

// Format is what every list takes that can be had as a table, too.
type Format struct {
	Format string `query:"format" enum:"json,csv" doc:"csv: the whole list as a table, in UTF-8 with a header row; without it, what Accept prefers"`
	Accept string `header:"Accept" doc:"text/csv is as good as format=csv"`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next_cursor of the page before, with the same query; not of a table, which is whole"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" doc:"Entries a page; without it 50; not of a table, which is whole"`
}

// table says whether the list is wanted as a table.
func (f Format) table() (bool, error) {
	csv := f.Format == "csv" ||
		f.Format == "" && negotiation.SelectQValue(f.Accept, []string{typeJSON, typeCSV}) == typeCSV
	switch {
	case csv && f.Cursor != "":
		return csv, projections.BadQuery("cursor", "does not go with a table, which is whole")
	case csv && f.Limit != 0:
		return csv, projections.BadQuery("limit", "does not go with a table, which is whole")
	}
	return csv, nil
}

// export registers a list of Ls that can be had as a table, too.
func export[L, I any](a *api, to huma.API, id, path, summary string, answer func(context.Context, *I) (*huma.StreamResponse, error)) {
	op := operation(id, path, summary)
	list := reflect.TypeFor[L]()
	op.Responses = map[string]*huma.Response{"200": {
		Description: summary,
		Content: map[string]*huma.MediaType{
			typeJSON: {Schema: to.OpenAPI().Components.Schemas.Schema(list, true, list.Name())},
			typeCSV:  {Schema: &huma.Schema{Type: huma.TypeString}},
		},
	}}
	register(a, to, op, answer)
}

// whole answers a list as JSON.
func whole(list any) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", typeJSON)
		hc.SetStatus(http.StatusOK)
		e := json.NewEncoder(hc.BodyWriter())
		e.SetEscapeHTML(false)
		_ = e.Encode(list) // the client is gone when this fails
	}}
}

// tablePage is some rows of a table; next is empty when they are the last.
type tablePage struct {
	rows [][]string
	next string
}

// asTable answers a list as CSV: page after page as they are read, so that it is never in memory as a whole. The first page is
// read before anything is answered. The list is read page by page while others work: what is met meanwhile may be in it or
// not, and nothing is in it twice.
func asTable(ctx context.Context, a *api, name string, columns []string, read func(ctx context.Context, cursor string) (tablePage, error)) (*huma.StreamResponse, error) {
	page, err := read(ctx, "")
	if err != nil {
		return nil, err
	}
	_, release, err := a.open(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer release()
		hc.SetHeader("Content-Type", typeCSV+"; charset=utf-8; header=present")
		hc.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.csv"`, name, a.Now().UTC().Format(time.DateOnly)))
		hc.SetHeader("Cache-Control", "no-store")
		hc.SetStatus(http.StatusOK)
		rows := append([][]string{columns}, page.rows...)
		over := false
		run(a, hc, feed[tablePage]{
			next: func(ctx context.Context) ([]tablePage, error) {
				switch {
				case over:
					<-ctx.Done() // everything is on its way
					return nil, ctx.Err()
				case rows == nil:
					if page, err = read(ctx, page.next); err != nil {
						return nil, err
					}
					rows = page.rows
				}
				next := tablePage{rows, page.next}
				rows, over = nil, page.next == ""
				return []tablePage{next}, nil
			},
			send: func(s sink, pages []tablePage) (more bool, err error) {
				return pages[0].next != "", s.send(func() error { return WriteRows(s, pages[0].rows) })
			},
			quiet: func(sink) error { return nil },
			whole: true,
		})
	}}, nil
}

// WriteRows writes rows of a table as CSV, in which no cell is a formula (see Cell).
func WriteRows(to io.Writer, rows [][]string) error {
	w := csv.NewWriter(to)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Cell(cell)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// amountCell is an amount as spreadsheets take it for a number; its currency stands beside it.
func amountCell(c domain.Currency, minor int64) string {
	number, _, _ := strings.Cut(c.Format(minor), " ")
	return number
}

// timeCell is an instant as spreadsheets take it for one; the column says that it is in UTC.
func timeCell(t time.Time) string { return t.UTC().Format(time.DateTime) }
