package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are read when they are asked for; nothing is counted twice.
func (a *App) metrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func(context.Context) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "orderledger", Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return value(ctx)
		}))
	}
	gauge("ready", "1 when the ledger is ready.", func(ctx context.Context) float64 {
		if len(a.Ready(ctx)) == 0 {
			return 1
		}
		return 0
	})
	gauge("log_head", "Position of the last durable event.", func(ctx context.Context) float64 {
		return float64(a.projector.Status(ctx).Head)
	})
	gauge("projection_lag_events", "Events that the six tabs don't show yet.", func(ctx context.Context) float64 {
		return float64(a.projector.Status(ctx).Lag)
	})
	gauge("saga_open", "Requests to Stripe without an answer.", func(context.Context) float64 { return float64(a.saga.Status().Open) })
	gauge("saga_hints", "Events of Stripe's that nobody has looked at yet.", func(context.Context) float64 { return float64(a.saga.Status().Hints) })
	gauge("saga_holds", "Holds that are watched until they are taken or run out.", func(context.Context) float64 { return float64(a.saga.Status().Holds) })
	gauge("saga_parked", "Requests to Stripe that wait for a person.", func(context.Context) float64 { return float64(a.saga.Status().Parked) })
	gauge("notices_open", "Notices that are wanted and have no answer, those whose time has not come among them.", func(context.Context) float64 {
		return float64(a.telling.runner.Status().Open)
	})
	gauge("notices_retrying", "Messages that were refused for now and are sent again later.", func(context.Context) float64 {
		return float64(a.telling.runner.Status().Retrying)
	})
	r.MustRegister(a.stripeMetrics()...)
	r.MustRegister(a.webhookMetrics()...)
	r.MustRegister(a.nats.metrics()...)
	r.MustRegister(a.leaseMetrics()...)
	return r
}
