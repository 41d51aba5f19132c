package app

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/outhooks"
	"github.com/orderledger/orderledger/commands/outhooks/sender"
)

// webhookLink is how other people's systems are told of orders.
type webhookLink struct {
	sender    *sender.Client
	endpoints *outhooks.Endpoints
	runner    *outhooks.Runner
}

func (a *App) openWebhooks() error {
	dir := filepath.Join(a.config.Data, "webhooks")
	keys := outhooks.NewKeyring()
	if a.config.Store == "memory" { // endpoints, and how far they are, are gone with the log
		dir = ""
	} else {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("--data: %w", err)
		}
		var err error
		if keys, err = outhooks.OpenKeyring(cmp.Or(a.config.WebhookKey, filepath.Join(dir, "key"))); err != nil {
			return err
		}
	}
	if err := a.openDoor(keys.Derived("sessions")); err != nil {
		return err
	}
	a.webhooks.sender = sender.New(sender.Config{AllowPrivate: a.config.WebhookAllowPrivate, Now: a.now, UserAgent: "orderledger/" + Version})
	a.onClose(a.webhooks.sender.Close)
	a.webhooks.endpoints = outhooks.NewEndpoints(a.store, a.codec, a.now, keys, a.webhooks.sender.Check)
	recordAfter := time.Duration(0)
	if a.config.shared() {
		recordAfter = webhookRecordAfter
	}
	runner, err := outhooks.New(outhooks.Config{
		Log: a.store, Codec: a.codec, Endpoints: a.webhooks.endpoints, Poster: a.webhooks.sender, Source: "urn:orderledger:" + a.config.Ledger,
		Dir: dir, Now: a.now, Logger: a.log, Turn: a.lease, RecordAfter: recordAfter,
	})
	a.webhooks.runner = runner
	return err
}

// webhookRecordAfter is after how long a delivery is in the log, where another process may have to go on.
const webhookRecordAfter = 10 * time.Second

func (a *App) registerWebhooks(api huma.API) {
	commandapi.RegisterWebhooks(api, commandapi.WebhookDeps{Endpoints: a.webhooks.endpoints, Runner: a.webhooks.runner, Logger: a.log})
}

// webhookMetrics are the figures of what is sent to other people's systems.
func (a *App) webhookMetrics() []prometheus.Collector {
	count := func(name, help string, of func(outhooks.Standing) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "orderledger", Name: name, Help: help}, func() (sum float64) {
			for _, s := range a.webhooks.runner.List() {
				sum += of(s)
			}
			return sum
		})
	}
	is := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	return []prometheus.Collector{
		count("webhook_endpoints", "Endpoints that events are sent to.", func(outhooks.Standing) float64 { return 1 }),
		count("webhook_parked", "Endpoints of which a delivery waits for a person.", func(s outhooks.Standing) float64 { return is(s.State() == outhooks.IsParked) }),
		count("webhook_disabled", "Endpoints that are disabled.", func(s outhooks.Standing) float64 { return is(s.State() == outhooks.IsDisabled) }),
		count("webhook_failing", "Endpoints of which a delivery has failed and is tried again.", func(s outhooks.Standing) float64 {
			return is(s.State() == outhooks.Active && s.Attempts > 0)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "orderledger", Name: "webhook_deliveries_total", Help: "Events that an endpoint has taken.",
		}, func() float64 { return float64(a.webhooks.runner.Stats().Delivered) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "orderledger", Name: "webhook_failures_total", Help: "Attempts that an endpoint did not answer with success.",
		}, func() float64 { return float64(a.webhooks.runner.Stats().Failed) }),
	}
}
