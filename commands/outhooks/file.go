package outhooks

import (
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// fileVersion is that of the files' form. Another one is not read.
const fileVersion = 1

// checkpoint is how far an endpoint is: its file.
type checkpoint struct {
	Version int `json:"version"`
	// Last is the last event that was handled: delivered, or not wanted.
	Last eventstore.EventRef `json:"last"`
	// Unrecorded counts the deliveries that the log does not know of.
	Unrecorded int64   `json:"unrecorded"`
	Failing    failing `json:"failing,omitzero"`
}

// failing is the delivery that is under way and has failed.
type failing struct {
	Event    uuid.UUID `json:"event"`
	Round    int       `json:"round"` // the endpoint's
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
}

// registry is what endpoints there are, up to an event. It only saves time: without it the log is read from its beginning.
type registry struct {
	Version   int                 `json:"version"`
	Last      eventstore.EventRef `json:"last"`
	Endpoints []string            `json:"endpoints"`
}
