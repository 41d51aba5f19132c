// Package sample holds the orders that the demo begins with: a parts dealer's, all invented. Each is a line of orders.jsonl,
// with the stage that the demo takes it to.
package sample

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/orderledger/orderledger/domain"
)

//go:embed orders.jsonl
var file []byte

// Order is one sample order.
type Order struct {
	// Stage names what a clerk has done with the order, such as "shipped".
	Stage string `json:"stage"`
	// JSON is the order as a store would send it; see domain.Intake.
	JSON json.RawMessage `json:"order"`
	// Intake is the same, read and checked.
	Intake domain.Intake `json:"-"`
}

// Orders are the sample orders, oldest file line first.
func Orders() ([]Order, error) {
	var orders []Order
	for line := range bytes.Lines(file) {
		var o Order
		err := json.Unmarshal(line, &o)
		if err == nil {
			err = domain.DecodeJSON(o.JSON, &o.Intake)
		}
		if err == nil {
			err = o.Intake.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("sample order %d: %w", len(orders)+1, err)
		}
		orders = append(orders, o)
	}
	return orders, nil
}
