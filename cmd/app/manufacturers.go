package app

import (
	"github.com/nats-io/nats.go"

	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/maker"
	"github.com/orderledger/orderledger/domain/eventstore/natsstore"
)

// manufacturers is what manufacturers are told, in the ways that the configuration names; false when none is to be told.
func (a *App) manufacturers(emails *notify.Lane) (notify.Kind, bool, error) {
	server := ""
	var options []nats.Option
	if external(a.config.Store) {
		var err error
		if server, _, err = natsstore.ServerURLs(a.config.Store); err != nil {
			return notify.Kind{}, false, err
		}
		if options, err = a.config.NATS.Options(); err != nil {
			return notify.Kind{}, false, err
		}
	}
	publisher := maker.NewNats(server, options...)
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
