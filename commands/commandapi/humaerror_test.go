package commandapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
)

// What huma itself answers, and what another handler returns as it is, are problems of the same form.
func TestHumasOwnErrorsAreProblems(t *testing.T) {
	commandapi.Install()
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("test", "1"))
	huma.Get(api, "/list", func(_ context.Context, in *struct {
		Limit int    `query:"limit" maximum:"10"`
		Fail  string `query:"fail"`
	},
	) (*struct{}, error) {
		switch in.Fail {
		case "rule":
			return nil, domain.Reject(domain.NotAccepted)
		case "inside":
			return nil, errSecret
		}
		return nil, huma.Error404NotFound("no such thing")
	})
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"/list?limit=x": {400, "bad_query"}, "/list?limit=11": {400, "bad_query"}, "/list": {404, "not_found"},
		"/list?fail=rule": {409, "not_accepted"}, "/list?fail=inside": {500, "internal"},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want.status || codeIn(w.Body.Bytes()) != want.code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v %s", target, w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), errSecret.Error()) {
			t.Errorf("%s tells what is inside: %s", target, w.Body)
		}
		if strings.Contains(target, "limit") && !strings.Contains(w.Body.String(), `"field":"limit"`) {
			t.Errorf("%s does not say what is wrong where: %s", target, w.Body)
		}
	}
}
