package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// What programs ask beside the API says no to other methods as the API does, and stands in the API's description.
func TestPathsBesideTheAPI(t *testing.T) {
	url := start(t, func(*Config) {})
	_, body := get(t, http.MethodGet, url+"/openapi.json")
	var doc struct {
		Paths map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]struct{ Content map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, allow, media string
		status             int // of the method that it knows, to who has a wrong token
		open               bool
	}{
		{"/livez", "GET, HEAD", "text/plain", http.StatusOK, true},
		{"/readyz", "GET, HEAD", "application/json", 0, true},
		{"/metrics", "GET, HEAD", "application/problem+json", http.StatusUnauthorized, false},
		{"/openapi.json", "GET, HEAD", "application/openapi+json", http.StatusOK, true},
		{"/v1/webhooks/stripe", "POST", "application/problem+json", http.StatusBadRequest, true},
	} {
		known, _, _ := strings.Cut(tt.allow, ",")
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			res, body := get(t, method, url+tt.path, "Authorization", "Bearer olt_wrong")
			media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
			if method == known {
				described := doc.Paths[tt.path][strings.ToLower(method)]
				answer, there := described.Responses[res.Status[:3]]
				if media != tt.media || (tt.status != 0 && res.StatusCode != tt.status) || !there || answer.Content[media] == nil {
					t.Errorf("%s %s: %s %s, described as %+v", method, tt.path, res.Status, media, described)
				}
				if open := described.Security != nil && len(described.Security[0]) == 0; open != tt.open {
					t.Errorf("%s: without a token it is said to be open: %t", tt.path, open)
				}
				continue
			}
			var problem struct{ Code string }
			err := json.Unmarshal([]byte(body), &problem)
			if err != nil || res.StatusCode != http.StatusMethodNotAllowed || problem.Code != "method_not_allowed" ||
				media != "application/problem+json" || res.Header.Get("Allow") != tt.allow {
				t.Errorf("%s %s: %s, Allow %q: %s", method, tt.path, res.Status, res.Header.Get("Allow"), body)
			}
		}
	}
}

// The API asks of requests that they can be heeded as a whole.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	url := start(t, func(*Config) {})
	for _, query := range []string{"tab=new&tab=paid", "q=%zz"} {
		if res, body := get(t, http.MethodGet, url+"/v1/orders?"+query); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "bad_query") {
			t.Errorf("%s: %s %s", query, res.Status, body)
		}
	}
}
