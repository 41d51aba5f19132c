package natsstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// leaseKey is the one key in the bucket of a ledger's lease: nats kv get LEDGER-lease holder.
const leaseKey = "holder"

// lease keeps the record in a key-value bucket of its own beside the log, which is made when it is first written.
type lease struct {
	bucket string
	store  *Store

	mu    sync.Mutex
	kv    jetstream.KeyValue // nil until the bucket was seen, and when it may be gone
	limit time.Duration      // how long a write may take before it is asked again
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
		if l.mayBeGone(err) {
			if kv, err = l.open(limited, false); errors.Is(err, jetstream.ErrBucketNotFound) {
				return eventstore.LeaseRecord{}, nil
			}
			err = cmp.Or(err, errBehind)
		}
		if err == nil || kv == nil || !open(err) || pause(limited, attempt) != nil {
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
		asked := time.Now()
		revision, err = onceOf(limited, l.store, &l.store.telling, l.patience(), func(ctx context.Context) (uint64, error) {
			if seen == 0 {
				return kv.Create(ctx, leaseKey, value)
			}
			return kv.Update(ctx, leaseKey, value, seen)
		})
		l.took(time.Since(asked), err)
		l.mayBeGone(err)
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

// patience is how long a write may take now.
func (l *lease) patience() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.limit, askSoon)
}

// took learns from how long a write took: one that is lost is asked again soon, but servers that are slow need their time, or no
// write would ever be heard of.
func (l *lease) took(d time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, errNoAnswer):
		l.limit = min(2*max(l.limit, askSoon), askLong)
	case err == nil:
		l.limit = min(3*d, askLong)
	}
}

// mayBeGone says whether an error may mean that somebody has deleted the bucket. Then it is looked for before it is used again.
func (l *lease) mayBeGone(err error) bool {
	if !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kv = nil
	return true
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
		kv, err = l.make(ctx)
	}
	if err != nil {
		return nil, err
	}
	l.kv = kv
	return kv, nil
}

// make makes the bucket. It is the stream that jetstream makes for a bucket, but its revisions begin anywhere: where a bucket was
// deleted and made anew, an old revision is then none of the new one's.
func (l *lease) make(ctx context.Context) (jetstream.KeyValue, error) {
	_, err := l.store.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KV_" + l.bucket, Subjects: []string{"$KV." + l.bucket + ".>"}, Description: "orderledger: which process acts",
		Storage: jetstream.FileStorage, Replicas: l.store.Replicas(), FirstSeq: 1 + rand.Uint64N(1<<40),
		MaxMsgsPerSubject: 1, MaxBytes: 1 << 20, MaxMsgSize: eventstore.MaxLeaseSize + 1024, // with its headers
		AllowRollup: true, DenyDelete: true, AllowDirect: true, Discard: jetstream.DiscardNew,
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
		return nil, err
	}
	return l.store.js.KeyValue(ctx, l.bucket)
}
