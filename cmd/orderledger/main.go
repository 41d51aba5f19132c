// Command orderledger runs the ledger and is its command line. This file holds signals, the others one subcommand each; what
// they do lives in the packages that they call.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

// grace is how long signals after the first are taken for the same one: supervisors, and timeout(1), send it to the process
// and then to its group.
const grace = time.Second

// run carries one command line out. The first SIGINT or SIGTERM asks it to stop cleanly, the next one after that ends the
// process.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, stop) })
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
