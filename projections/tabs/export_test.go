package tabs

// SetFew lets a small read model answer as one does of which a filter leaves many orders.
func (d *DB) SetFew(n int) { d.few = n }
