package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/cmd/orderledger/sample"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"orderledger": main})
}

// TestScripts runs testdata/*.txtar. Beside testscript's own commands they have: ledger start DIR [DURABILITY|stuck|telling] and ledger
// stop, a ledger in the test's process that the client commands find by themselves (stuck: its Stripe takes no order's first
// capture, so that it is parked; telling: customers are told, into its outbox); sample FILE [N], which writes the first N sample
// orders; exits CODE COMMAND…; token CREATED FILE; receiver, a system of somebody else's at $RECEIVER that takes whatever it is
// sent, but at /gone; idof FILE, which sets $ID to an object's id; nats, a NATS server at $NATS.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Values[testKey{}] = e.T()
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ledger": ledger, "sample": writeSample, "exits": exits, "token": token, "receiver": receiver, "idof": idOf, "nats": natsServer,
		},
	})
}

// running is a ledger in the test's process.
type running struct {
	stop context.CancelFunc
	done chan error
}

func (r *running) end() error {
	r.stop()
	return <-r.done
}

var ledgers sync.Map // from *testscript.TestScript to *running; scripts run beside each other

func ledger(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case len(args) == 1 && args[0] == "stop":
		if r, ok := ledgers.LoadAndDelete(ts); ok {
			ts.Check(r.(*running).end())
		}
	case (len(args) == 2 || len(args) == 3) && args[0] == "start":
		orders, err := sample.Orders()
		ts.Check(err)
		hooks := app.Hooks{
			Payments: func(p commands.Payments) commands.Payments { return declining{p, badCards(orders)} }, // as in the demo
			Sandbox:  []stripesim.Option{stripesim.WithoutEvents()},                                         // the scripts count what is in the log
		}
		c := app.Default()
		c.Mail.Notify = app.NotifyOff // scripts count events; receipts come when they come
		switch {
		case len(args) == 3 && args[2] == "telling":
			c.Mail.Notify = app.NotifyOn
		case len(args) == 3 && args[2] == "stuck":
			hooks.Payments = func(p commands.Payments) commands.Payments { return &sticking{Payments: p, seen: map[string]bool{}} }
		case len(args) == 3:
			c.Durability = args[2]
		}
		c.Data, c.Listen, c.LogLevel, c.WebhookAllowPrivate = ts.MkAbs(args[1]), "127.0.0.1:0", "error", true
		a, err := app.New(context.Background(), c, io.Discard, hooks)
		ts.Check(err)
		ctx, stop := context.WithCancel(context.Background())
		r := &running{stop: stop, done: make(chan error, 1)}
		go func() { r.done <- a.Run(ctx) }()
		ledgers.Store(ts, r)
		ts.Defer(func() {
			if ledgers.CompareAndDelete(ts, r) {
				ts.Check(r.end())
			}
		})
		ts.Setenv("ORDERLEDGER_SERVER", a.URL())
	default:
		ts.Fatalf("ledger start DIR [DURABILITY|stuck|telling], or ledger stop")
	}
}

// sticking is a Stripe that takes each order's first capture for a request that it knows with other parameters: nothing is
// done, and it can't go on by itself.
type sticking struct {
	commands.Payments
	mu   sync.Mutex
	seen map[string]bool
}

// Capture implements commands.Payments.
func (s *sticking) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	s.mu.Lock()
	again := s.seen[r.OrderID]
	s.seen[r.OrderID] = true
	s.mu.Unlock()
	if again {
		return s.Payments.Capture(ctx, r)
	}
	return commands.PaymentIntent{}, &commands.PaymentRefusal{
		Status: 400, Type: "idempotency_error", Message: "other parameters", RequestID: "req_stuck",
	}
}

// exits CODE COMMAND… runs a command that must end with this code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// token CREATED FILE writes the secret of a token that was created with -o json into a file.
func token(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("token CREATED FILE")
	}
	secret := regexp.MustCompile(`olt_\w+`).FindString(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(secret), 0o600))
}

func receiver(ts *testscript.TestScript, _ bool, _ []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			http.Error(w, "moved out", http.StatusGone)
		}
	}))
	ts.Defer(s.Close)
	ts.Setenv("RECEIVER", s.URL)
}

