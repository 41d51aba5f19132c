package natsstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// openPatience bounds the opening of the ledger's stream, once the server is there.
const openPatience = 60 * time.Second

// askPatience bounds one request that is repeated when there is no answer: a cluster without a leader gives none.
const askPatience = 2 * time.Second

// openStream opens the ledger's stream, makes it if there is none, and refuses one that does not keep the log's promises. Zero
// replicas are as many as the stream has, one for a new stream.
func openStream(ctx context.Context, js jetstream.JetStream, c setup) (jetstream.Stream, error) {
	if v := js.Conn().ConnectedServerVersion(); !atLeast(v, 2, 12) {
		return nil, fmt.Errorf("the NATS server is of version %s, and must be of 2.12 or later", v)
	}
	l, want := c.layout, wanted(c.layout, max(c.replicas, 1))
	if c.alone {
		if err := checkAlone(ctx, js, c); err != nil {
			return nil, err
		}
	}
	stream, err := findStream(ctx, js, want, c.existing)
	if c.existing && errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("there is no ledger %s at %s", l.ledger, c.about.Location)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: open the stream %s: %w", eventstore.ErrUnavailable, l.ledger, err)
	}
	info := stream.CachedInfo()
	if c.replicas == 0 {
		want.Replicas = info.Config.Replicas
	}
	if lacks(info.Config, want) {
		if stream, err = widen(ctx, js, info.Config, want); err != nil {
			return nil, fmt.Errorf("%w: let the stream %s take categories that are new: %w", eventstore.ErrUnavailable, l.ledger, err)
		}
		info = stream.CachedInfo()
	}
	if diffs := differences(info.Config, want); len(diffs) > 0 {
		return nil, &mismatchError{stream: l.ledger, differences: diffs}
	}
	if err := whole(info.State); err != nil {
		return nil, fmt.Errorf("the stream %s: %w", l.ledger, err)
	}
	return stream, nil
}

// checkAlone refuses a server of one ledger's own that keeps another's log: under a name that was misspelt, a second log would begin
// beside the one that is looked for.
func checkAlone(ctx context.Context, js jetstream.JetStream, c setup) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	other := ""
	all := js.ListStreams(ctx)
	for info := range all.Info() {
		switch log := info.Config.DenyDelete && info.Config.DenyPurge; {
		case !log || info.State.LastSeq == 0: // the public events, or a log that was never written to
		case info.Config.Name == c.layout.ledger:
			return nil
		default:
			other = info.Config.Name
		}
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("%w: list the streams: %w", eventstore.ErrUnavailable, err)
	}
	if other != "" {
		return &anotherLedgerError{dir: c.about.Location, holds: other, wanted: c.layout.ledger}
	}
	return nil
}

// anotherLedgerError refuses a data folder that belongs to another ledger.
type anotherLedgerError struct{ dir, holds, wanted string }

func (e *anotherLedgerError) Error() string {
	return fmt.Sprintf("%s holds the ledger %s, not %s: name the ledger %[2]s, or give %[3]s a folder of its own", e.dir, e.holds, e.wanted)
}

// atLeast compares a server's version.
func atLeast(version string, major, minor int) bool {
	var has [2]int
	_, err := fmt.Sscanf(version, "%d.%d.", &has[0], &has[1])
	return err == nil && (has[0] > major || has[0] == major && has[1] >= minor)
}

// findStream finds the ledger's stream, or makes it unless it must exist. A server that has just started may need a while.
func findStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, existing bool) (jetstream.Stream, error) {
	for attempt := 0; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, askPatience)
		stream, err := js.Stream(limited, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) && !existing {
			stream, err = js.CreateStream(limited, want)
		}
		cancel()
		starting := open(err) || code(err) == codeNoPeers || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)
		if !starting || pause(ctx, attempt) != nil {
			return stream, err
		}
	}
}

// lacks says whether a stream is as a ledger's must be, but that an older program made it, which knew fewer categories.
func lacks(got, want jetstream.StreamConfig) bool {
	fewer := len(got.Subjects) < len(want.Subjects)
	for _, s := range got.Subjects {
		fewer = fewer && slices.Contains(want.Subjects, s)
	}
	got.Subjects = slices.Clone(want.Subjects)
	return fewer && len(differences(got, want)) == 0
}

// widen lets a stream take more categories. What it holds is not touched, and an older program refuses it from then on.
func widen(ctx context.Context, js jetstream.JetStream, got, want jetstream.StreamConfig) (jetstream.Stream, error) {
	limited, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	got.Subjects = slices.Clone(want.Subjects)
	return js.UpdateStream(limited, got)
}

// whole says whether a stream holds every event from the first to the last.
func whole(st jetstream.StreamState) error {
	switch {
	case st.Lost != nil && len(st.Lost.Msgs) > 0:
		return fmt.Errorf("%w: the server says that %d events are lost, the first at position %d", eventstore.ErrGap, len(st.Lost.Msgs), st.Lost.Msgs[0])
	case st.Msgs != st.LastSeq || st.NumDeleted > 0 || (st.Msgs > 0 && st.FirstSeq != 1):
		return fmt.Errorf("%w: it holds %d events from position %d to %d", eventstore.ErrGap, st.Msgs, st.FirstSeq, st.LastSeq)
	}
	return nil
}
