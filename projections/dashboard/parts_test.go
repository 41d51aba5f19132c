package dashboard

import (
	"strings"
	"testing"
	"time"
)

func TestRemaining(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "none", 0: "none", 30 * time.Second: "less than a minute", 12*time.Minute + 3*time.Second: "12 min",
		4*time.Hour + 12*time.Minute: "4 h 12 min", 24 * time.Hour: "1 day 0 h", 76*time.Hour + 59*time.Minute: "3 days 4 h",
	} {
		if got := remaining(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// A barcode begins and ends as a Code 128 does, has room on both sides, and is as long as its symbols: eleven narrowest bars each.
func TestCode128(t *testing.T) {
	for text, c := range map[string]struct {
		start   string // as widths of bars and gaps
		symbols int    // start, text and check, without the stop
	}{
		"10248": {"211232", 6}, // start C, 10 24, code B, 8, check
		"C-1":   {"211214", 5}, // start B
		"PO-77": {"211214", 1 + 5 + 1},
	} {
		b := code128Of(text)
		if b == nil {
			t.Fatalf("no barcode of %s", text)
		}
		widths := ""
		for i, bar := range b.Bars {
			if i > 0 {
				widths += string(rune('0' + bar.X - b.Bars[i-1].X - b.Bars[i-1].Width))
			}
			widths += string(rune('0' + bar.Width))
		}
		if !strings.HasPrefix(widths, c.start) || !strings.HasSuffix(widths, "2331112") || b.Bars[0].X != quiet || b.Width != 11*c.symbols+13+2*quiet {
			t.Errorf("%s: %s, %d wide", text, widths, b.Width)
		}
	}
	for _, text := range []string{"Ünïcode", "", strings.Repeat("x", 64)} {
		if b := code128Of(text); b != nil {
			t.Errorf("%q has a barcode of %d bars", text, b.Width)
		}
	}
}
