package stripesim

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params are a request's form parameters: of the body for POST, of the query for GET.
type params struct{ values url.Values }

func readParams(r *http.Request) (params, error) {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			e := invalid("", "", "The request could not be read, or is larger than 64 KiB.")
			e.status = http.StatusRequestEntityTooLarge
			return params{}, e
		}
		text = string(body)
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return params{}, invalid("", "", "Invalid request: the parameters are not form-encoded.")
	}
	return params{values}, nil
}

// names gives the parameters' names in order, so that the same request is answered the same.
func (p params) names() []string { return slices.Sorted(maps.Keys(p.values)) }

// only refuses parameters whose name (before the first bracket) is not among those allowed.
func (p params) only(allowed ...string) error {
	for _, name := range p.names() {
		root, _, _ := strings.Cut(name, "[")
		if !slices.Contains(allowed, root) {
			return invalid(name, "parameter_unknown", "Received unknown parameter: "+name)
		}
	}
	return nil
}

// text gives a parameter, or "" when it is absent or empty.
func (p params) text(name string) string { return p.values.Get(name) }

func (p params) optional(name string) *string {
	if v := p.text(name); v != "" {
		return &v
	}
	return nil
}

// number gives a whole number; given is false when the parameter is absent.
func (p params) number(name string) (n int64, given bool, problem error) {
	text := p.text(name)
	if text == "" {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, true, invalid(name, "parameter_invalid_integer", "Invalid integer: "+text)
	}
	return n, true, nil
}

// positive gives a whole number of at least 1.
func (p params) positive(name string) (n int64, given bool, problem error) {
	n, given, problem = p.number(name)
	if problem == nil && given && n < 1 {
		problem = invalid(name, "parameter_invalid_integer", "This value must be greater than or equal to 1.")
	}
	return n, given, problem
}

func (p params) boolean(name string) (bool, error) {
	switch text := p.text(name); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalid(name, "", "Invalid boolean: "+text)
	}
}

func (p params) oneOf(name string, allowed ...string) (*string, error) {
	v := p.optional(name)
	if v != nil && !slices.Contains(allowed, *v) {
		return nil, invalid(name, "", fmt.Sprintf("Invalid %s: must be one of %s", name, strings.Join(allowed, ", ")))
	}
	return v, nil
}

// texts gives an array parameter: name[] or name[0], name[1] …
func (p params) texts(name string) []string {
	var all []string
	for _, key := range p.names() {
		if strings.HasPrefix(key, name+"[") {
			all = append(all, p.values[key]...)
		}
	}
	return all
}

// fields gives the members of an object parameter, name[member], all of which must be allowed.
func (p params) fields(name string, allowed []string) (map[string]string, error) {
	given := map[string]string{}
	for _, key := range p.names() {
		member, ok := strings.CutPrefix(key, name+"[")
		if !ok {
			continue
		}
		if member = strings.TrimSuffix(member, "]"); !slices.Contains(allowed, member) {
			return nil, invalid(key, "parameter_unknown", "Received unknown parameter: "+key)
		}
		given[member] = p.text(key)
	}
	return given, nil
}

// expand gives what is to be expanded, all of which must be allowed.
func (p params) expand(allowed ...string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range p.texts("expand") {
		if !slices.Contains(allowed, name) {
			return nil, invalid("expand", "", fmt.Sprintf("This property cannot be expanded (%s).", name))
		}
		wanted[name] = true
	}
	return wanted, nil
}

// metadata gives current changed as the request wants it: an empty value unsets a name, an empty metadata all of them.
func (p params) metadata(current map[string]string) (map[string]string, error) {
	const maxNames, maxName, maxValue = 50, 40, 500
	changed := map[string]string{}
	if _, unset := p.values["metadata"]; !unset {
		for k, v := range current {
			changed[k] = v
		}
	}
	for _, key := range p.names() {
		name, ok := strings.CutPrefix(key, "metadata[")
		if !ok {
			continue
		}
		values := p.values[key]
		name = strings.TrimSuffix(name, "]")
		value := values[len(values)-1]
		switch {
		case len(name) == 0 || len(name) > maxName:
			return nil, invalid("metadata", "", "Metadata keys can have up to 40 characters.")
		case len(value) > maxValue:
			return nil, invalid("metadata["+name+"]", "", "Metadata values can have up to 500 characters.")
		case value == "":
			delete(changed, name)
		default:
			changed[name] = value
		}
	}
	if len(changed) > maxNames {
		return nil, invalid("metadata", "", "Metadata can have up to 50 keys.")
	}
	return changed, nil
}
