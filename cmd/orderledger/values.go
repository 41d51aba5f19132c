package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// What is plainly wrong on a command line is said before any ledger is asked.

// oneOf checks a flag's value; none is fine.
func oneOf[T ~string](flag string, value T, all []T) error {
	if value == "" || slices.Contains(all, value) {
		return nil
	}
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = string(v)
	}
	return wrongUse("--%s %q: use %s", flag, string(value), strings.Join(names, ", "))
}

// checkQuery checks the flags that select orders.
func checkQuery(q client.Query) error {
	_, _, from := queryapi.Between(q.PlacedFrom, "")
	_, _, to := queryapi.Between("", q.PlacedTo)
	for _, err := range []error{
		oneOf("tab", q.Tab, domain.Tabs), oneOf("status", q.Status, domain.Statuses), oneOf("payment", q.Payment, domain.PaymentStates),
		oneOf("method", q.Method, []domain.Method{domain.Card, domain.Account}), oneOf("badge", q.Badge, domain.Badges),
		oneOf("sort", strings.TrimPrefix(q.Sort, "-"), projections.SortColumns), badTime("from", q.PlacedFrom, from), badTime("to", q.PlacedTo, to),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func badTime(flag, value string, err error) error {
	var why *projections.QueryError
	if errors.As(err, &why) {
		return wrongUse("--%s %q %s", flag, value, why.Why)
	}
	return err
}

// isBadValue says whether a server refused a flag's value as it is written.
func isBadValue(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && (p.Code == "bad_query" || p.Code == "idempotency_key_invalid")
}
