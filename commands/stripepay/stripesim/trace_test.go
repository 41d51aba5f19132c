package stripesim_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orderledger/orderledger/commands/stripepay/stripesim"
	"github.com/orderledger/orderledger/commands/stripepay/stripesim/simtest"
)

// trace is everything that a seeded simulator says in a busy fortnight.
func trace(t *testing.T, seed uint64) string {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	clock := newDial()
	sim := simtest.Start(t, stripesim.WithClock(clock.now), stripesim.WithRand(rand.NewChaCha8(key)))
	h, random := speak(t, sim), rand.New(rand.NewPCG(seed, seed))
	var said strings.Builder
	cards := []string{"pm_card_visa", "pm_card_pendingRefundFailLater", "pm_card_createDispute", "pm_card_chargeDeclined"}
	for n := range 60 {
		r := h.keyed("/v1/payment_intents", manual+cards[random.IntN(len(cards))]+"&metadata[b]=2&metadata[a]=1", fmt.Sprint("key", n))
		said.WriteString(r.text)
		for range random.IntN(3) {
			act := []string{"/capture", "/cancel"}[random.IntN(2)]
			said.WriteString(h.post("/v1/payment_intents/"+r.id()+act, "nonsense=1&rubbish=2"[:random.IntN(2)*19]).text)
		}
		said.WriteString(h.post("/v1/refunds", "payment_intent="+r.id()).text)
		clock.pass(time.Duration(random.IntN(12)) * time.Hour)
	}
	said.WriteString(h.get("/_sim/journal", "").text)
	pending, err := sim.Sim.Pending(t.Context(), 10000)
	must(t, err)
	if len(pending) < 200 {
		t.Errorf("only %d events", len(pending))
	}
	for _, d := range pending {
		said.Write(d.Body)
	}
	return said.String()
}

func TestSameSeedSameTrace(t *testing.T) {
	one := trace(t, 1)
	if again := trace(t, 1); again != one {
		i := 0
		for again[i] == one[i] {
			i++
		}
		t.Errorf("another trace, from byte %d: %.300s", i, again[max(0, i-100):])
	}
	if trace(t, 2) == one {
		t.Error("the seed makes no difference")
	}
}

// Ids grow, also when the clock stands still, goes back, or the simulator was away.
func TestLaterIdsAreGreater(t *testing.T) {
	clock, path := newDial(), t.TempDir()+"/stripe.db"
	var ids []string
	for range 2 {
		t.Run("life", func(t *testing.T) {
			h := speak(t, simtest.Open(t, path, stripesim.WithClock(clock.now)))
			for _, by := range []time.Duration{time.Second, 0, time.Hour, -time.Minute, 0, time.Hour} {
				clock.pass(by)
				ids = append(ids, h.held("pm_card_visa"))
			}
		})
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != 12 {
		t.Errorf("%q", ids)
	}
}
