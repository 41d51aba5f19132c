package maker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/commands/manufacturer"
)

// Nats publishes on manufacturers' subjects. It connects when there is something to say, and stays connected.
type Nats struct {
	url     string // for manufacturers that name no server of their own
	options []nats.Option

	mu    sync.Mutex
	conns map[[2]string]jetstream.JetStream
}

// NewNats returns a publisher; the server is the log's own, reached with the options, and empty where that is none that others
// could reach.
func NewNats(url string, options ...nats.Option) *Nats {
	return &Nats{url: url, options: options, conns: map[[2]string]jetstream.JetStream{}}
}

// Check implements Publisher. Whether the server answers shows when there is something to say.
func (n *Nats) Check(to manufacturer.Contact) error {
	if to.NATSURL == "" && n.url == "" {
		return errors.New("nats-url: name a NATS server; the log is not kept on one that others reach")
	}
	if to.NATSCredsFile == "" {
		return nil
	}
	var o nats.Options
	err := nats.UserCredentials(to.NATSCredsFile)(&o)
	if err == nil {
		_, err = o.UserJWT()
	}
	if err == nil {
		_, err = o.SignatureCB([]byte("nonce"))
	}
	if err != nil {
		return fmt.Errorf("nats-creds-file: %s can't be used: %w", to.NATSCredsFile, err)
	}
	return nil
}

// Publish implements Publisher.
func (n *Nats) Publish(ctx context.Context, to manufacturer.Contact, id, mediaType string, body []byte) error {
	js, err := n.connect(to)
	if err != nil {
		return err
	}
	m := nats.NewMsg(to.NATSSubject)
	m.Data = body
	m.Header.Set("Content-Type", mediaType)
	_, err = js.PublishMsg(ctx, m, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0))
	return err
}

func (n *Nats) connect(to manufacturer.Contact) (jetstream.JetStream, error) {
	url, creds := to.NATSURL, to.NATSCredsFile
	options := []nats.Option{
		nats.Name("orderledger manufacturers"), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // Publish says what fails
	}
	switch {
	case url == "" && n.url == "":
		return nil, errors.New("there is no NATS server")
	case url == "":
		options = append(options, n.options...)
	case creds != "":
		options = append(options, nats.UserCredentials(creds))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{url, creds}
	if js, ok := n.conns[key]; ok {
		return js, nil
	}
	conn, err := nats.Connect(cmp.Or(url, n.url), options...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	n.conns[key] = js
	return js, nil
}

// Close closes the connections.
func (n *Nats) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, js := range n.conns {
		js.Conn().Close()
	}
	clear(n.conns)
}
