package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	envprovider "github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/orderledger/orderledger/cmd/app"
	"github.com/orderledger/orderledger/commands/manufacturer"
	"github.com/orderledger/orderledger/domain"
)

const (
	envPrefix = "ORDERLEDGER_"
	delimiter = "\x00" // which no key holds: keys are flat, but for the manufacturers'
)

// others are variables with our prefix that are not serve's own.
var others = []string{"server", "token-file"}

// serveFlags defines serve's flags, with the defaults of app.Config.
func serveFlags(f *pflag.FlagSet) {
	d := app.Default()
	f.String("data", d.Data, "folder of the log, the read models and the sandbox")
	f.String("store", d.Store, "the log: nats (embedded), nats://HOST:PORT[,HOST:PORT…], esdb://HOST:PORT (EventStoreDB, KurrentDB) or memory")
	f.String("ledger", d.Ledger, "the log's name in the store")
	f.String("listen", d.Listen, "HOST:PORT to serve on")
	f.String("durability", d.Durability, "of the embedded store: group (one barrier for all who wait) or strict (one fsync each)")
	f.String("nats-listen", d.NATSListen, "HOST:PORT where NATS clients may reach the ledger with an embedded store (default off)")
	for _, n := range natsFiles {
		f.String(n.flag, "", n.usage)
	}
	f.String("esdb-credentials-file", d.ESDBCreds, "file that holds user and password for EventStoreDB, in two lines (default those of --store)")
	f.Int("replicas", d.Replicas, "of the log in an external NATS cluster: 3 or 5 (default what it has; a new one has 1)")
	f.String("stripe", d.Stripe, "who takes the money: sandbox (nobody), test or live")
	f.String("stripe-key-file", d.StripeKey, "file that holds Stripe's key")
	f.Bool("reconcile-first", d.ReconcileFirst, "compare the whole ledger with Stripe before anything is asked of it; say this after a restore")
	f.String("stripe-webhook-secret-file", d.StripeWebhookSecret, "file that holds what Stripe signs its webhooks with: the current secret, and the one before it")
	f.String("sandbox-url", d.SandboxURL, "a sandbox Stripe that runs elsewhere (default one of its own)")
	f.Bool("no-anonymous", d.NoAnonymous, "want a token of everybody, on loopback too")
	f.Float64("rate-limit", d.RateLimit, "requests per second and client")
	f.Bool("webhook-allow-private", d.WebhookAllowPrivate, "let webhooks go out to this machine and to private networks, and by http")
	f.String("webhook-key-file", d.WebhookKey, "file of the key that webhooks' signing secrets are derived from (default webhooks/key in the data folder)")
	f.Bool("public-events", d.PublicEvents, "publish what happens to orders on LEDGER.public.TYPE, with an external NATS or --nats-listen")
	f.Bool("public-customer-data", d.PublicCustomerData, "publish customers, addresses, note texts and card digits, too")
	mailFlags(f, d.Mail)
	signInFlags(f, d)
	slipFlags(f, d.Slip)
	f.String("log-level", d.LogLevel, "debug, info, warn or error")
	f.String("log-format", d.LogFormat, "text or json")
}

// natsFile is a flag that says how to reach an external NATS.
type natsFile struct {
	flag, usage string
	in          func(*app.NATS) *string
}

// env is what the environment says, for tools; serve reads it together with the rest.
func (n natsFile) env() string { return env(strings.ToUpper(strings.ReplaceAll(n.flag, "-", "_")), "") }

var natsFiles = []natsFile{
	{"nats-creds-file", "credentials for an external NATS", func(s *app.NATS) *string { return &s.CredentialsFile }},
	{"nats-nkey-file", "seed of the nkey for an external NATS", func(s *app.NATS) *string { return &s.NKeyFile }},
	{"nats-ca-file", "certificates that an external NATS is trusted by (default the system's)", func(s *app.NATS) *string { return &s.CAFile }},
	{"nats-cert-file", "our own certificate for an external NATS", func(s *app.NATS) *string { return &s.CertFile }},
	{"nats-key-file", "the key of our own certificate", func(s *app.NATS) *string { return &s.KeyFile }},
}

