package stripepay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
)

// WebhookPath is where Stripe's events come in.
const WebhookPath = "/v1/webhooks/stripe"

// The codes of problems that Stripe is answered with, beside commandapi's.
const (
	CodeSignatureInvalid = "signature_invalid"
	CodeOutOfTolerance   = "timestamp_out_of_tolerance"
	CodeEventMalformed   = "event_malformed"
	CodeWrongMode        = "livemode_mismatch"
)

const (
	maxEvent     = 1 << 20          // of a webhook's body
	storeTimeout = 10 * time.Second // before which Stripe has not given up yet
	askAgain     = 10 * time.Second // what Stripe is told when an event can't be stored
)

// Receiver keeps events, each once; see commands.Inbox. When it returns without an error, the event is durable.
type Receiver interface {
	Receive(ctx context.Context, e commands.PaymentEvent, via domain.Via) (bool, error)
}

// WebhookConfig says whose events are taken, and where they go.
type WebhookConfig struct {
	Mode     Mode             // whose events: Live takes live ones alone, the others test ones alone
	Secrets  []string         // whsec_…, that Stripe signs with: the current and, while it is rotated, the previous; none: 404
	Receiver Receiver         // required, if there are secrets
	Now      func() time.Time // nil is time.Now
	Logger   *slog.Logger     // gets what is wrong, without bodies; nil for none
}

// Webhook is the endpoint that Stripe sends its events to. Who calls needs no token: the signature says that it is Stripe.
// An event is a hint, and what is kept is which object to look at; reading that is somebody else's business.
//
// 200 promises that the event is durable, or that the ledger has no use for it: its type is another one, or its object belongs
// to no PaymentIntent. Everything else is a problem, and Stripe sends the event again: 413 over 1 MiB; 400 when the signature,
// its time, the mode or the form is wrong; 503 when the event can't be kept now.
func Webhook(c WebhookConfig) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return webhookHandler{c, &rate.Sometimes{First: 20, Interval: time.Second}}
}

type webhookHandler struct {
	WebhookConfig
	says *rate.Sometimes // what anybody can bring about fills no log
}

func (h webhookHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if problem := h.take(w, r); problem != nil {
		problem.Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"received":true}`+"\n") // when Stripe has gone it sends the event again, which changes nothing
}

// take does what the request asks for, or says why not.
func (h webhookHandler) take(w http.ResponseWriter, r *http.Request) *commandapi.Problem {
	if len(h.Secrets) == 0 {
		return commandapi.New(http.StatusNotFound, commandapi.CodeNotFound,
			"The ledger has no webhook secret, so it takes no events; serve --stripe-webhook-secret-file gives it one.")
	}
	body, problem := readBody(w, r)
	if problem != nil {
		return problem
	}
	switch err := verify(body, r.Header.Get("Stripe-Signature"), h.Secrets, h.Now()); {
	case errors.Is(err, errTimestamp):
		h.refused(r, CodeOutOfTolerance, commands.PaymentEvent{})
		return commandapi.New(http.StatusBadRequest, CodeOutOfTolerance,
			"The signature's time is more than five minutes from the ledger's. Check the clocks.")
	case err != nil:
		h.refused(r, CodeSignatureInvalid, commands.PaymentEvent{})
		return commandapi.New(http.StatusBadRequest, CodeSignatureInvalid,
			"The Stripe-Signature header holds no signature of this body by a secret that the ledger knows.")
	}
	event, about, err := readEvent(body)
	if err == nil || event.ID != "" {
		if event.Livemode != (h.Mode == Live) {
			h.refused(r, CodeWrongMode, event)
			return commandapi.New(http.StatusBadRequest, CodeWrongMode, wrongMode(h.Mode))
		}
	}
	switch {
	case err != nil:
		h.refused(r, CodeEventMalformed, event)
		return commandapi.New(http.StatusBadRequest, CodeEventMalformed, "This is not an event as Stripe sends them: "+err.Error()+".")
	case about != ours:
		h.Logger.DebugContext(r.Context(), "stripe: an event is of no use", "event", event.ID, "type", event.Type)
		return nil
	}
	return h.store(r, event)
}

func (h webhookHandler) store(r *http.Request, event commands.PaymentEvent) *commandapi.Problem {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	stored, err := h.Receiver.Receive(ctx, event, domain.ViaWebhook)
	switch {
	case err == nil:
		h.Logger.DebugContext(ctx, "stripe: event received", "event", event.ID, "type", event.Type, "object", event.Object, "new", stored)
		return nil
	case errors.Is(err, commands.ErrBadEventID):
		h.refused(r, CodeEventMalformed, event)
		return commandapi.New(http.StatusBadRequest, CodeEventMalformed, "The event's id is none of Stripe's (evt_…).")
	}
	h.Logger.WarnContext(ctx, "stripe: an event can't be stored; Stripe will send it again", "event", event.ID, "type", event.Type, "error", err)
	p := commandapi.New(http.StatusServiceUnavailable, commandapi.CodeUnavailable, "The event can't be stored now. Send it again.")
	p.RetryAfter = askAgain
	return p
}

// refused tells the operator of a delivery that is not as it should be: who configured the endpoint has to know.
func (h webhookHandler) refused(r *http.Request, code string, event commands.PaymentEvent) {
	h.says.Do(func() {
		h.Logger.WarnContext(r.Context(), "stripe: a webhook was refused", "code", code, "event", event.ID, "type", event.Type,
			"livemode", event.Livemode, "request_id", commandapi.RequestIDFrom(r.Context()))
	})
}

func wrongMode(m Mode) string {
	if m == Live {
		return "This is an event of Stripe's test mode, and the ledger runs in live mode. Send it the events of live mode alone."
	}
	return "This is an event of Stripe's live mode, and the ledger runs in " + string(m) + " mode. Send it the events of test mode alone."
}

// readBody reads the whole body, which is what was signed.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *commandapi.Problem) {
	tooLarge := commandapi.New(http.StatusRequestEntityTooLarge, commandapi.CodeTooLarge, "An event may be of 1 MiB at the most.")
	if r.ContentLength > maxEvent {
		return nil, tooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, commandapi.New(http.StatusBadRequest, commandapi.CodeBadRequest, "The body could not be read.")
	}
	return body, nil
}
