package follow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// ErrForeignSnapshot means that the log does not hold what the snapshot says that it has seen.
var ErrForeignSnapshot = errors.New("the snapshot is not of this log")

// Mark stands at the beginning of a snapshot of what was folded, and says how far that is. A snapshot only saves time: without it the
// log is folded from its beginning.
type Mark struct {
	// Version is that of the file's form and of the fold. Another one is not read.
	Version int `json:"version"`
	// Checkpoint is the position of the last event in the state, and Event its id; Before is the position before it. Reading
	// that event again shows whether this is a snapshot of the log at hand.
	Before     eventstore.Position `json:"before"`
	Checkpoint eventstore.Position `json:"checkpoint"`
	Event      uuid.UUID           `json:"event"`
}

// Ends says whether a recorded event is the last one in the state.
func (m Mark) Ends(r eventstore.Recorded) bool { return r.Position == m.Checkpoint && r.ID == m.Event }

// Pass says that an event is in the state, too: the one after the last.
func (m *Mark) Pass(r eventstore.Recorded) {
	m.Before, m.Checkpoint, m.Event = m.Checkpoint, r.Position, r.ID
}

// Load reads a file whose version is this one; the zero T and why, when it can't be used. No file, or no path, is no error.
func Load[T any](path string, version int) (v T, err error) {
	var none T
	if path == "" {
		return none, nil
	}
	b, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &form); err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	if form.Version != version {
		return none, fmt.Errorf("%s: version %d, not %d", path, form.Version, version)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// Save replaces a file with v as JSON; see Replace.
func Save(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return Replace(path, b)
}

// Replace replaces a file at once and on disk: a reader, or a crash, finds the old one or the new one.
func Replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// SyncDir makes a rename durable where that is possible. Where it isn't, a power cut may bring the old file back.
func SyncDir(dir string) {
	if d, err := os.Open(filepath.Clean(dir)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
