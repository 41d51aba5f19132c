package natsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// lastDurability fills in the durability that the folder was last opened with, when none is asked for. One that is asked for is
// noted by remember, as it then is in force.
func (e *embedded) lastDurability(dir string) (remember func() error, err error) {
	path := filepath.Join(dir, "durability")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	noted := eventstore.Durability(strings.TrimSpace(string(b)))
	if e.config.Durability != "" {
		return func() error {
			if e.config.Durability == noted {
				return nil
			}
			return os.WriteFile(path, []byte(e.config.Durability+"\n"), 0o600)
		}, nil
	}
	switch noted {
	case "": // never opened by name, or the power failed while it was noted
		e.config.Durability = eventstore.Group
	case eventstore.Group, eventstore.Strict:
		e.config.Durability = noted
	default:
		return nil, fmt.Errorf("%s says %q, which is no durability of a log", path, noted)
	}
	return func() error { return nil }, nil
}
