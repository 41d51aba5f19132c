package outevents_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// kept are the events that the stream has ever taken, in its order; of others' messages, nothing.
type kept struct {
	mu  sync.Mutex
	ids []string
}

func (r *rig) keep() *kept {
	r.t.Helper()
	k := &kept{}
	consumer, err := r.js.OrderedConsumer(r.t.Context(), "shop-public", jetstream.OrderedConsumerConfig{})
	if err != nil {
		r.t.Fatal(err)
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if m.Headers().Get("Ledger-Stream") != "" {
			k.ids = append(k.ids, m.Headers().Get("Nats-Msg-Id"))
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(consuming.Stop)
	return k
}

// await waits until the stream has taken an event, and returns all that it took.
func (k *kept) await(t *testing.T, last uuid.UUID) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		k.mu.Lock()
		ids := slices.Clone(k.ids)
		k.mu.Unlock()
		if slices.Contains(ids, last.String()) {
			return ids
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the stream did not take %s: %v", last, ids)
		case <-tick.C:
		}
	}
}

// Whatever others do to the stream, or write into it, while a publisher runs or not: it goes on where it was.
func TestOthersAtTheStream(t *testing.T) {
	stranger := func(r *rig) error {
		_, err := r.js.Publish(t.Context(), "shop.public.Shipped", []byte("{}"))
		return err
	}
	remove := func(back uint64) func(r *rig) error {
		return func(r *rig) error {
			s, err := r.js.Stream(t.Context(), "shop-public")
			if err != nil {
				return err
			}
			return s.DeleteMsg(t.Context(), s.CachedInfo().State.LastSeq-back)
		}
	}
	purge := func(r *rig) error {
		s, err := r.js.Stream(t.Context(), "shop-public")
		if err != nil {
			return err
		}
		return s.Purge(t.Context())
	}
	copied := func(r *rig) error { // by somebody who has read it
		s, err := r.js.Stream(t.Context(), "shop-public")
		if err != nil {
			return err
		}
		m, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil // it was purged before
		}
		if err == nil {
			_, err = r.js.Conn().Request("shop.public.Placed", m.Data, patience)
		}
		return err
	}
	unmark := func(r *rig) error { return r.js.DeleteKeyValue(t.Context(), "shop-public") }
	for name, deeds := range map[string][]func(*rig) error{
		"a stranger's message":      {stranger},
		"many":                      {stranger, stranger, stranger, remove(1)},
		"a copy":                    {copied},
		"the last is deleted":       {remove(0)},
		"the last two are":          {remove(0), remove(1)},
		"one in between is":         {remove(2)},
		"all are":                   {purge},
		"a stranger's, and all are": {stranger, purge},
		"a stranger's, and then all, and a second's": {stranger, purge, stranger},
		"all are, and a stranger's":                  {purge, stranger, stranger},
		"the mark is lost":                           {unmark},
		"the mark is lost, and a stranger's":         {unmark, stranger},
		"the mark is lost, and all":                  {purge, unmark},
		"the mark, and the last":                     {remove(0), unmark},
	} {
		for _, running := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, while it runs: %v", name, running), func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				p, stop := r.start(r.config())
				r.await(0)
				k := r.keep()
				for i := range 5 {
					r.place(fmt.Sprint("before", i))
				}
				k.await(t, r.placed[4])
				if !running {
					if err := stop(); err != nil {
						t.Fatal(err)
					}
				}
				for _, deed := range deeds {
					if err := deed(r); err != nil {
						t.Fatal(err)
					}
				}
				if !running {
					r.place("while away")
					p, _ = r.start(r.config())
				}
				for i := range 5 {
					r.place(fmt.Sprint("after", i))
				}
				ids := k.await(t, r.placed[len(r.placed)-1])
				var want []string
				for _, id := range r.placed {
					want = append(want, id.String())
				}
				if !slices.Equal(ids, want) {
					t.Errorf("published %v, want %v", ids, want)
				}
				if err := p.Ready(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
