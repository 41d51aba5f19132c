package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/browser"
	"github.com/orderledger/orderledger/test/testenv"
)

// childEnv makes this test binary a ledger of its own process: its value is a childConfig.
const childEnv = "ORDERLEDGER_TEST_CHILD"

type childConfig struct {
	App app.Config
	// DieAt kills the process at its n-th step: before and after every append to the log and every call to Stripe. 0: never.
	DieAt int64
	// LogAlone opens the log and nothing else, gives back what memory that does not need, and waits.
	LogAlone bool
}

func TestMain(m *testing.M) {
	if c := os.Getenv(childEnv); c != "" {
		if err := serveChild(c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

func serveChild(config string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if c.LogAlone {
		return openAlone(ctx, c.App)
	}
	d := &death{at: c.DieAt}
	hooks := app.Hooks{}
	if c.DieAt > 0 {
		hooks.Log = func(s eventstore.Store) eventstore.Store { return mortalLog{s, d} }
		hooks.Payments = func(p commands.Payments) commands.Payments { return mortalPayments{p, d} }
	}
	a, err := app.New(ctx, c.App, os.Stderr, hooks)
	if err != nil {
		return err
	}
	fmt.Println(a.URL())
	return a.Run(ctx)
}

func openAlone(ctx context.Context, c app.Config) error {
	log, err := app.OpenLog(ctx, c, app.NewLogger(c, os.Stderr))
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	fmt.Println("open")
	<-ctx.Done()
	return log.Close()
}

// death kills the process at a step, as the power or the kernel would: nothing is flushed, closed or answered.
type death struct {
	at   int64
	step atomic.Int64
}

func (d *death) pass() {
	if d.step.Add(1) == d.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal is there
	}
}

type mortalLog struct {
	eventstore.Store
	*death
}

func (l mortalLog) Append(ctx context.Context, stream string, expected eventstore.Revision, e eventstore.Event) (eventstore.Recorded, error) {
	l.pass()
	defer l.pass()
	return l.Store.Append(ctx, stream, expected, e)
}

func (l mortalLog) AppendMany(ctx context.Context, batch []eventstore.Proposed) ([]eventstore.Recorded, error) {
	l.pass()
	defer l.pass()
	return l.Store.AppendMany(ctx, batch)
}

type mortalPayments struct {
	commands.Payments
	*death
}

func (p mortalPayments) Read(ctx context.Context, id string) (commands.PaymentIntent, error) {
	p.pass()
	defer p.pass()
	return p.Payments.Read(ctx, id)
}

func (p mortalPayments) Capture(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	p.pass()
	defer p.pass()
	return p.Payments.Capture(ctx, r)
}

func (p mortalPayments) Release(ctx context.Context, r commands.PaymentRequest) (commands.PaymentIntent, error) {
	p.pass()
	defer p.pass()
	return p.Payments.Release(ctx, r)
}

func (p mortalPayments) Refund(ctx context.Context, r commands.PaymentRequest) (commands.PaymentRefund, error) {
	p.pass()
	defer p.pass()
	return p.Payments.Refund(ctx, r)
}

// child is a ledger in another process.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	gone chan struct{} // closed when the process has ended
	err  error         // how; after gone
}

func startChild(t testing.TB, c childConfig) *child {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(config))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &child{t: t, cmd: cmd, gone: make(chan struct{})}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	go func() {
		p.err = cmd.Wait()
		close(p.gone)
	}()
	t.Cleanup(p.kill)
	if readErr != nil {
		t.Fatalf("the child did not start: %v", readErr)
	}
	p.url = strings.TrimSpace(line)
	return p
}

// ready waits until the child can be worked with.
func (p *child) ready() *child {
	p.t.Helper()
	if !p.readyOrDead() {
		p.t.Fatalf("the child ended before it was ready: %v", p.err)
	}
	return p
}

// readyOrDead waits until the child can be worked with, or has ended: one that is to die may do so in what it does by itself.
func (p *child) readyOrDead() bool {
	p.t.Helper()
	return testenv.AwaitReadyOrGone(p.t, p.url, time.Minute, p.gone)
}

// kill ends the process at once, as kill -9 does.
func (p *child) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.gone
}

// stop ends the process as an operator does.
func (p *child) stop() {
	p.t.Helper()
	if !p.stopped() {
		p.t.Errorf("the child did not stop cleanly: %v", p.err)
	}
}

// stopped ends the process as an operator does, and says whether it ended so, and not by a death of its own.
func (p *child) stopped() bool {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	<-p.gone
	return p.err == nil
}
