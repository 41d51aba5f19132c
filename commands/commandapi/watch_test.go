package commandapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// holders answers for every token what it was told last.
type holders struct {
	mu  sync.Mutex
	err error
}

func (h *holders) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *holders) Authenticate(context.Context, string) (domain.Actor, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return domain.Actor{ID: "vera", Role: domain.Viewer}, h.err
}

// What goes on ends when its reader may not have it any more: at once when that is said here, in seconds when another process knows.
func TestAnswersEndWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, watch := &holders{}, commandapi.NewWatch()
		answer := commandapi.Authenticate(commandapi.Auth{Tokens: tokens, Watch: watch})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}))
		begin := func() (ended <-chan any, leave func()) {
			over := make(chan any, 1)
			ctx, cancel := context.WithCancel(t.Context())
			r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
			r.Header.Set("Authorization", "Bearer x")
			go func() {
				defer func() { over <- recover() }()
				answer.ServeHTTP(httptest.NewRecorder(), r)
			}()
			synctest.Wait()
			return over, cancel
		}
		goesOn := func(ended <-chan any, why string) {
			t.Helper()
			synctest.Wait()
			select {
			case <-ended:
				t.Errorf("it ends, %s", why)
			default:
			}
		}

		ended, _ := begin()
		time.Sleep(time.Minute)
		tokens.set(eventstore.ErrUnavailable)
		watch.Look()
		time.Sleep(time.Minute)
		goesOn(ended, "since the log can't be read")
		tokens.set(nil)
		watch.Look()
		goesOn(ended, "though the token is good")
		tokens.set(access.ErrUnauthenticated)
		began := time.Now()
		if cut := <-ended; cut != http.ErrAbortHandler {
			t.Errorf("it is not cut: %v", cut)
		}
		if took := time.Since(began); took == 0 || took > 5*time.Second {
			t.Errorf("it goes on for %s after another process has revoked the token", took)
		}

		tokens.set(nil)
		ended, _ = begin()
		tokens.set(access.ErrUnauthenticated)
		began = time.Now()
		watch.Look()
		if <-ended; time.Since(began) != 0 {
			t.Errorf("it goes on for %s after the token was revoked here", time.Since(began))
		}

		tokens.set(nil)
		ended, leave := begin()
		leave()
		if cut := <-ended; cut != nil {
			t.Errorf("who leaves is cut: %v", cut)
		}
		tokens.set(access.ErrUnauthenticated)
		watch.Look()
		time.Sleep(time.Minute)
	})
}

// Tokens are not tried one after the other; who is known is not held up by those who try, though they come from the same address.
func TestStrangersCannotTryForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := &holders{}
		h := commandapi.Authenticate(commandapi.Auth{Tokens: tokens, Strangers: commandapi.NewStrangers()})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(token, from string, err error) *httptest.ResponseRecorder {
			tokens.set(err)
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.RemoteAddr = from
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		const here, there = "192.0.2.1:1", "192.0.2.2:1"
		if w := ask("good", here, nil); w.Code != http.StatusOK {
			t.Fatalf("%d", w.Code)
		}
		tried := 0
		for ask(fmt.Sprint("bad", tried), here, access.ErrUnauthenticated).Code == http.StatusUnauthorized {
			tried++
		}
		if w := ask("bad", here, nil); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || codeIn(w.Body.Bytes()) != "rate_limited" || tried > 200 {
			t.Errorf("after %d tries: %d %v %s", tried, w.Code, w.Header(), w.Body)
		}
		if w := ask("good", here, nil); w.Code != http.StatusOK {
			t.Errorf("who is known: %d", w.Code)
		}
		if w := ask("bad", there, access.ErrUnauthenticated); w.Code != http.StatusUnauthorized {
			t.Errorf("from elsewhere: %d", w.Code)
		}
		ask("good", there, access.ErrUnauthenticated) // it was revoked
		if w := ask("good", here, nil); w.Code != http.StatusTooManyRequests {
			t.Errorf("who is known no more: %d", w.Code)
		}
		time.Sleep(time.Second)
		if w := ask("new", here, nil); w.Code != http.StatusOK {
			t.Errorf("a second later: %d", w.Code)
		}
	})
}
