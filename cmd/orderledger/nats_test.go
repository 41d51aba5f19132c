package main

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

// A ledger is served on a NATS server that wants TLS, a client's certificate and an nkey; and the tools reach its log with the
// same flags, or with the environment's.
func TestSecuredNATS(t *testing.T) {
	server, files := natstest.StartSecure(t)
	url := strings.Replace(server.URL, "nats://", "tls://", 1)
	flags := []string{"--store", url, "--nats-nkey-file", files.NKey, "--nats-ca-file", files.CA, "--nats-cert-file", files.Cert, "--nats-key-file", files.Key}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int, 1)
	said, out := io.Pipe()
	serve := append([]string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--notify", "off", "--log-level", "warn"}, flags...)
	go func() {
		done <- execute(ctx, serve, strings.NewReader(""), out, out)
		_ = out.Close() // it can't fail
	}()
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.Contains(lines.Text(), "answers at") {
		t.Fatalf("serve says: %s", lines.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, said) }() // it ends with serve
	run := func(args ...string) (int, string) {
		var out, errs strings.Builder
		code := execute(t.Context(), args, strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	if code, said := run(append([]string{"store", "status"}, flags...)...); code != exitDone || !strings.Contains(said, url) {
		t.Errorf("exit %d: %s", code, said)
	}
	t.Setenv("ORDERLEDGER_NATS_NKEY_FILE", files.NKey)
	t.Setenv("ORDERLEDGER_NATS_CA_FILE", files.CA)
	t.Setenv("ORDERLEDGER_NATS_CERT_FILE", files.Cert)
	t.Setenv("ORDERLEDGER_NATS_KEY_FILE", files.Key)
	if code, said := run("audit", "verify", "--store", url); code != exitDone || !strings.Contains(said, "the log is whole") {
		t.Errorf("exit %d: %s", code, said)
	}
	for missing, what := range map[string]string{"--nats-nkey-file": "authorization", "--nats-ca-file": "certificate", "--nats-cert-file": "certificate"} {
		if code, said := run("audit", "verify", "--store", url, missing, ""); code == exitDone || !strings.Contains(strings.ToLower(said), what) {
			t.Errorf("without %s: exit %d: %s", missing, code, said)
		}
	}
	if code, said := run("audit", "verify", "--store", url, "--ledger", "misspelt"); code != exitFailed || !strings.Contains(said, "there is no ledger misspelt") {
		t.Errorf("a ledger that is not there: exit %d: %s", code, said)
	}
	if code, said := run("audit", "verify", "--store", url, "--nats-nkey-file", filepath.Join(t.TempDir(), "none")); code != exitFailed || !strings.Contains(said, "nkey file") {
		t.Errorf("exit %d: %s", code, said)
	}
	stop()
	if code := <-done; code != exitDone {
		t.Errorf("serve ended with %d", code)
	}
}
