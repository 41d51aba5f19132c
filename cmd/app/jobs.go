package app

import (
	"context"
	"errors"
	"time"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/bulk"
	"github.com/orderledger/orderledger/commands/commandapi"
	"github.com/orderledger/orderledger/commands/views"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
	"github.com/orderledger/orderledger/projections"
	"github.com/orderledger/orderledger/projections/dashboard"
	"github.com/orderledger/orderledger/projections/queryapi"
)

// openJobs makes what carries acts out on many orders.
func (a *App) openJobs() (err error) {
	a.jobs.jobs = bulk.NewJobs(a.store, a.codec, a.now, a.jobsNamed(projections.JobQuery{Open: true, Limit: projections.MaxLimit}))
	c := bulk.Config{
		Jobs: a.jobs.jobs, Handler: a.handler, Standing: a.standing, Logger: a.log,
		Asked: a.jobsNamed(projections.JobQuery{Asked: true, Limit: projections.MaxLimit}),
	}
	if !a.alone() {
		c.Patience = bulk.DefaultPatience
	}
	a.jobs.runner, err = bulk.NewRunner(c)
	return err
}

// jobsNamed names jobs that the read model knows.
func (a *App) jobsNamed(q projections.JobQuery) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		list, err := a.model.Jobs(ctx, q)
		ids := make([]string, len(list))
		for i, j := range list {
			ids[i] = j.ID
		}
		return ids, err
	}
}

// alone says whether no other process can be on the log: one that is in the process is locked.
func (a *App) alone() bool { return a.config.Store == "nats" || a.config.Store == "memory" }

// standing is somebody as they are now: the holders of tokens are known by them, and whoever needs none by how the ledger is open.
// Whom a provider vouched for is who they were for as long as their session would have been good.
func (a *App) standing(ctx context.Context, was domain.Actor, then time.Time) (domain.Actor, error) {
	if was.ID == commandapi.Local {
		if a.config.NoAnonymous {
			return was, bulk.ErrNoLonger
		}
		return was, nil
	}
	list, err := a.model.Tokens(ctx)
	if err != nil {
		return was, err
	}
	is, known, alive := was, false, false
	for _, t := range list {
		if known = known || t.Name == was.ID; t.Name == was.ID && t.Revoked == nil && (!alive || t.Role == was.Role) {
			is.Role, alive = t.Role, true
		}
	}
	vouched := a.config.OIDC.Issuer != "" && a.now().Sub(then) < a.config.SessionLife
	if alive || !known && vouched {
		return is, nil
	}
	return was, bulk.ErrNoLonger
}

// jobLink is what the pages know of jobs.
type jobLink struct {
	jobs   *bulk.Jobs
	runner *bulk.Runner
}

// Made is the job that the actor of a request made with it before.
func (l jobLink) Made(ctx context.Context, key string, p dashboard.JobPlan) (string, bool, error) {
	j, found, err := l.jobs.Made(ctx, domain.ActorFrom(ctx), key, bulk.Plan{Verb: p.Verb, RetryOf: p.RetryOf, Asked: p.Asked})
	return j.ID, found, reused(err)
}

// Make makes a job for the actor of a request, which begins at once.
func (l jobLink) Make(ctx context.Context, key string, p dashboard.JobPlan) (string, eventstore.Position, error) {
	actor := domain.ActorFrom(ctx)
	if !actor.Role.May(domain.Permission(p.Verb)) {
		return "", 0, queryapi.ErrForbidden
	}
	j, err := l.jobs.Make(ctx, actor, key, bulk.Plan{Verb: p.Verb, Items: p.Items, RetryOf: p.RetryOf, Asked: p.Asked})
	if err != nil {
		return "", 0, reused(err)
	}
	l.runner.Made(j.ID)
	return j.ID, j.Position(), nil
}

// Read shows a job; whether who asks may see it is the pages' to say.
func (l jobLink) Read(ctx context.Context, id string) (dashboard.Job, error) {
	j, err := l.jobs.Read(ctx, id)
	if err == nil && j.State() == bulk.Incomplete {
		err = &domain.Rejection{Code: bulk.JobNotFound, Kind: domain.Missing, Message: "There is no such job."}
	}
	if err != nil {
		return dashboard.Job{}, err
	}
	out := dashboard.Job{
		ID: j.ID, Maker: j.Maker, State: string(j.State()), Made: j.Made, Changed: j.Changed, Results: j.Results, Done: j.Done,
		Waits: j.Asked(), Undone: j.Undone(),
		JobPlan: dashboard.JobPlan{Verb: j.Verb, Items: j.Items, RetryOf: j.RetryOf},
	}
	if j.Ended != nil {
		out.Why = j.Ended.Reason
	}
	return out, nil
}

// Cancel leaves undone what is left of a job.
func (l jobLink) Cancel(ctx context.Context, key, id string) (eventstore.Position, error) {
	j, err := l.jobs.Cancel(ctx, domain.ActorFrom(ctx), key, id)
	if err == nil {
		l.runner.Ended(id)
	}
	return j.Position(), err
}

// viewLink is what the pages know of saved views.
type viewLink struct{ *views.Views }

func (a *App) newViews() viewLink {
	return viewLink{views.New(a.store, a.codec, a.now, func(ctx context.Context, owner string) (int, error) {
		list, err := a.model.Views(ctx, owner)
		n := 0
		for _, v := range list.Views {
			if v.Owner == owner {
				n++
			}
		}
		return n, err
	})}
}

// Save saves a view, or changes the one whose id it has.
func (l viewLink) Save(ctx context.Context, key string, v projections.View) (string, eventstore.Position, error) {
	is := views.View{Name: v.Name, Query: v.Query, Shared: v.Shared}
	if v.ID != "" {
		p, err := l.Change(ctx, domain.ActorFrom(ctx), key, v.ID, is)
		return v.ID, p, reused(err)
	}
	id, p, err := l.Views.Save(ctx, domain.ActorFrom(ctx), key, is)
	return id, p, reused(err)
}

// Remove removes a view.
func (l viewLink) Remove(ctx context.Context, key, id string) (eventstore.Position, error) {
	return l.Views.Remove(ctx, domain.ActorFrom(ctx), key, id)
}

// Begin lets somebody begin with a view.
func (l viewLink) Begin(ctx context.Context, key, id string) (eventstore.Position, error) {
	return l.Views.Begin(ctx, domain.ActorFrom(ctx), key, id)
}

// reused says for people that a form was sent again with something else in it.
func reused(err error) error {
	if errors.Is(err, commands.ErrKeyReused) {
		return &domain.Rejection{Code: domain.BadValue, Kind: domain.Rule, Message: "This form was sent before, with something else in it. Begin again from the list."}
	}
	return err
}
