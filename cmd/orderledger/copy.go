package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections/audit"
	"github.com/orderledger/orderledger/projections/logcopy"
)

func (c *cli) storeCopy() *cobra.Command {
	from, to := place{flag: "from"}, place{flag: "to"}
	cmd := &cobra.Command{
		Use: "copy --from URL --to URL", Short: "Copy a log into another store", Args: args(0, 0),
		Long: `Copy a log into another store: the same events, byte for byte, in the same order. A URL is the data folder of a stopped
ledger (./orderledger-data, file:/var/lib/orderledger) or a store (nats://HOST:PORT, esdb://HOST:PORT).

Every chain is verified on the way, and all that the target holds is read back and compared. The target may be empty, or hold
the beginning of the same log: stopped at any point, the same command goes on. It ends where the source ended as it began, so a
ledger on an external store is moved by copying while it serves, stopping it, and copying once more.

Positions are each store's own. What a ledger keeps of them is found out to be another log's and built again; a client that
follows /v1/events begins anew. Of a data folder the log alone is copied: take webhooks/key along.

Exit 3 when the source is not as it was written, which names the first bad place, and nothing behind it is copied; or when
the target holds other events, which names the first.`,
	}
	from.flags(cmd.Flags(), "the log to copy", "source")
	to.flags(cmd.Flags(), "where to", "target")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, p := range []place{from, to} {
			if err := onlyForNATS(cmd.Flags(), p.flag+"-", p.url); err != nil {
				return err
			}
		}
		source, err := from.config(cmd.CommandPath())
		if err != nil {
			return err
		}
		if !cmd.Flags().Changed("to-ledger") {
			to.ledger = from.ledger
		}
		target, err := to.config(cmd.CommandPath())
		if err != nil {
			return err
		}
		source.Existing = true
		if source.Store == "nats" {
			if _, err := os.Stat(filepath.Join(source.Data, "log")); err != nil {
				return fmt.Errorf("--from: there is no ledger in %s", source.Data)
			}
		}
		return c.copyLog(cmd.Context(), source, target)
	}
	return cmd
}

