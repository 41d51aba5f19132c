package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed static
var staticFiles embed.FS

// What a page loads: one style sheet and one script, put together here, in this order, so that there is no build step and there are
// few requests. The names hold the contents' hashes, so browsers keep them for ever.
var (
	styles  = []string{"css/base.css", "css/list.css", "css/order.css", "css/queue.css", "css/overview.css", "css/print.css"}
	scripts = []string{"vendor/htmx.min.js", "vendor/hx-sse.min.js", "js/app.js", "js/list.js", "js/order.js"}

	styleSheet = newAsset("app", "css", "text/css; charset=utf-8", styles)
	script     = newAsset("app", "js", "text/javascript; charset=utf-8", scripts)
	icons      = newAsset("icons", "svg", "image/svg+xml", []string{"icons.svg"})
	brand      = newAsset("brand", "svg", "image/svg+xml", []string{"brand.svg"})
)

// asset is one file as it is served.
type asset struct {
	path        string
	contentType string
	plain       []byte
	zipped      func() []byte // made when it is first asked for: most commands of the program show no page
}

func newAsset(name, extension, contentType string, files []string) asset {
	var all bytes.Buffer
	for _, f := range files {
		b, err := staticFiles.ReadFile("static/" + f)
		if err != nil {
			panic(err) // embedded: it is there or nothing builds
		}
		all.Write(b)
		all.WriteString("\n")
		if extension == "js" {
			all.WriteString(";\n")
		}
	}
	sum := sha256.Sum256(all.Bytes())
	return asset{
		path:        "/static/" + name + "-" + hex.EncodeToString(sum[:8]) + "." + extension,
		contentType: contentType,
		plain:       all.Bytes(),
		zipped: sync.OnceValue(func() []byte {
			var zipped bytes.Buffer
			z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is a valid constant
			_, _ = z.Write(all.Bytes())                                // into memory
			_ = z.Close()
			return zipped.Bytes()
		}),
	}
}

func (a asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := a.plain
	if takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that went away needs none
	}
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, weighed := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return !weighed || (err == nil && q > 0)
	}
	return false
}

// Static serves what pages load. Anybody may have it: the page that asks people to sign in needs it, too.
func Static() http.Handler {
	mux := http.NewServeMux()
	for _, a := range []asset{styleSheet, script, icons, brand} {
		mux.Handle("GET "+a.path, a)
	}
	mux.HandleFunc("GET /static/vendor/{name}", func(w http.ResponseWriter, r *http.Request) { // licences and the manifest
		b, err := staticFiles.ReadFile("static/vendor/" + r.PathValue("name"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "max-age=3600")
		http.ServeContent(w, r, strings.Replace(r.PathValue("name"), ".LICENSE", ".txt", 1), time.Time{}, bytes.NewReader(b))
	})
	return secure(mux)
}
