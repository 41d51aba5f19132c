package dashboard

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/projections/dashboard/vendored"
)

func TestVendoredFilesAreWhatTheManifestSays(t *testing.T) {
	dir, err := fs.Sub(staticFiles, "static/vendor")
	if err != nil {
		t.Fatal(err)
	}
	if err := vendored.Check(dir); err != nil {
		t.Errorf("%v\nfetch them again: go run ./projections/dashboard/vendoring", err)
	}
}

func TestEveryStyleAndScriptIsServed(t *testing.T) {
	for folder, list := range map[string][]string{"css": styles, "js": scripts} {
		entries, err := fs.ReadDir(staticFiles, "static/"+folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := folder + "/" + e.Name(); !strings.Contains(strings.Join(list, " "), name) {
				t.Errorf("%s is served to nobody", name)
			}
		}
	}
}

func TestAssetsAreKeptForEverAndZipped(t *testing.T) {
	for _, a := range []asset{styleSheet, script, icons} {
		for encoding, zipped := range map[string]bool{"": false, "br": false, "gzip;q=0": false, "br, gzip": true, "gzip;q=0.5": true} {
			r := httptest.NewRequest(http.MethodGet, a.path, nil)
			r.Header.Set("Accept-Encoding", encoding)
			w := httptest.NewRecorder()
			Static().ServeHTTP(w, r)
			var body io.Reader = w.Body
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
				t.Errorf("%s for %q: gzip %t", a.path, encoding, got)
			} else if got {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			b, err := io.ReadAll(body)
			if err != nil || string(b) != string(a.plain) || w.Code != 200 || w.Header().Get("Content-Type") != a.contentType {
				t.Errorf("%s: %d %v, %d bytes, %v", a.path, w.Code, w.Header(), len(b), err)
			}
			if c := w.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
				t.Errorf("%s: Cache-Control %q", a.path, c)
			}
		}
	}
	w := httptest.NewRecorder()
	Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/static/app-0000.js", nil))
	if w.Code != 404 {
		t.Errorf("an old name: %d", w.Code)
	}
	if n := len(styleSheet.zipped()) + len(script.zipped()) + len(icons.zipped()); n > 60<<10 {
		t.Errorf("%d bytes over the wire", n)
	}
}

// Every icon that a page or a script names is in the sprite.
func TestIconsAreThere(t *testing.T) {
	for _, b := range badgeTexts {
		if !iconNames[b.icon] {
			t.Errorf("no icon %q", b.icon)
		}
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, name := range files {
		text, err := fs.ReadFile(templateFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), `icon "`)[1:] {
			n, _, _ := strings.Cut(part, `"`)
			if named++; !iconNames[n] {
				t.Errorf("%s: no icon %q", name, n)
			}
		}
	}
	if named < 10 {
		t.Errorf("%d icons in the pages; the check saw nothing", named)
	}
}
