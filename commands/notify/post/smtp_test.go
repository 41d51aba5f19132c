package post_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/post"
)

var at = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)

func message(to string) notify.Message {
	return notify.Message{
		ID: "0f1e2d3c-0000-5000-8000-000000000001", At: at, Kind: "customer.placed", To: []notify.Address{{Name: "Zoë Ångström", Address: to}},
		Subject: "Your order 10248 — Łódź", Text: "Dear Zoë,\n\nthank you.\n.\nfrom a line with a dot\n", HTML: "<p>Dear Zoë</p>\n",
	}
}

func refusal(code int, enhanced smtp.EnhancedCode) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: "<zoe@example.com> is not wanted"}
}

func TestAnEmailArrivesAsItWasWritten(t *testing.T) {
	s := serve(t)
	if err := s.client().Send(t.Context(), message("zoe@example.com")); err != nil {
		t.Fatal(err)
	}
	got := s.letters()[0]
	h := got.header(t)
	if !got.tls || got.from != "orders@harbor.example" || got.to[0] != "zoe@example.com" {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{
		"Message-Id": "<0f1e2d3c-0000-5000-8000-000000000001@harbor.example>", "Date": "Mon, 02 Nov 2026 09:30:00 +0000",
		"Reply-To": `"Counter" <counter@harbor.example>`, "Auto-Submitted": "auto-generated",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	to, err := h.AddressList("To")
	if err != nil || to[0].Name != "Zoë Ångström" || to[0].Address != "zoe@example.com" {
		t.Errorf("%v, %v", to, err)
	}
	from, err := h.AddressList("From")
	if err != nil || from[0].Name != "Harbor Parts & Söhne" {
		t.Errorf("%v, %v", from, err)
	}
	if strings.ContainsFunc(got.raw, func(r rune) bool { return r > 127 }) {
		t.Error("it is not in ASCII, which not every server takes")
	}
	for _, name := range []string{"User-Agent", "X-Mailer"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s", name, h.Get(name))
		}
	}
}

func TestTheSameMessageIsTheSameBytes(t *testing.T) {
	s := serve(t)
	for range 2 {
		if err := s.client().Send(t.Context(), message("zoe@example.com")); err != nil {
			t.Fatal(err)
		}
	}
	if l := s.letters(); l[0].raw != l[1].raw {
		t.Errorf("first\n%s\nthen\n%s", l[0].raw, l[1].raw)
	}
}

// A name from an order's data can't add headers.
func TestNamesCannotAddHeaders(t *testing.T) {
	s := serve(t)
	m := message("zoe@example.com")
	m.To[0].Name = "Zoë\r\nBcc: all@example.com\r\n\r\nbody"
	m.Subject = "10248\r\nX-Evil: yes"
	if err := s.client().Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := s.letters()[0]
	if h := got.header(t); h.Get("Bcc") != "" || h.Get("X-Evil") != "" || len(got.to) != 1 {
		t.Errorf("%+v\n%s", got.to, got.raw)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name      string
		trouble   trouble
		permanent bool
		reason    string
		kept      int
	}{
		{"greylisted", trouble{at: atRcpt, no: refusal(451, smtp.EnhancedCode{4, 7, 1})}, false, "451 4.7.1", 0},
		{"busy at the sender", trouble{at: atMail, no: refusal(421, smtp.EnhancedCode{4, 3, 2})}, false, "421 4.3.2", 0},
		{"full", trouble{at: atEnd, no: refusal(452, smtp.EnhancedCode{4, 2, 2})}, false, "452 4.2.2", 0},
		{"no such person", trouble{at: atRcpt, no: refusal(550, smtp.EnhancedCode{5, 1, 1})}, true, "550 5.1.1", 0},
		{"sender not wanted", trouble{at: atMail, no: refusal(553, smtp.EnhancedCode{5, 7, 1})}, true, "553 5.7.1", 0},
		{"content not wanted", trouble{at: atEnd, no: refusal(554, smtp.EnhancedCode{5, 7, 0})}, true, "554 5.7.0", 0},
		{"cut at the door", trouble{at: atAccept}, false, "", 0},
		{"cut at hello", trouble{at: atHello}, false, "", 0},
		{"nobody let in", trouble{at: atHello, no: refusal(554, smtp.EnhancedCode{5, 7, 1})}, false, "", 0},
		{"cut at the sender", trouble{at: atMail}, false, "cut", 0},
		{"cut at the recipient", trouble{at: atRcpt}, false, "cut", 0},
		{"cut at the content", trouble{at: atData}, false, "cut", 0},
		{"cut before the answer", trouble{at: atEnd}, false, "cut", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			s.goWrong(c.trouble)
			err := s.client().Send(t.Context(), message("zoe@example.com"))
			var no *notify.SendError
			if !errors.As(err, &no) || no.Permanent != c.permanent || !strings.Contains(no.Reason, c.reason) {
				t.Errorf("%+v, %v", no, err)
			}
			if no != nil && strings.Contains(no.Error(), "zoe@") {
				t.Errorf("an address: %s", no)
			}
			if n := len(s.letters()); n != c.kept {
				t.Errorf("%d letters", n)
			}
		})
	}
}

