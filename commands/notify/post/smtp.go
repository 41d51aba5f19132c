package post

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/orderledger/orderledger/commands/notify"
)

// Security is how the connection to a mail server is kept private.
type Security string

// The securities.
const (
	StartTLS    Security = "starttls" // required: without it nothing is sent
	ImplicitTLS Security = "tls"
	None        Security = "none" // on loopback alone
)

// SMTPConfig says which server takes e-mails.
type SMTPConfig struct {
	Sender         Sender
	Host           string
	Port           int
	Security       Security
	User, Password string        // none when User is empty
	TLS            *tls.Config   // nil: the system's certificates, for Host
	Timeout        time.Duration // of signing in, and then of the message; default 45 s
}

// SMTP sends e-mails to a server. Each is sent over a connection of its own.
type SMTP struct{ cfg SMTPConfig }

// NewSMTP returns a channel; nothing is connected before a message is sent.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Timeout == 0 {
		c.Timeout = 45 * time.Second
	}
	ip := net.ParseIP(c.Host)
	switch {
	case c.Host == "" || c.Port < 1 || c.Port > 65535:
		return nil, errors.New("name the mail server as HOST:PORT")
	case c.Security == None && c.Host != "localhost" && (ip == nil || !ip.IsLoopback()):
		return nil, fmt.Errorf("without TLS only a mail server on this machine is used, and %s is none", c.Host)
	case c.Security != None && c.Security != StartTLS && c.Security != ImplicitTLS:
		return nil, fmt.Errorf("the security %q is none of starttls, tls, none", c.Security)
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	}
	return &SMTP{cfg: c}, nil
}

// Name implements notify.Channel.
func (s *SMTP) Name() string { return "smtp" }

// MessageID implements notify.Channel.
func (s *SMTP) MessageID(m notify.Message) string { return s.cfg.Sender.messageID(m) }

// Send implements notify.Channel. The server has taken the message on when it has said so after all of it; what happens to the
// connection after that is of no account.
func (s *SMTP) Send(ctx context.Context, m notify.Message) error {
	msg, err := s.cfg.Sender.build(m)
	if err != nil {
		return err
	}
	var line wire
	defer line.close()
	client, err := s.client(ctx, &line)
	if err != nil {
		return &notify.SendError{Reason: "The mail server's settings are not good.", Err: err}
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return unreached(err)
	}
	err = client.SendWithSMTPClient(session, msg)
	if msg.IsDelivered() {
		_ = client.CloseWithSMTPClient(session)
		return nil
	}
	return refused(err)
}

// wire is the connection of one message. The client leaves it open after some errors, and looks at the context only while it dials.
type wire struct {
	net.Conn
	stop func() bool
}

func (w *wire) close() {
	if w.Conn != nil {
		w.stop()
		_ = w.Close()
	}
}

func (w *wire) open(ctx context.Context, c net.Conn) net.Conn {
	w.Conn, w.stop = c, context.AfterFunc(ctx, func() { _ = c.Close() })
	return c
}

func (s *SMTP) client(whole context.Context, line *wire) (*mail.Client, error) {
	c := s.cfg
	options := []mail.Option{
		mail.WithPort(c.Port), mail.WithTimeout(c.Timeout), mail.WithTLSConfig(c.TLS), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithoutNoop(), mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			dial := (&net.Dialer{}).DialContext
			if c.Security == ImplicitTLS {
				dial = (&tls.Dialer{Config: c.TLS}).DialContext
			}
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return line.open(whole, conn), nil
		}),
	}
	switch c.Security {
	case ImplicitTLS:
		options = append(options, mail.WithSSL())
	case None:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if c.User != "" {
		options = append(options, mail.WithUsername(c.User), mail.WithPassword(c.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	return mail.NewClient(c.Host, options...)
}

// unreached is why there is no session: never a message's fault, so it is tried again.
func unreached(err error) error {
	reason := "The mail server can't be reached."
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		reason = "The mail server's certificate is not good for its name."
	case errors.As(err, &network) && network.Op == "dial", errors.Is(err, context.DeadlineExceeded):
	default:
		reason = "The mail server lets nobody in: its greeting, TLS or sign-in fails."
	}
	return &notify.SendError{Reason: reason, Err: err}
}

// refused is why a session did not take a message. A server's own words may quote an address: only its codes are kept.
func refused(err error) error {
	var no *mail.SendError
	code, said := 0, ""
	if errors.As(err, &no) {
		code = no.ErrorCode()
		if said = fmt.Sprint(code); no.EnhancedStatusCode() != "" {
			said += " " + no.EnhancedStatusCode()
		}
	}
	switch {
	case code >= 500 && code < 600:
		return &notify.SendError{Permanent: true, Reason: "The mail server refused it: " + said + ".", Err: err}
	case code >= 400 && code < 500:
		return &notify.SendError{Reason: "The mail server refused it for now: " + said + ".", Err: err}
	}
	return &notify.SendError{Reason: "The connection to the mail server was cut.", Err: err}
}

var _ notify.Channel = (*SMTP)(nil)
