package post

import (
	"fmt"
	"mime"
	netmail "net/mail"
	"strings"
	"unicode"

	"github.com/wneessen/go-mail"

	"github.com/orderledger/orderledger/commands/notify"
)

// Sender is whom e-mails come from.
type Sender struct {
	From    netmail.Address
	ReplyTo *netmail.Address // nil: From
}

// ParseSender reads addresses such as `Harbor Parts <orders@harbor.example>`; replyTo may be empty.
func ParseSender(from, replyTo string) (Sender, error) {
	f, err := netmail.ParseAddress(from)
	if err != nil {
		return Sender{}, fmt.Errorf("%q is no e-mail address", from)
	}
	s := Sender{From: *f}
	if replyTo != "" {
		if s.ReplyTo, err = netmail.ParseAddress(replyTo); err != nil {
			return Sender{}, fmt.Errorf("%q is no e-mail address", replyTo)
		}
	}
	return s, nil
}

func (s Sender) messageID(m notify.Message) string {
	_, host, _ := strings.Cut(s.From.Address, "@")
	return m.ID + "@" + host
}

// build is a message as it goes over the wire. Everything about it comes from the message, so that it is the same when it is sent
// again.
func (s Sender) build(m notify.Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.From)
	if s.ReplyTo != nil {
		msg.ReplyToMailAddress(s.ReplyTo)
	}
	for _, to := range m.To {
		a, err := netmail.ParseAddress(to.Address)
		if err != nil {
			return nil, &notify.SendError{Permanent: true, Reason: "The address is none that e-mail can be sent to.", Err: err}
		}
		a.Name = plain(to.Name)
		msg.AddToMailAddress(a)
	}
	if len(m.To) == 0 {
		return nil, &notify.SendError{Permanent: true, Reason: "The message names nobody to send it to."}
	}
	msg.Subject(plain(m.Subject))
	msg.SetMessageIDWithValue(s.messageID(m))
	msg.SetDateWithValue(m.At.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBoundary("part-" + m.ID) // the library does not quote it
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	return msg, nil
}

// plain is a text that fits a header: on one line.
func plain(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
}

// addresses writes a header's addresses for people.
func addresses(list []string) string {
	var said []string
	for _, s := range list {
		a, err := netmail.ParseAddress(s)
		switch {
		case err != nil:
			said = append(said, s)
		case a.Name == "":
			said = append(said, a.Address)
		default:
			said = append(said, a.Name+" <"+a.Address+">")
		}
	}
	return strings.Join(said, ", ")
}

// decode reads a header's encoded words.
func decode(s string) string {
	d := mime.WordDecoder{}
	if said, err := d.DecodeHeader(s); err == nil {
		return said
	}
	return s
}
