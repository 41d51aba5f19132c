package natsstore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// mark remembers in a file of its own how far the log is durable. The server cuts a damaged end off its files without a word;
// a log that ends before its mark has lost events.
//
// The mark is written after the barrier that it tells of, and itself made durable by the next one: so it may lag behind, but
// never claims what was not durable.
type mark struct{ file *os.File }

// openMark opens the mark, or makes one at zero, and returns what it says.
func openMark(path string) (mark, uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return mark{}, 0, err
	}
	m := mark{f}
	seq, err := m.read()
	if err != nil {
		return mark{}, 0, errors.Join(fmt.Errorf("the mark %s: %w", path, err), f.Close())
	}
	return m, seq, nil
}

func (m mark) read() (uint64, error) {
	b := make([]byte, 32)
	n, err := m.file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	text := strings.TrimSpace(string(b[:n]))
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 10, 64)
}

// write sets the mark.
func (m mark) write(seq uint64) error {
	_, err := m.file.WriteAt(fmt.Appendf(make([]byte, 0, 24), "%020d\n", seq), 0)
	return err
}

func (m mark) close() error { return m.file.Close() }
