package browser_test

import (
	"testing"

	"github.com/orderledger/orderledger/projections/dashboard/vendored"
	"github.com/orderledger/orderledger/test/browser"
)

func TestAxeIsWhatTheManifestSays(t *testing.T) {
	if err := vendored.Check(browser.Axe()); err != nil {
		t.Errorf("%v\nfetch it again: go run ./projections/dashboard/vendoring", err)
	}
}
