package natsapi

import (
	"encoding/json"
	"strings"

	"github.com/nats-io/nats.go"
)

const (
	// requestInfo is the header in which a server says who sent a request that it takes from one account to another.
	requestInfo = "Nats-Request-Info"
	// importedReply is what the reply subjects of such requests begin with. Servers refuse it from clients ("Permissions Violation for
	// Publish with Reply"), so that a request which has it was brought by a server, which has replaced the header: a client of the
	// log's own account can send any header, but not this reply subject.
	importedReply = "_R_."
)

// requestor is the account that a request was sent from, when that is another than the service's own. The account's users can't be
// told apart: a client may say more than one name when it connects, and a server hands on one that it has not checked.
func requestor(m *nats.Msg) (account string, imported bool) {
	if !strings.HasPrefix(m.Reply, importedReply) {
		return "", false
	}
	var info struct {
		Account string `json:"acc"`
	}
	values := m.Header[requestInfo]
	if len(values) != 1 || json.Unmarshal([]byte(values[0]), &info) != nil || info.Account == "" {
		return "", false
	}
	return info.Account, true
}
