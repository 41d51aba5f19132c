package browser

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed axe
var axeFiles embed.FS

// Axe is the folder of axe-core, with its manifest.
func Axe() fs.FS {
	dir, err := fs.Sub(axeFiles, "axe")
	if err != nil {
		panic(err) // embedded
	}
	return dir
}

// Violation is one thing that axe-core found.
type Violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%s): %s\n\t%s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n\t"))
}

const axeRun = `(async () => {
	const found = await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations']});
	return found.violations.map(v => ({id: v.id, impact: v.impact || '', help: v.help,
		nodes: v.nodes.slice(0, 5).map(n => n.html.slice(0, 300) + ' — ' + (n.any[0]?.message || n.all[0]?.message || n.none[0]?.message || ''))}));
})()`

// Violations are what axe-core finds on the page as it is: WCAG 2.2 AA and what is good practice. It comes through the devtools, so the
// page's policy is what it always is.
func (p *Page) Violations() []Violation {
	p.Helper()
	if !Eval[bool](p, "typeof axe === 'object'") {
		source, err := fs.ReadFile(Axe(), "axe.min.js")
		if err != nil {
			p.Fatal(err)
		}
		p.Call(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, runtime.Evaluate, runtime.EvaluateParams{Expression: string(source) + "\n;0"})
			return err
		})
	}
	return Eval[[]Violation](p, axeRun)
}

var every = flag.Bool("looks", false, "have axe-core judge every look of a page, not the first and the last alone")

// looks are the ways in which a page is looked at.
var looks = []struct {
	name, scheme  string
	width, height int64
}{
	{"light", "light", 1280, 900},
	{"dark", "dark", 1280, 900},
	{"phone", "light", 360, 740},
	{"narrow-dark", "dark", 320, 640},
}

// Check looks at the page as it is in light and dark, wide and as narrow as a phone: axe-core must find nothing (light and wide, dark and
// narrow; with -looks in every look), nothing may stick out at the side, and the browser must complain of nothing. Pictures are named by
// name and look. Where only some looks are named, the others are left to runs with -looks or pictures, since each takes its time. The
// page is light and wide afterwards.
func (p *Page) Check(name string, only ...string) {
	p.Helper()
	for i, look := range looks {
		judged := i == 0 || i == len(looks)-1
		if len(only) > 0 {
			if judged = slices.Contains(only, look.name); !judged && !*every && *screenshots == "" {
				continue
			}
		}
		p.Media(look.scheme, false)
		p.Size(look.width, look.height)
		p.Picture(name + "-" + look.name)
		if *every || judged {
			for _, v := range p.Violations() {
				p.Errorf("%s, %s: %s", name, look.name, v)
			}
		}
		if cut := Eval[string](p, cutOff); cut != "" {
			p.Errorf("%s, %s: what can be pressed is cut off: %s", name, look.name, cut)
		}
		if over := Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			p.Errorf("%s, %s: the page is %d pixels too wide: %s", name, look.name, over, Eval[string](p, widest))
		}
	}
	p.Media("light", false)
	p.Size(1280, 900)
	p.Sound()
}

// cutOff names what can be pressed and is cut off by what is around it; what is meant to be scrolled is not.
const cutOff = `[...document.querySelectorAll('main a, main button, main input, main select')].filter(e => {
	const r = e.getBoundingClientRect(), width = document.documentElement.clientWidth;
	return r.width && r.right > width + 1 && !e.closest('.tabs, .hidden, .scroll:not(:has(> .orders)), [hidden]');
}).slice(0, 4).map(e => e.outerHTML.slice(0, 120)).join(' | ')`

// widest names what sticks out at the side.
const widest = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 &&
	!e.closest('.scroll, .where, .tabs, .hidden')).slice(0, 4).map(e => e.outerHTML.slice(0, 120)).join(' | ')`
