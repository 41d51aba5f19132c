package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections/dashboard"
)

// What a manager fills in on the page about a parked order is what is decided.
func TestDecisionsOfThePagesReachTheRules(t *testing.T) {
	form := dashboard.Form{Decision: domain.Settle, Reason: "seen at the bank", Reference: "wire 4711"}
	c, err := commandOf(dashboard.Act{Verb: domain.VerbResume, Form: form})
	if want := (domain.Resume{Decision: domain.Settle, Evidence: "seen at the bank", Reference: "wire 4711"}); err != nil || c != domain.Command(want) {
		t.Errorf("%+v, %v; want %+v", c, err, want)
	}
	form.ExternalReference = strings.Repeat("x", domain.MaxReference+1)
	var rejected *domain.Rejection
	if _, err := commandOf(dashboard.Act{Verb: domain.VerbReversal, Form: form}); !errors.As(err, &rejected) || rejected.Code != domain.TooLong {
		t.Errorf("a reference without an end: %v", err)
	}
}
