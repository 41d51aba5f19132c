package access_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/domain/eventstore/memstore"
)

var admin = domain.Actor{ID: "local", Role: domain.Admin, Via: domain.ViaCLI}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)} }

func create(t *testing.T, tokens *access.Tokens, name string, role domain.Role) (secret, id string) {
	t.Helper()
	secret, id, position, err := tokens.Create(t.Context(), admin, name, role)
	if err != nil || position == 0 {
		t.Fatalf("create: position %d, %v", position, err)
	}
	return secret, id
}

func TestTokenIsRecognisedUntilItIsRevoked(t *testing.T) {
	log := memstore.New()
	tokens := access.New(log, eventstore.Codec{}, newClock().Now)
	for _, role := range domain.TokenRoles {
		secret, id := create(t, tokens, "till "+string(role), role)
		if !strings.HasPrefix(secret, "olt_"+id+"_") {
			t.Errorf("secret %q of token %q", secret, id)
		}
		got, err := tokens.Authenticate(t.Context(), secret)
		if want := (domain.Actor{ID: "till " + string(role), Role: role}); err != nil || got != want {
			t.Errorf("actor %+v, %v; want %+v", got, err, want)
		}
		if got, err := tokens.Holder(t.Context(), access.IDOf(secret)); err != nil || got.Role != role || access.IDOf(secret) != id {
			t.Errorf("holder %+v, %v", got, err)
		}
		for range 2 {
			if _, err := tokens.Revoke(t.Context(), admin, id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tokens.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("revoked: %v", err)
		}
		for _, gone := range []string{id, "", "0123456789abcdef", "../x"} {
			if _, err := tokens.Holder(t.Context(), gone); !errors.Is(err, access.ErrUnauthenticated) {
				t.Errorf("holder of %q: %v", gone, err)
			}
		}
	}
	if head, err := log.Head(t.Context()); err != nil || int(head) != 2*len(domain.TokenRoles) {
		t.Errorf("head %d, %v", head, err)
	}
}

func TestWhatIsNoTokenIsUnauthenticated(t *testing.T) {
	tokens := access.New(memstore.New(), eventstore.Codec{}, newClock().Now)
	secret, id := create(t, tokens, "till", domain.Clerk)
	other, _ := create(t, tokens, "other", domain.Admin)
	last := "a"
	if strings.HasSuffix(secret, "a") {
		last = "b"
	}
	for name, bad := range map[string]string{
		"nothing": "", "a prefix": "olt_", "an id": "olt_" + id, "no secret": "olt_" + id + "_", "cut": secret[:len(secret)-1],
		"longer": secret + "a", "another end": secret[:len(secret)-1] + last, "another prefix": "tok" + secret[3:],
		"another's secret": secret[:21] + other[21:], "an unknown id": "olt_0000000000000000" + secret[20:],
		"a stream's name": "olt_order-1234567890" + secret[20:], "capitals": strings.ToUpper(secret), "huge": strings.Repeat("olt_", 1<<16),
	} {
		if actor, err := tokens.Authenticate(t.Context(), bad); !errors.Is(err, access.ErrUnauthenticated) || actor != (domain.Actor{}) {
			t.Errorf("%s: %+v, %v", name, actor, err)
		}
	}
}

func TestSecretIsNowhereInTheLogAndTheChainHolds(t *testing.T) {
	log := memstore.New()
	tokens := access.New(log, eventstore.Codec{}, newClock().Now)
	secret, id := create(t, tokens, "till", domain.Clerk)
	if _, err := tokens.Revoke(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	prev, n := "", 0
	for r, err := range log.ReadStream(t.Context(), "access-"+id, eventstore.NoStream) {
		if err != nil {
			t.Fatal(err)
		}
		if stored := string(r.Data) + string(r.Meta); strings.Contains(stored, secret[21:]) {
			t.Errorf("the secret is in %s", stored)
		}
		if prev, err = eventstore.Verify(r, prev); err != nil {
			t.Error(err)
		}
		_, env, err := eventstore.Codec{}.Decode(r)
		if err != nil || env.Actor != admin {
			t.Errorf("actor %+v, %v", env.Actor, err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestRevocationByAnotherProcessIsKnownInTime(t *testing.T) {
	log, now := memstore.New(), newClock()
	here, there := access.New(log, eventstore.Codec{}, now.Now), access.New(log, eventstore.Codec{}, now.Now)
	secret, id := create(t, here, "till", domain.Clerk)
	if _, err := there.Authenticate(t.Context(), secret); err != nil {
		t.Fatalf("a token made by another process: %v", err)
	}
	if _, err := there.Revoke(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	now.advance(access.CacheTTL)
	if _, err := here.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("after %s: %v", access.CacheTTL, err)
	}
}

// overtaken lets a test do something between a read of the log and what is made of it.
type overtaken struct {
	*memstore.Store
	then func() // done once
}

func (o *overtaken) ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		for r, err := range o.Store.ReadStream(ctx, stream, after) {
			if !yield(r, err) {
				return
			}
		}
		if then := o.then; then != nil {
			o.then = nil
			then()
		}
	}
}

func TestRevocationWinsOverARequestThatReadBeforeIt(t *testing.T) {
	log := &overtaken{Store: memstore.New()}
	now := newClock()
	tokens := access.New(log, eventstore.Codec{}, now.Now)
	secret, id := create(t, tokens, "till", domain.Clerk)
	now.advance(access.CacheTTL) // so that the next request reads the log
	log.then = func() {
		if _, err := tokens.Revoke(t.Context(), admin, id); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := tokens.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("a revoked token came back to life: %v", err)
		}
	}
}

func TestSameCommandMakesAndRevokesOnce(t *testing.T) {
	log := memstore.New()
	tokens := access.New(log, eventstore.Codec{}, newClock().Now)
	command, other := uuid.New(), uuid.New()
	first, err := tokens.CreateOnce(t.Context(), command, admin, "till", domain.Clerk)
	if err != nil || first.Replayed || first.Secret == "" {
		t.Fatalf("first: %+v, %v", first, err)
	}
	again, err := tokens.CreateOnce(t.Context(), command, admin, "till", domain.Clerk)
	if err != nil || !again.Replayed || again.ID != first.ID || again.Secret != "" || again.Position != first.Position {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := tokens.CreateOnce(t.Context(), command, admin, "till", domain.Admin); !errors.Is(err, commands.ErrKeyReused) {
		t.Errorf("another role: %v", err)
	}
	for i, want := range []bool{false, true, true} {
		r, err := tokens.RevokeOnce(t.Context(), other, admin, first.ID)
		if err != nil || r.Replayed != want || r.Name != "till" {
			t.Errorf("revocation %d: %+v, %v", i+1, r, err)
		}
	}
	if head, err := log.Head(t.Context()); err != nil || head != 2 {
		t.Errorf("head %d, %v", head, err)
	}
}

func TestTwoWhoMakeTheSameTokenMakeOne(t *testing.T) {
	log := memstore.New()
	tokens := access.New(log, eventstore.Codec{}, newClock().Now)
	command := uuid.New()
	var made sync.Map
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c, err := tokens.CreateOnce(t.Context(), command, admin, "till", domain.Clerk)
			if err != nil && !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("create: %v", err)
			}
			if c.Secret != "" {
				made.Store(i, c.Secret)
			}
		})
	}
	wg.Wait()
	secrets := 0
	made.Range(func(_, secret any) bool {
		secrets++
		if _, err := tokens.Authenticate(t.Context(), secret.(string)); err != nil {
			t.Errorf("a secret that was shown is not valid: %v", err)
		}
		return true
	})
	if secrets != 1 {
		t.Errorf("%d secrets were shown", secrets)
	}
}

