package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/notify"
)

// MaxOutbox is how many e-mails an outbox keeps: the last ones.
const MaxOutbox = 10_000

// stampFormat leads the names of files, so that they sort by time.
const stampFormat = "20060102T150405.000000Z"

var messageName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// ErrNoMessage means that the outbox holds no such message.
var ErrNoMessage = errors.New("there is no such message in the outbox")

// Outbox keeps e-mails as files (.eml) instead of sending them.
type Outbox struct {
	dir    string
	sender Sender

	mu   sync.Mutex
	kept int // files, -1 while it is not known
}

// NewOutbox returns the outbox in a folder, which is made.
func NewOutbox(dir string, s Sender) (*Outbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Outbox{dir: dir, sender: s, kept: -1}, nil
}

// Name implements notify.Channel.
func (o *Outbox) Name() string { return "outbox" }

// MessageID implements notify.Channel.
func (o *Outbox) MessageID(m notify.Message) string { return o.sender.messageID(m) }

// Send implements notify.Channel. A message that is sent again replaces itself.
func (o *Outbox) Send(_ context.Context, m notify.Message) error {
	msg, err := o.sender.build(m)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return &notify.SendError{Permanent: true, Reason: "The message can't be written as an e-mail.", Err: err}
	}
	if !messageName.MatchString(m.ID) {
		return &notify.SendError{Permanent: true, Reason: "The message's id is none of a file."}
	}
	name := m.At.UTC().Format(stampFormat) + "-" + m.ID + ".eml"
	if err := follow.Replace(filepath.Join(o.dir, name), b.Bytes()); err != nil {
		return &notify.SendError{Reason: "The outbox can't be written.", Err: err}
	}
	return o.prune()
}

// prune deletes the oldest messages when there are too many.
func (o *Outbox) prune() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.kept++; o.kept > 0 && o.kept <= MaxOutbox {
		return nil
	}
	names, err := o.names()
	if err != nil {
		return nil // it is only too large; the message is kept
	}
	for _, name := range names[min(len(names), MaxOutbox):] {
		_ = os.Remove(filepath.Join(o.dir, name)) // likewise
	}
	o.kept = min(len(names), MaxOutbox)
	return nil
}

// names are the files of messages, the newest first.
func (o *Outbox) names() ([]string, error) {
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// Stored is a message in the outbox.
type Stored struct {
	ID         string
	At         time.Time
	From, To   string
	Subject    string
	Text, HTML string // of one message; a list leaves them empty
	Size       int64
	Raw        []byte // likewise
	MessageID  string
}

// List returns the newest messages.
func (o *Outbox) List(limit int) ([]Stored, int, error) {
	names, err := o.names()
	if err != nil {
		return nil, 0, err
	}
	list := make([]Stored, 0, min(limit, len(names)))
	for _, name := range names[:min(limit, len(names))] {
		s, err := o.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was the oldest of too many
		}
		if err != nil {
			return nil, 0, err
		}
		s.Text, s.HTML, s.Raw = "", "", nil
		list = append(list, s)
	}
	return list, len(names), nil
}

// Message returns one message. Errors: ErrNoMessage.
func (o *Outbox) Message(id string) (Stored, error) {
	if !messageName.MatchString(id) {
		return Stored{}, ErrNoMessage
	}
	names, err := o.names()
	if err != nil {
		return Stored{}, err
	}
	i := slices.IndexFunc(names, func(n string) bool { return len(n) > len(stampFormat) && n[len(stampFormat)+1:] == id+".eml" })
	if i < 0 {
		return Stored{}, ErrNoMessage
	}
	s, err := o.read(names[i])
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNoMessage
	}
	return s, err
}

func (o *Outbox) read(name string) (Stored, error) {
	raw, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return Stored{}, err
	}
	stamp, id, _ := strings.Cut(strings.TrimSuffix(name, ".eml"), "-")
	s := Stored{ID: id, Size: int64(len(raw)), Raw: raw}
	if s.At, err = time.Parse(stampFormat, stamp); err != nil {
		return s, fmt.Errorf("outbox: %s is not named as its messages are", name)
	}
	msg, err := mail.EMLToMsgFromReader(bytes.NewReader(raw))
	if err != nil {
		return s, fmt.Errorf("outbox: %s: %w", name, err)
	}
	s.From, s.To = addresses(msg.GetFromString()), addresses(msg.GetToString())
	if subject := msg.GetGenHeader(mail.HeaderSubject); len(subject) > 0 {
		s.Subject = decode(subject[0])
	}
	s.MessageID = strings.Trim(msg.GetMessageID(), "<>")
	for _, p := range msg.GetParts() {
		content, err := p.GetContent()
		if err != nil {
			return s, fmt.Errorf("outbox: %s: %w", name, err)
		}
		switch p.GetContentType() {
		case mail.TypeTextPlain:
			s.Text = string(content)
		case mail.TypeTextHTML:
			s.HTML = string(content)
		}
	}
	return s, nil
}

var _ notify.Channel = (*Outbox)(nil)
