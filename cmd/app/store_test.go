package app

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/test/esdbserver"
)

// What is wrong with --store is said before anything is opened, and never with what is secret in it.
func TestStoreIsCheckedAndNotQuoted(t *testing.T) {
	for store, want := range map[string]string{
		"esdb://u:s3cret@host:2113?tls=maybe": "tls", "esdb://u:s3cret/x@host": "%XX", "esdbs://u:s3cret@host": "esdbs://host",
		"esdb://": "host", "esdb+discover://u:s3cret@a:b": "2113",
	} {
		c := Default()
		c.Store = store
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want one that says %s", store, err, want)
		}
	}
	for _, store := range []string{"esdb://u:p@a:2113,b:2113", "esdb+discover://cluster.example", "esdb://localhost?tls=false"} {
		c := Default()
		c.Store = store
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", store, err)
		}
	}
	c := Default()
	c.ESDBCreds = "file"
	if err := c.Validate(); err == nil {
		t.Error("credentials for a server that is not asked were taken")
	}
	if got := PublicStore("esdb+discover://u:p?@ss@a:1,b:2?tls=false"); got != "esdb+discover://a:1,b:2" {
		t.Errorf("people see %s", got)
	}
}

func TestCredentialsOfAFile(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{User: "ledger", Password: "a s3cret: é", TLS: esdbserver.NewCert(t)})
	_, hosts, _ := strings.Cut(node.URL(), "@")
	c := Default()
	c.Store, c.ESDBCreds = "esdb://"+hosts, filepath.Join(t.TempDir(), "credentials")
	var said bytes.Buffer
	try := func(content string) error {
		if err := os.WriteFile(c.ESDBCreds, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		log, err := OpenLog(context.Background(), c, NewLogger(c, &said))
		if err == nil {
			err = log.Close()
		}
		return err
	}
	if err := try("ledger\na s3cret: é\n"); err != nil {
		t.Error(err)
	}
	if err := try("ledger\nwrong s3cret"); !errors.Is(err, eventstore.ErrUnavailable) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a wrong password: %v", err)
	}
	for _, content := range []string{"", "s3cret", "a\nb\ns3cret"} {
		if err := try(content); err == nil || !strings.Contains(err.Error(), "--esdb-credentials-file") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", content, err)
		}
	}
	if strings.Contains(said.String(), "s3cret") {
		t.Errorf("a password was said: %s", said.String())
	}
}
