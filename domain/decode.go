package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const maxDepth = 20

// cardFields are names under which card data comes in. What they hold is never read or repeated.
var cardFields = map[string]bool{
	"card": true, "card_number": true, "cardnumber": true, "number": true, "pan": true, "cvc": true, "cvv": true,
	"exp_month": true, "exp_year": true, "expiry": true,
}

// DecodeJSON reads one JSON object into the struct that into points at, strictly: every field known, by its exact name, once,
// and of the right type. Errors are rejections: malformed_json, or all violations at once.
func DecodeJSON(body []byte, into any) error {
	t := reflect.TypeOf(into).Elem()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	w := &walker{d: d}
	if err := w.value(t, "", 0); err != nil {
		return malformed(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed(errors.New("there is more behind the object"))
	}
	if err := w.c.rejection("What was sent"); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		field := ""
		if te := (*json.UnmarshalTypeError)(nil); errors.As(err, &te) {
			field = "/" + strings.ReplaceAll(te.Field, ".", "/")
		}
		return RejectField(field, WrongType, "A value is of the wrong type or out of range.")
	}
	return nil
}

func malformed(err error) error {
	return &Rejection{
		Code: MalformedJSON, Kind: Malformed,
		Message: fmt.Sprintf("The body is not one JSON object: %v. Send an object as documented in /openapi.json.", err),
	}
}

// pointer writes a name as a part of a JSON pointer.
var pointer = strings.NewReplacer("~", "~0", "/", "~1")

type walker struct {
	d *json.Decoder
	c checker
}

// value walks over one JSON value that should fit t.
func (w *walker) value(t reflect.Type, at string, depth int) error {
	tok, err := w.d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return w.token(tok, t, at, depth)
}

func (w *walker) token(tok json.Token, t reflect.Type, at string, depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deeply")
	}
	if delim, ok := tok.(json.Delim); ok {
		if delim == '{' {
			return w.object(t, at, depth)
		}
		return w.array(t, at, depth)
	}
	if t == nil || depth == 0 {
		if depth == 0 {
			return errors.New("it is not an object")
		}
		return nil
	}
	w.scalar(tok, t, at)
	return nil
}

func (w *walker) object(t reflect.Type, at string, depth int) error {
	var fields map[string]reflect.Type
	if t != nil && t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		fields = jsonFields(t)
	} else if t != nil {
		w.c.add(at, WrongType, "must be %s, not an object", kindName(t))
		t = nil
	}
	seen := map[string]bool{}
	for w.d.More() {
		key, err := w.d.Token()
		if err != nil {
			return err
		}
		name := key.(string)
		field := at + "/" + pointer.Replace(clip(name))
		ft, known := fields[name]
		switch {
		case HoldsCardNumber(name):
			field = at + "/…" // never repeated
			w.c.add(field, CardNumberRefused, "is named by what looks like a card number, which the ledger does not take")
		case t == nil:
		case !known && cardFields[strings.ToLower(name)]:
			w.c.add(field, CardNumberRefused, "is card data, which the ledger does not take; send a PaymentIntent")
		case !known:
			w.c.add(field, UnknownField, "is not a field that is known here")
		case seen[name]:
			w.c.add(field, DuplicateField, "stands there twice")
		}
		seen[name] = true
		if err := w.value(ft, field, depth+1); err != nil {
			return err
		}
	}
	_, err := w.d.Token()
	return err
}

func (w *walker) array(t reflect.Type, at string, depth int) error {
	if depth == 0 {
		return errors.New("it is not an object")
	}
	var elem reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		elem = t.Elem()
	} else if t != nil {
		w.c.add(at, WrongType, "must be %s, not a list", kindName(t))
	}
	for i := 0; w.d.More(); i++ {
		if err := w.value(elem, at+"/"+strconv.Itoa(i), depth+1); err != nil {
			return err
		}
	}
	_, err := w.d.Token()
	return err
}

func (w *walker) scalar(tok json.Token, t reflect.Type, at string) {
	ok := tok == nil // null says as much as leaving the field out
	switch v := tok.(type) {
	case string:
		ok = t.Kind() == reflect.String
		if t == reflect.TypeFor[time.Time]() {
			_, err := time.Parse(time.RFC3339, v)
			ok = err == nil
		}
	case json.Number:
		switch t.Kind() {
		case reflect.Int, reflect.Int64:
			_, err := strconv.ParseInt(v.String(), 10, 64)
			ok = err == nil
		case reflect.Float64:
			_, err := v.Float64()
			ok = err == nil
		}
	case bool:
		ok = t.Kind() == reflect.Bool
	}
	if !ok {
		w.c.add(at, WrongType, "must be %s", kindName(t))
	}
}

func kindName(t reflect.Type) string {
	if t == reflect.TypeFor[time.Time]() {
		return "an instant such as 2006-01-02T15:04:05Z"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int64:
		return "a whole number (money is in minor units)"
	case reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// jsonFields maps a struct's JSON names to their types.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	return fields
}

func clip(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}
