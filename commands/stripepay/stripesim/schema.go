package stripesim

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations bring a file from nothing to what the program wants; how many were done is the file's user_version. One that was
// published is never changed. The first is for files from before versions were counted, too.
var migrations = []string{
	`
CREATE TABLE IF NOT EXISTS intents (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, charge TEXT NOT NULL, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS refunds (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, intent TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS refunds_of_intent ON refunds (intent, seq);
CREATE TABLE IF NOT EXISTS answers (
	seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, path TEXT NOT NULL, fingerprint BLOB NOT NULL,
	request_id TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
	n INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL, payment_intent TEXT NOT NULL, charge TEXT NOT NULL,
	refund TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL, order_id TEXT NOT NULL,
	request_id TEXT NOT NULL, idempotency_key TEXT NOT NULL);`,
	`
ALTER TABLE journal ADD COLUMN dispute TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN actor TEXT NOT NULL DEFAULT '';
UPDATE journal SET actor = CASE request_id WHEN '' THEN 'stripe' ELSE 'api' END;
CREATE TABLE disputes (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, intent TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX disputes_of_intent ON disputes (intent, seq);
CREATE TABLE events (
	seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, type TEXT NOT NULL, request_id TEXT NOT NULL,
	idempotency_key TEXT NOT NULL, delivery INTEGER NOT NULL DEFAULT 0, doc BLOB NOT NULL);
CREATE INDEX events_undelivered ON events (seq) WHERE delivery <> 1;
CREATE TABLE due (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX due_at ON due (at, id);
INSERT INTO due (id, at) SELECT id, json_extract(doc, '$.charge.payment_method_details.card.capture_before') * 1000000
	FROM intents WHERE json_extract(doc, '$.intent.status') = 'requires_capture';`,
}

// migrate does the migrations that the file has not seen, each as a whole.
func migrate(ctx context.Context, conn *sql.Conn) error {
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the file was made by a later program (version %d, this one knows %d)", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE;%s\nPRAGMA user_version = %d;\nCOMMIT;", migrations[version], version+1)
		if _, err := conn.ExecContext(ctx, step); err != nil {
			_, _ = conn.ExecContext(ctx, "ROLLBACK") // the connection is closed now, which does the same
			return fmt.Errorf("migration %d: %w", version+1, err)
		}
	}
	return nil
}