func idOf(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("idof FILE")
	}
	var object struct{ ID string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	ts.Setenv("ID", object.ID)
}

// testKey is where a script's own test is kept.
type testKey struct{}

func natsServer(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("NATS", natstest.Start(ts.Value(testKey{}).(testing.TB)).URL)
}

func writeSample(ts *testscript.TestScript, _ bool, args []string) {
	orders, err := sample.Orders()
	ts.Check(err)
	var b strings.Builder
	for _, o := range orders {
		b.Write(o.JSON)
		b.WriteByte('\n')
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// background runs a command line in this process until its output holds what is awaited.
func background(t *testing.T, args []string, awaited *regexp.Regexp, onStderr bool) (found []string, seen string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var out, errs io.Writer = w, io.Discard
	if onStderr {
		out, errs = io.Discard, w
	}
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, args, strings.NewReader(""), out, errs)
		_ = w.Close() // a pipe's never fails
	}()
	lines := bufio.NewScanner(r)
	for found == nil && lines.Scan() {
		seen += lines.Text() + "\n"
		found = awaited.FindStringSubmatch(lines.Text())
	}
	if found == nil {
		cancel()
		t.Fatalf("exit code %d before %q was printed:\n%s", <-code, awaited, seen)
	}
	rest := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, r) // until the command closes it
		close(rest)
	}()
	return found, seen, func() int {
		cancel()
		n := <-code
		<-rest
		return n
	}
}

