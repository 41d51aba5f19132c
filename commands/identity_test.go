package commands_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
)

// A request that was answered by an earlier version is recognised: ids never change.
func TestIDsAreForEver(t *testing.T) {
	command := commands.CommandID("ada", "key-1")
	for kind, want := range map[string]string{"token": "93c8b96c08ec77ef", "endpoint": "c8d129d07e409ff2", "job": "923bb930831a7715", "view": "7a020e7eabc428c7"} {
		if got := commands.ShortID(kind, command); got != want || !commands.IsShortID(got) {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
	for _, not := range []string{"", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF", "0123456789abcd-f", "0123456789abcdeé"} {
		if commands.IsShortID(not) {
			t.Errorf("%q is an id", not)
		}
	}
	if want := uuid.MustParse("b67680d3-512e-5220-b854-3e5fffd55ebd"); command != want {
		t.Errorf("the command is %s", command)
	}
}
