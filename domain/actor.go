package domain

import (
	"context"
	"slices"
)

// Role is what somebody may do.
type Role string

// The roles. A viewer reads; a clerk also accepts, captures, ships, archives and notes; a manager also refunds and cancels;
// an auditor reads and exports and changes nothing; a store places orders and reads its own; an admin may do all. System is
// the ledger itself (the saga, timers, the webhook) and is never given to a token.
const (
	Viewer  Role = "viewer"
	Clerk   Role = "clerk"
	Manager Role = "manager"
	Auditor Role = "auditor"
	Shop    Role = "store"
	Admin   Role = "admin"
	System  Role = "system"
)

// TokenRoles are the roles that a token can have.
var TokenRoles = []Role{Viewer, Clerk, Manager, Auditor, Shop, Admin}

// Via says through what an act came in.
type Via string

// The ways in.
const (
	ViaUI      Via = "ui"
	ViaAPI     Via = "api"
	ViaNATS    Via = "nats"
	ViaCLI     Via = "cli"
	ViaSaga    Via = "saga"
	ViaWebhook Via = "webhook"
)

// Actor is who did something: never the customer for a clerk's act.
type Actor struct {
	ID   string `json:"id"`
	Role Role   `json:"role"`
	Via  Via    `json:"via"`
}

// Permission is one thing that a role may do: the verb of a command, or one of the constants.
type Permission string

// Permissions beside the verbs of commands.
const (
	PermRead    Permission = "read"    // orders, tabs, timelines
	PermReadOwn Permission = "readOwn" // only the orders that the actor placed
	PermLog     Permission = "log"     // the log itself, stored bytes and all
	PermTokens  Permission = "tokens"  // API tokens
	PermOperate Permission = "operate" // rebuild projections

	PermReconcile Permission = "reconcile" // compare the ledger with Stripe
	PermWebhooks  Permission = "webhooks"  // whom events are sent to
	PermNotify    Permission = "notify"    // send people again what they were told
	PermJobs      Permission = "jobs"      // see what others do with many orders at once
	PermViews     Permission = "views"     // save lists under a name
)

var (
	clerkVerbs   = []Verb{VerbAccept, VerbCapture, VerbShip, VerbTracking, VerbArchive, VerbUnarchive, VerbNote, VerbReversal, VerbReauthorize}
	managerVerbs = []Verb{VerbRefund, VerbCancel, VerbResume}
)

// May says whether a role has a permission. Roles that are not known have none.
func (r Role) May(p Permission) bool {
	clerk := slices.Contains(clerkVerbs, Verb(p))
	switch r {
	case Admin, System:
		return true
	case Viewer:
		return p == PermRead
	case Auditor:
		return p == PermRead || p == PermLog || p == PermReconcile || p == PermJobs
	case Shop:
		return p == PermReadOwn || p == Permission(VerbPlace)
	case Clerk:
		return p == PermRead || p == PermNotify || p == PermViews || clerk
	case Manager:
		return p == PermRead || p == PermReconcile || p == PermNotify || p == PermJobs || p == PermViews || clerk || slices.Contains(managerVerbs, Verb(p))
	}
	return false
}

type actorKey struct{}

// WithActor returns a context that carries who is asking.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who is asking; the zero Actor, which may nothing, when the context doesn't say.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
