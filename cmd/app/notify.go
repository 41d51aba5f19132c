package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/notify"
	"github.com/orderledger/orderledger/commands/notify/letter"
	"github.com/orderledger/orderledger/commands/notify/post"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// telling is how people are told: the one place where kinds of notices meet the ways out.
type telling struct {
	runner *notify.Runner
	writer *letter.Writer
	outbox *post.Outbox // nil: e-mails are sent
}

// NewWriter returns what writes e-mails in the dealer's name; the error says which template is wrong, and where.
func NewWriter(m Mail) (*letter.Writer, error) {
	tag, err := language.Parse(m.Locale)
	if err != nil {
		return nil, fmt.Errorf("--locale: %w", err)
	}
	zone, err := time.LoadLocation(m.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("--time-zone: %w", err)
	}
	from := m.From
	if from == "" {
		from = sandboxSender
	}
	sender, err := post.ParseSender(from, m.ReplyTo)
	if err != nil {
		return nil, fmt.Errorf("--mail-from, --mail-reply-to: %w", err)
	}
	dealer := letter.Dealer{Name: m.DealerName, Email: sender.From.Address, Phone: m.DealerPhone, URL: m.DealerURL}
	if sender.ReplyTo != nil {
		dealer.Email = sender.ReplyTo.Address
	}
	if dealer.Name == "" {
		dealer.Name = sender.From.Name
	}
	if dealer.Name == "" {
		dealer.Name = sender.From.Address
	}
	return letter.New(letter.Config{
		Dealer: dealer, DealerAddress: m.DealerAddress, Locale: tag, Zone: zone, Templates: m.Templates,
	})
}

func (a *App) openNotify() (err error) {
	m := a.config.Mail
	if a.telling.writer, err = NewWriter(m); err != nil {
		return err
	}
	emails, err := a.openMail()
	if err != nil {
		return err
	}
	history := m.HistoryAfter
	if m.SMTP == "" {
		history = 0 // nobody gets anything, so nobody is bothered by old orders
	}
	var snapshot string
	if a.config.Store != "memory" {
		snapshot = filepath.Join(a.config.Data, "notify", "snapshot.json")
		if err := os.MkdirAll(filepath.Dir(snapshot), 0o700); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
	}
	kinds, err := a.kinds(emails)
	if err != nil {
		return err
	}
	a.telling.runner, err = notify.New(notify.Config{
		Log: a.store, Codec: a.codec, Notices: a.notices(), Kinds: kinds, History: history,
		Now: a.now, Logger: a.log, SnapshotPath: snapshot, Turn: a.lease,
	})
	return err
}

func (a *App) notices() commands.Notices { return commands.Notices{Handler: a.handler} }

// kinds are all that people are told of.
func (a *App) kinds(emails *notify.Lane) ([]notify.Kind, error) {
	m := a.config.Mail
	if m.Notify != NotifyOn {
		return nil, nil
	}
	kinds := a.telling.writer.CustomerKinds(emails, m.also())
	if m.DealerAddress != "" {
		kinds = append(kinds, a.telling.writer.DealerKinds(emails)...)
	}
	manufacturers, told, err := a.manufacturers(emails)
	if told {
		kinds = append(kinds, manufacturers)
	}
	return kinds, err
}

// openMail is the way by which e-mails go.
func (a *App) openMail() (*notify.Lane, error) {
	m := a.config.Mail
	from := m.From
	if from == "" {
		from = sandboxSender
	}
	sender, err := post.ParseSender(from, m.ReplyTo)
	if err != nil {
		return nil, fmt.Errorf("--mail-from, --mail-reply-to: %w", err)
	}
	if m.SMTP == "" {
		outbox, err := post.NewOutbox(filepath.Join(a.config.Data, "outbox"), sender)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		a.telling.outbox = outbox
		return &notify.Lane{Channel: outbox}, nil
	}
	host, port, err := m.server()
	if err != nil {
		return nil, fmt.Errorf("--smtp: %w", err)
	}
	config := post.SMTPConfig{Sender: sender, Host: host, Port: port, Security: m.security()}
	if m.SMTPAuth != "" {
		lines, err := readLines(m.SMTPAuth, a.log)
		if err != nil {
			return nil, fmt.Errorf("--smtp-auth-file: %w", err)
		}
		if len(lines) != 2 {
			return nil, fmt.Errorf("--smtp-auth-file: %s must hold two lines, the user and the password", m.SMTPAuth)
		}
		config.User, config.Password = lines[0], lines[1]
	}
	channel, err := post.NewSMTP(config)
	if err != nil {
		return nil, fmt.Errorf("--smtp: %w", err)
	}
	return &notify.Lane{Channel: channel, Rate: m.Rate}, nil
}

// notifyTrouble is what keeps people from being told; nil when nothing does.
func (a *App) notifyTrouble() error {
	if a.telling.runner.Ready() {
		return nil
	}
	if st := a.telling.runner.Status(); st.Error != "" {
		return errors.New(st.Error)
	}
	return errors.New("not caught up with the log")
}

// beginTimeout bounds how long the log may be away when a ledger begins.
const beginTimeout = 20 * time.Second

// beginNotify says in the log, before anything else can be appended, of what people are told from here on.
func (a *App) beginNotify(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, beginTimeout)
	defer cancel()
	for {
		err := a.telling.runner.Begin(patience)
		if err == nil || !errors.Is(err, eventstore.ErrUnavailable) {
			return err
		}
		select {
		case <-patience.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(beginTimeout / 50):
		}
	}
}
