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
	{"phone", "light", 390, 844},
	{"narrow-dark", "dark", 320, 640},
}

// Check looks at the page as it is in light and dark, wide and as narrow as a phone: axe-core must find nothing (light and wide, dark and
// narrow; with -looks in every look), the page must not scroll sideways, no control be cut off or lie on another, and the browser must
// complain of nothing. Pictures are named by name and look. Where only some looks are named, the others are left to runs with -looks or
// pictures, since each takes its time. The page is light and wide afterwards.
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
		for _, fault := range p.LaidOut() {
			p.Errorf("%s, %s: %s", name, look.name, fault)
		}
	}
	p.Media("light", false)
	p.Size(1280, 900)
	p.Sound()
}

// LaidOut says what is wrong with how the page is laid out in the window as it is: that it scrolls sideways, and which controls can't be
// used as they stand.
func (p *Page) LaidOut() (faults []string) {
	p.Helper()
	if cut := Eval[string](p, cutOff); cut != "" {
		faults = append(faults, cut)
	}
	if over := Eval[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		faults = append(faults, fmt.Sprintf("the page is %d pixels too wide: %s", over, Eval[string](p, widest)))
	}
	return faults
}

// cutOff names controls that can't be used as they stand: cut off at a side of the window, or of what is around them, and those that
// lie on one another. What can be scrolled to, and what lies above the page on purpose, is not among them.
const cutOff = `(() => {
	const modal = document.querySelector('dialog[open]'), width = document.documentElement.clientWidth, bad = [];
	const above = (e) => e.closest('.sheet, dialog, #toasts, .bulkbar.on, .newcomers');
	const said = (e) => e.outerHTML.replace(/\s+/g, ' ').slice(0, 120);
	const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth;
	const controls = [...(modal || document).querySelectorAll('a[href], button, input, select, textarea, summary')].filter(e => {
		const r = e.getBoundingClientRect();
		return r.width > 1 && r.height > 1 && e.checkVisibility({ visibilityProperty: true }) && !e.closest('.hidden, .skip, svg');
	}).map(e => ({ e, r: e.getBoundingClientRect() }));
	for (const c of controls) {
		let left = 0, right = width;
		for (let at = c.e.parentElement; at && at !== document.body; at = at.parentElement) {
			if (scrolls(at)) { left = -Infinity; right = Infinity; c.inside = at; break; }
			if (/hidden|clip/.test(getComputedStyle(at).overflowX)) {
				const r = at.getBoundingClientRect();
				left = Math.max(left, r.left);
				right = Math.min(right, r.right);
			}
		}
		if (c.r.left < left - 1 || c.r.right > right + 1) bad.push('cut off: ' + said(c.e));
	}
	for (let i = 0; i < controls.length && bad.length < 4; i++) {
		for (let k = i + 1; k < controls.length; k++) {
			const [a, b] = [controls[i], controls[k]];
			if (a.inside !== b.inside || above(a.e) !== above(b.e) || a.e.contains(b.e) || b.e.contains(a.e)) continue;
			const over = (r, q) => Math.min(r.right, q.right) - Math.max(r.left, q.left) > 2 && Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top) > 2;
			const lines = (c) => [...c.e.getClientRects()]; // a link in a text may stand in two lines
			if (over(a.r, b.r) && lines(a).some(r => lines(b).some(q => over(r, q)))) { bad.push('on one another: ' + said(a.e) + ' and ' + said(b.e)); break; }
		}
	}
	return bad.slice(0, 4).join(' | ');
})()`

// widest names what sticks out at the side.
const widest = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 &&
	!e.closest('.scroll, .where, .tabs, .hidden')).slice(0, 4).map(e => e.outerHTML.slice(0, 120)).join(' | ')`
