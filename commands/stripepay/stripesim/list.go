package stripesim

import (
	"slices"
	"strings"
)

var listParams = []string{"limit", "starting_after", "ending_before", "created", "expand"}

// query is a part of a table that is listed.
type query struct {
	table, columns string
	kind           string              // what an object is called
	cursor         func(string) string // gives a row's id for an object's id
	conditions     []string
	args           []any
}

func (q *query) where(condition string, args ...any) {
	q.conditions, q.args = append(q.conditions, condition), append(q.args, args...)
}

// page reads what the query gives, newest first, as far as the request's limit, starting_after, ending_before and created ask for.
func page[T any](c *call, q query, read func(scan func(...any) error) (T, error)) (items []T, more bool, err error) {
	limit, given, err := c.params.positive("limit")
	switch {
	case err != nil:
		return nil, false, err
	case !given:
		limit = defaultPage
	case limit > maxPage:
		return nil, false, invalid("limit", "parameter_invalid_integer", "Limit can be at most 100.")
	}
	if err := c.narrow(&q); err != nil {
		return nil, false, err
	}
	backwards, order := c.params.text("ending_before") != "", "DESC"
	if backwards {
		order = "ASC"
	}
	text := "SELECT " + q.columns + " FROM " + q.table + " WHERE TRUE"
	for _, condition := range q.conditions {
		text += " AND " + condition
	}
	err = c.db.each(c.ctx, text+" ORDER BY seq "+order+" LIMIT ?", append(q.args, limit+1), func(scan func(...any) error) error {
		item, err := read(scan)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if more = len(items) > int(limit); more {
		items = items[:limit]
	}
	if backwards {
		slices.Reverse(items)
	}
	return items, more, nil
}

// narrow applies starting_after, ending_before and created.
func (c *call) narrow(q *query) error {
	for _, end := range []struct{ name, operator string }{{"starting_after", "<"}, {"ending_before", ">"}} {
		id := c.params.text(end.name)
		if id == "" {
			continue
		}
		var seq int64
		found, err := c.db.get(c.ctx, "SELECT seq FROM "+q.table+" WHERE id = ?", []any{q.cursor(id)}, &seq)
		if err != nil {
			return err
		}
		if !found {
			return invalid(end.name, "resource_missing", "No such "+q.kind+": '"+id+"'")
		}
		q.where("seq "+end.operator+" ?", seq)
	}
	for _, bound := range []struct{ name, operator string }{
		{"created", "="}, {"created[gt]", ">"}, {"created[gte]", ">="}, {"created[lt]", "<"}, {"created[lte]", "<="},
	} {
		n, given, err := c.params.number(bound.name)
		if err != nil {
			return err
		}
		if given {
			q.where("created "+bound.operator+" ?", n)
		}
	}
	return nil
}

func newList[T any](path string, items []T, more bool) list {
	answer := list{Object: "list", Data: make([]any, len(items)), HasMore: more, URL: path}
	for i, item := range items {
		answer.Data[i] = item
	}
	return answer
}

func same(id string) string { return id }

// readRecord reads a row's PaymentIntent.
func readRecord(scan func(...any) error) (*record, error) {
	var doc []byte
	if err := scan(&doc); err != nil {
		return nil, err
	}
	return decodeRecord(doc)
}

// undata turns a list's expansions into those of its items.
func undata(expand map[string]bool) map[string]bool {
	items := map[string]bool{}
	for name := range expand {
		items[strings.TrimPrefix(name, "data.")] = true
	}
	return items
}
