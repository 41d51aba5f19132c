package test

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/orderledger/orderledger/"

// area is the part of the project that a package belongs to, for the arrows of the design.
func area(pkg string) string {
	for _, a := range []string{"domain/eventstore/", "domain/eventstore", "domain", "commands", "projections", "cmd/app", "cmd", "test"} {
		if pkg == a || strings.HasPrefix(pkg, strings.TrimSuffix(a, "/")+"/") {
			return a
		}
	}
	return "?"
}

// allowed says which areas an area may import. A store ("domain/eventstore/") is for the composition root and for tests alone.
var allowed = map[string][]string{
	"domain":             {},
	"domain/eventstore":  {"domain"},
	"domain/eventstore/": {"domain", "domain/eventstore", "domain/eventstore/"},
	"commands":           {"domain", "domain/eventstore", "commands"},
	"projections":        {"domain", "domain/eventstore", "projections"},
	"cmd/app":            {"domain", "domain/eventstore", "domain/eventstore/", "commands", "projections", "cmd/app"},
	"cmd":                {"domain", "domain/eventstore", "commands", "projections", "cmd/app", "cmd"},
	"test":               {"domain", "domain/eventstore", "domain/eventstore/", "commands", "projections", "cmd/app", "cmd", "test"},
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		from := strings.TrimPrefix(words[0], module)
		packages++
		for _, imported := range words[1:] {
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				if area(from) == "domain" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") &&
					imported != "github.com/google/uuid" {
					t.Errorf("%s imports %s: the rules know the standard library and uuid only", from, imported)
				}
				continue
			}
			ok := false
			for _, a := range allowed[area(from)] {
				ok = ok || a == area(to)
			}
			// Helpers for tests may use what tests use.
			if !ok && !strings.HasSuffix(from, "test") {
				t.Errorf("%s imports %s, against the arrows of the design", from, to)
			}
		}
	}
	if packages < 10 {
		t.Fatalf("go list named %d packages; the check saw nothing", packages)
	}
}

func TestRulesDoNoInputOrOutput(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+"domain").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := strings.Fields(string(out))
	if len(imports) < 5 {
		t.Fatalf("domain imports %q; the check saw nothing", imports)
	}
	for _, name := range imports {
		switch name {
		case "os", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog", "io/fs", "os/exec", "syscall":
			t.Errorf("domain imports %s", name)
		}
	}
}
