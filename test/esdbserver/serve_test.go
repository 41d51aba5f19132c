package esdbserver_test

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"github.com/orderledger/orderledger/test/esdbserver"
)

var serve = flag.Bool("serve", false, "let TestServe serve, until it is interrupted")

// TestServe runs the server by itself, for other programs: as a real one is, for the tests that ORDERLEDGER_TEST_ESDB points to one.
func TestServe(t *testing.T) {
	if !*serve {
		t.Skip("it serves with -serve only")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	node := esdbserver.Start(t, esdbserver.Options{User: "admin", Password: "changeit", TLS: esdbserver.NewCert(t)})
	fmt.Println("\nORDERLEDGER_TEST_ESDB=" + node.URL())
	<-stop
}
