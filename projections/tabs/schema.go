package tabs

// form names what the file's contents mean: the tables, the stored form of orders, events, facets and folded terms. A file of another
// form is thrown away. Change it whenever any of them changes, domain.Order and what is familiar of it included.
const form = "orderledger tabs 11"

const tables = `
CREATE TABLE meta (form TEXT NOT NULL, checkpoint INTEGER NOT NULL, bulk INTEGER NOT NULL, before INTEGER NOT NULL, event BLOB);
CREATE TABLE facets (
	facet INTEGER PRIMARY KEY, tab TEXT NOT NULL, status TEXT NOT NULL, payment TEXT NOT NULL, method TEXT NOT NULL,
	manufacturer TEXT NOT NULL, placed_by TEXT NOT NULL, currency TEXT NOT NULL, badges INTEGER NOT NULL, orders INTEGER NOT NULL);
CREATE TABLE orders (
	n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, facet INTEGER NOT NULL,
	order_number TEXT NOT NULL, customer TEXT NOT NULL, placed_at INTEGER NOT NULL, total INTEGER NOT NULL, confirm_by INTEGER NOT NULL,
	customer_id TEXT NOT NULL, due_from INTEGER, due_by INTEGER, expiring_from INTEGER, parked_at INTEGER, owed_at INTEGER,
	terms TEXT NOT NULL);
CREATE TABLE docs (n INTEGER PRIMARY KEY, doc BLOB NOT NULL); -- see docOf; apart, so that rows are small
-- What the log holds of orders and their notices: see events.go. at is the position, so rows are only ever added at the end.
CREATE TABLE events (at INTEGER PRIMARY KEY, n INTEGER NOT NULL, place INTEGER NOT NULL, event BLOB NOT NULL);
-- What was recorded of the business system. It changes rarely once it is there, so its key is the one index it needs.
CREATE TABLE recorded (at INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (at, n, kind)) WITHOUT ROWID;
-- How the work goes: see pace.go. slot is when, as Unix seconds; mark the currency, or the step of the duration.
CREATE TABLE pace (slot INTEGER NOT NULL, what INTEGER NOT NULL, mark NOT NULL, n INTEGER NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (slot, what, mark)) WITHOUT ROWID;
-- What names an order, each as a number (see nameKey). While the file is filled, names that are lost are only noted, through which row.
CREATE TABLE names (key INTEGER NOT NULL, n INTEGER NOT NULL);
CREATE TABLE lost_names (key INTEGER NOT NULL, n INTEGER NOT NULL, through INTEGER NOT NULL);
CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, created INTEGER NOT NULL, revoked INTEGER) WITHOUT ROWID;
CREATE TABLE jobs (id TEXT PRIMARY KEY, maker TEXT NOT NULL, verb TEXT NOT NULL, orders INTEGER NOT NULL, retry_of TEXT NOT NULL,
	made INTEGER NOT NULL, planned INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL, asked INTEGER NOT NULL,
	ended INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX jobs_by_made ON jobs (made, id);
CREATE INDEX jobs_open ON jobs (made) WHERE planned = orders AND done < orders AND NOT ended;
CREATE INDEX jobs_asked ON jobs (made) WHERE planned = orders AND asked > 0;
CREATE TABLE views (id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, query TEXT NOT NULL, shared INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE homes (stream TEXT PRIMARY KEY, view TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(terms, content='', contentless_delete=1, detail=none, prefix='1 2 3 4',
	tokenize="unicode61 remove_diacritics 0 tokenchars '_'");
`

// indexes are made when an empty file has caught up. Each ends with n by itself, which orders what is equal by arrival.
var indexes = func() []string {
	list := []string{
		`CREATE INDEX IF NOT EXISTS by_facet ON orders (facet)`,
		`CREATE INDEX IF NOT EXISTS by_due ON orders (due_from, due_by) WHERE due_from IS NOT NULL`,
		`CREATE INDEX IF NOT EXISTS by_expiring ON orders (expiring_from) WHERE expiring_from IS NOT NULL`,
		`CREATE INDEX IF NOT EXISTS by_parked ON orders (parked_at, n) WHERE parked_at IS NOT NULL`,
		`CREATE INDEX IF NOT EXISTS by_owed ON orders (owed_at, n, facet) WHERE owed_at IS NOT NULL`,
		`CREATE INDEX IF NOT EXISTS by_name ON names (key, n)`,
		`CREATE INDEX IF NOT EXISTS by_order ON events (n)`,
		`CREATE INDEX IF NOT EXISTS by_customer_id ON orders (customer_id)`,
		`CREATE INDEX IF NOT EXISTS by_facet_owed ON orders (facet, owed_at) WHERE owed_at IS NOT NULL`,
	}
	for _, c := range columns {
		list = append(list,
			`CREATE INDEX IF NOT EXISTS by_facet_`+c+` ON orders (facet, `+c+`)`,
			`CREATE INDEX IF NOT EXISTS by_`+c+` ON orders (`+c+`, n, facet)`)
	}
	return list
}()

// columns are the sort columns that orders have; the other ones are facets'.
var columns = []string{"order_number", "customer", "placed_at", "total", "confirm_by"}