func TestServeAnswersAndStopsCleanly(t *testing.T) {
	found, _, stop := background(t, []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, regexp.MustCompile(`answers at (\S+)`), true)
	res, err := http.Get(found[1] + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // only its status counts
	if res.StatusCode != http.StatusOK {
		t.Errorf("livez: %s", res.Status)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit code %d after a clean stop", code)
	}
	if _, err := http.Get(found[1] + "/livez"); err == nil {
		t.Error("it answers still")
	}
}

// Where it listens on all addresses, it names one that can be used.
func TestServeOnAllAddresses(t *testing.T) {
	dir := t.TempDir()
	if code := execute(t.Context(), []string{"token", "create", "--data", dir, "--name", "anna", "--role", "admin"}, nil, io.Discard, io.Discard); code != exitDone {
		t.Fatalf("token: exit code %d", code)
	}
	found, _, stop := background(t, []string{"serve", "--listen", "0.0.0.0:0", "--data", dir}, regexp.MustCompile(`answers at (http://localhost:\d+)$`), true)
	res, err := http.Get(found[1] + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // only its status counts
	if code := stop(); code != exitDone || res.StatusCode != http.StatusOK {
		t.Errorf("exit code %d, livez: %s", code, res.Status)
	}
}

func TestDemoNamesItsAddressToPrograms(t *testing.T) {
	found, _, stop := background(t, []string{"demo", "--listen", "127.0.0.1:0", "-o", "json"}, regexp.MustCompile(`"dashboard": "(http://127\.0\.0\.1:\d+)"`), false)
	if code := stop(); code != exitDone {
		t.Errorf("exit code %d, %s", code, found[1])
	}
}

// The demo shows orders in every tab, at every stage, and is the same when it is started again in its folder.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	args := []string{"demo", "--listen", "127.0.0.1:0", "--data", dir, "-q"}
	var before string
	for range 2 {
		_, seen, stop := background(t, args, regexp.MustCompile(`^archived +\d+`), false)
		if code := stop(); code != exitDone {
			t.Fatalf("exit code %d", code)
		}
		address := regexp.MustCompile(`(?m)^The dashboard: http://127\.0\.0\.1:\d+$`)
		if !address.MatchString(seen) {
			t.Errorf("no address in:\n%s", seen)
		}
		for _, tab := range domain.Tabs {
			if !regexp.MustCompile(`(?m)^` + string(tab) + ` +[1-9]`).MatchString(seen) {
				t.Errorf("no order in tab %s:\n%s", tab, seen)
			}
		}
		counts := address.ReplaceAllString(seen, "")
		if before != "" && counts != before {
			t.Errorf("started again it shows\n%s, before\n%s", counts, before)
		}
		before = counts
	}
	var out strings.Builder
	if code := execute(t.Context(), []string{"audit", "replay", "--orders", "--data", dir, "-o", "jsonl"}, nil, &out, io.Discard); code != exitDone {
		t.Fatalf("replay: exit code %d", code)
	}
	statuses := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		var o struct{ Status string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		statuses[o.Status] = true
	}
	if len(statuses) != len(domain.Statuses) {
		t.Errorf("statuses %v, want all of %v", statuses, domain.Statuses)
	}
}

func TestConfigurationComesFromFlagThenEnvironmentThenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(env []string, args ...string) (app.Config, error) {
		cmd := (&cli{}).serve()
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		return readConfig(cmd.LocalNonPersistentFlags(), file, env)
	}
	write("ledger: file\nstore: nats://a\nlisten: 127.0.0.1:1\nreplicas: 3\nno-anonymous: true\nrate-limit: 7.5\n")
	c, err := read([]string{"ORDERLEDGER_LEDGER=env", "ORDERLEDGER_LISTEN=127.0.0.1:2", "ORDERLEDGER_SERVER=x", "HOME=/"}, "--ledger", "flag")
	if err != nil {
		t.Fatal(err)
	}
	want := app.Default()
	want.Ledger, want.Store, want.Listen, want.Replicas, want.NoAnonymous, want.RateLimit = "flag", "nats://a", "127.0.0.1:2", 3, true, 7.5
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v\nwant %+v", c, want)
	}
	write("manufacturers:\n  acme: {time-zone: America/Chicago, days-off: [2026-11-27]}\n  9: {days-to-confirm: 3}\n")
	if c, err = read(nil); err != nil || c.Manufacturers.Of("acme").Calendar.Zone.String() != "America/Chicago" || c.Manufacturers.Of("9").Calendar.Days != 3 {
		t.Errorf("%+v, %v", c.Manufacturers, err)
	}
	cmd := (&cli{}).serve()
	if c, err = readConfig(cmd.LocalNonPersistentFlags(), "", []string{"ORDERLEDGER_CONFIG=" + file}); err != nil || c.Manufacturers.Of("9").Calendar.Days != 3 {
		t.Errorf("the file that the environment names: %+v, %v", c.Manufacturers, err)
	}
	write("manufacturers:\n  acme: {time-zone: Gotham}\n  b: {days-to-confirm: 0}\ndurability: none\n")
	if _, err = read(nil); exitCode(err) != exitWrongUse || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("all that is wrong is to be said at once: %v", err)
	}
	for name, bad := range map[string]struct {
		file string
		env  []string
	}{
		"an unknown key":          {file: "legder: x\n"},
		"a nested key":            {file: "store:\n  url: x\n"},
		"an unknown variable":     {env: []string{"ORDERLEDGER_LEGDER=x"}},
		"a bad value":             {file: "durability: none\n"},
		"what is not YAML":        {file: "{"},
		"too many replicas":       {file: "store: nats://a\n", env: []string{"ORDERLEDGER_REPLICAS=9"}},
		"an even number of them":  {file: "store: nats://a\n", env: []string{"ORDERLEDGER_REPLICAS=4"}},
		"replicas of our own":     {file: "replicas: 3\n"},
		"replicas in memory":      {file: "store: memory\n", env: []string{"ORDERLEDGER_REPLICAS=1"}},
		"replicas of EventStore":  {file: "store: esdb://a\nreplicas: 3\n"},
		"strict elsewhere":        {file: "store: nats://a\ndurability: strict\n"},
		"a sandbox beside Stripe": {file: "stripe: test\nstripe-key-file: k\nsandbox-url: http://127.0.0.1:1\n"},
		"data for nobody":         {file: "public-customer-data: true\n"},
		"a port of no number":     {file: "listen: 127.0.0.1:nowhere\n"},
		"a port too high":         {file: "listen: 127.0.0.1:70000\n"},
		"no port":                 {file: "listen: \"127.0.0.1:\"\n"},
		"servers of two kinds":    {file: "store: nats://a,tls://b\n"},
		"TLS for our own store":   {file: "nats-ca-file: ca.pem\n"},
		"the file within itself":  {file: "config: other.yaml\n"},
	} {
		write(bad.file)
		if _, err := read(bad.env); exitCode(err) != exitWrongUse {
			t.Errorf("%s: error %v, want wrong use", name, err)
		}
	}
}

