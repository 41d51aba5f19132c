package follow_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orderledger/orderledger/commands/follow"
)

type errand struct {
	follow.Place
	name int
}

// Whatever is put, taken out and removed: the first that is due comes first, and nothing before its time.
func TestDue(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var due follow.Due[*errand]
		var waits []*errand // a list of the same
		first := func() *errand {
			return slices.MinFunc(waits, func(a, b *errand) int { return a.DueAt().Compare(b.DueAt()) })
		}
		now, made := start, 0
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				e := &errand{name: made}
				made++
				due.Put(e, start.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "due"))*time.Second))
				waits = append(waits, e)
			},
			"remove": func(t *rapid.T) {
				if len(waits) == 0 {
					t.Skip("nothing waits")
				}
				i := rapid.IntRange(0, len(waits)-1).Draw(t, "which")
				due.Remove(waits[i])
				waits = slices.Delete(waits, i, i+1)
			},
			"take": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "later")) * time.Second)
				e, ok := due.Take(now)
				if !ok {
					if len(waits) > 0 && !first().DueAt().After(now) {
						t.Fatalf("what was due at %s was not taken at %s", first().DueAt(), now)
					}
					return
				}
				if e.DueAt().After(now) || !e.DueAt().Equal(first().DueAt()) {
					t.Fatalf("at %s what is due at %s was taken; the first is due at %s", now, e.DueAt(), first().DueAt())
				}
				i := slices.Index(waits, e)
				if i < 0 {
					t.Fatalf("%d does not wait", e.name)
				}
				waits = slices.Delete(waits, i, i+1)
			},
			"": func(t *rapid.T) {
				at, ok := due.Next()
				if ok != (len(waits) > 0) || ok && !at.Equal(first().DueAt()) {
					t.Fatalf("the next is due at %s, %t, of %d that wait", at, ok, len(waits))
				}
			},
		})
	})
}
