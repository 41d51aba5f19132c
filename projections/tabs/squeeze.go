package tabs

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/orderledger/orderledger/domain"
)

// What stored events and orders look like: of what stands there, a stored one only says where. Both are part of the file's form.
var (
	//go:embed familiar-events.txt
	familiarEvents []byte
	//go:embed familiar-orders.txt
	familiarOrders []byte

	squeezedEvents = s2.MakeDict(familiarEvents, []byte("Accepted\n"))
	squeezedOrders = s2.MakeDict(familiarOrders, []byte(`{"ID":"`))
)

// docOf is an order as the table docs has it: as JSON, squeezed.
func docOf(o domain.Order) ([]byte, error) {
	doc, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return squeezedOrders.Encode(nil, doc), nil
}

// readDoc reads an order out of the table docs.
func readDoc(doc []byte, o *domain.Order) error {
	plain, err := squeezedOrders.Decode(nil, doc)
	if err != nil {
		return fmt.Errorf("an order can't be read; rebuild the read model: %w", err)
	}
	return json.Unmarshal(plain, o)
}
