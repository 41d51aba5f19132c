// Package folder keeps a data folder to one process at a time.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// Lock takes a data folder for this process alone. Closing the file gives it back; so does the end of the process,
// however it ends. The error of a second process wraps eventstore.ErrLocked and names the first.
func Lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(f)
	if ok {
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
		}
	} else if err == nil {
		err = fmt.Errorf("%w: %s belongs to %s; stop it first, or use another folder", eventstore.ErrLocked, dir, holder(f))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holder names the process that holds the lock.
func holder(f *os.File) string {
	pid, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if text := strings.TrimSpace(string(pid)); err == nil && text != "" {
		return "process " + text
	}
	return "another process"
}