// readConfig puts serve's configuration together: a flag beats the environment beats the file beats the default. Keys and
// variables that mean nothing are refused, and so are values that can't be read: none must be silently without effect.
func readConfig(flags *pflag.FlagSet, path string, environ []string) (app.Config, error) {
	var wrong error
	if path == "" {
		for _, v := range environ {
			if named, ok := strings.CutPrefix(v, envPrefix+"CONFIG="); ok {
				path = named
			}
		}
	}
	k := koanf.New(delimiter)
	known := func(key string) bool { f := flags.Lookup(key); return f != nil && key != "config" && key != "help" }
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return app.Config{}, usageError{fmt.Errorf("--config: %w", err)}
		}
		for _, key := range k.Keys() {
			if top, _, _ := strings.Cut(key, delimiter); top == manufacturer.Key || top == app.NATSRolesKey {
				continue
			}
			if !known(key) {
				wrong = errors.Join(wrong, fmt.Errorf("--config %s: %q is not a key; keys are named as serve's flags, or %s or %s",
					path, strings.ReplaceAll(key, delimiter, "."), manufacturer.Key, app.NATSRolesKey))
			} else if err := readable(flags.Lookup(key), k.Get(key)); err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("--config %s: %s: %w", path, key, err))
			}
		}
	}
	fromEnv := envprovider.Provider(delimiter, envprovider.Opt{
		Prefix: envPrefix, EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "_", "-")
			switch {
			case key == "config", slices.Contains(others, key), strings.HasPrefix(key, "test-"): // the tests' own
				return "", nil
			case !known(key):
				wrong = errors.Join(wrong, fmt.Errorf("%s means nothing; variables are named as serve's flags", name))
				return "", nil
			}
			if err := readable(flags.Lookup(key), value); err != nil {
				wrong = errors.Join(wrong, fmt.Errorf("%s: %w", name, err))
			}
			return key, value
		},
	})
	if err := k.Load(fromEnv, nil); err != nil {
		return app.Config{}, err
	}
	if wrong != nil {
		return app.Config{}, usageError{wrong}
	}
	if err := k.Load(posflag.Provider(flags, delimiter, k), nil); err != nil {
		return app.Config{}, err
	}
	c := app.Config{
		Data: k.String("data"), Store: k.String("store"), Ledger: k.String("ledger"), Listen: k.String("listen"),
		Durability: k.String("durability"), NATSListen: k.String("nats-listen"), ESDBCreds: k.String("esdb-credentials-file"),
		Replicas: k.Int("replicas"), Stripe: k.String("stripe"), StripeKey: k.String("stripe-key-file"),
		SandboxURL: k.String("sandbox-url"), NoAnonymous: k.Bool("no-anonymous"), RateLimit: k.Float64("rate-limit"),
		LogLevel: k.String("log-level"), LogFormat: k.String("log-format"),
		StripeWebhookSecret: k.String("stripe-webhook-secret-file"), ReconcileFirst: k.Bool("reconcile-first"),
		WebhookAllowPrivate: k.Bool("webhook-allow-private"), WebhookKey: k.String("webhook-key-file"),
		PublicEvents: k.Bool("public-events"), PublicCustomerData: k.Bool("public-customer-data"),
		NATSRoles: natsRoles(k.Raw()[app.NATSRolesKey]), Mail: readMail(k), OIDC: readOIDC(k), SessionLife: k.Duration("session-life"),
		Slip: readSlip(k),
	}
	for _, n := range natsFiles {
		*n.in(&c.NATS) = k.String(n.flag)
	}
	var err error
	c.Manufacturers, err = manufacturer.Parse(k.Raw()[manufacturer.Key])
	if err = errors.Join(err, c.Validate()); err != nil {
		return app.Config{}, usageError{err}
	}
	return c, nil
}

