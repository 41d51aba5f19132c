package commandapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/orderledger/orderledger/domain"
)

// single are the headers that a request has once.
var single = []string{"Idempotency-Key", "If-Match", "Content-Type", "Authorization"}

// Unambiguous refuses requests of which only a part would be heeded: a query that can't be read, a parameter or a header that stands
// there twice.
func Unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := ambiguous(r); p != nil {
			p.Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ambiguous(r *http.Request) *Problem {
	for _, name := range single {
		if len(r.Header.Values(name)) > 1 {
			return New(http.StatusBadRequest, CodeBadRequest, fmt.Sprintf("The header %s stands there more than once. Send it once.", name))
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return New(http.StatusBadRequest, CodeBadQuery, "The query can't be read: write special characters as %XX.")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return BadQuery(domain.Violation{
				Field: name, Code: domain.BadValue, Message: "stands there more than once; several values are separated by commas",
			})
		}
	}
	return nil
}
