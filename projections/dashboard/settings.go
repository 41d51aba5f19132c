package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// The cookies of what somebody set for their browser. Nothing in them is secret, and nothing in them is trusted.
const (
	themeCookie = "orderledger_theme" // light or dark; none: as the system has it
	placeCookie = "orderledger_place" // such as de-DE|Europe/Berlin; none: the dealer's
	keysCookie  = "orderledger_keys"  // off: no keyboard shortcuts
	settingsAge = 365 * 24 * time.Hour
)

var zoneName = regexp.MustCompile(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$`)

func themeOf(r *http.Request) string {
	if t := cookieOf(r, themeCookie); t == "light" || t == "dark" {
		return t
	}
	return ""
}

// placeOf is where the reader is, if they asked for it; the zero Place, the dealer's, if not or if it is no place.
func placeOf(r *http.Request) Place {
	locale, zone, ok := strings.Cut(cookieOf(r, placeCookie), "|")
	if !ok {
		return Place{}
	}
	p, _ := checkedPlace(locale, zone)
	return p
}

func checkedPlace(locale, zone string) (Place, bool) {
	tag, err := language.Parse(locale)
	if err != nil || len(locale) > 35 || len(zone) > 64 || !zoneName.MatchString(zone) || zone == "Local" {
		return Place{}, false
	}
	if _, err := time.LoadLocation(zone); err != nil {
		return Place{}, false
	}
	return Place{Locale: tag.String(), Zone: zone}, true
}

func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// settings keeps what somebody sets for their browser, and leads back to where they were.
func (b *dashboard) settings(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	set := func(name, value string) {
		c := &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(settingsAge.Seconds()), SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: overTLS(r)}
		if value == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
	form := r.PostForm
	switch {
	case form.Has("theme"):
		theme := form.Get("theme")
		if theme != "light" && theme != "dark" {
			theme = ""
		}
		set(themeCookie, theme)
	case form.Get("place") == "mine":
		p, ok := checkedPlace(form.Get("locale"), form.Get("zone"))
		if !ok {
			return errForm
		}
		set(placeCookie, p.Locale+"|"+p.Zone)
	case form.Get("place") == "dealer":
		set(placeCookie, "")
	case form.Has("keys"):
		off := ""
		if form.Get("keys") == "off" {
			off = "off"
		}
		set(keysCookie, off)
	default:
		return errForm
	}
	http.Redirect(w, r, ownPath(form.Get("back")), http.StatusSeeOther)
	return nil
}

// ownPath is a path of these pages, to be led to after something; anything else becomes the beginning. So nobody is led elsewhere
// by an address that somebody else made.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") || len(to) > 2000 {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// overTLS says whether the browser came by https, to us or to the proxy before us.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