// What can't be read is no default: one who is let in because "maybe" means false is a stranger.
func TestUnreadableConfigurationIsWrongUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	for _, bad := range []struct{ file, env, want string }{
		{env: "ORDERLEDGER_NO_ANONYMOUS=maybe", want: `ORDERLEDGER_NO_ANONYMOUS: "maybe": use true or false`},
		{env: "ORDERLEDGER_NO_ANONYMOUS=", want: `ORDERLEDGER_NO_ANONYMOUS: "": use true or false`},
		{env: "ORDERLEDGER_PACKING_SLIP_PRICES=off", want: `ORDERLEDGER_PACKING_SLIP_PRICES: "off": use true or false`},
		{env: "ORDERLEDGER_REPLICAS=three", want: `ORDERLEDGER_REPLICAS: "three": use a whole number`},
		{env: "ORDERLEDGER_RATE_LIMIT=fast", want: `ORDERLEDGER_RATE_LIMIT: "fast": use a number`},
		{env: "ORDERLEDGER_RATE_LIMIT=NaN", want: "--rate-limit NaN: use a number above 0"},
		{env: "ORDERLEDGER_MAIL_RATE=NaN", want: "--mail-rate NaN: use a number above 0"},
		{env: "ORDERLEDGER_SESSION_LIFE=12", want: `ORDERLEDGER_SESSION_LIFE: "12": use a duration`},
		{env: "ORDERLEDGER_HISTORY_AFTER=a week", want: `ORDERLEDGER_HISTORY_AFTER: "a week": use a duration`},
		{file: "no-anonymous: yes", want: `config.yaml: no-anonymous: "yes": use true or false`},
		{file: "no-anonymous:", want: `config.yaml: no-anonymous: "": use true or false`},
		{file: "replicas: 3.5", want: `config.yaml: replicas: "3.5": use a whole number`},
		{file: "session-life: 12", want: `config.yaml: session-life: "12": use a duration`},
		{file: "notify-also: [accepted, captured]", want: "config.yaml: notify-also: [accepted captured]: use one value"},
		{file: "reconcile-first: {now: true}", want: `config.yaml: "reconcile-first.now" is not a key`},
	} {
		if err := os.WriteFile(file, []byte(bad.file), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := (&cli{}).serve()
		_, err := readConfig(cmd.LocalNonPersistentFlags(), file, []string{bad.env})
		if exitCode(err) != exitWrongUse || !strings.Contains(fmt.Sprint(err), bad.want) {
			t.Errorf("%s%s: %v, want wrong use that says %q", bad.env, bad.file, err, bad.want)
		}
	}
	cmd := (&cli{}).serve()
	if err := os.WriteFile(file, []byte("no-anonymous: true\nreplicas: three\nledgr: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readConfig(cmd.LocalNonPersistentFlags(), file, []string{"ORDERLEDGER_SESSION_LIFE=long", "ORDERLEDGER_LEGDER=x"})
	if exitCode(err) != exitWrongUse || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("all that can't be read is to be said at once: %v", err)
	}
	if err := os.WriteFile(file, []byte("store: nats://a\nno-anonymous: true\nreplicas: 3\nrate-limit: 1e3\nhistory-after: 0\nledger: 2026\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(cmd.LocalNonPersistentFlags(), file, []string{"ORDERLEDGER_SESSION_LIFE=90m", "ORDERLEDGER_PACKING_SLIP_PRICES=0"})
	if err != nil || !c.NoAnonymous || c.Replicas != 3 || c.RateLimit != 1000 || c.Mail.HistoryAfter != 0 || c.Ledger != "2026" ||
		c.SessionLife != 90*time.Minute || c.Slip.Prices {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCSVCellsAreNoFormulas(t *testing.T) {
	var out strings.Builder
	l := listing{columns: []string{"A", "B"}}
	for _, cell := range []string{"=1+1", "+1", "-1", "@x", "\tx", "plain", ""} {
		l.add(nil, cell, "a,\"b")
	}
	if err := writeCSV(&out, l); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.ContainsRune("=+-@\t", rune(line[0])) {
			t.Errorf("a cell begins like a formula: %q", line)
		}
	}
}
