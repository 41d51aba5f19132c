package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/cmd/app"
)

func (c *cli) serve() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the ledger: log, commands, projections, saga, dashboard",
		Long: "Run the ledger. With no options: an embedded store in ./orderledger-data, the sandbox instead of Stripe,\n" +
			"http://127.0.0.1:8080. Each flag is also ORDERLEDGER_… in the environment and a key in --config FILE.yaml;\n" +
			"a flag beats the environment beats the file. SIGTERM stops it cleanly.",
		Args: args(0, 0),
	}
	serveFlags(cmd.Flags())
	cmd.Flags().StringVar(&config, "config", "", "read options from this YAML file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := readConfig(cmd.LocalNonPersistentFlags(), config, os.Environ())
		if err != nil {
			return err
		}
		a, err := app.New(cmd.Context(), cfg, c.err, app.Hooks{})
		if err != nil {
			return err
		}
		return runAside(cmd.Context(), a, func(context.Context) error {
			c.note("orderledger answers at %s", a.URL())
			if cfg.Stripe == "sandbox" {
				c.note("sandbox: no money moves")
			}
			return nil
		})
	}
	return cmd
}

// runAside runs a ledger while do, called once it answers, uses it. do's end does not end the ledger; its error does. A ledger
// that may not answer ends before do is called.
func runAside(ctx context.Context, a *app.App, do func(context.Context) error) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- a.Run(running) }()
	select {
	case <-a.Serving():
	case err := <-done:
		return err
	}
	if err := do(running); err != nil {
		stop(err)
		return errors.Join(err, <-done)
	}
	return <-done
}