// readable says why a value of the file or the environment is none for a flag, and what is one. A number is no duration there, as
// it is none on the command line.
func readable(f *pflag.Flag, value any) error {
	switch value.(type) {
	case []any, map[string]any:
		return fmt.Errorf("%v: use one value, not several", value)
	}
	text, err := fmt.Sprint(value), error(nil)
	if value == nil {
		text = ""
	}
	var use string
	switch f.Value.Type() {
	case "bool":
		_, err = strconv.ParseBool(text)
		use = "true or false"
	case "int":
		_, err = strconv.Atoi(text)
		use = "a whole number"
	case "float64":
		_, err = strconv.ParseFloat(text, 64)
		use = "a number, such as 2.5"
	case "duration":
		_, err = time.ParseDuration(text)
		use = "a duration, such as 90s, 30m or 12h"
	}
	if err != nil {
		return fmt.Errorf("%q: use %s", text, use)
	}
	return nil
}

// natsRoles are the roles of accounts, as the file has them; what is no name of a role is left for Config.Validate to refuse.
func natsRoles(raw any) map[string]domain.Role {
	if raw == nil {
		return nil
	}
	roles := map[string]domain.Role{}
	accounts, ok := raw.(map[string]any)
	if !ok {
		roles[""] = domain.Role(fmt.Sprint(raw))
	}
	for account, role := range accounts {
		roles[account] = domain.Role(fmt.Sprint(role))
	}
	return roles
}

// logSource are the flags of commands that look at a log: a running ledger's, a stopped one's, or a store's.
type logSource struct {
	data, store, ledger string
	esdbCreds           string
	nats                app.NATS
	replicas            int
	create              bool // make the log when there is none
}

func (s *logSource) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.data, "data", "", "look at a stopped ledger in this folder, instead of the server")
	f.StringVar(&s.store, "store", "", "look at the log in this store (nats://HOST:PORT[,HOST:PORT…], esdb://HOST:PORT), instead of the server")
	f.StringVar(&s.esdbCreds, "esdb-credentials-file", "", "file that holds user and password for EventStoreDB, in two lines")
	f.StringVar(&s.ledger, "ledger", app.Default().Ledger, "the log's name in the store")
	for _, n := range natsFiles {
		f.StringVar(n.in(&s.nats), n.flag, n.env(), n.usage)
	}
	if s.create {
		f.IntVar(&s.replicas, "replicas", 0, "of the log, if it is made now in a NATS cluster: 3 or 5 (default 1)")
	}
	cmd.PreRunE = func(*cobra.Command, []string) error { return s.check(f) }
}

// check refuses flags that would be without effect.
func (s *logSource) check(f *pflag.FlagSet) error {
	if !s.direct() {
		for _, flag := range []string{"ledger", "esdb-credentials-file"} {
			if f.Changed(flag) {
				return wrongUse("--%s: only for a log that is opened with --data or --store; a server has one log", flag)
			}
		}
	}
	return onlyForNATS(f, "", s.store)
}

// onlyForNATS refuses flags of an external NATS that were given with another store. What the environment says of NATS is no
// mistake there: it is every command's.
func onlyForNATS(f *pflag.FlagSet, prefix, store string) error {
	if app.IsNATS(store) {
		return nil
	}
	flags := []string{"replicas"}
	for _, n := range natsFiles {
		flags = append(flags, n.flag)
	}
	for _, flag := range flags {
		if f.Changed(prefix + flag) {
			return wrongUse("--%s%s: only an external NATS (nats://HOST:PORT) needs it", prefix, flag)
		}
	}
	return nil
}

// direct says whether the log is to be opened, and not asked for at the server.
func (s *logSource) direct() bool { return s.data != "" || s.store != "" }

func (s *logSource) config() (app.Config, error) {
	c := app.Default()
	c.Ledger, c.LogLevel, c.ESDBCreds = s.ledger, "error", s.esdbCreds
	switch {
	case s.data != "" && s.store != "":
		return c, wrongUse("give --data or --store, not both")
	case s.data != "":
		c.Data = s.data
		if _, err := os.Stat(filepath.Join(s.data, "log")); err != nil && !s.create {
			return c, fmt.Errorf("--data: there is no ledger in %s", s.data)
		}
	case s.store == "memory" || s.store == "nats":
		return c, wrongUse("--store %s: name a store by its URL, or a folder with --data", s.store)
	default:
		c.Store, c.Replicas, c.Existing = s.store, s.replicas, !s.create
		if app.IsNATS(s.store) { // of others, what the environment says of NATS is no mistake
			c.NATS = s.nats
		}
	}
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}
