package main

// maxPage is how many a server gives at once.
const maxPage = 200

// page is one of a list.
type page[T any] struct {
	items  []T
	more   bool   // behind it
	cursor string // of the next one
	count  int64  // in all, where the server says so
}

// printPages prints a list that the server gives page by page: so many at most, or, with 0, all. get gets the page at a cursor.
func printPages[T any](
	c *cli, columns []string, limit int, cells func(T) []string, get func(cursor string, most int) (page[T], error),
) error {
	l := listing{columns: columns}
	for cursor := ""; ; {
		most := maxPage
		if limit > 0 {
			most = min(maxPage, limit-len(l.items))
		}
		p, err := get(cursor, most)
		if err != nil {
			return err
		}
		for _, it := range p.items {
			l.add(it, cells(it)...)
		}
		if !p.more || len(p.items) == 0 {
			return c.print(l)
		}
		if limit > 0 && len(l.items) >= limit {
			if p.count > 0 {
				c.note("%d of %d; --limit 0 lists all", len(l.items), p.count)
			} else {
				c.note("there are more; --limit 0 lists all")
			}
			return c.print(l)
		}
		cursor = p.cursor
	}
}
