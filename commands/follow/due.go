package follow

import (
	"container/heap"
	"time"
)

// Due holds things that wait for their time, the first that is due on top. The zero Due holds nothing. It belongs to one goroutine.
type Due[T placed] struct{ waiting waiting[T] }

// Place is embedded in what waits in a Due, and says when it is due. A thing waits in one Due at a time, and once.
type Place struct {
	due   time.Time
	index int
}

// DueAt is when it is due, or was when it waited last.
func (p *Place) DueAt() time.Time { return p.due }

func (p *Place) place() *Place { return p }

// placed is a pointer to something that embeds a Place.
type placed interface{ place() *Place }

// Put lets something that does not wait wait until an instant.
func (d *Due[T]) Put(x T, at time.Time) {
	x.place().due = at
	heap.Push(&d.waiting, x)
}

// Remove takes out something that waits.
func (d *Due[T]) Remove(x T) { heap.Remove(&d.waiting, x.place().index) }

// Next says when the first one is due; false when nothing waits.
func (d *Due[T]) Next() (time.Time, bool) {
	if len(d.waiting) == 0 {
		return time.Time{}, false
	}
	return d.waiting[0].place().due, true
}

// Take takes out the first one whose time has come; false when there is none.
func (d *Due[T]) Take(now time.Time) (x T, ok bool) {
	if at, waits := d.Next(); !waits || at.After(now) {
		return x, false
	}
	return heap.Pop(&d.waiting).(T), true
}

// waiting implements heap.Interface.
type waiting[T placed] []T

func (w waiting[T]) Len() int           { return len(w) }
func (w waiting[T]) Less(a, b int) bool { return w[a].place().due.Before(w[b].place().due) }
func (w waiting[T]) Swap(a, b int) {
	w[a], w[b] = w[b], w[a]
	w[a].place().index, w[b].place().index = a, b
}

func (w *waiting[T]) Push(x any) {
	it := x.(T)
	it.place().index = len(*w)
	*w = append(*w, it)
}

func (w *waiting[T]) Pop() any {
	last := len(*w) - 1
	it := (*w)[last]
	var none T
	(*w)[last] = none // so that it can be forgotten
	*w = (*w)[:last]
	return it
}
