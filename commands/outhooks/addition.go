package outhooks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Addition asks for an endpoint.
type Addition struct {
	URL          string
	Types        []string // event types of orders; none, or eventstore.AnyType alone, for all
	Manufacturer string   // of this one's orders alone; empty: of all
	CustomerData bool     // with customer data, addresses and note texts
}

var manufacturerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// normal is the addition as it is kept, or a rejection of what can be seen to be wrong without looking further.
func (a Addition) normal() (Addition, error) {
	a.Types = slices.Compact(slices.Sorted(slices.Values(a.Types)))
	if len(a.Types) == 0 || slices.Contains(a.Types, eventstore.AnyType) {
		a.Types = []string{eventstore.AnyType}
	}
	known := eventstore.OrderTypes()
	for _, t := range a.Types {
		if t != eventstore.AnyType && !slices.Contains(known, t) {
			return a, domain.RejectField("/types", domain.BadValue, fmt.Sprintf("%q is no event type of orders. There are: %s.", t, strings.Join(known, ", ")))
		}
	}
	switch {
	case a.URL == "":
		return a, domain.RejectField("/url", domain.RequiredField, "An endpoint has a URL.")
	case len(a.URL) > sender.MaxURL:
		return a, domain.RejectField("/url", domain.TooLong, fmt.Sprintf("The URL is longer than %d characters.", sender.MaxURL))
	case a.Manufacturer != "" && !manufacturerName.MatchString(a.Manufacturer):
		return a, domain.RejectField("/manufacturer", domain.BadValue, "A manufacturer is a short name of lower-case letters, digits, dashes and underscores.")
	}
	return a, nil
}

func (a Addition) hash() string {
	return hashOf(a.URL, strings.Join(a.Types, ","), a.Manufacturer, fmt.Sprint(a.CustomerData))
}

// mayAdd says why the endpoint can't be added now, as a rejection; nil when it can.
func (s *Endpoints) mayAdd(ctx context.Context, a Addition) error {
	if len(s.alive()) >= MaxEndpoints {
		return &domain.Rejection{
			Code: TooManyEndpoints, Kind: domain.Rule, Message: fmt.Sprintf("There are %d endpoints already. Remove one that is not used.", MaxEndpoints),
		}
	}
	err := s.check(ctx, a.URL)
	switch {
	case errors.Is(err, sender.ErrAddress):
		return domain.RejectField("/url", domain.BadValue,
			fmt.Sprintf("%s. Who runs the ledger may allow addresses of this machine and private networks with --webhook-allow-private.", sentence(err)))
	case errors.Is(err, sender.ErrURL), errors.Is(err, sender.ErrUnknownHost):
		return domain.RejectField("/url", domain.BadValue, sentence(err)+".")
	}
	return err
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
