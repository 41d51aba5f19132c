package natsapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// verbs are the commands and queries that are served, and the operation of the HTTP API that each is. Tokens, webhooks' endpoints and
// what streams are left to HTTP.
var verbs = []struct{ verb, operation string }{
	{"place", "place-order"},
	{"import", "import-orders"},
	{"accept", "accept-order"},
	{"capture", "capture-order"},
	{"ship", "ship-order"},
	{"refund", "refund-order"},
	{"cancel", "cancel-order"},
	{"archive", "archive-order"},
	{"unarchive", "unarchive-order"},
	{"notes", "notes-order"},
	{"tracking", "tracking-order"},
	{"reversal", "reversal-order"},
	{"reauthorize", "reauthorize-order"},
	{"resume", "resume-order"},
	{"resend", "resend-notification"},
	{"tabs", "count-tabs"},
	{"list", "list-orders"},
	{"show", "get-order"},
	{"timeline", "get-timeline"},
	{"parked", "list-parked"},
	{"obligations", "list-obligations"},
	{"recorded", "list-recorded"},
}

// jsonLines is the media type of bodies that are no JSON object.
const jsonLines = "application/x-ndjson"

// operation is one operation of the HTTP API, as it is asked for on NATS.
type operation struct {
	verb   string
	method string
	path   string            // with HTTP's parameters in braces
	inPath map[string]string // HTTP's name of a path parameter by ours
	media  string            // of the body; empty for a query
	about  map[string]string // the endpoint's metadata
}

// operationsOf finds the verbs' operations in the API's description. An operation that the API does not have is left out.
func operationsOf(api *huma.OpenAPI) ([]operation, error) {
	found := map[string]operation{}
	for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
		item := api.Paths[path]
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if op == nil {
				continue
			}
			o, err := describe(api, method, path, op)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", op.OperationID, err)
			}
			found[op.OperationID] = o
		}
	}
	var all []operation
	for _, v := range verbs {
		if o, ok := found[v.operation]; ok {
			o.verb = v.verb
			all = append(all, o)
		}
	}
	return all, nil
}

// ours is the name that a request gives what HTTP has in the path.
func ours(name string) string {
	if name == "id" {
		return "order_id" // a request says more than a path about what it is the id of
	}
	return name
}

func describe(api *huma.OpenAPI, method, path string, op *huma.Operation) (operation, error) {
	o := operation{method: method, path: path, inPath: map[string]string{}}
	schema := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}}
	add := func(name string, s *huma.Schema, required bool) error {
		if schema.Properties[name] != nil {
			return fmt.Errorf("it has two fields %q", name)
		}
		schema.Properties[name] = s
		if required {
			schema.Required = append(schema.Required, name)
		}
		return nil
	}
	var headers []string
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			o.inPath[ours(p.Name)] = p.Name
			if err := add(ours(p.Name), described(p), true); err != nil {
				return o, err
			}
		case "query":
			if err := add(p.Name, described(p), false); err != nil {
				return o, err
			}
		case "header":
			if slices.Contains(sent, p.Name) {
				headers = append(headers, p.Name)
			}
		}
	}
	if method == http.MethodPost {
		o.media = "application/json"
		if op.RequestBody != nil && op.RequestBody.Content[jsonLines] != nil {
			o.media = jsonLines
		}
	}
	o.about = map[string]string{"summary": op.Summary, "http": method + " " + path, "headers": strings.Join(headers, ", ")}
	if o.media == jsonLines {
		o.about["request"] = op.RequestBody.Description
		return o, nil
	}
	if op.RequestBody != nil {
		body := op.RequestBody.Content["application/json"].Schema
		if body.Ref != "" {
			body = api.Components.Schemas.SchemaFromRef(body.Ref)
		}
		for _, name := range slices.Sorted(maps.Keys(body.Properties)) {
			if err := add(name, body.Properties[name], slices.Contains(body.Required, name)); err != nil {
				return o, err
			}
		}
	}
	text, err := json.Marshal(schema)
	o.about["request"] = string(text)
	return o, err
}

// described is a parameter's schema with what is said of it.
func described(p *huma.Param) *huma.Schema {
	s := *p.Schema
	s.Description = p.Description
	return &s
}
