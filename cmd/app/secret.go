package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

const maxSecretFile = 64 << 10

// readLines reads the secrets that a file holds, one a line. What it says of the file quotes nothing of it. Everybody's being able
// to read it is no error, but is warned of.
func readLines(path string, log *slog.Logger) ([]string, error) {
	info, err := os.Stat(filepath.Clean(path))
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxSecretFile:
		return nil, fmt.Errorf("%s is too large for a file of secrets", path)
	case runtime.GOOS != "windows" && info.Mode()&fs.FileMode(0o004) != 0:
		log.Warn("everybody on this machine can read a file of secrets; chmod 600 it", "file", path)
	}
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	lines := []string{}
	for line := range bytes.Lines(b) {
		if s := strings.TrimSpace(string(line)); s != "" {
			lines = append(lines, s)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return lines, nil
}

// readKey reads Stripe's key. Whether it is of the right kind is stripepay's to say.
func readKey(path string, log *slog.Logger) (string, error) {
	lines, err := readLines(path, log)
	if err != nil {
		return "", err
	}
	if len(lines) > 1 {
		return "", fmt.Errorf("%s holds %d lines; it must hold the key alone", path, len(lines))
	}
	if strings.ContainsAny(lines[0], " \t") {
		return "", fmt.Errorf("%s holds more than a key", path)
	}
	return lines[0], nil
}

var webhookSecret = regexp.MustCompile(`^whsec_\S{8,250}$`)

// readWebhookSecrets reads the secret that Stripe signs with and, in a second line, the one before it.
func readWebhookSecrets(path string, log *slog.Logger) ([]string, error) {
	lines, err := readLines(path, log)
	if err != nil {
		return nil, err
	}
	if len(lines) > 2 {
		return nil, fmt.Errorf("%s holds %d lines; it may hold two, the current secret and the one before it", path, len(lines))
	}
	for i, s := range lines {
		switch {
		case strings.HasPrefix(s, "sk_"), strings.HasPrefix(s, "rk_"):
			return nil, errors.New("the file holds an API key; it must hold the signing secret of the webhook endpoint (whsec_…)")
		case !webhookSecret.MatchString(s):
			return nil, fmt.Errorf("line %d of %s is no signing secret (whsec_…)", i+1, path)
		}
	}
	return lines, nil
}