// copyLog opens the two stores and copies.
func (c *cli) copyLog(ctx context.Context, source, target app.Config) (err error) {
	from, err := c.openPlace(ctx, "--from", source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	same, err := c.sameLog(ctx, from, target)
	if err != nil {
		return err
	}
	if same {
		return wrongUse("--from and --to are the same log")
	}
	to, err := c.openPlace(ctx, "--to", target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()

	end, err := from.Head(ctx)
	if err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	bar := c.progress("copy", int64(end), decor.CountersNoUnit("%d / %d"))
	res, err := logcopy.Copy(ctx, from, to, logcopy.Options{Progress: func(done, _ eventstore.Position) { bar.to(int64(done)) }})
	bar.stop()
	if err != nil {
		return c.copyStopped(ctx, res, err)
	}
	return c.printCopied(res)
}

// copyStopped says how far a copy came that did not come to its end, and what to do.
func (c *cli) copyStopped(ctx context.Context, res logcopy.Result, err error) error {
	var broken *audit.Difference
	var diverged *logcopy.DivergedError
	switch {
	case errors.As(err, &broken):
		c.note("the copy holds the %d events before that", res.Events)
		return fmt.Errorf("the source is not as it was written: %w", err)
	case errors.As(err, &diverged):
		c.note("the first %d events are the same; give --to an empty store, or the copy that was begun", res.Events)
		return err
	case ctx.Err() != nil:
		c.note("stopped after %d events, all of which are safe in the copy; run it again to go on", res.Events)
		return errSaid
	}
	c.note("%d events are safe in the copy; run it again to go on", res.Events)
	return err
}

func (c *cli) printCopied(res logcopy.Result) error {
	if c.format == "table" {
		rate := ""
		if res.Copied > 0 && res.Seconds > 0 {
			rate = fmt.Sprintf(" (%.0f events/s)", float64(res.Copied)/res.Seconds)
		}
		_, err := fmt.Fprintf(c.out, "the copy is whole: %d events in %d streams, %d of them copied now, up to position %d (%d in the source), in %.2f s%s, digest %s\n",
			res.Events, res.Streams, res.Copied, res.To, res.From, res.Seconds, rate, res.Digest)
		return err
	}
	l := listing{columns: []string{"EVENTS", "STREAMS", "COPIED", "FROM_POSITION", "TO_POSITION", "SECONDS", "DIGEST"}, one: true}
	l.add(res, strconv.FormatInt(res.Events, 10), strconv.FormatInt(res.Streams, 10), strconv.FormatInt(res.Copied, 10),
		position(res.From), position(res.To), strconv.FormatFloat(res.Seconds, 'f', 2, 64), res.Digest)
	return c.print(l)
}

// openPlace opens one of the two stores; flag is its flag.
func (c *cli) openPlace(ctx context.Context, flag string, cfg app.Config) (eventstore.Store, error) {
	s, err := app.OpenLog(ctx, cfg, app.NewLogger(cfg, c.err))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return s, nil
}

// sameLog says whether a configuration names the log that is open already, as far as names tell.
func (c *cli) sameLog(ctx context.Context, open eventstore.Store, other app.Config) (bool, error) {
	st, err := open.Status(ctx)
	if err != nil {
		return false, fmt.Errorf("the source: %w", err)
	}
	location, err := other.StoreLocation()
	if err != nil {
		return false, err
	}
	return st.Location == location && (other.Store == "nats" || st.Ledger == other.Ledger), nil
}

// place is a store on the command line: its URL, and what goes with it.
type place struct {
	flag, url, ledger, esdbCreds string
	nats                         app.NATS
	replicas                     int
}

func (p *place) flags(f *pflag.FlagSet, what, which string) {
	d := app.Default()
	f.StringVar(&p.url, p.flag, "", what+": a data folder (DIR or file:DIR) or a store (nats://HOST:PORT, esdb://HOST:PORT)")
	if p.flag == "from" {
		f.StringVar(&p.ledger, "from-ledger", d.Ledger, "the log's name in the source")
	} else {
		f.StringVar(&p.ledger, "to-ledger", "", "the log's name in the target (default as in the source)")
	}
	for _, n := range natsFiles {
		f.StringVar(n.in(&p.nats), p.flag+"-"+n.flag, n.env(), "of the "+which+": "+n.usage)
	}
	f.StringVar(&p.esdbCreds, p.flag+"-esdb-credentials-file", d.ESDBCreds, "user and password for the "+which+", an EventStoreDB, in two lines")
	f.IntVar(&p.replicas, p.flag+"-replicas", d.Replicas, "of the log in the "+which+", a NATS cluster: 3 or 5 (default what it has; a new one has 1)")
}

func (p *place) config(command string) (app.Config, error) {
	c := app.Default()
	c.Ledger, c.ESDBCreds, c.Replicas, c.LogLevel = p.ledger, p.esdbCreds, p.replicas, "error"
	dir, isFile := strings.CutPrefix(p.url, "file:")
	switch {
	case p.url == "":
		return c, wrongUse("%s needs --from and --to", command)
	case p.url == "memory" || p.url == "nats":
		return c, wrongUse("--%s %s: name a store by its URL, or a data folder; a folder of that name is ./%s", p.flag, p.url, p.url)
	case isFile:
		u, err := url.Parse(p.url)
		if err != nil || (u.Host != "" && u.Host != "localhost") || dir == "" {
			return c, wrongUse("--%s %s: write it as file:DIR or file:///DIR", p.flag, p.url)
		}
		if c.Data = dir; strings.HasPrefix(dir, "//") {
			c.Data = filepath.FromSlash(u.Path)
		}
	case strings.Contains(p.url, "://"):
		only := app.Default()
		only.Store = p.url
		if err := only.Validate(); err != nil {
			return c, wrongUse("--%s %q: name a data folder or a store that logs are kept in, such as nats://HOST:PORT: %w", p.flag,
				app.PublicStore(p.url), err)
		}
		if c.Store = p.url; app.IsNATS(p.url) {
			c.NATS = p.nats
		}
	default:
		c.Data = p.url
	}
	if err := c.Validate(); err != nil {
		return c, usageError{fmt.Errorf("--%s: %w", p.flag, err)}
	}
	return c, nil
}
