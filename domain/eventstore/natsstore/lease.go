package natsstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// leaseKey is the one key in the bucket of a ledger's lease: nats kv get LEDGER-lease holder.
const leaseKey = "holder"

// lease keeps the record in a key-value bucket of its own beside the log, which is made when it is first written.
type lease struct {
	bucket string
	store  *Store

	mu sync.Mutex
	kv jetstream.KeyValue // nil until the bucket was seen
}

var _ eventstore.Leaser = (*Store)(nil)

// ReadLease implements eventstore.Leaser.
func (s *Store) ReadLease(ctx context.Context) (eventstore.LeaseRecord, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return eventstore.LeaseRecord{}, err
	}
	defer end()
	return s.leaser.ReadLease(ctx)
}

// WriteLease implements eventstore.Leaser.
func (s *Store) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	if err := eventstore.CheckLease(value); err != nil {
		return 0, err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	return s.leaser.WriteLease(ctx, seen, value)
}

// ReadLease implements eventstore.Leaser.
func (l *lease) ReadLease(ctx context.Context) (eventstore.LeaseRecord, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	kv, err := l.open(limited, false)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return eventstore.LeaseRecord{}, nil
	}
	if err != nil {
		return eventstore.LeaseRecord{}, explain(ctx, err)
	}
	var entry jetstream.KeyValueEntry
	for attempt := 0; ; attempt++ { // any replica may be asked, and be one that answers nothing
		entry, err = once(limited, l.store, func(ctx context.Context) (jetstream.KeyValueEntry, error) { return kv.Get(ctx, leaseKey) })
		if err == nil || !open(err) || pause(limited, attempt) != nil {
			break
		}
	}
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return eventstore.LeaseRecord{}, nil
	}
	if err != nil {
		return eventstore.LeaseRecord{}, explain(ctx, err)
	}
	return eventstore.LeaseRecord{Revision: entry.Revision(), Value: entry.Value()}, nil
}

// WriteLease implements eventstore.Leaser.
func (l *lease) WriteLease(ctx context.Context, seen uint64, value []byte) (uint64, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	kv, err := l.open(limited, true)
	if err != nil {
		return 0, explain(ctx, err)
	}
	for attempt := 0; ; attempt++ {
		var revision uint64
		revision, err = onceOf(limited, l.store, &l.store.telling, askSoon, func(ctx context.Context) (uint64, error) {
			if seen == 0 {
				return kv.Create(ctx, leaseKey, value)
			}
			return kv.Update(ctx, leaseKey, value, seen)
		})
		switch code(err) {
		case codeWrongLast:
			return 0, fmt.Errorf("%w: %w", eventstore.ErrLeaseMoved, err)
		case codeInFlight: // replicated, and another's is being decided
			if pause(limited, attempt) == nil {
				continue
			}
		}
		return revision, explain(ctx, err)
	}
}

// open finds the bucket; it makes it only for who writes.
func (l *lease) open(ctx context.Context, write bool) (jetstream.KeyValue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kv != nil {
		return l.kv, nil
	}
	kv, err := l.store.js.KeyValue(ctx, l.bucket)
	if write && errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = l.store.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: l.bucket, Description: "orderledger: which process acts", Storage: jetstream.FileStorage,
			Replicas:     l.store.Replicas(),
			MaxValueSize: eventstore.MaxLeaseSize + 1024, // with its headers
			MaxBytes:     1 << 20,
		})
	}
	if err == nil {
		l.kv = kv
	}
	return kv, err
}
