package outhooks_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

func isRejection(err error, code domain.Code) bool {
	var r *domain.Rejection
	return errors.As(err, &r) && r.Code == code
}

// The same request is answered as the first time, secret and all, whatever has become of the endpoint.
func TestRequestsAreCarriedOutOnce(t *testing.T) {
	r := newRig(t)
	add, rotate, remove := ask(), ask(), ask()
	a := outhooks.Addition{URL: "http://127.0.0.1/", Types: []string{"Shipped"}}
	first, err := r.endpoints.Add(t.Context(), add, a)
	if err != nil || first.Replayed || first.Secret == "" || first.Position != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	id := first.Endpoint.ID
	rotated, err := r.endpoints.Rotate(t.Context(), rotate, id)
	if err != nil || rotated.Replayed {
		t.Fatalf("%+v, %v", rotated, err)
	}
	for range 2 {
		again, err := r.endpoints.Add(t.Context(), add, a)
		if err != nil || !again.Replayed || again.Secret != first.Secret || again.Endpoint.ID != id || again.Position != 1 {
			t.Errorf("%+v, %v", again, err)
		}
		second, err := r.endpoints.Rotate(t.Context(), rotate, id)
		if err != nil || !second.Replayed || second.Secret != rotated.Secret {
			t.Errorf("%+v, %v", second, err)
		}
		r.open() // another process
	}
	other := a
	other.CustomerData = true
	if _, err := r.endpoints.Add(t.Context(), add, other); !errors.Is(err, commands.ErrKeyReused) {
		t.Error(err)
	}
	if _, err := r.endpoints.Remove(t.Context(), rotate, id); !errors.Is(err, commands.ErrKeyReused) {
		t.Error(err)
	}
	if _, err := r.endpoints.Resume(t.Context(), ask(), id, eventstore.SkipDelivery); !isRejection(err, outhooks.NothingParked) {
		t.Error(err)
	}
	for range 2 {
		if _, err := r.endpoints.Remove(t.Context(), remove, id); err != nil {
			t.Error(err)
		}
		if _, err := r.endpoints.Remove(t.Context(), ask(), id); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.endpoints.Rotate(t.Context(), ask(), id); !isRejection(err, outhooks.EndpointNotFound) {
		t.Error(err)
	}
	if again, err := r.endpoints.Add(t.Context(), add, a); err != nil || !again.Replayed {
		t.Errorf("%+v, %v", again, err)
	}
	for _, none := range []string{"", "x", "0123456789abcdef", "../../etc", strings.Repeat("a", 300)} {
		if _, err := r.endpoints.Remove(t.Context(), ask(), none); !isRejection(err, outhooks.EndpointNotFound) {
			t.Errorf("%q: %v", none, err)
		}
	}
	if head := r.head(); head != 3 || len(r.events(id)) != 3 {
		t.Errorf("%d events", head)
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	r := newRig(t)
	r.endpoints = outhooks.NewEndpoints(r.log, eventstore.Codec{}, time.Now, r.keys, sender.New(sender.Config{}).Check)
	for _, tt := range []struct {
		a    outhooks.Addition
		says string
	}{
		{outhooks.Addition{}, "has a URL"},
		{outhooks.Addition{URL: "http://93.184.216.34/"}, "must begin with https://"},
		{outhooks.Addition{URL: "https://127.0.0.1/"}, "--webhook-allow-private"},
		{outhooks.Addition{URL: "https://10.0.0.1/"}, "--webhook-allow-private"},
		{outhooks.Addition{URL: "https://[::1]/"}, "--webhook-allow-private"},
		{outhooks.Addition{URL: "https://169.254.169.254/"}, "refused"},
		{outhooks.Addition{URL: "https://a:b@93.184.216.34/"}, "password"},
		{outhooks.Addition{URL: "https://93.184.216.34/" + strings.Repeat("x", 3000)}, "longer"},
		{outhooks.Addition{URL: "https://93.184.216.34/", Types: []string{"Sold"}}, `"Sold" is no event type`},
		{outhooks.Addition{URL: "https://93.184.216.34/", Types: []string{"TokenCreated"}}, "is no event type"},
		{outhooks.Addition{URL: "https://93.184.216.34/", Manufacturer: "ACME Inc."}, "short name"},
	} {
		_, err := r.endpoints.Add(t.Context(), ask(), tt.a)
		var rejected *domain.Rejection
		if !errors.As(err, &rejected) || rejected.Kind != domain.Invalid || !strings.Contains(rejected.Message, tt.says) || len(rejected.Violations) != 1 {
			t.Errorf("%+v: %v", tt.a, err)
		}
	}
	if head := r.head(); head != 0 {
		t.Errorf("%d events", head)
	}
	r.open()
	for range outhooks.MaxEndpoints {
		r.add(outhooks.Addition{})
	}
	if _, err := r.endpoints.Add(t.Context(), ask(), outhooks.Addition{URL: "http://127.0.0.1/"}); !isRejection(err, outhooks.TooManyEndpoints) {
		t.Error(err)
	}
}

// The old secret signs for a day, and no longer; rotated often, few sign.
func TestOldSecretsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		added := r.add(outhooks.Addition{})
		r.start(p)
		signs := func(number string) (list []string) {
			r.place(number, "acme")
			synctest.Wait()
			all := p.take()
			if len(all) != 1 {
				t.Fatalf("%d deliveries", len(all))
			}
			for _, s := range all[0].secrets {
				list = append(list, s.Reveal())
			}
			return list
		}
		secrets := []string{added.Secret}
		rotate := func() {
			c, err := r.endpoints.Rotate(t.Context(), ask(), added.Endpoint.ID)
			if err != nil {
				t.Fatal(err)
			}
			secrets = append([]string{c.Secret}, secrets...)
			synctest.Wait()
		}
		if got := signs("1"); !slices.Equal(got, secrets) {
			t.Errorf("%v", got)
		}
		rotate()
		if got := signs("2"); !slices.Equal(got, secrets) {
			t.Errorf("%v", got)
		}
		time.Sleep(outhooks.OldSecretLife - time.Second)
		if got := signs("3"); !slices.Equal(got, secrets) {
			t.Errorf("%v", got)
		}
		time.Sleep(time.Second)
		if got := signs("4"); !slices.Equal(got, secrets[:1]) {
			t.Errorf("%v", got)
		}
		for range 5 {
			rotate()
		}
		if got := signs("5"); !slices.Equal(got, secrets[:3]) {
			t.Errorf("%v", got)
		}
	})
}

