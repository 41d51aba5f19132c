package commands_test

import (
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands"
)

func TestConfirmByIsOneBusinessDayLater(t *testing.T) {
	for _, tt := range []struct{ name, arrived, by, from string }{
		{"Monday", "2026-11-23T10:15:00Z", "2026-11-24T10:15:00Z", "2026-11-24T00:00:00Z"},
		{"Friday runs over the weekend", "2026-11-27T16:00:00Z", "2026-11-30T16:00:00Z", "2026-11-30T00:00:00Z"},
		{"Saturday counts from Monday, which is the day it is due", "2026-11-28T12:00:00Z", "2026-12-01T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"over the new year", "2026-12-31T23:59:59Z", "2027-01-01T23:59:59Z", "2027-01-01T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			arrived, err := time.Parse(time.RFC3339, tt.arrived)
			if err != nil {
				t.Fatal(err)
			}
			got := commands.DefaultCalendar().ConfirmBy(arrived)
			if by := got.By.Format(time.RFC3339); by != tt.by {
				t.Errorf("by %s, want %s", by, tt.by)
			}
			if from := got.DueFrom.Format(time.RFC3339); from != tt.from {
				t.Errorf("due from %s, want %s", from, tt.from)
			}
			if got.Zone != "UTC" || got.Calendar != "weekdays" {
				t.Errorf("zone %q, calendar %q", got.Zone, got.Calendar)
			}
		})
	}
}
