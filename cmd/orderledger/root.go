package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/projections/logcopy"
)

// Exit codes. Scripts rely on them.
const (
	exitDone       = 0
	exitFailed     = 1
	exitWrongUse   = 2
	exitDifference = 3
	exitStale      = 4
)

// usageError is a command line that can't be carried out as it is written.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func wrongUse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// cli is what all subcommands share: where they read and write, and the common flags.
type cli struct {
	in       io.Reader
	out, err io.Writer

	server    string
	tokenFile string
	format    string
	noColor   bool
	quiet     bool
}

// execute carries one command line out and returns the exit code. Data goes to out, all else to errs.
func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	c := &cli{in: in, out: out, err: errs}
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSaid) {
		fmt.Fprintf(errs, "orderledger: %s\n", explain(err))
	}
	return exitCode(err)
}

// errSaid fails a command that has already said why.
var errSaid = errors.New("said")

func exitCode(err error) int {
	var use usageError
	var difference *audit.Difference
	var diverged *logcopy.DivergedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &use), isBadValue(err):
		return exitWrongUse
	case errors.As(err, &difference), errors.As(err, &diverged), errors.Is(err, errDiffers):
		return exitDifference
	case isStale(err):
		return exitStale
	}
	return exitFailed
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "orderledger",
		Short: "An event-sourced order ledger",
		Long: "orderledger keeps a dealer's orders as a log of events, takes and returns their money by Stripe, and shows them in six tabs.\n" +
			"Begin with: orderledger demo",
		SilenceErrors: true, SilenceUsage: true,
		Args: noCommand, RunE: needsCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error { return c.checkCommon() },
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return wrongUse("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&c.server, "server", env("SERVER", "http://"+app.Default().Listen), "the ledger's address")
	f.StringVar(&c.tokenFile, "token-file", env("TOKEN_FILE", ""), "file that holds an API token")
	f.StringVarP(&c.format, "output", "o", "table", "how data is printed: table, json, jsonl or csv")
	f.BoolVar(&c.noColor, "no-color", false, "print without colours (NO_COLOR does it, too)")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "print no progress and no remarks")
	root.AddCommand(
		c.demo(), c.serve(), c.importOrders(), c.order(), c.parked(), c.obligations(), c.tabs(), c.token(), c.store(), c.projections(),
		c.audit(), c.money(), c.notify(), c.webhook(), c.version(),
	)
	return root
}

func (c *cli) checkCommon() error {
	switch c.format {
	case "table", "json", "jsonl", "csv":
	default:
		return wrongUse("-o %q: use table, json, jsonl or csv", c.format)
	}
	if !strings.HasPrefix(c.server, "http://") && !strings.HasPrefix(c.server, "https://") {
		return wrongUse("--server %q: use http://HOST:PORT or https://HOST", c.server)
	}
	return nil
}

// env is the environment's ORDERLEDGER_… or a default.
func env(name, otherwise string) string {
	if v := os.Getenv(envPrefix + name); v != "" {
		return v
	}
	return otherwise
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: noCommand, RunE: needsCommand}
	g.AddCommand(commands...)
	return g
}

func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %s?", strings.Join(near, " or "))
	}
	return wrongUse("there is no command %q in %s%s (see %s --help)", args[0], cmd.CommandPath(), hint, cmd.CommandPath())
}

func needsCommand(cmd *cobra.Command, _ []string) error {
	names := []string{}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			names = append(names, sub.Name())
		}
	}
	return wrongUse("say which: %s %s", cmd.CommandPath(), strings.Join(names, "|"))
}

// args checks the number of arguments; a wrong one is answered with how it is written.
func args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return wrongUse("write it as: %s", cmd.UseLine())
		}
		return nil
	}
}

// note says something to the person at the terminal, unless -q.
func (c *cli) note(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}
