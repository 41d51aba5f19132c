package test

import (
	"fmt"
	"testing"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// Every page can be used by everybody: nothing that axe-core finds, light and dark, wide and narrow.
func TestPagesAreAccessible(t *testing.T) {
	browser.Find(t)
	ledger := testenv.Start(t, testenv.Config(t, "memory"), app.Hooks{})
	p := browser.Open(t, ledger.URL)
	for _, page := range []struct {
		name, path string
		status     int64
	}{
		{"orders-empty", "/orders?tab=new", 200},
		{"parked-empty", "/parked", 200},
		{"obligations-empty", "/obligations", 200},
		{"nothing-here", "/nowhere", 404},
	} {
		if status := p.Open(page.path); status != page.status {
			t.Errorf("%s: status %d", page.path, status)
		}
		p.Await("document.querySelector('#live').dataset.state == 'live'")
		p.Check(page.name)
	}
	for _, theme := range []string{"dark", "light"} {
		p.Open("/parked")
		p.Click("details.menu summary")
		p.Picture("menu-" + theme)
		p.Follow(fmt.Sprintf(`button[name="theme"][value="%s"]`, theme))
		if got := browser.Eval[string](p, "document.documentElement.dataset.theme + getComputedStyle(document.body).colorScheme"); got != theme+theme {
			t.Errorf("theme %s: %s", theme, got)
		}
		if got := browser.Eval[string](p, "location.pathname"); got != "/parked" {
			t.Errorf("led to %s", got)
		}
	}
}
