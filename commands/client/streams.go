package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/orderledger/orderledger/domain/eventstore"
)

// maxLine bounds one line of a stream: an event of eventstore.MaxEventSize in base64, and what stands around it.
const maxLine = 2 * eventstore.MaxEventSize

// Change says that something happened to an order.
type Change struct {
	Position eventstore.Position `json:"position"`
	OrderID  uuid.UUID           `json:"order_id"`
	Type     string              `json:"type"`
	Version  int                 `json:"version"` // the order's, after it; zero for notices
}

// Events yields the changes after a position as they happen, each once, until the context ends; after nil, from now on. When
// the connection is cut it goes on from where it was. It ends with the first error that asking again doesn't help.
func (c *Client) Events(ctx context.Context, after *eventstore.Position) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		from := func() *call {
			r := &call{method: http.MethodGet, path: "/v1/events", header: http.Header{"Accept": {"text/event-stream"}}}
			if after != nil {
				r.path += "?after=" + strconv.FormatUint(uint64(*after), 10)
			}
			return r
		}
		each := func(line []byte) (bool, error) {
			data, ok := bytes.CutPrefix(line, []byte("data:"))
			if !ok {
				return true, nil // an id, a sign of life, the end of an event
			}
			var change Change
			if err := json.Unmarshal(data, &change); err != nil {
				return false, fmt.Errorf("event: %w", err)
			}
			after = &change.Position
			return yield(change, nil), nil
		}
		if err := c.follow(ctx, from, each, true); err != nil {
			yield(Change{}, err)
		}
	}
}

// Log yields the log after a position with its stored bytes, for audit: up to where it ends when asked, or, to follow, until
// the context ends. When the connection is cut it goes on from where it was.
func (c *Client) Log(ctx context.Context, after eventstore.Position, follow bool) iter.Seq2[eventstore.Recorded, error] {
	return func(yield func(eventstore.Recorded, error) bool) {
		from := func() *call {
			return &call{method: http.MethodGet, path: fmt.Sprintf("/v1/log?after=%d&follow=%t", after, follow)}
		}
		each := func(line []byte) (bool, error) {
			var l struct {
				Position eventstore.Position `json:"position"`
				Stream   string              `json:"stream"`
				Revision eventstore.Revision `json:"revision"`
				ID       uuid.UUID           `json:"id"`
				Type     string              `json:"type"`
				Data     []byte              `json:"data"`
				Meta     []byte              `json:"meta"`
			}
			if err := json.Unmarshal(line, &l); err != nil {
				return false, fmt.Errorf("log after position %d: %w", after, err)
			}
			after = l.Position
			return yield(eventstore.Recorded{
				Event:  eventstore.Event{ID: l.ID, Type: l.Type, Data: l.Data, Meta: l.Meta},
				Stream: l.Stream, Revision: l.Revision, Position: l.Position,
			}, nil), nil
		}
		if err := c.follow(ctx, from, each, follow); err != nil {
			yield(eventstore.Recorded{}, err)
		}
	}
}

// follow reads a stream's lines and opens it anew, from where it was, when it is cut; a stream that is endless is cut
// whenever it ends. Attempts in a row without a line are bounded. nil means that each had enough, or that the stream is over.
func (c *Client) follow(ctx context.Context, from func() *call, each func(line []byte) (bool, error), endless bool) error {
	for failures := 1; ; failures++ {
		res, err := c.open(ctx, from())
		if err == nil {
			var more, heard bool
			more, heard, err = lines(res, each)
			if heard {
				failures = 1
			}
			switch {
			case !more:
				return err
			case err == nil && !endless:
				return nil
			case err == nil:
				err = &unanswered{io.ErrUnexpectedEOF}
			}
		}
		wait, again := retry(err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !again || failures >= c.config.Attempts:
			return err
		}
		if err := pause(ctx, max(wait, backoff(failures))); err != nil {
			return err
		}
	}
}

// lines hands a stream's lines to each until that has had enough or the stream ends. more says that it ended by itself, with
// an error when it was cut; heard, that there was a line.
func lines(res *http.Response, each func([]byte) (bool, error)) (more, heard bool, err error) {
	defer func() { _ = res.Body.Close() }() // read to its end, or given up
	in := bufio.NewScanner(res.Body)
	in.Buffer(make([]byte, 64<<10), maxLine)
	in.Split(wholeLines)
	for in.Scan() {
		if len(in.Bytes()) == 0 {
			continue
		}
		heard = true
		if more, err := each(in.Bytes()); err != nil || !more {
			return false, true, err
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return false, heard, err
	} else if err != nil {
		return true, heard, &unanswered{err}
	}
	return true, heard, nil
}

// wholeLines splits at line ends and leaves out what a cut connection left of a line.
func wholeLines(data []byte, _ bool) (advance int, line []byte, err error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	return i + 1, bytes.TrimSuffix(data[:i], []byte{'\r'}), nil
}