func TestNamesAndRolesAreChecked(t *testing.T) {
	log := memstore.New()
	tokens := access.New(log, eventstore.Codec{}, newClock().Now)
	for _, name := range []string{"", " ", " x", "x ", "a\nb", strings.Repeat("x", 65), "local", "SAGA", "Stripe", "webhook", "nats:CLERKS", "4242 4242 4242 4242", "\xff"} {
		if _, _, _, err := tokens.Create(t.Context(), admin, name, domain.Clerk); !isRejection(err) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, role := range []domain.Role{"", "system", "root"} {
		if _, _, _, err := tokens.Create(t.Context(), admin, "x", role); !isRejection(err) {
			t.Errorf("role %q: %v", role, err)
		}
	}
	for _, id := range []string{"", "x", "0123456789abcdef", "0123456789ABCDEF", strings.Repeat("a", 200)} {
		if _, err := tokens.Revoke(t.Context(), admin, id); !isRejection(err) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if head, err := log.Head(t.Context()); err != nil || head != 0 {
		t.Errorf("head %d, %v", head, err)
	}
	create(t, tokens, strings.Repeat("ü", 64), domain.Shop)
}

func isRejection(err error) bool {
	var r *domain.Rejection
	return errors.As(err, &r)
}

func TestLogThatCannotBeReadIsNoVerdict(t *testing.T) {
	log, now := memstore.New(), newClock()
	tokens := access.New(log, eventstore.Codec{}, now.Now)
	secret, id := create(t, tokens, "till", domain.Clerk)
	now.advance(access.CacheTTL)
	fault := fmt.Errorf("%w: a test", eventstore.ErrUnavailable)
	log.FailNextRead(fault)
	if _, err := tokens.Authenticate(t.Context(), secret); !errors.Is(err, eventstore.ErrUnavailable) || errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("authenticate: %v", err)
	}
	log.FailNextRead(fault)
	if _, err := tokens.Revoke(t.Context(), admin, id); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("revoke: %v", err)
	}
	if _, err := tokens.Authenticate(t.Context(), secret); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
