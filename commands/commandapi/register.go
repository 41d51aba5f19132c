package commandapi

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/orderledger/orderledger/commands"
	"github.com/orderledger/orderledger/commands/access"
	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// Handler carries commands out; see commands.Handler.
type Handler interface {
	Handle(ctx context.Context, r commands.Request) (commands.Result, error)
}

// Placer takes orders in and puts new holds on them; see commands.Placer.
type Placer interface {
	Place(ctx context.Context, r commands.PlaceRequest) (commands.Result, error)
	PlaceMany(ctx context.Context, rs []commands.PlaceRequest) []commands.Outcome
	Reauthorize(ctx context.Context, r commands.ReauthorizeRequest) (commands.Result, error)
}

// Tokens makes and revokes API tokens; see access.Tokens.
type Tokens interface {
	CreateOnce(ctx context.Context, command uuid.UUID, actor domain.Actor, name string, role domain.Role) (access.Created, error)
	RevokeOnce(ctx context.Context, command uuid.UUID, actor domain.Actor, id string) (access.Revoked, error)
}

// Log reads one stream; see eventstore.Store.
type Log interface {
	ReadStream(ctx context.Context, stream string, after eventstore.Revision) iter.Seq2[eventstore.Recorded, error]
}

// Notices asks for people to be told again; see commands.Notices.
type Notices interface {
	Resend(ctx context.Context, r commands.Request, notice uuid.UUID) (commands.Kept, error)
	ResendShipped(ctx context.Context, r commands.Request) (commands.Kept, error)
	Tells(ctx context.Context, kind string) error
}

// Deps is what the endpoints need. Only Notices, Await and Logger may be left out.
type Deps struct {
	Handler Handler
	Placer  Placer
	Tokens  Tokens
	Notices Notices // nil: nobody is told again
	Log     Log
	Codec   eventstore.Codec
	Now     func() time.Time
	// Await returns when an order may have more events than version, or with the context's error. Without it the log is
	// looked at every PollEvery while somebody waits.
	Await func(ctx context.Context, order uuid.UUID, version int) error
	// Logger gets the failures; nil is slog.Default.
	Logger *slog.Logger
}

// PollEvery is how often the log is looked at for a request that waits, when there is no Deps.Await.
const PollEvery = 50 * time.Millisecond

type server struct {
	Deps
	api huma.API
}

// Register adds the endpoints of commands to an API, with their description in its OpenAPI document. It expects the actor in
// the request's context (see Authenticate).
func Register(api huma.API, d Deps) {
	Install()
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Await == nil {
		d.Await = poll
	}
	s := &server{Deps: d, api: api}
	s.registerPlace()
	s.registerActs()
	s.registerImports()
	if s.Notices != nil {
		s.registerNotices()
	}
	s.registerTokens()
}

func poll(ctx context.Context, _ uuid.UUID, _ int) error {
	t := time.NewTimer(PollEvery)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fail is the answer to a request that was not carried out.
func (s *server) fail(ctx context.Context, err error) error { return Answer(ctx, s.Logger, err) }

// permit returns the actor if its role permits an act.
func permit(ctx context.Context, p domain.Permission) (domain.Actor, error) {
	actor := domain.ActorFrom(ctx)
	if !actor.Role.May(p) {
		return domain.Actor{}, ErrForbidden
	}
	return actor, nil
}
