package outhooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orderledger/orderledger/commands/follow"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
)

// ErrKeyLost means that an endpoint's secret can't be derived, since the key file is not the one that it was made with. Restore that
// file, or rotate the endpoint's secret.
var ErrKeyLost = errors.New("the signing secret can't be derived: the key file is not the one that it was made with; restore that file, or rotate the secret")

const (
	keyLength  = 32
	keyHeading = "orderledger webhook key 1 "
)

// Keyring derives the endpoints' signing secrets: HMAC-SHA256, by a key of 256 random bits, over the endpoint's id and the secret's
// generation. So nothing secret is in the log, and one small file is all that must be kept beside it: who restores the log without
// the file must rotate every endpoint's secret, and who has both goes on as before. The log holds the key's fingerprint with each
// secret, so that a wrong key is noticed and never signs. Processes on one log share the file.
type Keyring struct {
	key         []byte
	fingerprint string
}

// NewKeyring returns one with a key of its own, which is gone with the process.
func NewKeyring() *Keyring {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return keyringOf(key)
}

func keyringOf(key []byte) *Keyring {
	k := &Keyring{key: key}
	k.fingerprint = hex.EncodeToString(k.derive("fingerprint")[:8])
	return k
}

// OpenKeyring reads the key file, or makes it (mode 0600) when there is none. A file that is no key is an error, and is not touched.
func OpenKeyring(path string) (*Keyring, error) {
	b, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("make the key of webhooks: %w", err)
		}
		b, err = os.ReadFile(filepath.Clean(path))
	}
	if err != nil {
		return nil, fmt.Errorf("the key of webhooks: %w", err)
	}
	body, ok := strings.CutPrefix(strings.TrimSpace(string(b)), keyHeading)
	key, err := hex.DecodeString(body)
	if !ok || err != nil || len(key) != keyLength {
		return nil, fmt.Errorf("%s is not the key of webhooks; restore it, or move it away: then a new one is made, and every endpoint's secret must be rotated", path)
	}
	return keyringOf(key), nil
}

// makeKey writes a new key beside its place and links it there, so that a crash leaves no half of one, and of two processes one wins.
func makeKey(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(f.Name()); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	_, err = f.WriteString(keyHeading + hex.EncodeToString(NewKeyring().key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(f.Name(), path); err != nil { // where files have no second name
			return err
		}
	}
	follow.SyncDir(filepath.Dir(path))
	return nil
}

func (k *Keyring) derive(what string) []byte {
	h := hmac.New(sha256.New, k.key)
	h.Write([]byte("orderledger webhooks\n" + what))
	return h.Sum(nil)
}

// Derived is a key of 32 bytes for another purpose, such as the cookies of sessions, so that one file is all that must be kept.
func (k *Keyring) Derived(purpose string) []byte { return k.derive("derived\n" + purpose) }

// secret is an endpoint's secret of a generation; ErrKeyLost when it was made with another key.
func (k *Keyring) secret(endpoint string, g Generation) (sender.Secret, error) {
	if g.Key != k.fingerprint {
		return sender.Secret{}, ErrKeyLost
	}
	return sender.NewSecret(k.derive("secret\n" + endpoint + "\n" + strconv.Itoa(g.Number)))
}

// secrets are those that sign an endpoint's messages at an instant, the current one first. Of the older ones those that the key does
// not make any more are left out.
func (k *Keyring) secrets(e Endpoint, now time.Time) ([]sender.Secret, error) {
	var all []sender.Secret
	for i, g := range e.Generations {
		if !g.Until.IsZero() && !now.Before(g.Until) {
			continue
		}
		s, err := k.secret(e.ID, g)
		switch {
		case err == nil:
			all = append(all, s)
		case i == 0:
			return nil, err
		}
	}
	return all, nil
}