// What happens to the connection after the server has taken the message on does not make it be sent again.
func TestTakenIsTaken(t *testing.T) {
	for _, after := range []stage{atReset, atLogout, never} {
		s := serve(t)
		s.goWrong(trouble{at: after})
		if err := s.client().Send(t.Context(), message("zoe@example.com")); err != nil {
			t.Errorf("%s: %v", after, err)
		}
		if n := len(s.letters()); n != 1 {
			t.Errorf("%s: %d letters", after, n)
		}
	}
}

func TestConnectionsAreKeptPrivate(t *testing.T) {
	bare := serve(t, func(s *server) { s.TLSConfig = nil })
	if err := bare.client().Send(t.Context(), message("zoe@example.com")); err == nil || len(bare.letters()) != 0 {
		t.Errorf("sent in the clear: %v", err)
	}
	if err := bare.client(func(c *post.SMTPConfig) { c.Security = post.None }).Send(t.Context(), message("zoe@example.com")); err != nil {
		t.Errorf("on loopback: %v", err)
	}
	s := serve(t)
	stranger := s.client(func(c *post.SMTPConfig) { c.TLS = &tls.Config{ServerName: "127.0.0.1"} })
	var no *notify.SendError
	if err := stranger.Send(t.Context(), message("zoe@example.com")); !errors.As(err, &no) || no.Permanent || len(s.letters()) != 0 || !strings.Contains(no.Reason, "certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	for _, host := range []string{"mail.example", "192.0.2.1", "::", "0.0.0.0"} {
		if _, err := post.NewSMTP(post.SMTPConfig{Host: host, Port: 25, Security: post.None}); err == nil {
			t.Errorf("%s without TLS is taken", host)
		}
	}
}

func TestImplicitTLSAndSigningIn(t *testing.T) {
	for _, security := range []post.Security{post.StartTLS, post.ImplicitTLS} {
		s := serve(t, func(s *server) { s.user = "orders:s3cret" })
		if security == post.ImplicitTLS {
			l, err := tls.Listen("tcp", "127.0.0.1:0", s.TLSConfig)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() { _ = s.Serve(l) }()
			s.port = l.Addr().(*net.TCPAddr).Port
		}
		with := func(password string) *post.SMTP {
			return s.client(func(c *post.SMTPConfig) { c.Security, c.User, c.Password = security, "orders", password })
		}
		if err := with("s3cret").Send(t.Context(), message("zoe@example.com")); err != nil {
			t.Errorf("%s: %v", security, err)
		}
		var no *notify.SendError
		if err := with("wrong").Send(t.Context(), message("zoe@example.com")); !errors.As(err, &no) || no.Permanent {
			t.Errorf("%s: a wrong password is the settings' fault, not the message's: %v", security, err)
		}
		if l := s.letters(); len(l) != 1 || l[0].user != "orders" || !l[0].tls {
			t.Errorf("%s: %+v", security, l)
		}
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	s := serve(t)
	for _, to := range []string{"zoe", "a b@example.com", "", "<>"} {
		var no *notify.SendError
		if err := s.client().Send(t.Context(), message(to)); !errors.As(err, &no) || !no.Permanent {
			t.Errorf("%q: %v", to, err)
		}
	}
	if err := s.client().Send(t.Context(), message("zoë@exämple.com")); err != nil || s.letters()[0].to[0] != "zoë@exämple.com" {
		t.Errorf("an international address: %v", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := serve(t)
	channel := s.client()
	_ = s.door.Close()
	var no *notify.SendError
	if err := channel.Send(t.Context(), message("zoe@example.com")); !errors.As(err, &no) || no.Permanent {
		t.Error(err)
	}
}

// The end of the context ends a session that hangs, at once.
func TestTheContextEndsASession(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		cancel() // connected, and nothing is ever said
		<-t.Context().Done()
	}()
	s := serve(t)
	s.port = l.Addr().(*net.TCPAddr).Port
	began := time.Now()
	if err := s.client().Send(ctx, message("zoe@example.com")); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
