package stripesim

import (
	"slices"
	"strings"
)

// page is a part of a table, newest first.
type page struct {
	docs [][]byte
	more bool
}

var listParams = []string{"limit", "starting_after", "ending_before", "created", "expand"}

// page reads the part of table ("intents" or "refunds") that the request's limit, starting_after, ending_before and created ask
// for, among the rows where condition holds. cursor gives a row's id for an object's id.
func (c *call) page(table, kind string, cursor func(string) string, condition string, args ...any) (page, error) {
	limit, given, err := c.params.positive("limit")
	if err != nil {
		return page{}, err
	}
	if !given {
		limit = defaultPage
	}
	if limit > maxPage {
		return page{}, invalid("limit", "parameter_invalid_integer", "Limit can be at most 100.")
	}
	where, order := []string{condition}, "DESC"
	for name, operator := range map[string]string{"starting_after": "<", "ending_before": ">"} {
		id := c.params.text(name)
		if id == "" {
			continue
		}
		var seq int64
		found, err := c.db.get(c.ctx, "SELECT seq FROM "+table+" WHERE id = ?", []any{cursor(id)}, &seq)
		if err != nil {
			return page{}, err
		}
		if !found {
			return page{}, invalid(name, "resource_missing", "No such "+kind+": '"+id+"'")
		}
		where, args = append(where, "seq "+operator+" ?"), append(args, seq)
	}
	backwards := c.params.text("ending_before") != ""
	if backwards {
		order = "ASC"
	}
	for name, operator := range map[string]string{"created": "=", "created[gt]": ">", "created[gte]": ">=", "created[lt]": "<", "created[lte]": "<="} {
		n, given, err := c.params.number(name)
		if err != nil {
			return page{}, err
		}
		if given {
			where, args = append(where, "created "+operator+" ?"), append(args, n)
		}
	}
	query := "SELECT doc FROM " + table + " WHERE " + strings.Join(where, " AND ") + " ORDER BY seq " + order + " LIMIT ?"
	var p page
	for doc, err := range c.db.docs(c.ctx, query, append(args, limit+1)...) {
		if err != nil {
			return page{}, err
		}
		p.docs = append(p.docs, doc)
	}
	if p.more = len(p.docs) > int(limit); p.more {
		p.docs = p.docs[:limit]
	}
	if backwards {
		slices.Reverse(p.docs)
	}
	return p, nil
}

// records decodes a page of PaymentIntents, each as it is now.
func (c *call) records(p page) ([]*record, error) {
	var all []*record
	for _, doc := range p.docs {
		r, err := decodeRecord(doc)
		if err != nil {
			return nil, err
		}
		if err := c.expire(r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func newList(path string, more bool) list {
	return list{Object: "list", Data: []any{}, HasMore: more, URL: path}
}

func same(id string) string { return id }
