package eventstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
)

// Leaser is a store by which the processes that work on one log agree which of them acts on the outside. It keeps one small record
// beside the log, not in it: that a process is alive is no fact about orders. What the record says is its writers' affair.
type Leaser interface {
	// ReadLease returns the record; the zero record while there is none. It may be an old one, which WriteLease then tells. It
	// makes nothing. Errors: ErrUnavailable, the context's.
	ReadLease(ctx context.Context) (LeaseRecord, error)

	// WriteLease replaces the record if it is still at the revision that was seen, and returns the new revision. Of several that
	// have seen the same one succeeds. Errors: ErrLeaseMoved when it is not, and nothing was written; ErrUnavailable, the context's:
	// then it may have been written or not, or be written yet.
	WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error)
}

// LeaseRecord is what a store keeps of a lease.
type LeaseRecord struct {
	// Revision is another one with every write, and none comes again, even when somebody has deleted the record; 0: there is none.
	Revision uint64
	Value    []byte // at most MaxLeaseSize
}

// MaxLeaseSize bounds a lease's value, in bytes.
const MaxLeaseSize = 4096

// ErrLeaseMoved means that somebody else has written the lease's record.
var ErrLeaseMoved = errors.New("the lease has another revision")

// CheckLease refuses a value that no store takes.
func CheckLease(value []byte) error {
	if len(value) > MaxLeaseSize {
		return fmt.Errorf("a lease's record of %d bytes, at most %d", len(value), MaxLeaseSize)
	}
	return nil
}

// LocalLease is the lease of a store that one process at a time can use: it is kept in memory. The zero value is ready for use.
type LocalLease struct {
	mu     sync.Mutex
	record LeaseRecord
}

var _ Leaser = (*LocalLease)(nil)

// ReadLease implements Leaser.
func (l *LocalLease) ReadLease(ctx context.Context) (LeaseRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LeaseRecord{l.record.Revision, bytes.Clone(l.record.Value)}, ctx.Err()
}

// WriteLease implements Leaser.
func (l *LocalLease) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	if err := errors.Join(ctx.Err(), CheckLease(value)); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen != l.record.Revision {
		return 0, fmt.Errorf("%w: %d, not %d", ErrLeaseMoved, l.record.Revision, seen)
	}
	l.record = LeaseRecord{seen + 1, bytes.Clone(value)}
	return l.record.Revision, nil
}
