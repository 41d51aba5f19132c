package share_test

import (
	"errors"
	"testing"

	"github.com/orderledger/orderledger/domain/share"
)

func take(p *share.Pool, who string) (backs []func(), why error) {
	for {
		back, err := p.Take(who)
		if err != nil {
			return backs, err
		}
		backs = append(backs, back)
	}
}

func TestNobodyTakesAll(t *testing.T) {
	p := share.New(12)
	a, why := take(p, "a")
	if len(a) != 6 || !errors.Is(why, share.ErrYours) {
		t.Errorf("alone: %d, %v", len(a), why)
	}
	b, why := take(p, "b")
	if len(b) != 3 || !errors.Is(why, share.ErrYours) {
		t.Errorf("beside it: %d, %v", len(b), why)
	}
	for _, who := range []string{"c", "d", "e"} {
		if _, err := p.Take(who); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	if _, err := p.Take("f"); !errors.Is(err, share.ErrNone) {
		t.Errorf("when all is taken: %v", err)
	}
	a[0]()
	a[0]() // gives nothing back that is another's
	if got, _ := take(p, "f"); len(got) != 1 {
		t.Errorf("of one that was given back, %d were taken", len(got))
	}
}

func TestOneIsForAnybody(t *testing.T) {
	p := share.New(1)
	back, err := p.Take("a")
	if err != nil {
		t.Fatal(err)
	}
	back()
	if _, err := p.Take("b"); err != nil {
		t.Error(err)
	}
}
