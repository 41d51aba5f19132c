package post_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/orderledger/orderledger/commands/notify/post"
)

// stage is a point of an SMTP session.
type stage string

const (
	atAccept stage = "accept"
	atHello  stage = "hello"
	atMail   stage = "mail"
	atRcpt   stage = "rcpt"
	atData   stage = "data"     // before any of it is read
	atEnd    stage = "end"      // all of it is read and kept, the answer is not given
	atReset  stage = "reset"    // the answer is given
	atLogout stage = "logout"   // likewise
	never    stage = "no stage" // nothing goes wrong
)

// trouble is what the server does at a stage.
type trouble struct {
	at   stage
	no   *smtp.SMTPError // nil: it cuts the connection
	only string          // only for messages to this address; empty: all
	n    int             // how often; 0: always
}

// server is a real SMTP server on loopback.
type server struct {
	*smtp.Server
	t       *testing.T
	port    int
	roots   *x509.CertPool
	user    string
	mu      sync.Mutex
	trouble []trouble
	kept    []parcel
	door    net.Listener
}

type parcel struct {
	from string
	to   []string
	raw  string
	tls  bool
	user string
}

func (l parcel) header(t *testing.T) netmail.Header {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(l.raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header
}

func serve(t *testing.T, change ...func(*server)) *server {
	t.Helper()
	s := &server{t: t, roots: x509.NewCertPool()}
	s.Server = smtp.NewServer(s)
	s.Domain, s.AllowInsecureAuth, s.EnableSMTPUTF8 = "mail.test", false, true
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{s.certificate()}}
	for _, f := range change {
		f(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(gate{l, s})
	}()
	s.door = l
	t.Cleanup(func() {
		_, _ = s.Close(), l.Close() // the server may not know its listener yet
		<-done
	})
	return s
}

// gate is where connections come in.
type gate struct {
	net.Listener
	s *server
}

func (g gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err == nil && g.s.fails(atAccept, "") != nil {
		_ = c.Close()
	}
	return c, err
}

var errCut = errors.New("cut")

// fails is what goes wrong at a stage; nil when nothing does.
func (s *server) fails(at stage, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.trouble {
		f := &s.trouble[i]
		if f.at != at || (f.only != "" && f.only != to) || f.n < 0 {
			continue
		}
		if f.n > 0 {
			if f.n--; f.n == 0 {
				f.n = -1
			}
		}
		if f.no != nil {
			return f.no
		}
		return errCut
	}
	return nil
}

func (s *server) goWrong(t ...trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = t
}

func (s *server) letters() []parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]parcel{}, s.kept...)
}

func (s *server) config() post.SMTPConfig {
	sender, err := post.ParseSender("Harbor Parts & Söhne <orders@harbor.example>", "Counter <counter@harbor.example>")
	if err != nil {
		s.t.Fatal(err)
	}
	return post.SMTPConfig{
		Sender: sender, Host: "127.0.0.1", Port: s.port, Security: post.StartTLS, Timeout: 10 * time.Second,
		TLS: &tls.Config{RootCAs: s.roots, ServerName: "127.0.0.1"},
	}
}

func (s *server) client(change ...func(*post.SMTPConfig)) *post.SMTP {
	s.t.Helper()
	c := s.config()
	for _, f := range change {
		f(&c)
	}
	channel, err := post.NewSMTP(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return channel
}

func (s *server) certificate() tls.Certificate {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	s.roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// NewSession implements smtp.Backend.
func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	x := &session{server: s, conn: c}
	return x, x.at(atHello)
}

type session struct {
	server *server
	conn   *smtp.Conn
	parcel parcel
	user   string
	kept   atomic.Bool
}

func (x *session) at(where stage) error {
	to := ""
	if len(x.parcel.to) > 0 {
		to = x.parcel.to[0]
	}
	err := x.server.fails(where, to)
	if err == errCut {
		_ = x.conn.Conn().Close()
	}
	return err
}

func (x *session) AuthMechanisms() []string {
	if x.server.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user+":"+password != x.server.user {
			return smtp.ErrAuthFailed
		}
		x.user = user
		return nil
	}), nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	_, secure := x.conn.TLSConnectionState()
	x.parcel = parcel{from: from, tls: secure, user: x.user}
	if x.server.user != "" && x.user == "" {
		return smtp.ErrAuthRequired
	}
	return x.at(atMail)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.parcel.to = append(x.parcel.to, to)
	return x.at(atRcpt)
}

func (x *session) Data(r io.Reader) error {
	if err := x.at(atData); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	no := x.server.fails(atEnd, x.parcel.to[0])
	if refusal := (*smtp.SMTPError)(nil); errors.As(no, &refusal) {
		return no
	}
	x.parcel.raw = string(b)
	x.kept.Store(true)
	x.server.mu.Lock()
	x.server.kept = append(x.server.kept, x.parcel)
	x.server.mu.Unlock()
	if no == errCut {
		_ = x.conn.Conn().Close()
	}
	return no
}

func (x *session) Reset() {
	if x.parcel.raw != "" {
		_ = x.at(atReset)
	}
	x.parcel = parcel{}
}

func (x *session) Logout() error {
	if !x.kept.Load() { // the session before STARTTLS ends, too
		return nil
	}
	return x.at(atLogout)
}