// Nothing that is stored tells a secret.
func TestSecretsAreNowhere(t *testing.T) {
	r := newRig(t)
	var p port
	c := r.add(outhooks.Addition{})
	rotated, err := r.endpoints.Rotate(t.Context(), ask(), c.Endpoint.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.start(&p)
	r.end()
	var stored []byte
	for rec, err := range r.log.ReadStream(t.Context(), eventstore.EndpointStream(c.Endpoint.ID), eventstore.NoStream) {
		if err != nil {
			t.Fatal(err)
		}
		stored = append(append(stored, rec.Data...), rec.Meta...)
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, b...)
	}
	for _, s := range []string{c.Secret, rotated.Secret} {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || len(raw) != 32 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		if bytes.Contains(stored, []byte(s[6:])) || bytes.Contains(stored, raw) {
			t.Errorf("a secret is in %s", stored)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k, err := outhooks.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := outhooks.OpenKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	secretOf := func(k *outhooks.Keyring, request outhooks.Request) string {
		r.keys = k
		r.open()
		c, err := r.endpoints.Add(t.Context(), request, outhooks.Addition{URL: "http://127.0.0.1/"})
		if err != nil {
			t.Fatal(err)
		}
		return c.Secret
	}
	request := ask()
	first := secretOf(k, request)
	if secretOf(again, request) != first || secretOf(k, ask()) == first {
		t.Error("a secret is not the endpoint's own")
	}
	if secretOf(outhooks.NewKeyring(), request) != "" {
		t.Error("a secret is told that does not sign")
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, bad := range []string{"", "x", "orderledger webhook key 1 00", "orderledger webhook key 2 " + strings.Repeat("00", 32)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := outhooks.OpenKeyring(path); err == nil {
			t.Errorf("%q is a key", bad)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != bad {
			t.Errorf("it became %q, %v", b, err)
		}
	}
}

// With another key nothing is signed, and everybody sees why; a new secret, or the old key, helps.
func TestALostKeyNeverSigns(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		id := r.add(outhooks.Addition{}).Endpoint.ID
		r.keys = outhooks.NewKeyring()
		r.open()
		r.start(p)
		r.place("1", "acme")
		time.Sleep(time.Hour)
		if s := r.standing(); len(p.take()) != 0 || s.Attempts == 0 || !strings.Contains(s.Reason, "restore that file, or rotate") {
			t.Errorf("%+v", s)
		}
		if _, _, err := r.runner.Test(t.Context(), uuid.New(), id); !errors.Is(err, outhooks.ErrKeyLost) {
			t.Error(err)
		}
		c, err := r.endpoints.Rotate(t.Context(), ask(), id)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if all := p.take(); len(all) != 1 || len(all[0].secrets) != 1 || all[0].secrets[0].Reveal() != c.Secret {
			t.Errorf("%v", all)
		}
	})
}

// People and the runner write to the same stream; neither keeps the other from it.
func TestCommandsWhileDelivering(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig, p *port) {
		r.config.RecordEvery = 1
		id := r.add(outhooks.Addition{}).Endpoint.ID
		r.start(p)
		other := outhooks.NewEndpoints(r.log, eventstore.Codec{}, time.Now, r.keys, func(context.Context, string) error { return nil })
		for i := range 20 {
			r.place(string(rune('a'+i)), "acme")
			if _, err := other.Rotate(t.Context(), ask(), id); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got := len(p.take()); got != 20 {
			t.Errorf("%d deliveries", got)
		}
		events := r.events(id)
		if n, m := count[eventstore.EndpointSecretRotated](events), count[eventstore.EndpointDelivered](events); n != 20 || m == 0 {
			t.Errorf("%d rotations, %d recorded", n, m)
		}
	})
}
