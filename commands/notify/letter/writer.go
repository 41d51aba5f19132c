package letter

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	text "text/template"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/orderledger/orderledger/commands/locale"
	"github.com/orderledger/orderledger/commands/notify"
)

// Names are the e-mails that there are templates of.
var Names = []string{
	"placed-card", "placed-account", "shipped", "cancelled-card", "cancelled-account", "refunded", "accepted", "captured", "archived",
	"dealer", "confirmation-missed",
}

// ErrNoTemplate means that there is no e-mail of a name; see Names.
var ErrNoTemplate = errors.New("there is no such e-mail")

// maxSubject bounds a subject, in characters.
const maxSubject = 200

//go:embed templates
var builtin embed.FS

// Config says who writes, and for whom.
type Config struct {
	Dealer        Dealer
	DealerAddress string         // where the dealer is told; empty: nowhere
	Locale        language.Tag   // zero: en-US
	Zone          *time.Location // nil: UTC
	Templates     string         // folder of the dealer's own templates; empty: none
}

// Writer writes e-mails. Safe for many goroutines.
type Writer struct {
	config Config
	locale locale.Locale
	html   map[string]*html.Template
	text   map[string]*text.Template
}

// New reads the templates and writes each e-mail about sample orders: what comes of them later has been seen to work. The error
// names the file and the line.
func New(c Config) (*Writer, error) {
	if c.Locale == language.Und {
		c.Locale = language.AmericanEnglish
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	w := &Writer{config: c, locale: locale.New(c.Locale, c.Zone), html: map[string]*html.Template{}, text: map[string]*text.Template{}}
	if err := w.known(); err != nil {
		return nil, err
	}
	for _, name := range Names {
		if err := w.parse(name); err != nil {
			return nil, fmt.Errorf("e-mail %s: %w", name, err)
		}
	}
	return w, w.check()
}

// Dealer is who writes.
func (w *Writer) Dealer() Dealer { return w.config.Dealer }

// known refuses files that no e-mail has: a misspelt one must not be silently without effect.
func (w *Writer) known() error {
	if w.config.Templates == "" {
		return nil
	}
	entries, err := os.ReadDir(w.config.Templates)
	if err != nil {
		return fmt.Errorf("--templates: %w", err)
	}
	for _, e := range entries {
		stem, isText := strings.CutSuffix(e.Name(), ".txt")
		stem, isHTML := strings.CutSuffix(stem, ".html")
		if (isText || isHTML) && stem != "layout" && !slices.Contains(Names, stem) {
			return fmt.Errorf("--templates: %s is no e-mail's: they are named %s and layout", filepath.Join(w.config.Templates, e.Name()), strings.Join(Names, ", "))
		}
	}
	return nil
}

// file is a template's text and where it came from: the dealer's own, else ours.
func (w *Writer) file(name string) (path, content string, err error) {
	if w.config.Templates != "" {
		path := filepath.Join(w.config.Templates, name)
		b, err := os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return path, string(b), err
		}
	}
	b, err := builtin.ReadFile("templates/" + name)
	return name, string(b), err
}

func (w *Writer) parse(name string) error {
	h, t := html.New(name), text.New(name)
	for _, n := range []string{"layout", name} {
		path, content, err := w.file(n + ".html")
		if err != nil {
			return err
		}
		if _, err := h.New(path).Parse(content); err != nil {
			return err
		}
		if n == "layout" {
			h = h.Lookup(path)
		}
		if path, content, err = w.file(n + ".txt"); err != nil {
			return err
		}
		if _, err := t.New(path).Parse(content); err != nil {
			return err
		}
		if n == "layout" {
			t = t.Lookup(path)
		}
	}
	for _, part := range []string{"content", "subject"} {
		if t.Lookup(part) == nil || (part == "content" && h.Lookup(part) == nil) {
			return fmt.Errorf("it does not define %q", part)
		}
	}
	w.html[name], w.text[name] = h, t
	return nil
}

// Render writes an e-mail of a name about what its templates are given; whom to is the caller's. Errors: ErrNoTemplate, and those
// of templates, which name the file and the line.
func (w *Writer) Render(name string, about any) (notify.Message, error) {
	h, t := w.html[name], w.text[name]
	if h == nil {
		return notify.Message{}, fmt.Errorf("%w: %q", ErrNoTemplate, name)
	}
	var subject, plain, rich bytes.Buffer
	if err := errors.Join(t.ExecuteTemplate(&subject, "subject", about), t.Execute(&plain, about), h.Execute(&rich, about)); err != nil {
		return notify.Message{}, err
	}
	m := notify.Message{Subject: strings.TrimSpace(subject.String()), Text: tidy(plain.String()), HTML: strings.TrimSpace(rich.String()) + "\n"}
	if m.Subject == "" || strings.ContainsAny(m.Subject, "\r\n") || utf8.RuneCountInString(m.Subject) > maxSubject {
		return m, fmt.Errorf("%s: the subject must be one line of 1 to %d characters", name, maxSubject) // it may hold a name
	}
	return m, nil
}

// tidy takes out what a template's conditions leave behind: spaces at line ends, and more than one empty line.
func tidy(s string) string {
	var b strings.Builder
	empty := true
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimRight(line, " \t\r"); line == "--" {
			line = "-- " // what leads a signature
		}
		if line == "" && empty {
			continue
		}
		empty = line == ""
		b.WriteString(line + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Export writes the built-in templates into a folder, which is made; it replaces no file that is there.
func Export(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := builtin.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	var written []string
	for _, e := range entries {
		b, err := builtin.ReadFile("templates/" + e.Name())
		if err != nil {
			return written, err
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return written, err
		}
		_, err = f.Write(b)
		if err = errors.Join(err, f.Close()); err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}
