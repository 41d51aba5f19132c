package domain

import "time"

// Confirmation is the manufacturer's clock of one order: computed once when the ledger received it, and stored.
type Confirmation struct {
	By       time.Time `json:"by"`       // UTC
	DueFrom  time.Time `json:"due_from"` // UTC: when the day begins, in Zone, on which it falls due
	Zone     string    `json:"zone"`     // IANA name
	Calendar string    `json:"calendar"` // the business calendar's name
}

// Due says whether the confirmation falls due on the day of now and has not passed yet.
func (c Confirmation) Due(now time.Time) bool {
	return !now.Before(c.DueFrom) && now.Before(c.By)
}
