package stripesim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"
	"github.com/stripe/stripe-mock/spec"
)

// description is Stripe's own OpenAPI description of its API, as stripe-mock embeds it, cut down to the paths that the simulator
// serves, and the one that knows every type of event.
var description = sync.OnceValues(func() (*spec.Spec, error) {
	described, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(described.Paths, func(path spec.Path, _ map[spec.HTTPVerb]*spec.Operation) bool {
		served := strings.HasSuffix(string(path), "/account") || path == webhookEndpoints
		for _, kind := range []string{"payment_intents", "charges", "refunds", "disputes", "events"} {
			served = served || string(path) == "/v1/"+kind || strings.HasPrefix(string(path), "/v1/"+kind+"/{")
		}
		return !served
	})
	return described, nil
})

const webhookEndpoints = "/v1/webhook_endpoints"

func described(t testing.TB) *spec.Spec {
	t.Helper()
	d, err := description()
	must(t, err)
	return d
}

// checker compares JSON with a schema, more strictly than JSON Schema does: a property that the schema doesn't name is a fault,
// unless it is among the differences.
type checker struct {
	components map[string]*spec.Schema
	allowed    map[string]bool // differences: "resource.property"
	met        map[string]bool // those that were met
}

// check gives what is wrong with v, at a path that begins with where.
func (c *checker) check(where string, s *spec.Schema, v any) []string {
	s, resource := c.follow(s)
	switch {
	case v == nil && s.Nullable:
		return nil
	case len(s.AnyOf) > 0:
		return c.anyOf(where, s.AnyOf, v)
	}
	if problem := kindOf(s, v); problem != "" {
		return []string{where + ": " + problem}
	}
	var problems []string
	switch v := v.(type) {
	case map[string]any:
		return c.object(where, resource, s, v)
	case []any:
		for i, item := range v {
			problems = append(problems, c.check(fmt.Sprintf("%s[%d]", where, i), s.Items, item)...)
		}
	}
	return problems
}

// follow gives the schema that s refers to, and its name if it has one.
func (c *checker) follow(s *spec.Schema) (_ *spec.Schema, resource string) {
	for s.Ref != "" {
		resource = s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		s = c.components[resource]
	}
	return s, resource
}

// anyOf gives nothing if v is as one alternative wants it, else what is wrong by the one that it is most like.
func (c *checker) anyOf(where string, alternatives []*spec.Schema, v any) []string {
	var least []string
	ofItsKind := false
	for _, s := range alternatives {
		problems := c.check(where, s, v)
		if len(problems) == 0 {
			return nil
		}
		s, _ := c.follow(s)
		fits := kindOf(s, v) == ""
		if least == nil || fits && (!ofItsKind || len(problems) < len(least)) {
			least, ofItsKind = problems, fits
		}
	}
	return least
}

func (c *checker) object(where, resource string, s *spec.Schema, v map[string]any) []string {
	var problems []string
	for _, name := range s.Required {
		if _, there := v[name]; !there && !c.differs(resource+"."+name) {
			problems = append(problems, where+"."+name+": required, and not there")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch property := s.Properties[name]; {
		case property != nil:
			if found := c.check(where+"."+name, property, v[name]); len(found) > 0 && !c.differs(resource+"."+name) {
				problems = append(problems, found...)
			}
		case s.AdditionalProperties != nil:
			problems = append(problems, c.check(where+"."+name, s.AdditionalProperties, v[name])...)
		case len(s.Properties) > 0 && !c.differs(resource+"."+name):
			problems = append(problems, where+"."+name+": not a property of "+resource)
		}
	}
	return problems
}

func (c *checker) differs(name string) bool {
	if c.allowed[name] {
		c.met[name] = true
	}
	return c.allowed[name]
}

// kindOf compares a value with the schema's type, enum and length.
func kindOf(s *spec.Schema, v any) string {
	var good bool
	switch s.Type {
	case spec.TypeArray:
		_, good = v.([]any)
	case spec.TypeObject, "":
		_, good = v.(map[string]any)
	case spec.TypeBoolean:
		_, good = v.(bool)
	case spec.TypeInteger:
		n, number := v.(float64)
		good = number && n == math.Trunc(n)
	case spec.TypeNumber:
		_, good = v.(float64)
	case spec.TypeString:
		text, isText := v.(string)
		good = isText
		if isText && s.MaxLength > 0 && utf8.RuneCountInString(text) > s.MaxLength {
			return fmt.Sprintf("longer than %d", s.MaxLength)
		}
	}
	switch {
	case !good:
		return fmt.Sprintf("%v is not of type %s", v, s.Type)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, v):
		return fmt.Sprintf("%v is none of %v", v, s.Enum)
	}
	return ""
}

// A checker that finds nothing is worth nothing.
func TestTheCheckerFindsFaults(t *testing.T) {
	d := described(t)
	for fault, change := range map[string]string{
		"no fault":         `{}`,
		"unknown property": `{"nonsense": 1}`,
		"wrong type":       `{"amount": "1000"}`,
		"not whole":        `{"amount": 10.5}`,
		"not in the enum":  `{"object": "refunds"}`,
		"null":             `{"amount": null}`,
		"too long":         `{"status": "` + strings.Repeat("x", 5001) + `"}`,
		"nested":           `{"destination_details": {"type": "card", "card": {"type": "refund", "nonsense": 1}}}`,
		"metadata":         `{"metadata": {"a": 1}}`,
		"expanded":         `{"charge": {"id": "ch_1"}}`,
		"missing":          `{"created": "delete"}`,
	} {
		refund := map[string]any{
			"id": "re_1", "object": "refund", "amount": 1000.0, "created": 1.0, "currency": "usd", "status": "succeeded", "charge": "ch_1",
			"metadata": map[string]any{"a": "1"}, "balance_transaction": nil, "payment_intent": nil, "reason": nil, "receipt_number": nil,
			"source_transfer_reversal": nil, "transfer_reversal": nil,
		}
		must(t, json.Unmarshal([]byte(change), &refund))
		maps.DeleteFunc(refund, func(_ string, v any) bool { return v == "delete" })
		c := &checker{components: d.Components.Schemas}
		problems := c.check("refund", d.Components.Schemas["refund"], refund)
		if (len(problems) == 0) != (fault == "no fault") {
			t.Errorf("%s: %v", fault, problems)
		}
	}
}
