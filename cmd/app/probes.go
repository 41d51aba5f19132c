package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/stripepay"
	"github.com/orderledger/orderledger/domain"
)

// readiness is what /readyz answers.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons" nullable:"false" doc:"What keeps the ledger from being ready, each in a sentence"`
	Remarks []string `json:"remarks" nullable:"false" doc:"What an operator may want to know, and is no reason"`
}

// plainPaths adds to root what programs ask beside the API's operations. They know no other methods, which is said as of the rest.
func (a *App) plainPaths(root *http.ServeMux, openAPI http.Handler, auth commandapi.Auth) {
	metrics := promhttp.HandlerFor(a.metrics(), promhttp.HandlerOpts{})
	for _, p := range []struct {
		method, path string
		handler      http.Handler
	}{
		{http.MethodGet, "/livez", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })},
		{http.MethodGet, "/readyz", http.HandlerFunc(a.readyz)},
		{http.MethodGet, "/openapi.json", openAPI},
		{http.MethodGet, "/metrics", commandapi.Authenticate(auth)(may(domain.PermRead, metrics))},
		{http.MethodPost, stripepay.WebhookPath, a.webhook()},
	} {
		root.Handle(p.method+" "+p.path, p.handler)
		allowed := []string{p.method}
		if p.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
		root.HandleFunc(p.path, func(w http.ResponseWriter, r *http.Request) { notAllowed(w, r, allowed) })
	}
}

// notAllowed answers a method that a path does not know.
func notAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	commandapi.New(http.StatusMethodNotAllowed, commandapi.CodeMethodNotAllowed,
		"This path knows "+strings.Join(allowed, " and ")+", not "+r.Method+". See /openapi.json.").Write(w)
}

// describePlainPaths tells of them in /openapi.json.
func describePlainPaths(api *huma.OpenAPI) {
	anybody := []map[string][]string{{}} // no token is wanted
	text := func(media string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	object := func(media string, t reflect.Type) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{media: {Schema: api.Components.Schemas.Schema(t, true, t.Name())}}
	}
	problem := func(why string) *huma.Response {
		return &huma.Response{Description: why, Content: object("application/problem+json", reflect.TypeFor[commandapi.Problem]())}
	}
	ready := object("application/json", reflect.TypeFor[readiness]())
	for _, op := range []*huma.Operation{
		{
			OperationID: "livez", Method: http.MethodGet, Path: "/livez", Tags: []string{"operations"}, Security: anybody,
			Summary:   "Is the process alive",
			Responses: map[string]*huma.Response{"200": {Description: "It is.", Content: text("text/plain")}},
		},
		{
			OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"operations"}, Security: anybody,
			Summary: "Can the ledger take requests",
			Responses: map[string]*huma.Response{
				"200": {Description: "It can.", Content: ready}, "503": {Description: "It can't; reasons says why.", Content: ready},
			},
		},
		{
			OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"operations"},
			Summary: "Figures for Prometheus. Permission: read.",
			Responses: map[string]*huma.Response{
				"200": {Description: "The figures.", Content: text("text/plain")},
				"401": problem("Unauthorized: " + commandapi.CodeUnauthenticated), "403": problem("Forbidden: " + commandapi.CodeForbidden),
			},
		},
		{
			OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Tags: []string{"operations"}, Security: anybody,
			Summary:   "This document",
			Responses: map[string]*huma.Response{"200": {Description: "OpenAPI 3.1.", Content: text("application/openapi+json")}},
		},
		{
			OperationID: "stripe-webhook", Method: http.MethodPost, Path: stripepay.WebhookPath, Tags: []string{"operations"}, Security: anybody,
			Summary:     "Stripe's webhook",
			Description: "Stripe sends its events here. Its signature stands for the token, and the event's id for the Idempotency-Key.",
			Parameters: []*huma.Param{
				{Name: "Stripe-Signature", In: "header", Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Description: "As Stripe signs"},
			},
			RequestBody: &huma.RequestBody{
				Required: true, Description: "An event of Stripe's",
				Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
			},
			Responses: map[string]*huma.Response{
				"200": {Description: "The event is durable, or of no use to the ledger.", Content: map[string]*huma.MediaType{
					"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}},
				}},
				"400": problem("Bad Request: " + strings.Join([]string{
					stripepay.CodeSignatureInvalid, stripepay.CodeOutOfTolerance, stripepay.CodeEventMalformed, stripepay.CodeWrongMode,
				}, ", ")),
				"404": problem("Not Found: " + commandapi.CodeNotFound + ", when the ledger has no webhook secret"),
				"413": problem("Request Entity Too Large: " + commandapi.CodeTooLarge),
				"429": problem("Too Many Requests: " + commandapi.CodeRateLimited),
				"503": problem("Service Unavailable: " + commandapi.CodeUnavailable),
			},
		},
	} {
		api.AddOperation(op)
	}
}

func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	reasons := a.Ready(ctx)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if len(reasons) > 0 {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(readiness{ // the client is gone when this fails
		Ready: len(reasons) == 0, Reasons: reasons,
		Remarks: append([]string{}, slices.Concat(a.leaseRemarks(), a.webhooks.runner.Remarks(), a.nats.remarks())...),
	})
}
