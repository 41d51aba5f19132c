package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
)

const (
	maxTokenFile = 1 << 12 // bytes
	// attempts are few: at a terminal, "nobody answers" is better said soon.
	attempts = 3
)

// client is the ledger that the common flags name.
func (c *cli) client() (*client.Client, error) {
	token, err := c.secret()
	if err != nil {
		return nil, err
	}
	cl, err := client.New(client.Config{Server: c.server, Token: token, Via: domain.ViaCLI, Attempts: attempts})
	if err != nil {
		return nil, usageError{fmt.Errorf("--server: %w", err)}
	}
	return cl, nil
}

// secret reads --token-file; empty without one.
func (c *cli) secret() (string, error) {
	if c.tokenFile == "" {
		return "", nil
	}
	f, err := os.Open(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("--token-file: %s is empty", c.tokenFile)
	}
	return token, nil
}

// isStale says whether a server refused because the order is at another version.
func isStale(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusPreconditionFailed
}

// explain is an error as a person should read it.
func explain(err error) string {
	var p *client.Problem
	var unreached *url.Error
	switch {
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized:
		return err.Error() + "; name a file that holds a token with --token-file"
	case errors.As(err, &unreached) && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH)):
		at := unreached.URL
		if u, e := url.Parse(at); e == nil {
			at = u.Scheme + "://" + u.Host
		}
		return fmt.Sprintf("no ledger answers at %s; start one with: orderledger serve", at)
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return err.Error()
}

// head is the log's head as the server knows it. A read that waits for it sees what was done just before. Who may not ask
// for it gets zero, and reads what there is.
func head(ctx context.Context, cl *client.Client) (eventstore.Position, error) {
	list, err := cl.Projections(ctx)
	var p *client.Problem
	if errors.As(err, &p) && p.Status == http.StatusForbidden {
		return 0, nil
	}
	at := eventstore.Position(0)
	for _, p := range list {
		at = max(at, p.Head)
	}
	return at, err
}

// reader is a client for what is read, and the head to wait for.
func (c *cli) reader(ctx context.Context) (*client.Client, eventstore.Position, error) {
	cl, err := c.client()
	if err != nil {
		return nil, 0, err
	}
	at, err := head(ctx, cl)
	return cl, at, err
}

// current is an order as it is now.
func current(ctx context.Context, cl *client.Client, id uuid.UUID) (domain.View, error) {
	at, err := head(ctx, cl)
	if err != nil {
		return domain.View{}, err
	}
	return cl.Get(ctx, id, at)
}

// words are what a clerk says along with an act.
type words struct {
	reference, reason, payment, text, evidence string
	decision                                   domain.Decision
	parcels                                    []domain.Tracking
	resend                                     bool // tracking
}

// perform gives an order a command. version counts for those that the server wants one for.
func perform(ctx context.Context, cl *client.Client, id uuid.UUID, verb domain.Verb, version int, w words, o ...client.Option) (client.Answer, error) {
	switch verb {
	case domain.VerbAccept:
		return cl.Accept(ctx, id, o...)
	case domain.VerbCapture:
		return cl.Capture(ctx, id, version, w.reference, o...)
	case domain.VerbShip:
		return cl.Ship(ctx, id, version, w.parcels, o...)
	case domain.VerbTracking:
		if w.resend {
			return cl.CorrectTrackingAndTell(ctx, id, w.parcels, o...)
		}
		return cl.CorrectTracking(ctx, id, w.parcels, o...)
	case domain.VerbRefund:
		return cl.Refund(ctx, id, version, w.reason, o...)
	case domain.VerbCancel:
		return cl.Cancel(ctx, id, version, w.reason, o...)
	case domain.VerbArchive:
		return cl.Archive(ctx, id, o...)
	case domain.VerbUnarchive:
		return cl.Unarchive(ctx, id, o...)
	case domain.VerbNote:
		return cl.AddNote(ctx, id, w.text, o...)
	case domain.VerbReversal:
		return cl.RecordReversal(ctx, id, w.reference, o...)
	case domain.VerbReauthorize:
		return cl.Reauthorize(ctx, id, w.payment, o...)
	case domain.VerbResume:
		return cl.Resume(ctx, id, domain.Resume{Decision: w.decision, Evidence: w.evidence, Reference: w.reference}, o...)
	}
	return client.Answer{}, fmt.Errorf("there is no act %q", verb)
}

// remoteLog is a running ledger's log.
type remoteLog struct{ client *client.Client }

// Head implements audit.Log.
func (l remoteLog) Head(ctx context.Context) (eventstore.Position, error) {
	list, err := l.client.Projections(ctx)
	if err != nil {
		return 0, err
	}
	at := eventstore.Position(0)
	for _, p := range list {
		at = max(at, p.Head)
	}
	return at, nil
}

// Subscribe implements audit.Log. The subscription ends where the log ended when it began.
func (l remoteLog) Subscribe(ctx context.Context, after eventstore.Position) (eventstore.Subscription, error) {
	next, stop := iter.Pull2(l.client.Log(ctx, after, false))
	return &remoteSubscription{next: next, stop: stop}, nil
}

var _ audit.Log = remoteLog{}

type remoteSubscription struct {
	next func() (eventstore.Recorded, error, bool)
	stop func()
	err  error // kept while the events before it are handed out
}

// Next implements eventstore.Subscription. A log that ends too early is unavailable: what is missing was cut off on the way.
func (s *remoteSubscription) Next(_ context.Context, most int) ([]eventstore.Recorded, error) {
	var page []eventstore.Recorded
	for s.err == nil && len(page) < most {
		r, err, ok := s.next()
		switch {
		case err != nil:
			s.err = err
		case !ok:
			s.err = fmt.Errorf("%w: the server ended its log too early", eventstore.ErrUnavailable)
		default:
			page = append(page, r)
		}
	}
	if len(page) > 0 {
		return page, nil
	}
	return nil, s.err
}

// Close implements eventstore.Subscription.
func (s *remoteSubscription) Close() error {
	s.stop()
	return nil
}
