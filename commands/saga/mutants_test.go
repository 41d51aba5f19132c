package saga

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var mutantsFlag = flag.Bool("mutants", false, "put each bug of TestMutants into a copy of the code, and run the simulation until it is caught")

// edit changes one place of a file below the module's root.
type edit struct{ file, old, new string }

// mutants are the bugs that people suffer from, each as a change of the code.
var mutants = []struct {
	name  string
	edits []edit
}{
	{"a time-out is taken for a no", []edit{{
		"commands/saga/perform.go", `	case err != nil:
		return err
	case verdict.Open():`, `	case err != nil:
		return a.record(ctx, a.effect.refused(&commands.PaymentRefusal{Code: "timeout", Message: "no answer"}, commands.PaymentIntent{})...)
	case verdict.Open():`,
	}}},
	{"a time-out is taken for a yes", []edit{{
		"commands/saga/perform.go", `	case err != nil:
		return err
	case verdict.Open():`, `	case err != nil && a.effect.Kind == Refund:
		return a.record(ctx, a.effect.refunded(commands.PaymentRefund{ID: "re_believed"}))
	case err != nil:
		return err
	case verdict.Open():`,
	}}},
	{"a capture on a cancelled order", []edit{{
		"domain/decide.go", `func processable(o Order) error {
	switch {
	case o.CancelledAt != nil:
		return Reject(AlreadyCancelled)
`, `func processable(o Order) error {
	switch {
`,
	}}},
	{"a void is written down as a refund", []edit{
		{"commands/saga/judge.go", `		how := domain.HoldReleased
`, `		how := domain.ChargeRefunded
`},
		{"domain/record.go", `		o.Pending.How == HoldReleased && c.How != HoldReleased && c.How != NothingToRelease:`, `		false:`},
	}},
	{"a capture and a cancel at once", []edit{{
		"domain/decide.go", `		return nil, Reject(CannotCancelShipped)
	case o.Pending.Act != "":
		return nil, Reject(OperationInFlight)
`, `		return nil, Reject(CannotCancelShipped)
`,
	}}},
	{"a hold runs out and nobody says so", []edit{{
		"commands/saga/observe.go", `	case pi.Status == "canceled":
		s.take(`, `	case pi.Status == "never":
		s.take(`,
	}}},
	{"shipped before it is paid", []edit{{
		"domain/decide.go", `	case o.Method == Account || o.Captured():
		return Shipped{`, `	case o.Method == Account || o.Captured() || !o.HoldExpired:
		return Shipped{`,
	}}},
	{"a refund that comes home is overlooked", []edit{{
		"commands/saga/observe.go", `			if r.ID == o.Refund {
				s.take(`, `			if r.ID == "" {
				s.take(`,
	}}},
	{"a hold is replaced and the old one kept", []edit{{
		"commands/place.go", `	if err := p.letOldHoldGo(ctx, o, pi.ID); err != nil {`, `	if err := error(nil); err != nil {`,
	}}},
	{"a refund in the middle of a dispute", []edit{{
		"domain/decide.go", `	if err := o.frozen(); err != nil {
		return nil, err
	}
	return RefundRequested{`, `	return RefundRequested{`,
	}}},
	{"a refund under way is called done", []edit{{
		"commands/saga/judge.go", `	case back == e.Amount && unfinished != nil:
		return e.refundPending(*unfinished)
`, `	case unfinished == nil && last == nil && false:
`,
	}}},
	{"a partial refund is taken for the whole", []edit{
		{"commands/saga/observe.go", `	case back != o.Taken:
		s.external(s.pi.ID, "refunded_partly", back)
`, ``},
		{"domain/record.go", `	case c.Amount != o.Taken || c.Currency != o.Currency:`, `	case c.Currency != o.Currency:`},
	}},
	{"what was asked for is forgotten with the process", []edit{{
		"commands/saga/snapshot.go", `		st[e.Order] = e
	}
	for _, h := range s.Holds {`, `		_ = e
	}
	for _, h := range s.Holds {`,
	}}},
	{"another amount is taken for the one that was asked for", []edit{
		{"commands/saga/judge.go", `	case (pi.Received != e.Amount && !e.adopts(pi.Received)) || pi.Currency != string(e.Currency):`, `	case pi.Currency != string(e.Currency):`},
		{"commands/saga/judge.go", `Charge: pi.Charge, Amount: pi.Received, Currency`, `Charge: pi.Charge, Amount: e.Amount, Currency`},
	}},
	{"a paid order is cancelled and the money kept", []edit{{
		"domain/decide.go", `	case o.Method == Account, o.HoldExpired && !o.Captured(), o.lost():
		return Cancelled{`, `	case o.Method == Account, o.HoldExpired && !o.Captured(), o.Captured():
		return Cancelled{`,
	}}},
	{"a release that failed is called one", []edit{{
		"commands/saga/judge.go", `	case "canceled":
		how`, `	case "canceled", "succeeded":
		how`,
	}, {
		"commands/saga/judge.go", `	case "succeeded": // somebody took the money outside the ledger
`, `	case "never": // somebody took the money outside the ledger
`,
	}}},
}

var caught = regexp.MustCompile(`seed (\d+): (.*)`)

// Each mutant is caught within a thousand seeds. A proof that finds no bug that is there would find none that isn't known.
func TestMutants(t *testing.T) {
	if !*mutantsFlag {
		t.Skip("needs -mutants: it builds the package once for each bug")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			out, err := runMutated(t, root, m.edits)
			if err == nil {
				t.Fatalf("nobody noticed:\n%s", out)
			}
			found := caught.FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("it fails, and not by what the simulation checks: %v\n%s", err, out)
			}
			t.Logf("caught by seed %s: %s", found[1], found[2])
		})
	}
}

// runMutated runs the simulation on a copy of the code that was changed.
func runMutated(t *testing.T, root string, edits []edit) (string, error) {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for _, e := range edits {
		path := filepath.Join(root, filepath.FromSlash(e.file))
		from := path
		if changed, ok := replace[path]; ok {
			from = changed
		}
		source, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(source), e.old) != 1 {
			t.Fatalf("%s holds this %d times, not once:\n%s", e.file, strings.Count(string(source), e.old), e.old)
		}
		to := filepath.Join(dir, strings.ReplaceAll(e.file, "/", "_"))
		if err := os.WriteFile(to, []byte(strings.Replace(string(source), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[path] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", file, "-vet=off", "./commands/saga",
		"-run", "^TestSimulation$", "-seeds", "1000", "-timeout", "20m")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}
