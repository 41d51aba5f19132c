package tabs

import (
	"cmp"
	"context"
	"slices"
	"strconv"
)

// indexedPrefix is up to how many characters the beginnings of words have an index of their own (see schema.go). What is found by it
// comes one after another; of longer beginnings FTS5 first gathers all that there is.
const indexedPrefix = 4

// findWords returns rows among which all are that hold the words of the search, if they are few: those of one word that is rare, which
// whoever looks at the rows holds against the other words. The longest is the likeliest. Only when each of several words is frequent
// is it looked for what holds them all.
func (l *lister) findWords(ctx context.Context) (rows []int64, ok bool, err error) {
	words := slices.SortedFunc(slices.Values(l.words), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, w := range words {
		if rows, ok, err = l.findWord(ctx, w); ok || err != nil {
			return rows, ok, err
		}
	}
	if len(words) < 2 {
		return nil, false, nil
	}
	return l.find(ctx, matching(match(words)))
}

// findWord returns rows among which all are that hold a word with this beginning, if they are few.
func (l *lister) findWord(ctx context.Context, w string) ([]int64, bool, error) {
	if head := []rune(w); len(head) > indexedPrefix {
		if rows, ok, err := l.find(ctx, matching(match([]string{string(head[:indexedPrefix])}))); ok || err != nil {
			return rows, ok, err
		}
		if _, ok, err := l.find(ctx, matching(strconv.Quote(w))); !ok || err != nil {
			return nil, false, err // the word by itself is frequent, so what begins with it is
		}
	}
	return l.find(ctx, matching(match([]string{w})))
}

func matching(query string) condition {
	return condition{`SELECT rowid FROM words WHERE words MATCH ?`, []any{query}}
}
