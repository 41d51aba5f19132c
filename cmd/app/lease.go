package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/commands/lease"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/esdbstore"
	"github.com/orderledger/orderledger/domain/eventstore/folder"
)

// openData takes the data folder for this process alone: read models, snapshots and webhooks' checkpoints are one process's own. A
// log in memory leaves nothing in it.
func (a *App) openData() error {
	if err := os.MkdirAll(a.config.Data, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if a.config.Store == "memory" {
		return nil
	}
	lock, err := folder.Lock(a.config.Data)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	a.onClose(func() { closeLogged(a.log, "the lock of the data folder", lock.Close) })
	return nil
}

// folderName names the data folder, for ever: by it a process that was killed and starts again knows that the lease is its own.
func (a *App) folderName() (string, error) {
	if a.config.Store == "memory" {
		return "", nil
	}
	path := filepath.Join(a.config.Data, "folder-id")
	b, err := os.ReadFile(filepath.Clean(path))
	if name := strings.TrimSpace(string(b)); err == nil && name != "" {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("--data: %w", err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	name := hex.EncodeToString(random)
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	return name, nil
}

// openLease prepares to compete with other processes on the log for who acts on the outside.
func (a *App) openLease(ctx context.Context, store eventstore.Store) error {
	records, ok := store.(eventstore.Leaser)
	if !ok {
		return fmt.Errorf("--store %s: the store keeps no lease", a.config.Store)
	}
	name, err := a.folderName()
	if err != nil {
		return err
	}
	untouched := true
	if a.config.shared() { // else the record is this process's own
		head, err := store.Head(ctx)
		if err != nil {
			return err
		}
		untouched = head == 0
	}
	host, _ := os.Hostname() // for people
	a.lease, err = lease.New(lease.Config{
		Records: records, Untouched: untouched, Self: lease.Process{ID: uuid.NewString(), Folder: name, Host: host, PID: os.Getpid()}, Logger: a.log,
	})
	return err
}

// beginLease takes the lease if it is free, and competes for it until end is called: when all that acts has ended.
func (a *App) beginLease(ctx context.Context) (end func()) {
	a.lease.Begin(ctx)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() { a.lease.Run(running) })
	return func() {
		stop()
		done.Wait()
	}
}

// act runs a part that acts on the outside, in turn. One that can't go on leaves the turn to another process, if there is one.
func (a *App) act(name string, run func(context.Context) error) {
	a.parts.Go(func() {
		a.part(a.background, name, run)
		if a.background.Err() == nil {
			a.lease.Yield()
		}
	})
}

// shared says whether other processes may work on the log.
func (c Config) shared() bool { return external(c.Store) || esdbstore.Is(c.Store) }

// leaseRemarks say which process acts, where there may be several.
func (a *App) leaseRemarks() []string {
	if !a.config.shared() {
		return nil
	}
	s := a.lease.Status()
	switch {
	case s.Held:
		return []string{"lease: this process asks Stripe, and tells people and other systems"}
	case s.Err != nil:
		return []string{"lease: this process stands by: " + s.Err.Error()}
	case s.Holder == nil:
		return []string{"lease: this process stands by, and no other is known to act"}
	}
	return []string{fmt.Sprintf("lease: this process stands by; process %d on %s acts since %s", s.Holder.PID, s.Holder.Host, s.Since.Format(time.RFC3339))}
}

// acting is the same for the API.
func (a *App) acting() *client.Acting {
	s := a.lease.Status()
	if s.Holder == nil {
		return nil
	}
	return &client.Acting{Process: s.Holder.ID, Host: s.Holder.Host, PID: s.Holder.PID, Since: s.Since, This: s.Held}
}

func (a *App) leaseMetrics() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "orderledger", Name: "lease_held", Help: "1 while this process acts on the outside, of all on one log.",
		}, func() float64 {
			if a.lease.Mine() {
				return 1
			}
			return 0
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "orderledger", Name: "lease_taken_total", Help: "How often this process took to acting on the outside.",
		}, func() float64 { return float64(a.lease.Status().Taken) }),
	}
}
