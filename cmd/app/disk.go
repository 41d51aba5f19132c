package app

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/orderledger/orderledger/domain/eventstore"
)

const (
	// roomWanted is what must fit on the disk for the ledger to be ready: the largest event, and as much for the rest.
	roomWanted = 2 * eventstore.MaxEventSize
	// lookEvery bounds how often that is tried; a try that takes longer finds a disk that does not answer.
	lookEvery = 5 * time.Second
)

// room tries whether the data folder can still be written to: a disk that is full or was made read-only lets reads go on, and refuses
// appends. The file is gone before the system has to bring it to the disk.
type room struct {
	folders []string
	now     func() time.Time

	mu    sync.Mutex
	begun time.Time // of the last try
	busy  bool      // it goes on
	found error     // by the last try that ended
}

// openRoom says which folders are tried: the data folder, and the log's, which may be on another disk.
func (a *App) openRoom() {
	a.room.now = time.Now // not the ledger's clock: the disk has no other
	if a.config.Store == "memory" {
		return
	}
	a.room.folders = []string{a.config.Data}
	if !a.config.shared() {
		a.room.folders = append(a.room.folders, filepath.Join(a.config.Data, "log"))
	}
}

// ready says why there is no room; nil when there is.
func (r *room) ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.now().Sub(r.begun)
	switch {
	case r.busy && since > lookEvery:
		return fmt.Errorf("the disk does not answer since %s", since.Round(time.Second))
	case r.busy || since < lookEvery || len(r.folders) == 0:
		return r.found
	}
	r.begun, r.busy = r.now(), true
	r.mu.Unlock()
	var err error
	for _, dir := range r.folders {
		err = cmp.Or(err, tryRoom(dir))
	}
	r.mu.Lock()
	r.busy, r.found = false, err
	return err
}

// tryRoom says what is wrong, without the path: anybody may ask whether the ledger is ready.
func tryRoom(dir string) error {
	path := filepath.Join(dir, "readiness-probe")
	err := os.WriteFile(path, make([]byte, roomWanted), 0o600)
	if removed := os.Remove(path); err == nil {
		err = removed
	}
	if where := (*fs.PathError)(nil); errors.As(err, &where) {
		err = where.Err
	}
	if err != nil {
		return fmt.Errorf("it can't be written to: %w; make room, or mend the disk", err)
	}
	return nil
}
