package commandapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/commands/commandapi"
)

// A request is heeded as a whole or refused: what is left out of a filter shows too much, and of two versions one is the wrong one.
func TestUnambiguous(t *testing.T) {
	h := commandapi.Unambiguous(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, tt := range []struct {
		query   string
		headers [][2]string
		code    string // empty: it is let through
	}{
		{query: "tab=new&status=placed,paid&q=a%3Bb+c"},
		{headers: [][2]string{{"Idempotency-Key", "a"}, {"If-Match", `"1"`}, {"Accept", "a/b"}, {"Accept", "c/d"}}},
		{query: "tab=new&tab=paid", code: commandapi.CodeBadQuery},
		{query: "q=%zz", code: commandapi.CodeBadQuery},
		{query: "q=a;tab=new", code: commandapi.CodeBadQuery},
		{headers: [][2]string{{"If-Match", `"1"`}, {"If-Match", `"2"`}}, code: commandapi.CodeBadRequest},
		{headers: [][2]string{{"Idempotency-Key", "a"}, {"idempotency-key", "a"}}, code: commandapi.CodeBadRequest},
		{headers: [][2]string{{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}, code: commandapi.CodeBadRequest},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = tt.query
		for _, h := range tt.headers {
			r.Header.Add(h[0], h[1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := http.StatusTeapot
		if tt.code != "" {
			want = http.StatusBadRequest
		}
		if w.Code != want || (tt.code != "" && !strings.Contains(w.Body.String(), `"code":"`+tt.code+`"`)) {
			t.Errorf("%q %v: %d %s, want %d %s", tt.query, tt.headers, w.Code, w.Body, want, tt.code)
		}
	}
}
