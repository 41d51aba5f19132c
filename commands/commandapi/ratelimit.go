package commandapi

import (
	"math"
	"net/http"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/orderledger/orderledger/domain"
)

// limiters bounds how many callers are told apart at once; one that was forgotten begins anew.
const limiters = 10_000

// RateLimit lets every actor, and every address without one, make perSecond requests a second, and burst of them at once. The
// others are answered 429 with Retry-After, by refuse where that is given. It belongs inside Authenticate. perSecond of zero or
// less sets no limit.
func RateLimit(perSecond float64, burst int, refuse Refuse) func(http.Handler) http.Handler {
	if perSecond <= 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	callers := newPace(perSecond, burst)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reserved := callers.of(caller(r)).Reserve()
			if wait := reserved.Delay(); wait > 0 {
				reserved.Cancel()
				p := New(http.StatusTooManyRequests, CodeRateLimited, "Too many requests. Wait, then send the same request again.")
				p.RetryAfter = time.Duration(math.Ceil(wait.Seconds())) * time.Second
				refuse.answer(w, r, p)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// pace holds a limiter for each of many.
type pace struct {
	perSecond rate.Limit
	burst     int
	known     *lru.Cache[string, *rate.Limiter]
}

func newPace(perSecond float64, burst int) *pace {
	known, err := lru.New[string, *rate.Limiter](limiters)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &pace{rate.Limit(perSecond), max(burst, 1), known}
}

func (p *pace) of(key string) *rate.Limiter {
	if l, ok := p.known.Get(key); ok {
		return l
	}
	fresh := rate.NewLimiter(p.perSecond, p.burst)
	if l, ok, _ := p.known.PeekOrAdd(key, fresh); ok {
		return l
	}
	return fresh
}

// caller is the actor, or else the address.
func caller(r *http.Request) string {
	if id := domain.ActorFrom(r.Context()).ID; id != "" {
		return "actor " + id
	}
	return "address " + Address(r.RemoteAddr)
}

// Address is the part of a remote address, with its port, that one customer has: of IPv6 the /64.
func Address(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown"
	}
	ip := from.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
