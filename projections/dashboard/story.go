package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// story is what the log tells of an order: its events and what was said about it, oldest first, and the order that they make.
type story struct {
	order   domain.Order
	entries []queryapi.Entry
	// part says that the log holds more than was read, so that the order is the read model's, and its past is not shown.
	part bool
}

// story reads all that has happened, so a page never shows less. Of the order as the read model has it, it takes what is no event of
// the order: whom nobody could tell.
func (b *dashboard) story(ctx context.Context, id uuid.UUID) (story, error) {
	p, err := queryapi.Timeline(ctx, b.Reader, b.Log, b.Codec, id)
	if err != nil {
		return story{}, err
	}
	s := story{order: p.Known, entries: p.Entries, part: p.More}
	if !s.part {
		s.order = s.at(len(s.entries)) // all there is
		s.order.Untold = p.Known.Untold
	}
	if !s.order.Exists() {
		return story{}, domain.Reject(domain.OrderNotFound)
	}
	return s, nil
}

// at is the order as its first events made it.
func (s story) at(version int) domain.Order {
	var o domain.Order
	for _, e := range s.entries {
		if _, ofOrder := eventstore.OrderOf(e.Stream); ofOrder && o.Version < version {
			o = domain.Evolve(o, e.Data, domain.Stamp{ID: e.ID, At: e.OccurredAt, Actor: e.Actor})
		}
	}
	return o
}

// until is what had happened, and what had been said, when the order was at a version.
func (s story) until(version int) []queryapi.Entry {
	n := 0
	for i, e := range s.entries {
		if _, ofOrder := eventstore.OrderOf(e.Stream); ofOrder {
			if n++; n > version {
				return s.entries[:i]
			}
		}
	}
	return s.entries
}

// scrubber goes through an order's past: a step for each of its events.
type scrubber struct {
	Version, Last int
	Past          bool // what is shown is not how things are now
	Back, Forward int  // versions; 0 for none
	Title, Who    string
	At            time.Time
	Steps         []string // what each event did, for who moves the slider
}

// maxSteps bounds the events whose titles go along with the slider.
const maxSteps = 500

// scrub says where in an order's past a request wants to be; nil when there is nothing to go through.
func (s story) scrub(r *http.Request, c voice) (*scrubber, error) {
	asked := r.URL.Query().Get("version")
	if s.part || s.order.Version < 2 {
		if asked != "" && asked != "1" {
			return nil, errNoVersion
		}
		return nil, nil
	}
	p := &scrubber{Version: s.order.Version, Last: s.order.Version}
	if asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 || n > p.Last {
			return nil, errNoVersion
		}
		p.Version, p.Past = n, n < p.Last
	}
	p.Back = p.Version - 1
	if p.Past {
		p.Forward = p.Version + 1
	}
	n := 0
	for _, e := range s.entries {
		if _, ofOrder := eventstore.OrderOf(e.Stream); !ofOrder {
			continue
		}
		n++
		title, _ := describe(e.Data, c)
		if p.Last <= maxSteps {
			p.Steps = append(p.Steps, title)
		}
		if n == p.Version {
			p.Title, p.At, p.Who = title, e.OccurredAt, e.Actor.ID
		}
	}
	return p, nil
}

// remaining says how long something still lasts, as finely as it matters.
func remaining(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case d <= 0:
		return "none"
	case days > 0:
		return plural(days, "day") + " " + strconv.Itoa(hours) + " h"
	case hours > 0:
		return strconv.Itoa(hours) + " h " + strconv.Itoa(minutes) + " min"
	case minutes > 0:
		return strconv.Itoa(minutes) + " min"
	}
	return "less than a minute"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
