package app

import (
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/maker"
)

// manufacturers is what manufacturers are told, in the ways that the configuration names; false when none is to be told.
func (a *App) manufacturers(emails *notify.Lane) (notify.Kind, bool, error) {
	server := ""
	if external(a.config.Store) {
		server = a.config.Store
	}
	publisher := maker.NewNats(server, a.config.NATSCreds)
	a.onClose(publisher.Close)
	kind, told, err := maker.Kind(maker.Config{
		Book: a.config.Manufacturers, Letters: a.telling.writer, Dealer: a.telling.writer.Dealer(), Source: "urn:orderledger:" + a.config.Ledger,
		ReadSecrets: func(path string) ([]string, error) { return readWebhookSecrets(path, a.log) },
		Mail:        emails.Channel, Poster: a.webhooks.sender, Nats: publisher,
	})
	if told {
		kind.Lane.Rate = emails.Rate
	}
	return kind, told, err
}
