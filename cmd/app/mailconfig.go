package app

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones, where the system has none

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/notify/post"
)

// Mail says who is told by e-mail, how, and in whose name: the flags of `serve`, by their names.
type Mail struct {
	Notify        string        // see the constants
	SMTP          string        // HOST:PORT; empty: e-mails go to the outbox folder
	SMTPTLS       string        // starttls, tls or none; empty: tls on port 465, else starttls
	SMTPAuth      string        // file that holds user and password, in two lines; empty: no sign-in
	From, ReplyTo string        // such as "Harbor Parts <orders@harbor.example>"
	Rate          float64       // e-mails a second, by SMTP
	NotifyAlso    string        // letter.Extras, with commas
	HistoryAfter  time.Duration // an order that its store took so long before is history as it comes in; see Validate
	Templates     string        // folder of the dealer's own templates
	Locale        string        // BCP 47, such as en-US
	TimeZone      string        // IANA, such as America/New_York

	DealerName, DealerPhone, DealerURL string
	DealerAddress                      string // where the dealer is told; empty: nowhere
}

// What Mail.Notify can be.
const (
	NotifyOn  = "on"
	NotifyOff = "off" // nobody is told anything, nor later of what happens now
)

// sandboxSender is whom e-mails come from that nobody gets.
const sandboxSender = "orderledger <orders@localhost>"

func defaultMail() Mail {
	return Mail{Notify: NotifyOn, Rate: 10, HistoryAfter: 7 * 24 * time.Hour, Locale: "en-US", TimeZone: "UTC"}
}

func (m Mail) validate() error {
	var errs []error
	wrong := func(flag, value, what string) { errs = append(errs, fmt.Errorf("--%s %q: %s", flag, value, what)) }
	if !slices.Contains([]string{NotifyOn, NotifyOff}, m.Notify) {
		wrong("notify", m.Notify, "use one of on, off")
	}
	if _, _, err := m.server(); err != nil {
		wrong("smtp", m.SMTP, "use HOST:PORT")
	}
	if !slices.Contains([]string{"", string(post.StartTLS), string(post.ImplicitTLS), string(post.None)}, m.SMTPTLS) {
		wrong("smtp-tls", m.SMTPTLS, "use one of starttls, tls, none")
	}
	if m.SMTP != "" && m.From == "" {
		errs = append(errs, errors.New(`--smtp: name whom e-mails come from with --mail-from "NAME <ADDRESS>"`))
	}
	if m.SMTP == "" && (m.SMTPAuth != "" || m.SMTPTLS != "") {
		errs = append(errs, errors.New("--smtp-auth-file, --smtp-tls: name the mail server with --smtp"))
	}
	for flag, value := range map[string]string{"mail-from": m.From, "mail-reply-to": m.ReplyTo, "dealer-address": m.DealerAddress} {
		if _, err := netmail.ParseAddress(value); value != "" && err != nil {
			wrong(flag, value, "is no e-mail address")
		}
	}
	for _, x := range m.also() {
		if !slices.Contains(letter.Extras, x) {
			wrong("notify-also", x, "use "+strings.Join(letter.Extras, ", "))
		}
	}
	if _, err := language.Parse(m.Locale); err != nil {
		wrong("locale", m.Locale, "use a language and a place, such as en-US or de-DE")
	}
	if _, err := time.LoadLocation(m.TimeZone); err != nil || m.TimeZone == "" || m.TimeZone == "Local" {
		wrong("time-zone", m.TimeZone, "use a name such as America/New_York")
	}
	if u, err := url.Parse(m.DealerURL); m.DealerURL != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		wrong("dealer-url", m.DealerURL, "use https://…")
	}
	errs = append(errs, checkRate("mail-rate", m.Rate))
	if m.HistoryAfter < 0 || m.HistoryAfter%time.Hour != 0 {
		wrong("history-after", m.HistoryAfter.String(), "use whole hours, such as 168h; 0 for never")
	}
	return errors.Join(errs...)
}

func (m Mail) server() (host string, port int, err error) {
	if m.SMTP == "" {
		return "", 0, nil
	}
	host, p, err := net.SplitHostPort(m.SMTP)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err == nil && (host == "" || port < 1 || port > 65535) {
		err = errors.New("no host or port")
	}
	return host, port, err
}

func (m Mail) security() post.Security {
	switch {
	case m.SMTPTLS != "":
		return post.Security(m.SMTPTLS)
	case strings.HasSuffix(m.SMTP, ":465"):
		return post.ImplicitTLS
	}
	return post.StartTLS
}

// also are the kinds that are switched on.
func (m Mail) also() (list []string) {
	for x := range strings.SplitSeq(m.NotifyAlso, ",") {
		if x = strings.TrimSpace(x); x != "" {
			list = append(list, x)
		}
	}
	return list
}
