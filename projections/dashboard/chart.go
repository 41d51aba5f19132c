package dashboard

import (
	"fmt"
	"strings"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
)

// chart is a drawing of bars, one group for each day: SVG that the page draws, with its numbers as a table beside it. Its texts are the
// page's, so that they stay readable on a phone.
type chart struct {
	Title, Summary string
	Bars           []bar
	Width, Height  int
	Grid           []int    // where lines are
	Scale          []string // what the lines stand for, from the top
	First, Last    string   // the days at both ends
	Legend         []key
	Empty          bool
}

type bar struct {
	X, Y, Width, Height int
	Class, Says         string
}

type key struct{ Class, Text string }

const (
	chartWidth  = 900
	chartHeight = 200
)

// series is what is drawn of each day, and how it is said.
type series struct {
	class, name string
	of          func(projections.Day) int64
}

func draw(title string, days []projections.Day, f Format, say func(int64) string, of ...series) chart {
	c := chart{Title: title, Width: chartWidth, Height: chartHeight, First: f.Day(days[0].Begin), Last: f.Day(days[len(days)-1].Begin)}
	var top int64
	totals := make([]int64, len(of))
	for _, d := range days {
		for i, s := range of {
			n := s.of(d)
			top = max(top, n)
			totals[i] += n
		}
	}
	c.Empty = top == 0
	top = nice(max(top, 1))
	at := func(n int64) int { return int(float64(top-n) / float64(top) * chartHeight) }
	for _, n := range []int64{top, top / 2, 0} {
		c.Grid, c.Scale = append(c.Grid, at(n)), append(c.Scale, say(n))
	}
	slot := float64(chartWidth) / float64(len(days))
	width := max(1, slot*.8/float64(len(of)))
	for i, d := range days {
		for j, s := range of {
			n := s.of(d)
			if n <= 0 { // on a day when more came back than went out, the table says so
				continue
			}
			c.Bars = append(c.Bars, bar{
				X: int(float64(i)*slot + slot*.1 + float64(j)*width), Y: at(n), Width: max(1, int(width)), Height: max(1, chartHeight-at(n)), Class: s.class,
				Says: fmt.Sprintf("%s: %s%s", f.Day(d.Begin), say(n), s.name),
			})
		}
	}
	var parts []string
	for i, s := range of {
		parts = append(parts, say(totals[i])+s.name)
		if len(of) > 1 {
			c.Legend = append(c.Legend, key{s.class, strings.TrimSpace(s.name) + ": " + say(totals[i])})
		}
	}
	c.Summary = strings.Join(parts, ", ") + fmt.Sprintf(" in %d days", len(days))
	return c
}

// nice is the next number that halves well: 1, 2, 4, 6, 8, 10 times a power of ten.
func nice(n int64) int64 {
	unit := int64(1)
	for n > 10*unit {
		unit *= 10
	}
	for _, f := range []int64{1, 2, 4, 6, 8, 10} {
		if n <= f*unit {
			return f * unit
		}
	}
	return 10 * unit
}

func ordersChart(days []projections.Day, f Format) chart {
	return draw("Orders that came in, by day", days, f, f.Count, series{"orders", " orders", func(d projections.Day) int64 { return d.Orders }})
}

func moneyChart(days []projections.Day, c domain.Currency, f Format) chart {
	return draw("Captured and refunded by day, "+string(c), days, f, func(n int64) string { return f.Money(c, n) },
		series{"captured", " captured", func(d projections.Day) int64 { return d.Captured[c] }},
		series{"refunded", " refunded", func(d projections.Day) int64 { return d.Refunded[c] }})
}
