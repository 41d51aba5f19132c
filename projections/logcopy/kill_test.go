package logcopy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
	"github.com/orderledger/orderledger/projections/logcopy"
)

// childEnv makes this test binary a process that copies: its value is the folder with both logs.
const childEnv = "ORDERLEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := copyIn(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func openIn(dir, name string) (eventstore.Store, error) {
	return natsstore.OpenEmbedded(context.Background(), natsstore.EmbeddedConfig{
		Dir: filepath.Join(dir, name), Ledger: "copied", Logger: slog.New(slog.DiscardHandler),
	})
}

func copyIn(dir string) error {
	from, err := openIn(dir, "from")
	if err != nil {
		return err
	}
	to, err := openIn(dir, "to")
	if err != nil {
		return err
	}
	_, err = logcopy.Copy(context.Background(), from, to, logcopy.Options{Batch: 50})
	return errors.Join(err, to.Close(), from.Close())
}

// Killed by kill -9 at random moments, a copy between data folders goes on and finishes.
func TestKilledProcess(t *testing.T) {
	dir := t.TempDir()
	source, err := openIn(dir, "from")
	if err != nil {
		t.Fatal(err)
	}
	ledgerLike(t, source, 12_000, 30)
	want := read(t, source)
	if err := source.Close(); err != nil {
		t.Fatal(err)
	}
	killed := 0
	for life, moment := range rand.New(rand.NewPCG(1, 2)).Perm(6) {
		ctx, cancel := t.Context(), func() {}
		if life < 5 { // the last one has all the time that it needs
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(moment+1)*200*time.Millisecond)
		}
		child := exec.CommandContext(ctx, os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := child.CombinedOutput()
		cancel()
		switch {
		case err == nil:
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			killed++
		default:
			t.Fatalf("life %d: %v\n%s", life, err, out)
		}
	}
	t.Logf("%d of 6 processes were killed", killed)
	target, err := openIn(dir, "to")
	if err != nil {
		t.Fatal(err)
	}
	opened(t, target, nil)
	wantCopy(t, target, want)
}
