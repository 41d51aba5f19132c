package dashboard

import (
	"github.com/boombuler/barcode/code128"
)

// barcode is what scanners read: how wide it is, in its narrowest bars, and where bars are.
type barcode struct {
	Width int
	Bars  []stroke
}

// stroke is one black bar.
type stroke struct{ X, Width int }

// quiet is how much white a Code 128 needs on both sides, in narrowest bars.
const quiet = 10

// narrowest is the width of the narrowest bars in millimetres, which scanners tell apart on any printer's paper; maxBars is how many
// of them fit beside the dealer's address.
const (
	narrowest = 0.3
	maxBars   = 330
)

// code128Of is a text as a Code 128; nil when it has letters that Code 128 has not, or is too long to be scanned from paper.
func code128Of(text string) *barcode {
	code, err := code128.Encode(text)
	if err != nil {
		return nil
	}
	n := code.Bounds().Dx()
	if n+2*quiet > maxBars {
		return nil
	}
	out := &barcode{Width: n + 2*quiet}
	for x := 0; x < n; x++ {
		if r, _, _, _ := code.At(x, 0).RGBA(); r != 0 {
			continue
		}
		if last := len(out.Bars) - 1; last >= 0 && out.Bars[last].X+out.Bars[last].Width == x+quiet {
			out.Bars[last].Width++
		} else {
			out.Bars = append(out.Bars, stroke{x + quiet, 1})
		}
	}
	return out
}
