package sender_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/orderledger/orderledger/commands/outhooks/sender"
)

var message = sender.Message{ID: "evt_1", ContentType: "application/cloudevents+json", Body: []byte(`{"a":1}`)}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestMessagesAreVerifiedByTheirReceiver(t *testing.T) {
	s := secret(t, 'x')
	hook, err := standardwebhooks.NewWebhook(s.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if err := hook.Verify(body, r.Header); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != message.ContentType || r.Header.Get("webhook-id") != "evt_1" || string(body) != `{"a":1}` {
			t.Errorf("%s %v %s", r.Method, r.Header, body)
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, " thank\x00 you\n")
	})
	c := sender.New(sender.Config{AllowPrivate: true})
	defer c.Close()
	a, err := c.Post(t.Context(), url+"/in?token=t", message, s)
	if err != nil || !a.OK() || a.Status != 202 || a.Excerpt != "thank  you" || a.Took <= 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestWhatIsNoSuccess(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	c := sender.New(sender.Config{AllowPrivate: true, Timeout: 200 * time.Millisecond})
	defer c.Close()
	for name, h := range map[string]http.HandlerFunc{
		"a fault": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"gone":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		},
		"moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere, http.StatusMovedPermanently)
		},
		"not modified": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) },
		"cut":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silent":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "hello\r\n\r\n")
				_ = conn.Close()
			}
		},
		"headers without an end": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			a, err := c.Post(t.Context(), serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that its going away is seen
				h(w, r)
			})+"/?token=t", message, secret(t, 'x'))
			if a.OK() || (err != nil && strings.Contains(err.Error(), "token=t")) {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// An answer without an end neither fills the memory nor undoes the status; a message that is too large is not sent.
func TestSizesAreBounded(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7200")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	})
	c := sender.New(sender.Config{AllowPrivate: true})
	defer c.Close()
	a, err := c.Post(t.Context(), url, message, secret(t, 'x'))
	if err != nil || !a.OK() || len(a.Excerpt) != 200 || a.RetryAfter != time.Hour {
		t.Errorf("%+v, %v", a, err)
	}
	large := message
	large.Body = make([]byte, sender.MaxBody+1)
	if _, err := c.Post(t.Context(), url, large, secret(t, 'x')); !errors.Is(err, sender.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := c.Post(t.Context(), url, message); err == nil {
		t.Error("sent without a signature")
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	names := map[string][]string{"hooks.example.com.": {"93.184.216.34"}, "mixed.example.com.": {"93.184.216.34", "10.0.0.1"}, "inner.example.com.": {"192.168.0.9"}}
	c := sender.New(sender.Config{Resolver: resolver(func(name string) []string { return names[name] })})
	for url, want := range map[string]error{
		"https://hooks.example.com/in?x=1": nil, "https://hooks.example.com:8443": nil, "https://93.184.216.34/in": nil,

		"http://hooks.example.com": sender.ErrURL, "ftp://hooks.example.com": sender.ErrURL, "hooks.example.com": sender.ErrURL, "": sender.ErrURL,
		"https://": sender.ErrURL, "https://me:secret@hooks.example.com": sender.ErrURL, "https://hooks.example.com/#x": sender.ErrURL,
		"https:hooks.example.com": sender.ErrURL, "https://hooks.example.com/a b": sender.ErrURL,
		"https://hooks.example.com/" + strings.Repeat("x", sender.MaxURL): sender.ErrURL,

		"https://mixed.example.com": sender.ErrAddress, "https://inner.example.com": sender.ErrAddress, "https://127.0.0.1": sender.ErrAddress,
		"https://[::1]:443/": sender.ErrAddress, "https://169.254.169.254/latest/meta-data": sender.ErrAddress, "https://[fe80::1%25eth0]/": sender.ErrAddress,
		"https://nowhere.example.com": sender.ErrUnknownHost,
	} {
		err := c.Check(t.Context(), url)
		if !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
		// Of several addresses the public one is connected to, which a test doesn't.
		if want != nil && want != sender.ErrUnknownHost && !strings.Contains(url, "mixed") {
			if _, err := c.Post(t.Context(), url, message, secret(t, 'x')); !errors.Is(err, want) {
				t.Errorf("sent to %s: %v, want %v", url, err, want)
			}
		}
	}
	allowed := sender.New(sender.Config{AllowPrivate: true})
	for url, want := range map[string]error{"http://127.0.0.1:8080": nil, "http://[::1]": nil, "http://169.254.169.254/": sender.ErrAddress} {
		if err := allowed.Check(t.Context(), url); !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("%s, with private ones allowed: %v", url, err)
		}
	}
}

// A name that resolves to a public address when it is looked at, and to this machine when it is connected to, gains nothing.
func TestNamesThatAreReboundLeadNowhere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	reached := make(chan struct{}, 1)
	go func() {
		if _, err := l.Accept(); err == nil {
			reached <- struct{}{}
		}
	}()
	var rebound atomic.Bool
	c := sender.New(sender.Config{Resolver: resolver(func(string) []string {
		if rebound.Load() {
			return []string{"127.0.0.1"}
		}
		return []string{"93.184.216.34"}
	})})
	defer c.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	url := "https://rebound.example.com:" + port + "/"
	if err := c.Check(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	rebound.Store(true)
	if _, err := c.Post(t.Context(), url, message, secret(t, 'x')); !errors.Is(err, sender.ErrAddress) {
		t.Errorf("%v, want ErrAddress", err)
	}
	select {
	case <-reached:
		t.Error("this machine was connected to")
	default:
	}
}

// resolver asks a name server in the test, which knows addresses of IPv4 by their names.
func resolver(addresses func(name string) []string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answerName(there, addresses)
		return here, nil
	}}
}

// answerName answers one question of DNS over a stream.
func answerName(c net.Conn, addresses func(name string) []string) {
	defer func() { _ = c.Close() }()
	for {
		length := make([]byte, 2)
		if _, err := io.ReadFull(c, length); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(length))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		name, at := "", 12
		for q[at] != 0 {
			name += string(q[at+1:at+1+int(q[at])]) + "."
			at += 1 + int(q[at])
		}
		kind := binary.BigEndian.Uint16(q[at+1:])
		known := addresses(name)
		answer := append([]byte{q[0], q[1], 0x84, 0x00, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:at+5]...)
		if len(known) == 0 {
			answer[3] = 3 // there is no such name
		}
		if kind == 1 {
			for _, a := range known {
				ip := netip.MustParseAddr(a).As4()
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
				answer[7]++
			}
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}
