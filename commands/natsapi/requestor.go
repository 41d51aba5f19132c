package natsapi

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/domain"
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

// maxKnown bounds whose credentials are remembered.
const maxKnown = 4096

// sender is from whom a request is, for the room that it may take. Who sends a token is told by it once the token has been found good.
// Before, it is one of its account's strangers, who share: tokens that are made up cost nothing, and must not look like many senders;
// and a wrong one must not look like its holder.
func (s *Service) sender(m *nats.Msg, given http.Header) string {
	account, imported := requestor(m)
	if credentials := given.Get("Authorization"); credentials != "" {
		if actor, ok := s.known.Get(sha256.Sum256([]byte(credentials))); ok {
			return "actor " + actor
		}
		return "strangers of " + account
	}
	if imported {
		return "account " + account
	}
	return "strangers of "
}

// remember keeps as whom the sender of credentials acts; forget is for those that are good no more.
func (s *Service) remember(given http.Header, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.known.Add(sha256.Sum256([]byte(given.Get("Authorization"))), domain.ActorFrom(r.Context()).ID)
		next.ServeHTTP(w, r)
	})
}

func (s *Service) forget(given http.Header) {
	s.known.Remove(sha256.Sum256([]byte(given.Get("Authorization"))))
}
