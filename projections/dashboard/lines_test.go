package dashboard

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/projections"
)

func TestLinesOfTrackingNumbers(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"order_number,manufacturer,carrier,tracking_number\n10,acme,ups,1Z\n", "[{2 10 acme ups 1Z}]"},
		{"\ufeffTracking Number;Order\r\n1Z;10\r\n\r\n1Y;11\r\n", "[{2 10   1Z} {4 11   1Y}]"},
		{"10\tups\t1Z\n11\t\t\n", "[{1 10  ups 1Z} {2 11   }]"},
		{"10\n11\n", "[{1 10   } {2 11   }]"},
		{"10,1Z", "[{1 10   1Z}]"},
		{"10, \"1Z,2\"\n", "[{1 10   1Z,2}]"},
		{"order,tracking\n'-10,'=1Z\n'7,1Y", "[{2 -10   =1Z} {3 '7   1Y}]"}, // as our own tables write them
		{"order,note,tracking\n10,careful,1Z\n11\n", "[{2 10   1Z} {3 11   }]"},
		{"", "[]"},
		{"a,b,c,d,e\n1,2,3,4,5", "/lines"},
		{strings.Repeat("1\n", maxLines+1), "/lines"},
	} {
		lines, err := readLines(tt.text)
		got := fmt.Sprint(lines)
		if err != nil {
			got = "/lines"
		}
		if got != tt.want {
			t.Errorf("%.60q: %.200s, want %s (%v)", tt.text, got, tt.want, err)
		}
	}
}

// A list's address is read, and written again, to the same list; and what nobody could have meant is refused.
func TestFilterIsItsAddress(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	choices := projections.Choices{Currencies: nil}
	form, err := url.ParseQuery("tab=paid&status=paid&status=accepted,paid&badge=&manufacturer=acme&q=+a+b+&placed_from=2026-03-08&placed_to=2026-03-08&sort=-total&cursor=c&did=accept")
	if err != nil {
		t.Fatal(err)
	}
	f, err := readFilter(form)
	if err != nil {
		t.Fatal(err)
	}
	const address = "manufacturer=acme&placed_from=2026-03-08&placed_to=2026-03-08&q=a+b&sort=-total&status=paid&status=accepted&tab=paid"
	if f.encode() != address {
		t.Errorf("written as %s", f.encode())
	}
	again, err := readFilter(f.values())
	if err != nil || again.encode() != address {
		t.Errorf("read again: %s, %v", again.encode(), err)
	}
	q, err := f.query(choices, zone)
	if err != nil || q.PlacedTo.Sub(q.PlacedFrom) != 23*time.Hour { // the day on which clocks are put forward
		t.Errorf("%v to %v, %v", q.PlacedFrom, q.PlacedTo, err)
	}
	for text, want := range map[string]int64{"12": 1200, "12.5": 1250, "12,50": 1250, "0.01": 1, "": 0} {
		if n, err := amount("total_from", text, "USD"); err != nil || n != want {
			t.Errorf("%q is %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"12.345", "1.000,00", "-1", ".5", "1e3", "9999999999999999999", "١٢"} {
		if n, err := amount("total_from", text, "USD"); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
	if n, err := amount("total_from", "500", "JPY"); err != nil || n != 500 {
		t.Errorf("500 JPY are %d, %v", n, err)
	}
}
